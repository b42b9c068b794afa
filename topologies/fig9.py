# SPDX-License-Identifier: GPL-2.0-or-later
"""
Figure 9: sender attachment.

SN0 has the channels of the server S beside it, and is to bring them into the broadcast network 704, of
which it knows an anycast address and the key.

    S ── SN0            A1    SN1    SN2                 A2    SN3
     lan0                 └──lan1─────┘                    └─lan3──┐
       └──── west ──────────── mid ────── ~far ms~ ──────── east ───── C

A1 tells SN0 to attach to SN1, or to SN2 when SN1 is not there (its weight is 0). SN1, SN2 and SN3 are
neighbours of each other by tunnels; none of them was told anything of SN0. SN3 keeps the database of
channels, which A2 asks before it sends C to SN3.
"""

from nearlab_lib.topology import Internet


class Fig9(Internet):
    """One AS."""

    def build(self, far=10):
        """far (ms, one way): between the middle of the network and the client's part of it."""
        self.addAS(64512, "10.9.0.0/16", "the broadcast network 704, and what is around it")
        for router in ("west", "mid", "east"):
            self.addRouter(router, 64512)
        self.addLink("west", "mid")
        self.addLink("mid", "east", delay=far)

        self.addLan("lan0", "10.9.0.0/24", router="west")
        self.addServiceNode("SN0", "lan0", 10, overlay="10.77.0.10", attach=True)
        self.addPublisher("S", "lan0", 33)

        self.addLan("lan1", "10.9.1.0/24", router="mid")
        self.addArn("A1", "lan1", 4)
        self.addServiceNode("SN1", "lan1", 11, overlay="10.77.0.11", attachments="SN3")
        self.addServiceNode("SN2", "lan1", 12, overlay="10.77.0.12", attachments="SN3", weight=0)

        self.addLan("lan3", "10.9.3.0/24", router="east")
        self.addArn("A2", "lan3", 4, names="dns", cas=True)
        self.addNameServer("dns", "lan3", 53)
        self.addServiceNode("SN3", "lan3", 13, overlay="10.77.0.13", allots=True)
        self.addClient("C", "east", "10.9.82.0/30", delay=2)

        self.addTunnel("SN1", "SN3")
        self.addTunnel("SN2", "SN3")
        self.addTunnel("SN1", "SN2")


topos = {"fig9": Fig9}
