# SPDX-License-Identifier: GPL-2.0-or-later
"""A node answers ARNs of other networks (rows H2, H6, H8): how it is, how long it held the question, who
its neighbours are; and nobody else.

    asker, sn944 ---- link ---- sn942, and sn6 with IPv6
"""

import os
import re
import signal
import socket
import time

import pytest

import near_testlib as near
import surveys
from conftest import Namespace, wait_until
from sn_testlib import Player, Publisher

AT, AT6 = ("10.7.4.12", 7702), ("2001:db8:7::12", 7702)
ALONE = 0.4  # s: long enough for an answer that is not to come


class Places:
    def __init__(self, program, folder):
        self.far, self.near = Namespace("far"), Namespace("near")
        self.far.run("ip", "link", "add", "eth0", "type", "veth", "peer", "eth0", "netns", "near")
        for space, n in ((self.far, 12), (self.near, 14)):
            near.address(space, "eth0", f"10.7.4.{n}/24", f"2001:db8:7::{n}/64")
            space.run("ip", "link", "set", "eth0", "up")
        keys = near.key_file(folder)

        def node(space, name, address, more):
            options = f'name = "{name}"\naddress = "{address}"\ninterface = "eth0"\nkey-file = "{keys}"\n'
            return near.Daemon(space, program("sn-agent"), folder, name, options + more)

        self.node = node(self.far, "sn942", "10.7.4.12", f'''
management = "10.7.4.12:9554" place = "paris.france.europe" capacity {{ sessions = 2 }} rtsp {{ publishers = "10.7.4.0/24" }}
overlay {{ address = "10.77.0.12" }}
neighbour "dead" {{ address = "10.7.4.99" control-port = 7791 }}
neighbour "sn944" {{ address = "10.7.4.14" control-port = 7790 }}
''')
        upstreams = "".join(f'upstream "upstream-number-{n}" {{ address = "[2001:db8:7::{n + 100}]" }}\n'
                            for n in range(15))
        self.node6 = node(self.far, "sn6", "2001:db8:7::12", upstreams + "prime { port = 7702 }\n")
        node(self.near, "sn944", "10.7.4.14", '''
overlay { address = "10.77.0.14" } prime { port = 7790 }
neighbour "sn942" { address = "10.7.4.12" }
''')

    def close(self):
        self.far.close()
        self.near.close()


@pytest.fixture(scope="module", name="places")
def _places(program, tmp_path_factory):
    made = Places(program, tmp_path_factory.mktemp("survey"))
    yield made
    made.close()


@pytest.fixture(name="asker")
def _asker(places, request):
    asker = surveys.Surveyor(places.near, f"arn-{len(request.node.name)}")
    yield asker
    asker.close()


def refused(node):
    counters = node.ask("show counters")
    return counters["surveys_refused_total"] + counters["primes_refused_total"]


def test_node_says_how_it_is_and_that_changes_with_its_load(places, asker):
    """H2: the answer has what it would announce on its LAN, and is of now."""
    said = asker.ask(AT)[4]
    assert (said[2], said[4], said[7], said[9], said[35]) == (
        "sn942", 554, True, 2, "paris.france.europe")
    assert said[3] == bytes([10, 7, 4, 12]) and said[29] == 7702 and said[31] == 1
    publisher = near.socket_in(places.near, lambda: Publisher("10.7.4.12", "/news"))
    player = near.socket_in(places.near, lambda: Player("10.7.4.12", "/news"))
    assert player.describe().status == 200
    player.play()
    wait_until(lambda: asker.ask(AT)[4][8] == 1, "the player counts")
    assert len(asker.ask(AT)[4][23]) == 6, "one channel is carried"
    player.close()
    publisher.close()
    wait_until(lambda: asker.ask(AT)[4][8] == 0, "it has gone")
    with near.connect(places.near, "10.7.4.12", 9554) as s:
        s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    assert int(re.search(r"^nearcast_sn_surveys_total (\d+)$", text, re.M)[1]) >= 4


