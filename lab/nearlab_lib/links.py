# SPDX-License-Identifier: GPL-2.0-or-later
"""
Wires and LANs.

A Wire without properties is a veth pair. One with delay, loss or a rate is made with `tc netem`
where the kernel has it; else by user-space: two TAP interfaces, each with a vde_plug in its node's
namespace, and VDE's wirefilter between them:

    node1 [tap] vde_plug = wirefilter -d 15 -l 1 = vde_plug [tap] node2

With jitter the delay of each packet is drawn from delay ± jitter, and packets overtake each other.

wirefilter's console, a socket in the lab's /run, takes another delay while it runs.

The TAPs are made beforehand and stay when a plug dies, like a network card whose cable is pulled.
Delay and jitter (ms), loss (%) and bw (Mbit/s) hold for each direction.
"""

import contextlib
import fcntl
import os
import socket
import subprocess

from mininet.link import Intf, Link
from mininet.node import Switch

from . import daemons, inside

F_SETPIPE_SZ = 1031  # fcntl.F_SETPIPE_SZ, since Python 3.10
_netem = None  # whether the kernel has netem; found out once


def kernel_has_netem():
    """Tries it on a throw-away interface of the present (the lab's own) network namespace."""
    global _netem  # pylint: disable=global-statement
    if _netem is None:
        name = "netemtry"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", name + "2"],
                       **quiet, check=False)
        try:
            _netem = subprocess.run(
                ["tc", "qdisc", "add", "dev", name, "root", "netem", "delay", "1ms"],
                **quiet, check=False, timeout=10).returncode == 0
        except subprocess.TimeoutExpired:
            _netem = False  # a kernel that waits for ever for the module has none
        subprocess.run(["ip", "link", "del", name], **quiet, check=False)
    return _netem


def packet_pipe():
    """A pipe that keeps the bounds of what is written (pipe(7), O_DIRECT), with room for 128."""
    ends = os.pipe2(os.O_DIRECT | os.O_CLOEXEC)
    try:
        fcntl.fcntl(ends[1], F_SETPIPE_SZ, 128 * 4096)
    except PermissionError:
        pass  # a user's share of pipes is used up: it has room for 16 then, and the TAP for more
    return ends


class WireIntf(Intf):
    """An end of a wire. `setup`: commands of ip(8) that its node has yet to run for it."""

    def config(self, mac=None, ip=None, up=True, **_params):
        self.setup = []
        if mac:
            self.mac = mac
            self.setup.append(f"link set {self.name} address {mac}")
        if ip:
            self.ip, self.prefixLen = ip.split("/")
            self.setup.append(f"addr add {ip} brd + dev {self.name}")
        if up:
            self.setup.append(f"link set {self.name} up")
        if self.link.deferred:
            return {}
        # One command through the node's shell is much quicker than Mininet's one per property.
        commands, self.setup = self.setup, []
        return {"config": self.cmd("; ".join(f"ip {c}" for c in commands))} if commands else {}


