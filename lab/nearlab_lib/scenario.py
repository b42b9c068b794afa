# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a scenario file can say. A scenario is a Python file with a docstring (its first line is the
title), and

    topologies = ["fig6"]            # what it is made for
    params = {"rate": 1}             # --param rate=8 sets lab.params["rate"]

    def run(lab):
        source = lab.publish("src803", "rtsp://sn808/news", rate=lab.params["rate"])
        player = lab.play("c802", "rtsp://acme.com/news")
        player.wait("playing")
        lab.pause(lab.random.uniform(1, 4))
        lab.fault("kill-sn", player.serving)
        player.wait("resumed")
        lab.pause(2)
        source.end()
        player.wait_end()
        lab.expect_same(source, player)

Or it is a function of a topology's file, in its dictionary `scenarios`; its parameters after `lab` are
the scenario's.

All waiting has a deadline; `lab.check(condition, text)` notes an assertion, and the run passes only
if all held. `lab.tell(text)` is a line of the story that is printed at the end.
"""

import glob
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback

from . import compare, daemons, media, pcap, rtp, script, userfile
from .checked import TopologyError
from .faults import MENDS, FaultError
from .nodes import Router


class ScenarioError(Exception):
    """The scenario cannot go on; the text says why."""


class Lines:
    """A process in a node whose output lines are kept with the time they came."""

    def __init__(self, lab, node, name, argv, on_line=None, output="stdout"):
        self.lab, self.node, self.name = lab, lab.net[node], name
        self.expected = False  # that it ends
        self.ended = None  # when its output did (monotonic time)
        self.log = os.path.join(lab.report, f"{name}.log")  # a new name: see Lab.file_name
        self.lines = []  # [(monotonic time, text)]
        self.changed = threading.Condition()
        self.on_line = on_line
        self.trouble = None  # what on_line() failed at: it is not called again then
        with open(self.log, "ab") as log:
            streams = {"stdout": log, "stderr": log, output: subprocess.PIPE}
            self.process = self.node.popen(argv, stdin=subprocess.DEVNULL, cwd="/",
                                           env=daemons.node_environment(), **streams)
        self.pipe = getattr(self.process, output)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        lab.processes.append(self)

    def _read(self):
        with open(os.path.join(self.lab.report, f"{self.name}.out"), "wb") as file:
            for line in self.pipe:
                now = time.monotonic()
                file.write(line)
                with self.changed:
                    self.lines.append((now, line.decode("utf-8", "replace").rstrip("\n")))
                    if self.on_line and not self.trouble:
                        self._take(now, self.lines[-1][1])
                    self.changed.notify_all()
        with self.changed:
            self.ended = time.monotonic()
            self.changed.notify_all()

    def _take(self, now, text):
        """Whatever is wrong with on_line(), the output is read to its end, and it is told of."""
        try:
            self.on_line(now, text)
        except Exception as error:  # pylint: disable=broad-except
            traceback.print_exc()
            self.trouble = f"the line {text!r} led to {type(error).__name__}: {error}"

    def wait_for(self, condition, timeout, what):
        """Until condition() is true; ScenarioError when the process ends before, or too late, or when
        on_line() failed."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                value = condition()
                if value:
                    return value
                if self.trouble:
                    raise ScenarioError(f"{self.name}: {self.trouble}")
                if not self.thread.is_alive():
                    raise ScenarioError(f"{self.name} ended before {what}: {self.last_words()}")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise ScenarioError(f"{self.name}: not within {timeout:g} s: {what}")
                self.changed.wait(min(left, 0.5))

    def last_words(self):
        """The end of its log."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            text = "".join(file.readlines()[-4:]).strip()
        return text or (self.lines[-1][1] if self.lines else "it said nothing")

    def alive(self):
        """Whether it runs."""
        return self.process.poll() is None

    def stop(self, sig=signal.SIGTERM, timeout=5):
        """Ends it with a signal (SIGKILL after `timeout`), and reads its output to the end."""
        self.expected = True
        if self.alive():
            self.process.send_signal(sig)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.thread.join(2)
        return self.process.returncode


class Capture(Lines):
    """tcpdump in a node, on its first interface if none is named."""

    # pylint: disable=too-many-arguments,too-many-positional-arguments
    def __init__(self, lab, node, name, snap, what, interface=None):
        self.path = os.path.join(lab.report, f"{name}.pcap")
        interface = interface or lab.net[node].defaultIntf().name
        super().__init__(lab, node, name,
                         [daemons.find("tcpdump"), "-i", interface, "-n", "-s", str(snap), "-B",
                          "16384", "-U", "--immediate-mode", "-Z", "root", "-w", self.path,
                          *what.split()], output="stderr")
        self.wait_for(lambda: any("listening on" in t for _, t in self.lines), 10, "it listens")

    def dropped(self):
        """Packets that the kernel could not give to tcpdump, once it has ended."""
        for _, text in self.lines:
            match = re.match(r"(\d+) packets? dropped by kernel", text)
            if match:
                return int(match.group(1))
        return 0


IN_FLIGHT = 0.02  # s: what was sent so shortly before its node died may not have passed it


class Source(Lines):
    """A publisher: ffmpeg, and a capture of all that it sends."""

    def __init__(self, lab, node, url, rate):
        self.rate, self.url = rate, url
        self.died = None  # when its node did, seconds since 1970
        try:
            file = media.clip(lab.cache, rate, lab.say)
        except ValueError as error:
            raise ScenarioError(str(error)) from error
        self.address = lab.topo.address(node)
        self.capture = Capture(lab, node, lab.file_name(f"{node}-sent"), 0,
                               f"udp and src host {self.address}")
        super().__init__(lab, node, lab.file_name(f"{node}-ffmpeg"),
                         media.publish_command(file, url), None, "stderr")

    def on_air(self):
        """Until it sends (ScenarioError when it fails)."""
        deadline = time.monotonic() + 20
        while os.path.getsize(self.capture.path) < 20000:
            if not self.alive():
                raise ScenarioError(f"{self.name} ended: {self.text()}")
            if time.monotonic() > deadline:
                raise ScenarioError(f"{self.name} sends nothing: {self.text()}")
            time.sleep(0.02)
        return self

    def text(self):
        """What ffmpeg said."""
        return " | ".join(t for _, t in self.lines[-4:]) or "it said nothing"

    def end(self):
        """The end of the stream: ffmpeg says TEARDOWN."""
        if not self.alive():
            raise ScenarioError(f"{self.name} ended by itself: {self.text()}")
        self.lab.event("the source ends", self.node.name)
        self.stop(signal.SIGINT)
        self.capture.stop(signal.SIGINT)

    def abandon(self, at):
        """Its node is gone since then (seconds of the run): it stops, whatever ffmpeg makes of that."""
        self.died = self.lab.wall + self.lab.start + at - IN_FLIGHT
        self.lab.event("the source stops", self.node.name)
        self.stop(signal.SIGKILL)
        self.capture.stop(signal.SIGINT)


GROUPS = "239.255.78.0/24"  # that channels are sent to, where a node is configured for it
PLACES = ("node", "from", "to", "server")  # details of a client's events that name a host


class Player(Lines):
    """client-failover: its events, what it wrote, and a capture of what reaches it."""

    told = True  # whether its events are events of the run

    def __init__(self, lab, node, url, options, capture=True, told=True):
        self.events, self.told = [], told
        self.dump = os.path.join(lab.report, lab.file_name(node) + ".rtpdump")
        with open(self.dump, "wb"):
            pass  # the name is taken before the client has started
        self.capture = capture and Capture(lab, node, lab.file_name(f"{node}-received"), 160,
                                           f"(udp or tcp) and (dst host {lab.topo.address(node)} or "
                               f"dst net {GROUPS})")
        super().__init__(lab, node, lab.file_name(f"{node}-client"),
                         [daemons.find("client-failover"), url, "--rtpdump", self.dump, "--json",
                          *options], self._hear)

    def _hear(self, now, text):
        try:
            event = json.loads(text)
        except ValueError:
            return
        event.setdefault("t", now)
        self.events.append(event)
        name = event.get("event")
        if self.told and name not in ("level", "progress", None):
            self.lab.event(f"client: {name}", self.node.name, t=event["t"],
                           **{k: self.lab.name_of(v) if k in PLACES and v else v
                              for k, v in event.items() if k not in ("t", "wall", "event")})

    def seen(self, name, since=0):
        """Events of that name, from the `since`th event on."""
        return [e for e in self.events[since:] if e.get("event") == name]

    def wait(self, name, timeout=20, since=0):
        """Until an event has come; the event."""
        return self.wait_for(lambda: self.seen(name, since), timeout, f"'{name}'")[0]

    @property
    def serving(self):
        """Name of the service node that serves it, as its own events say."""
        for event in reversed(self.events):
            if event.get("event") in ("attached", "playing", "resumed", "level"):
                place = event.get("to") or event.get("node")
                if place:
                    return self.lab.name_of(place)
        return None

    def over_tcp(self):
        """Whether media come within the RTSP connection."""
        argv = self.process.args
        return "--transport" in argv and argv[argv.index("--transport") + 1] == "tcp" or any(
            e.get("by") == "tcp" for e in self.seen("delivery"))

    def wait_end(self, timeout=20):
        """Until it has ended by itself, at the end of the stream; its `ended` event."""
        self.thread.join(timeout)
        if self.thread.is_alive():
            raise ScenarioError(f"{self.name}: not within {timeout} s: the end of the stream "
                                "has not reached it")
        self.expected = True
        code = self.process.wait(5)
        if self.capture:
            self.capture.stop(signal.SIGINT)
        self.lab.check(code == 0, f"the client ended with 0 (it was {code})"
                       + (f": {self.last_words()}" if code else ""))
        ended = self.seen("ended")
        return ended[-1] if ended else {}


class Lab:
    """What a scenario is given: see the essay above."""

    def __init__(self, net, faults, request, say):
        self.net, self.faults, self.topo = net, faults, net.topo
        self.params = dict(request["params"])
        self.seed, self.topology = request["seed"], request["topology"]
        self.random = random.Random(self.seed)
        self.report, self.cache = request["report"], request["cache"]
        self.say = say
        self.processes, self.events, self.checks, self.story = [], [], [], []
        self.measured, self.comparisons, self.answers = {}, [], {}
        self.start = time.monotonic()
        self.wall = time.time() - time.monotonic()
        self.addresses = {}
        for name in self.topo.nodes():
            address = self.topo.address(name)
            if address:
                self.addresses[address] = name

    # Time and talk.

    def now(self):
        """Seconds since the start of the run."""
        return time.monotonic() - self.start

    def event(self, what, where, t=None, **more):
        """Something for the timeline and the report."""
        at = self.now() if t is None else t - self.start
        self.events.append({"t": round(at, 6), "what": what, "where": where, **more})

    def tell(self, text):
        """A line of the story."""
        self.story.append(text)

    def check(self, held, text):
        """An assertion. The run goes on, and fails at its end if one did not hold."""
        self.checks.append({"held": bool(held), "text": text})
        return bool(held)

    def pause(self, seconds):
        """Lets the network be for a while, and notices when a process of ours dies meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for process in self.processes:
                if isinstance(process, (Source, Player)) and not (process.alive() or
                                                                  process.expected):
                    raise ScenarioError(f"{process.name} ended: {process.last_words()}")
            time.sleep(min(0.05, max(0.0, deadline - time.monotonic())))

    def name_of(self, place):
        """A node's name, by its address (with or without a port) or name."""
        if place in self.net:
            return place
        bare = re.sub(r"^\[?([^\]]*?)\]?(:\d+)?$", r"\1", place) if place.count(":") < 2 else place
        return self.addresses.get(bare, place)

    # Actors.

    def file_name(self, name):
        """`name`, or NAME-2 … when the report has files of that name already."""
        number = 1
        while glob.glob(os.path.join(glob.escape(self.report),
                                     f"{name if number == 1 else f'{name}-{number}'}.*")):
            number += 1
        return name if number == 1 else f"{name}-{number}"

    def fresh(self, path):
        """`path`, with a number when an earlier run in this network had it: what is in caches for longer
        than a run is not to be found there by the next one."""
        self.net.paths[path] = self.net.paths.get(path, 0) + 1
        return path if self.net.paths[path] == 1 else f"{path}{self.net.paths[path]}"

    def publish(self, node, url, rate=1):
        """ffmpeg publishes the lab's video from a node to a URL. Returns when it is on the air."""
        self.say(f"{node} publishes {rate} Mbit/s of H.264/AAC to {url}")
        source = Source(self, node, url, rate).on_air()
        self.event("on air", node)
        return source

    def play(self, node, url, options=(), capture=True, told=True):
        """
        client-failover plays a URL in a node. capture: what reaches the node is recorded; told: what the
        client says is in the timeline.
        """
        if told:
            self.say(f"{node} plays {url}")
        return Player(self, node, url, list(options), capture, told)

    def probe(self, node, url, interval=50):
        """Asks the anycast address every `interval` ms. Lines with JSON: see probe.py."""
        program = os.path.join(os.path.dirname(__file__), "probe.py")
        return Lines(self, node, self.file_name(f"{node}-probe"),
                     [sys.executable, "-B", program, url, str(interval)])

    def ask(self, node, url):
        """One transaction with the anycast address: {t, ms, code, location}, or error."""
        program = os.path.join(os.path.dirname(__file__), "probe.py")
        out, err, _ = self.net[node].pexec([sys.executable, "-B", program, url])
        try:
            return json.loads(out)
        except ValueError:
            return {"error": err.strip().splitlines()[-1] if err.strip() else "no answer"}

    def wait_service(self, node, url, timeout=20):
        """Until the anycast address answers a node with a redirection; the answer."""
        last = {}
        self.topo.address(node)  # LookupError before a wait that has no sense

        def redirected():
            last.clear()
            last.update(self.ask(node, url))
            return last.get("code") == 302
        try:
            daemons.wait_until(redirected, timeout, "a redirection", 0.1)
        except TimeoutError as error:
            raise ScenarioError(f"{url} does not redirect {node}: {last}") from error
        return last

    def watch_routes(self, *nodes):
        """Notes every change of the kernel's routes in these nodes (all routers, if none)."""
        for node in nodes or [h.name for h in self.net.hosts if isinstance(h, Router)]:
            def hear(now, text, node=node):
                if "table local" not in text and text.strip():
                    self.event("route: " + " ".join(text.split()), node, t=now)
            Lines(self, node, self.file_name(f"{node}-routes"),
                  ["ip", "-o", "monitor", "route"], hear)

    # Faults.

    def fault(self, kind, target=None, much=None):
        """
        Breaks something now (faults.py says what there is); what and where is noted. Its moment, in
        seconds of the run.
        """
        done = self.faults.inject(kind, target, much)
        breaks = done["kind"] not in MENDS
        what = f"fault: {done['kind']}" if breaks else done["kind"]
        self.event(what, done["target"], t=self.faults.at, fault=breaks)
        self.say(f"{what} {done['target']}")
        return self.faults.at - self.start

    def script(self, text):
        """
        Faults at their times, as script.py has them; returns after the last one. [(kind, target, its
        moment in seconds of the run)]
        """
        try:
            steps = script.parse(text)
        except ValueError as error:
            raise ScenarioError(str(error)) from error
        for step in steps:
            try:
                self.faults.check(step.kind, step.target)
            except FaultError as error:
                raise ScenarioError(f"script:{step.line}: {error}") from error
        done = script.run(steps, time.monotonic, self.pause, self.fault, self.heal)
        return [(step.kind, step.target, self.now() if at is None else at) for step, at in done]

    def heal(self):
        """Undoes all faults."""
        for done in self.faults.heal():
            self.event(f"healed: {done['kind']}", done["target"])

    # What it comes to.

    def expect_same(self, source, player):
        """
        Asserts that the client wrote what was published, byte for byte. source: or several, when the
        publisher has begun anew.
        """
        result = self._compare(source, player)
        self._note(source, player, result)
        return result

    def expect_all_same(self, source, players):
        """The same of many clients, in one assertion; the comparison is reported of one of them, and
        of each that has written something else."""
        results = [(player, self._compare(source, player)) for player in players]
        wrong = [(player, result) for player, result in results if not result["same"]]
        self.check(not wrong, f"each of {len(players)} clients wrote what was published"
                   + (f" (but: {len(wrong)} did not)" if wrong else ""))
        for player, result in wrong or results[:1]:
            self._note(source, player, result)

    def _compare(self, source, player):
        sources = source if isinstance(source, (list, tuple)) else [source]
        return compare.compare([(s.capture.path, s.died) for s in sources], player.dump,
                               sources[0].address, media.PAYLOADS)

    def _note(self, source, player, result):
        sources = source if isinstance(source, (list, tuple)) else [source]
        dropped = sum(s.capture.dropped() for s in sources)
        self.check(dropped == 0,
                   f"the capture at the source is whole ({dropped} packets dropped by tcpdump)")
        self.comparisons.append(
            {"source": sources[0].node.name, "client": player.node.name, **result})
        for medium in result["media"]:
            wrong = ", ".join(f"{medium[k]} {k}" for k in
                              ("missing", "extra", "different", "disordered", "repeated")
                              if medium[k])
            self.check(medium["same"], f"{medium['name']}: the client's {medium['written']} packets"
                       f" are what was published" + (f" (but: {wrong})" if wrong else ""))
        self.check(len(result["media"]) >= 2, "video and audio were compared")

    def received(self, player):
        """[(seconds since the start, node that sent it)] of every RTP packet at the client."""
        read = pcap.interleaved if player.over_tcp() else pcap.datagrams
        return [(d.time - self.wall - self.start, self.name_of(d.source))
                for d in read(player.capture.path) if rtp.parse(d.data)]

    def casualties(self):
        """What does not run though nothing of ours broke it: a word for each."""
        broken = {entry.target for entry in self.faults.broken}
        dead = [f"{daemon.name} of {host.name} ({daemon.state()})"
                for host in self.net.hosts for daemon in host.daemons.values()
                if not daemon.alive() and not broken & {host.name, f"{daemon.name}@{host.name}",
                                                        f"AS{host.params.get('asn')}"}]
        return dead + [f"the wire {link.intf1.node.name}-{link.intf2.node.name}"
                       for link in self.net.links if not link.alive()]

    def stop(self):
        """Ends what the scenario started, and heals what it broke."""
        for process in reversed(self.processes):
            sig = signal.SIGINT if isinstance(process, Capture) else signal.SIGTERM
            try:
                process.stop(sig)
            except OSError:
                pass
        self.heal()

    def save_logs(self):
        """Copies every node's configurations and logs into the report."""
        for host in self.net.hosts:
            target = os.path.join(self.report, "nodes", host.name)
            run = host.file("run")
            for folder, _, files in os.walk(run):
                for name in files:
                    path = os.path.join(folder, name)
                    if name.endswith((".conf", ".log", ".json", "hosts")):
                        os.makedirs(target, exist_ok=True)
                        shutil.copyfile(path, os.path.join(target, name))


