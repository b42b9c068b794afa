# SPDX-License-Identifier: GPL-2.0-or-later
"""The nearlab command: what runs on the host."""

import argparse
import json
import os
import signal
import sys
import textwrap
import time

from . import daemons, isolate, state
from .library import Library, LibraryError
from .outer import Lab, cache_folder, end_other, run_scenario

EX_USAGE = 64
EX_UNAVAILABLE = 69


def main(argv, script):
    """Entry point. The exit code."""
    os.environ["NEARLAB_SCRIPT"] = script
    if argv[:1] == ["--inside"]:
        from .keeper import inside  # pylint: disable=import-outside-toplevel
        os.environ["PATH"] = daemons.search_path()  # the nodes' shells find nearctl, too
        return inside(json.loads(argv[1]), int(argv[2]))
    arguments = parse(argv)
    if arguments.state:
        os.environ["NEARLAB_STATE"] = os.path.abspath(arguments.state)
    try:
        return arguments.run(arguments)
    except (state.StateError, isolate.IsolationError, LibraryError,
            daemons.MissingProgram) as error:
        print(f"nearlab: {error}", file=sys.stderr)
        return EX_UNAVAILABLE if isinstance(error, daemons.MissingProgram) else 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141


class Parser(argparse.ArgumentParser):
    """Bad usage ends with sysexits' code."""

    def error(self, message):
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        sys.exit(EX_USAGE)


def parse(argv):
    """The command line."""
    parser = Parser(prog="nearlab", description="An emulated internetwork in one command.",
                    formatter_class=argparse.RawDescriptionHelpFormatter, epilog=textwrap.dedent("""
        TOPOLOGY and SCENARIO are names that `nearlab list` prints, or files of your own; TOPOLOGY
        may have its parameters with it: internet,ases=60.
        A lab lives in namespaces of its own: it cannot reach the host's network, and all of it
        is gone when it ends, however it ends."""))
    parser.add_argument("--state", metavar="DIR", help="the folder of all labs "
                        "[$NEARLAB_STATE, /run/nearlab or $XDG_RUNTIME_DIR/nearlab]")
    parser.add_argument("--version", action="version", version="nearlab 0.1.0")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, run, text, lab=True):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        if lab:
            sub.add_argument("--name", help="which lab, when several run")
        return sub

    def parameters(sub):
        sub.add_argument("--param", action="append", default=[], metavar="NAME=VALUE",
                         help="of the topology or the scenario (nearlab list says which)")

    sub = command("list", do_list, "topologies, their nodes and scenarios", lab=False)
    sub.add_argument("topology", nargs="?", help="only this one; a file of your own is checked")
    sub.add_argument("--json", action="store_true")

    sub = command("up", do_up, "bring a lab up")
    sub.add_argument("topology")
    sub.add_argument("--detach", action="store_true", help="leave it running in the background")
    parameters(sub)

    command("cli", do_cli, "Mininet's prompt in a running lab")

    sub = command("exec", do_exec, "run a command in a node, and pass its exit code on")
    sub.add_argument("node")
    sub.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- CMD...")

    sub = command("status", do_status, "what runs")
    sub.add_argument("--json", action="store_true")

    sub = command("fault", do_fault, "break something: kill-sn, hang-sn, cut-sn, slow-sn (of the "
                  "node that serves the client, if none is named), kill-arn, hang-arn, cut-arn, "
                  "slow-arn; or kill, hang, slow, cont, restart DAEMON@NODE or AS64500; cut, lose, delay, "
                  "join NODE, NODE-NODE or AS64500; part NODE,NODE; deaf, mute NODE")
    sub.add_argument("kind", nargs="?")
    sub.add_argument("target", nargs="?")
    sub.add_argument("much", nargs="?", help="lose: how many percent; delay, slow: "
                     "how many milliseconds [slow: 80]")
    sub.add_argument("--script", metavar="FILE", help="break what its lines say, each at its time "
                     "(SECONDS KIND TARGET MUCH)")

    command("heal", do_heal, "undo all faults")

    sub = command("catchment", do_catchment, "which client reaches which ARN, on which way, and what "
                  "has changed since somebody last asked")
    sub.add_argument("--json", action="store_true")

    sub = command("run", do_run, "run a scenario in a lab of its own (or in the running one that "
                  "--name says); exits 0 only if every assertion held")
    sub.add_argument("topology")
    sub.add_argument("scenario")
    sub.add_argument("--seed", type=int, default=None, help="of what is random [from the clock]")
    sub.add_argument("--report", metavar="DIR", help="where the report goes "
                     "[nearlab-report/TOPOLOGY-SCENARIO-TIME]")
    sub.add_argument("--json", action="store_true", help="print report.json instead of words")
    parameters(sub)

    sub = command("demo", do_demo, "run a scenario, tell what happened, and then give the prompt "
                  "when on a terminal (this is `make lab`)")
    sub.add_argument("topology", nargs="?", default="fig6")
    sub.add_argument("scenario", nargs="?", default=None)
    sub.add_argument("--seed", type=int, default=None)
    sub.add_argument("--report", metavar="DIR")
    parameters(sub)

    sub = command("soak", do_soak, "many runs of the failover scenarios, with a table of results",
                  lab=False)
    sub.add_argument("--runs", type=positive, default=20, help="of each kind of failure [20]")
    sub.add_argument("--seed", type=int, default=1, help="the first one [1]")
    sub.add_argument("--jobs", type=positive, default=1, help="labs side by side [1]")
    sub.add_argument("--report", metavar="DIR", help="[nearlab-report/soak-TIME]")
    sub.add_argument("--json", action="store_true")

    sub = command("down", do_down, "end a running lab")
    sub.add_argument("--all", action="store_true", help="all labs of this user")
    return parser.parse_args(argv)


