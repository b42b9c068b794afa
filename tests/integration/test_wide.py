# SPDX-License-Identifier: GPL-2.0-or-later
"""The wide area with real daemons: clients overflow to nodes of another network, and come home again
(rows H1, H2, H3, H5, A3).

    client ---- router ---- arn host (arn) ---- LAN with the nodes at home
                   `------- west, the network of the far nodes
"""

import os
import signal
import threading
import time

import pytest

import near_testlib as near
from conftest import wait_until
from sn_testlib import Player, Publisher
from test_arn import ANYCAST, BLOCK, Site, describe, keep_announcing, wait_up

SURVEY, SURVEYED = 13, 14
# Addresses in a network and bits of it, the block, and an address of that.
FAMILIES = {
    "v4": ("10.{}.0.{}", 24, BLOCK, ANYCAST),
    "v6": ("2001:db8:{}::{}", 64, "2001:db8:18::/64", "2001:db8:18::27"),
}
WIDE = """
wide {{ method = "{method}" nodes = {{ {nodes} }} interval = 100 interval-max = 1000 hold = 500
	warm = {warm} {more} }}
"""


def uncbor(data):
    """A survey's map: {key: number, bytes or text}; no arrays, and numbers of any size."""

    def head(at):
        major, info = data[at] >> 5, data[at] & 31
        size = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
        return major, int.from_bytes(data[at + 1:at + 1 + size], "big") if size else info, at + 1 + size

    found, (_, pairs, at) = {}, head(0)
    for _ in range(pairs):
        _, key, at = head(at)
        major, value, at = head(at)
        if major in (2, 3):
            value, at = data[at:at + value], at + value
        found[key] = value
    return found


class FarNode:
    """A node of another network that answers surveys, after `delay` seconds, with what `fields` say;
    nobody is served there."""

    def __init__(self, space, ifname, name, host, delay=0.0, **fields):
        self.at = f"{near.bracketed(host)}:7702"
        self.announcer = near.Announcer(space, ifname, name, host, **fields)
        self.announcer.fields[29] = 7702
        self.delay, self.silent, self.asked, self.port = delay, False, 0, None
        self.socket = near.socket_in(space, self._open, host)
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    @staticmethod
    def _open(host):
        s = near.socket.socket(
            near.socket.AF_INET6 if ":" in host else near.socket.AF_INET, near.socket.SOCK_DGRAM)
        s.bind((host, 7702))
        return s

    def load(self, sessions):
        self.announcer.fields[8] = sessions

    def _serve(self):
        while True:
            data, peer = self.socket.recvfrom(2048)
            if data == b"end":
                return
            if data[5] != SURVEY or self.silent:
                continue
            self.asked += 1
            self.port = peer[1]  # where answers are awaited
            survey = uncbor(data[40:-32])
            time.sleep(self.delay)  # its distance
            said = near.cbor(self.announcer.fields)
            answer = near.cbor({1: survey[1], 2: survey[2].decode(), 3: 0, 4: said})
            self.socket.sendto(self.announcer.seal(answer, SURVEYED), peer)

    def close(self):
        self.socket.sendto(b"end", self.socket.getsockname())
        self.thread.join()
        self.socket.close()
        self.announcer.close()


