#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
How many redirections a second, one new TCP connection each: the ARN, nginx, HAProxy, and the least that
a server on kernel sockets can do (minimal.c), all in one run.

usage: tests/integration/sandbox redirect.py ARN TOOLS [--rounds N] [--seconds S] [--in-flight N] [--json FILE]

`make bench-redirect` does it. Exits with 1 if somebody answered wrongly or not at all.

Two network namespaces and a veth pair between them. The server is on one core, and so is all that the
kernel does for it and for the client, which is an XDP program (flood.bpf.c): no load generator on kernel
sockets is faster than these servers. Rounds of all servers take turns, and each figure is the median of
its rounds. In a round the core must not be idle, and each answer is checked.

The ARN is also run with two threads on two cores, where there are two.
"""

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from machine import cpu, sh, stop

SERVER, CLIENT, BLOCK, ANYCAST = "10.8.0.1", "10.9.0.0", "10.1.18.0/24", "10.1.18.27"
REQUEST = "GET /news/today?at=noon HTTP/1.1\r\nHost: acme.example\r\nConnection: close\r\n"
RTSP = "DESCRIBE rtsp://acme.example/news RTSP/1.0\r\nCSeq: 1\r\nConnection: close\r\n"

NGINX = """daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
	access_log off;
	client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
	server {{
		listen {server}:8081 backlog=4096;
		return 302 http://10.2.0.6$request_uri;
	}}
}}
"""

HAPROXY = """global
	nbthread 1
	maxconn 4096
defaults
	mode http
	timeout client 5s
	timeout connect 5s
	timeout server 5s
frontend bench
	bind {server}:8082 backlog 4096
	http-request redirect code 302 prefix http://10.2.0.6