def execute(net, faults, request, say):
    """Runs a scenario's file in a network. Its report, also written as report.json."""
    from . import report  # pylint: disable=import-outside-toplevel,cyclic-import
    name, title, run = _scenario(request)
    os.makedirs(request["report"], exist_ok=True)
    lab = Lab(net, faults, request, say)
    lab.watch_routes()
    failure = None
    try:
        run(lab)
    except Exception as error:  # pylint: disable=broad-except
        if not isinstance(error, SPEAKING):
            traceback.print_exc()
        file, line = userfile.line_of(request["file"], error)
        failure = userfile.words(request["file"], error, SPEAKING)
        failure += f" ({os.path.basename(file)}:{line})" if line else ""
    finally:
        casualties = lab.casualties()
        lab.stop()
        lab.save_logs()
    for process in lab.processes:
        if process.trouble and process.trouble not in (failure or ""):
            lab.check(False, f"{process.name}: {process.trouble}")
    if failure:
        lab.check(False, failure)
        for dead in casualties:
            lab.tell(f"Died by itself: {dead}.")
    return report.write(lab, name, title)


# Exceptions whose text says all.
SPEAKING = (ScenarioError, TimeoutError, daemons.MissingProgram, TopologyError, FaultError)


def _scenario(request):
    """(its name, its docstring, its function of the lab); the request gets its default parameters."""
    module = userfile.load(request["file"])
    if not request.get("function"):
        request["params"] = {**getattr(module, "params", {}), **request["params"]}
        name = os.path.basename(request["file"]).removesuffix(".py")
        return name, (module.__doc__ or "").strip(), module.run
    name = request["function"]
    function = module.scenarios[name]
    own = userfile.parameters(function)
    request["params"] = {**own, **request["params"]}
    arguments = {k: request["params"][k] for k in own}
    return name, (function.__doc__ or "").strip(), lambda lab: function(lab, **arguments)