class WideSite(Site):
    """The site of test_arn, and another network behind its router; its nodes and its block are of one
    family, and the networks have addresses of both."""

    def __init__(self, namespaces, link, program, folder, family="v4"):
        super().__init__(namespaces, link, program, folder)
        self.six = family == "v6"
        self.net, self.bits, self.block, self.anycast = FAMILIES[family]
        self.west = namespaces("west")
        link(self.router, "west0", self.west, "west0")
        near.address(self.router, "west0", "10.4.0.1/24", "2001:db8:4::1/64")
        # The kernel prefers its first one of IPv4, its last one of IPv6: 40.
        for i in range(8):
            near.address(self.west, "west0", f"10.4.0.{40 + i}/24", f"2001:db8:4::{47 - i}/64")
        self.west.run("ip", "route", "add", "default", "via", "10.4.0.1")
        self.west.run("ip", "route", "add", "default", "via", "2001:db8:4::1")
        self.host.run("ip", "route", "add", "10.4.0.0/24", "via", "10.8.0.1")
        self.host.run("ip", "route", "add", "2001:db8:4::/64", "via", "2001:db8:8::1")
        self.far = []
        self.home = None

    def at(self, net, host):
        return self.net.format(net, host)

    def cidr(self, net, host):
        return f"{self.at(net, host)}/{self.bits}"

    def begin(self, nodes, method="local", warm=1, more="", home=True):
        """The ARN with these far nodes, and one node at home with room for one."""
        at = ", ".join(f'"{n.at if isinstance(n, FarNode) else n}"' for n in nodes)
        wide = WIDE.format(method=method, nodes=at, warm=warm, more=more)
        arn = self.arn(wide, block=self.block)
        self.route_statically(self.block, self.at(8, 2))
        wait_up(arn)
        if home:
            self.home = self.node("home", self.at(2, 6), max_sessions=1)
            self.say_home(0, arn)
        return arn

    def say_home(self, sessions, arn):
        """Home announces so many sessions, and is heard; in a minute it would be forgotten."""
        self.home.fields[8] = sessions
        self.home.fields[13] = 20000
        keep_announcing(self.home, lambda: nodes(arn)["home"]["sessions"] == sessions, "heard")

    def far_node(self, name, host, delay=0.0, max_sessions=1000, **fields):
        node = FarNode(self.west, "west0", name, host, delay, max_sessions=max_sessions, **fields)
        self.far.append(node)
        return node

    def close(self):
        for node in self.far:
            node.close()
        super().close()


@pytest.fixture
def site(request, namespaces, link, program, tmp_path):
    made = WideSite(namespaces, link, program, tmp_path, getattr(request, "param", "v4"))
    yield made
    made.close()


both_families = pytest.mark.parametrize("site", sorted(FAMILIES), indirect=True)


def nodes(arn):
    return {n["node"]: n for n in arn.ask("show nodes")["nodes"]}


def far(arn):
    return {n["node"]: n for n in arn.ask("show far")["far"]}


def eligible(arn):
    return {name for name, n in far(arn).items() if n["use"] == "eligible"}


def sent_to(site, **kwargs):
    """Where a client is sent: a URL, or the status without one."""
    status, headers = describe(site.client, near.bracketed(site.anycast), **kwargs)
    if status != 302:
        return status
    return headers["location"]


def wait_sent(site, host, why, **kwargs):
    return wait_until(lambda: host in str(sent_to(site, **kwargs)), why)


def test_clients_go_to_the_best_node_elsewhere_when_home_is_full_and_come_home_again(site):
    """Rows H1, H2, H5: latency and load decide among far nodes; the area grows and shrinks."""
    slow = site.far_node("slow", "10.4.0.41", delay=0.06)
    near_by = site.far_node("near", "10.4.0.42")
    third = site.far_node("third", "10.4.0.43", delay=0.03)
    arn = site.begin([slow, near_by, third])
    assert "10.2.0.6" in sent_to(site), "home, while it has room"
    wait_until(lambda: eligible(arn) == {"near"} and arn.ask("show area")["scope"] == 1,
               "the nearest one is kept warm")  # it may have grown until home was heard
    before = len(arn.events("area"))
    site.say_home(1, arn)
    wait_sent(site, "10.4.0.42", "home is full")
    said = arn.ask(f"explain rtsp://{ANYCAST}/news")["nodes"]
    first = next(n for n in said if n["place"] == 1)
    assert first["node"] == "near" and first["far"] and first["rank"] == 2
    assert 0 < first["rtt_ms"] < 30
    # It fills up to its share: then the next, by latency.
    near_by.load(799)
    wait_until(lambda: {"near", "third"} <= eligible(arn), "the area grows")
    near_by.load(800)
    wait_sent(site, "10.4.0.43", "the nearest has only room for its own")
    found = far(arn)["third"]
    assert 30 <= found["rtt_ms"] < 60 and found["state"] == "live"
    # With all of them full there is nobody.
    third.load(800)
    slow.load(800)
    wait_until(lambda: arn.ask("show area")["scope"] > 2, "the area grows again")
    wait_until(lambda: sent_to(site) == 503, "all are full")
    # The load falls: home again, and the area shrinks.
    for node in site.far:
        node.load(0)
    site.say_home(0, arn)
    wait_sent(site, "10.2.0.6", "home has room")
    wait_until(lambda: eligible(arn) == {"near"}, "the area shrinks")
    scopes = [e["scope"] for e in arn.events("area")[before:]]
    peak = scopes.index(max(scopes))
    assert scopes == sorted(scopes[:peak]) + sorted(scopes[peak:], reverse=True), "up, then down"
    assert scopes[-1] == 1
    assert [e["node"] for e in arn.events("far-up")][0] == "near"


