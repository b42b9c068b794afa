# SPDX-License-Identifier: GPL-2.0-or-later
"""All of it where there is no IPv4: OSPFv3, the block, discovery on a link-local group, nodes, the
client, unmodified players, metrics and nearctl. And ARNs of both families on one host.

    client ---- router (BIRD) ---- host (ARN, BIRD) ---- LAN: sn806, sn810
                  |
                origin (sn808) <- the publisher is the router itself

Rows A1 fate, A5 igp, B1 http, B2 rtsp, C1 discover, G1 repair, G2 failover.
"""

import os
import re
import signal
import struct
import subprocess
import threading
import time

import pytest

import near_testlib as near
from conftest import wait_until
from sn_testlib import Here, Player, Publisher, packet
from test_arn import describe
from test_client import Client, Stage, playing_for
from test_sn_players import is_run_of, packets

BLOCK = "fd18:27::/64"
ANYCAST = "fd18:27::27"
URL = f"rtsp://[{ANYCAST}]/news"
GROUP = "[ff02::7701]:7701"
NODES = {"sn806": "fd00:2::6", "sn810": "fd00:2::10", "sn808": "fd00:5::8"}
RATE = 200
MARGIN = 3.0  # as in test_arn.py

ARN = """
name = "arn804"
interface = "lan0"
key-file = "{keys}"
log-level = "debug"
management = "{management}"
anycast {{ block = "{block}" hang-bound = 300 hold = 300 interface = "{ifname}" }}
discovery {{ group = "{group}" }}
"""
NODE = """
name = "{name}"
address = "{address}"
log-level = "debug"
management = "[{address}]:7781"
rtsp {{ publishers = "fd00:5::/64" }}
"""
ANNOUNCED = """
interface = "lan0"
key-file = "{keys}"
announce {{ group = "{group}" }}
upstream "sn808" {{ address = "fd00:5::8" }}
"""


def ospf_v3(router_id, block=None):
    """As near_testlib.bird_ospf(), for IPv6."""
    export = "none"
    if block:
        export = f"filter {{ if net = {block} then {{ ospf_metric1 = 10; accept; }} reject; }}"
    return (
        f"router id {router_id};\n"
        "protocol device { scan time 1; }\n"
        'protocol direct anycast { ipv6; interface "anycast*"; }\n'
        "protocol kernel { ipv6 { export where source != RTS_DEVICE; }; }\n"
        f"protocol ospf v3 {{\n  ipv6 {{ import all; export {export}; }};\n"
        '  area 0 { interface "core0" { type ptp; hello 1; dead 4; wait 2; retransmit 2; }; };\n}\n'
    )


