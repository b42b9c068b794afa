# SPDX-License-Identifier: GPL-2.0-or-later
"""ARNs of three sites in a line flood the load of their nodes (row H4).

    LAN ---- west ======== middle ======== east ---- LAN
     node w1                                    node e1
"""

import ipaddress
import signal
import socket
import time

import pytest

import near_testlib as near
from conftest import wait_until
from test_wide import FarNode

FLOOD = 15
INTERVAL, LEAST, MISSES = 0.4, 0.1, 4
LIFE = INTERVAL * MISSES
MARGIN = 3.0
SITES = {"west": 1, "middle": 2, "east": 3}
NODES = {"west": "w1", "east": "e1"}
# Addresses on the ways between the sites, in the LANs (of a site, of a host in it), the block, the group.
FAMILIES = {
    "v4": ("10.8.{}.{}", "10.2.{}.{}", 24, "10.1.18.0/24", "239.255.77.1"),
    "v6": ("2001:db8:8:{}::{}", "2001:db8:2:{}::{}", 64, "2001:db8:18::/64", "ff02::7701"),
}
OPTIONS = """
name = "{name}"
interface = "lan0"
key-file = "{keys}"
anycast {{ block = "{block}" hold = 200 }}
wide {{ method = "flood" interval = 100 interval-max = 1000 }}
discovery {{ group = "{group}" }}
probe {{ interval = 0 }}
flood {{ interval = {interval} min-interval = {least} misses = {misses} }}
"""


