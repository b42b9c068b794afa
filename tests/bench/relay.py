#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
To how many RTSP clients one core can serve a live stream of 2 Mbit/s over UDP: sn-agent, and gst-rtsp-server
with one shared medium that passes packets on as they are, in one run.

usage: tests/integration/sandbox relay.py SN-AGENT TOOLS [--rounds N] [--seconds S] [--clients N] [--json FILE]

`make bench-relay` does it. Exits with 1 if somebody served nobody well.

Two network namespaces with a veth pair between them for RTSP and the source. Media leave by a device without
segmentation, whose transmit function is a program (audience.bpf.c) that checks each client's packets and drops
them. So the server's core does all of the server's work and nothing of the clients'. The source is on the other
core.

Two streams: one is paced evenly, 190 packets a second, as MPEG-TS is; the other is H.264 of x264 as ffmpeg
packs it, each frame's packets at once. Clients are set up over RTSP, each with a connection of its own, until
somebody misses a packet or has one later than a quarter of a second: first in large steps, then, from the
last number that went well, in steps of five percent. A result is the median of its rounds.

--clients N does not search: N clients have to be served without a gap, however late.
"""

import argparse
import contextlib
import ctypes
import json
import os
import pathlib
import resource
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from machine import cpu, sh, stop

SERVER, CLIENT = "10.8.0.1", "10.8.0.2"
RTSP, RTP, SOURCE, FIRST, MOST = 554, 7704, 7000, 10000, 12000
PACKETS, PAYLOAD = 190, 1316
LATE_MS = 250
BATCH = 50  # clients that are set up at one time
SERVERS = ("sn-agent", "gst-rtsp-server")

SN_AGENT = """name = "bench"
address = "{server}"
control = "{folder}/sn.sock"
limits {{ connections = 20000 }}
rtsp {{ port = 554 publishers = "10.8.0.0/24" session-timeout = 600000 }}
"""

SDP = ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=bench\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
       "m=video 0 RTP/AVP {pt}\r\na=rtpmap:{pt} {name}/90000\r\na=control:streamid=0\r\n")


# ---- the streams ----


def even_stream(path):
    """A second of packets, each at its time."""
    with open(path, "wb") as f:
        for i in range(PACKETS):
            f.write(struct.pack("II", i * 1000000 // PACKETS, 12 + PAYLOAD))
            f.write(bytes([0x80, 33]) + bytes(10 + PAYLOAD))
        f.write(struct.pack("II", 1000000, 0))


def h264_stream(path, seconds=8):
    """What x264 makes of a moving picture, as ffmpeg packs it: all packets of a frame are due together."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        s.bind(("127.0.0.1", 0))
        s.settimeout(0.5)
        p = subprocess.Popen(
            f"ffmpeg -v error -f lavfi -i testsrc2=size=1280x720:rate=25:duration={seconds} -vf noise=alls=12:allf=t "
            "-c:v libx264 -preset ultrafast -tune zerolatency -x264-params sliced-threads=0 -g 50 -b:v 2M "
            f"-maxrate 2M -bufsize 1M -f rtp -pkt_size 1400 rtp://127.0.0.1:{s.getsockname()[1]}".split(),
            stdout=subprocess.DEVNULL)
        packets = []
        while True:
            try:
                packets.append(s.recv(2048))
            except TimeoutError:
                if p.poll() is not None:
                    break
    if p.returncode or not packets:
        raise SystemExit("ffmpeg made no stream")
    first = struct.unpack("!I", packets[0][4:8])[0]
    with open(path, "wb") as f:
        for packet in packets:
            due = ((struct.unpack("!I", packet[4:8])[0] - first) & 0xFFFFFFFF) * 100 // 9
            f.write(struct.pack("II", due, len(packet)) + packet)
        f.write(struct.pack("II", seconds * 1000000, 0))
    size = sum(map(len, packets))
    print(f"H.264: {len(packets) / seconds:.0f} packets a second, {size * 8e-6 / seconds:.2f} Mbit/s", flush=True)


