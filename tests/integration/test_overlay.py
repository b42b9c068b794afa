# SPDX-License-Identifier: GPL-2.0-or-later
"""The overlay (rows F1, F2, F3): nodes in a diamond of tunnels, a source at one end, players at the
other. The routes are the test's own, so that it knows when they change.

        left                     underlay: one LAN, 10.0.0.0/24
       /    \\
    leaf    source               overlay addresses: 10.77.0.N
       \\    /
        right
"""

import contextlib
import json
import re
import signal
import threading
import time

import near_testlib as near
import pytest
import surveys
from conftest import Namespace, wait_until
from sn_testlib import SSRC, Player, Publisher

OTHER = SSRC + 1000
NUMBER = {"source": 1, "left": 2, "right": 3, "leaf": 4}
TUNNELS = {
    "source": ("left", "right"), "left": ("source", "leaf"), "right": ("source", "leaf"),
    "leaf": ("left", "right"),
}


class Overlay:
    """The four nodes, and what a test does with them."""

    def __init__(self, program, folder):
        self.lan = Namespace("lan")
        self.spaces, self.nodes = {}, {}
        self.program, self.folder = program, folder
        self.lan.run("ip", "link", "add", "br0", "type", "bridge")
        self.lan.run("ip", "link", "set", "br0", "up")
        for name, number in NUMBER.items():
            space = self.spaces[name] = Namespace(name)
            self.lan.run("ip", "link", "add", name, "type", "veth", "peer", "eth0", "netns", name)
            self.lan.run("ip", "link", "set", name, "master", "br0", "up")
            near.address(space, "eth0", f"10.0.0.{number}/24")
            space.run("ip", "link", "set", "eth0", "up")
        for name in NUMBER:
            self.nodes[name] = near.Daemon(
                self.spaces[name], program("sn-agent"), folder, name, self.options(name)
            )
        self.settle()

    @staticmethod
    def options(name, neighbours=None, more=""):
        neighbours = TUNNELS[name] if neighbours is None else neighbours
        return (
            f'name = "{name}"\naddress = "10.0.0.{NUMBER[name]}"\nlinger = 300\n'
            'rtsp { publishers = "10.0.0.0/24" }\n'
            f'overlay {{ address = "10.77.0.{NUMBER[name]}" }}\n'
            'source "all" { address = "10.77.0.1" }\n'
            + "".join(
                f'neighbour "{n}" {{ address = "10.0.0.{NUMBER[n]}" }}\n' for n in neighbours
            )
            + more
        )

    def settle(self):
        """The routes as they are when all is well, and every neighbour answers."""
        for name, via in (("left", "source"), ("right", "source"), ("leaf", "left")):
            self.route(name, via)
        for name, node in self.nodes.items():
            wait_until(
                lambda n=node, of=name: sum(x["up"] for x in self.neighbours(of)) == 2,
                f"the neighbours of {name} answer",
            )

    def route(self, name, via):
        """The node's way to the source."""
        self.spaces[name].run("ip", "route", "replace", "10.77.0.1/32", "dev", f"nc-{via}")

    def neighbours(self, name):
        return self.nodes[name].ask("show overlay")["neighbours"]

    def joins(self, name):
        """Of what flows. (What has ended is still remembered for a while.)"""
        joins = self.nodes[name].ask("show overlay")["joins"]
        return [j for j in joins if j["state"] == "live"]

    def comes_from(self, name):
        joins = self.joins(name)
        return joins[0]["upstream"] if joins else None

    def rtp_out(self, name):
        return self.nodes[name].ask("show counters")["rtp_out_total"]

    def close(self):
        for space in [*self.spaces.values(), self.lan]:
            space.close()


@pytest.fixture(scope="module", name="overlay")
def _overlay(program, tmp_path_factory):
    made = Overlay(program, tmp_path_factory.mktemp("overlay"))
    yield made
    made.close()


class Stream(threading.Thread):
    """A publisher at the source, at 100 packets a second until it is told to stop."""

    def __init__(self, overlay, path, ssrc=SSRC):
        super().__init__()
        self.publisher = near.socket_in(
            overlay.spaces["source"], lambda: Publisher("10.0.0.1", path, ssrc=ssrc)
        )
        self.sent = []
        self.gone = False
        self.over = threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.01):
            self.sent += self.publisher.send()

    def end(self):
        self.over.set()
        self.join()
        return self.sent

    def teardown(self):
        self.end()
        if not self.gone:
            self.publisher.teardown()
        self.gone = True


@pytest.fixture(name="stream")
def _stream(overlay, request):
    made = []

    def make(ssrc=SSRC):
        made.append(Stream(overlay, f"/{request.node.name}", ssrc))
        return made[-1]

    overlay.settle()
    yield make
    for stream in made:
        stream.teardown()
    for name in ("left", "right", "leaf"):
        wait_until(lambda n=name: not overlay.comes_from(n), f"{name} has left the channel")


