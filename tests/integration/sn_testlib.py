# SPDX-License-Identifier: GPL-2.0-or-later
"""RTSP clients for tests of the service node: publishers that send exactly what a test says, and
players that keep every packet they get. On loopback addresses of the test's sandbox, or, called by
near_testlib.socket_in(), in a namespace."""

import re
import select
import signal
import socket
import struct
import subprocess
import time

from conftest import wait_until

FEATURE = "nearcast.failover"
SSRC = 0x51EDBEEF
MTU = 2048


class Here:
    """Starts processes in the sandbox itself, where a Namespace would start them in one of its own."""

    name = "sandbox"

    def __init__(self):
        self.processes = []

    def start(self, *argv, log=None, **kwargs):
        out = open(log, "ab") if log is not None else None
        if out:
            kwargs.update(stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        process = subprocess.Popen([str(a) for a in argv], **kwargs)
        if out:
            out.close()
        self.processes.append(process)
        return process

    def stop(self, process, sig=signal.SIGTERM, timeout=15):
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(sig)
        return process.wait(timeout)

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __getitem__(self, name):
        return self.headers[name.lower()]

    def get(self, name, default=None):
        return self.headers.get(name.lower(), default)

    @property
    def session(self):
        return self["Session"].split(";")[0]

    def transport(self, key):
        found = re.search(rf"{key}=([^;,]+)", self["Transport"])
        return found and found[1]


class Rtsp:
    """A connection: requests out, answers in; interleaved frames and the server's own requests are
    kept as they come (the latter answered)."""

    def __init__(self, host, port=554, timeout=5.0):
        self.host = host
        self.sock = socket.create_connection((host, port), timeout)
        self.local = self.sock.getsockname()[0]
        self.timeout = timeout
        self.data = b""
        self.cseq = 0
        self.frames = []  # (channel, bytes)
        self.notifies = []  # heads of requests of the server
        self.closed = False

    def url(self, path):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"rtsp://{host}{path}"

    def send(self, method, path, headers=None, body=b""):
        """Sends a request and returns its CSeq."""
        self.cseq += 1
        uri = path if path.startswith(("rtsp:", "*")) else self.url(path)
        lines = [f"{method} {uri} RTSP/1.0", f"CSeq: {self.cseq}"]
        lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self.cseq

    def _take(self):
        """The next whole thing in the buffer: a Reply, True for anything else, None for nothing."""
        if self.data[:1] == b"$":
            if len(self.data) < 4:
                return None
            n = struct.unpack("!H", self.data[2:4])[0]
            if len(self.data) < 4 + n:
                return None
            self.frames.append((self.data[1], self.data[4 : 4 + n]))
            self.data = self.data[4 + n :]
            return True
        head, end, rest = self.data.partition(b"\r\n\r\n")
        if not end:
            return None
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}
        n = int(headers.get("content-length", 0))
        if len(rest) < n:
            return None
        self.data = rest[n:]
        if lines[0].startswith("RTSP/"):
            return Reply(int(lines[0].split()[1]), headers, rest[:n])
        self.notifies.append((lines[0], headers))
        self.sock.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\n\r\n".encode())
        return True

    def pump(self, timeout=0.0):
        """Reads what is there; a Reply if one came. Notes when the peer has closed."""
        while True:
            got = self._take()
            if isinstance(got, Reply):
                return got
            if got:
                continue
            if self.closed or not select.select([self.sock], [], [], timeout)[0]:
                return None
            try:
                piece = self.sock.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                self.closed = True
                return None
            self.data += piece

    def answer(self):
        deadline = time.monotonic() + self.timeout
        while time.monotonic() < deadline:
            reply = self.pump(0.1)
            if reply:
                return reply
            if self.closed:
                raise ConnectionError(f"closed, with {self.data!r}")
        raise TimeoutError("no answer")

    def ask(self, method, path, headers=None, body=b""):
        cseq = self.send(method, path, headers, body)
        reply = self.answer()
        assert reply.get("CSeq") in (str(cseq), None), reply.headers
        return reply

    def is_closed(self):
        self.pump()
        return self.closed

    def close(self):
        self.sock.close()


