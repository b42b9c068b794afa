# SPDX-License-Identifier: GPL-2.0-or-later
"""client-failover against nodes that do what a test tells them (scripted_node.py), on loopback.

Every test compares what came out with what the source made, packet by packet.
"""

import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest

from conftest import wait_until
from scripted_node import FIRST_SEQ, SSRC, Stream, payload

HERE = pathlib.Path(__file__).resolve().parent
ARN = "127.0.0.1:5554"
URL = f"rtsp://{ARN}/live"
LENGTH = 2.5  # seconds of the streams
RATE = 200


class Process:
    def __init__(self, argv, out, err=subprocess.STDOUT):
        self.out = out
        with open(out, "wb") as o:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=o, stderr=err)

    def signal(self, number):
        self.process.send_signal(number)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()


class Client(Process):
    def __init__(self, program, folder, url, *options, space=None):
        self.dump = folder / "out.rtpdump"
        argv = [program, url, "--rtpdump", self.dump, "--json", *options]
        if space:
            argv = space.command(*argv)
        with open(folder / "client.log", "wb") as log:
            super().__init__(argv, folder / "client.json", err=log)
        self.log = folder / "client.log"

    def events(self, name=None):
        found = []
        for line in self.out.read_text().splitlines(keepends=True):
            if line.startswith("{") and line.endswith("\n"):
                found.append(json.loads(line))
        return [e for e in found if name is None or e["event"] == name]

    def wait_event(self, name, timeout=10.0):
        def there():
            assert self.process.poll() is None, f"it ended: {self.log.read_text()}"
            return self.events(name)

        return wait_until(there, f"the event {name}", timeout)[0]

    def end(self, status=0, timeout=30):
        assert self.process.wait(timeout) == status, self.log.read_text()
        return self.events("ended")[-1]

    def packets(self):
        """Per medium the numbers of the packets in the recording, each checked byte for byte."""
        data = self.dump.read_bytes()
        line, _, rest = data.partition(b"\n")
        assert re.fullmatch(rb"#!rtpplay1\.0 (127\.0\.0\.|fd00::)\d+/\d+", line), line
        at, numbers, last = 16, {}, 0
        while at < len(rest):
            length, plen, offset = struct.unpack_from("!HHI", rest, at)
            assert length == plen + 8
            assert offset >= last
            last = offset
            packet = rest[at + 8 : at + length]
            seq, _, ssrc = struct.unpack_from("!HII", packet, 2)
            medium, n = struct.unpack_from("!BI", packet, 13)
            assert (medium, seq) == (ssrc - SSRC, (FIRST_SEQ + n) & 0xFFFF)
            assert packet[12:] == payload(medium, n)
            numbers.setdefault(medium, []).append(n)
            at += length
        return numbers

    def assert_whole(self, media=1, end=LENGTH):
        """Each packet from the first on, once, in order, up to the source's last."""
        numbers = self.packets()
        assert sorted(numbers) == list(range(media))
        stream = Stream(0, RATE, end)
        for m in numbers:
            last = stream.ends[m] if end is not None else numbers[m][-1]
            assert numbers[m] == list(range(numbers[m][0], last + 1)), f"medium {m} is not whole"
        return numbers


class Stage:
    """The nodes of a test: they share the moment at which their stream began."""

    at = "127.0.0.{}:5554"

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.epoch = folder / "epoch"
        self.processes = []

    def node(self, host, *options, end=LENGTH, listen=None):
        at = listen or self.at.format(host)
        argv = [sys.executable, HERE / "scripted_node.py", "--listen", at, "--rate", str(RATE)]
        argv += ["--epoch", self.epoch, "--seed", str(host)]
        argv += ["--end", str(end)] if end is not None else []
        process = Process([*argv, *map(str, options)], self.folder / f"node{host}.log")
        self.processes.append(process)
        wait_until(lambda: "ready" in process.out.read_text(), f"node {host} listens")
        process.requests = lambda: process.out.read_text()
        return process

    def redirector(self, *hosts):
        nodes = ",".join(self.at.format(h) for h in hosts)
        return self.node(1, "--redirect", nodes)

    def client(self, *options, url=URL):
        process = Client(self.program("client-failover"), self.folder, url, *options)
        self.processes.append(process)
        return process


