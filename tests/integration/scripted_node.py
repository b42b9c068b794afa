# SPDX-License-Identifier: GPL-2.0-or-later
"""A service node (or redirector) that does what a test tells it, for tests of the client alone.

All nodes of a test make the same stream, packet n at the same moment of the monotonic clock, so that
none needs an upstream: SSRC, sequence numbers and timestamps are those of one origin. It begins when
the first of them is asked for it, however long they took to start.
"""

import argparse
import asyncio
import contextlib
import functools
import pathlib
import random
import socket
import struct
import time

SSRC = 0x5EEDCAFE
FIRST_SEQ = 65000  # the sequence wraps soon
CLOCK = 90000


class Stream:
    """Two media: MPEG-TS at `rate` packets a second, and a slower one beside it."""

    def __init__(self, epoch, rate, end):
        self.epoch = epoch
        self.rates = [rate, rate / 5]
        self.ends = [None, None]
        if end is not None:
            self.ends = [int(end * r) for r in self.rates]

    def newest(self, medium, now=None):
        """Number of the latest packet that exists; -1 before the first."""
        n = int(((now or time.monotonic()) - self.epoch) * self.rates[medium])
        if self.ends[medium] is not None:
            n = min(n, self.ends[medium])
        return n

    def packet(self, medium, n):
        ts = int(n / self.rates[medium] * CLOCK) & 0xFFFFFFFF
        head = struct.pack("!BBHII", 0x80, 96, (FIRST_SEQ + n) & 0xFFFF, ts, SSRC + medium)
        return head + payload(medium, n)

    def over(self):
        return self.ends[0] is not None and all(
            self.newest(m) >= self.ends[m] for m in range(2)
        )


def payload(medium, n):
    """188 bytes that look like a TS packet and say which one they are."""
    return b"\x47" + struct.pack("!BI", medium, n) + bytes((n * 7 + i) & 0xFF for i in range(182))


def sdp(address, second, encoding):
    media = [f"m=video 0 RTP/AVP 96\r\na=rtpmap:96 {encoding}/{CLOCK}\r\na=control:trackID=0\r\n"]
    if second:
        media.append(
            f"m=application 0 RTP/AVP 96\r\na=rtpmap:96 X-DATA/{CLOCK}\r\na=control:trackID=1\r\n"
        )
    family, everywhere = ("IP6", "::") if ":" in address else ("IP4", "0.0.0.0")
    origin = f"v=0\r\no=- 1 1 IN {family} {address}\r\ns=test\r\n"
    return origin + f"c=IN {family} {everywhere}\r\nt=0 0\r\na=control:*\r\n" + "".join(media)


class Session:
    def __init__(self, node, peer):
        self.node, self.peer = node, peer
        self.ports = {}  # of media over UDP
        self.writer = None  # media come over it
        self.first = {}
        self.next = {}
        self.ended = False

    def send(self, medium, n):
        if not self.node.lost():
            self.give(medium, self.node.stream.packet(medium, n))

    def give(self, medium, packet):
        if self.writer:
            self.writer.write(struct.pack("!BBH", 0x24, 2 * medium, len(packet)) + packet)
        elif not self.node.args.udp_blocked:
            self.node.rtp.sendto(packet, (self.peer, self.ports[medium]))

    def media(self):
        return range(2 if self.node.args.second else 1)

    def play(self):
        for m in self.media():
            newest = self.node.stream.newest(m)
            want = self.first.get(m)
            if want is None:
                self.next[m] = newest
            else:
                delta = (FIRST_SEQ + newest + 1 - want) & 0xFFFF
                self.next[m] = newest + 1 - delta if delta < 0x8000 else newest + 1

    def tick(self):
        for m in self.next:
            newest = self.node.stream.newest(m)
            if self.node.stream.ends[m] is not None:
                newest = min(newest, self.node.stream.ends[m] - self.node.hold_back)
            while self.next[m] <= newest:
                self.send(m, self.next[m])
                self.next[m] += 1


