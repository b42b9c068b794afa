# SPDX-License-Identifier: GPL-2.0-or-later
"""
What keeps mistakes of a topology's file from becoming a lab that does not come up: Mininet's Topo
takes any name, any option and any address, twice if need be.

What can be seen while the file is read is an error there (TopologyError, whose traceback has the
line). What depends on what comes later, names that are referred to and what is linked to what, is
looked at when all is read: `mistakes`.
"""

import difflib
import inspect
import ipaddress
import os
import re
import sys

from mininet.topo import Topo

from .links import Lan, Wire
from .nodes import LabNode

HERE = os.path.dirname(os.path.realpath(__file__))
MININET = os.path.dirname(os.path.realpath(inspect.getfile(Topo)))
IFNAMSIZ = 15  # letters of an interface's name (if.h, without the 0 at its end)
GIVEN = {"cls", "asn", "topo", "lan", "address", "gateway", "loopback", "prefix", "isSwitch"}
REFERENCES = ("upstream", "sites", "names", "films", "attachments", "origin", "far")  # to other nodes
BLOCKS = ("172.31.0.0/16", "10.77.0.0/24")  # that the lab itself takes: between ASes, in overlays


class TopologyError(ValueError, LookupError):
    """A mistake in a topology; the text says what to do."""


def nearest(name, known):
    """What to say of a name that is none: the one that may be meant, or all."""
    close = difflib.get_close_matches(str(name), known, 1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"there are: {', '.join(sorted(known)) or 'none yet'}"


def caller():
    """(file, line) of the nearest caller that is neither the lab nor Mininet."""
    frame = sys._getframe(1)  # pylint: disable=protected-access
    while frame and os.path.dirname(os.path.realpath(frame.f_code.co_filename)) in (HERE, MININET):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame else (None, None)


def network(text, what):
    """An IPv4 network; TopologyError when it is none."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise TopologyError(f"{what}: {error}: expected such as 10.5.1.0/24") from None


class Checked(Topo):
    """Mininet's Topo, which notices. For each node it knows where in the file it was added."""

    anycast = "10.1.18.0/24"

    def __init__(self, *args, **params):
        self.places = {}  # {node: (file, line)}
        self._networks = []  # [(prefix, what it is for)]
        self._addresses = {}  # {address: node}
        self.systems = {}  # {number: AutonomousSystem}
        super().__init__(*args, **params)

    # pylint: disable=invalid-name

    def nodeInfo(self, name):
        """A node's options. TopologyError when there is no such node."""
        if name not in self.g.node:
            raise TopologyError(f"no node '{name}' ({nearest(name, list(self.g.node))})")
        return super().nodeInfo(name)

    def addNode(self, name, **opts):
        """Every node comes through here, LANs as well."""
        cls = opts.get("cls")
        if not (inspect.isclass(cls) and issubclass(cls, (LabNode, Lan))):
            raise TopologyError(f"node '{name}': the lab has no plain hosts and switches: use "
                                "addRouter, addLan, addClient, addPublisher, …")
        # "-" is between two nodes of a link, where that is named (fault cut R1-R2).
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*" if cls is Lan else r"[A-Za-z]\w*", str(name),
                            re.ASCII):
            raise TopologyError(f"node '{name}': a name is of letters, digits and '_', and begins "
                                "with a letter")
        if name in self.g.node:
            raise TopologyError(f"node '{name}' is there already (line {self.places[name][1]}): "
                                "give it another name")
        unknown = set(opts) - GIVEN - set(cls.options)
        if unknown:
            first = sorted(unknown)[0]
            raise TopologyError(f"node '{name}': a {cls.kind} has no option '{first}' "
                                f"({nearest(first, cls.options)})")
        self.places[name] = caller()
        for option in ("address", "gateway" if cls is Lan else None, "next_hop", "overlay"):
            if opts.get(option):
                self._take(opts[option], name)
        return super().addNode(name, **opts)

    def addLink(self, node1, node2, **opts):  # pylint: disable=arguments-differ
        """Every link comes through here, those to LANs as well."""
        for node in (node1, node2):
            self.nodeInfo(node)
        known = inspect.signature(Wire.__init__).parameters
        traits = {k: v for k, v in opts.items()
                  if k not in ("cls", "params1", "params2", "port1", "port2", "key")}
        for name in traits:
            if name not in known:
                raise TopologyError(f"link {node1}-{node2}: a link has no '{name}' (it has delay, "
                                    "jitter, loss, bw, and cost)")
        try:
            Wire.check(f"{node1}-{node2}", **traits)
        except (TypeError, ValueError) as error:
            raise TopologyError(str(error)) from None
        return super().addLink(node1, node2, **opts)

    def info_of(self, name, cls):
        """A node's options; TopologyError when it is not of that class."""
        info = self.nodeInfo(name)
        if not issubclass(info["cls"], cls):
            raise TopologyError(f"'{name}' is a {info['cls'].kind}: expected a {cls.kind}")
        return info

    def system(self, number):
        """The AutonomousSystem of a number."""
        if number not in self.systems:
            raise TopologyError(f"no AS {number} (there are: "
                                f"{', '.join(map(str, sorted(self.systems))) or 'none yet'}): addAS "
                                "comes first")
        return self.systems[number]

    def check_new_system(self, number, prefix):
        """TopologyError when an AS of that number and prefix cannot be added."""
        if number in self.systems:
            raise TopologyError(f"AS {number} is there already: give it another number")
        net = self.take_network(prefix, f"AS {number}")
        if net.prefixlen != 16:
            raise TopologyError(f"AS {number}: {net}: expected a prefix of 16 bits, such as "
                                "10.5.0.0/16")

    @staticmethod
    def number_of(net, number, name):
        """The address with a number in a network."""
        if net.num_addresses < 4:
            raise TopologyError(f"node '{name}': {net} has no room for two hosts: expected a /30, or "
                                "a larger network")
        if not isinstance(number, int) or not 0 < number < net.num_addresses - 1:
            raise TopologyError(f"node '{name}': {net} has no number {number!r} for a host: expected "
                                f"1 to {net.num_addresses - 2}")
        return net[number]

    def _take(self, address, name):
        """An address is given to a node."""
        owner = self._addresses.setdefault(address, name)
        if owner != name:
            raise TopologyError(f"node '{name}': {address} is {owner}'s "
                                f"(line {self.places[owner][1]}): give it another number")

    def take_network(self, prefix, what, within=None):
        """
        A prefix is used for something: TopologyError when it is none, when it is not inside the AS
        (`within`, an AutonomousSystem), or when one that is in use overlaps it.
        """
        net = network(prefix, what)
        if within and not net.subnet_of(within.prefix):
            raise TopologyError(f"{what}: {net} is not within {within.prefix}, which is AS "
                                f"{within.number}'s")
        used = [(other, user) for other, user in self._networks
                if net.overlaps(other) and not (within and other == within.prefix)]
        if within:
            base = int(within.prefix.network_address)
            taken = {ipaddress.ip_network((base + 254 * 256, 23)): "the AS's own links and routers",
                     ipaddress.ip_network(self.anycast): "the anycast block"}
        else:
            taken = dict.fromkeys(map(ipaddress.ip_network, BLOCKS), "the lab itself")
        used += [(block, user) for block, user in taken.items() if net.overlaps(block)]
        if used:
            raise TopologyError(f"{what}: {net} overlaps {used[0][0]} of {used[0][1]}: take another "
                                "prefix")
        self._networks.append((net, what))
        return net


