# SPDX-License-Identifier: GPL-2.0-or-later
"""
Figure 8: last-hop multicast.

Between the nodes channels go by unicast, along the tree 604; on the clients' own network once, to a
group.

    P ── SN3 ─────── SN1 ───┬── SN0 ──┐                    LAN 606
         lan3  core  lan1   │         ├── switch ──+── C1 C2 C3   in group G
                            └── SN2 ──┘            +── A1, edge   not in it
              edge ────────────────────────────────┘

A1 sends the clients to SN0, and to SN2 when SN0 is not there (its weight is 0). As soon as two clients
play a channel, SN0 tells them to join its group. The switch snoops: what goes to the group is on the
links of its members, and on no other.
"""

from nearlab_lib.scenario import GROUPS
from nearlab_lib.topology import Internet


class Fig8(Internet):
    """One AS. The clients are on one LAN with the nodes that serve them."""

    def build(self, clients=3, far=10):
        """clients: how many, up to 8; far (ms, one way): between their network and the others."""
        self.addAS(64511, "10.6.0.0/16", "the content provider 600, and its clients' network")
        for router in ("core", "edge"):
            self.addRouter(router, 64511)
        self.addLink("core", "edge", delay=far)

        self.addLan("lan3", "10.6.3.0/24", router="core")
        self.addServiceNode("SN3", "lan3", 3)
        self.addPublisher("P", "lan3", 33)
        self.addLan("lan1", "10.6.1.0/24", router="core")
        self.addServiceNode("SN1", "lan1", 3, upstream="SN3")

        self.addLan("lan606", "10.6.6.0/24", router="edge", snooping=True)
        self.addArn("A1", "lan606", 4)
        self.addServiceNode("SN0", "lan606", 10, upstream="SN1", groups=GROUPS)
        self.addServiceNode("SN2", "lan606", 12, upstream="SN1", groups=GROUPS, weight=0)
        for number in range(1, min(int(clients), 8) + 1):
            self.addLanClient(f"C{number}", "lan606", 80 + number)


topos = {"fig8": Fig8}