def positive(text):
    """A number of the command line that is 1 at least."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected 1 or more")
    return number


def given_parameters(arguments):
    """--param NAME=VALUE … as a dictionary; numbers become numbers."""
    params = {}
    for text in arguments.param:
        name, equals, value = text.partition("=")
        if not equals:
            raise LibraryError(f"--param {text}: expected NAME=VALUE")
        try:
            params[name] = json.loads(value)
        except ValueError:
            params[name] = value
    return params


def named_topology(library, arguments):
    """The topology that is named, as NAME or NAME,PARAM=VALUE,…; its parameters join the others."""
    name, *given = [arguments.topology] if os.path.exists(arguments.topology) \
        else arguments.topology.split(",")
    arguments.param = [*given, *arguments.param]
    return library.topology(name)


# Commands.

def do_list(arguments):
    """list"""
    library = Library()
    topology = library.topology(arguments.topology) if arguments.topology else None
    listing = library.listing(topology and [topology])
    if arguments.json:
        print(json.dumps(listing, indent=2))
        return 0
    for name, entry in sorted(listing.items()):
        print(f"{name}: {entry['title']}")
        print(textwrap.fill(" ".join(entry["nodes"]), 96, initial_indent="    nodes      ",
                            subsequent_indent=" " * 15))
        print("    parameters", " ".join(f"{k}={v}" for k, v in entry["params"].items()) or "none")
        for name in entry["scenarios"]:
            scenario = library.scenario(name, topology)
            print(f"    {name:<17} {scenario.title}")
            words = " ".join(f"{k}={v}" for k, v in scenario.params.items())
            print(textwrap.fill(f"parameters {words or 'none'}", 96, initial_indent=" " * 15,
                                subsequent_indent=" " * 26))
    return 0


def do_up(arguments):
    """up"""
    topology = named_topology(Library(), arguments)
    params = given_parameters(arguments)
    topology.check(params)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(0))
    lab = Lab(topology, params, arguments.name, detach=arguments.detach)
    try:
        lab.wait_ready()
        lab.say(f"{topology.name} is up as '{lab.name}'")
        if arguments.detach:
            lab.detach()
            print(lab.name)
            return 0
        if sys.stdin and sys.stdin.isatty() and sys.stdout.isatty():
            return run_cli(lab.path)
        lab.say("no terminal: it stays up until a signal, or `nearlab down`")
        if lab.process.wait() != 0:
            lab.say(f"lab '{lab.name}' was killed")
            return 1
        return 0
    finally:
        lab.end()  # does nothing once it is detached


def run_cli(path):
    """Mininet's prompt of a lab, on our terminal."""
    control = state.Control(path)
    previous = signal.signal(signal.SIGINT, lambda *_: control.send({"do": "interrupt"}))
    others = own_terminal()
    try:
        control.send({"do": "cli"}, fds=(0, 1, 2))
        answer = control.receive()
        if "error" in answer:
            raise state.StateError(answer["error"])
        return answer["exit"]
    finally:
        if others:
            os.tcsetpgrp(0, others)
        signal.signal(signal.SIGINT, previous)
        control.close()


def own_terminal():
    """
    Makes this process the terminal's only foreground job while there is a prompt: ^C at the prompt
    is not meant for the make that we may have been started by, nor is ^Z. The process group whose
    turn it was, or None when there is nothing to give back.
    """
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        others = os.tcgetpgrp(0)
        if others != os.getpgrp() or others == os.getpid():
            return None
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        return others
    except OSError:  # no controlling terminal
        return None


def do_cli(arguments):
    """cli"""
    return run_cli(state.find(arguments.name))