def test_node_with_ipv6_lists_its_upstreams_in_pieces(places):
    asker = surveys.Surveyor(places.near, family=socket.AF_INET6)
    whole = asker.ask(AT6, skip=0)
    assert whole[4][2] == "sn6" and whole[5] == 15
    assert surveys.neighbours(whole)["upstream-number-3"] == ("2001:db8:7::103", 7702)
    # No answer is longer than three questions: what does not fit has to be asked for again.
    found, pages = {}, 0
    while len(found) < 15 and pages < 15:
        page = asker.ask(AT6, skip=len(found), padding=0)
        assert page["length"] <= 3 * asker.sent and surveys.neighbours(page)
        found |= surveys.neighbours(page)
        pages += 1
    assert found == surveys.neighbours(whole) and pages > 1
    assert surveys.neighbours(asker.ask(AT6, skip=15)) == {}
    assert 5 not in asker.ask(AT6), "nobody asked for them"
    asker.close()


def test_node_names_the_neighbours_in_the_overlay_that_answer(places, asker):
    """H6: crawling the overlay; who is dead is no candidate."""

    def found():
        return surveys.neighbours(asker.ask(AT, skip=0))

    wait_until(lambda: found() == {"sn944": ("10.7.4.14", 7790)}, "the one that answers is named")
    back = asker.ask(("10.7.4.14", 7790), skip=0)
    assert surveys.neighbours(back) == {"sn942": ("10.7.4.12", 7790)}, "as its own port, unless told"


def test_node_that_is_held_up_is_not_farther_away_for_it(places, asker):
    """H8: who is stopped does not answer; when it goes on, it says how long the question lay there, by
    the kernel's time, so that the latency is the path's."""
    places.node.send_signal(signal.SIGSTOP)
    began = time.monotonic_ns()
    asker.send(asker.seal(asker.question(AT)), AT)
    assert asker.receive(timeout=0.5) is None
    places.node.send_signal(signal.SIGCONT)
    answer = asker.receive()
    took = time.monotonic_ns() - began
    print(f"held for {answer[3] / 1e6:.2f} ms of {took / 1e6:.2f} ms")
    assert 0.5e9 <= answer[3] <= took
    quick = min(asker.ask(AT)[3] for _ in range(5))
    assert quick < 20e6


def test_node_whose_service_does_not_work_says_so(places, asker):
    """C4: the answer has the verdict of the node's own check."""
    wait_until(lambda: asker.ask(AT)[4][7], "it works")
    pid = places.node.process.pid
    limit = places.far.run("prlimit", f"--pid={pid}", "--nofile", "-o", "SOFT", "--noheadings").stdout
    try:
        places.far.run("prlimit", f"--pid={pid}", f"--nofile={len(os.listdir(f'/proc/{pid}/fd'))}:")
        said = wait_until(lambda: (s := asker.ask(AT)[4]) and not s[7] and s, "it has found out")
        assert said[27] == 1, "RTSP does not answer itself"
    finally:
        places.far.run("prlimit", f"--pid={pid}", f"--nofile={limit.strip()}:")
    wait_until(lambda: asker.ask(AT)[4][7], "it works again")



def test_stranger_and_recording_get_no_answer(places, asker):
    """C5: without the key, in another's name, for another node, a second time: nothing."""
    before = refused(places.node)
    assert asker.ask(AT, ALONE, key=bytes(32)) is None
    assert asker.ask(AT, ALONE, name="arn930") is None
    assert asker.ask(AT, ALONE, to=("10.7.4.14", 7702)) is None
    assert asker.ask(AT, ALONE, to=("10.1.18.27", 7702)) is None, "an anycast address"
    datagram = asker.seal(asker.question(AT))
    asker.send(datagram, AT)
    assert asker.receive()
    other = surveys.Surveyor(places.near, asker.name)
    other.send(datagram, AT)
    assert other.receive(ALONE) is None, "a recording, from elsewhere"
    assert refused(places.node) == before + 5
    assert asker.ask(AT), "all that has not kept the node from answering"
    other.close()


def test_surveys_of_many_arns_do_not_take_the_place_of_primes(places):
    """Each ARN that asks is remembered for a while, against recordings; those that prime are not
    forgotten for it, and an ARN may seal both in lives of their own."""
    first = surveys.Surveyor(places.near, "arn0")
    for n in range(1100):
        assert surveys.Surveyor(places.near, f"arn{n}", sock=first.sock).ask(AT), "there is room"
    older = surveys.Surveyor(places.near, "arn0")
    older.epoch -= 10**9
    prime = near.cbor({1: 1, 2: "arn0", 3: "sn942", 4: 1, 5: 1, 6: bytes([10, 1, 18, 27])})
    older.send(older.seal(prime, kind=9), AT)
    older.sock.settimeout(5)
    assert older.sock.recv(2048)[5] == 10, "it is answered"
    older.close()
    first.close()
