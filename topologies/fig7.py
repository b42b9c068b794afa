# SPDX-License-Identifier: GPL-2.0-or-later
"""
Figure 7: wide-area overflow between three networks.

     network 902                          network 904
     arn908 <----------- 954 -----------> arn930
     sn912 sn914    956, 958              sn938 sn940
     c916 … c926      |                   c904
         |            v                     |
        r902          |                   r904
         | \\          | network 906         |
       3 |  \\ near     | arn932            / far
         |   \\         | sn942 sn944      /
       c950   \\          c906            /
               \\          |             /
                \\        r906          /
                 \\        | near      /
                  +------ r900 -------+--- sn928, p928

The clients of each network, and c950, reach the ARN of theirs at the same anycast address. It sends
them to its own nodes while these have room, and then to the best one elsewhere: arn908 is told of 904's
nodes by arn930 (954), and asks those of 906 itself (956, 958); arn932 asks all others. Every node gets
the content 928 from sn928, where p928 publishes it.
"""

from nearlab_lib.topology import Internet


class Fig7(Internet):
    """One AS, a router for each network, and r900 in their middle."""

    # pylint: disable=too-many-arguments,too-many-positional-arguments
    def build(self, near=3, far=12, access=3, capacity=3, elsewhere=20, prime=1):
        """
        near, far, access (ms, one way): between 902 or 906 and the middle, between 904 and the middle, and of
        c950; capacity (sessions): of sn912 and sn914, elsewhere: of the other nodes; prime (1: yes):
        ARNs send clients to ports that they have had the nodes open for them.
        """
        self.addAS(64507, "10.90.0.0/16", "network 900")
        for router in ("r900", "r902", "r904", "r906"):
            self.addRouter(router, 64507)
        for router, delay in (("r902", near), ("r904", far), ("r906", near)):
            self.addLink("r900", router, delay=delay)

        self.addLan("lan928", "10.90.0.0/24", router="r900")
        self.addServiceNode("sn928", "lan928", 28)
        self.addPublisher("p928", "lan928", 3)

        prime = bool(int(prime))
        self.addNetwork(902, 908, (912, 914), capacity, sites=["arn930"], wide="flood",
                        far=["sn942", "sn944"], prime=prime)
        self.addNetwork(904, 930, (938, 940), elsewhere, sites=["arn908"], wide="flood",
                        far=["sn942", "sn944"], prime=prime)
        self.addNetwork(906, 932, (942, 944), elsewhere, wide="wide",
                        far=["sn912", "sn914", "sn938", "sn940"], prime=prime)

        for number in range(916, 927, 2):
            self.addLanClient(f"c{number}", "lan902", number - 900)
        self.addLanClient("c904", "lan904", 4)
        self.addLanClient("c906", "lan906", 6)
        self.addClient("c950", "r902", "10.90.50.0/30", delay=access)

    # pylint: disable=invalid-name
    def addNetwork(self, network, arn, nodes, capacity, **opts):
        """A LAN with an ARN and its service nodes, each with its own number."""
        lan = f"lan{network}"
        self.addLan(lan, f"10.90.{network - 900}.0/24", router=f"r{network}")
        # Crowds and ARNs share the processors of one machine: who waits for one does not hang.
        self.addArn(f"arn{arn}", lan, arn - 900, hang=3000, **opts)
        for node in nodes:
            self.addServiceNode(f"sn{node}", lan, node - 900, upstream="sn928", capacity=capacity)


topos = {"fig7": Fig7}