def test_far_node_that_dies_is_gone_within_its_misses_and_comes_back(site):
    """Rows H2, A3: one that is silent is no node; with another one the site still has one."""
    one, two = site.far_node("one", "10.4.0.41"), site.far_node("two", "10.4.0.42")
    # Another site serves, which is where the clients would go.
    arn = site.begin([one, two], method="wide", home=False,
                     more='} site "east" { address = "10.4.0.47"')
    wait_until(lambda: eligible(arn) == {"one", "two"}, "both are eligible")
    assert "10.4.0." in sent_to(site), "a site without any node of its own serves"
    assert arn.ask("show status")["nodes"] == {"known": 2, "usable": 2, "far": 2}
    one.silent = True
    began = time.monotonic()
    wait_until(lambda: eligible(arn) == {"two"}, "it is gone")
    took = time.monotonic() - began
    assert took > 0.1, "one question without an answer is nothing"
    print(f"gone after {took:.3f} s")
    assert "10.4.0.42" in sent_to(site)
    wait_until(lambda: [e["reason"] for e in arn.events("far-down")] == ["does not answer"], "told")
    one.silent, two.silent = False, True
    wait_until(lambda: eligible(arn) == {"one"}, "the one is back, the other gone")
    wait_sent(site, "10.4.0.41", "it is the only one")
    one.silent = True
    wait_until(lambda: sent_to(site) == 503, "there is nobody left")
    counters = arn.ask("show counters")
    assert counters["nearcast_arn_far_lost_total"] >= 3
    assert counters["nearcast_arn_far_questions_total{result=\"answered\"}"] > 10


def test_site_without_nodes_stays_while_it_can_reach_one_elsewhere(site):
    """Row A3: "no usable node, near or far". The other site really serves, all the time; whether this one goes
    is decided by whether it has anybody to send clients to."""
    one = site.far_node("one", "10.4.0.41", interval=20000)
    west = near.Daemon(site.west, site.program("arn"), site.folder, "west", (
        f'name = "west" interface = "west0" key-file = "{near.key_file(site.folder)}"\n'
        f'address = "10.4.0.40" anycast {{ block = "{BLOCK}" hold = 100 }}\n'
        'sites { port = 7703 interval = 50 } site "home" { address = "10.8.0.2:7702" }\n'))
    keep_announcing(one.announcer, lambda: "one" in nodes(west), "the other site has its node")
    arn = site.begin([one], method="wide", home=False, more=(
        '} sites { interval = 50 } site "west" { address = "10.4.0.40:7703"'))

    def others(state):
        return [(s["arn"], s["state"]) for s in arn.ask("show sites")["sites"]] == [("west", state)]

    def away():
        return arn.ask("show sites")["away"]

    wait_until(lambda: eligible(arn) == {"one"} and others("serves"), "the far node, and the other site")
    answered = far(arn)["one"]["answered"]
    wait_until(lambda: far(arn)["one"]["answered"] > answered + 8, "twice the time after which it would go")
    assert not away() and "10.4.0.41" in sent_to(site)
    west_knows = west.ask("show sites")["sites"]
    assert [s["state"] for s in west_knows] == ["no"], "others must not rely on what is theirs"
    # It cannot reach it any more: the other site can, and gets the clients.
    one.silent = True
    wait_until(away, "it goes")
    assert others("serves")
    wait_until(lambda: arn.ask("show status")["block"]["state"] == "down", "its block is withdrawn")
    one.silent = False
    wait_until(lambda: not away(), "it is back when the node is")
    wait_up(arn)
    wait_sent(site, "10.4.0.41", "as before")
    # The other site goes first: nobody serves, and this one stays and says so.
    west.stop()
    wait_until(lambda: others("silent"), "the other site is gone")
    one.silent = True
    wait_until(lambda: sent_to(site) == 503, "it answers, though it has nobody")
    assert not away()


