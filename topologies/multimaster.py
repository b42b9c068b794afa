# SPDX-License-Identifier: GPL-2.0-or-later
"""
Several master ASes, on two continents.

        Europe                                             America

   C1 ─ r1 (65503) ─┐                              ┌─ (65513) r3 ─ C3
                    t1 ──────── ocean, peers ─────── t3
   C2 ─ r2 (65504) ─ t2 ─────── ocean, peers ─────── t4
                    65502                           65512
                    |  |                              |
   E1 ─ e1 ─────────┘  └──── e2 ─ E2                  a1 ─ A1
         65501, master AS in Europe           65511, master AS in America

   C4 ─ g1 ────────────────── ocean ─────────────── g2 ─ C5
         65520: an ISP of both continents, customer of t1's and of t4's ASes

Either both master ASes originate the same block, and each client reaches the nearest; or each has a
block of its own (blocks=disjoint), and what becomes of one is nothing to the other. r1, r2 and r3 are
customers of the transit ASes, 65502 and 65512, as the master ASes are.
"""

from nearlab_lib.topology import Internet


class Multimaster(Internet):
    """Two master ASes, two transit ASes, four ISPs."""

    europe, america = "10.1.18.0/24", "10.1.19.0/24"
    names = {"acme.com": "10.1.18.27", "zenith.com": "10.1.19.27"}

    def build(self, blocks="same", ocean=30):
        """
        blocks: of the master AS in America: the one of Europe's (same), or another (disjoint);
        ocean (ms, one way): how long the links across it take.
        """
        if blocks not in ("same", "disjoint"):
            raise ValueError(f"blocks={blocks}: expected same or disjoint")
        other = self.europe if blocks == "same" else self.america
        self.addMaster(65501, "10.51.0.0/16", "the master AS in Europe", self.europe, ("e1", "e2"))
        self.addMaster(65511, "10.61.0.0/16", "the master AS in America", other, ("a1",))
        for number, prefix, place, routers in ((65502, "10.52.0.0/16", "Europe", ("t1", "t2")),
                                               (65512, "10.62.0.0/16", "America", ("t3", "t4"))):
            self.addAS(number, prefix, f"transit in {place}")
            for router in routers:
                self.addRouter(router, number)
            self.addLink(*routers)
        self.addLink("t1", "t3", relation="peer", delay=ocean)
        self.addLink("t2", "t4", relation="peer", delay=ocean)
        self.addLink("e1", "t1", relation="customer")
        self.addLink("e2", "t2", relation="customer")
        self.addLink("a1", "t4", relation="customer")

        for number, (place, asn, provider) in enumerate(
                (("Europe", 65503, "t1"), ("Europe", 65504, "t2"), ("America", 65513, "t3")), 1):
            prefix = f"10.{asn - 65450}" if asn < 65510 else "10.63"
            self.addAS(asn, f"{prefix}.0.0/16", f"an ISP in {place}")
            self.addRouter(f"r{number}", asn)
            self.addLink(f"r{number}", provider, relation="customer")
            self.addClient(f"C{number}", f"r{number}", f"{prefix}.81.0/30")

        self.addAS(65520, "10.70.0.0/16", "an ISP of both continents")
        self.addRouter("g1", 65520)
        self.addRouter("g2", 65520)
        self.addLink("g1", "g2", delay=ocean)
        self.addLink("g1", "t1", relation="customer")
        self.addLink("g2", "t4", relation="customer")
        self.addClient("C4", "g1", "10.70.81.0/30")
        self.addClient("C5", "g2", "10.70.82.0/30")

    # pylint: disable=invalid-name
    def addMaster(self, number, prefix, description, block, routers):
        """A master AS: a LAN with an ARN and a service node at each router."""
        self.addAS(number, prefix, description, originates=[block])
        base = prefix.rsplit(".", 2)[0]
        for router in routers:
            self.addRouter(router, number)
            lan, place = f"lan-{router}", router.upper()
            self.addLan(lan, f"{base}.{router[1:]}.0/24", router=router)
            self.addArn(place, lan, 4)
            self.addServiceNode(f"N{place}", lan, 6)
        for one, two in zip(routers, routers[1:]):
            self.addLink(one, two)


topos = {"multimaster": Multimaster}
