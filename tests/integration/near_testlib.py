# SPDX-License-Identifier: GPL-2.0-or-later
"""Helpers for tests of the daemons in namespaces: addresses, daemons, BIRD, and announcements that
no daemon sends, right and wrong ones.

Namespaces, links between them and waiting are in conftest.py: `namespaces`, `link`, `wait_until`.
"""

import hashlib
import ipaddress
import json
import os
import pathlib
import re
import signal
import socket
import struct
import threading
import time

from conftest import wait_until

KEY_ID = 7
KEY = bytes(range(32))


def address(space, ifname, *cidrs):
    """Gives an interface of a namespace its addresses; IPv6 ones can be used at once."""
    for cidr in cidrs:
        extra = ["nodad"] if ":" in cidr else []
        space.run("ip", "addr", "add", cidr, "dev", ifname, *extra)


def bracketed(host):
    """An address as it is in a URL."""
    return f"[{host}]" if ":" in host else host


def key_file(folder, name="keys", lines=None):
    """A file of keys as all daemons read it; `lines` in place of the test's own key."""
    path = pathlib.Path(folder) / name
    path.write_text(lines if lines is not None else f"{KEY_ID} {KEY.hex()}\n")
    path.chmod(0o600)
    return path


def request(control, line, timeout=5.0):
    """Sends one line to a daemon's control socket: (code, body)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(timeout)
        s.connect(str(control))
        s.sendall(line.encode() + b"\n")
        reply = b""
        while not reply.endswith(b"\n"):
            piece = s.recv(65536)
            assert piece, f"{control}: closed after {reply!r}"
            reply += piece
    code, _, body = reply.decode().partition(" ")
    return int(code), json.loads(body)


class Daemon:
    """A daemon of ours in a namespace, with its configuration, log, control socket and events.

    `options` is the configuration without control and events, which are put in front.
    """

    def __init__(self, space, program, folder, name, options, ready=True):
        self.space, self.program, self.name = space, program, name
        folder = pathlib.Path(folder)
        self.conf = folder / f"{name}.conf"
        self.log = folder / f"{name}.log"
        self.control = folder / f"{name}.sock"
        self.event_file = folder / f"{name}.events"
        self.process = None
        self.configure(options)
        self.start(ready)

    def configure(self, options):
        # Most tests speak for nodes that do not exist: nobody is asked whether he serves, unless the
        # test says so.
        if self.program.endswith("/arn") and "probe {" not in options:
            options += "probe { interval = 0 }\n"
        self.conf.write_text(
            f'control = "{self.control}"\nevents = "{self.event_file}"\n{options}'
        )

    def start(self, ready=True):
        self.process = self.space.start(self.program, "-c", self.conf, log=self.log)
        if ready:
            self.wait_ready()
        return self.process

    def wait_ready(self, timeout=15.0):
        def answers():
            assert self.process.poll() is None, f"{self.name} ended:\n{self.text()}"
            try:
                return self.ask("show status")
            except (OSError, ValueError):
                return None

        return wait_until(answers, f"{self.name} answers on its control socket", timeout)

    def ask(self, line):
        """The body of an answer with code 200."""
        code, body = request(self.control, line)
        assert code == 200, f"{self.name}: {line}: {code} {body}"
        return body

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def events(self, name=None):
        if not self.event_file.exists():
            return []
        lines = self.event_file.read_text().splitlines()
        found = [json.loads(line) for line in lines]
        return [e for e in found if name is None or e["event"] == name]

    def send_signal(self, sig):
        self.process.send_signal(sig)

    def stop(self, sig=signal.SIGTERM, timeout=15):
        return self.space.stop(self.process, sig, timeout)


def arn_pids(arn):
    """(guardian, worker) of an ARN."""
    status = arn.ask("show status")
    return status["guardian"]["pid"], status["worker"]["pid"]


def gone(pid):
    """True when a process is dead (a zombie that nobody has reaped yet counts)."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"


