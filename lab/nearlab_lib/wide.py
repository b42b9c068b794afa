# SPDX-License-Identifier: GPL-2.0-or-later
"""
Figure 7's ARNs and nodes in a run: what they say of themselves, who comes to them, and what is changed of
them for a while. Who was where and when is taken from the nodes' own events.
"""

import json
import os
import re
import sys

from . import daemons, loads
from .nodes import Arn, ServiceNode
from .scenario import Lines, ScenarioError

HOME, BEST = ("sn912", "sn914"), "sn942"
HERD = {"arn908": "c916", "arn930": "c904", "arn932": "c906"}  # a client of each
WARM = 2  # nodes elsewhere that are eligible at rest: the default
PROGRAM = os.path.join(os.path.dirname(__file__), "crowd.py")


class World:
    """The ARNs and nodes, as they see themselves; and what is changed of them for a while."""

    def __init__(self, lab):
        self.lab = lab
        self.path = lab.fresh(lab.params["path"])
        self.url = f"rtsp://{lab.topo.service}/{self.path}"
        self.arns = lab.topo.of_class(Arn)
        self.nodes = [n for n in lab.topo.of_class(ServiceNode) if n != "sn928"]
        self.before = {}  # {(node, file): its text}
        self.drained = []
        # {node: [(t, its places from then on)]}
        self.places = {n: [(0.0, int(lab.topo.nodeInfo(n)["capacity"]))] for n in self.nodes}
        self.refused = []  # [[t, node]] of clients, in seconds of the run

    def ask(self, name, command="show status"):
        """What a daemon says to its operator."""
        out, err, code = self.lab.net[name].pexec([daemons.find("nearctl"), "--json",
                                                   *command.split()])
        if code:
            raise ScenarioError(f"{name}: nearctl {command}: {(out + err).strip()}")
        return json.loads(out)

    def change(self, name, daemon, pattern, text):
        """Another option in a daemon's configuration, until the end of the run."""
        path = f"run/nearcast/{daemon}.conf"
        with open(self.lab.net[name].file(path), encoding="utf-8") as file:
            was = file.read()
        self.before.setdefault((name, path), was)
        now, count = re.subn(pattern, text, was)
        if count != 1:
            raise ScenarioError(f"{name}: {daemon}.conf has '{pattern}' {count} times, expected once")
        self.lab.net[name].write(path, now)
        self.ask(name, "reload")

    def capacity(self, name, sessions):
        """A node has so many places from now on."""
        self.change(name, "sn-agent", r"capacity \{ sessions = \d+ \}",
                    f"capacity {{ sessions = {sessions:g} }}")
        self.places[name].append((self.lab.now(), sessions))

    def drain(self, *names):
        """No new client is sent to these nodes from now on."""
        for name in names:
            self.drained.append(name)
            self.ask(name, "drain")

    def restore(self):
        """All is as it was."""
        for (name, path), text in self.before.items():
            self.lab.net[name].write(path, text)
            self.ask(name, "reload")
        for name in self.drained:
            self.ask(name, "undrain")

    def far(self, arn):
        """{node: what an ARN knows of it} of all elsewhere that have answered it."""
        return {n["node"]: n for n in self.ask(arn, "show far")["far"] if n["state"] == "live"}

    def known(self, arn, *nodes):
        """What an ARN counts with, of each of these nodes that it can send clients to."""
        return [n for n in self.ask(arn, "show nodes")["nodes"] if n["node"] in nodes]

    def settle(self):
        """Until each ARN has heard of all nodes elsewhere, and is asked by all its clients."""
        for arn in self.arns:
            home = [n for n in self.nodes if self.lab.topo.nodeInfo(n)["lan"]
                    == self.lab.topo.nodeInfo(arn)["lan"]]
            daemons.wait_until(lambda a=arn, h=home: set(self.far(a)) == set(self.nodes) - set(h), 30,
                               f"{arn} knows all nodes elsewhere", 0.1)
        for client in (*HERD.values(), "c950"):
            self.lab.wait_service(client, self.url)
        daemons.wait_until(lambda: self.ask("arn908", "show area")["scope"] == WARM, 60,
                           f"{WARM} nodes elsewhere are eligible for arn908's clients", 0.1)

    def play(self, client, told=False):
        """client-failover plays at a client; what is told of in the report is recorded, too."""
        return self.lab.play(client, self.url, ["--buffer", str(self.lab.params["buffer"])],
                             capture=told, told=told)

    def begin(self, client, url, *options):
        """A crowd at a client."""
        return Lines(self.lab, client, self.lab.file_name(f"{client}-crowd"),
                     [sys.executable, "-B", PROGRAM, url, *map(str, options),
                      "--play", "--attach", "20", "100"])

    def told(self, crowd, timeout):
        """What each of a crowd was told, when all are done; in seconds of the run."""
        crowd.wait_for(lambda: crowd.lines and '"done"' in crowd.lines[-1][1], timeout,
                       "all clients are done")
        found = [json.loads(text) for _, text in crowd.lines[:-1]]
        for one in found:
            one["t"] -= self.lab.start
            one["at"] = one["at"] and one["at"] - self.lab.start
            one["node"] = one["host"] and self.lab.name_of(one["host"])
            self.refused += [[t - self.lab.start, self.lab.name_of(host)] for t, host in one["refused"]]
        return sorted(found, key=lambda one: one["t"])

    def events(self, name):
        """What a daemon has told of itself."""
        with open(self.lab.net[name].file("run/nearcast/events.json"), encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    def sessions(self, node, since=0.0):
        """[(t, 1 or -1)] of each client that came to a node, or left it, in seconds of the run."""
        found = []
        for event in self.events(node):
            step = {"session_start": 1, "session_end": -1}.get(event["event"])
            at = event["t"] - self.lab.start
            if step and "node" not in event and at >= since:
                found.append((at, step))
        return sorted(found)

    def count(self, *nodes):
        """How many clients are at these nodes together."""
        return sum(step for node in nodes for _, step in self.sessions(node))

    def area(self, since=0.0):
        """[(t, how many nodes elsewhere can be eligible)] of arn908, as it changed."""
        found = []
        for event in self.events("arn908"):
            if event["event"] == "area" and event["t"] - self.lab.start >= since:
                scope = min(event["scope"], len(self.nodes) - len(HOME))
                if not found or scope != found[-1][1]:
                    found.append((event["t"] - self.lab.start, scope))
        return found

    def counter(self, node):
        """How many clients a node has refused, ever."""
        return self.ask(node, "show counters")["refused_capacity_total"]

    def draw(self):
        """loads.png."""
        came = {node: self.sessions(node) for node in self.nodes}
        loads.draw(self.lab, came, self.places, self.refused, [(0.0, WARM), *self.area()])