class Line:
    """Three ARNs, each of whom knows those beside it, and the nodes of the outer ones."""

    def __init__(self, namespaces, link, program, folder, family):
        self.spaces = {name: namespaces(name) for name in SITES}
        self.way, self.lan, self.bits, self.block, group = FAMILIES[family]
        self.anycast = self.block.replace(".0/24", ".27").replace("/64", "27")
        self.arns, self.nodes = {}, {}
        for space in self.spaces.values():  # whose addresses are nobody else's
            space.run("sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
        for i, (a, b) in enumerate((("west", "middle"), ("middle", "east"))):
            link(self.spaces[a], f"to{b}", self.spaces[b], f"to{a}")
            near.address(self.spaces[a], f"to{b}", f"{self.way.format(i, 1)}/{self.bits}")
            near.address(self.spaces[b], f"to{a}", f"{self.way.format(i, 2)}/{self.bits}")
        sites = {"west": [("middle", 0, 2)], "middle": [("west", 0, 1), ("east", 1, 2)],
                 "east": [("middle", 1, 1)]}
        for name, space in list(self.spaces.items()):
            lan = self.spaces[f"lan{name}"] = namespaces(f"lan{name}")
            for setting in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"):
                space.run("sysctl", "-qw", setting)
            link(space, "lan0", lan, "lan0")
            router = self.lan.format(SITES[name], 4)
            near.address(space, "lan0", f"{router}/{self.bits}")
            options = OPTIONS.format(
                name=name, keys=near.key_file(folder, f"keys-{name}"), interval=int(INTERVAL * 1000),
                least=int(LEAST * 1000), misses=MISSES, block=self.block,
                group=near.bracketed(group) + ":7701")
            for other, net, host in sites[name]:
                options += f'site "{other}" {{ address = "{self.way.format(net, host)}" }}\n'
            self.arns[name] = near.Daemon(space, program("arn"), folder, name, options)
            self.route(name, space)
            if name in NODES:
                near.address(lan, "lan0", f"{self.node_at(name)}/{self.bits}")
                lan.run("ip", "route", "add", "default", "via", router)
                # One announcement is good for the whole test.
                node = NODES[name]
                self.nodes[node] = near.Announcer(lan, "lan0", node, self.node_at(name), (group, 7701),
                                                  interval=60000, max_sessions=100)
                self.nodes[node].fields[29] = 7702
                self.say(node, 10)

    def node_at(self, name):
        return self.lan.format(SITES[name], 6)

    def route(self, name, space):
        """To the networks on the other side."""
        west, east = self.way.format(0, 2), self.way.format(1, 1)
        for net, via in {"west": [(self.way.format(1, 0), west), (self.lan.format(3, 0), west)],
                         "middle": [(self.lan.format(1, 0), self.way.format(0, 1)),
                                    (self.lan.format(3, 0), self.way.format(1, 2))],
                         "east": [(self.way.format(0, 0), east), (self.lan.format(1, 0), east)]}[name]:
            space.run("ip", "route", "add", f"{net}/{self.bits}", "via", via)

    def say(self, node, sessions):
        """The node says so until its ARN has heard it."""
        arn = self.arns["west" if node == "w1" else "east"]
        self.nodes[node].fields[8] = sessions

        def heard():
            self.nodes[node].send()
            return any(n["node"] == node and n["sessions"] == sessions
                       for n in arn.ask("show nodes")["nodes"])

        wait_until(heard, f"{node} is heard", interval=0.1)

    def told(self, at, node):
        """What an ARN was told of a node of another site: (hops, sessions), or None."""
        for record in self.arns[at].ask("show flood")["records"]:
            for n in record["nodes"]:
                if n["node"] == node and record["hops"]:
                    return record["hops"], n["sessions"]
        return None

    def counter(self, at, name):
        return self.arns[at].ask("show counters")[f"nearcast_arn_flood_{name}"]

    def heard(self, at, result):
        return self.counter(at, f'heard_total{{result="{result}"}}')

    def close(self):
        for node in self.nodes.values():
            node.close()


@pytest.fixture(params=sorted(FAMILIES))
def line(request, namespaces, link, program, tmp_path):
    made = Line(namespaces, link, program, tmp_path, request.param)
    yield made
    made.close()


def test_load_is_known_beyond_the_neighbour_until_the_way_is_gone(line):
    """Row H4: passed on, never back, and forgotten when nobody tells it any more."""
    wait_until(lambda: line.told("east", "w1") == (2, 10), "w1 is known in the east", MARGIN)
    wait_until(lambda: line.told("west", "e1") == (2, 10), "e1 is known in the west", MARGIN)
    assert line.told("middle", "w1") == (1, 10)

    # Load that changes is told at once, not with the next refresh.
    line.say("w1", 90)
    wait_until(lambda: line.told("east", "w1") == (2, 90), "its load is known", MARGIN)

    # Everybody hears each record once, and nobody hears what he has said (split horizon).
    before = line.heard("east", "new")
    wait_until(lambda: line.heard("east", "new") >= before + 3, "refreshes", 4 * INTERVAL + MARGIN)
    for name in SITES:
        assert [line.heard(name, r) for r in ("known", "own", "refused", "crowded")] == [0] * 4, name
    assert line.counter("middle", "sent_total") <= sum(
        line.counter(name, "made_total") for name in ("west", "east"))

    # The middle dies: what came through it ends with its life, and not before.
    line.arns["middle"].stop(signal.SIGKILL)
    died = time.monotonic()
    assert line.told("east", "w1")
    wait_until(lambda: not line.told("east", "w1"), "w1 is forgotten", LIFE + MARGIN)
    assert time.monotonic() - died > LIFE - INTERVAL - 0.1
    wait_until(lambda: not line.told("west", "e1"), "e1 is forgotten", MARGIN)
    line.arns["middle"].start()
    wait_until(lambda: line.told("east", "w1") == (2, 90), "w1 is known again", INTERVAL + MARGIN)

    # An ARN that ends says so.
    line.arns["west"].stop()
    wait_until(lambda: not line.told("east", "w1"), "w1 is gone with its ARN", MARGIN)


def test_client_overflows_to_a_node_that_was_flooded(line):
    """Rows H1 and H4: nobody has configured it here; the latency of the way to it is measured."""
    east = line.arns["east"]
    wait_until(lambda: line.told("east", "w1"), "w1 is known in the east", MARGIN)
    far = FarNode(line.spaces["lanwest"], "lan0", "w1", line.node_at("west"), 0.02, sessions=10,
                  max_sessions=100)
    try:
        def chosen():
            url = f"rtsp://{near.bracketed(line.anycast)}/news"
            return east.ask(f"explain {url} {line.way.format(9, 2)}")["chosen"]

        def found():
            node = {n["node"]: n for n in east.ask("show far")["far"]}["w1"]
            return node["state"] == "live" and node["rtt_ms"] and node

        node = wait_until(found, "the way to it is measured", MARGIN)
        assert node["distance"] == 2 and node["use"] == "eligible" and node["rtt_ms"] < 500
        assert chosen() == "e1"
        line.say("e1", 100)
        wait_until(lambda: chosen() == "w1", "e1 is full", MARGIN)
        far.load(100)
        line.say("w1", 100)
        wait_until(lambda: chosen() is None, "both are full", MARGIN)
        far.load(20)
        line.say("w1", 20)
        wait_until(lambda: chosen() == "w1", "it has room again", MARGIN)
        line.say("e1", 20)
        wait_until(lambda: chosen() == "e1", "home again", MARGIN)
    finally:
        far.close()


def flooded(sender, node, address, **seal):
    """A record of an ARN that does not exist, of one node."""
    said = near.cbor({1: 1, 2: node, 3: ipaddress.ip_address(address).packed, 7: True, 13: 200, 29: 7702})
    payload = {1: sender.node, 2: sender.node, 3: time.time_ns(), 5: 60000, 6: 1, 7: [said]}
    return sender.seal(near.cbor(payload), kind=FLOOD, **seal)


@pytest.mark.parametrize("line", ["v4"], indirect=True)
def test_strangers_flood_nothing_and_nobody_floods_the_block(line):
    """Rows C5 and H4."""
    near_by, east = line.spaces["west"], line.arns["east"]
    target = (line.way.format(0, 2), 7702)
    sender = near.Announcer(near_by, "tomiddle", "mallory", "10.8.0.1")
    out = near.socket_in(near_by, socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
    try:
        out.sendto(flooded(sender, "evil", "10.66.6.6", key=bytes(32)), target)
        out.sendto(flooded(sender, "evil", "10.1.18.27"), target)
        wait_until(lambda: line.heard("middle", "refused") == 1, "the block is refused")
        assert line.told("middle", "evil") is None
        # Whoever has the key is believed; it is not in doubt that these came through.
        out.sendto(flooded(sender, "n9", "10.66.6.6"), target)
        wait_until(lambda: line.told("east", "n9") == (2, 0), "n9 is known in the east", MARGIN)
        assert line.told("east", "evil") is None
        # Its ARN never tells of it again: whoever begins to look for far nodes knows it nevertheless.
        flood = east.conf.read_text()
        east.conf.write_text(flood.replace('method = "flood"', 'method = "none"') + "flood { share = yes }\n")
        assert east.ask("reload") == {"reloaded": True}
        out.sendto(flooded(sender, "n10", "10.66.6.7"), target)
        wait_until(lambda: line.told("east", "n10"), "n10 is known in the east", MARGIN)
        assert "n10" not in {n["node"] for n in east.ask("show far")["far"]}
        east.conf.write_text(flood)
        assert east.ask("reload") == {"reloaded": True}
        wait_until(lambda: "n10" in {n["node"] for n in east.ask("show far")["far"]}, "and a far node", MARGIN)
    finally:
        out.close()
        sender.close()
