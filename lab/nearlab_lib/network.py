# SPDX-License-Identifier: GPL-2.0-or-later
"""
How the keeper makes a network of a topology: Mininet's nodes and links, but many at a time.

Mininet starts a node's shell, waits for it, and goes on to the next; it makes a link by commands in two
shells, and sets each property by one more. Here nodes are made, configured and booted side by side, and
all links by one ip(8); what a node needs besides is done by threads in its namespaces (inside.py).
"""

from concurrent.futures import ThreadPoolExecutor

from mininet.net import Mininet

from . import inside
from .checked import TopologyError, nearest
from .links import Wire
from .nodes import LabNode

AT_ONCE = 8  # most of the time they wait for a process or for the kernel


def each(function, things):
    """[function(thing)], several at a time; what one of them raises is raised."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(function, things))


class Network(Mininet):
    """Mininet without controllers, without changes of the host's limits, without `mn -c`."""

    def __init__(self, topo):
        Mininet.inited = True  # its init() would set sysctls of the whole machine
        LabNode.boots_itself = False
        Wire.deferred = True
        self.paths = {}  # how often scenarios have published under a name
        super().__init__(topo=topo, controller=None, build=False)

    # Mininet's names.
    # pylint: disable=invalid-name

    def buildFromTopo(self, topo=None):
        """All nodes, and all links between them; nothing has an address yet."""

        def make(name):
            params = topo.nodeInfo(name)
            return params.get("cls")(name, **{k: v for k, v in params.items() if k != "cls"})

        names = [*topo.hosts(), *topo.switches()]
        made = dict(zip(names, each(make, names)))
        self.hosts = [made[name] for name in topo.hosts()]
        self.switches = [made[name] for name in topo.switches()]
        self.nameToNode.update(made)
        for _, _, params in topo.links(sort=True, withInfo=True):
            self.addLink(**params)
        inside.ip(link.pair for link in self.links if link.pair)
        self._introduce()

    def _introduce(self):
        """
        Ends of a link, and members of an exchange point, know each other's Ethernet addresses for good.
        The kernel has one table of those that it learns, of 1024, for all network namespaces and the
        host; a large lab would fill it.
        """
        ends = [intf for link in self.links for intf in (link.intf1, link.intf2)]
        mac = {intf.ip: intf.mac for intf in ends if intf.ip}
        for link in self.links:
            for intf, other in ((link.intf1, link.intf2), (link.intf2, link.intf1)):
                known = [s["peer_ip"] for s in intf.params.get("sessions", ())]
                known += [other.ip] if other.ip else []
                if intf.ip:
                    intf.setup += [f"neigh add {ip} lladdr {mac[ip]} dev {intf.name} nud permanent"
                                   for ip in known]

    def configHosts(self):
        """Addresses, routes and names of all nodes; then links get their properties."""
        each(lambda host: host.configDefault(), self.hosts)
        each(lambda switch: switch.start([]), self.switches)
        each(lambda link: link.connect(), self.links)

    def start(self):
        """The daemons of all nodes."""
        each(lambda host: host.boot(), self.hosts)

    def __getitem__(self, name):
        """A node; TopologyError, which says what there is, when there is none of that name."""
        try:
            return super().__getitem__(name)
        except KeyError:
            raise TopologyError(f"no node '{name}' ({nearest(name, list(self))})") from None