class Node:
    def __init__(self, args):
        self.args = args
        self.host, _, port = args.listen.rpartition(":")  # as in a URL
        self.address = self.host.strip("[]")
        self.port = int(port)
        self.hold_back = args.hold_back
        self.random = random.Random(args.seed)
        self.sessions = {}
        self.writers = {}
        self.rtp = self.bind(self.port + 1000)
        self.rtcp = self.bind(self.port + 1001)

    @functools.cached_property
    def stream(self):
        """Begins now, if no other node of the test has begun it."""
        epoch = pathlib.Path(self.args.epoch)
        own = epoch.with_suffix(f".{self.address}")
        own.write_text(str(time.monotonic()), encoding="ascii")
        with contextlib.suppress(FileExistsError):
            epoch.hardlink_to(own)
        return Stream(float(epoch.read_text(encoding="ascii")), self.args.rate, self.args.end)

    def bind(self, port):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        s = socket.socket(family, socket.SOCK_DGRAM)
        s.setblocking(False)
        s.bind((self.address, port))
        return s

    def lost(self):
        return self.random.random() < self.args.loss

    def say(self, *words):
        print(f"{time.monotonic():.4f}", *words, flush=True)

    # RTCP: NACKs are answered from the "ring", which is the stream itself.
    def on_rtcp(self):
        while True:
            try:
                data, peer = self.rtcp.recvfrom(2048)
            except BlockingIOError:
                return
            if not self.lost():
                self.on_compound(data, lambda _, p: self.rtp.sendto(p, (peer[0], peer[1] - 1)))

    def on_compound(self, data, give):
        at = 0
        while at + 4 <= len(data):
            first, kind, words = struct.unpack_from("!BBH", data, at)
            if kind == 205 and first & 31 == 1:
                self.on_nack(data[at : at + 4 * (words + 1)], give)
            at += 4 * (words + 1)

    def on_nack(self, data, give):
        medium = struct.unpack_from("!I", data, 8)[0] - SSRC
        asked = []
        for at in range(12, len(data), 4):
            pid, mask = struct.unpack_from("!HH", data, at)
            asked += [pid] + [(pid + 1 + i) & 0xFFFF for i in range(16) if mask >> i & 1]
        self.say("nack", medium, len(asked))
        if self.args.deaf:
            return
        newest = self.stream.newest(medium)
        for seq in asked:
            back = (FIRST_SEQ + newest - seq) & 0xFFFF
            if back < 0x8000 and not self.lost():
                give(medium, self.stream.packet(medium, newest - back))

    async def media(self):
        while True:
            for key, session in list(self.sessions.items()):
                if session.next and not self.is_quiet():
                    session.tick()
                    self.finish(key, session)
            await asyncio.sleep(0.004)

    def is_quiet(self):
        if not self.args.quiet:
            return False
        start, seconds = self.args.quiet
        return start <= time.monotonic() - self.stream.epoch < start + seconds

    def finish(self, key, session):
        if not self.stream.over() or session.ended:
            return
        session.ended = True
        if self.args.plain:
            for m, port in session.ports.items():
                bye = struct.pack("!BBHI", 0x81, 203, 1, SSRC + m)
                self.rtcp.sendto(struct.pack("!BBHI", 0x80, 201, 1, 1) + bye, (session.peer, port + 1))
            self.writers[key].close()
            return
        url = f"rtsp://{self.host}:{self.port}/live"
        info = ", ".join(
            f"url={url}/trackID={m};seq={(FIRST_SEQ + self.stream.ends[m]) & 0xFFFF}"
            for m in session.media()
        )
        self.writers[key].write(
            f"PLAY_NOTIFY {url} RTSP/1.0\r\nCSeq: 1\r\nSession: {key}\r\n"
            f"Notify-Reason: end-of-stream\r\nRTP-Info: {info}\r\n\r\n".encode()
        )

    # RTSP
    async def connection(self, reader, writer):
        peer = writer.get_extra_info("peername")[0]
        key = f"S{id(writer):x}"
        try:
            while True:
                head = await reader.readexactly(4)
                if head[0] == 0x24:
                    data = await reader.readexactly(struct.unpack("!H", head[2:])[0])
                    self.on_compound(data, self.sessions[key].give)
                    continue
                head = (head + await reader.readuntil(b"\r\n\r\n")).decode()
                lines = head.split("\r\n")
                if lines[0].startswith("RTSP/"):
                    continue
                headers = dict(
                    (k.strip().lower(), v.strip()) for k, v in (x.split(":", 1) for x in lines[1:] if x)
                )
                method, url, _ = lines[0].split(" ")
                self.say(method, url, headers.get("nearcast-avoid", "-"),
                         headers.get("nearcast-from", "-").split(";")[0])
                await self.request(method, url, headers, key, peer, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.sessions.pop(key, None)
            writer.close()

    def answer(self, writer, headers, status, extra=(), body=""):
        lines = [f"RTSP/1.0 {status}", f"CSeq: {headers.get('cseq', '0')}"]
        if not self.args.plain:
            lines.append("Supported: nearcast.failover")
        lines += list(extra)
        if body:
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    async def request(self, method, url, headers, key, peer, writer):
        if self.args.redirect:
            self.redirect(headers, url, writer)
            return
        if self.args.refuse:
            self.answer(writer, headers, self.args.refuse)
            return
        if self.args.delay and method in ("DESCRIBE", "SETUP") and key not in self.sessions:
            await asyncio.sleep(self.args.delay)
        if method == "DESCRIBE":
            base = [f"Content-Base: {url}/"]
            self.answer(writer, headers, "200 OK", base, sdp(self.address, self.args.second, self.args.encoding))
        elif method == "SETUP":
            self.setup(url, headers, key, peer, writer)
        elif method == "PLAY":
            session = self.sessions.get(key)
            if session is None or self.args.plain and "session" not in headers:
                self.answer(writer, headers, "454 Session Not Found")
                return
            session.play()
            self.writers[key] = writer
            info = ",".join(
                f"url={url}/trackID={m};seq={(FIRST_SEQ + n) & 0xFFFF}" for m, n in session.next.items()
            )
            self.answer(writer, headers, "200 OK", [f"Session: {key}", f"RTP-Info: {info}"])
        else:
            if method == "TEARDOWN":
                self.sessions.pop(key, None)
            self.answer(writer, headers, "200 OK", [f"Session: {key}"])

    def setup(self, url, headers, key, peer, writer):
        tcp = "interleaved" in headers["transport"]
        if self.args.only_tcp and not tcp:
            self.answer(writer, headers, "461 Unsupported Transport")
            return
        session = self.sessions.setdefault(key, Session(self, peer))
        medium = int(url.rsplit("=", 1)[1])
        if tcp:
            session.writer = writer
            transport = headers["transport"]
        else:
            pair = headers["transport"].split("client_port=")[1]
            session.ports[medium] = int(pair.split("-")[0])
            ports = f"server_port={self.port + 1000}-{self.port + 1001}"
            transport = f"RTP/AVP;unicast;client_port={pair};{ports}{self.args.source}"
        if "nearcast-from" in headers and not self.args.plain:
            session.first[medium] = int(headers["nearcast-from"].split(";")[0])
        name = key if not self.args.plain or medium == 0 or "session" in headers else key + "x"
        self.answer(
            writer,
            headers,
            "200 OK",
            [f"Session: {name};timeout=60", f"Transport: {transport}"],
        )

    def redirect(self, headers, url, writer):
        avoid = [a.strip() for a in headers.get("nearcast-avoid", "").split(",")]
        nodes = self.args.redirect.split(",")
        good = [n for n in nodes if n.rpartition(":")[0].strip("[]") not in avoid] or nodes
        path = "/" + url.split("/", 3)[3]
        self.answer(writer, headers, "302 Found", [f"Location: rtsp://{good[0]}{path}"])

    async def run(self):
        loop = asyncio.get_running_loop()
        loop.add_reader(self.rtcp.fileno(), self.on_rtcp)
        server = await asyncio.start_server(self.connection, self.address, self.port)
        self.say("ready")
        await asyncio.gather(server.serve_forever(), self.media())


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--listen", required=True, help="as in a URL; media leave from port + 1000")
    p.add_argument("--epoch", help="a file of all nodes of a test: when packet 0 was sent (monotonic)")
    p.add_argument("--rate", type=float, default=200, help="packets a second of the first medium")
    p.add_argument("--end", type=float, help="length of the stream in seconds")
    p.add_argument("--second", action="store_true", help="a second medium")
    p.add_argument("--encoding", default="MP2T", help="of the first medium")
    p.add_argument("--loss", type=float, default=0,
                   help="of media, and of what comes over UDP")
    p.add_argument("--only-tcp", action="store_true", help="media over UDP are refused")
    p.add_argument("--udp-blocked", action="store_true", help="no packet gets through over UDP")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--plain", action="store_true", help="not a nearcast peer")
    p.add_argument("--deaf", action="store_true", help="answers no NACK")
    p.add_argument("--hold-back", type=int, default=0, help="the last N packets are not sent unasked")
    p.add_argument("--delay", type=float, default=0, help="before the first answer of an attachment")
    p.add_argument("--quiet", type=float, nargs=2, help="no media from START for SECONDS")
    p.add_argument("--source", default="", type=";source={}".format, help="whom Transport names")
    p.add_argument("--refuse", help="every request is answered with this status")
    p.add_argument("--redirect", help="host:port,… a redirector to the first that is not avoided")
    asyncio.run(Node(p.parse_args()).run())


if __name__ == "__main__":
    main()
