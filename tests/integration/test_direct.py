# SPDX-License-Identifier: GPL-2.0-or-later
"""Row B3, direct: the real ARN serves short content that it has itself, and nothing else that is on
its disk. No node is ever alive here."""

import json
import os
import subprocess
import sys

import pytest

import near_testlib as near
from conftest import wait_until

ANYCAST = "10.1.18.27"
WHOLE = 13800  # bytes: the longest object

OPTIONS = """
name = "arn804"
anycast {{ block = "{block}" hang-bound = 1000 hold = 100 }}
node "dead" {{ address = "192.0.2.1" http-port = 80 rtsp-port = 0 }}
direct {{ directory = "{directory}" {more} }}
"""


class Place:
    """A client, an ARN beside it, and the directory of what the ARN has."""

    def __init__(self, namespaces, link, program, folder):
        self.client, self.host = namespaces("client"), namespaces("host")
        link(self.client, "up0", self.host, "down0")
        near.address(self.client, "up0", "10.9.0.2/24", "2001:db8:9::2/64")
        near.address(self.host, "down0", "10.9.0.1/24", "2001:db8:9::1/64")
        self.client.run("ip", "route", "add", "default", "via", "10.9.0.1")
        self.client.run("ip", "route", "add", "default", "via", "2001:db8:9::1")
        self.program, self.folder = program, folder
        self.directory = folder / "direct"
        self.directory.mkdir()
        self.arn = None

    def put(self, path, content):
        """As an operator should: the file is there at once, whole."""
        at = self.directory / path
        at.parent.mkdir(parents=True, exist_ok=True)
        fresh = at.with_name(f".{at.name}.new")
        fresh.write_bytes(content)
        os.replace(fresh, at)

    def options(self, more="", block="10.1.18.0/24"):
        return OPTIONS.format(directory=self.directory, block=block, more=more)

    def start(self, objects, **kwargs):
        self.arn = near.Daemon(
            self.host, self.program("arn"), self.folder, "arn804", self.options(**kwargs)
        )
        wait_until(lambda: self.arn.ask("show status")["block"]["state"] == "up", "the block is up")
        self.wait_objects(objects)

    def shown(self):
        return self.arn.ask("show status")["direct"]

    def wait_objects(self, n):
        wait_until(lambda: self.shown()["objects"] == n, f"the ARN has {n} objects")

    def get(self, path, *options, host=ANYCAST):
        """(status, headers, body) of curl."""
        done = subprocess.run(
            self.client.command(
                "curl", "-sgi", "--path-as-is", "-m", "10", *options, f"http://{host}{path}"
            ),
            capture_output=True,
            check=True,
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        return int(lines[0].split()[1]), headers, body


@pytest.fixture
def place(namespaces, link, program, tmp_path):
    return Place(namespaces, link, program, tmp_path)


def test_object_is_served_with_no_node_alive_and_told_of(place):
    content = os.urandom(WHOLE)
    place.put(f"{ANYCAST}/a.bin", content)
    place.put("default/robots.txt", b"User-agent: *\n")
    place.start(2)
    status, headers, body = place.get("/a.bin")
    assert (status, body) == (200, content)
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Cache-Control"] == "max-age=60" and "Date" not in headers
    assert place.get("/a.bin", host="10.1.18.28")[0] != 200
    assert place.get("/robots.txt", host="10.1.18.28")[2] == b"User-agent: *\n"
    assert place.shown() == {
        "directory": str(place.directory), "objects": 2, "bytes": WHOLE + 14, "left_out": 0,
    }
    counters = place.arn.ask("show counters")
    assert counters['nearcast_arn_requests_total{proto="http",answer="direct"}'] == 2
    assert counters["nearcast_arn_direct_bytes_total"] == WHOLE + 14
    assert counters["nearcast_arn_direct_objects"] == 2
    # What the client has already is not sent again.
    again = place.get("/a.bin", "-H", f"If-None-Match: {headers['ETag']}")
    assert again[0] == 304 and again[2] == b""
    again = place.get("/a.bin", "-H", f"If-Modified-Since: {headers['Last-Modified']}")
    assert again[0] == 304
    status, headers, body = place.get("/a.bin", "-I")
    assert (status, headers["Content-Length"], body) == (200, str(WHOLE), b"")
    assert place.arn.ask(f"explain http://{ANYCAST}/a.bin")["direct"]
    assert not place.arn.ask("explain http://10.1.18.28/a.bin")["direct"]
    # Whoever is drained has it still, for whom still comes.
    place.arn.ask("drain")
    assert place.arn.ask("show status")["draining"]


def test_object_is_served_over_ipv6(place):
    place.put("2001:db8:18::27/a.txt", b"six")
    place.start(1, block="2001:db8:18::/64")
    assert place.get("/a.txt", host="[2001:db8:18::27]")[2] == b"six"
    assert place.get("/a.txt", host="[2001:db8:18::28]")[0] != 200


def test_nothing_outside_of_the_directory_is_ever_served(place):
    secret = place.folder / "secret.txt"
    secret.write_text("secret")
    place.put("default/a.txt", b"a")
    place.put("default/.hidden.txt", b"secret")
    place.put("10.9.9.9/other.txt", b"secret")
    (place.directory / "default" / "link.txt").symlink_to(secret)
    (place.directory / "default" / "out").symlink_to(place.folder)
    place.start(1)
    assert place.shown()["left_out"] == 3
    for path in (
        "/link.txt", "/out/secret.txt", "/.hidden.txt", "/other.txt", "/../../secret.txt",
        "/../secret.txt", "/%2e%2e/%2e%2e/secret.txt", "/..%2f..%2fsecret.txt", "//a.txt",
        "/10.9.9.9/other.txt", "/../10.9.9.9/other.txt", "/a.txt%00", "/a.txt/", "/default/a.txt",
        str(secret), "/etc/passwd", "/..%5c..%5csecret.txt",
    ):
        status, _, body = place.get(path)
        assert status != 200 and b"secret" not in body, path
    assert place.get("/a.txt")[2] == b"a"
    log = place.arn.text()
    for name in ("default/link.txt", "default/out", "10.9.9.9"):
        assert f"{place.directory}/{name} is left out" in log


def test_files_that_change_are_seen_and_a_broken_directory_changes_nothing(place):
    place.put("default/a.txt", b"one")
    place.put("default/long.txt", bytes(WHOLE + 1))
    place.start(1)
    _, headers, _ = place.get("/a.txt")
    assert place.get("/long.txt")[1].get("Location") == "http://192.0.2.1/long.txt"
    place.put("default/a.txt", b"two")
    wait_until(lambda: place.get("/a.txt")[2] == b"two", "the new file is served")
    assert place.get("/a.txt", "-H", f"If-None-Match: {headers['ETag']}")[0] == 200
    (place.directory / "default" / "long.txt").unlink()
    place.put("default/b.txt", b"b")
    place.wait_objects(2)
    # The directory goes: the objects stay.
    place.directory.rename(place.folder / "elsewhere")
    wait_until(lambda: "trouble" in place.shown(), "the ARN says so")
    assert place.get("/a.txt")[2] == b"two"
    # A link that is pointed elsewhere is a new set at once.
    (place.folder / "release" / "default").mkdir(parents=True)
    (place.folder / "release" / "default" / "a.txt").write_bytes(b"three")
    place.directory.symlink_to(place.folder / "release")
    place.wait_objects(1)
    assert place.get("/a.txt")[2] == b"three" and "trouble" not in place.shown()
    # At a reload, too, with other bounds; and none any more.
    place.arn.configure(place.options(more="max-age = 7"))
    place.arn.ask("reload")
    wait_until(lambda: place.get("/a.txt")[1]["Cache-Control"] == "max-age=7", "it is reloaded")
    place.arn.configure(place.options().replace(str(place.directory), ""))
    place.arn.ask("reload")
    place.wait_objects(0)
    assert place.get("/a.txt")[0] == 302


def test_request_in_pieces_gets_the_same(place):
    content = os.urandom(WHOLE)
    place.put("default/a.bin", content)
    place.start(1)
    with near.connect(place.client, ANYCAST, 80, 10) as s:
        s.sendall(b"GET /a.bin HTTP/1.1\r\nHo")
        wait_until(lambda: place.arn.ask("show status")["connections"] == 1, "it has come in part")
        s.sendall(b"st: x\r\n\r\n")
        got = b"".join(iter(lambda: s.recv(65536), b""))
    assert got.partition(b"\r\n\r\n")[2] == content


# A client that is no kernel's: it shakes hands, asks, and then acknowledges nothing. What it gets
# before anything comes twice is the first flight.
SILENT_CLIENT = r"""
import json, socket, struct, sys, time
src, dst, mss, request = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4].encode()
def checksum(b):
    b += bytes(len(b) % 2)
    s = sum(struct.unpack(f"!{len(b) // 2}H", b))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff
def send(seq, ack, flags, payload=b"", options=b""):
    def tcp(c):
        return struct.pack("!HHIIBBHHH", 40000, 80, seq, ack, (5 + len(options) // 4) << 4, flags,
                           65535, c, 0) + options + payload
    pseudo = socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!HH", 6, len(tcp(0)))
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp(0)), 1, 0x4000, 64, 6, 0,
                     socket.inet_aton(src), socket.inet_aton(dst))
    out.sendto(ip + tcp(checksum(pseudo + tcp(0))), (dst, 0))
def receive():
    while True:
        p = tap.recv(65536)[14:]
        if p[9] == 6 and p[12:20] == socket.inet_aton(dst) + socket.inet_aton(src):
            length, t = struct.unpack("!H", p[2:4])[0], p[(p[0] & 15) * 4:]
            data = p[(p[0] & 15) * 4 + (t[12] >> 4) * 4:length]
            return struct.unpack("!I", t[4:8])[0], t[13], data
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
tap.bind(("up0", 0))
tap.settimeout(10)
send(1000, 0, 2, options=struct.pack("!BBH", 2, 4, mss))
seq, flags, _ = receive()
while flags != 0x12:
    seq, flags, _ = receive()
first = seq + 1
send(1001, first, 0x10)
send(1001, first, 0x18, request)
got, sizes, fin = b"", [], False
while not fin:
    seq, flags, data = receive()
    if flags & 2 or (not data and not flags & 1):
        continue
    if seq != first + len(got):
        break
    got += data
    sizes.append(len(data))
    fin = bool(flags & 1)
print(json.dumps({"bytes": len(got), "segments": len(sizes), "fin": fin,
                  "body": len(got.partition(b"\r\n\r\n")[2])}))
"""


def test_longest_answer_comes_whole_in_one_flight(place):
    place.put("default/a.bin", os.urandom(WHOLE))
    place.start(1)
    # The address is nobody's, so that no kernel answers for it.
    link = json.loads(place.client.run("ip", "-j", "link", "show", "up0").stdout)[0]
    place.host.run("ip", "neigh", "add", "10.9.0.77", "lladdr", link["address"], "dev", "down0")
    # As with IPv6 and timestamps, the least that 1500 bytes leave.
    done = place.client.run(
        sys.executable, "-c", SILENT_CLIENT, "10.9.0.77", ANYCAST, "1428",
        "GET /a.bin HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    got = json.loads(done.stdout)
    print(got)
    assert got["fin"] and got["body"] == WHOLE
