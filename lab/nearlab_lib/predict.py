# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a network is to do, computed from its topology alone: which ARN a client reaches, and on which
way, when these parts of the network are dead. Nothing of BIRD's is used here, nor of its
configuration, but who has a session with whom: it is what the scenarios hold the real network to.

Inside an AS the shortest path by OSPF's costs counts; a router that has such a path to an ARN of
the block takes it. Between ASes each router has the best route of those that its neighbours tell it:
customers before peers before providers, then the shortest path of ASes, then the nearest exit (hot
potato), then the neighbour with the lowest router id. Customers are told all, others only what is
ours or our customers'. A packet is decided upon again at each router; the answer has to find its way
back as well. Two paths of one cost are a choice that nobody can predict: topologies avoid them.
"""

import heapq
import ipaddress
from typing import NamedTuple

from .interdomain import sessions
from .nodes import Arn, Client, Router

PREFERENCE = {"customer": 0, "peer": 1, "provider": 2}


class Route(NamedTuple):
    """A router's best route of BGP."""

    relation: str  # what the AS that it was heard from is to ours; "": it is ours
    path: tuple  # ASes, the nearest first
    exit: str  # the router of our AS where packets leave
    hop: str  # the router of the next AS, if we are the exit


class Prediction:
    """A topology, of which some parts are dead: names of nodes, 'NODE-NODE', 'AS64500'."""

    def __init__(self, topo, dead=()):
        self.topo = topo
        self.dead = set(dead)
        self.asn = {r: topo.nodeInfo(r)["asn"] for r in topo.of_class(Router)}
        self.routers = [r for r in self.asn if self._alive(r)]
        self.inside, self.sessions, owner = {}, {}, {}
        for router in self.asn:
            self.inside[router], self.sessions[router] = {}, {}
            for _, params in topo.interfaces(router):
                owner[params["ip"].split("/")[0]] = router
                peer = params.get("peer")
                if params["role"] == "internal" and self._link(router, peer):
                    cost = min(params["cost"], self.inside[router].get(peer, params["cost"]))
                    self.inside[router][peer] = cost
            for session in sessions(topo, router):
                if self._link(router, session["peer"]):
                    self.sessions[router][session["peer"]] = session["relation"]
        self.gateway = {h: owner.get(topo.nodeInfo(h).get("gateway")) for h in topo.hosts()}
        self.near = {r: self._shortest(r) for r in self.routers}
        self._known = {}  # {destination: {router: Route}}

    def _alive(self, name):
        return name not in self.dead and f"AS{self.topo.nodeInfo(name)['asn']}" not in self.dead

    def _link(self, one, two):
        return (self._alive(one) and self._alive(two) and f"{one}-{two}" not in self.dead
                and f"{two}-{one}" not in self.dead)

    def _shortest(self, start):
        """{router: (cost, next router on the way there)} inside an AS."""
        found, queue = {}, [(0, start, None)]
        while queue:
            cost, router, first = heapq.heappop(queue)
            if router in found:
                continue
            found[router] = (cost, first)
            for peer, more in self.inside[router].items():
                heapq.heappush(queue, (cost + more, peer, first or peer))
        return found

    # A destination is a block or the name of a host.

    def _held(self, router, destination):
        """The host that OSPF leads to from a router, for that destination, or None."""
        if destination in self.gateway:
            ends = [destination]
        else:
            ends = [a for a in self.topo.of_class(Arn)
                    if self._alive(a) and self.topo.block(a) == destination]
        near = self.near[router]
        ends = [(near[self.gateway[e]][0], e) for e in ends if self.gateway[e] in near]
        return min(ends)[1] if ends else None

    def _originates(self, router, destination):
        """Whether a router's AS is the origin of the destination in BGP, as that router sees it."""
        asn = self.asn[router]
        if destination in self.gateway:
            return self.topo.nodeInfo(destination)["asn"] == asn
        return (destination in self.topo.systems[asn].originates
                and self._held(router, destination) is not None)

    def _router_id(self, router):
        return ipaddress.ip_address(self.topo.nodeInfo(router)["loopback"])

    def _choices(self, router, best):
        """[(rank, Route)] that a router is told by its neighbours; the least rank is the best."""
        for peer, relation in self.sessions[router].items():
            told = best.get(peer)
            if told and (told.relation in ("", "customer") or relation == "provider") \
                    and self.asn[router] not in (self.asn[peer], *told.path):
                path = (self.asn[peer], *told.path)
                yield ((PREFERENCE[relation], len(path), 0, 0, self._router_id(peer)),
                       Route(relation, path, router, peer))
        for peer, (cost, _) in self.near[router].items():
            told = best.get(peer)
            if peer != router and told and told.hop and told.exit == peer:
                yield ((PREFERENCE[told.relation], len(told.path), 1, cost, self._router_id(peer)),
                       Route(told.relation, told.path, peer, ""))

    def routes(self, destination):
        """{router: its best Route of BGP} once all have told each other all."""
        if destination in self._known:
            return self._known[destination]
        own = {r: Route("", (), r, "") for r in self.routers
               if self._originates(r, destination)}
        best = dict(own)
        for _ in range(4 * len(self.routers) + 4):
            now = dict(own)
            for router in self.routers:
                choices = list(self._choices(router, best)) if router not in own else None
                if choices:
                    now[router] = min(choices)[1]
            if now == best:
                self._known[destination] = best
                return best
            best = now
        raise ValueError(f"the routes to {destination} do not settle")

    def walk(self, router, destination):
        """(the host that a packet reaches from a router, or None; the nodes that it passes)."""
        way = [router] if router in self.routers else []
        while way and len(way) <= 4 * len(self.routers):
            here = way[-1]
            held = self._held(here, destination)
            if held:
                if here == self.gateway[held]:
                    return held, [*way, held]
                way.append(self.near[here][self.gateway[held]][1])
                continue
            route = self.routes(destination).get(here)
            if route is None or not route.path:
                break
            way.append(route.hop or self.near[here][route.exit][1])
        return None, way

    def answer(self, client, block):
        """(the ARN that answers a client, or None; the way to it)."""
        if not self._alive(client):
            return None, []
        arn, way = self.walk(self.gateway[client], block)
        if arn and self.walk(self.gateway[arn], client)[0] != client:
            arn = None
        return arn, way

    def catchment(self):
        """{block: {client: ARN or None}}"""
        return {block: {client: self.answer(client, block)[0]
                        for client in self.topo.of_class(Client)} for block in self.topo.blocks()}


