# SPDX-License-Identifier: GPL-2.0-or-later
"""The channel allocation service (row D3): the node at a source's site gives channels their numbers,
and ARNs ask it; here with real daemons, a name server, and services that behave as the test says.

    client ---- router ---- arn host (arn, name server) ---- LAN: source, sn806, services
"""

import http.client
import json
import signal
import socket
import threading
import time
import urllib.parse

import pytest

import near_testlib as near
from conftest import wait_until
from knot_server import Knot
from sn_testlib import Player, Publisher, Rtsp
from test_arn import ANYCAST, wait_up
from test_prime import Primed, known, location, primes, watch

DNS, PORT = "127.0.0.53", 8080
SOURCE, SERVICE = "10.2.0.10", "10.2.0.9"
NEWS = f"rtsp://{ANYCAST}/news"
CAS = f'cas {{ listen = "{SOURCE}:{PORT}" anycast = "10.1.18.0/24" ttl = 1000 {{more}} }}\n'
SRV = "_cas._tcp.anycast-10-1-18-27 1 SRV 10 0 8080 {host}.acme.com.\n"


class Site(Primed):
    def source(self, more="", options=""):
        """The node at the source's site; it announces itself nowhere."""
        text = f'name = "source"\naddress = "{SOURCE}"\nrtsp {{ publishers = "10.2.0.0/24" }}\n'
        text += CAS.replace("{more}", more).replace("{{", "{").replace("}}", "}") + options
        self.source_node = near.Daemon(
            self.lan, self.program("sn-agent"), self.folder, "source", text)
        return self.source_node

    def publish(self, path="/news", **kwargs):
        publisher = near.socket_in(self.lan, lambda: Publisher(SOURCE, path, **kwargs))
        self.publishers.append(publisher)
        return publisher

    def open(self, host="source", more=""):
        """Name server, node without upstreams, ARN."""
        self.knot = Knot(self.host, self.folder, DNS, {
            "cbb.net": SRV.format(host=host),
            "acme.com": f"source 1 A {SOURCE}\nservice 1 A {SERVICE}\n"})
        self.node = self.agent("sn806", "10.2.0.6")
        self.redirector = self.arn(f'''
naming {{ zone = "cbb.net" servers = "{DNS}" timeout = 200 tries = 1 retry = 100 retry-max = 200 }}
service "acme" {{ address = "{ANYCAST}" fallback = "{SOURCE}" }}
prime {{ wait = 1000 }}
cas {{ ask = yes timeout = 300 retry = 100 retry-max = 200 negative-max = 300 {more} }}
''')
        self.route_statically()
        self.route_statically("10.2.0.0/24")
        wait_until(lambda: known(self.redirector, "sn806"), "the node is known")
        wait_up(self.redirector)
        return self.redirector


@pytest.fixture
def site(namespaces, link, program, tmp_path):
    made = Site(namespaces, link, program, tmp_path)
    yield made
    made.close()


def get(site, target, method="GET"):
    conn = http.client.HTTPConnection(SOURCE, PORT, timeout=5)
    conn.sock = near.connect(site.lan, SOURCE, PORT)
    conn.request(method, target)
    answer = conn.getresponse()
    body = answer.read()
    conn.close()
    return answer.status, answer.getheader("Content-Type"), body


def channel(site, url):
    status, kind, body = get(site, "/channel?url=" + urllib.parse.quote(url, safe=""))
    assert kind == "application/json"
    return status, json.loads(body)


def allotments(daemon):
    return {a["url"]: a for a in daemon.ask("show allotments")["allotments"]}


def answered(node):
    return node.ask("show counters")["cas_allotted_total"]


def test_d3_the_source_allots_what_it_has_and_says_what_is_wrong(site):
    configured = f'channel "one" {{ url = "rtsp://10.9.9.9/one" path = "/acme/1" }}\n'
    node = site.source("max = 2", configured)
    assert channel(site, NEWS)[0] == 404, "nobody publishes it"
    source = site.publish()
    status, answer = channel(site, NEWS)
    assert status == 200 and answer == {
        "url": NEWS, "source": f"{SOURCE}:554", "channel": answer["channel"], "ttl": 1}
    assert 1 <= answer["channel"] < 1 << 31
    assert channel(site, f"RTSP://{ANYCAST}:554/news/")[1] == answer, "one spelling"
    number, fixed = answer["channel"], channel(site, "rtsp://10.9.9.9/one")[1]["channel"]
    assert number != fixed, "a configured one has its number without being live"
    assert channel(site, "rtsp://10.1.18.99/news")[0] == 503, "max is reached"
    assert channel(site, "rtsp://10.9.9.9/news")[0] == 404, "not its provider's"
    for bad in ("", "news", "http://10.1.18.27/news", "rtsp://acme/news", NEWS + "?a=1", "\0"):
        assert channel(site, bad)[0] == 400, bad
    assert get(site, "/channel")[0] == 400 and get(site, "/")[0] == 404
    assert get(site, "/channel?url=" + "x" * 20000)[0] >= 400
    assert get(site, "/channel", "POST")[0] == 405
    # Whoever joins by the number has the channel; nobody is fooled by one that nobody has.
    player = near.socket_in(site.lan, lambda: Player(SOURCE, f"/={number}"))
    assert player.describe().status == 200
    player.play()
    watch(player, source)
    player.close()
    stranger = near.socket_in(site.lan, Rtsp, SOURCE)
    assert stranger.ask("DESCRIBE", f"/={number + 1}").status == 404
    stranger.close()
    assert allotments(node)[NEWS]["number"] == number and allotments(node)[NEWS]["live"]
    # A node that starts anew gives the same.
    node.stop()
    node.start()
    site.publish()
    assert channel(site, NEWS)[1]["channel"] == number