@pytest.fixture
def stage(program, tmp_path):
    stage = Stage(program, tmp_path)
    yield stage
    for process in stage.processes:
        process.close()


def playing_for(client, seconds):
    """Waits until that much of the stream has come."""
    client.wait_event("playing")
    wait_until(
        lambda: any(e["received"] >= seconds * RATE for e in client.events("level")),
        f"{seconds} s of media have come",
    )


def test_node_that_is_killed_costs_nothing(stage):
    old, _ = stage.node(2, "--second"), stage.node(3, "--second")
    arn = stage.redirector(2, 3)
    client = stage.client()
    playing_for(client, 1)
    old.signal(signal.SIGKILL)
    ended = client.end()
    client.assert_whole(media=2)
    assert ended["lost"] == 0
    assert len(ended["failovers"]) == 1
    failover = ended["failovers"][0]
    assert failover["reason"] in ("closed", "icmp")
    assert (failover["from"], failover["to"]) == ("127.0.0.2:5554", "127.0.0.3:5554")
    assert 0 < failover["interruption_ms"] < 1000
    assert ended["min_buffer_ms"] > 0
    assert not client.events("stalled")
    # The second transaction names the node that failed.
    asked = [line.split() for line in arn.requests().splitlines() if "DESCRIBE" in line]
    assert [words[3] for words in asked] == ["-", "127.0.0.2"]


def test_attachment_to_the_next_node_is_one_flight_from_the_first_missing_packet(stage):
    old, new = stage.node(2), stage.node(3)
    stage.redirector(2, 3)
    client = stage.client()
    playing_for(client, 1)
    old.signal(signal.SIGKILL)
    client.wait_event("resumed")
    client.end()
    words = [line.split() for line in new.requests().splitlines()]
    methods = [w[1] for w in words]
    assert methods[:3] == ["ready", "SETUP", "PLAY"]
    assert methods[-1] == "TEARDOWN"
    first = (int(words[1][4]) - FIRST_SEQ) & 0xFFFF
    assert 0 < first <= LENGTH * RATE


@pytest.fixture
def first_syn_is_lost():
    """Each address of a node loses the first SYN that is sent to it (not the redirector)."""
    rules = """
        table inet syn {
            set seen { type ipv4_addr; }
            chain out {
                type filter hook output priority 0;
                ip daddr != 127.0.0.1 tcp dport 5554 tcp flags & (syn | ack) == syn \
                    ip daddr != @seen add @seen { ip daddr } counter drop
            }
        }
    """
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    yield
    subprocess.run(["nft", "delete", "table", "inet", "syn"], check=True)


def test_lost_syn_is_not_waited_for(stage, first_syn_is_lost):
    stage.node(2)
    stage.redirector(2)
    client = stage.client()
    ended = client.end()
    client.assert_whole()
    assert ended["lost"] == 0
    # The kernel repeats a SYN after 1 s: without a connection anew it could not be less.
    assert client.events("attached")[0]["ms"] < 1000


def test_reports_go_to_the_node_and_to_no_host_that_it_names(stage):
    bystander = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for i, sock in enumerate(bystander):
        sock.bind(("127.0.0.77", 6554 + i))  # the ports that the node sends from
        sock.setblocking(False)
    stage.node(2, "--source", "127.0.0.77", "--loss", "0.05")
    stage.redirector(2)
    ended = stage.client().end()
    assert ended["nacked"] > 0 and ended["lost"] == 0
    for sock in bystander:
        with sock, pytest.raises(BlockingIOError):
            sock.recv(2048)