def udp_pair(host):
    """Two sockets on an even port and the next."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(200):
        rtp = socket.socket(family, socket.SOCK_DGRAM)
        rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        rtp.bind((host, 0))
        port = rtp.getsockname()[1]
        rtcp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            if port % 2 == 0:
                rtcp.bind((host, port + 1))
                return rtp, rtcp, port
        except OSError:
            pass
        rtp.close()
        rtcp.close()
    raise OSError("no free port pair")


def packet(medium, seq, size=None, ssrc=SSRC):
    """The packet with that number: every byte of it follows from source, medium and number."""
    size = size if size is not None else (400 if seq % 7 == 3 else 1316)
    n = seq & 0xFFFF
    head = struct.pack("!BBHII", 0x80, 33, n, (seq * 450) & 0xFFFFFFFF, ssrc + medium)
    word = struct.pack("!BHB", medium, n, 0xA5)
    return head + (word * (size // 4 + 1))[:size]


def sdp(media, host="127.0.0.1", codec="MP2T"):
    family, everywhere = ("IP6", "::") if ":" in host else ("IP4", "0.0.0.0")
    text = f"v=0\r\no=- 1 1 IN {family} {host}\r\ns=test\r\nc=IN {family} {everywhere}\r\nt=0 0\r\n"
    for i in range(media):
        text += f"m=video 0 RTP/AVP 33\r\na=rtpmap:33 {codec}/90000\r\na=control:streamid={i}\r\n"
    return text.encode()


def sender_report(medium, seq):
    return struct.pack(
        "!BBHIQIII", 0x80, 200, 6, SSRC + medium, 0x1122334455667788, (seq * 450) & 0xFFFFFFFF, seq, 1
    ) + struct.pack("!BBHIBB4sxx", 0x81, 202, 3, SSRC + medium, 1, 4, b"test")


def bye(medium):
    return struct.pack("!BBHI", 0x80, 201, 1, SSRC + medium) + struct.pack(
        "!BBHI", 0x81, 203, 1, SSRC + medium
    )


class Publisher:
    """Publishes `media` media; each packet is sent when a test says so."""

    def __init__(
        self, host, path="/news", media=1, tcp=False, port=554, first=65000, ssrc=SSRC, codec="MP2T"
    ):
        self.path, self.media, self.tcp, self.ssrc = path, media, tcp, ssrc
        self.rtsp = Rtsp(host, port)
        self.host = host
        self.pairs = []
        self.next = [first] * media
        body = sdp(media, self.rtsp.local, codec)
        reply = self.rtsp.ask("ANNOUNCE", path, {"Content-Type": "application/sdp"}, body)
        assert reply.status == 200, reply.status
        headers = {}
        self.server = []
        for i in range(media):
            if tcp:
                transport = f"RTP/AVP/TCP;unicast;interleaved={2 * i}-{2 * i + 1};mode=record"
            else:
                self.pairs.append(udp_pair(self.rtsp.local))
                port = self.pairs[i][2]
                transport = f"RTP/AVP/UDP;unicast;client_port={port}-{port + 1};mode=record"
            reply = self.rtsp.ask(
                "SETUP", f"{path}/streamid={i}", {"Transport": transport, **headers}
            )
            assert reply.status == 200, reply.status
            headers = {"Session": reply.session}
            if not tcp:
                self.server.append(int(reply.transport("server_port").split("-")[0]))
        self.headers = headers
        reply = self.rtsp.ask("RECORD", path, headers)
        assert reply.status == 200, reply.status

    def raw(self, medium, data, rtcp=False):
        if self.tcp:
            head = struct.pack("!BBH", 0x24, 2 * medium + rtcp, len(data))
            self.rtsp.sock.sendall(head + data)
        else:
            to = (self.host, self.server[medium] + rtcp)
            self.pairs[medium][int(rtcp)].sendto(data, to)

    def send(self, count=1, medium=0, skip=()):
        """Sends the next `count` packets, but those of `skip`; returns their numbers."""
        numbers = range(self.next[medium], self.next[medium] + count)
        self.next[medium] += count
        for i, n in enumerate(numbers):
            if n not in skip:
                self.raw(medium, packet(medium, n, ssrc=self.ssrc))
            if i % 50 == 49:
                time.sleep(0.002)  # the node is to have its turn: loopback has no pace of its own
        return list(numbers)

    def teardown(self):
        reply = self.rtsp.ask("TEARDOWN", self.path, self.headers)
        assert reply.status == 200
        self.close()

    def close(self):
        self.rtsp.close()
        for rtp, rtcp, _ in self.pairs:
            rtp.close()
            rtcp.close()


class Player:
    """Plays a channel; keeps all packets in the order in which they came."""

    def __init__(self, host, path="/news", media=1, tcp=False, nearcast=False, port=554):
        self.path, self.media, self.tcp = path, media, tcp
        self.rtsp = Rtsp(host, port)
        self.pairs = [] if tcp else [udp_pair(self.rtsp.local) for _ in range(media)]
        self.server = [None] * media
        self.got = [[] for _ in range(media)]  # (number mod 2^16, bytes)
        self.reports = [[] for _ in range(media)]
        self.extra = {"Supported": FEATURE} if nearcast else {}
        self.session = None
        self.reply = None

    def describe(self):
        return self.rtsp.ask("DESCRIBE", self.path, {"Accept": "application/sdp", **self.extra})

    def _transport(self, i):
        if self.tcp:
            return f"RTP/AVP/TCP;unicast;interleaved={2 * i}-{2 * i + 1}"
        port = self.pairs[i][2]
        return f"RTP/AVP;unicast;client_port={port}-{port + 1}"

    def _set_up(self, i, reply):
        assert reply.status == 200, reply.status
        self.session = reply.session
        if not self.tcp:
            ports = reply.transport("server_port").split("-")
            self.server[i] = (reply.transport("source"), int(ports[0]), int(ports[1]))

    def play(self, start=None):
        """SETUP of all media and PLAY, one after the other; start: Nearcast-From of each."""
        headers = dict(self.extra)
        for i in range(self.media):
            if start is not None:
                headers["Nearcast-From"] = str(start[i] & 0xFFFF)
            if self.session:
                headers["Session"] = self.session
            reply = self.rtsp.ask(
                "SETUP", f"{self.path}/trackID={i}", {"Transport": self._transport(i), **headers}
            )
            self._set_up(i, reply)
        self.reply = self.rtsp.ask("PLAY", self.path, {"Session": self.session, **self.extra})
        assert self.reply.status == 200, self.reply.status
        return self

    def attach(self, start, ssrc=None):
        """The same in one flight, without DESCRIBE, as a client does that fails over; ssrc: whose numbers
        `start` is of."""
        for i in range(self.media):
            headers = {"Transport": self._transport(i), "Pipelined-Requests": "1", **self.extra}
            if start is not None:
                headers["Nearcast-From"] = str(start[i] & 0xFFFF)
                if ssrc is not None:
                    headers["Nearcast-From"] += f";ssrc={ssrc + i:08x}"
            self.rtsp.send("SETUP", f"{self.path}/trackID={i}", headers)
        self.rtsp.send("PLAY", self.path, {"Pipelined-Requests": "1", **self.extra})
        for i in range(self.media):
            self._set_up(i, self.rtsp.answer())
        self.reply = self.rtsp.answer()
        assert self.reply.status == 200, self.reply.status
        return self

    def pump(self):
        self.rtsp.pump()
        for channel, data in self.rtsp.frames:
            self._note(channel // 2, channel % 2, data)
        self.rtsp.frames.clear()
        for i, (rtp, rtcp, _) in enumerate(self.pairs):
            for which, sock in enumerate((rtp, rtcp)):
                while select.select([sock], [], [], 0)[0]:
                    self._note(i, which, sock.recv(MTU))

    def _note(self, medium, which, data):
        if which:
            self.reports[medium].append(data)
        else:
            self.got[medium].append((struct.unpack("!H", data[2:4])[0], data))

    def numbers(self, medium=0):
        self.pump()
        return [n for n, _ in self.got[medium]]

    def has(self, numbers, medium=0):
        """True when all of these came, each of them as it was sent."""
        self.pump()
        data = dict(self.got[medium])
        if any(n & 0xFFFF not in data for n in numbers):
            return False
        for n in numbers:
            assert data[n & 0xFFFF] == packet(medium, n), f"packet {n} was changed"
        return True

    def wait(self, numbers, medium=0, timeout=5.0):
        def lacks():
            have = set(self.numbers(medium))
            return [n for n in numbers if n & 0xFFFF not in have]

        try:
            wait_until(lambda: self.has(numbers, medium), "all packets came", timeout, 0.005)
        except BaseException:
            missing = lacks()
            print(f"medium {medium}: {len(missing)} of {len(numbers)} lack: {missing[:20]}")
            raise

    def sources(self, medium=0):
        """[(SSRC, number mod 2^16)] of all that came, in that order."""
        self.pump()
        return [(struct.unpack_from("!I", data, 8)[0], n) for n, data in self.got[medium]]

    def told_end(self):
        """The first PLAY_NOTIFY, when it has come: (its request line, its headers)."""
        wait_until(lambda: (self.pump(), self.rtsp.notifies)[1], "PLAY_NOTIFY")
        return self.rtsp.notifies[0]

    def nack(self, numbers, medium=0, ssrc=SSRC):
        """RFC 4585, 6.2.1: one FCI for each number."""
        fci = b"".join(struct.pack("!HH", n & 0xFFFF, 0) for n in numbers)
        head = struct.pack("!BBHII", 0x81, 205, 2 + len(numbers), 1, ssrc + medium)
        self.report(medium, head + fci)

    def report(self, medium=0, more=b""):
        """An empty receiver report, and what else the compound is to have."""
        data = struct.pack("!BBHI", 0x80, 201, 1, 1) + more
        if self.tcp:
            head = struct.pack("!BBH", 0x24, 2 * medium + 1, len(data))
            self.rtsp.sock.sendall(head + data)
        else:
            host, _, port = self.server[medium]
            self.pairs[medium][1].sendto(data, (host, port))

    def teardown(self):
        reply = self.rtsp.ask("TEARDOWN", self.path, {"Session": self.session})
        self.close()
        return reply

    def close(self):
        self.rtsp.close()
        for rtp, rtcp, _ in self.pairs:
            rtp.close()
            rtcp.close()
