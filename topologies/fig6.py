# SPDX-License-Identifier: GPL-2.0-or-later
"""
Figure 6: active session failover.

      client's ISP, AS 64502                       |   content backbone (CBB 803), AS 64508
                                                   |
    c802 ~5 ms~ acc ---- core -------~15 ms, eBGP~~|~~ edge ---- cbb ---+--- sn808
                          |                        |                    +--- src803
                        colo ---+--- arn804, dns   |
                                +--- sn806         |
                                +--- sn810         |

The client asks the anycast address, reaches arn804, and is sent to sn806 or sn810, which get the
channel from sn808. When the node that serves it dies, it asks again and goes on at the other.
"""

from nearlab_lib.topology import Internet


class Fig6(Internet):
    """One way: 5 ms on the access link, 15 ms between the two autonomous systems."""

    def build(self, delay=5, loss=0, far=15, http=0, prime=0, token=0):
        """
        delay (ms), loss (%): of the access link; far (ms): of the link between the ASes;
        http: port of a web server that sn806 and sn810 announce (0: none); prime (1: yes): arn804 sends
        clients to ports that it has had the nodes open for them; token (1: yes): sn806 and sn810 serve
        only who shows the token that arn804 gave it.
        """
        self.addAS(64502, "10.2.0.0/16", "the client's ISP, an affiliate")
        self.addRouter("acc", 64502)
        self.addRouter("core", 64502)
        self.addRouter("colo", 64502)
        self.addLink("acc", "core")
        self.addLink("core", "colo")

        self.addLan("lan804", "10.2.0.0/24", router="colo")
        self.addArn("arn804", "lan804", 4, prime=bool(int(prime)),
                    token=bool(int(token)))
        self.addNameServer("dns", "lan804", 53, origin="sn808")
        self.addServiceNode("sn806", "lan804", 6, upstream="sn808", http=http, token=token)
        self.addServiceNode("sn810", "lan804", 10, upstream="sn808", http=http, token=token)

        self.addClient("c802", "acc", "10.2.82.0/30", delay=delay, loss=loss)

        self.addAS(64508, "10.8.0.0/16", "the content backbone")
        self.addRouter("edge", 64508)
        self.addRouter("cbb", 64508)
        self.addLink("edge", "cbb")

        self.addLan("lan803", "10.8.0.0/24", router="cbb")
        self.addServiceNode("sn808", "lan803", 8)
        self.addPublisher("src803", "lan803", 3)

        self.addLink("core", "edge", delay=far)


topos = {"fig6": Fig6}