def test_questions_that_cannot_be_sent_leave_the_measurement_as_it_was(site):
    """Row H2: a packet filter here takes some of them, after the kernel has numbered them."""
    one, two = site.far_node("one", "10.4.0.41"), site.far_node("two", "10.4.0.42")
    arn = site.begin([one, two], method="wide", home=False)

    def counter(name):
        return arn.ask("show counters")[f"nearcast_arn_far_{name}"]

    wait_until(lambda: eligible(arn) == {"one", "two"}, "both answer")
    site.host.run("nft", "add", "table", "ip", "deaf")
    site.host.run("nft", "add chain ip deaf out { type filter hook output priority 0; }")
    site.host.run("nft", "add", "rule", "ip", "deaf", "out", "ip", "daddr", "10.4.0.41", "drop")
    wait_until(lambda: eligible(arn) == {"two"}, "one cannot be asked")
    before, unstamped = far(arn)["two"]["answered"], counter("unstamped_total")
    wait_until(lambda: far(arn)["two"]["answered"] > before + 10, "the other goes on")
    assert counter("unstamped_total") - unstamped <= 2, "the kernel's times are still those of the questions"
    # An answer that nobody waits for, one of a stranger's, and one of another node than it says.
    host = near.socket_in(site.west, lambda: near.socket.socket(near.socket.AF_INET, near.socket.SOCK_DGRAM))
    port = two.port
    said = near.cbor(two.announcer.fields)
    answer = near.cbor({1: 77, 2: "arn804", 3: 0, 4: said})
    for datagram in (two.announcer.seal(answer, SURVEYED), two.announcer.seal(answer, SURVEYED, key=bytes(32)),
                     one.announcer.seal(answer, SURVEYED)):
        host.sendto(datagram, ("10.8.0.2", port))
    host.close()
    wait_until(lambda: counter("strays_total") == 1 and counter("refused_total") == 2, "none is believed")


def test_node_that_the_client_avoids_is_asked_at_once_and_another_one_is_named(site):
    one, two = site.far_node("one", "10.4.0.41"), site.far_node("two", "10.4.0.42", delay=0.02)
    arn = site.begin([one, two], method="wide", more="latency-cost = 10")
    site.say_home(1, arn)
    wait_until(lambda: eligible(arn) == {"one", "two"}, "both are eligible")
    wait_sent(site, "10.4.0.41", "the nearer one")
    assert "10.4.0.42" in sent_to(site, extra="Nearcast-Avoid: 10.4.0.41\r\n")
    assert "10.2.0.6" not in sent_to(site, extra="Nearcast-Avoid: 10.4.0.41, 10.4.0.42\r\n")
    # At home the one with room comes before all that are far, though the client avoids it no more.
    site.say_home(0, arn)
    wait_sent(site, "10.2.0.6", "home")
    assert "10.4.0.41" in sent_to(site, extra="Nearcast-Avoid: home\r\n"), (
        arn.ask(f"explain rtsp://{ANYCAST}/news"))


