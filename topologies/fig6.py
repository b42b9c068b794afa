# SPDX-License-Identifier: GPL-2.0-or-later
"""
Figure 6: active session failover.

      client's ISP, AS 64502                       |   content backbone (CBB 803), AS 64508
                                                   |
    c802 ~5 ms~ acc ---- core -------~15 ms, eBGP~~|~~ edge ---- cbb ---+--- sn808
                          |                        |             |      +--- src803
                        colo ---+--- arn804, dns   |             |
                                +--- sn806         |           lan812 --+--- sn812
                                +--- sn810         |                    +--- sn814

The client asks the anycast address, reaches arn804, and is sent to sn806 or sn810. When the node that
serves it dies, it asks again and goes on at the other.

The service nodes are an overlay, the CBB: each line is a tunnel, and channels come from sn808 along the
shortest way (the numbers are OSPF's costs).

    sn808 ---10--- sn812 ---10--- sn806, sn810
      |              |
      |             10
      |              |
      +-----15---- sn814 ---10--- sn806, sn810
"""

from nearlab_lib.topology import Internet


class Fig6(Internet):
    """One way: 5 ms on the access link, 15 ms between the two autonomous systems."""

    # pylint: disable=too-many-arguments,too-many-positional-arguments
    def build(self, delay=5, jitter=0, loss=0, far=15, http=0, prime=0, token=0, spares=0,
              web=0, overlay=1, films=0, budget=0):
        """
        delay, jitter (ms), loss (%): of the access link; far (ms): of the link between the ASes;
        http: port of a web server that sn806 and sn810 announce (0: none); prime (1: yes): arn804 sends
        clients to ports that it has had the nodes open for them; token (1: yes): sn806 and sn810 serve
        only who shows the token that arn804 gave it; spares (1: yes): a second ARN, a third node and a
        second way from acc to colo, and a second node in the backbone, for when two things fail at once;
        web (1: yes): sn806 and sn810 are caches of the web site of sn808, to which SRV records lead;
        overlay (0: no, nor with spares): without it sn806 and sn810 get channels from sn808 itself;
        films (1: yes): they play films of the master site at src803, on demand;
        budget (kbit/s): what channels may take of each tunnel to sn806 and sn810 (0: no limit).
        """
        self.addAS(64502, "10.2.0.0/16", "the client's ISP, an affiliate")
        self.addRouter("acc", 64502)
        self.addRouter("core", 64502)
        self.addRouter("colo", 64502)
        self.addLink("acc", "core")
        self.addLink("core", "colo")

        spares = bool(int(spares))
        self.addLan("lan804", "10.2.0.0/24", router="colo", next_hop="10.2.0.2" if spares else None)
        web = bool(int(web))
        arns = {"prime": bool(int(prime)), "token": bool(int(token)), "names": web and "dns"}
        self.addArn("arn804", "lan804", 4, **arns)
        self.addNameServer("dns", "lan804", 53, origin="sn808")
        nodes = {"upstream": ["sn808", "sn809"] if spares else "sn808", "http": http, "token": token,
                 "web": web, "films": "src803" if int(films) else None}
        overlay = int(overlay) and not spares
        self.addMember("sn806", "lan804", 6, overlay, **nodes)
        self.addMember("sn810", "lan804", 10, overlay, **nodes)
        if spares:
            self.addArn("arn805", "lan804", 5, **arns)
            self.addServiceNode("sn812", "lan804", 12, **nodes)
            self.addLink("acc", "colo", cost=50)

        self.addClient("c802", "acc", "10.2.82.0/30", delay=delay, jitter=jitter, loss=loss)

        self.addAS(64508, "10.8.0.0/16", "the content backbone")
        self.addRouter("edge", 64508)
        self.addRouter("cbb", 64508)
        self.addLink("edge", "cbb")

        self.addLan("lan803", "10.8.0.0/24", router="cbb")
        self.addMember("sn808", "lan803", 8, overlay, site=web)
        if spares:
            self.addServiceNode("sn809", "lan803", 9)
        self.addPublisher("src803", "lan803", 3)

        self.addLink("core", "edge", delay=far)
        if overlay:
            self.addBackbone(budget)

    # pylint: disable=invalid-name
    def addMember(self, name, lan, number, overlay, upstream=(), **opts):
        """A service node, of the overlay if there is one."""
        if overlay:
            opts["overlay"] = f"10.77.0.{number}"
            upstream = ()
        self.addServiceNode(name, lan, number, upstream=upstream, **opts)

    def addBackbone(self, budget):
        """The nodes between the source and the client's ISP, and all tunnels."""
        self.overlay_source = "sn808"
        self.addLan("lan812", "10.8.12.0/24", router="cbb")
        self.addMember("sn812", "lan812", 12, 1)
        self.addMember("sn814", "lan812", 14, 1)
        self.addTunnel("sn808", "sn812")
        self.addTunnel("sn808", "sn814", cost=15)
        self.addTunnel("sn812", "sn814")
        for node in ("sn812", "sn814"):
            self.addTunnel(node, "sn806", kbps=budget)
            self.addTunnel(node, "sn810", kbps=budget)


topos = {"fig6": Fig6}
