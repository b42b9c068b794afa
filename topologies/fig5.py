# SPDX-License-Identifier: GPL-2.0-or-later
"""
Figure 5: a cluster of ARNs and service nodes at a colocation.

                       LAN 500 ---+--- A1 A2 A3   ARNs of one block
                          |       +--- N1 N2      service nodes
    C1 ~5 ms~ isp ------ colo     +--- P          publishes at N1, from which N2 gets the channel

The ARNs elect one of them, the one with the lowest address. The others know what it knows, from the
same announcements, and take over when it fails. It returns after its hold.

The routes of all of them lead to 10.5.0.2, which is no host's: the master answers for it on the
LAN. With next_hop=0 there is no such address, and the master alone brings the block up; a takeover
then waits for OSPF.
"""

from nearlab_lib.topology import Internet


class Fig5(Internet):
    """One AS; `delay` on the client's access link."""

    addresses = ("10.1.18.27", "10.1.18.28", "10.1.18.29", "10.1.18.30")

    def build(self, arns=3, delay=5, next_hop=2, active="master"):
        """
        arns: how many, up to 8; delay (ms, one way): of the client's access link; next_hop: number
        in the LAN of the floating next hop, 0: none; active (all): every ARN has the block up, without
        a floating next hop, and the colo router shares the clients out; active (each): each of
        `addresses` has a master of its own.
        """
        self.addAS(64505, "10.5.0.0/16", "network 500")
        self.addRouter("isp", 64505)
        self.addRouter("colo", 64505)
        self.addLink("isp", "colo")

        self.addLan("lan500", "10.5.0.0/24", router="colo",
                    next_hop=f"10.5.0.{next_hop}" if int(next_hop) and active == "master" else None)
        more = {"addresses": self.addresses} if active == "each" else {}
        for number in range(1, min(int(arns), 8) + 1):
            self.addArn(f"A{number}", "lan500", 3 + number, active=active, **more)
        self.addServiceNode("N1", "lan500", 16)
        self.addServiceNode("N2", "lan500", 18, upstream="N1")
        self.addPublisher("P", "lan500", 30)

        self.addClient("C1", "isp", "10.5.81.0/30", delay=delay)


topos = {"fig5": Fig5}