"""

ARN = """name = "bench"
address = "{server}"
control = "{folder}/arn{threads}.sock"
workers = {threads}
anycast {{ block = "{block}" interface = "anycast{threads}" hold = 0 }}
http {{ port = 80 }}
rtsp {{ port = 554 }}
probe {{ interval = 0 }}
{nodes}"""

NODE = 'node "sn{i}" {{ address = "10.2.0.{host}" http-port = 80 rtsp-port = 554 }}\n'


class Bench:
    def __init__(self, args, folder, closing):
        self.args, self.folder, self.closing = args, folder, closing
        self.core = os.cpu_count() - 1
        self.net()

    def net(self):
        sh("ip", "netns", "add", "client")
        sh("ip", "link", "add", "server0", "numtxqueues", 2, "numrxqueues", 2, "type", "veth", "peer", "name",
           "client0", "netns", "client", "numtxqueues", 2, "numrxqueues", 2)
        sh("ip", "addr", "add", f"{SERVER}/24", "dev", "server0")
        sh("ip", "link", "set", "server0", "up")
        sh("ip", "-n", "client", "link", "set", "client0", "up")
        mac = json.loads(sh("ip", "-n", "client", "-j", "link", "show", "client0",
                            stdout=subprocess.PIPE).stdout)[0]["address"]
        self.mac = json.loads(sh("ip", "-j", "link", "show", "server0",
                                 stdout=subprocess.PIPE).stdout)[0]["address"]
        sh("ip", "neigh", "add", "10.8.0.2", "lladdr", mac, "dev", "server0", "nud", "permanent")
        sh("ip", "route", "add", "10.9.0.0/16", "via", "10.8.0.2")
        sh("ip", "link", "set", "server0", "xdpdrv", "obj", self.args.tools / "flood.bpf.o", "program", "pass")
        # The same for every server: no table of thousands that have just ended.
        pathlib.Path("/proc/sys/net/ipv4/tcp_max_tw_buckets").write_text("4096")

    def start(self, name, *command, cores=None):
        cores = str(self.core) if cores is None else cores
        log = open(self.folder / f"{name}.log", "wb")
        p = subprocess.Popen(["taskset", "-c", cores, *map(str, command)], stdout=log, stderr=log)
        self.closing.callback(stop, p)
        return p

    def write(self, name, text, **more):
        path = self.folder / name
        path.write_text(text.format(folder=self.folder, server=SERVER, **more))
        return path

    @contextlib.contextmanager
    def arn(self, threads, cores):
        nodes = "".join(NODE.format(i=i, host=6 + i) for i in range(8))
        conf = self.write(f"arn{threads}.conf", ARN, threads=threads, block=BLOCK, nodes=nodes)
        p = self.start(f"arn{threads}", self.args.arn, "-c", conf, cores=cores)
        end = time.monotonic() + 10
        while "10.1.18" not in sh("ip", "addr", stdout=subprocess.PIPE).stdout:
            if time.monotonic() > end or p.poll() is not None:
                raise SystemExit((self.folder / f"arn{threads}.log").read_text())
            time.sleep(0.05)
        yield
        stop(p)

    def flood(self, server, port, request=REQUEST, cores=None):
        """One round: {answered, wrong, …, rate, cpu_us: of the core for each answer, idle: its share}."""
        expected = ("RTSP/1.0" if request == RTSP else "HTTP/1.1") + " 302"
        cores = [self.core] if cores is None else cores
        command = ["ip", "netns", "exec", "client", "taskset", "-c", str(cores[0]),
                   str(self.args.tools / "flood"), str(self.args.tools / "flood.bpf.o"), "client0", self.mac,
                   CLIENT, server, str(port), request, expected, str(self.args.in_flight),
                   str(self.args.seconds)]
        p = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert p.stdout.readline() == "begin\n", "the client did not start"
        before = [cpu(core) for core in cores]
        result = json.loads(p.stdout.readline())
        after = [cpu(core) for core in cores]
        if p.wait() != 0:
            raise SystemExit("the client failed")
        busy = sum(a[0] - b[0] for a, b in zip(after, before))
        idle = sum(a[1] - b[1] for a, b in zip(after, before))
        bad = {k: result[k] for k in ("wrong", "reset", "lost") if result[k]}
        if bad or not result["answered"]:
            print(f"  {server}:{port}: not all went well: {bad or 'no answers'}", file=sys.stderr)
        return dict(result, rate=result["answered"] / result["seconds"],
                    cpu_us=1e6 * busy / max(result["answered"], 1), idle=idle / (busy + idle))


def medians(rounds):
    return {k: statistics.median(r[k] for r in rounds)
            for k in ("rate", "p50_us", "p99_us", "cpu_us", "idle")} | {
        k: sum(r[k] for r in rounds) for k in ("answered", "wrong", "reset", "lost")}


def print_table(results, base, minimal):
    print(f"\n{'server':<28}{'answers/s':>10}{'× nginx':>9}{'× minimal':>11}"
          f"{'p50 µs':>8}{'p99 µs':>8}{'CPU µs':>8}{'idle':>7}")
    for name, r in results.items():
        print(f"{name:<28}{r['rate']:>10.0f}{r['rate'] / base:>9.2f}{r['rate'] / minimal:>11.2f}"
              f"{r['p50_us']:>8.0f}{r['p99_us']:>8.0f}{r['cpu_us']:>8.1f}{r['idle']:>7.1%}")


def run(bench):
    args = bench.args
    bench.start("nginx", "nginx", "-c", bench.write("nginx.conf", NGINX))
    bench.start("haproxy", "haproxy", "-db", "-f", bench.write("haproxy.conf", HAPROXY))
    bench.start("minimal", args.tools / "minimal", SERVER, 8083)
    rounds = {}

    def note(name, *where, **how):
        rounds.setdefault(name, []).append(bench.flood(*where, **how))
        print(f"  {name:<28}{rounds[name][-1]['rate']:>10.0f}", flush=True)

    for i in range(args.rounds):
        print(f"round {i + 1} of {args.rounds}", flush=True)
        with bench.arn(1, str(bench.core)):
            note("arn, 1 thread", ANYCAST, 80)
            note("arn, 1 thread, RTSP", ANYCAST, 554, request=RTSP)
        note("nginx", SERVER, 8081)
        note("haproxy", SERVER, 8082)
        note("minimal", SERVER, 8083)
        if os.cpu_count() > 1:
            both = [bench.core, bench.core - 1]
            with bench.arn(2, ",".join(map(str, both))):
                note("arn, 2 threads, 2 cores", ANYCAST, 80, cores=both)
    return {name: medians(r) for name, r in rounds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("arn", type=pathlib.Path)
    parser.add_argument("tools", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    args.arn, args.tools = args.arn.resolve(), args.tools.resolve()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as closing:
        results = run(Bench(args, pathlib.Path(folder), closing))
    print_table(results, results["nginx"]["rate"], results["minimal"]["rate"])
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    return any(r["wrong"] or r["reset"] or not r["answered"] for r in results.values())


if __name__ == "__main__":
    sys.exit(main())
