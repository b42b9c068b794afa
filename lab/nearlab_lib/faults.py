# SPDX-License-Identifier: GPL-2.0-or-later
"""
What can be broken, and healed again.

    kill DAEMON@NODE     SIGKILL of the daemon and all its processes
    hang DAEMON@NODE     SIGSTOP of them
    slow DAEMON@NODE 80  SIGSTOP, and SIGCONT after so many milliseconds (80, if nothing is said)
    cont DAEMON@NODE     SIGCONT
    restart DAEMON@NODE  killed if it runs, and started
    cut NODE             all of the node's links go down
    cut AS64500          all links between the AS and others go down
    cut NODE-NODE        the link, or the overlay's tunnel, between two nodes goes down
    lose TARGET 5        of the packets on a link, tunnel or all links of a node (what cut takes) this
                         many percent are lost, in each direction, at random; 100: all, and nobody
                         is told that the link is down
    delay TARGET 50      links are so many milliseconds long, each way
    part NODE,NODE…      the LAN falls in two parts: these nodes, and the others
    deaf NODE            no announcement reaches it
    mute NODE            none leaves it
    join TARGET          the end of a cut, lose, delay, part, deaf or mute

A target NODE without a daemon means the node's own one (arn, sn-agent, bird of a router); AS64500
means all daemons of all nodes of that autonomous system. The
shorthands kill-sn, hang-sn, cut-sn, slow-sn and kill-arn, hang-arn, cut-arn take a node; without
one they mean the service node that now serves a client, or the ARN that its block is routed to.
"""

import collections
import itertools
import re
import signal
import threading
import time

from . import daemons, inside
from .links import Lan
from .nodes import Arn, Client, KeyedNode, LabNode, Router, ServiceNode

KINDS = ("kill", "hang", "slow", "cont", "restart", "cut", "lose", "delay", "part", "deaf",
         "mute", "join")
MENDS = ("cont", "restart", "join")  # those that break nothing
SHORTHANDS = tuple(f"{k}-{n}" for n in ("sn", "arn") for k in ("kill", "hang", "cut", "slow"))

Broken = collections.namedtuple("Broken", "kind target undo much", defaults=(None,))

# Where nodes speak RTSP: the usual port, and those that ARNs have them open.
RTSP = "( dport = :554 or ( dport >= :20000 and dport <= :20999 ) )"


class FaultError(Exception):
    """No such fault or target; the text says what there is."""


def amount(kind, said=None):
    """How much of a fault there is to be, from what is said: a number, or None of a kind that has none."""
    if kind.startswith("slow"):
        what, unit, least, most = "milliseconds, such as 200", "ms", 1, 86400000
        said = 80 if said is None else said
    elif kind == "lose":
        what, unit, least, most = "percent, such as 5", "%", 0.001, 100
    elif kind == "delay":
        what, unit, least, most = "milliseconds, such as 50", "ms", 0, 10000
    elif said is None:
        return None
    else:
        raise FaultError(f"{kind} has no third word: '{said}'")
    try:
        number = float(str(said).removesuffix(unit))
    except ValueError:
        number = None
    if number is None or not least <= number <= most:
        raise FaultError(f"{kind}: {'' if said is None else repr(str(said)) + ': '}expected "
                         f"{least:g} to {most:g} {what}")
    return number