STREAMS = {"even": (even_stream, 33, "MP2T"), "h264": (h264_stream, 96, "H264")}


# ---- clients ----


class Rtsp:
    """A client's connection. Requests go out now, the answer is read later: so many are under way at once."""

    def __init__(self, url):
        self.url, self.cseq, self.data = url, 0, b""
        self.sock = socket.create_connection((SERVER, RTSP), 20)
        self.sock.settimeout(20)

    def ask(self, method, path, *headers, body=""):
        self.cseq += 1
        if body:
            headers += (f"Content-Length: {len(body)}",)
        head = "".join(f"{h}\r\n" for h in headers)
        self.sock.sendall(f"{method} {self.url}{path} RTSP/1.0\r\nCSeq: {self.cseq}\r\n{head}\r\n{body}".encode())

    def answer(self):
        while b"\r\n\r\n" not in self.data:
            got = self.sock.recv(4096)
            if not got:
                raise SystemExit(f"{self.url}: the server closed a connection")
            self.data += got
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        if b" 200 " not in head[:14]:
            raise SystemExit(f"{self.url}: {head.decode()}")
        return {k.lower(): v for k, _, v in (line.partition(": ") for line in head.decode().split("\r\n"))}


class Run:
    """One server with one stream, and its clients."""

    def __init__(self, bench, server, stream, closing):
        self.bench, self.server, self.closing = bench, server, closing
        self.file, self.pt, self.encoding = bench.streams[stream]
        self.control = "/trackID=0" if server == "sn-agent" else "/stream=0"
        self.url = f"rtsp://{SERVER}/live"
        self.clients = []
        self.process = self.start_server()
        self.empty = self.full = rss(self.process)
        if server == "sn-agent":
            self.publish()
        self.audience = self.start_audience()

    def start_server(self):
        if self.server == "sn-agent":
            conf = self.bench.folder / "sn.conf"
            conf.write_text(SN_AGENT.format(server=SERVER, folder=self.bench.folder))
            command = [self.bench.args.sn_agent, "-c", conf]
        else:
            caps = (f"application/x-rtp,media=video,clock-rate=90000,encoding-name={self.encoding},"
                    f"payload={self.pt}")
            command = [self.bench.args.tools / "gstserver", SERVER, RTSP, RTP, caps]
        p = self.spawn(self.server, "ip", "netns", "exec", "server", "taskset", "-c", self.bench.core, *command)
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection((SERVER, RTSP), 1).close()
                return p
            except OSError:
                if time.monotonic() > end or p.poll() is not None:
                    raise SystemExit((self.bench.folder / f"{self.server}.log").read_text()) from None
                time.sleep(0.05)

    def spawn(self, name, *command, **options):
        with open(self.bench.folder / f"{name}.log", "wb") as log:
            options = {"stdout": log} | options
            p = subprocess.Popen(list(map(str, command)), stderr=log, preexec_fn=lambda: os.nice(-20), **options)
        self.closing.callback(stop, p)
        return p

    def publish(self):
        c = Rtsp(self.url)
        self.closing.callback(c.sock.close)
        self.publisher = c
        c.ask("ANNOUNCE", "", "Content-Type: application/sdp",
              body=SDP.format(pt=self.pt, name=self.encoding))
        c.answer()
        c.ask("SETUP", "/streamid=0", f"Transport: RTP/AVP;unicast;client_port={SOURCE}-{SOURCE + 1};mode=record")
        session = c.answer()["session"].split(";")[0]
        c.ask("RECORD", "", f"Session: {session}")
        c.answer()

    def start_audience(self):
        tools = self.bench.args.tools
        p = self.spawn("audience", "taskset", "-c", self.bench.other, tools / "audience", tools / "audience.bpf.o",
                       "server", "sink0", self.file, SOURCE, SERVER, RTP, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                       text=True)
        if p.stdout.readline() != "begin\n":
            raise SystemExit((self.bench.folder / "audience.log").read_text())
        sh("ip", "-n", "server", "link", "set", "sink0", "mtu", 1500, "up")
        sh("tc", "-n", "server", "qdisc", "replace", "dev", "sink0", "root", "noqueue")
        sh("ip", "-n", "server", "route", "replace", "default", "dev", "sink0", "table", 100)
        return p

    def tell(self, line):
        self.audience.stdin.write(line + "\n")
        self.audience.stdin.flush()

    def set_up(self, n):
        """As many clients as that play."""
        while len(self.clients) < n:
            batch = []
            for i in range(len(self.clients), min(n, len(self.clients) + BATCH)):
                c = Rtsp(self.url)
                self.closing.callback(c.sock.close)
                port = FIRST + 2 * i
                self.tell(f"forget {i}")
                c.ask("SETUP", self.control, f"Transport: RTP/AVP;unicast;client_port={port}-{port + 1}")
                batch.append(c)
            for c in batch:
                session = c.answer()["session"].split(";")[0]
                c.ask("PLAY", "", f"Session: {session}", "Range: npt=0-")
            for c in batch:
                c.answer()
            self.clients += batch

    def hold(self, n):
        """n clients for some time: how they were served."""
        try:
            self.set_up(n)
        except TimeoutError:
            print(f"    {n:>6} clients: not well, no answer to one of them for 20 s", flush=True)
            return {"clients": n, "well": False}
        time.sleep(1)  # what was behind while they came is caught up
        before = cpu(self.bench.core) + (spent(self.process),)
        self.tell(f"measure {self.bench.args.seconds}")
        r = json.loads(self.audience.stdout.readline())
        after = cpu(self.bench.core) + (spent(self.process),)
        busy, idle, own = (a - b for a, b in zip(after, before))
        r |= {"clients": n, "cpu_us": 1e6 * own / max(r["packets"], 1), "idle": idle / (busy + idle),
              "client_kb": (rss(self.process) - self.full) / n,
              "well": not r["lost"] and not r["late"] and self.in_time(r, n)}
        verdict = "well" if r["well"] else "not well"
        print(f"    {n:>6} clients: {verdict}, {r['lost']} lost, {r['cpu_us']:.2f} µs a packet, core {r['idle']:.0%} "
              f"idle, delay {r['p50_ms']:.1f} / {r['p99_ms']:.1f} / {r['max_ms']:.1f} ms", flush=True)
        return r

    def in_time(self, r, n):
        """All of them get the stream; in a search, not too late."""
        if self.bench.args.clients:
            return r["packets"] > 0.5 * n * r["sent"]
        return r["max_ms"] <= LATE_MS and r["packets"] > (1 - LATE_MS / 1000 / r["seconds"]) * n * r["sent"]

    def fill_ring(self, seconds=11):
        """What a channel takes: the ring's packets."""
        time.sleep(seconds)
        self.full = rss(self.process)
        return self.full - self.empty