def stop_thread(tid):
    """Stops one thread of a process, as a debugger does. Call the result when it is dead, so that
    its process can be reaped."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    for request in (0x4206, 0x4207):  # PTRACE_SEIZE, PTRACE_INTERRUPT
        if libc.ptrace(request, tid, None, None) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(tid, 0x40000000)  # __WALL
    return lambda: os.waitpid(tid, 0x40000000)


class Bird:
    """BIRD in a namespace, with its own configuration and control socket."""

    def __init__(self, space, folder, name, config):
        self.space = space
        folder = pathlib.Path(folder)
        self.control = folder / f"{name}.bird.ctl"
        conf = folder / f"{name}.bird.conf"
        conf.write_text(config)
        self.process = space.start(
            "bird", "-f", "-c", conf, "-s", self.control, log=folder / f"{name}.bird.log"
        )

        def answers():
            assert self.process.poll() is None, (folder / f"{name}.bird.log").read_text()
            return "Daemon is up" in self.ask("show", "status")

        wait_until(answers, f"BIRD of {name} is there")

    def ask(self, *words):
        done = self.space.run("birdc", "-r", "-s", self.control, *words, check=False)
        return done.stdout

    def has_route(self, prefix):
        return re.search(rf"^{re.escape(prefix)}\s", self.ask("show", "route"), re.M) is not None


def bird_ospf(router_id, interfaces, anycast=None, kernel=True):
    """OSPF for IPv4 between hosts on point-to-point links, quick to notice, and the anycast block
    as an external route (type 1) from the interface that carries it."""
    ifaces = "\n".join(
        f'    interface "{i}" {{ type ptp; hello 1; dead 4; wait 2; retransmit 2; }};'
        for i in interfaces
    )
    export = "none"
    direct = ""
    if anycast:
        direct = 'protocol direct anycast { ipv4; interface "anycast*"; }\n'
        export = f"filter {{ if net = {anycast} then {{ ospf_metric1 = 10; accept; }} reject; }}"
    sync = "protocol kernel { ipv4 { export where source != RTS_DEVICE; }; }\n" if kernel else ""
    return (
        f"router id {router_id};\n"
        "protocol device { scan time 1; }\n"
        f"{direct}{sync}"
        "protocol ospf v2 {\n"
        f"  ipv4 {{ import all; export {export}; }};\n"
        f"  area 0 {{\n{ifaces}\n  }};\n"
        "}\n"
    )


# ---- announcements ----

ANNOUNCE, GOODBYE = 1, 2


def _cbor_head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for size, info in ((1, 24), (2, 25), (4, 26), (8, 27)):
        if n < 1 << 8 * size:
            return bytes([major << 5 | info]) + n.to_bytes(size, "big")
    raise ValueError(n)


def cbor(value):
    """RFC 8949, as much of it as announcements have."""
    if value is True or value is False:
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return _cbor_head(0, value)
    if isinstance(value, str):
        return _cbor_head(3, len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return _cbor_head(2, len(value)) + value
    if isinstance(value, list):
        return _cbor_head(4, len(value)) + b"".join(map(cbor, value))
    if isinstance(value, dict):
        items = b"".join(cbor(k) + cbor(v) for k, v in value.items())
        return _cbor_head(5, len(value)) + items
    raise TypeError(value)


class Announcer:
    """Speaks on the group as a service node (role 1) or an ARN (role 2) would, from Python: also what no node would say."""

    def __init__(self, space, ifname, node, node_address, group=("239.255.77.1", 7701), **fields):
        self.node = node
        self.group = group
        self.fields = {
            1: fields.get("role", 1),
            2: node,
            3: ipaddress.ip_address(node_address).packed,
            4: fields.get("rtsp_port", 554),
            5: fields.get("http_port", 0),
            6: fields.get("draining", False),
            7: fields.get("healthy", True),
            8: fields.get("sessions", 0),
            9: fields.get("max_sessions", 0),
            10: 0,
            11: 0,
            12: fields.get("weight", 100),
            13: fields.get("interval", 200),
        }
        if "place" in fields:
            self.fields[35] = fields["place"]
        if "block" in fields:
            block = ipaddress.ip_network(fields["block"])
            self.fields[14] = bytes([block.prefixlen]) + block.network_address.packed
            self.fields[15] = fields.get("standing", 2)
            self.fields[16] = fields.get("master", False)
            self.fields[17] = fields.get("peer_port", 0)
        self.sender = hashlib.blake2b(node.encode(), digest_size=16).digest()[:8]
        self.epoch = time.time_ns()
        self.counter = 0
        self.socket = socket_in(space, self._open, ifname)

    def _open(self, ifname):
        v6 = ":" in self.group[0]
        s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
        index = socket.if_nametoindex(ifname)
        if v6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        else:
            s.setsockopt(
                socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4si", b"", b"", index)
            )
        return s

    def seal(self, payload=None, kind=ANNOUNCE, key=KEY, key_id=KEY_ID, wall=None, version=1):
        self.counter += 1
        if payload is None:
            payload = cbor(self.fields)
        wall = time.time_ns() if wall is None else wall
        head = b"NCST" + struct.pack(">BBH", version, kind, key_id) + self.sender
        message = head + struct.pack(">QQQ", self.epoch, self.counter, wall) + payload
        return message + hashlib.blake2b(message, digest_size=32, key=key).digest()

    def send(self, datagram=None, **seal):
        """Sends (and returns) a datagram: the announcement, or what is given."""
        if datagram is None:
            datagram = self.seal(**seal)
        self.socket.sendto(datagram, self.group)
        return datagram

    def close(self):
        self.socket.close()


def socket_in(space, make, *args):
    """Calls make(*args) with this thread in a network namespace, so that the sockets that it opens
    are there; they stay there when the thread has come back."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{space.name}", os.O_RDONLY)
    try:
        _setns(there)
        try:
            return make(*args)
        finally:
            _setns(here)
    finally:
        os.close(here)
        os.close(there)