def test_node_that_hangs_is_noticed_by_its_silence(stage):
    old, _ = stage.node(2, "--second"), stage.node(3, "--second")
    stage.redirector(2, 3)
    client = stage.client()
    playing_for(client, 1)
    old.signal(signal.SIGSTOP)
    ended = client.end()
    client.assert_whole(media=2)
    assert [f["reason"] for f in ended["failovers"]] == ["silence"]
    assert ended["failovers"][0]["detection_ms"] >= 60


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_media_over_tcp_survive_their_node(stage, fault):
    """The nodes lose whole packets, as one does whose client's connection is full."""
    old, new = (stage.node(h, "--second", "--loss", "0.02") for h in (2, 3))
    stage.redirector(2, 3)
    client = stage.client("--transport", "tcp")
    playing_for(client, 1)
    old.signal(fault)
    ended = client.end()
    client.assert_whole(media=2)
    assert ended["lost"] == 0 and ended["nacked"] > 0
    (failover,) = ended["failovers"]
    assert failover["reason"] == ("closed" if fault == signal.SIGKILL else "silence")
    assert "nack" in new.requests()  # by a frame of RTCP
    assert not client.events("delivery")  # it never was another way


@pytest.mark.parametrize("node, why", [("--udp-blocked", "no packet"), ("--only-tcp", "no UDP")])
def test_media_come_over_tcp_where_udp_does_not(stage, node, why):
    stage.node(2, node, "--second", end=4)
    stage.redirector(2)
    client = stage.client()
    ended = client.end()
    client.assert_whole(media=2, end=4)
    assert ended["lost"] == 0 and ended["failover_count"] == 0
    (delivery,) = client.events("delivery")
    assert (delivery["node"], delivery["by"]) == ("127.0.0.2:5554", "tcp")
    assert why in delivery["why"]


def test_udp_alone_is_never_given_up(stage):
    stage.node(2, "--only-tcp", end=None)
    stage.redirector(2)
    client = stage.client("--transport", "udp")
    assert client.wait_event("error")["status"] == 461
    assert not client.events("delivery")


def test_slow_node_is_a_false_alarm_and_is_kept(stage):
    old, new = stage.node(2), stage.node(3, "--delay", 1)
    stage.redirector(2, 3)
    client = stage.client()
    playing_for(client, 1)
    old.signal(signal.SIGSTOP)
    client.wait_event("failover")
    old.signal(signal.SIGCONT)
    ended = client.end()
    client.assert_whole()
    assert ended["failovers"] == []
    assert ended["false_alarms"] >= 1
    assert {e["node"] for e in client.events("level") if e["node"]} == {"127.0.0.2:5554"}
    assert "PLAY" not in new.requests() or "TEARDOWN" in new.requests()


@pytest.mark.parametrize("fault", [None, signal.SIGKILL, signal.SIGSTOP])
def test_losses_in_both_directions_are_repaired(stage, fault):
    old, _ = stage.node(2, "--loss", 0.05), stage.node(3, "--loss", 0.05)
    stage.redirector(2, 3)
    client = stage.client()
    playing_for(client, 1.5)
    if fault:
        old.signal(fault)
    ended = client.end()
    client.assert_whole()
    assert ended["recovered"] > 10
    assert ended["lost"] == 0
    assert len(ended["failovers"]) == (1 if fault else 0)


def test_tail_that_was_lost_is_fetched(stage):
    node = stage.node(2, "--second", "--hold-back", 20)
    stage.redirector(2)
    client = stage.client()
    ended = client.end()
    client.assert_whole(media=2)
    assert ended["nacked"] >= 20
    assert "nack" in node.requests()
    assert ended["reason"] == "end of stream"


def test_tail_is_fetched_from_another_node_when_the_first_dies(stage):
    old = stage.node(2, "--hold-back", 8, "--deaf")
    stage.node(3)
    stage.redirector(2, 3)
    client = stage.client()
    client.wait_event("playing")
    wait_until(lambda: "nack" in old.requests(), "the tail is asked for", 15)
    old.signal(signal.SIGKILL)
    ended = client.end()
    client.assert_whole()
    assert len(ended["failovers"]) == 1


