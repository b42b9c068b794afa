# SPDX-License-Identifier: GPL-2.0-or-later
"""
Labs as the host has them: started, waited for, given a scenario to run, ended.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time

from . import daemons, isolate, state

SILENCE = 90  # seconds: longer than any step of a lab's coming up may take


class Lab:
    """A lab that this process started: its first process is our child."""

    def __init__(self, topology, params, name=None, detach=False, keep=(), say=None):
        self.say = say or (lambda text: print(f"nearlab: {text}", file=sys.stderr, flush=True))
        self.name, self.path, self.lock = state.claim(name or topology.name, exact=bool(name))
        reader, writer = os.pipe()
        options = {"folder": self.path, "file": topology.file, "topology": topology.name,
                   "topology_params": params,
                   "keep": [*keep, *daemons.program_folders(), os.path.dirname(topology.file)]}
        with open(os.path.join(self.path, "lab.log"), "ab") as log:
            self.process = isolate.spawn(
                [sys.executable, "-B", os.environ["NEARLAB_SCRIPT"], "--inside",
                 json.dumps(options), str(writer)],
                log, pass_fds=(writer, self.lock), detach=detach)
        os.close(writer)
        self.status = os.fdopen(reader, "rb", buffering=0)
        self.control = None

    def wait_ready(self):
        """Until the network is up and its routes have settled; StateError with the reason."""
        for line in self.heard():
            message = json.loads(line)
            if "say" in message:
                self.say(message["say"])
            elif "ready" in message:
                self.control = state.Control(self.path)
                return message["ready"]
            else:
                break
        else:
            message = {}
        log = self.last_words()
        self.end()
        raise state.StateError(f"the lab did not come up: {message.get('failed', 'it was killed')}"
                               + ("" if "failed" in message else f"\n{log}"))

    def heard(self):
        """Lines of the keeper; StateError when it says nothing for longer than it may take."""
        buffer = b""
        while True:
            ready, _, _ = select.select([self.status], [], [], SILENCE)
            if not ready:
                for pid in isolate.keepers(self.process.pid):
                    os.kill(pid, signal.SIGUSR2)  # it writes where it is into its log
                time.sleep(0.5)
                words = self.last_words(40)
                where = isolate.whereabouts(self.process.pid)
                self.end()
                raise state.StateError(f"the lab said nothing for {SILENCE} s\n{where}\n{words}")
            data = os.read(self.status.fileno(), 65536)
            if not data:
                return
            *lines, buffer = (buffer + data).split(b"\n")
            yield from lines

    def last_words(self, lines=12):
        """The end of the keeper's log."""
        try:
            with open(os.path.join(self.path, "lab.log"), encoding="utf-8",
                      errors="replace") as file:
                return "".join(file.readlines()[-lines:]).strip()
        except OSError:
            return ""

    def end(self):
        """Ends the lab, if it has not, and removes its folder."""
        if self.lock is None:
            return
        if self.process.poll() is None:
            try:
                if self.control:
                    self.control.call({"do": "down"})
                    self.process.wait(5)
            except (state.StateError, OSError, subprocess.TimeoutExpired):
                pass
            if self.process.poll() is None:
                self.process.kill()  # pid 1 dies with it, and all else with pid 1
                self.process.wait()
        state.remove(self.path)
        os.close(self.lock)
        self.lock = None

    def detach(self):
        """Lets it run without us."""
        self.status.close()
        self.control.close()
        os.close(self.lock)
        self.lock = None


def end_other(path):
    """Ends a lab that another process started: asks, and after 5 s kills its keeper."""
    name = os.path.basename(path)
    try:
        control = state.Control(path)
        keeper = os.pidfd_open(control.peer_pid())
    except (state.StateError, ProcessLookupError):
        if name in state.running():
            raise
        return  # it has ended by itself meanwhile
    try:
        try:
            control.sock.settimeout(5)
            control.call({"do": "down"})
        except (state.StateError, OSError):
            signal.pidfd_send_signal(keeper, signal.SIGKILL)
        control.close()
        daemons.wait_until(lambda: name not in state.running(), 15, f"the end of lab {name}")
    except TimeoutError as error:
        raise state.StateError(str(error)) from error
    finally:
        os.close(keeper)


def run_scenario(lab_path, scenario, params, seed, report, say):
    """Runs a scenario in a running lab. Its report, as report.json has it."""
    control = state.Control(lab_path)
    try:
        control.send({"do": "run", "file": scenario.file, "function": scenario.function,
                      "params": params, "seed": seed, "report": report, "cache": cache_folder()})
        while True:
            answer = control.receive()
            if "say" in answer:
                say(answer["say"])
            elif "error" in answer:
                raise state.StateError(f"the scenario could not run: {answer['error']}")
            else:
                break
    finally:
        control.close()
    from . import timeline  # pylint: disable=import-outside-toplevel
    timeline.draw(report, cache_folder())
    give_to_owner(report)
    return answer["result"]


def give_to_owner(path):
    """What root wrote into somebody's folder (sudo make lab) is theirs, as the folder is."""
    if os.geteuid() != 0:
        return
    above = os.stat(os.path.dirname(path))
    for folder, _, files in os.walk(path):
        for name in [folder] + [os.path.join(folder, f) for f in files]:
            os.chown(name, above.st_uid, above.st_gid)


def cache_folder():
    """Where the encoded videos are kept between labs."""
    path = os.environ.get("NEARLAB_CACHE")
    if not path:
        tree = os.path.dirname(os.path.dirname(os.environ["NEARLAB_SCRIPT"]))
        if os.path.exists(os.path.join(tree, "config.status")):  # a build tree: there, beside all
            path = os.path.join(tree, "lab", "cache")
        else:
            base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
            path = os.path.join(base, "nearlab")
    path = os.path.abspath(path)
    os.makedirs(path, exist_ok=True)
    return path