def test_d3_an_allotment_that_nobody_wants_any_more_ends(site):
    node = site.source("lifetime = 1100")
    source = site.publish()
    number = channel(site, NEWS)[1]["channel"]
    player = near.socket_in(site.lan, lambda: Player(SOURCE, f"/={number}"))
    assert player.describe().status == 200
    player.play()
    watch(player, source)
    time.sleep(1.5)  # longer than its lifetime: what is played stays
    assert NEWS in allotments(node)
    player.close()
    wait_until(lambda: not allotments(node), "it is forgotten")


def test_d3_a_player_gets_the_channel_that_the_service_says(site):
    """From end to end: the ARN finds the service by SRV records, asks it, and primes a node that has
    no upstream; a player that knows nothing of all this has the channel."""
    node = site.source()
    source = site.publish()
    arn = site.open()
    host, port, path = location(site)
    assert host == "10.2.0.6" and port >= 20000 and path == "/news"
    number = allotments(node)[NEWS]["number"]
    known_there = allotments(arn)[NEWS]
    assert known_there["number"] == number and known_there["source"] == f"{SOURCE}:554"
    assert known_there["state"] == "fresh"
    assert primes(site.node)[0]["state"].endswith(f" /={number}")
    player = near.socket_in(site.client, lambda: Player(host, port=port))
    assert player.describe().status == 200
    player.play()
    watch(player, source)
    explained = arn.ask(f"explain {NEWS}")
    assert explained["channel"] == f"rtsp://{SOURCE}:554/={number}"
    assert "srv cas " + ANYCAST in {o["origin"] for o in arn.ask("show names")["origins"]}
    # Answers end, and are asked for anew while they are used; then the service is gone.
    location(site, "/news/trackID=0")
    assert set(allotments(arn)) == {NEWS}
    asked = answered(node)
    wait_until(lambda: answered(node) > asked, "it is asked again")
    node.stop(signal.SIGKILL)
    wait_until(lambda: allotments(arn)[NEWS]["state"] == "stale", "the answer is stale")
    assert location(site) == (host, port, path), "and used"
    player.close()


class Service:
    """A channel allocation service that behaves as it is told."""

    def __init__(self, space):
        self.behaviour, self.asked, self.held = "silent", 0, []

        def make():
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((SERVICE, PORT))
            s.listen(64)
            return s

        self.listener = near.socket_in(space, make)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn = self.listener.accept()[0]
            except OSError:
                return
            try:
                self.serve(conn)
            except OSError:
                conn.close()

    def serve(self, conn):
        conn.settimeout(5)
        head = conn.recv(4096).decode()
        self.asked += 1
        url = urllib.parse.unquote(head.split()[1].split("url=")[1])
        if self.behaviour == "silent":
            return self.held.append(conn)
        good = json.dumps({"url": url, "source": f"{SOURCE}:554", "channel": 77, "ttl": 1})
        head, kind, body = "200 OK", "application/json; charset=utf-8", {
            "garbage": "\x00[{]",
            "deep": "[" * 4000,
            "other": good.replace("/news", "/views"),
            "multicast": good.replace(SOURCE, "239.1.1.1"),
        }.get(self.behaviour, good)
        if self.behaviour == "html":
            kind = "text/html"
        if self.behaviour == "redirect":
            head = "302 Found\r\nLocation: /channel?url=" + url
        if self.behaviour == "broken":
            head = "500 Oh"
        conn.sendall(f"HTTP/1.1 {head}\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode())
        for _ in range(64 if self.behaviour == "huge" else 0):
            conn.sendall(b"[" * 65536)
        conn.sendall(body.encode())
        return conn.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for conn in self.held:
            conn.close()


def test_d3_without_a_sound_answer_clients_go_where_they_went_before(site):
    """Fail open: whatever the service does, the client is answered in time, to the origin's fallback."""
    site.source()
    service = Service(site.lan)
    arn = site.open("service")
    wrong = {
        "silent": "imed out", "garbage": "read", "deep": "read", "other": "url:", "html": "type",
        "multicast": "source:", "redirect": "302", "broken": "500", "huge": "large"}
    for behaviour, reason in wrong.items():
        service.behaviour = behaviour
        began = time.monotonic()
        url = f"{NEWS}-{behaviour}" if behaviour != "other" else NEWS
        host, port, _ = location(site, url.removeprefix(f"rtsp://{ANYCAST}"))
        assert host == "10.2.0.6" and time.monotonic() - began < 3
        wait_until(lambda: (allotments(arn)[url]["reason"] or "").find(reason) >= 0, behaviour)
        assert allotments(arn)[url]["state"] in ("failed", "unknown")
    assert all("/=" not in p["state"] for p in primes(site.node))
    service.behaviour = "good"
    wait_until(lambda: allotments(arn)[NEWS]["state"] == "fresh", "it is asked again")
    location(site)
    wait_until(lambda: any(p["state"].endswith(" /=77") for p in primes(site.node)), "and believed")
    service.close()


def test_d3_many_urls_at_a_slow_service_are_bounded(site):
    site.source()
    service = Service(site.lan)
    arn = site.open("service", more="entries = 16")
    for i in range(40):
        s = near.connect(site.client, ANYCAST, 554)
        s.sendall(f"DESCRIBE rtsp://{ANYCAST}/c{i} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
        site.held = getattr(site, "held", []) + [s]
    for s in site.held:
        s.settimeout(5)
        assert s.recv(4096).startswith(b"RTSP/1.0 302"), "nobody is left waiting"
        s.close()
    assert len(allotments(arn)) <= 16
    service.close()
