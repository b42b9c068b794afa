# SPDX-License-Identifier: GPL-2.0-or-later
"""Where content comes from: an ARN and a real name server (Knot DNS) in one namespace.

Rows D1 srv, D4 url.
"""

import socket

import pytest

import near_testlib as near
from conftest import wait_until
from knot_server import Knot

BLOCK = "10.1.18.0/24"
ACME, URL, NOBODY = "10.1.18.27", "10.1.18.28", "10.1.18.99"
V6BLOCK, V6ACME = "2001:db8:1::/64", "2001:db8:1::27"
DNS = "127.0.0.53"

OPTIONS = """
name = "arn1"
anycast {{ block = "{block}" hold = 0 }}
node "sn1" {{ address = "{node}" rtsp-port = 554 http-port = 8080 }}
probe {{ interval = 0 }}
naming {{
	zone = "cbb.net"
	servers = "{dns}"
	timeout = 200
	tries = 1
	ttl-max = 5000
	negative-max = 1000
	retry = 100
	retry-max = 200
	{naming}
}}
{services}
"""

SERVICES = f"""
service "acme" {{ address = "{ACME}" }}
service "any" {{ address = "{URL}" origin = "url" allow = "*.acme.com:8554, 10.8.0.0/16" }}
"""

# The patent's form for HTTP, RFC 2782's for RTSP.
CBB = """
anycast-10-1-18-27.http.tcp 1 SRV 10 0 80 www.acme.com.
_rtsp._tcp.anycast-10-1-18-27 1 SRV 10 0 8554 www.acme.com.
_rtsp._tcp.anycast-10-1-18-27 1 SRV 20 0 554 spare.acme.com.
anycast-2001-db8-1-0-0-0-0-27.rtsp.tcp 1 SRV 10 0 554 www.acme.com.
"""
ACME_COM = """
www 1 CNAME origin
origin 1 A 10.8.0.8
origin 1 AAAA 2001:db8:8::8
spare 1 A 10.8.0.9
cam 1 A 10.8.0.10
loop CNAME pool
pool CNAME loop
old 604800 A 10.8.0.11
"""


class Site:
    """One host, which is its own client."""

    def __init__(self, namespaces, program, folder):
        self.host = namespaces("host")
        self.program, self.folder = program, folder
        self.knot = self.arn = None

    def start_knot(self, **more):
        self.knot = Knot(self.host, self.folder, DNS, {"cbb.net": CBB, "acme.com": ACME_COM}, **more)

    def start_arn(self, services=SERVICES, block=BLOCK, node="10.2.0.6", naming=""):
        options = OPTIONS.format(services=services, block=block, node=node, naming=naming, dns=DNS)
        self.arn = near.Daemon(self.host, self.program("arn"), self.folder, "arn", options)
        wait_until(lambda: self.arn.ask("show status")["block"]["state"] == "up", "the block is up")

    def rtsp(self, address, path):
        text = f"DESCRIBE rtsp://x{path} RTSP/1.0\r\nCSeq: 1\r\n\r\n"
        return near.exchange(self.host, address, 554, text.encode())

    def http(self, address, path):
        text = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"
        return near.exchange(self.host, address, 80, text.encode())

    def origin(self, name):
        found = [o for o in self.arn.ask("show names")["origins"] if o["origin"] == name]
        return found[0] if found else {"state": "none", "targets": [], "reason": None}

    def wait_origin(self, name, *states):
        return wait_until(
            lambda: self.origin(name)["state"] in states and self.origin(name), f"{name}: {states}"
        )


@pytest.fixture
def site(namespaces, program, tmp_path):
    return Site(namespaces, program, tmp_path)


def test_d1_srv_records_of_both_forms_lead_to_the_origin(site):
    site.start_knot()
    site.start_arn()
    status, headers = site.http(ACME, "/films/a.mp4?x=1")
    assert (status, headers["location"]) == (302, "http://10.2.0.6:8080/films/a.mp4?x=1")
    assert site.rtsp(ACME, "/news")[0] == 302
    http, rtsp = site.origin(f"srv http {ACME}"), site.origin(f"srv rtsp {ACME}")
    assert [t["host"] for t in http["targets"]] == ["www.acme.com"]
    assert http["targets"][0]["port"] == 80
    assert set(http["targets"][0]["addresses"]) == {"10.8.0.8", "2001:db8:8::8"}
    assert [(t["host"], t["port"], t["priority"]) for t in rtsp["targets"]] == [
        ("www.acme.com", 8554, 10),
        ("spare.acme.com", 554, 20),
    ]


def test_d1_ipv6_addresses_have_names_too(site):
    site.start_knot()
    site.start_arn(f'service "acme" {{ address = "{V6ACME}" }}', V6BLOCK, "2001:db8:2::6")
    assert site.rtsp(V6ACME, "/news")[0] == 302
    assert site.origin(f"srv rtsp {V6ACME}")["targets"][0]["host"] == "www.acme.com"


