# SPDX-License-Identifier: GPL-2.0-or-later
"""
The accounts of a scenario (rows E4, G4): what the service nodes have written, those that were killed
included, put together as an operator does it; and that a client's session is in there once.
"""

import json
import os

from . import daemons
from .nodes import ServiceNode
from .scenario import ScenarioError

DATABASE = "run/nearcast/accounts.db"  # of each node


def records(lab):
    """One record for each session, of all service nodes. They are kept in the report."""
    into = os.path.join(lab.report, "accounts.db")
    found = []
    for name in lab.topo.of_class(ServiceNode):
        node = lab.net[name]
        if not os.path.exists(node.file(DATABASE)):
            continue
        out, err, code = node.pexec([daemons.find("nearctl"), "--json", "--into", into, "accounting",
                                     f"/{DATABASE}"])
        if code:
            raise ScenarioError(f"the accounts of {name} cannot be read: {err.strip()}")
        found = json.loads(out)["sessions"]
    return found


def identities(lab, path):
    """Of the sessions with that channel that can fail over, as the nodes' events say."""
    found = set()
    for name in lab.topo.of_class(ServiceNode):
        with open(lab.net[name].file("run/nearcast/events.json"), encoding="utf-8") as file:
            for event in map(json.loads, file):
                if event["event"] == "session_start" and event["failover"] and "node" not in event \
                        and event["channel"].endswith(f"/{path}"):
                    found.add(event["identity"])
    return found


def expect_one(lab, player, path, received):
    """The session of `player` is accounted for once, with the nodes that it played from, in order."""
    nodes = []
    for event in player.events:
        place = event.get("event") in ("playing", "resumed") and (event.get("to") or event.get("node"))
        if place and (not nodes or nodes[-1] != lab.name_of(place)):
            nodes.append(lab.name_of(place))

    known = identities(lab, path)
    lab.check(len(known) == 1, f"the session has one identity at all nodes ({' '.join(sorted(known))})")

    def ended():
        mine = [r for r in records(lab) if r["identity"] in known]
        return mine if mine and all(r["reason"] for r in mine) else None

    found = daemons.wait_until(ended, 10, f"the session of {player.node.name} has ended in the accounts")
    lab.check(len(found) == 1, f"the session is accounted for once ({len(found)} records)")
    record = found[0]
    among = [n for n in record["nodes"] if n in nodes]
    lab.check(among == nodes,
              f"its record has the nodes in order ({' '.join(record['nodes'])}, played from "
              f"{' '.join(nodes)})")
    # The kill of a node costs what it sent since the last update; a lossy link takes some.
    slack = 0.1 * received + 2 * received / max(record["seconds"], 1)
    lab.check(abs(record["packets"] - received) <= slack,
              f"it has {record['packets']} packets, the client {received}")
    lab.measured.update(accounted_packets=record["packets"], accounted_s=round(record["seconds"], 3),
                        accounted_nodes=record["nodes"])