def test_tail_that_nobody_has_is_reported_as_lost(stage):
    stage.node(2, "--hold-back", 7, "--deaf")
    stage.redirector(2)
    client = stage.client("--buffer", "300")
    ended = client.end()
    assert ended["lost"] == 7
    gaps = client.events("gap")
    assert sum(g["count"] for g in gaps) == 7
    assert gaps[-1]["media"] == 0


def test_second_node_that_refuses_is_passed_over(stage):
    old = stage.node(2)
    stage.node(3, "--refuse", "453 Not Enough Bandwidth")
    stage.node(4)
    arn = stage.redirector(2, 3, 4)
    client = stage.client()
    playing_for(client, 1)
    old.signal(signal.SIGKILL)
    ended = client.end()
    client.assert_whole()
    assert [f["to"] for f in ended["failovers"]] == ["127.0.0.4:5554"]
    assert "127.0.0.2, 127.0.0.3" in arn.requests() or "127.0.0.2," in arn.requests()


def test_second_node_that_hangs_is_passed_over(stage):
    old, second = stage.node(2), stage.node(3)
    stage.node(4)
    stage.redirector(2, 3, 4)
    client = stage.client()
    playing_for(client, 1)
    second.signal(signal.SIGSTOP)
    old.signal(signal.SIGKILL)
    ended = client.end()
    client.assert_whole()
    assert [f["to"] for f in ended["failovers"]] == ["127.0.0.4:5554"]
    assert ended["min_buffer_ms"] > 0


def test_redirector_that_hangs_is_asked_again(stage):
    old, _ = stage.node(2), stage.node(3)
    arn = stage.redirector(2, 3)
    client = stage.client()
    playing_for(client, 1)
    arn.signal(signal.SIGSTOP)
    old.signal(signal.SIGKILL)
    client.wait_event("suspect")
    wait_until(lambda: time.monotonic() > client.events("suspect")[0]["t"] + 0.4, "it has waited")
    arn.signal(signal.SIGCONT)
    ended = client.end()
    client.assert_whole()
    assert len(ended["failovers"]) == 1


def test_only_node_that_is_restarted_is_attached_to_again(stage):
    old = stage.node(2)
    stage.redirector(2)
    client = stage.client()
    playing_for(client, 1)
    old.signal(signal.SIGKILL)
    old.process.wait()
    stage.node(22, listen="127.0.0.2:5554")
    ended = client.end()
    client.assert_whole()
    assert [f["to"] for f in ended["failovers"]] == ["127.0.0.2:5554"]


def test_silent_source_is_waited_for_without_a_storm(stage):
    quiet = ("--quiet", 1.5, 1.6)
    stage.node(2, *quiet, end=6)
    stage.node(3, *quiet, end=6)
    arn = stage.redirector(2, 3)
    client = stage.client("--buffer", "800")
    ended = client.end()
    client.assert_whole(end=6)
    assert ended["lost"] == 0
    assert client.events("stalled") and client.events("unstalled")
    assert arn.requests().count("DESCRIBE") < 12


def test_plain_server_is_played_as_well_as_can_be(stage):
    node = stage.node(1, "--plain", "--second")
    client = stage.client()
    ended = client.end()
    client.assert_whole(media=2)
    assert ended["failovers"] == []
    assert "Nearcast-From" not in node.requests()


def test_ts_to_standard_output_with_events_beside(stage, program, tmp_path):
    old, _ = stage.node(2), stage.node(3)
    stage.redirector(2, 3)
    out, events = tmp_path / "out.ts", tmp_path / "events"
    with open(out, "wb") as o, open(events, "wb") as e:
        # A pipe and not a file, so that the reader can be slow.
        client = subprocess.Popen(
            [program("client-failover"), URL, "-o", "-", "--json"], stdout=subprocess.PIPE, stderr=e
        )
        cat = subprocess.Popen(["cat"], stdin=client.stdout, stdout=o)
        client.stdout.close()
        wait_until(lambda: out.stat().st_size > RATE * 188, "a second of media", 15)
        old.signal(signal.SIGKILL)
        assert client.wait(30) == 0
        assert cat.wait(10) == 0
    data = out.read_bytes()
    first = struct.unpack_from("!BI", data, 1)[1]
    last = int(LENGTH * RATE)
    assert data == b"".join(payload(0, n) for n in range(first, last + 1))
    assert json.loads(events.read_text().splitlines()[-1])["event"] == "ended"


