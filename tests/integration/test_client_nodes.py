# SPDX-License-Identifier: GPL-2.0-or-later
"""client-failover with real service nodes: one that is published to, two that subscribe to it, and a
redirector that names the first of these that the client does not avoid."""

import signal
import struct
import threading
import time

import pytest

import near_testlib
from conftest import wait_until
from sn_testlib import SSRC, Here, Publisher, packet
from test_client import Client, Stage

PACE = 200  # packets a second and medium, as the timestamps say


class Source(threading.Thread):
    """Publishes two media at their pace until it is told to end."""

    def __init__(self, host, ssrc=SSRC):
        super().__init__(daemon=True)
        self.publisher = Publisher(host, "/live", media=2, tcp=True, ssrc=ssrc)
        self.over = threading.Event()

    def run(self):
        began, sent = time.monotonic(), 0
        while not self.over.is_set():
            due = int((time.monotonic() - began) * PACE)
            for medium in range(2):
                self.publisher.send(due - sent, medium)
            sent = due
            self.over.wait(0.01)
        self.publisher.teardown()

    def end(self):
        self.over.set()
        self.join()


@pytest.fixture
def network(program, tmp_path):
    here = Here()
    stage = Stage(program, tmp_path)

    def node(n, *upstreams):
        lines = "".join(f'upstream "sn{u}" {{ address = "127.0.0.{u}" }}\n' for u in upstreams)
        conf = (
            f'name = "sn{n}"\naddress = "127.0.0.{n}"\n'
            f'rtsp {{ publishers = "127.0.0.0/8" }}\n{lines}'
        )
        d = near_testlib.Daemon(here, program("sn-agent"), tmp_path, f"sn{n}", conf)
        if upstreams:
            wait_until(
                lambda: any(u["up"] for u in d.ask("show upstreams")["upstreams"]),
                "the upstream answers",
            )
        return d

    class Network:
        feeder = node(8)
        nodes = [node(6, 8), node(9, 8)]
        source = Source("127.0.0.8")
        arn = stage.node(1, "--redirect", "127.0.0.6:554,127.0.0.9:554")
        client = None

        def play(self, *options):
            self.source.start()
            self.client = Client(
                program("client-failover"), tmp_path, "rtsp://127.0.0.1:5554/live", *options
            )
            stage.processes.append(self.client)
            self.client.wait_event("playing")
            self.media_for(1)
            return self.client

        def media_for(self, seconds):
            level = self.client.events("level")
            have = level[-1]["received"] if level else 0
            wait_until(
                lambda: any(
                    e["received"] >= have + seconds * 2 * PACE for e in self.client.events("level")
                ),
                f"{seconds} s of media have come",
            )

    network = Network()
    yield network
    network.source.over.set()
    for process in stage.processes:
        process.close()
    here.close()


def assert_whole(client, *publishers):
    """Of each publisher, one after the other: all packets from the first that came on, each once and byte
    for byte, up to its last; and no others."""
    rest = client.dump.read_bytes().partition(b"\n")[2]
    at, got = 16, {p.ssrc + medium: [] for p in publishers for medium in range(2)}
    while at < len(rest):
        length, plen, _ = struct.unpack_from("!HHI", rest, at)
        data = rest[at + 8 : at + length]
        assert len(data) == plen
        got[struct.unpack_from("!I", data, 8)[0]].append(data)
        at += length
    for p in publishers:
        for medium in range(2):
            packets, last = got[p.ssrc + medium], p.next[medium] - 1
            assert len(packets) > PACE / 2  # a second of both has come, not as much of each
            numbers = range(last - len(packets) + 1, last + 1)
            expected = [packet(medium, n, ssrc=p.ssrc) for n in numbers]
            assert packets == expected, f"medium {medium} is not whole"


@pytest.mark.parametrize(
    "fault, reasons", [(signal.SIGKILL, {"closed", "icmp"}), (signal.SIGSTOP, {"silence"})]
)
def test_nothing_is_lost_when_a_node_dies(network, fault, reasons):
    client = network.play()
    network.nodes[0].send_signal(fault)
    client.wait_event("resumed")
    network.media_for(1)
    network.source.end()
    ended = client.end()
    assert_whole(client, network.source.publisher)
    assert [f["reason"] in reasons for f in ended["failovers"]] == [True]
    assert ended["failovers"][0]["to"] == "127.0.0.9"
    assert ended["lost"] == 0
    assert ended["reason"] == "end of stream"


def test_slow_node_keeps_its_client(network):
    client = network.play()
    network.nodes[1].send_signal(signal.SIGSTOP)  # so that the first is back before it
    network.nodes[0].send_signal(signal.SIGSTOP)
    client.wait_event("failover")
    network.nodes[0].send_signal(signal.SIGCONT)
    client.wait_event("false_alarm")
    network.nodes[1].send_signal(signal.SIGCONT)
    network.media_for(1)
    network.source.end()
    ended = client.end()
    assert_whole(client, network.source.publisher)
    assert ended["failovers"] == []
    wait_until(
        lambda: network.nodes[1].ask("show status")["sessions"] == 0, "the other attachment is undone"
    )


def test_end_of_the_source_ends_the_client_with_all_of_it(network):
    client = network.play()
    network.source.end()
    client.end()
    assert_whole(client, network.source.publisher)
    wait_until(
        lambda: network.nodes[0].ask("show status")["sessions"] == 0, "the session is torn down"
    )