def test_nodes_elsewhere_can_be_changed_while_it_runs(site):
    """Row H3, and a node that is heard on the LAN is at home whatever the list says."""
    one, two = site.far_node("one", "10.4.0.41"), site.far_node("two", "10.4.0.42")
    arn = site.begin([one], method="wide")
    wait_until(lambda: eligible(arn) == {"one"}, "the one")
    text = arn.conf.read_text()
    arn.conf.write_text(text.replace(f'"{one.at}"', f'"{one.at}", "{two.at}"'))
    assert arn.ask("reload") == {"reloaded": True}
    wait_until(lambda: eligible(arn) == {"one", "two"}, "both")
    impostor = site.node("two", "10.2.0.6")
    keep_announcing(impostor, lambda: eligible(arn) == {"one"}, "it is one of ours")
    assert not nodes(arn)["two"]["far"]
    assert far(arn)["two"]["use"] == "ours"
    arn.conf.write_text(text.replace("wide {", "wide { share = 101"))
    code, body = near.request(arn.control, "reload")
    assert code != 200 and "expected" in body["error"]
    arn.conf.write_text(text.replace('method = "wide"', 'method = "none"'))
    assert arn.ask("reload") == {"reloaded": True}
    wait_until(lambda: not eligible(arn), "nobody is far any more", 15)


@both_families
def test_site_without_nodes_sends_its_clients_to_primed_ports_of_real_nodes_elsewhere(site):
    """Rows H1, B6, A2: no interface, no node at home; a node elsewhere that hangs is none."""
    keys = near.key_file(site.folder)
    names = ("sn942", site.at(4, 42)), ("sn944", site.at(4, 44))
    agents = [near.Daemon(site.west, site.program("sn-agent"), site.folder, name, (
        f'name = "{name}"\naddress = "{host}"\ninterface = "west0"\nkey-file = "{keys}"\n'
        'place = "seattle.washington.pacificcoast"\nrtsp { publishers = "10.4.0.0/24, 2001:db8:4::/64" }\n'))
              for name, host in names]
    wide = WIDE.format(method="wide", warm=1, more="", nodes=", ".join(f'"{h}"' for _, h in names))
    arn = near.Daemon(site.host, site.program("arn"), site.folder, "arn804", (
        f'name = "arn804"\nkey-file = "{keys}"\nprime {{ rtsp = yes wait = 1000 }}\n'
        f'place = "sanjose.california.pacificcoast"\n'
        f'anycast {{ block = "{site.block}" hang-bound = 300 hold = 500 }}\n{wide}'))
    site.route_statically(site.block, site.at(8, 2))
    wait_up(arn)
    wait_until(lambda: eligible(arn) == {"sn942", "sn944"}, "both answer")
    assert {n["distance"] for n in far(arn).values()} == {3}, "levels up to the coast, and one"
    publishers = [near.socket_in(site.west, lambda h=h: Publisher(h)) for _, h in names]
    host, _, port = sent_to(site).removeprefix("rtsp://").removesuffix("/news").rpartition(":")
    host = host.strip("[]")
    assert 20000 <= int(port) <= 20999, "a port that the node has given"
    player = near.socket_in(site.client, lambda: Player(host, port=int(port)))
    assert player.describe().status == 200
    player.play()
    chosen = [h for _, h in names].index(host)
    player.wait(publishers[chosen].send(20))
    wait_until(lambda: far(arn)[names[chosen][0]]["sessions"] == 1, "the player is known")
    # It hangs: whoever asks gets the other one.
    os.kill(agents[chosen].process.pid, signal.SIGSTOP)
    wait_until(lambda: eligible(arn) == {names[1 - chosen][0]}, "a node that hangs does not answer")
    assert names[1 - chosen][1] in sent_to(site)
    os.kill(agents[chosen].process.pid, signal.SIGCONT)
    wait_until(lambda: len(eligible(arn)) == 2, "it is back")
    player.close()
    for publisher in publishers:
        publisher.close()