def mistakes(topo):
    """[(file, line, text)] of what is wrong in a topology whose file has been read to its end."""
    found = []
    nodes = set(topo.nodes())
    for node in sorted(nodes):
        info = topo.nodeInfo(node)
        wrong = [text for option in REFERENCES
                 for text in _dangling(option, info.get(option), nodes)]
        name = f"{node}-eth{max(topo.ports.get(node, {0: None}))}"
        if len(name) > IFNAMSIZ:
            wrong.append(f"'{name}' is too long for an interface of Linux, by {len(name) - IFNAMSIZ}")
        found += [(*topo.places[node], f"node '{node}': {text}") for text in wrong]
    source = topo.overlay_source
    if source and source not in nodes:
        found.append((None, None, f"overlay_source: no node '{source}' ({nearest(source, nodes)})"))
    found += _islands(topo, nodes)
    if not nodes:
        found.append((None, None, "build() adds no node"))
    return found


def _dangling(option, value, nodes):
    """Names of an option that are no nodes."""
    names = [value] if isinstance(value, str) else list(value or ())
    return [f"{option}: no node '{name}' ({nearest(name, nodes)})" for name in names
            if name not in nodes]


def _islands(topo, nodes):
    """What cannot be reached from the first node, since no link leads there."""
    ends = {}
    for one, two in topo.links():
        ends.setdefault(one, set()).add(two)
        ends.setdefault(two, set()).add(one)
    order = [n for n in topo.g.nodes() if n in nodes]
    reached, queue = set(order[:1]), order[:1]
    while queue:
        for other in ends.get(queue.pop(), set()) - reached:
            reached.add(other)
            queue.append(other)
    lost = [n for n in order if n not in reached]
    return [(*topo.places[lost[0]], f"no link leads from '{order[0]}' to {', '.join(lost)}: "
             "addLink the routers")] if lost else []