def ramp(run, n, factor):
    """More and more clients, n at first; the last result that was good, and the first that was not."""
    good = None
    while True:
        r = run.hold(int(n))
        if not r["well"]:
            return good, r
        good = r
        if n * factor > MOST:
            return good, r
        n *= factor


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.core = os.cpu_count() - 1
        self.other = max(0, self.core - 1)
        self.streams = {}
        for name, (make, pt, encoding) in STREAMS.items():
            path = folder / name
            make(path)
            self.streams[name] = (path, pt, encoding)
        self.net()

    def net(self):
        sh("ip", "netns", "add", "server")
        sh("ip", "netns", "add", "client")
        sh("ip", "link", "add", "server0", "netns", "server", "type", "veth", "peer", "name", "client0", "netns",
           "client")
        for name, address in (("server", SERVER), ("client", CLIENT)):
            sh("ip", "-n", name, "addr", "add", f"{address}/24", "dev", f"{name}0")
            sh("ip", "-n", name, "link", "set", f"{name}0", "up")
            sh("ip", "-n", name, "link", "set", "lo", "up")
        # Media leave by a device of their own, which is the audience.
        sh("ip", "-n", "server", "rule", "add", "ipproto", "udp", "dport", f"{FIRST}-{FIRST + 2 * MOST}", "lookup", 100)
        # From here on this process is a client.
        with open("/run/netns/client", "rb") as ns:
            if ctypes.CDLL(None, use_errno=True).setns(ns.fileno(), 0x40000000):  # CLONE_NEWNET
                raise SystemExit(f"setns: {os.strerror(ctypes.get_errno())}")

    def search(self, server, stream):
        """The largest number of clients that are served well."""
        with contextlib.ExitStack() as closing:
            run = Run(self, server, stream, closing)
            channel = run.fill_ring() / 1024
            good, bad = ramp(run, 500, 1.3)
        if not good:
            return bad | {"channel_mb": channel}
        best = good
        with contextlib.ExitStack() as closing:
            run = Run(self, server, stream, closing)
            run.full = run.empty + channel * 1024
            good, _ = ramp(run, good["clients"] * 1.05, 1.05)
        return (good or best) | {"channel_mb": channel, "client_kb": best["client_kb"]}

    def trial(self, server, stream):
        with contextlib.ExitStack() as closing:
            run = Run(self, server, stream, closing)
            run.set_up(1)
            run.full = rss(run.process)
            return run.hold(self.args.clients) | {"channel_mb": 0}


