# SPDX-License-Identifier: GPL-2.0-or-later
"""Priming (row B6; with naming, D1 and D4): before it redirects, the ARN installs state Q at the chosen node, bound to a port
P that the node allocates; whoever connects to P has conveyed Q without knowing it.

    client ---- router ---- arn host (arn) ---- LAN: origin, sn806, sn810
"""

import hashlib
import ipaddress
import signal
import socket
import struct
import time

import pytest

import near_testlib as near
from conftest import wait_until
from knot_server import Knot
from sn_testlib import Player, Publisher, Rtsp
from test_arn import ANYCAST, Site, wait_up

PRIME, PRIMED = 9, 10
GRANTED, GENERATION, NO_SERVICE, FULL, DRAINING, NO_PORT, UNREACHABLE, GONE = range(8)


class Primed(Site):
    def __init__(self, *args):
        super().__init__(*args)
        near.address(self.lan, "lan0", "10.2.0.8/24", "10.2.0.9/24", "10.2.0.10/24")
        self.publishers = []

    def agent(self, name, host, more=""):
        options = (
            f'name = "{name}"\naddress = "{host}"\ninterface = "lan0"\n'
            f'key-file = "{near.key_file(self.folder)}"\nrtsp {{ publishers = "10.2.0.0/24" }}\n'
        )
        return near.Daemon(self.lan, self.program("sn-agent"), self.folder, name, options + more)

    def origin(self, name, host, path="/news", first=65000):
        """A source of its own, which announces itself nowhere; it has sent nothing yet."""
        options = f'name = "{name}"\naddress = "{host}"\nrtsp {{ publishers = "10.2.0.0/24" }}\n'
        near.Daemon(self.lan, self.program("sn-agent"), self.folder, name, options)
        publisher = near.socket_in(self.lan, lambda: Publisher(host, path, first=first))
        self.publishers.append(publisher)
        return publisher

    def close(self):
        for p in self.publishers:
            p.close()
        super().close()


@pytest.fixture
def site(namespaces, link, program, tmp_path):
    made = Primed(namespaces, link, program, tmp_path)
    yield made
    made.close()


def location(site, path="/news", address=ANYCAST):
    request = f"DESCRIBE rtsp://{address}{path} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode()
    status, headers = near.exchange(site.client, address, 554, request)
    assert status == 302
    host, _, rest = headers["location"].removeprefix("rtsp://").partition("/")
    host, _, port = host.partition(":")
    return host, int(port or 554), "/" + rest


def primes(daemon):
    return daemon.ask("show primes")["primes"]


def known(arn, *names):
    up = {n["node"] for n in arn.ask("show nodes")["nodes"] if n["state"] == "up"}
    return set(names) <= up


def test_client_is_sent_to_a_port_that_the_node_gave_for_its_provider(site):
    """B6 from end to end: once for each service and node, not for each client; the port expires when
    nobody uses it and lives while somebody does."""
    origin = site.origin("origin", "10.2.0.10")
    more = 'prime { lifetime = 1000 }\nupstream "origin" { address = "10.2.0.10" }\n'
    node = site.agent("sn806", "10.2.0.6", more)
    arn = site.arn("prime { rtsp = yes }\n")
    site.route_statically()
    site.route_statically("10.2.0.0/24")
    wait_until(lambda: known(arn, "sn806"), "the node is known")
    wait_until(lambda: node.ask("show upstreams")["upstreams"][0]["up"], "the origin answers")
    wait_up(arn)
    began = time.monotonic()
    host, port, path = location(site)
    print(f"first client answered after {1000 * (time.monotonic() - began):.1f} ms")
    assert host == "10.2.0.6" and 20000 <= port <= 20999 and path == "/news"
    began = time.monotonic()
    assert location(site) == (host, port, path)
    print(f"second client answered after {1000 * (time.monotonic() - began):.1f} ms")
    assert location(site, "/other")[1] == port, "the same state, the same port"
    assert [p["port"] for p in primes(node)] == [port]
    assert primes(node)[0]["state"] == f"rtsp {ANYCAST}"
    assert primes(arn)[0]["status"] == "primed" and primes(arn)[0]["port"] == port
    player = near.socket_in(site.client, lambda: Player(host, port=port))
    assert player.describe().status == 200
    player.play()
    watch(player, origin)
    # The ARN forgets what it does not know any more, the node what nobody has and uses.
    arn.stop()
    time_left = primes(node)[0]["left_s"]
    wait_until(lambda: primes(node)[0]["left_s"] < min(time_left, 0), "the grant is over")
    player.wait(origin.send(20))
    assert primes(node)[0]["connections"] == 1
    player.close()
    wait_until(lambda: not primes(node), "nobody uses the port any more", 15)
    with pytest.raises(OSError):
        near.connect(site.client, host, port)
    assert [e["port"] for e in node.events("unprimed")] == [port]


