# SPDX-License-Identifier: GPL-2.0-or-later
"""
Internet: Mininet's Topo with the words of an internetwork.

A topology is a file with a class derived from Internet, and Mininet's usual `topos` dictionary:

    class Small(Internet):
        def build(self, loss=0):
            self.addAS(64501, "10.5.0.0/16", "my ISP")
            self.addRouter("R1", 64501)
            self.addRouter("R2", 64501)
            self.addLink("R1", "R2", delay=5)
            self.addLan("lan5", "10.5.1.0/24", router="R2")
            self.addArn("A1", "lan5", 4)
            ...
    topos = {"small": Small}

Addresses follow from the order of the file, so they are the same every time: links between routers
of one AS get /30s from the upper end of the AS's prefix (….254.0/24), routers get loopbacks
….255.N, hosts of a LAN the number that is given. Nothing here starts anything: the result is a
plain Mininet graph whose node and link options say all.
"""

import ipaddress

from . import interdomain
from .checked import Checked, TopologyError
from .links import Lan, Wire
from .nodes import Arn, Client, NameServer, Publisher, Router, ServiceNode


class AutonomousSystem:
    """A number, a prefix, and what has been given out of it."""

    def __init__(self, number, prefix, description, originates=()):
        self.number = number
        self.prefix = ipaddress.ip_network(prefix)
        self.description = description
        self.originates = [str(ipaddress.ip_network(block)) for block in originates]
        base = self.prefix.network_address
        self._links = ipaddress.ip_network(f"{base + 254 * 256}/24").subnets(new_prefix=30)
        self._loopbacks = ipaddress.ip_network(f"{base + 255 * 256}/24").hosts()

    def next_link(self):
        """A /30: (prefix, this end, that end)."""
        net = next(self._links)
        one, two = net.hosts()
        return net, one, two

    def next_loopback(self):
        """The address of one more router."""
        return next(self._loopbacks)


