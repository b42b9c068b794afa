# SPDX-License-Identifier: GPL-2.0-or-later
"""
Figure 4: anycast between autonomous systems.

          master AS 65400 (figure: 400)
      A1 ─ m1 ──────── m2 ─ A2
            | \\        / |            Each ARN has a service node beside it: A1 N1 …
            |  ─ m3 ──   |            The master AS alone originates the block in BGP.
            |     | └ A3 |
       peer |     |      | peer
            |     |      |
      C1 ─ w1 ─ w2|── ─ w3 ─ C2       affiliate 65402 (402): no ARN; C1 and C2 leave it by the
                  |                   exits that are nearest to each
                  | customer
            x2 ─ x1                   affiliate 65404 (404): A4 captures C3, and C4, whose packets
      A4 ─┘ └ x3 ┘ ─ C3               cross it on their way to the master AS
               |
               | customer
              y1 ─ C4                 affiliate 65406 (406): no ARN
"""

from nearlab_lib.topology import Internet


class Fig4(Internet):
    """A master AS with three ARNs; three affiliates, one of which has an ARN."""

    def build(self, delay=0):
        """delay (ms, one way): of each link between two ASes."""
        self.addAS(65400, "10.40.0.0/16", "the master AS, 400", originates=[self.anycast])
        for number in (1, 2, 3):
            self.addRouter(f"m{number}", 65400)
            self.addSite(number, f"10.40.{number}.0/24", f"m{number}")
        self.addLink("m1", "m2")
        self.addLink("m2", "m3", cost=15)
        self.addLink("m1", "m3", cost=20)

        self.addAS(65402, "10.42.0.0/16", "affiliate 402, with two ways to the master AS")
        for router in ("w1", "w2", "w3"):
            self.addRouter(router, 65402)
        self.addLink("w1", "w2")
        self.addLink("w2", "w3", cost=15)
        self.addLink("w1", "m1", relation="peer", delay=delay)
        self.addLink("w3", "m2", relation="peer", delay=delay)
        self.addClient("C1", "w1", "10.42.81.0/30")
        self.addClient("C2", "w3", "10.42.82.0/30")

        self.addAS(65404, "10.44.0.0/16", "affiliate 404, with an ARN")
        for router in ("x1", "x2", "x3"):
            self.addRouter(router, 65404)
        self.addLink("x1", "x2")
        self.addLink("x2", "x3")
        self.addLink("x1", "x3")
        self.addSite(4, "10.44.4.0/24", "x2")
        self.addLink("x1", "m3", relation="customer", delay=delay)
        self.addClient("C3", "x3", "10.44.83.0/30")

        self.addAS(65406, "10.46.0.0/16", "affiliate 406, behind 404")
        self.addRouter("y1", 65406)
        self.addLink("y1", "x3", relation="customer", delay=delay)
        self.addClient("C4", "y1", "10.46.84.0/30")

    # pylint: disable=invalid-name
    def addSite(self, number, prefix, router):
        """A LAN with an ARN and a service node beside it."""
        self.addLan(f"lan{number}", prefix, router=router)
        self.addArn(f"A{number}", f"lan{number}", 4)
        self.addServiceNode(f"N{number}", f"lan{number}", 6)


topos = {"fig4": Fig4}