def test_origin_that_srv_records_name_reaches_the_player_through_the_node(site):
    """D1 and B6 together: the ARN learns from the DNS where the address's content is, tells the node
    with the prime, and a player that knows nothing of all this gets the channel from there. The node
    has no upstream of its own. In a URL it is the same (D4)."""
    dns = "127.0.0.53"
    origin = site.origin("origin", "10.2.0.10")
    Knot(site.host, site.folder, dns, {
        "cbb.net": "_rtsp._tcp.anycast-10-1-18-27 1 SRV 10 0 554 cam.acme.com.\n",
        "acme.com": "cam 1 A 10.2.0.10\n"})
    node = site.agent("sn806", "10.2.0.6")
    arn = site.arn(f'''
naming {{ zone = "cbb.net" servers = "{dns}" }}
service "acme" {{ address = "{ANYCAST}" }}
service "any" {{ address = "10.1.18.28" origin = "url" allow = "*.acme.com" }}
''')
    site.route_statically()
    site.route_statically("10.2.0.0/24")
    wait_until(lambda: known(arn, "sn806"), "the node is known")
    wait_up(arn)

    def primed(address, path):
        """Where a client is sent: the usual port while the name and the port are not there yet."""
        host, port, got = location(site, path, address)
        assert (host, got) == ("10.2.0.6", path)
        return port >= 20000 and port

    by_name = wait_until(lambda: primed(ANYCAST, "/news"), "the node is primed")
    by_url = wait_until(lambda: primed("10.1.18.28", "/=cam.acme.com/news"), "for the URL, too")
    assert by_name != by_url
    assert sorted(p["state"] for p in primes(node)) == sorted(p["state"] for p in primes(arn))
    for port, path in ((by_name, "/news"), (by_url, "/=cam.acme.com/news")):
        player = near.socket_in(site.client, lambda: Player("10.2.0.6", path, port=port))
        assert player.describe().status == 200
        player.play()
        watch(player, origin)
        player.close()
    assert {c["path"] for c in node.ask("show channels")["channels"]} == {"/news"}


def test_node_that_starts_anew_is_primed_anew(site):
    node = site.agent("sn806", "10.2.0.6")
    arn = site.arn("prime { rtsp = yes }\n")
    site.route_statically()
    site.route_statically("10.2.0.0/24")
    wait_until(lambda: known(arn, "sn806"), "the node is known")
    wait_up(arn)
    host, port, _ = location(site)
    assert port >= 20000
    node.stop(signal.SIGKILL)
    wait_until(lambda: not known(arn, "sn806"), "it is gone")
    node.start()
    wait_until(lambda: known(arn, "sn806"), "it is there again")
    wait_until(lambda: location(site)[1] >= 20000, "it is primed")
    with near.connect(site.client, *location(site)[:2]):
        pass
    assert len(primes(node)) == 1


def test_new_node_is_primed_before_anybody_asks(site):
    first = site.agent("sn806", "10.2.0.6")
    arn = site.arn("prime { rtsp = yes }\n")
    site.route_statically()
    wait_until(lambda: known(arn, "sn806"), "the node is known")
    wait_up(arn)
    location(site)
    second = site.agent("sn808", "10.2.0.8")
    wait_until(lambda: primes(second), "the second is primed too")
    assert [p["state"] for p in primes(second)] == [p["state"] for p in primes(first)]


def test_node_that_cannot_be_primed_serves_at_its_usual_port(site):
    """Fail open: who announces a control port that nobody answers at costs the first client the wait,
    the next ones nothing."""
    node = site.node("sn806", "10.2.0.6")
    node.fields.update({29: 7702, 30: 5, 31: 1})
    arn = site.arn("prime { rtsp = yes wait = 100 }\n")
    site.route_statically()

    def there():
        node.send()
        return known(arn, "sn806")

    wait_until(there, "the node is known")
    wait_up(arn)
    node.send()
    began = time.monotonic()
    assert location(site)[1] == 554
    assert time.monotonic() - began >= 0.1

    def given_up():
        node.send()
        return [p["status"] for p in primes(arn)] == ["does not answer"]

    wait_until(given_up, "the ARN does not wait for it any more")
    node.send()
    assert location(site)[1] == 554
    assert arn.ask("show counters")["nearcast_arn_prepared_total"] == 1


