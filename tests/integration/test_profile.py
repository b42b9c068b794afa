# SPDX-License-Identifier: GPL-2.0-or-later
"""Profiles of services from a web directory (row D5): an ARN, a name server and a web server that
behaves as the test says, in one namespace.
"""

import json
import socket
import threading
import time

import pytest

import near_testlib as near
from conftest import wait_until
from knot_server import Knot

ACME, OTHER, V6ACME = "10.1.18.27", "10.1.18.28", "2001:db8:1::27"
DNS, WEB, PORT = "127.0.0.53", "127.0.0.80", 8000

OPTIONS = """
name = "arn1"
anycast {{ block = "{block}" hold = 0 }}
node "sn1" {{ address = "{node}" }}
probe {{ interval = 0 }}
naming {{ servers = "{dns}" timeout = 200 tries = 1 retry = 100 retry-max = 200 }}
service "acme" {{ address = "{acme}" origin = "none" }}
profiles {{
	url = "{url}"
	ttl = 1000
	timeout = 500
	retry = 100
	retry-max = 200
	{more}
}}
"""
AFFINE = {"rtsp": {"policy": "channel-affinity", "affinity-limit": 70}}
HASHED = {"rtsp": {"policy": "consistent-hash", "bound": 5}}


class Web:
    """A web server: `documents` are bodies by path; `behaviour` is for all requests."""

    def __init__(self, space, address=WEB):
        self.space, self.address = space, address
        self.documents, self.behaviour, self.asked = {}, "serve", []
        self.held = []
        self.start()

    def start(self):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET

        def make():
            s = socket.socket(family, socket.SOCK_STREAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((self.address, PORT))
            s.listen(16)
            return s

        self.listener = near.socket_in(self.space, make)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                conn = listener.accept()[0]
            except OSError:
                return
            try:
                self.serve(conn)
            except OSError:
                conn.close()

    def serve(self, conn):
        conn.settimeout(5)
        head = b""
        while b"\r\n\r\n" not in head:
            got = conn.recv(4096)
            if not got:
                return conn.close()
            head += got
        lines = head.decode().split("\r\n")
        path = lines[0].split()[1]
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        self.asked.append((path, headers))
        if self.behaviour == "silent":
            self.held.append(conn)
            return None
        body = self.documents.get(path)
        tag = f'"{hash(body) & 0xffffff:x}"'
        if self.behaviour == "redirect":
            answer = f"302 Found\r\nLocation: {path}\r\nContent-Length: 0"
        elif self.behaviour == "broken":
            answer = "500 Oh\r\nContent-Length: 0"
        elif self.behaviour == "garbage":
            conn.sendall(b"\x00\xff no HTTP at all \r\n\r\n")
            return conn.close()
        elif self.behaviour == "huge":
            conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            for _ in range(64):
                conn.sendall(b"[" * 65536)
            return conn.close()
        elif body is None:
            answer = "404 Not Found\r\nContent-Length: 0"
        elif headers.get("if-none-match") == tag:
            answer = f"304 Not Modified\r\nETag: {tag}"
        else:
            answer = f"200 OK\r\nETag: {tag}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        end = "" if "\r\n\r\n" in answer else "\r\n\r\n"
        conn.sendall(f"HTTP/1.1 {answer.replace('OK', 'OK' + chr(13) + chr(10) + 'Connection: close', 1)}{end}".encode())
        return conn.close()

    def put(self, address, document):
        text = document if isinstance(document, str) else json.dumps(document)
        self.documents[f"/profiles/{address}.json"] = text

    def close(self):
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        for conn in self.held:
            conn.close()


class Site:
    def __init__(self, namespaces, program, folder):
        self.host = namespaces("host")
        self.program, self.folder = program, folder
        self.web = self.arn = None

    def start(self, server=WEB, acme=ACME, more=""):
        v6 = ":" in acme
        options = OPTIONS.format(
            url=f"http://{server}:{PORT}/profiles/%s.json", dns=DNS, acme=acme, more=more,
            block="2001:db8:1::/64" if v6 else "10.1.18.0/24",
            node="2001:db8:2::6" if v6 else "10.2.0.6")
        self.arn = near.Daemon(self.host, self.program("arn"), self.folder, "arn", options)
        wait_until(lambda: self.arn.ask("show status")["block"]["state"] == "up", "the block is up")

    def rtsp(self, address):
        text = f"DESCRIBE rtsp://{address}/news RTSP/1.0\r\nCSeq: 1\r\n\r\n"
        return near.exchange(self.host, address, 554, text.encode())[0]

    def profile(self, address=ACME):
        found = [p for p in self.arn.ask("show profiles")["profiles"] if p["address"] == address]
        return found[0] if found else {"state": "none", "reason": None}

    def wait(self, what, state, address=ACME):
        return wait_until(lambda: self.profile(address)["state"] == state and self.profile(address), what)

    def decided(self, address=ACME):
        host = f"[{address}]" if ":" in address else address
        told = self.arn.ask(f"explain rtsp://{host}/news")
        return told["policy"], told["profile"]

    def wait_decided(self, policy, profile=ACME, address=ACME):
        return wait_until(lambda: self.decided(address) == (policy, profile), f"{policy} by {profile}")


@pytest.fixture
def site(namespaces, program, tmp_path):
    made = Site(namespaces, program, tmp_path)
    yield made
    if made.web:
        made.web.close()


def test_d5_the_profile_decides_and_a_newer_one_after_it(site):
    """A server with a name, which the name server knows; fetched ahead for a service, and on demand for
    another address, whose first client does not wait for it."""
    Knot(site.host, site.folder, DNS, {"acme.com": f"www 1 A {WEB}\n"})
    site.web = Web(site.host)
    site.web.put(ACME, AFFINE)
    site.web.put(OTHER, HASHED)
    site.start("www.acme.com")
    site.wait("it is fetched", "fresh")
    assert site.decided() == ("channel-affinity", ACME)
    assert site.profile()["rtsp"] == {"policy": "channel-affinity", "affinity-limit": 70}
    assert site.profile(OTHER)["state"] == "none"
    began = time.monotonic()
    assert site.rtsp(OTHER) == 302
    assert time.monotonic() - began < 0.5
    site.wait_decided("consistent-hash", OTHER, OTHER)
    counters = lambda: site.arn.ask("show counters")  # noqa: E731
    unchanged = 'nearcast_arn_profile_fetches_total{result="unchanged"}'
    wait_until(lambda: counters()[unchanged] > 0, "it is revalidated")
    assert any("if-none-match" in h and h["host"] == f"www.acme.com:{PORT}" for _, h in site.web.asked)
    site.web.put(ACME, HASHED)
    site.wait_decided("consistent-hash")
    del site.web.documents[f"/profiles/{ACME}.json"]
    site.wait_decided("least-loaded", None)
    assert site.profile()["state"] == "denied"


@pytest.mark.parametrize("how,said", [
    ("gone", "connect"), ("silent", "timed out"), ("broken", "500"), ("redirect", "302"),
    ("garbage", ""), ("huge", "too large"), ("unreadable", "rtsp.policy: expected"), ("cut", "byte")])
def test_d5_a_server_that_fails_costs_nothing_that_is_known(site, how, said):
    site.web = Web(site.host)
    site.web.put(ACME, AFFINE)
    site.start()
    site.wait_decided("channel-affinity")
    if how == "gone":
        site.web.close()
    elif how == "unreadable":
        site.web.put(ACME, {"rtsp": {"policy": "best"}})
    elif how == "cut":
        site.web.put(ACME, '{"rtsp": {"policy"')
    else:
        site.web.behaviour = how
    stale = wait_until(lambda: site.profile()["state"] == "stale" and site.profile()["reason"] and
                       site.profile(), "its time is over, and why")
    assert said.lower() in stale["reason"].lower(), stale
    assert f"/profiles/{ACME}.json not renewed" in site.arn.text()
    assert site.decided() == ("channel-affinity", ACME) and site.rtsp(ACME) == 302
    if how == "gone":
        site.web.start()
    site.web.behaviour = "serve"
    site.web.put(ACME, HASHED)
    site.wait_decided("consistent-hash")


def test_d5_without_a_server_the_configuration_decides(site):
    site.start(more="stale = 0")
    assert site.wait("nobody is there", "failed")["reason"]
    assert site.rtsp(ACME) == 302 and site.decided() == ("least-loaded", None)
    site.web = Web(site.host)
    site.web.put(ACME, AFFINE)
    site.wait_decided("channel-affinity")
    site.web.close()
    site.wait_decided("least-loaded", None)  # stale = 0
    site.arn.conf.write_text(site.arn.conf.read_text().split("profiles {")[0])
    site.arn.ask("reload")
    assert site.arn.ask("show profiles")["profiles"] == [] and site.rtsp(ACME) == 302
    site.web.start()


def test_d5_ipv6_alike(site):
    site.web = Web(site.host, "::1")
    site.web.put(V6ACME, AFFINE)
    site.start("[::1]", V6ACME)
    site.wait_decided("channel-affinity", V6ACME, V6ACME)
