# SPDX-License-Identifier: GPL-2.0-or-later
"""
Routing tables of BIRD, as data: what `birdc show route all` prints, and what a scenario asserts of it.
"""

import re
from typing import NamedTuple

from . import interdomain
from .nodes import Router

# 10.1.18.0/24         unicast [ibgp_w1 18:50:21.451 from 10.42.255.1] * (100/10) [AS65400i]
ENTRY = re.compile(r"(?P<net>\S*)\s+(?P<kind>[a-z]+) \[(?P<protocol>\S+) (?P<since>\S+)"
                   r"(?: from (?P<source>\S+))?\](?P<best> \*)?(?: (?P<metric>[A-Z0-9]+))? "
                   r"\((?P<preference>\d+)")


class Entry(NamedTuple):
    """One route of one table."""

    table: str
    net: str
    protocol: str  # its name in bird.conf
    best: bool  # whether it is the one that the table uses
    preference: int
    attributes: dict  # {"BGP.as_path": "65404 65400", "Type": "BGP univ", …}

    @property
    def kind(self):
        """'BGP', 'OSPF-E1', 'static' …"""
        return self.attributes.get("Type", "").split()[0]

    @property
    def as_path(self):
        """Numbers of the ASes, the nearest first; [] for a route that is not BGP's."""
        return [int(number) for number in self.attributes.get("BGP.as_path", "").split()]

    @property
    def origin(self):
        """The AS at the end of the path, None when there is none."""
        return self.as_path[-1] if self.as_path else None


def parse(text):
    """[Entry] of what birdc printed."""
    found, table, net = [], "master4", ""
    for line in text.splitlines():
        if line.startswith("Table "):
            table = line.split()[1].rstrip(":")
        elif match := ENTRY.match(line):
            net = match["net"] or net
            found.append(Entry(table, net, match["protocol"], bool(match["best"]),
                               int(match["preference"]), {}))
        elif found and (match := re.match(r"\t([\w.]+): (.*)", line)):
            found[-1].attributes[match[1]] = match[2].strip()
    return found


def routes(node, net, table="all"):
    """[Entry] of a node's routes to that very prefix."""
    return parse(node.birdc(f"show route {net} all table {table}"))


def best(node, net, table="master4"):
    """The route that a table of a node uses, or None."""
    return next((r for r in routes(node, net, table) if r.best), None)


def wrong_origins(net, block):
    """
    What BGP must never say of a block: a word for each route, in any router, whose path does not end
    in a master AS of that block, or passes one and goes on, and for each router of an AS that is no
    master whose own route came into BGP.
    """
    topo, wrong = net.topo, []
    masters = {number for number, s in topo.systems.items() if block in s.originates}
    for router in net.hosts:
        if not isinstance(router, Router) or not interdomain.is_spoken(topo, router.params["asn"]):
            continue
        for route in routes(router, block, interdomain.TABLE):
            own = route.kind != "BGP"
            origin = router.params["asn"] if own else route.origin
            if origin not in masters or masters.intersection(route.as_path[:-1]):
                wrong.append(f"{router.name}: {route.kind} {route.as_path} by {route.protocol}")
    return wrong