# ---- what a node does with a prime: the ARN is the test ----


class Asker:
    """Asks a node for ports as an ARN would."""

    def __init__(self, space, name="arn1"):
        self.name = name
        self.sender = hashlib.blake2b(name.encode(), digest_size=16).digest()[:8]
        self.epoch, self.counter, self.id = time.time_ns(), 0, 1000
        self.sock = near.socket_in(space, socket.socket, socket.AF_INET, socket.SOCK_DGRAM)

    def seal(self, payload, key=near.KEY):
        self.counter += 1
        head = b"NCST" + struct.pack(">BBH", 1, PRIME, near.KEY_ID) + self.sender
        message = head + struct.pack(">QQQ", self.epoch, self.counter, time.time_ns()) + payload
        return message + hashlib.blake2b(message, digest_size=32, key=key).digest()

    def ask_bytes(self, node, generation, origins=(), anycast=ANYCAST, **more):
        self.id += 1
        fields = {1: self.id, 2: self.name, 3: more.get("to", node), 4: generation,
                  5: more.get("service", 1), 6: ipaddress.ip_address(anycast).packed}
        body = [near.cbor(k) + near.cbor(v) for k, v in fields.items()]
        if origins:
            packed = [ipaddress.ip_address(h).packed + struct.pack(">H", p) for h, p in origins]
            body.append(near.cbor(8) + bytes([0x80 | len(packed)]) + b"".join(map(near.cbor, packed)))
        for key, name in ((9, "channel"), (10, "expect")):
            if name in more:
                body.append(near.cbor(key) + near.cbor(more[name]))
        return bytes([0xA0 | len(body)]) + b"".join(body)

    def exchange(self, datagram, host="10.2.0.6", timeout=3.0):
        """The answer: {key: number}; or None."""
        self.sock.settimeout(timeout)
        self.sock.sendto(datagram, (host, 7702))
        try:
            return self.decode(self.sock.recv(2048))
        except TimeoutError:
            return None

    @staticmethod
    def decode(message):
        assert message[5] == PRIMED
        data, at, found = message[40:-32], 1, {}

        def item(at):
            major, n = data[at] >> 5, data[at] & 31
            at += 1
            if n >= 24:
                size = 1 << n - 24
                n, at = int.from_bytes(data[at:at + size], "big"), at + size
            return (data[at:at + n].decode(), at + n) if major == 3 else (n, at)

        for _ in range(data[0] & 31):
            key, at = item(at)
            found[key], at = item(at)
        return found

    def ask(self, node, generation, *args, **more):
        got = self.exchange(self.seal(self.ask_bytes(node, generation, *args, **more)))
        assert got and got[1] == self.id
        return got.get(5, GRANTED), got.get(6), got[4]


def generation_of(asker):
    status, port, generation = asker.ask("sn806", 1)
    assert status == GENERATION and port is None
    return generation


def watch(player, publisher):
    """Until what is sent comes, and then all of it: the node has to subscribe at the origin first."""
    wait_until(lambda: publisher.send(1) and player.numbers(), "the channel flows")
    player.wait(publisher.send(20))


def played(site, port, publisher, path="/news", **options):
    player = near.socket_in(site.lan, lambda: Player("10.2.0.6", path, port=port, **options))
    assert player.describe().status == 200
    player.play()
    watch(player, publisher)
    return player


def test_channel_comes_from_the_origin_that_the_port_is_bound_to(site):
    """Two providers have a channel of the same name; an unmodified player gets that of its port. A
    port whose state names the channel gives that, whatever the player asks for."""
    one = site.origin("one", "10.2.0.10", first=100)
    other = site.origin("other", "10.2.0.9", first=30000)
    node = site.agent("sn806", "10.2.0.6")
    asker = Asker(site.lan)
    g = generation_of(asker)
    ports = [asker.ask("sn806", g, [(h, 554)])[1] for h in ("10.2.0.10", "10.2.0.9")]
    named = asker.ask("sn806", g, [("10.2.0.9", 554)], channel="/news")[1]
    assert len({*ports, named}) == 3
    players = [played(site, p, source) for p, source in zip(ports, (one, other))]
    players.append(played(site, named, other, "/what/the/player/knows"))
    assert players[0].numbers()[0] < 1000 and players[1].numbers()[0] >= 30000
    assert len(node.ask("show channels")["channels"]) == 2
    # At the usual port nobody knows of these origins; and nobody publishes at theirs.
    usual = near.socket_in(site.lan, Rtsp, "10.2.0.6")
    assert usual.ask("DESCRIBE", "/news").status == 404
    usual.close()
    with pytest.raises(AssertionError, match="403"):
        near.socket_in(site.lan, lambda: Publisher("10.2.0.6", "/mine", port=ports[0]))
    for p in players:
        p.close()