class Internet(Checked):
    """
    See the essay above. `anycast` and `service` are the patent's examples; bfd: the time between two
    packets of BFD on a link, in ms.
    """

    anycast = "10.1.18.0/24"
    service = "10.1.18.27"  # acme.com
    names = {"acme.com": "10.1.18.27"}
    bfd = 100

    def __init__(self, *args, **params):
        self.relations = {}  # {(AS, other AS): what the first one is to the other}
        self.tunnels = []  # [(node, node, OSPF's cost)]
        self.budgets = {}  # of the tunnels: {(from, to): kbit/s}
        self.overlay_source = None  # the node that the overlay's channels come from
        self._peerings = ipaddress.ip_network("172.31.0.0/16").subnets(new_prefix=30)
        self._access = {}
        self._met = set()  # pairs of routers that have a session at an exchange point
        self._ends = (0, {})  # (number of links, {node: its interfaces}), see interfaces()
        super().__init__(*args, **params)

    # Mininet's names are mixedCase; so are these, which stand beside them.
    # pylint: disable=invalid-name

    def addAS(self, number, prefix, description="", originates=()):
        """
        An autonomous system. Its routers announce its prefix by BGP. originates: the anycast blocks
        that it is the master AS of: it announces each while an ARN in it carries it.
        """
        self.check_new_system(number, prefix)
        self.systems[number] = AutonomousSystem(number, prefix, description, originates)

    def addRouter(self, name, asn, **opts):
        """A router of an AS: BIRD with OSPF on its internal links, BGP with other ASes."""
        loopback = str(self.system(asn).next_loopback())
        return self.addNode(name, cls=Router, asn=asn, loopback=loopback, topo=self, **opts)

    def addLan(self, name, prefix, router, **opts):
        """
        A LAN (a bridge) whose gateway, with the first address, is `router`. next_hop: the address
        that the routes of its ARNs to the block lead to; None: their own.
        """
        asn = self.info_of(router, Router)["asn"]
        net = self.take_network(prefix, f"LAN '{name}'", self.systems[asn])
        self.addSwitch(name, cls=Lan, asn=asn, prefix=str(net), gateway=str(net[1]), **opts)
        self._join(router, name, net, 1, cost=10)
        return name

    def _join(self, node, lan, net, number, **opts):
        address = self.number_of(net, number, node)
        end = {"ip": f"{address}/{net.prefixlen}", "role": "lan", **opts}
        super().addLink(node, lan, cls=Wire, params1=end, params2={"ip": None})
        return str(address)

    def _addLanHost(self, name, cls, lan, number, opts):
        info = self.info_of(lan, Lan)
        net = ipaddress.ip_network(info["prefix"])
        address = self.number_of(net, number, name)
        self.addNode(name, cls=cls, asn=info["asn"], lan=lan, address=str(address),
                     gateway=info["gateway"], topo=self, **opts)
        self._join(name, lan, net, number, cost=10)
        return name

    def addArn(self, name, lan, number, **opts):
        """
        An anycast referral node on a LAN: arn, and BIRD that carries its block into OSPF. block: which
        one; otherwise the first that its AS originates, or `anycast`. wide: how it finds nodes of other
        networks when its own are full (arn.conf(5)), far: names of those that it is told of.
        """
        return self._addLanHost(name, Arn, lan, number, opts)

    def addServiceNode(self, name, lan, number, upstream=(), **opts):
        """
        A service node on a LAN: sn-agent. upstream: names of nodes it gets channels from; capacity:
        clients that it has room for; overlay: its address in an overlay, with BIRD beside it.
        """
        upstream = [upstream] if isinstance(upstream, str) else list(upstream)
        return self._addLanHost(name, ServiceNode, lan, number, {"upstream": upstream, **opts})

    def addTunnel(self, node1, node2, cost=10, kbps=0):
        """
        Two service nodes of the overlay are neighbours. cost: OSPF's; kbps: what channels may take of
        it from the first one to the second (0: no limit).
        """
        for node in (node1, node2):
            if not self.info_of(node, ServiceNode).get("overlay"):
                raise TopologyError(f"tunnel {node1}-{node2}: {node} is not in the overlay: give it "
                                    "an address there, such as overlay=\"10.77.0.6\"")
        self.tunnels.append((node1, node2, cost))
        self.budgets[node1, node2] = kbps

    def addPublisher(self, name, lan, number, **opts):
        """A host on a LAN that streams come from."""
        return self._addLanHost(name, Publisher, lan, number, opts)

    def addLanClient(self, name, lan, number):
        """A client that is on a LAN itself."""
        return self._addLanHost(name, Client, lan, number, {})

    def addNameServer(self, name, lan, number, origin=None):
        """
        A name server on a LAN, for all nodes: it has the friendly names, those of anycast
        addresses, and of each node. origin: the node that SRV records lead to.
        """
        return self._addLanHost(name, NameServer, lan, number, {"origin": origin})

    def addClient(self, name, router, prefix, **link):
        """A client with an access link of its own; link: delay, jitter (ms), loss (%), bw (Mbit/s)."""
        asn = self.info_of(router, Router)["asn"]
        net = self.take_network(prefix, f"client '{name}'", self.systems[asn])
        gateway, address = (self.number_of(net, n, name) for n in (1, 2))
        self.addNode(name, cls=Client, asn=asn, address=str(address),
                     gateway=str(gateway), topo=self)
        super().addLink(router, name, cls=Wire,
                        params1={"ip": f"{gateway}/{net.prefixlen}", "role": "stub", "cost": 10},
                        params2={"ip": f"{address}/{net.prefixlen}", "role": "host"}, **link)
        return name

    def addLink(self, node1, node2, cost=10, relation=None, **link):
        """
        A link of two routers: OSPF with BFD inside an AS, eBGP with BFD between two. cost: OSPF's;
        relation, between ASes: what node1's AS is to node2's: "provider", "customer" or "peer", which
        it is if none is given (interdomain.py has what follows from that); link: delay, jitter (ms,
        one way), loss (%), bw (Mbit/s).
        """
        as1, as2 = (self.info_of(n, Router)["asn"] for n in (node1, node2))
        more1, more2 = {}, {}
        if as1 == as2:
            if relation:
                raise ValueError(f"link {node1}-{node2}: a relation is between ASes, "
                                 f"and both are in AS {as1}")
            net, one, two = self.systems[as1].next_link()
            role = "internal"
        else:
            net = next(self._peerings)
            one, two = net.hosts()
            role = "external"
            relation = self._relate(as1, as2, relation or "peer")
            more1 = {"peer_as": as2, "relation": interdomain.REVERSE[relation]}
            more2 = {"peer_as": as1, "relation": relation}
        end = {"role": role, "cost": cost}
        return super().addLink(
            node1, node2, cls=Wire,
            params1={"ip": f"{one}/{net.prefixlen}", "peer": node2, "peer_ip": str(two), **end, **more1},
            params2={"ip": f"{two}/{net.prefixlen}", "peer": node1, "peer_ip": str(one), **end, **more2},
            **link)

    def addExchange(self, name, prefix, members):
        """
        An exchange point: a LAN on which routers of several ASes meet, each of which has a session with
        each other one, as peers. Two that have met at another exchange point have theirs there.
        """
        net = ipaddress.ip_network(prefix)
        self.addSwitch(name, cls=Lan, asn=None, prefix=str(net), gateway=None)
        address = {member: str(net[number]) for number, member in enumerate(members, 1)}
        peers = {member: [] for member in members}
        for index, one in enumerate(members):
            for two in members[index + 1:]:
                as1, as2 = (self.nodeInfo(n)["asn"] for n in (one, two))
                if as1 == as2 or frozenset((one, two)) in self._met:
                    continue
                self._met.add(frozenset((one, two)))
                self._relate(as1, as2, "peer")
                for own, peer, asn in ((one, two, as2), (two, one, as1)):
                    peers[own].append({"ip": address[own], "peer": peer, "peer_ip": address[peer],
                                       "peer_as": asn, "relation": "peer"})
        for member in members:
            end = {"ip": f"{address[member]}/{net.prefixlen}", "role": "exchange",
                   "sessions": peers[member]}
            super().addLink(member, name, cls=Wire, params1=end, params2={"ip": None})
        return name

    def _relate(self, as1, as2, relation):
        """Notes what as1 is to as2, and as2 to as1; all their links have to agree."""
        if relation not in interdomain.RELATIONS:
            raise ValueError(f"AS {as1} is '{relation}' to AS {as2}: expected "
                             f"{', '.join(interdomain.RELATIONS)}")
        if self.relations.setdefault((as1, as2), relation) != relation:
            raise ValueError(f"AS {as1} is {self.relations[as1, as2]} to AS {as2} on one link and "
                             f"{relation} on another")
        self.relations[as2, as1] = interdomain.REVERSE[relation]
        return relation

    # What others ask about a topology.

    def interfaces(self, name):
        """[(interface's name, its parameters)] of a node, in order."""
        links = self.links(withInfo=True)
        if self._ends[0] != len(links):
            ends = {}
            for _, _, info in links:
                for node, port, params in (("node1", "port1", "params1"),
                                           ("node2", "port2", "params2")):
                    ends.setdefault(info[node], {})[info[port]] = info.get(params) or {}
            self._ends = len(links), ends
        return [(f"{name}-eth{port}", params)
                for port, params in sorted(self._ends[1].get(name, {}).items())]

    def of_class(self, cls):
        """Names of all nodes of a class."""
        return [n for n in self.nodes() if issubclass(self.nodeInfo(n).get("cls", object), cls)]

    def routers(self, asn):
        """Names of the routers of an AS."""
        return [n for n in self.of_class(Router) if self.nodeInfo(n)["asn"] == asn]

    def address(self, name):
        """A node's own address. LookupError when there is no such node."""
        info = self.nodeInfo(name)
        return info.get("address") or info.get("loopback")

    def block(self, arn):
        """The anycast block that an ARN has."""
        info = self.nodeInfo(arn)
        return info.get("block") or (self.systems[info["asn"]].originates or [self.anycast])[0]

    def blocks(self):
        """All anycast blocks that ARNs have."""
        return sorted({self.block(arn) for arn in self.of_class(Arn)}, key=ipaddress.ip_network)

    def service_of(self, block):
        """The address in a block that a service has: in each the same as in `anycast`."""
        offset = int(ipaddress.ip_address(self.service)) \
            - int(ipaddress.ip_network(self.anycast).network_address)
        return str(ipaddress.ip_network(block)[offset])

    def neighbours(self, name):
        """[(neighbour in the overlay, OSPF's cost)] of a node."""
        return [(two if one == name else one, cost) for one, two, cost in self.tunnels
                if name in (one, two)]

    def overlay_address(self, name):
        """A node's address in the overlay, or None."""
        return self.nodeInfo(name).get("overlay")

    def next_hop(self, name):
        """Where the routes of an ARN lead to: an address of its LAN that floats; or None."""
        return self.nodeInfo(self.nodeInfo(name)["lan"]).get("next_hop")

    def hosts_file(self):
        """/etc/hosts of every node."""
        lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost"]
        lines += [f"{self.address(n)} {n}" for n in self.nodes() if self.address(n)]
        if not self.of_class(NameServer):
            lines += [f"{address} {name}" for name, address in sorted(self.names.items())]
        return "\n".join(lines) + "\n"

    def resolv_conf(self):
        """/etc/resolv.conf of every node."""
        servers = [f"nameserver {self.address(n)}" for n in self.of_class(NameServer)]
        if not servers:
            return "# no name server in this topology: see /etc/hosts\n"
        return "\n".join([*servers, "options timeout:1 attempts:2"]) + "\n"
