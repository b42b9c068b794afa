# SPDX-License-Identifier: GPL-2.0-or-later
"""
Figure 3: anycast inside one autonomous system.

         C1              C2           S1 and S2 hold the same anycast block. Each client's packets
         |               |            to it reach the nearest of them: C1's S1, C2's S2. When one
         R1 --- R5 ----- R2           fails, its route goes, and its clients reach the other; when
         |      |        |            it is back (after its hold), so are they.
         |      R6       |
         |    /    \\     |            N1 and N2 are the service nodes beside S1 and S2; P publishes
         R3 --      ---- R4           at N1, from which N2 gets the channel.
         |               |
    LAN 304: S1 N1 P    LAN 302: S2 N2
    and the name server, dns
"""

from nearlab_lib.topology import Internet


class Fig3(Internet):
    """One AS, six routers; every link takes 2 ms."""

    def build(self, delay=2):
        """delay (ms): of the links between routers."""
        self.addAS(64503, "10.3.0.0/16", "network 300")
        for number in range(1, 7):
            self.addRouter(f"R{number}", 64503)
        for one, two in (("R1", "R3"), ("R1", "R5"), ("R5", "R2"), ("R2", "R4"),
                         ("R5", "R6"), ("R6", "R3"), ("R6", "R4")):
            self.addLink(one, two, delay=delay)

        self.addLan("lan304", "10.3.4.0/24", router="R3")
        self.addArn("S1", "lan304", 4, sites=["S2"])
        self.addServiceNode("N1", "lan304", 6)
        self.addPublisher("P", "lan304", 3)
        self.addNameServer("dns", "lan304", 53, origin="N1")

        self.addLan("lan302", "10.3.2.0/24", router="R4")
        self.addArn("S2", "lan302", 4, sites=["S1"])
        self.addServiceNode("N2", "lan302", 6, upstream="N1")

        self.addClient("C1", "R1", "10.3.81.0/30")
        self.addClient("C2", "R2", "10.3.82.0/30")


topos = {"fig3": Fig3}
