# SPDX-License-Identifier: GPL-2.0-or-later
"""
Crowds at nodes of unequal capacity (row C4): more clients come within a second than there is room
for. What has to hold: no node is asked for more than it has room for, every place is given away,
and who finds none is told 503 and nothing else.
"""

import json
import os
import sys

from . import daemons
from .cluster import Cluster
from .scenario import Lines, ScenarioError

PARAMS = {"path": "news", "clients": 400, "seconds": 1.0, "small": 100, "large": 260, "fail": 10}


def configure(lab, name, daemon, more):
    """Adds to a daemon's configuration, and has it read."""
    node = lab.net[name]
    path = f"run/nearcast/{daemon}.conf"
    with open(node.file(path), encoding="utf-8") as file:
        text = file.read()
    node.write(path, text + more)
    out, err, code = node.pexec([daemons.find("nearctl"), "reload"])
    if code:
        raise ScenarioError(f"{name}: not reloaded: {out}{err}")
    return path, text


class Limits:
    """Capacities of the nodes, and one client that may be a crowd, while it lasts."""

    def __init__(self, lab, cluster, capacity):
        self.lab, self.cluster, self.capacity = lab, cluster, capacity
        self.before = []

    def __enter__(self):
        for name, sessions in self.capacity.items():
            self.before.append((name, *configure(self.lab, name, "sn-agent",
                                                 f"capacity {{ sessions = {sessions} }}\n")))
        for name in self.cluster.names:
            self.before.append((name, *configure(self.lab, name, "arn",
                                                 "select { per-client = 65535 }\n")))
        return self

    def __exit__(self, *_):
        for name, path, text in self.before:
            self.lab.net[name].write(path, text)
            self.lab.net[name].pexec([daemons.find("nearctl"), "reload"])


def crowd(lab, cluster, url):
    """What each client of a crowd was told: [{client, code, host, attached}]."""
    p = lab.params
    program = os.path.join(os.path.dirname(__file__), "crowd.py")
    lines = Lines(lab, cluster.client, lab.file_name(f"{cluster.client}-crowd"),
                  [sys.executable, "-B", program, url, str(int(p["clients"])), str(p["seconds"]),
                   "--fail", str(int(p["fail"])), "--hold", "60"])
    lines.wait_for(lambda: lines.lines and '"done"' in lines.lines[-1][1], 40, "the crowd is served")
    return [json.loads(text) for _, text in lines.lines[:-1]]


def flash_crowd(lab):
    """The crowd comes; what each client and each node say of it."""
    p, c = lab.params, Cluster(lab)
    small, large = sorted(c.nodes)
    capacity = {small: int(p["small"]), large: int(p["large"])}
    room = sum(capacity.values())
    c.wait_master(c.names[0], c.names, 20, "the first one is master")
    lab.publish("P", f"rtsp://{lab.topo.address(small)}/{p['path']}").on_air()
    url = f"rtsp://{lab.topo.service}/{p['path']}"
    lab.wait_service(c.client, url)
    with Limits(lab, c, capacity):
        daemons.wait_until(
            lambda: all(n["max_sessions"] for a in c.names for n in c.ask(a, "show nodes")["nodes"]),
            10, "the ARNs know the capacities", 0.05)
        _come(lab, c, url, capacity, room)


def _come(lab, c, url, capacity, room):
    p = lab.params
    at = lab.now()
    lab.event(f"{p['clients']:g} clients come within {p['seconds']:g} s", c.client)
    told = crowd(lab, c, url)
    sent = [t for t in told if t["code"] == 302]
    attached = [t for t in told if t["attached"] == 200]
    lab.check(len(told) == p["clients"] and all(t["code"] in (302, 503) for t in told),
              "each client was redirected, or told 503")
    lab.check(all(t["attached"] in (200, None) for t in told),
              "no node turned away anybody who was sent to it")
    # The second node's own subscription takes a place at the first one, too.
    lab.check(room - 1 <= len(sent) <= room,
              f"{len(sent)} clients were sent to a node: as many as there was room for ({room})")
    for name, limit in sorted(capacity.items()):
        sessions = c.ask(name)["sessions"]
        refused = c.ask(name, "show counters").get("refused_capacity_total")
        lab.check(sessions <= limit and refused == 0,
                  f"{name} has {sessions} sessions, its capacity is {limit}; it refused {refused}")
        lab.measured[f"sessions_{name}"] = sessions
    took = max(t["t"] for t in told) - min(t["t"] for t in told)
    lab.measured.update(clients=len(told), room=room, sent=len(sent), attached=len(attached),
                        told_503=len(told) - len(sent), took_s=round(took, 2))
    lab.tell(f"{len(told)} clients came within {took:.2f} s from {at:.2f} s on; there was room for "
             f"{room}. {len(sent)} were sent to a node, {len(told) - len(sent)} were told 503.")
    lab.tell(f"{len(attached)} attached, 50 to 500 ms later; one in {p['fail']:g} never did. "
             + ", ".join(f"{n} has {lab.measured[f'sessions_{n}']} of {capacity[n]}"
                         for n in sorted(capacity)) + ".")
