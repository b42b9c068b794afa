# SPDX-License-Identifier: GPL-2.0-or-later
"""
An internet: three tiers of ASes, exchange points, and an Overlay ISP with colos (figures 1 and 2).

    T1 ---- T2 ---- T3 ---- T4        tier 1: routers in three cities each (T1nyc, T1lon, …), peers
     |    /    \\    |        |        of each other
    M1        M2    M3 …  M12         tier 2: customers of two of tier 1, peers at exchange points
     |  \\      |     |                 ixsjc, ixnyc, ixlon, ixtyo: one LAN each
    E1  E2    E3    E4 …  E27         tier 3: customers of one or two of tier 2, each with a client
    C1  C2    C3    C4    C27

    at each exchange point Onyc, a router of the Overlay ISP, which is the master AS of the block,
    and its colo: Anyc (ARN), Nnyc (service node). Affiliates: AM3, NM3 at M3.

Who is where, and whose customer, follows from the seed (lab/nearlab_lib/asgraph.py).
"""

import math

from nearlab_lib.asgraph import KM_PER_MS, Graph, kilometres, place_of
from nearlab_lib.topology import Internet

OVERLAY = 64500


class World(Internet):
    """Every router is a BIRD; OSPF's costs are distances, so that no two ways are the same."""

    # pylint: disable=too-many-arguments,too-many-positional-arguments
    def build(self, ases=44, exchanges=4, affiliates=2, seed=1, delay=0):
        """
        ases: how many autonomous systems there are; exchanges: exchange points, each with a colo;
        affiliates: ISPs of the second tier with an ARN of their own; seed: of what is random;
        delay (1: yes): links between cities take as long as light does.
        """
        self.graph = Graph(int(ases), int(exchanges), int(affiliates), seed)
        self.delay = bool(int(delay))
        self.place = {}  # {router: (latitude, longitude)}
        for system in self.graph.systems.values():
            self.addSystem(system)
        self.addExchanges()
        self.addDeals()
        self.addSites()
        for number, system in enumerate(self.graph.tier(3), 1):
            base = self.systems[self.number(system)].prefix.network_address
            self.addClient(f"C{number}", system.name, f"{base + 81 * 256}/30")

        # A packet of BFD costs 0.1 ms of CPU, all told: what is watched often has to be few.
        self.bfd = 100 * min(5, math.ceil(self.count_sessions() / 60))

    # pylint: disable=invalid-name
    def count_sessions(self):
        """How many pairs of routers watch each other."""
        ends = [p for r in self.place for _, p in self.interfaces(r)]
        return sum(len(p["sessions"]) if p["role"] == "exchange" else p["role"] != "stub"
                   for p in ends) // 2

    def number(self, system):
        """The number of an AS."""
        if not system.tier:
            return OVERLAY
        return OVERLAY + 100 * system.tier + int(system.name[1:])

    def router(self, system, city):
        """The router of a system of the graph in a city."""
        system = self.graph.systems[system]
        return system.name if system.tier > 1 else system.name + city

    def addSystem(self, system):
        """An AS, its routers and the links between them."""
        # 10.1 has the anycast block, 10.77 is the overlay's.
        index = 2 + len(self.systems)
        self.addAS(self.number(system), f"10.{index + (index >= 77)}.0.0/16",
                   system.name, originates=() if system.tier else [self.anycast])
        for city in system.cities:
            name = self.router(system.name, city)
            self.place[name] = place_of(city) if system.tier < 2 else system.place
            self.addRouter(name, self.number(system))
        if system.tier == 0:
            pairs = self.graph.ring()
        else:
            pairs = [(a, b) for i, a in enumerate(system.cities) for b in system.cities[i + 1:]]
        for one, two in pairs:
            self.connect(self.router(system.name, one), self.router(system.name, two))

    def connect(self, one, two, **more):
        """A link whose cost and delay follow from the map."""
        length = kilometres(self.place[one], self.place[two])
        ms = round(length / KM_PER_MS, 1) if self.delay else 0
        self.addLink(one, two, cost=10 + round(length / 10), delay=ms if ms >= 1 else 0, **more)

    def addExchanges(self):
        """The exchange points, and the sessions of their members."""
        for number, (city, members) in enumerate(self.graph.exchanges.items()):
            self.addExchange(f"ix{city}", f"172.30.{number}.0/24",
                             [self.router(name, city) for name in members])

    def addDeals(self):
        """Links between providers and customers, and the private ones of the first tier."""
        for one, two, at, to in self.graph.peerings:
            self.connect(self.router(one, at), self.router(two, to), relation="peer")
        for deal in self.graph.deals:
            self.connect(self.router(deal.seller, deal.at), self.router(deal.buyer, deal.to),
                         relation="provider")

    def addSites(self):
        """An ARN and a service node at each colo and each affiliate."""
        homes = [f"O{city}" for city in self.graph.cities] + self.graph.affiliates
        names = [home[1:] if home[0] == "O" else home for home in homes]
        for home, name in zip(homes, names):
            base = self.systems[self.nodeInfo(home)["asn"]].prefix.network_address
            lan = names.index(name) + 1
            self.addLan(f"colo{name}", f"{base + lan * 256}/24", router=home)
            others = [f"A{other}" for other in names if other != name]
            self.addArn(f"A{name}", f"colo{name}", 4, sites=others)
            self.addServiceNode(f"N{name}", f"colo{name}", 6)


topos = {"internet": World}