def play(overlay, stream, name="leaf"):
    """A player at a node, which gets the channel from there."""
    host = f"10.0.0.{NUMBER[name]}"
    player = near.socket_in(overlay.spaces[name], lambda: Player(host, stream.publisher.path))
    assert player.describe().status == 200
    player.play()
    wait_until(player.numbers, "it plays")
    return player


def all_once(stream, player):
    """The player has every packet from its first on, once, in any order."""
    sent = [n & 0xFFFF for n in stream.end()]
    first = player.numbers()[0]
    want = stream.sent[sent.index(first) :]
    player.wait(want)
    assert len(player.numbers()) == len(want), "something came twice"


def test_a_channel_follows_the_routes_and_crosses_each_tunnel_once(overlay, stream):
    source = stream()
    players = [play(overlay, source) for _ in range(3)]
    near_source = play(overlay, source, "left")
    (join,) = overlay.joins("leaf")
    assert join["upstream"] == "left" and join["through"] == "left, source"
    assert join["toward"] == "10.77.0.1"
    before = {n: overlay.rtp_out(n) for n in NUMBER}
    start = len(source.sent)
    wait_until(lambda: len(source.sent) >= start + 100, "100 packets more")
    sent = len(source.sent) - start
    went = {n: overlay.rtp_out(n) - before[n] for n in NUMBER}
    # One copy from the source, one from left for leaf and one for its own player, three for leaf's.
    assert went["right"] == 0
    assert abs(went["source"] - sent) < 30
    assert abs(went["left"] - 2 * sent) < 60
    assert abs(went["leaf"] - 3 * sent) < 90
    for player in [*players, near_source]:
        all_once(source, player)
        player.teardown()


def test_a_changed_route_is_followed_without_a_lost_packet_and_the_old_way_is_pruned(
    overlay, stream
):
    source = stream()
    player = play(overlay, source)
    for via in ("right", "left", "right"):
        overlay.route("leaf", via)
        wait_until(lambda v=via: overlay.comes_from("leaf") == v, f"it comes from {via}")
    wait_until(lambda: not overlay.joins("left"), "left has left the channel")
    assert overlay.joins("right")[0]["through"] == "source"
    all_once(source, player)
    player.teardown()


def test_what_is_published_again_under_the_same_path_is_another_channel(overlay, stream):
    """Of the first one leaf still has packets."""
    first = stream()
    old = play(overlay, first)
    first.teardown()
    wait_until(lambda: (old.pump(), old.reports[0])[1], "leaf has told the end")
    second = stream(OTHER)
    elsewhere = play(overlay, second, "right")
    number = elsewhere.numbers()[0]
    player = near.socket_in(
        overlay.spaces["leaf"], lambda: Player("10.0.0.4", second.publisher.path, nearcast=True)
    ).attach([number], OTHER)
    wait_until(lambda: len(player.sources()) > 50, "it goes on at leaf")
    assert player.sources()[:50] == [(OTHER, number + i & 0xFFFF) for i in range(50)]
    assert {ssrc for ssrc, _ in player.sources()} == {OTHER}
    for each in (player, elsewhere):
        each.teardown()


def test_a_dead_neighbour_is_left_before_the_routes_know(overlay, stream):
    source = stream()
    player = play(overlay, source)
    overlay.nodes["left"].stop(signal.SIGKILL)
    wait_until(lambda: overlay.comes_from("leaf") == "right", "it comes from right")
    wait_until(lambda n=len(source.sent): len(source.sent) > n + 50, "half a second more")
    all_once(source, player)
    player.teardown()
    overlay.nodes["left"].start()  # takes over the tunnels that it has left


def test_a_hung_neighbour_is_left_and_the_route_followed_again_when_it_goes_on(overlay, stream):
    source = stream()
    player = play(overlay, source)
    overlay.nodes["left"].send_signal(signal.SIGSTOP)
    wait_until(lambda: overlay.comes_from("leaf") == "right", "it comes from right")
    overlay.nodes["left"].send_signal(signal.SIGCONT)
    wait_until(lambda: overlay.comes_from("leaf") == "left", "it comes from left again")
    all_once(source, player)
    player.teardown()


def test_routes_in_a_circle_close_no_circle(overlay, stream):
    """left is told that its way leads over leaf, whose way leads over left."""
    source = stream()
    player = play(overlay, source)
    refused = overlay.nodes["leaf"].ask("show counters")["refused_loop_total"]
    overlay.route("left", "leaf")
    wait_until(
        lambda: overlay.nodes["leaf"].ask("show counters")["refused_loop_total"] > refused,
        "leaf refuses left",
    )
    assert overlay.comes_from("left") == "source"
    all_once(source, player)
    player.teardown()


def test_a_stranger_at_the_end_of_a_tunnel_is_no_neighbour(overlay):
    """The address is left's, and left's kernel takes what comes for it by any interface."""
    ends = {n["name"]: n for n in overlay.neighbours("left")}["leaf"]
    question = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"
    with contextlib.closing(Namespace("guest")) as guest:
        overlay.lan.run(
            "ip", "link", "add", "guest", "type", "veth", "peer", "eth0", "netns", "guest"
        )
        overlay.lan.run("ip", "link", "set", "guest", "master", "br0", "up")
        near.address(guest, "eth0", "10.0.0.9/24")
        guest.run("ip", "link", "set", "eth0", "up")
        guest.run("ip", "route", "add", ends["local"], "via", "10.0.0.2")
        assert near.exchange(guest, "10.0.0.2", 554, question)[0] == 200
        with pytest.raises(ConnectionError):
            near.exchange(guest, ends["local"], 554, question)
    assert near.exchange(overlay.spaces["leaf"], ends["local"], 554, question)[0] == 200


