# SPDX-License-Identifier: GPL-2.0-or-later
"""
What can be broken, and healed again.

    kill DAEMON@NODE     SIGKILL of the daemon and all its processes
    hang DAEMON@NODE     SIGSTOP of them
    slow DAEMON@NODE     SIGSTOP, and SIGCONT after some milliseconds
    cont DAEMON@NODE     SIGCONT
    restart DAEMON@NODE  killed if it runs, and started
    cut NODE             all of the node's links go down
    cut NODE-NODE        the link, or the overlay's tunnel, between two nodes goes down
    part NODE,NODE…      the LAN falls in two parts: these nodes, and the others
    deaf NODE            no announcement reaches it
    mute NODE            none leaves it
    join TARGET          the end of a cut, part, deaf or mute

A target NODE without a daemon means the node's own one (arn, sn-agent, bird of a router). The
shorthands kill-sn, hang-sn, cut-sn, slow-sn and kill-arn, hang-arn, cut-arn take a node; without
one they mean the service node that now serves a client, or the ARN that its block is routed to.
"""

import os
import re
import signal
import threading
import time

from . import daemons
from .links import Lan
from .nodes import Arn, Client, KeyedNode, LabNode, ServiceNode

KINDS = ("kill", "hang", "slow", "cont", "restart", "cut", "part", "deaf", "mute", "join")
MENDS = ("cont", "restart", "join")  # those that break nothing
SHORTHANDS = tuple(f"{k}-{n}" for n in ("sn", "arn") for k in ("kill", "hang", "cut", "slow"))

# Where nodes speak RTSP: the usual port, and those that ARNs have them open.
RTSP = "( dport = :554 or ( dport >= :20000 and dport <= :20999 ) )"


class FaultError(Exception):
    """No such fault or target; the text says what there is."""


class Faults:
    """The faults of one network; what is broken now is remembered, so that it can be healed."""

    def __init__(self, net):
        self.net = net
        self.broken = []  # [(kind, target, undo)]
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

    def nearest_arn(self, client=None):
        """Name of the ARN that the first client's packets to the service address reach."""
        clients = [c for c in self.nodes(Client) if client in (None, c.name)]
        address = self.net.topo.service
        node = clients[0] if clients else None
        seen = set()
        while node is not None and node.name not in seen:
            if isinstance(node, Arn):
                return node.name
            seen.add(node.name)
            out, _, _ = node.pexec(["ip", "-o", "route", "get", address])
            via = re.search(r" via (\S+)", out)
            node = via and (self._owner(via.group(1)) or self._claimant(node, via.group(1)))
        return None

    def _claimant(self, router, address):
        """The ARN that answers a router for the floating next hop."""
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
        """[(node, interface)] that a cut of 'NODE' or 'NODE-NODE' takes down."""
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
        raise FaultError(f"'{target}' is neither a node nor a link or tunnel (NODE-NODE)")

    def _lan_ports(self, name):
        """[(LAN, interface of its bridge)] that a node is plugged into."""
        node = self._node(name)
        pairs = [pair for lan in self.net.switches if isinstance(lan, Lan)
                 for pair in lan.connectionsTo(node)]
        return [(own.node, own.name) for own, _ in pairs]

    def inject(self, kind, target=None, ms=80):
        """Breaks something. Returns {kind, target}, with the default target filled in."""
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
            raise FaultError(f"{kind} needs a target: DAEMON@NODE, NODE or NODE-NODE")
        getattr(self, f"_{kind}")(target, ms)
        return {"kind": kind, "target": target}

    def _send(self, daemon, sig):
        pids = daemon.processes()
        self.at = time.monotonic()
        for pid in pids:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass

    def _kill(self, target, _ms):
        daemon = self.daemon(target)
        self._send(daemon, signal.SIGKILL)
        self.broken.append(("kill", target, daemon.start))

    def _hang(self, target, _ms):
        daemon = self.daemon(target)
        self._send(daemon, signal.SIGSTOP)
        self.broken.append(("hang", target, lambda: (daemon.signal(signal.SIGCONT, everyone=True),
                                                      daemon.start())))

    def _slow(self, target, ms):
        daemon = self.daemon(target)
        self._send(daemon, signal.SIGSTOP)
        timer = threading.Timer(ms / 1000, daemon.signal, (signal.SIGCONT, True))
        timer.daemon = True
        timer.start()

    def _cont(self, target, _ms):
        self._send(self.daemon(target), signal.SIGCONT)
        self._forget("hang", target)

    def _restart(self, target, _ms):
        self.at = time.monotonic()
        self.daemon(target).restart()
        self._forget("kill", target)
        self._forget("hang", target)

    def _cut(self, target, _ms):
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
        self.broken.append(("cut", target, lambda: [n.pexec(c.split()) for n, c in undo]))

    def _part(self, target, _ms):
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
        self.broken.append(("part", target, lambda: lan.cmd(
            "; ".join([f"ip link set {p} master {lan.name}" for p in ports]
                      + [f"ip link del {other}"]))))

    def _filter(self, kind, target, hook):
        """Announcements (UDP 7701) do not pass a node's hook."""
        node = self._node(target)
        table = f"inet nearlab_{kind}"
        rules = (f"table {table} {{ chain c {{ type filter hook {hook} priority 0; "
                 "udp dport 7701 drop; }; }")
        nft = daemons.find("nft")
        self.at = time.monotonic()
        out, err, code = node.pexec([nft, rules])
        if code:
            raise FaultError(f"{kind} {target}: {(out + err).strip()}")
        self.broken.append((kind, target, lambda: node.pexec([nft, f"delete table {table}"])))

    def _deaf(self, target, _ms):
        self._filter("deaf", target, "input")

    def _mute(self, target, _ms):
        self._filter("mute", target, "output")

    def _join(self, target, _ms):
        self.at = time.monotonic()
        if not any([self._forget(kind, target, undo=True)
                    for kind in ("cut", "part", "deaf", "mute")]):
            raise FaultError(f"'{target}' is not cut, part, deaf or mute")

    def _forget(self, kind, target, undo=False):
        for entry in list(self.broken):
            if entry[:2] == (kind, target):
                self.broken.remove(entry)
                if undo:
                    entry[2]()
                return True
        return False

    def heal(self):
        """Undoes all that is broken, last first. Returns what was healed."""
        healed = []
        while self.broken:
            kind, target, undo = self.broken.pop()
            undo()
            healed.append({"kind": kind, "target": target})
        for link in self.net.links:
            if not link.alive():
                link.mend()
                ends = f"{link.intf1.node.name}-{link.intf2.node.name}"
                healed.append({"kind": "dead wire", "target": ends})
        return healed