class Wire(Link):
    """See the essay above. `pair`: the command of ip(8) that makes its interfaces, if it is deferred."""

    deferred = False  # by Mininet's own `mn`; the lab's keeper makes all interfaces together

    def __init__(self, node1, node2, delay=0, jitter=0, loss=0, bw=0, **params):
        self.check(f"{node1}-{node2}", delay, jitter, loss, bw)
        self.delay, self.jitter = float(delay or 0), float(jitter or 0)
        self.loss, self.bw = float(loss or 0), float(bw or 0)
        self.impaired = bool(self.delay or self.loss or self.bw)
        self.by_vde = self.impaired and not kernel_has_netem()
        self.processes = []
        self.pair = None
        params["cls1"] = params["cls2"] = WireIntf
        params["fast"] = True
        super().__init__(node1, node2, **params)
        if self.by_vde and self.deferred:
            for intf in (self.intf1, self.intf2):
                intf.setup[:0] = [f"tuntap add {intf.name} mode tap",
                                  f"link set {intf.name} address {intf.mac}"]
        if not self.deferred:
            self.connect()

    def connect(self):
        """Its two interfaces are there, and become a wire with its properties."""
        if self.by_vde:
            self._plug()
        elif self.impaired:
            self._netem()

    @staticmethod
    def check(ends, delay=0, jitter=0, loss=0, bw=0):
        """ValueError when a link cannot have these properties."""
        said = (f"link {ends}: delay {delay} ms, jitter {jitter} ms, loss {loss} %, "
                f"bw {bw} Mbit/s: ")
        try:
            delay, jitter, loss, bw = (float(v or 0) for v in (delay, jitter, loss, bw))
        except ValueError:
            raise ValueError(said + "expected numbers") from None
        if not (0 <= loss < 100 and 0 <= jitter <= delay and bw >= 0):
            raise ValueError(said + "expected 0 or more, jitter up to the delay, loss below 100")

    # pylint: disable=too-many-arguments,too-many-positional-arguments
    def makeIntfPair(self, intfname1, intfname2, addr1=None, addr2=None, node1=None, node2=None,
                     deleteIntfs=True):
        if self.by_vde:
            return None  # TAPs are made one by one
        if not self.deferred:
            return super().makeIntfPair(intfname1, intfname2, addr1, addr2, node1, node2,
                                        deleteIntfs)
        self.pair = (f"link add name {intfname1} address {addr1} netns {node1.pid} "
                     f"type veth peer name {intfname2} address {addr2} netns {node2.pid}")
        return None

    def intfName(self, node, n):
        name = super().intfName(node, n)
        if self.by_vde and not self.deferred:
            node.cmd(f"ip tuntap add {name} mode tap")
        return name

    def _plug(self):
        wire = ["wirefilter"]
        if self.deferred:
            os.makedirs("/run/wires", exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._console())  # of one that was killed
            wire += ["-M", self._console()]
        if self.jitter:
            wire += ["-d", f"{self.delay:g}+{self.jitter:g}", "-N"]  # -N: no FIFO
        elif self.delay:
            wire += ["-d", f"{self.delay:g}"]
        if self.loss:
            wire += ["-l", f"{self.loss:g}"]
        if self.bw:
            wire += ["-b", f"{self.bw * 1e6 / 8:.0f}", "-c", f"{max(65536, self.bw * 12500):.0f}"]
        # VDE's processes talk in a stream of lengths and frames, in which wirefilter loses its
        # place when a read ends within a length, as it does now and then when pipes fill. Pipes
        # in packet mode keep the bounds of what was written. (Else this is what dpipe does.)
        to_left, from_left, to_right, from_right = (packet_pipe() for _ in range(4))
        for intf, to, back in ((self.intf1, to_left, from_left),
                               (self.intf2, to_right, from_right)):
            self.processes.append(subprocess.Popen(
                ["mnexec", "-a", str(intf.node.pid), "vde_plug", f"tap://{intf.name}"],
                stdin=to[0], stdout=back[1]))
        # To wirefilter, 0 and 1 are left; what these variables tell it is right.
        self.processes.append(subprocess.Popen(
            wire, stdin=from_left[0], stdout=to_left[1], pass_fds=(from_right[0], to_right[1]),
            env={**os.environ, "ALTERNATE_STDIN": str(from_right[0]),
                 "ALTERNATE_STDOUT": str(to_right[1])}))
        for fd in (*to_left, *from_left, *to_right, *from_right):
            os.close(fd)

    def _console(self):
        return f"/run/wires/{self.intf1.name}"

    def set_delay(self, delay, jitter=0):
        """From now on it is so long (ms), each way. ValueError when nothing emulates this link."""
        ends = f"{self.intf1.node.name}-{self.intf2.node.name}"
        self.check(ends, delay, jitter)
        if not self.impaired and not kernel_has_netem():
            raise ValueError(f"link {ends} is a veth pair, which this kernel, without netem, cannot "
                             "delay: give it a delay in its topology")
        self.delay, self.jitter = float(delay), float(jitter)
        if not self.by_vde:
            self._netem()
            return
        with socket.socket(socket.AF_UNIX) as console:
            console.settimeout(5)
            daemons.wait_until(lambda: console.connect_ex(self._console()) == 0, 5,
                               f"the console of link {ends}")
            console.sendall(f"delay {delay:g}+{jitter:g}\n".encode())
            said = b""
            while b"1000 Success" not in said:
                more = console.recv(4096)
                if not more:
                    raise ValueError(f"link {ends}: wirefilter: {said.decode('utf-8', 'replace')}")
                said += more

    def _netem(self):
        for intf in (self.intf1, self.intf2):
            spec = f"delay {self.delay:g}ms" if self.delay else ""
            spec += f" {self.jitter:g}ms" if self.jitter else ""  # alone, it lets packets overtake
            spec += f" loss {self.loss:g}%" if self.loss else ""
            spec += f" rate {self.bw:g}mbit" if self.bw else ""
            said = intf.node.pexec(f"tc qdisc replace dev {intf.name} root netem limit 10000 {spec}")
            if said[2]:
                raise ValueError(f"{intf.name}: tc: {(said[0] + said[1]).strip()}")

    def alive(self):
        """Whether its processes run (of those without any: always)."""
        return all(process.poll() is None for process in self.processes)

    def _unplug(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes = []

    def mend(self):
        """Starts the processes anew of which one has died: the others end with it."""
        self._unplug()
        self._plug()

    def stop(self):
        self._unplug()
        super().stop()


class Lan(Switch):
    """
    A LAN: a Linux bridge without spanning tree, that floods multicast to all its ports; with snooping
    only to those that have joined the group (RFC 4541), for which it asks itself.
    """

    kind = "LAN"
    options = ("next_hop", "snooping")

    def __init__(self, name, **params):
        params["inNamespace"] = True
        params["dpid"] = "1"  # Mininet wants one of every switch
        self.controlIntf = None
        super().__init__(name, **params)

    def defaultIntf(self):
        return self.intfs[min(self.ports.values())] if self.ports else None

    def start(self, _controllers):
        snoops = int(bool(self.params.get("snooping")))
        commands = [f"link add {self.name} type bridge stp_state 0 forward_delay 0 "
                    f"mcast_snooping {snoops} mcast_igmp_version 3"]
        if snoops:  # in this order: it floods for one interval, 1 s, from when it becomes querier on
            commands += [f"link set {self.name} type bridge mcast_query_response_interval 100",
                         f"link set {self.name} type bridge mcast_querier 1"]
        for intf in self.intfList():
            if intf.name != "lo":
                commands += [*intf.setup, f"link set {intf.name} master {self.name} up"]
        commands.append(f"link set {self.name} up")
        inside.run(self.pid, inside.ip, commands)

    def stop(self, deleteIntfs=True):
        self.cmd(f"ip link del {self.name}")
        super().stop(deleteIntfs)