def _setns(fd):
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, 0x40000000) != 0:  # CLONE_NEWNET; os.setns() is Python 3.12's
        raise OSError(ctypes.get_errno(), "setns")


def connect(space, host, port, timeout=5.0, source=None):
    """A TCP connection from a namespace."""

    def make():
        return socket.create_connection(
            (host, port), timeout, (source, 0) if source else None
        )

    return socket_in(space, make)


def exchange(space, host, port, request_bytes, timeout=5.0):
    """Sends bytes over a new TCP connection and reads until the head of the answer is whole."""
    with connect(space, host, port, timeout) as s:
        s.sendall(request_bytes)
        return read_head(s)


def read_head(s):
    """The next message's head (answers here have no body): (status, {name: value})."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        piece = s.recv(1)
        if not piece:
            raise ConnectionError(f"closed after {data!r}")
        data += piece
    lines = data.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    return int(lines[0].split()[1]), {k.lower(): v for k, v in headers.items()}


class Service:
    """A service of a node that behaves as it is told: `serve`, `hang` (accepts, and never answers),
    `error`, `nonsense`, `slow` (answers after `delay` seconds); closed, it refuses."""

    ANSWERS = {
        "serve": b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n",
        "error": b"RTSP/1.0 500 Internal Server Error\r\nCSeq: 1\r\n\r\n",
        "nonsense": b"SSH-2.0-OpenSSH\r\n",
    }

    def __init__(self, space, host, port=554, http=False, behaviour="serve"):
        self.behaviour, self.delay, self.http = behaviour, 0.0, http
        self.space, self.place = space, (host, port)
        self.asked = []  # when, by the monotonic clock
        self.listener = self.thread = None
        self.open()

    def open(self):
        def make():
            family = socket.AF_INET6 if ":" in self.place[0] else socket.AF_INET
            return socket.create_server(self.place, family=family, backlog=64)

        self.listener = socket_in(self.space, make)
        self.thread = threading.Thread(target=self._accept, args=(self.listener,), daemon=True)
        self.thread.start()

    def _accept(self, listener):
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with conn:
            conn.settimeout(10)
            try:
                data = b""
                while b"\r\n\r\n" not in data:
                    piece = conn.recv(4096)
                    if not piece:
                        return
                    data += piece
                self.asked.append(time.monotonic())
                if self.behaviour == "hang":
                    conn.recv(1)
                    return
                if self.delay:
                    time.sleep(self.delay)
                answer = self.ANSWERS[self.behaviour]
                conn.sendall(answer.replace(b"RTSP/1.0", b"HTTP/1.1") if self.http else answer)
            except OSError:
                pass

    def close(self):
        """From now on connections are refused."""
        if self.listener is not None:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
            self.thread.join()