class Faults:
    """The faults of one network; what is broken now is remembered, so that it can be healed."""

    def __init__(self, net):
        self.net = net
        self.broken = []  # [Broken]
        self.serial = itertools.count(1)  # of packet filters
        self.at = 0.0  # when the last fault came, by the monotonic clock

    def nodes(self, cls):
        """All nodes of a class."""
        return [n for n in self.net.hosts if isinstance(n, cls)]

    def serving(self, client=None):
        """Names of the service nodes that clients have a control connection to now."""
        names = {n.params["address"]: n.name for n in self.nodes(ServiceNode)}
        found = []
        for node in self.nodes(Client):
            if client and node.name != client:
                continue
            out, _, _ = node.pexec(["ss", "-Htn", "state", "established", RTSP])
            for line in out.splitlines():
                peer = line.split()[-1].rsplit(":", 1)[0].strip("[]")
                if peer in names and names[peer] not in found:
                    found.append(names[peer])
        return found

    def nearest_arn(self, client=None, address=None):
        """
        Name of the ARN that packets to an anycast address (the topology's service, if none) reach; of
        that client, or the first one.
        """
        clients = [c for c in self.nodes(Client) if client in (None, c.name)]
        path = self.path(clients[0], address or self.net.topo.service) if clients else []
        return path[-1] if path and isinstance(self.net[path[-1]], Arn) else None

    def path(self, node, address, known=None):
        """
        [names of the nodes] that packets from a node to an address pass, by the kernels' routes, and
        the last one that they reach. known: a dictionary for next hops, when many ways are looked for.
        """
        known = {} if known is None else known
        seen = []
        while node is not None and node.name not in seen:
            seen.append(node.name)
            if isinstance(node, Arn):
                break
            if (node.name, address) not in known:
                out, _, _ = node.pexec(["ip", "-o", "route", "get", address])
                via = re.search(r" via (\S+)", out)
                known[node.name, address] = via and (self._owner(via.group(1))
                                                     or self.claimant(node, via.group(1)))
            node = known[node.name, address]
        return seen

    def claimant(self, router, address):
        """
        The ARN that answers a router for the floating next hop. A router that has sent nothing there for
        a while has forgotten it, the sooner the more labs there are, and is made to ask.
        """
        for _ in range(2):
            seen, _, _ = router.pexec(["ip", "-o", "neigh", "show", address])
            mac = re.search(r" lladdr (\S+)", seen)
            if mac:
                return next((n for n in self.nodes(Arn)
                             if any(i.mac == mac.group(1) for i in n.intfList())), None)
            router.pexec(["ping", "-c1", "-W1", address])  # unanswered, but the router asks for it
        return None

    def _owner(self, address):
        for node in self.net.hosts:
            if any(i.ip == address for i in node.intfList()):
                return node
        return None

    def members(self, target):
        """The nodes of 'AS64500', or None when the target is no AS."""
        if not re.fullmatch(r"AS\d+", target) or target in self.net:
            return None
        number = int(target[2:])
        if number not in self.net.topo.systems:
            raise FaultError(f"no {target} (there are: "
                             f"{', '.join(f'AS{n}' for n in sorted(self.net.topo.systems))})")
        return [n for n in self.net.hosts if n.params.get("asn") == number]

    def daemons(self, target):
        """The daemons of 'DAEMON@NODE', 'NODE', or all of 'AS64500'."""
        members = self.members(target)
        if members is None:
            return [self.daemon(target)]
        return [daemon for node in members for daemon in node.daemons.values()]

    def daemon(self, target):
        """The daemon of 'DAEMON@NODE' or 'NODE'."""
        name, _, host = target.rpartition("@")
        node = self._node(host)
        if not name:
            name = node.program if isinstance(node, KeyedNode) else "bird"
        if name not in node.daemons:
            raise FaultError(f"{host} runs no '{name}' (it runs: "
                             f"{', '.join(node.daemons) or 'nothing'})")
        return node.daemons[name]

    def _node(self, name):
        if name not in self.net or not isinstance(self.net[name], LabNode):
            raise FaultError(f"no node '{name}' (there are: "
                             f"{', '.join(n.name for n in self.net.hosts)})")
        return self.net[name]

    def _ends(self, target):
        """[(node, interface)] that a cut of 'NODE', 'NODE-NODE' or 'AS64500' takes down."""
        members = self.members(target)
        if members is not None:
            names = {n.name for n in members}
            return [(end.node, end.name) for k in self.net.links for end in (k.intf1, k.intf2)
                    if len(names & {k.intf1.node.name, k.intf2.node.name}) == 1
                    and {k.intf1.node, k.intf2.node} <= set(self.nodes(Router))]
        if target in self.net and isinstance(self.net[target], LabNode):
            node = self.net[target]
            return [(node, i) for i in node.intfNames() if i != "lo"]
        one, _, two = target.partition("-")
        if one in self.net and two in self.net:
            links = self.net.linksBetween(self.net[one], self.net[two])
            if links:
                return [(e.node, e.name) for k in links for e in (k.intf1, k.intf2)]
            if two in dict(self.net.topo.neighbours(one)):
                return [(self.net[one], f"nc-{two}"), (self.net[two], f"nc-{one}")]
        raise FaultError(f"'{target}' is neither a node nor an AS nor a link or tunnel (NODE-NODE)")

    def _links(self, target):
        """The links that a cut of the target takes down; a tunnel is none."""
        found = [node.intf(name).link for node, name in self._ends(target) if name in node.intfNames()]
        return [link for link in self.net.links if link in found]

    def _lan_ports(self, name):
        """[(LAN, interface of its bridge)] that a node is plugged into."""
        node = self._node(name)
        pairs = [pair for lan in self.net.switches if isinstance(lan, Lan)
                 for pair in lan.connectionsTo(node)]
        return [(own.node, own.name) for own, _ in pairs]

    def inject(self, kind, target=None, much=None):
        """
        Breaks something; how much of it, see amount(). Returns {kind, target, much}, with what was not
        said filled in.
        """
        if kind in SHORTHANDS:
            kind, _, what = kind.partition("-")
            if target is None and what == "sn":
                serving = self.serving()
                if not serving:
                    raise FaultError("no service node serves a client now: name one")
                target = serving[0]
            elif target is None:
                target = self.nearest_arn()
                if target is None:
                    raise FaultError("no client's packets reach an ARN now: name one")
        if kind not in KINDS:
            raise FaultError(f"no fault '{kind}' (there are: {', '.join(KINDS + SHORTHANDS)})")
        if not target:
            raise FaultError(f"{kind} needs a target: DAEMON@NODE, NODE, NODE-NODE or an AS")
        much = amount(kind, much)
        getattr(self, f"_{kind}")(target, *([] if much is None else [much]))
        return {"kind": kind, "target": target, "much": much}

    def check(self, kind, target):
        """FaultError when inject() would not know the target, as far as can be told beforehand."""
        kind = kind.partition("-")[0]
        if target is None:
            return
        if kind in ("cut", "lose", "delay"):
            self._ends(target)
        elif kind == "part":
            for name in target.split(","):
                self._node(name)
        elif kind in ("deaf", "mute"):
            self._node(target)
        elif kind in ("kill", "hang", "slow", "cont", "restart"):
            self.daemons(target)

    def _send(self, found, sig):
        pids = [pid for daemon in found for pid in daemon.processes()]
        self.at = time.monotonic()
        daemons.kill(pids, sig)

    def _kill(self, target):
        found = self.daemons(target)
        self._send(found, signal.SIGKILL)
        self.broken.append(Broken("kill", target, lambda: [d.start() for d in found]))

    def _hang(self, target):
        found = self.daemons(target)
        self._send(found, signal.SIGSTOP)
        self.broken.append(Broken("hang", target, lambda: [
            (d.signal(signal.SIGCONT, everyone=True), d.start()) for d in found]))

    def _slow(self, target, ms):
        found = self.daemons(target)
        self._send(found, signal.SIGSTOP)

        def go_on():  # what was hung meanwhile stays so
            hung = [d for b in self.broken if b.kind == "hang" for d in self.daemons(b.target)]
            daemons.kill([pid for d in found if d not in hung for pid in d.processes()],
                         signal.SIGCONT)

        timer = threading.Timer(ms / 1000, go_on)
        timer.daemon = True
        timer.start()

    def _cont(self, target):
        self._send(self.daemons(target), signal.SIGCONT)
        self._forget("hang", target)

    def _restart(self, target):
        self.at = time.monotonic()
        for daemon in self.daemons(target):
            daemon.restart()
        self._forget("kill", target)
        self._forget("hang", target)

    def _cut(self, target):
        ends = self._ends(target)
        undo = [(node, f"ip link set {name} up") for node, name in ends]
        for node, name in ends:
            # The kernel forgets routes through an interface that goes down; we shall not.
            out, _, _ = node.pexec(["ip", "-o", "route", "show", "dev", name, "proto", "boot"])
            undo += [(node, f"ip route replace {line.strip()} dev {name}")
                     for line in out.splitlines() if line.strip()]
        self.at = time.monotonic()
        for node, name in ends:
            node.pexec(["ip", "link", "set", name, "down"])
        self.broken.append(Broken("cut", target, lambda: [n.pexec(c.split()) for n, c in undo]))

    def _lose(self, target, percent):
        """Both ends of each link drop, of the packets that come in there, so many."""
        ends = {}
        for node, name in self._ends(target) + [(end.node, end.name) for link in self._links(target)
                                                for end in (link.intf1, link.intf2)]:
            ends.setdefault(node, set()).add(name)
        table = f"netdev nearlab_lose{next(self.serial)}"
        share = f"numgen random mod 100000 <= {round(percent * 1000) - 1}"
        self._forget("lose", target, undo=True)
        self.at = time.monotonic()
        for node, names in ends.items():
            # What is sent as one and would be segmented behind the interface is to be lost by packets.
            inside.run(node.pid, inside.ip, [f"link set dev {n} gso_max_segs 1" for n in names])
            devices = ", ".join(f'"{name}"' for name in names)
            inside.run(node.pid, inside.add_filter, table, "type filter hook ingress devices = "
                       f"{{ {devices} }} priority 0; {share} drop;")

        def undo():
            for node, names in ends.items():
                inside.run(node.pid, inside.remove_filter, table)
                inside.run(node.pid, inside.ip,
                           [f"link set dev {n} gso_max_segs 65535" for n in names])

        self.broken.append(Broken("lose", target, undo, f"{percent:g} %"))

    def _delay(self, target, ms):
        self._forget("delay", target, undo=True)
        links = self._links(target)
        if not links:
            raise FaultError(f"'{target}' is a tunnel: name a link that it passes")
        before = [(link, link.delay, link.jitter) for link in links]
        self.at = time.monotonic()

        def undo():
            for link, delay, jitter in before:
                link.set_delay(delay, jitter)

        try:
            for link in links:
                link.set_delay(ms, min(link.jitter, ms))
        except (OSError, ValueError) as error:
            raise FaultError(f"delay {target}: {error}") from error
        self.broken.append(Broken("delay", target, undo, f"{ms:g} ms"))

    def _part(self, target):
        ends = [end for name in target.split(",") for end in self._lan_ports(name)]
        lans = {lan.name: lan for lan, _ in ends}
        if len(lans) != 1:
            raise FaultError(f"'{target}': expected nodes of one LAN, separated by ','")
        (lan,) = lans.values()
        other = f"{lan.name}p"
        lan.cmd(f"ip link add {other} type bridge stp_state 0 forward_delay 0 mcast_snooping 0; "
                f"ip link set {other} up")
        ports = [port for _, port in ends]
        self.at = time.monotonic()
        lan.cmd("; ".join(f"ip link set {p} master {other}" for p in ports))
        self.broken.append(Broken("part", target, lambda: lan.cmd(
            "; ".join([f"ip link set {p} master {lan.name}" for p in ports]
                      + [f"ip link del {other}"]))))

    def _filter(self, kind, target, hook):
        """Announcements (UDP 7701) do not pass a node's hook."""
        node = self._node(target)
        table = f"inet nearlab_{kind}"
        self.at = time.monotonic()
        inside.run(node.pid, inside.add_filter, table,
                   f"type filter hook {hook} priority 0; udp dport 7701 drop;")
        self.broken.append(Broken(kind, target,
                                  lambda: inside.run(node.pid, inside.remove_filter, table)))

    def _deaf(self, target):
        self._filter("deaf", target, "input")

    def _mute(self, target):
        self._filter("mute", target, "output")

    def _join(self, target):
        self.at = time.monotonic()
        if not any([self._forget(kind, target, undo=True)
                    for kind in ("cut", "lose", "delay", "part", "deaf", "mute")]):
            raise FaultError(f"'{target}' is not cut, lose, delay, part, deaf or mute")

    def _forget(self, kind, target, undo=False):
        for entry in list(self.broken):
            if (entry.kind, entry.target) == (kind, target):
                self.broken.remove(entry)
                if undo:
                    entry.undo()
                return True
        return False

    def heal(self):
        """Undoes all that is broken, last first, once dead wires are mended. Returns what was healed."""
        healed = []
        for link in self.net.links:
            if not link.alive():
                link.mend()
                ends = f"{link.intf1.node.name}-{link.intf2.node.name}"
                healed.append({"kind": "dead wire", "target": ends})
        while self.broken:
            entry = self.broken.pop()
            entry.undo()
            healed.append({"kind": entry.kind, "target": entry.target})
        return healed