def links(space):
    return set(re.findall(r"^\d+: (nc-\w+)", space.run("ip", "-o", "link").stdout, re.MULTILINE))


def test_tunnels_come_and_go_with_the_configuration_and_the_agent(overlay):
    node, space = overlay.nodes["leaf"], overlay.spaces["leaf"]
    assert links(space) == {"nc-overlay", "nc-left", "nc-right"}
    detail = json.loads(space.run("ip", "-d", "-j", "link", "show", "nc-left").stdout)[0]
    assert detail["mtu"] == 1450
    assert detail["linkinfo"]["info_data"]["remote"] == "10.0.0.2"
    there = {n["name"]: n["remote"] for n in overlay.neighbours("leaf")}["left"]
    space.run("ping", "-c1", "-W2", there)

    node.configure(overlay.options("leaf", ["right"]))
    node.ask("reload")
    assert links(space) == {"nc-overlay", "nc-right"}
    node.configure(overlay.options("leaf"))
    node.ask("reload")
    assert links(space) == {"nc-overlay", "nc-left", "nc-right"}

    # The address is the process's own; the tunnels are replaced by the next one.
    node.stop(signal.SIGKILL)
    wait_until(lambda: links(space) == {"nc-left", "nc-right"}, "the address is gone")
    node.start()
    assert links(space) == {"nc-overlay", "nc-left", "nc-right"}
    assert node.stop() == 0
    assert not links(space)
    node.start()
    overlay.settle()


def attach(asker, at, lifetime):
    """Asks the node there to be attached as sn9, 10.0.0.9, until it is; what is answered."""
    generation = 0
    for number in (1, 2):
        fields = {1: number, 2: "sn9", 3: surveys.packed(*at), 4: generation, 5: True,
                  6: bytes([10, 0, 0, 9]), 7: bytes([10, 77, 0, 9]), 8: lifetime}
        asker.send(asker.seal(near.cbor(fields), kind=11), at)
        asker.sock.settimeout(5)
        answer, _ = surveys.decode(asker.sock.recv(2048)[40:-32])
        generation = answer[4]
    return answer


def test_a_neighbour_that_is_configured_while_it_is_attached_stays(overlay, tmp_path):
    """Figure 9: then its tunnel is the configuration's, and does not end with the attachment."""
    node, space = overlay.nodes["leaf"], overlay.spaces["leaf"]
    secure = (f'interface = "eth0"\nkey-file = "{near.key_file(tmp_path)}"\n'
              "attachments { max = 1 }\n")
    node.stop()
    node.configure(overlay.options("leaf", more=secure))
    node.start()
    asker = surveys.Surveyor(overlay.spaces["left"], "sn9")
    try:
        attach(asker, ("10.0.0.4", 7702), 500)
        assert "nc-sn9" in links(space)
        wait_until(lambda: "nc-sn9" not in links(space), "it was not heard of again")
        attach(asker, ("10.0.0.4", 7702), 500)
        assert "nc-sn9" in links(space)
        node.configure(overlay.options("leaf", more=f'{secure}neighbour "sn9" {{ address = "10.0.0.9" }}'))
        node.ask("reload")
        wait_until(lambda: not node.ask("show overlay")["attached"], "it is not attached any more")
        assert "nc-sn9" in links(space)
    finally:
        asker.sock.close()
        node.stop()
        node.configure(overlay.options("leaf"))
        node.start()
        overlay.settle()


@pytest.mark.parametrize(
    "options, what",
    [
        ('overlay { address = "10.0.0.4" }', "overlay.address is address"),
        ('neighbour "x" { address = "10.0.0.9" }', "no overlay.address"),
        ('overlay { address = "10.77.0.4" } neighbour "leaf" { address = "10.0.0.9" }', "itself"),
        ('overlay { address = "10.77.0.4" } neighbour "x" { address = "fd00::9" }', "same family"),
        (
            'overlay { address = "10.77.0.4" } neighbour "x" { address = "10.0.0.8" vni = 5 }'
            'neighbour "y" { address = "10.0.0.9" vni = 5 }',
            "another vni",
        ),
        ('overlay { address = "10.77.0.4" } source "s" { address = "fd00::1" }', "same family"),
    ],
)
def test_what_cannot_be_is_said(program, tmp_path, overlay, options, what):
    conf = tmp_path / "sn.conf"
    conf.write_text(f'name = "leaf"\naddress = "10.0.0.4"\n{options}\n')
    done = overlay.lan.run(program("sn-agent"), "-c", conf, "--check", check=False)
    assert done.returncode == 78
    assert what in done.stdout + done.stderr