def do_exec(arguments):
    """exec"""
    argv = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
    if not argv:
        print("nearlab exec: which command? nearlab exec NODE -- CMD...", file=sys.stderr)
        return EX_USAGE
    control = state.Control(state.find(arguments.name))
    node = control.call({"do": "node", "node": arguments.node})
    keeper = control.peer_pid()
    control.close()
    env = daemons.node_environment()
    env["PATH"] = node["path"]
    return isolate.run_in_node(keeper, node["pid"], argv, env)


def do_status(arguments):
    """status"""
    names = state.running()
    if arguments.name or len(names) == 1:
        control = state.Control(state.find(arguments.name))
        status = control.call({"do": "status"})
        status["pid"] = control.peer_pid()
        control.close()
        if arguments.json:
            print(json.dumps({**status, "labs": names}, indent=2))
        else:
            print_status(status)
        return 0
    if arguments.json:
        print(json.dumps({"labs": names}))
    else:
        print("running: " + ", ".join(names) + " (nearlab status --name N)" if names
              else "no lab is running")
    return 0 if names else 1


def do_catchment(arguments):
    """catchment"""
    from . import catchments  # pylint: disable=import-outside-toplevel
    control = state.Control(state.find(arguments.name))
    try:
        found = control.call({"do": "catchment"})["catchment"]
        nodes = control.call({"do": "status"})["nodes"]
    finally:
        control.close()
    if arguments.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(catchments.show(found, {n: e["as"] for n, e in nodes.items()})))
    return 0


def print_status(status):
    """For people."""
    print(f"{status['name']}: {status['topology']}, {status['state']}, "
          f"up for {time.time() - status['since']:.0f} s, links by {status['emulation']}")
    for name, node in status["nodes"].items():
        running = ", ".join(f"{d} {e['state']}" for d, e in node["daemons"].items())
        print(f"  {name:<10} {node['kind']:<13} AS {node['as']}  {node['address']:<15} {running}")
    for link in status["links"]:
        traits = [f"{link[k]:g} {unit}" for k, unit in
                  (("delay", "ms"), ("loss", "% loss"), ("bw", "Mbit/s")) if link[k]]
        if not link["alive"]:
            traits.append("DEAD: its process has ended (nearlab heal)")
        if traits:
            print(f"  {'-'.join(link['ends']):<24} {', '.join(traits)}")
    if status["serving"]:
        print(f"  serving clients: {', '.join(status['serving'])}")
    for fault in status["faults"]:
        print(f"  broken: {fault['kind']} {fault['target']} {fault.get('much', '')}".rstrip())


def do_fault(arguments):
    """fault"""
    if bool(arguments.script) == bool(arguments.kind):
        print("nearlab fault: which one? nearlab fault KIND TARGET [MUCH], or --script FILE",
              file=sys.stderr)
        return EX_USAGE
    if arguments.script:
        return run_script(arguments)
    control = state.Control(state.find(arguments.name))
    done = control.call({"do": "fault", "kind": arguments.kind, "target": arguments.target,
                         "much": arguments.much})
    print(f"{done['kind']} {done['target']}")
    return 0


def run_script(arguments):
    """fault --script"""
    from . import script  # pylint: disable=import-outside-toplevel
    try:
        with open(arguments.script, encoding="utf-8") as file:
            steps = script.parse(file.read(), arguments.script)
    except OSError as error:
        raise LibraryError(f"{arguments.script}: {error.strerror}") from error
    except ValueError as error:
        raise LibraryError(str(error)) from error
    control = state.Control(state.find(arguments.name))
    for step in steps:
        try:
            control.call({"do": "fault", "kind": step.kind, "target": step.target,
                          "only_check": True})
        except state.StateError as error:
            raise state.StateError(f"{arguments.script}:{step.line}: {error}") from error
    start = time.monotonic()

    def inject(kind, target, much):
        done = control.call({"do": "fault", "kind": kind, "target": target, "much": much})
        print(f"{time.monotonic() - start:.1f} {done['kind']} {done['target']}", flush=True)

    def heal():
        control.call({"do": "heal"})
        print(f"{time.monotonic() - start:.1f} heal", flush=True)

    script.run(steps, time.monotonic, time.sleep, inject, heal)
    return 0


def do_heal(arguments):
    """heal"""
    control = state.Control(state.find(arguments.name))
    for fault in control.call({"do": "heal"})["healed"]:
        print(f"healed: {fault['kind']} {fault['target']}")
    return 0


def do_down(arguments):
    """down"""
    if arguments.all:
        paths = [os.path.join(state.root(), name) for name in state.running()]
    else:
        paths = [state.find(arguments.name)]
    for path in paths:
        end_other(path)
    return 0