def test_no_ts_in_the_stream_is_told(stage, tmp_path):
    stage.node(2, "--encoding", "H264")
    stage.redirector(2)
    client = stage.client("-o", tmp_path / "out.ts")
    client.end(status=os.EX_DATAERR)
    assert "H264" in client.log.read_text()
    assert "--rtpdump" in client.log.read_text()


def test_full_disk_ends_it_with_a_clear_message(stage):
    stage.node(2)
    stage.redirector(2)
    client = stage.client("-o", "/dev/full")
    client.end(status=os.EX_IOERR)
    assert "/dev/full: No space left on device" in client.log.read_text()


def test_duration_ends_it_whole(stage):
    stage.node(2, "--loss", 0.05, end=None)
    stage.redirector(2)
    client = stage.client("--duration", "1.5")
    ended = client.end()
    numbers = client.assert_whole(end=None)
    assert ended["reason"] == "duration"
    assert ended["lost"] == 0
    assert 1.2 * RATE < len(numbers[0]) < 3 * RATE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_after_all_that_came_is_written(stage, number):
    node = stage.node(2, end=None)
    stage.redirector(2)
    client = stage.client()
    playing_for(client, 1)
    client.signal(number)
    ended = client.end()
    numbers = client.assert_whole(end=None)
    assert ended["written"] == ended["received"] == len(numbers[0])
    assert len(numbers[0]) >= RATE
    assert "TEARDOWN" in node.requests()


def test_no_node_to_be_had(stage):
    stage.node(1, "--refuse", "503 Service Unavailable")
    client = stage.client()
    ended = client.end(status=os.EX_UNAVAILABLE)
    assert ended["reason"] == "no node"
    tries = [e for e in client.events("error") if e["status"] == 503]
    assert 4 <= len(tries) <= 14


@pytest.mark.parametrize(
    "argv, message",
    [
        ([], "which URL?"),
        (["ftp://h/x", "--json"], "not a URL of the form rtsp://"),
        (["rtsp://h/x"], "nothing to do"),
        (["rtsp://h/x", "rtsp://h/y", "--json"], "one URL only"),
        (["rtsp://h/x", "--json", "--buffer", "1"], "--buffer 1"),
        (["rtsp://h/x", "--json", "--buffer", "x"], "--buffer x"),
        (["rtsp://h/x", "--json", "--duration", "-1"], "--duration -1"),
        (["rtsp://h/x", "-o"], "a value is missing"),
        (["rtsp://h/x", "-o", "-", "--rtpdump", "-"], "the same file"),
        (["rtsp://h/x", "--nonsense"], "no such option"),
        (["http://h/x", "--json"], "-o FILE"),
        (["http://h/x", "-o", "x", "--rtpdump", "y"], "--rtpdump is for rtsp URLs"),
        (["http://h/x", "-o", "x", "--start", "5"], "--start is for rtsp URLs"),
        (["rtsp://h/x", "--gateway", "8554", "--start", "5"], "none of -o, --rtpdump, --start"),
    ],
)
def test_bad_usage(program, argv, message):
    done = subprocess.run(
        [program("client-failover"), *argv], capture_output=True, text=True, timeout=10
    )
    assert done.returncode == os.EX_USAGE
    assert message in done.stderr


def test_unknown_host_and_output_that_cannot_be_made(program, tmp_path):
    def run(*argv):
        return subprocess.run(
            [program("client-failover"), *argv], capture_output=True, text=True, timeout=20
        )

    done = run("rtsp://no.such.host.invalid/x", "--json")
    assert done.returncode == os.EX_NOHOST
    assert "no.such.host.invalid" in done.stderr
    done = run("rtsp://127.0.0.1/x", "-o", tmp_path / "no" / "x")
    assert done.returncode == os.EX_CANTCREAT
    assert "No such file or directory" in done.stderr