def spent(process):
    """Seconds that a process has had of its core, with what the kernel did for it there."""
    tasks = pathlib.Path(f"/proc/{process.pid}/task").iterdir()
    return sum(int((t / "schedstat").read_text().split()[0]) for t in tasks) / 1e9


def rss(process):
    """KiB in memory."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise SystemExit("the server is gone")


def median(rounds):
    return {k: statistics.median(r[k] for r in rounds)
            for k in ("clients", "cpu_us", "idle", "p50_ms", "p99_ms", "max_ms", "client_kb", "channel_mb")} | {
        "well": all(r["well"] for r in rounds)}


def print_table(results):
    print(f"\n{'server':<18}{'stream':<8}{'clients':>8}{'× gst':>8}{'CPU µs':>8}{'idle':>6}"
          f"{'p50 ms':>8}{'p99 ms':>8}{'max ms':>8}{'KiB/client':>12}{'MiB/channel':>12}")
    for (stream, server), r in results.items():
        base = results[stream, "gst-rtsp-server"]
        print(f"{server:<18}{stream:<8}{r['clients']:>8.0f}{r['clients'] / base['clients']:>8.2f}"
              f"{r['cpu_us']:>8.2f}{r['idle']:>6.0%}{r['p50_ms']:>8.1f}{r['p99_ms']:>8.1f}{r['max_ms']:>8.1f}"
              f"{r['client_kb']:>12.1f}{r['channel_mb']:>12.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("sn_agent", type=pathlib.Path)
    parser.add_argument("tools", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--clients", type=int)
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    args.sn_agent, args.tools = args.sn_agent.resolve(), args.tools.resolve()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * MOST), hard))
    rounds = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args, pathlib.Path(folder))
        for i in range(args.rounds):
            print(f"round {i + 1} of {args.rounds}", flush=True)
            for stream in STREAMS:
                for server in SERVERS:
                    print(f"  {server}, {stream}", flush=True)
                    one = (bench.trial if args.clients else bench.search)(server, stream)
                    rounds.setdefault((stream, server), []).append(one)
    results = {k: median(r) for k, r in rounds.items()}
    print_table(results)
    if args.json:
        args.json.write_text(json.dumps({"/".join(k): v for k, v in results.items()}, indent=1) + "\n")
    return not all(r["well"] for r in results.values())


if __name__ == "__main__":
    sys.exit(main())