def default_report(*words):
    """A new folder's name for a report."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return os.path.join("nearlab-report", "-".join([*words, stamp, str(os.getpid())]))


def need_root():
    """LibraryError when a scenario cannot be run by this user."""
    if os.geteuid() != 0:
        raise LibraryError("scenarios need root, because tcpdump does: try sudo; without root a "
                           "lab can be brought up, entered and broken (nearlab up)")


def prepare_run(arguments):
    """What run and demo share: (topology, scenario, topology's and scenario's params, seed, dir)"""
    need_root()
    library = Library()
    topology = named_topology(library, arguments)
    made = topology.scenarios(library)
    if not arguments.scenario and not made:
        raise LibraryError(f"no scenario is made for {topology.name}: name one")
    scenario = library.scenario(arguments.scenario or made[0], topology)
    scenario.check_topology(topology)
    params = given_parameters(arguments)
    scenario.check(params, topology)
    # A scenario may want the topology other than it is by default.
    params = {**scenario.params, **params}
    mine = {k: v for k, v in params.items() if k in topology.params}
    rest = {k: v for k, v in params.items() if k not in topology.params}
    topology.check(mine)
    seed = arguments.seed if arguments.seed is not None else int(time.time()) % 1000000
    report = os.path.abspath(arguments.report or default_report(topology.name, scenario.name))
    os.makedirs(report, exist_ok=True)
    return topology, scenario, mine, rest, seed, report


def do_run(arguments):
    """run"""
    topology, scenario, mine, rest, seed, report = prepare_run(arguments)
    quiet = arguments.json

    def say(text):
        print(f"nearlab: {text}", file=sys.stderr if quiet else sys.stdout, flush=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lab = None
    if arguments.name and arguments.name in state.running():
        path = state.find(arguments.name)
        check_running(path, topology, mine)
    else:
        lab = Lab(topology, mine, arguments.name, keep=[report, cache_folder()], say=say)
        path = lab.path
    try:
        if lab:
            lab.wait_ready()
        result = run_scenario(path, scenario, {**rest, **mine}, seed, report, say)
    finally:
        if lab:
            lab.end()
        remove_empty(report)
    if quiet:
        print(json.dumps(result, indent=2))
    else:
        for line in result["story"]:
            print(line)
        print(f"report: {report}")
    return 0 if result["passed"] else 1


def check_running(path, topology, params):
    """StateError when the running lab is another topology, or has other parameters than are wanted."""
    control = state.Control(path)
    running = control.call({"do": "status"})
    control.close()
    name = running["name"]
    if running["topology"] != topology.name:
        raise state.StateError(f"lab '{name}' is {running['topology']}, not {topology.name}: say "
                               "another --name, or end it (nearlab down)")
    has = {**topology.params, **running["params"]}
    other = [k for k, v in params.items() if has[k] != v]
    if other:
        raise state.StateError(f"lab '{name}' runs with {other[0]}={has[other[0]]}, which is given "
                               "when it comes up: end it (nearlab down), or say another --name")


def remove_empty(report):
    """A report's folder that nothing came into, since the lab did not come up."""
    try:
        os.rmdir(report)
    except OSError:
        pass  # there is a report


def suggestions(control):
    """What can be tried at the prompt of this very lab."""
    nodes = control.call({"do": "status"})["nodes"]
    first = {}
    for name, node in nodes.items():
        first.setdefault(node["kind"], name)
    words = ["nodes"]
    if "client" in first and "publisher" in first:
        words.append(f"{first['client']} ping -c3 {first['publisher']}")
    if "router" in first:
        words.append(f"{first['router']} birdc show route")
    if "arn" in first:
        words.append(f"{first['arn']} nearctl show nodes")
    return words


def do_demo(arguments):
    """demo"""
    topology, scenario, mine, rest, seed, report = prepare_run(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def say(text):
        print(f"nearlab: {text}", flush=True)

    lab = Lab(topology, mine, arguments.name, keep=[report, cache_folder()], say=say)
    try:
        lab.wait_ready()
        result = run_scenario(lab.path, scenario, {**rest, **mine}, seed, report, say)
        print()
        for line in result["story"]:
            print(line)
        print(f"The report, with a picture of the timeline, is in {report}")
        if sys.stdin and sys.stdin.isatty() and sys.stdout.isatty():
            print("\nThe lab is still up, and this is Mininet's prompt. Try: "
                  f"{', '.join(f'`{c}`' for c in suggestions(lab.control))}; ^D ends it.")
            run_cli(lab.path)
    finally:
        lab.end()
        remove_empty(report)
    return 0 if result["passed"] else 1


def do_soak(arguments):
    """soak"""
    from . import soak  # pylint: disable=import-outside-toplevel
    need_root()
    report = os.path.abspath(arguments.report or default_report("soak"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return soak.run(arguments, report)