def test_client_fails_over_between_primed_ports(site):
    """What it missed it gets in one flight at another node's port, which has another number: the
    same state, the same channel, the same packets."""
    source = site.origin("one", "10.2.0.10")
    nodes = [site.agent("sn806", "10.2.0.6"), site.agent("sn808", "10.2.0.8",
                                                         'prime { ports = "30000-30099" max = 9 }\n')]
    asker = Asker(site.lan)
    ports = []
    for name, host in (("sn806", "10.2.0.6"), ("sn808", "10.2.0.8")):
        ask = lambda g: asker.exchange(  # noqa: E731
            asker.seal(asker.ask_bytes(name, g, [("10.2.0.10", 554)])), host)
        ports.append(ask(ask(1)[4])[6])
    assert ports[0] < 30000 <= ports[1]
    first = played(site, ports[0], source, nearcast=True)
    got = first.numbers()
    nodes[0].stop(signal.SIGKILL)
    missed = source.send(30)
    second = near.socket_in(site.lan, lambda: Player("10.2.0.8", port=ports[1], nearcast=True))
    second.attach([got[-1] + 1])
    second.wait(missed + source.send(10))
    assert second.numbers()[0] == (got[-1] + 1) & 0xFFFF
    first.close()
    second.close()


def test_node_fetches_ahead_what_a_client_is_about_to_ask_for(site):
    source = site.origin("one", "10.2.0.10")
    node = site.agent("sn806", "10.2.0.6")
    asker = Asker(site.lan)
    g = generation_of(asker)
    status, port, _ = asker.ask("sn806", g, [("10.2.0.10", 554)], expect="/news")
    assert status == GRANTED

    def subscribed():
        source.send(1)
        return [c["media"][0]["packets"] for c in node.ask("show channels")["channels"]
                if c["media"]] > [0]

    wait_until(subscribed, "packets come before the player does")
    player = played(site, port, source)
    player.close()
    asker.ask("sn806", g, [("10.2.0.10", 554)], expect="/news")
    wait_until(lambda: not node.ask("show channels")["channels"], "nobody came", 15)


def test_same_state_has_the_same_port_whoever_asks_however_often(site):
    site.agent("sn806", "10.2.0.6", "prime { max = 2 }\n")
    asker, other = Asker(site.lan), Asker(site.lan, "arn2")
    g = generation_of(asker)
    port = asker.ask("sn806", g)[1]
    datagram = asker.seal(asker.ask_bytes("sn806", g))
    assert asker.exchange(datagram)[6] == port
    assert asker.exchange(datagram, timeout=0.5) is None, "a recording is answered by nothing"
    assert other.ask("sn806", g)[1] == port
    assert asker.ask("sn806", g, anycast="10.1.18.28")[1] != port
    # All are taken, and none has been idle for long enough to give way.
    assert asker.ask("sn806", g, anycast="10.1.18.29")[0] == FULL
    assert asker.ask("sn806", g, service=2)[0] == NO_SERVICE


def test_stranger_and_recording_prime_nothing(site):
    """C5: without the key, for another node, in another life: no port is opened, none is kept."""
    node = site.agent("sn806", "10.2.0.6")
    asker = Asker(site.lan)
    g = generation_of(asker)
    body = asker.ask_bytes("sn806", g)
    assert asker.exchange(asker.seal(body, key=bytes(32)), timeout=0.5) is None
    assert asker.exchange(asker.seal(asker.ask_bytes("sn808", g)), timeout=0.5) is None
    assert not primes(node)
    recording = asker.seal(body)
    assert asker.exchange(recording)[6]
    node.stop(signal.SIGKILL)
    node.start()
    assert asker.exchange(recording)[5] == GENERATION, "of a life that is over"
    assert not primes(node)
    assert asker.exchange(b"NCST" + bytes(200), timeout=0.2) is None
    assert node.ask("show counters")["primes_refused_total"] >= 2