class Failure(NamedTuple):
    """Something that fails: how a fault is named (kind, target), and what is dead then."""

    kind: str
    target: str
    dead: str

    @property
    def words(self):
        """For people."""
        return {"kill": f"{self.dead} dies", "cut": f"{self.dead} breaks"}[self.kind]


def failures(topo):
    """[Failure] of each ARN, each link between routers, each AS of a topology."""
    found = [Failure("kill", f"arn@{arn}", arn) for arn in topo.of_class(Arn)]
    links = dict.fromkeys(f"{one}-{two}" for one, two in topo.links(sort=True)
                          if topo.nodeInfo(one).get("cls") is topo.nodeInfo(two).get("cls") is Router)
    found += [Failure("cut", link, link) for link in links]
    return found + [Failure("kill", f"AS{number}", f"AS{number}") for number in topo.systems]


def table(topo):
    """
    The catchments of a topology, whole and after each single failure, as a table of Markdown: a column
    for each client, or for each client and block.
    """
    blocks = topo.blocks()
    columns = [(client, block) for block in blocks for client in topo.of_class(Client)]
    titles = [client if len(blocks) == 1 else f"{client}, {block}" for client, block in columns]
    whole = Prediction(topo).catchment()
    lines = [f"| what fails | {' | '.join(titles)} |", "|---" * (len(columns) + 1) + "|",
             f"| nothing | {' | '.join(whole[b][c] or 'nobody' for c, b in columns)} |"]
    for failure in failures(topo):
        now = Prediction(topo, [failure.dead]).catchment()
        cells = ["" if now[b][c] == whole[b][c] else now[b][c] or "nobody" for c, b in columns]
        lines.append(f"| {failure.words} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