def test_d1_when_the_name_server_dies_what_is_known_is_used_and_then_a_clear_error_given(site):
    site.start_knot()
    site.start_arn(naming="stale = 3000")
    name = f"srv rtsp {ACME}"
    site.wait_origin(name, "known")
    site.knot.kill()
    stale = site.wait_origin(name, "stale")
    assert DNS in stale["reason"], stale
    assert site.rtsp(ACME, "/news")[0] == 302
    site.wait_origin(name, "failed")
    assert site.rtsp(ACME, "/news")[0] == 504
    assert f"name servers: {DNS}" in site.arn.text()
    site.knot.start()
    site.wait_origin(name, "known")
    assert site.rtsp(ACME, "/news")[0] == 302
    states = [e["state"] for e in site.arn.events("origin") if e["origin"] == name]
    # Not all records come back at one time.
    assert (states[:3], states[-1]) == (["known", "stale", "lost"], "known"), states


def test_d1_names_that_do_not_exist_are_denied_until_they_do(site):
    site.start_knot()
    site.start_arn(f'service "nobody" {{ address = "{NOBODY}" }}')
    site.wait_origin(f"srv rtsp {NOBODY}", "denied")
    assert site.rtsp(NOBODY, "/news")[0] == 502
    assert site.http(NOBODY, "/")[0] == 502
    assert site.rtsp("10.1.18.3", "/news")[0] == 302  # an address without a service


def test_d1_without_a_name_server_the_fallback_is_used(site):
    site.start_arn(f'service "acme" {{ address = "{ACME}" fallback = "10.8.0.9:8554" }}')
    site.wait_origin(f"srv rtsp {ACME}", "failed")
    assert site.rtsp(ACME, "/news")[0] == 302
    assert site.origin("host 10.8.0.9:8554")["state"] == "known"


def test_d1_lame_silent_and_senseless_servers_are_failures(site):
    def make():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((DNS, 53))
        s.settimeout(5)
        return s

    with near.socket_in(site.host, make) as server:
        site.start_arn(f'service "acme" {{ address = "{ACME}" }}')
        for kind in ("silent", "lame", "senseless"):
            question, peer = server.recvfrom(2048)
            if kind == "lame":  # REFUSED
                server.sendto(question[:2] + b"\x81\x85" + question[4:], peer)
            elif kind == "senseless":
                server.sendto(question[:2] + b"\xff" * 40, peer)
        failed = site.wait_origin(f"srv rtsp {ACME}", "failed")
        assert failed["reason"]
        assert site.rtsp(ACME, "/news")[0] == 504


def test_d1_a_long_ttl_is_cut_and_circles_of_aliases_end(site):
    site.start_knot()
    site.start_arn(f'service "any" {{ address = "{URL}" origin = "url" allow = "*.acme.com" }}')
    assert site.rtsp(URL, "/=old.acme.com/x")[0] == 302
    records = {r["record"]: r for r in site.arn.ask("show names")["records"]}
    assert records["A old.acme.com"]["for_s"] <= 5
    assert site.rtsp(URL, "/=loop.acme.com/x")[0] in (502, 504)
    assert site.origin("host loop.acme.com:554")["state"] in ("failed", "denied")


def test_d1_a_flush_has_the_name_servers_asked_again(site):
    site.start_knot()
    site.start_arn()
    site.wait_origin(f"srv rtsp {ACME}", "known")
    assert near.request(site.arn.control, "flush names nothing.net")[0] == 404
    before = site.arn.ask("show counters")["nearcast_arn_dns_queries_total"]
    assert site.arn.ask("flush names")["flushed"] > 3
    wait_until(
        lambda: site.arn.ask("show counters")["nearcast_arn_dns_queries_total"] > before + 3,
        "they are asked again",
    )
    site.wait_origin(f"srv rtsp {ACME}", "known")


def test_d4_an_origin_in_the_url_is_resolved_if_it_is_allowed(site):
    site.start_knot()
    site.start_arn()
    status, headers = site.rtsp(URL, "/=cam.acme.com:8554/live?a=b")
    assert (status, headers["location"]) == (302, "rtsp://10.2.0.6/=cam.acme.com:8554/live?a=b")
    assert site.origin("host cam.acme.com:8554")["targets"][0]["addresses"] == ["10.8.0.10"]
    assert site.rtsp(URL, "/=10.8.7.7/live")[0] == 302
    for path, status in (
        ("/=cam.acme.com/live", 403),  # another port
        ("/=evil.net:8554/live", 403),
        ("/=10.9.0.1/live", 403),
        ("/=[::1]/live", 403),
        ("/live", 404),
        ("/=no.acme.com:8554/live", 502),
    ):
        assert site.rtsp(URL, path)[0] == status, path


def test_d1_a_reload_changes_services_and_servers(site):
    site.start_knot()
    site.start_arn("")
    assert site.rtsp(ACME, "/news")[0] == 302
    assert site.arn.ask("show names")["origins"] == []
    options = site.arn.conf.read_text().replace("\n\n", "\n") + SERVICES
    site.arn.conf.write_text(options)
    assert site.arn.ask("reload").get("needs_restart") is None
    site.wait_origin(f"srv rtsp {ACME}", "known")