class Site:
    def __init__(self, namespaces, link, program, folder):
        self.program, self.folder = program, folder
        self.keys = near.key_file(folder)
        self.space = {}
        for name in ("client", "router", "host", "origin", "sn806", "sn810"):
            self.space[name] = namespaces(name)
        self.client, self.router, self.host = (
            self.space[n] for n in ("client", "router", "host")
        )
        for space in (self.router, self.host, self.space["origin"]):
            # Their link-local addresses are OSPF's: it would wait for them to be no duplicates.
            space.run("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
        for space in (self.router, self.host):
            space.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        link(self.client, "up0", self.router, "down0")
        link(self.router, "core0", self.host, "core0")
        link(self.router, "src0", self.space["origin"], "up0")
        self.host.run("ip", "link", "add", "lan0", "type", "bridge")
        self.host.run("ip", "link", "set", "lan0", "up")
        for name in ("sn806", "sn810"):
            link(self.host, name, self.space[name], "lan0")
            self.host.run("ip", "link", "set", name, "master", "lan0")
        near.address(self.client, "up0", "fd00:9::2/64")
        near.address(self.router, "down0", "fd00:9::1/64")
        near.address(self.router, "core0", "fd00:8::1/64")
        near.address(self.router, "src0", "fd00:5::1/64")
        near.address(self.host, "core0", "fd00:8::2/64")
        near.address(self.host, "lan0", "fd00:2::4/64")
        near.address(self.space["origin"], "up0", "fd00:5::8/64")
        near.address(self.space["sn810"], "lan0", "fd00:2::10/64")
        # This one has just been plugged in: its address is still looked for on the link.
        self.space["sn806"].run("ip", "addr", "add", "fd00:2::6/64", "dev", "lan0")
        for name, to, via in (
            ("client", "default", "fd00:9::1"),
            ("origin", "default", "fd00:5::1"),
            ("host", "default", "fd00:8::1"),
            ("router", "fd00:2::/64", "fd00:8::2"),
            ("sn806", "default", "fd00:2::4"),
            ("sn810", "default", "fd00:2::4"),
        ):
            self.space[name].run("ip", "route", "add", to, "via", via)
        self.bird = None

    def route(self):
        """Starts OSPFv3; the router has the block as long as the host's interface carries it."""
        near.Bird(self.host, self.folder, "host", ospf_v3("10.8.0.2", BLOCK))
        self.bird = near.Bird(self.router, self.folder, "router", ospf_v3("10.8.0.1"))

    def arn(self, name="arn804", management="[::1]:7780", block=BLOCK, ifname="anycast0",
            group=GROUP):
        options = ARN.format(
            keys=self.keys, management=management, block=block, ifname=ifname, group=group
        )
        return near.Daemon(self.host, self.program("arn"), self.folder, name, options)

    def node(self, name, ready=True):
        options = NODE.format(name=name, address=NODES[name])
        if name != "sn808":
            options += ANNOUNCED.format(keys=self.keys, group=GROUP)
        space = self.space["origin" if name == "sn808" else name]
        return near.Daemon(space, self.program("sn-agent"), self.folder, name, options, ready)

    def whole(self):
        """Everything, up and known to each other: the ARN, and the nodes by name."""
        self.route()
        nodes = {name: self.node(name, ready=False) for name in NODES}
        arn = self.arn()
        for node in nodes.values():
            node.wait_ready()
        wait_until(self.reachable, "the router has the route to the block")
        wait_until(lambda: usable(arn) == 2, "both nodes are found on the LAN")
        for name in ("sn806", "sn810"):
            wait_until(
                lambda n=nodes[name]: n.ask("show upstreams")["upstreams"][0]["up"],
                f"{name} has its upstream",
            )
        return arn, nodes

    def reachable(self):
        """In BIRD's table and in the kernel's."""
        there = self.router.run("ip", "-6", "route", "show", BLOCK).stdout != ""
        assert self.bird.has_route(BLOCK) == there, "BIRD and the kernel do not agree yet"
        return there

    def url(self, space, url, *options):
        return space.run("curl", "-gsS", "--max-time", "5", *options, url, check=False).stdout


@pytest.fixture
def site(namespaces, link, program, tmp_path):
    return Site(namespaces, link, program, tmp_path)


def usable(arn):
    return arn.ask("show status")["nodes"]["usable"]


def wait_up(*arns):
    for arn in arns:
        wait_until(lambda a=arn: a.ask("show status")["block"]["state"] == "up", "the block is up")


class Source(threading.Thread):
    """Publishes at a steady pace until it is stopped; `sent` are the numbers."""

    def __init__(self, space, host):
        super().__init__(daemon=True)
        self.publisher = near.socket_in(space, Publisher, host)
        self.sent = []
        self.ending = threading.Event()
        self.start()

    def run(self):
        began = time.monotonic()
        while not self.ending.is_set():
            due = int((time.monotonic() - began) * RATE) + 1 - len(self.sent)
            if due > 0:
                self.sent += self.publisher.send(due)
            self.ending.wait(1 / RATE)

    def stop(self):
        """Ends the stream; returns the number of the last packet."""
        self.ending.set()
        self.join()
        self.publisher.teardown()
        return self.sent[-1]


def recorded(path):
    """The RTP packets of an rtpdump file."""
    line, _, rest = path.read_bytes().partition(b"\n")
    assert re.fullmatch(rb"#!rtpplay1\.0 fd00:2::(6|10)/\d+", line), line
    at, found = 16, []
    while at < len(rest):
        length = struct.unpack_from("!H", rest, at)[0]
        found.append(rest[at + 8 : at + length])
        at += length
    return found


def test_node_that_is_killed_costs_nothing_and_a_killed_arn_its_route(site, program, tmp_path):
    arn, nodes = site.whole()
    source = Source(site.router, NODES["sn808"])
    wait_until(lambda: nodes["sn808"].ask("show channels")["channels"], "it publishes")

    client = Client(program("client-failover"), tmp_path, URL, space=site.client)
    try:
        playing_for(client, 1)
        first = client.events("attached")[0]["node"]
        old = next(n for n, a in NODES.items() if a == first)
        new = {"sn806": "sn810", "sn810": "sn806"}[old]
        nodes[old].stop(signal.SIGKILL)
        resumed = client.wait_event("resumed")
        assert (resumed["from"], resumed["to"]) == (first, NODES[new])
        late = client.events("level")[-1]["received"]
        wait_until(lambda: client.events("level")[-1]["received"] > late + RATE / 2, "it plays on")
        last = source.stop()
        ended = client.end()
    finally:
        client.close()
    got = recorded(client.dump)
    begin = next(n for n in source.sent if n & 0xFFFF == struct.unpack_from("!H", got[0], 2)[0])
    assert got == [packet(0, n) for n in range(begin, last + 1)]
    assert ended["lost"] == 0 and not client.events("stalled")
    locations = [e["location"] for e in client.events("transaction")]
    assert locations == [f"rtsp://[{NODES[n]}]/news" for n in (old, new)]

    # Operators see addresses as they would write them, and reach the daemons at IPv6 addresses.
    nearctl = [program("nearctl"), "-s", arn.control]
    told = site.host.run(*nearctl, "explain", URL, "fd00:9::2").stdout
    assert f"rtsp://[{NODES[new]}]/news" in told
    assert NODES[new] in site.host.run(*nearctl, "show", "nodes").stdout
    assert "nearcast_arn_block_up 1" in site.url(site.host, "http://[::1]:7780/metrics")
    metrics = f"http://[{NODES[new]}]:7781/metrics"
    assert "nearcast_sn_sessions" in site.url(site.space[new], metrics)

    guardian, worker = near.arn_pids(arn)
    os.kill(guardian, signal.SIGKILL)
    wait_until(lambda: not site.reachable(), "the router has lost the route", MARGIN)
    wait_until(lambda: near.gone(worker), "the worker is dead")
    left = site.host.run("ip", "-6", "route", "show", "table", "all").stdout
    assert "anycast0" not in left and "fd18" not in left


@pytest.fixture
def loopback():
    """Addresses fd00::1 to fd00::9 of the sandbox itself."""
    addresses = [f"fd00::{i}/128" for i in range(1, 10)]
    for address in addresses:
        subprocess.run(["ip", "addr", "add", address, "dev", "lo", "nodad"], check=True)
    yield
    for address in addresses:
        subprocess.run(["ip", "addr", "del", address, "dev", "lo"], check=True)


class Stage6(Stage):
    at = "[fd00::{}]:5554"


def test_losses_are_repaired_and_the_node_that_failed_is_avoided(loopback, program, tmp_path):
    stage = Stage6(program, tmp_path)
    try:
        old, new = (stage.node(i, "--loss", 0.05, "--second") for i in (2, 3))
        arn = stage.redirector(2, 3)
        client = stage.client("--buffer", "500", url="rtsp://[fd00::1]:5554/live")
        playing_for(client, 1)
        old.signal(signal.SIGKILL)
        ended = client.end()
        client.assert_whole(media=2)
    finally:
        for process in stage.processes:
            process.close()
    assert ended["lost"] == 0 and ended["recovered"] > 5
    assert "nack" in old.requests() and "nack" in new.requests()
    assert [(f["from"], f["to"]) for f in ended["failovers"]] == [
        ("[fd00::2]:5554", "[fd00::3]:5554")
    ]
    asked = [line.split() for line in arn.requests().splitlines() if "DESCRIBE" in line]
    assert [words[3] for words in asked] == ["-", "fd00::2"]


def test_nacks_are_answered_from_the_ring_and_from_the_upstream(loopback, program, tmp_path):
    here = Here()
    try:
        near.Daemon(here, program("sn-agent"), tmp_path, "sn7",
                    'name = "sn7" address = "fd00::7" rtsp { publishers = "fd00::/16" }\n')
        second = near.Daemon(here, program("sn-agent"), tmp_path, "sn8",
                             'name = "sn8" address = "fd00::8"\n'
                             'upstream "sn7" { address = "[fd00::7]:554" }\n')
        publisher = Publisher("fd00::7")
        early = Player("fd00::7").play()
        before = publisher.send(30)
        early.wait(before)
        player = Player("fd00::8", nearcast=True)
        assert player.describe().status == 200
        player.play()
        wait_until(lambda: (publisher.send(), player.numbers())[1], "the stream comes")
        after = publisher.send(30)
        player.wait(after)
        asked = [before[3], before[29], after[0], after[29]]
        player.got[0].clear()
        player.nack(asked)
        player.wait(asked)
        assert sorted(player.numbers()) == sorted(n & 0xFFFF for n in asked)
        session = second.ask("show sessions")["sessions"][0]
        assert session["client"].startswith("[fd00::"), session
    finally:
        here.close()


def test_unmodified_publisher_and_players_follow_the_redirection(site, tmp_path):
    mp4 = tmp_path / "v.mp4"
    make = (
        "ffmpeg -v error -f lavfi -i testsrc2=size=320x180:rate=25:duration=3 -f lavfi -i "
        f"sine=frequency=440:duration=3 -c:v libx264 -preset ultrafast -g 25 -c:a aac -y {mp4}"
    )
    subprocess.run(make.split(), check=True, timeout=60)
    site.router.run("ip", "route", "add", BLOCK, "via", "fd00:8::2")
    origin, node = site.node("sn808"), site.node("sn806")
    arn = site.arn()
    wait_up(arn)
    wait_until(lambda: usable(arn) == 1, "the node is found on the LAN")
    wait_until(lambda: node.ask("show upstreams")["upstreams"][0]["up"], "it has its upstream")
    log = tmp_path / "players.log"

    def start(space, command):
        return space.start(*command.split(), log=log)

    start(site.router, f"ffmpeg -v warning -re -i {mp4} -c copy -f rtsp rtsp://[fd00:5::8]/news")
    wait_until(lambda: origin.ask("show channels")["channels"], "it publishes")
    mkv, aac = tmp_path / "out.mkv", tmp_path / "out.aac"
    players = [
        start(site.client, f"ffmpeg -v warning -rtsp_transport udp -i {URL} -c copy -y {mkv}"),
        start(
            site.client,
            f"gst-launch-1.0 -q rtspsrc name=s location={URL} protocols=udp "
            "s. ! application/x-rtp,media=audio ! rtpmp4gdepay ! aacparse ! "
            f"audio/mpeg,stream-format=adts ! filesink location={aac}",
        ),
    ]
    for process in players:
        process.wait(30)  # whatever it thinks of the way in which the source ended
    whole = packets(mp4, "a:0")
    assert is_run_of(packets(mkv, "a:0")[1:-1], whole), log.read_text()
    assert len(packets(mkv, "v:0")) >= 25, log.read_text()
    assert is_run_of(adts_payload_hashes(aac, tmp_path)[1:-1], whole), log.read_text()


def adts_payload_hashes(aac, tmp_path):
    """As packets(), of AAC frames without their ADTS heads."""
    out = tmp_path / "bare.mkv"
    subprocess.run(
        f"ffmpeg -v error -i {aac} -c copy -bsf:a aac_adtstoasc -y {out}".split(),
        check=True,
        timeout=60,
    )
    return packets(out, "a:0")


def test_arns_of_both_families_share_a_host_and_every_address_answers(site):
    near.address(site.router, "core0", "10.8.0.1/24")
    near.address(site.host, "core0", "10.8.0.2/24")
    site.router.run("ip", "route", "add", BLOCK, "via", "fd00:8::2")
    site.router.run("ip", "route", "add", "10.1.18.0/24", "via", "10.8.0.2")
    six = site.arn("arn6")
    four = site.arn("arn4", "127.0.0.1:7780", "10.1.18.0/24", "anycast4", "239.255.77.1:7701")
    wait_up(six, four)
    # The first one too, which on a router is by right "any router of this link".
    for host in ("[fd18:27::]", "[fd18:27::1]", "[fd18:27::ffff:ffff:ffff:ffff]", "10.1.18.27"):
        assert describe(site.router, host)[0] == 503, host
    assert six.ask("show status")["discovery"]["joined"]
    # Drained, the block is no connected network any more, but still this host's.
    six.ask("drain")
    wait_until(lambda: "fd18:" not in site.host.run("ip", "-br", "addr").stdout, "it is withdrawn")
    assert describe(site.router, "[fd18:27::]")[0] == 503
    assert describe(site.router, "10.1.18.27")[0] == 503
