# SPDX-License-Identifier: GPL-2.0-or-later
"""The web cache of a node (row E1): what clients ask the anycast address for is fetched from the master
site that SRV records name, cached by the node's nginx, and served from there.

    client ---- router ---- arn host (arn, Knot DNS) ---- LAN: sn806, master site
"""

import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

import near_testlib as near
from conftest import wait_until
from knot_server import Knot
from test_arn import ANYCAST, Site, wait_up
from test_prime import Asker, GRANTED, NO_SERVICE
from web_origin import Master, Object

DNS = "127.0.0.53"
NODE, MASTER = "10.2.0.6", "10.2.0.10"
BY_URL = "10.1.18.28"
HTTP = 2
NAMES = {
    "cbb.net": "anycast-10-1-18-27.http.tcp 1 SRV 10 0 80 www.acme.com.\n",
    "acme.com": f"www 1 A {MASTER}\n",
}
NAMING = f'''
naming {{ zone = "cbb.net" servers = "{DNS}" ttl-min = 60000 }}
service "acme" {{ address = "{ANYCAST}" }}
service "any" {{ address = "{BY_URL}" origin = "url" allow = "*.acme.com" }}
probe {{ interval = 0 }}
'''


class Answer:
    """What curl has got in the end."""

    def __init__(self, text, body):
        heads = [h for h in text.replace("\r", "").split("\n\n") if h.startswith("HTTP/")]
        self.body = body
        self.status = int(heads[-1].split()[1])
        lines = heads[-1].splitlines()[1:]
        self.headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
        found = re.search(r"^location: (\S+)$", heads[0], re.MULTILINE | re.IGNORECASE)
        self.sent_to = found and found[1]

    @property
    def cache(self):
        """What the cache did, as its header says."""
        return self.headers.get("cache-status", "")


class Web(Site):
    def __init__(self, *args):
        super().__init__(*args)
        near.address(self.lan, "lan0", f"{MASTER}/24", "10.2.0.9/24")
        self.masters = []

    def master(self, host=MASTER, port=80, **options):
        made = Master(self.lan, host, port, **options)
        self.masters.append(made)
        return made

    def agent(self, web="", more="", name="sn806", host=NODE):
        options = (
            f'name = "{name}"\naddress = "{host}"\ninterface = "lan0"\n'
            f'key-file = "{near.key_file(self.folder)}"\nhttp {{ port = 8080 }}\n'
            f'web {{ nginx = "/usr/sbin/nginx" folder = "/run/web-{name}" workers = 1 {web} }}\n'
            'drain-timeout = 1000\n'
        )
        node = near.Daemon(self.lan, self.program("sn-agent"), self.folder, name, options + more)
        wait_until(lambda: web_of(node)["serves"], "nginx serves")
        return node

    def start(self, web="", node="", arn=""):
        """All of it; returns (node, arn) when the node is used for HTTP."""
        agent = self.agent(web, node)
        Knot(self.host, self.folder, DNS, NAMES)
        daemon = self.arn(NAMING + arn)
        self.route_statically()
        self.route_statically("10.2.0.0/24")
        wait_until(lambda: any(n["http_port"] for n in daemon.ask("show nodes")["nodes"]),
                   "the ARN knows that the node has HTTP")
        wait_up(daemon)
        return agent, daemon

    def get(self, url, *options, space=None):
        """curl, which follows what it is told; at the client or elsewhere."""
        head, body = self.folder / "head", self.folder / "body"
        for file in (head, body):
            file.unlink(missing_ok=True)
        (space or self.client).run("curl", "-sgL", "-m", "20", "--max-redirs", "3", "-D", head, "-o", body,
                        *options, url)
        return Answer(head.read_text(), body.read_bytes() if body.exists() else b"")

    def warm(self, path, address=ANYCAST):
        """Until clients are sent to a primed port; where that is: (port, path)."""

        def primed():
            found = self.get(f"http://{address}{path}").sent_to
            port, _, rest = found.removeprefix(f"http://{NODE}:").partition("/")
            return int(port) >= 20000 and (int(port), "/" + rest)

        return wait_until(primed, "clients are sent to a primed port")

    def close(self):
        for master in self.masters:
            master.stop()
        super().close()


@pytest.fixture
def site(namespaces, link, program, tmp_path):
    made = Web(namespaces, link, program, tmp_path)
    yield made
    made.close()


def web_of(node):
    return node.ask("show web")["web"]


def primed(node):
    return [p["state"] for p in node.ask("show primes")["primes"]]


def test_object_is_fetched_from_the_site_that_srv_records_name_and_then_served_locally(site):
    """E1 with D1 and B6: one request reaches the master site, whoever asks, and by whichever port; ranges and
    conditions are answered from what is there."""
    master = site.master()
    master.objects["/index.html"] = Object(b"<p>Acme</p>\n", "text/html")
    node, _ = site.start()
    port, _ = site.warm("/index.html")
    assert primed(node) == [f"http {ANYCAST} www.acme.com:80"]
    first = site.get(f"http://{ANYCAST}/index.html")
    assert (first.status, first.body) == (200, b"<p>Acme</p>\n")
    assert first.headers["content-type"] == "text/html" and first.cache == "sn806; hit"
    asked = master.asked("/index.html")
    assert len(asked) == 1
    assert asked[0]["Host"] == "www.acme.com" and asked[0]["Via"] == "1.1 sn806 (nearcast)"
    there = f"http://{NODE}:{port}/index.html"
    assert site.get(there, "-r", "3-6").body == b"Acme"
    assert site.get(there, "-r", "-5").body == b"</p>\n"[-5:]
    assert site.get(there, "-r", "500-").status == 416
    fresh = site.get(there, "-H", f"If-None-Match: {first.headers['etag']}")
    assert fresh.status == 304
    assert site.get(there, "-I").headers["content-length"] == "12"
    # The same object by its name in the URL, at its own port and at the usual one.
    other, path = site.warm("/=www.acme.com/index.html", BY_URL)
    assert other != port and path == "/=www.acme.com/index.html"
    for at in (other, 8080):
        assert site.get(f"http://{NODE}:{at}{path}").body == b"<p>Acme</p>\n"
    unknown = site.get(f"http://{NODE}:8080/=www.evil.com/index.html")
    assert unknown.status == 503 and unknown.headers["retry-after"] == "1"
    assert site.get(f"http://{NODE}:8080/index.html").status == 404
    # Each of the ranges beyond what is there is asked of the site, and nothing else was.
    assert [h["Range"] for h in master.asked("/index.html")] == ["bytes=0-1048575"]
    status = web_of(node)
    assert status["cache"]["miss"] >= 1 and status["cache"]["hit"] >= 6
    assert node.ask("show status")["kbps"] >= 0 and status["visitors"] >= 1


def test_what_is_out_of_date_is_revalidated_and_served_when_the_master_site_is_dead(site):
    master = site.master()
    master.objects["/a"] = Object(b"one", max_age=1)
    master.objects["/quiet"] = Object(b"says nothing", max_age=None)
    master.objects["/private"] = Object(b"for you", max_age=None, Cache_Control="private")
    site.agent(f'origin = "{MASTER}:80" host = "www.acme.com" fresh = 60000')
    site.route_statically("10.2.0.0/24")
    there = f"http://{NODE}:8080"
    assert site.get(f"{there}/a").cache == "sn806; fwd=uri-miss"

    def got(body, cache):
        answer = site.get(f"{there}/a")
        return (answer.status, answer.body) == (200, body) and cache in answer.cache

    wait_until(lambda: got(b"one", "fwd-status=304"), "it is the same still")
    assert master.asked("/a")[1]["If-None-Match"] == master.objects["/a"].etag
    master.objects["/a"] = Object(b"two", max_age=1)
    wait_until(lambda: got(b"two", "fwd=stale"), "it is another")
    for _ in range(2):
        assert site.get(f"{there}/quiet").body == b"says nothing"
        assert site.get(f"{there}/private").body == b"for you"
        assert site.get(f"{there}/quiet?q=1", "-H", "Authorization: Basic x").status == 200
    assert len(master.asked("/quiet")) == 1 and len(master.asked("/private")) == 2
    assert len(master.asked("/quiet?q=1")) == 2
    assert site.get(f"{there}/none").status == 404
    # Errors, and then nobody at all.
    master.objects["/a"] = Object(b"broken", status=500, max_age=None)
    wait_until(lambda: got(b"two", "STALE"), "errors change nothing")
    master.stop()
    assert got(b"two", "STALE")
    assert site.get(f"{there}/other").status in (502, 504)
    master.start()
    master.objects["/a"] = Object(b"three", max_age=1)
    wait_until(lambda: got(b"three", "fwd=stale"), "the site is there again")


def test_large_objects_are_fetched_by_slices_and_only_those_that_are_asked_for(site):
    body = os.urandom(1 << 20) * 3 + b"the end"
    master = site.master()
    master.objects.update({"/big": Object(body), "/empty": Object(b"")})
    plain = site.master("10.2.0.9", ranges=False)
    plain.objects["/big"] = Object(body)
    node = site.agent(f'slice = 256 origin = "{MASTER}:80"')
    site.route_statically("10.2.0.0/24")
    there = f"http://{NODE}:8080/big"
    middle = site.get(there, "-r", "1000000-1000009")
    assert middle.status == 206 and middle.body == body[1000000:1000010]
    assert [h["Range"] for h in master.asked("/big")] == ["bytes=786432-1048575"]
    assert site.get(there).body == body
    asked = sorted(int(h["Range"][6:].split("-")[0]) for h in master.asked("/big"))
    assert asked == list(range(0, len(body), 256 << 10)), "each slice once"
    assert site.get(there).body == body
    assert len(master.asked("/big")) == len(asked)
    assert site.get(f"http://{NODE}:8080/empty").status == 200
    # A site that knows no ranges.
    node.conf.write_text(node.conf.read_text().replace(f"{MASTER}:80", "10.2.0.9:80"))
    node.ask("reload")

    def moved():
        return site.get(there).body == body and plain.asked("/big")

    wait_until(moved, "the other origin is asked")
    assert site.get(there, "-r", "1000000-1000009").body == body[1000000:1000010]


def test_token_is_seen_by_nobody_but_the_node_and_admits_a_client_to_all_that_follows(site):
    """E4: a playlist is asked for with the token of the redirection, what it names without."""
    master = site.master()
    for path in ("/live.m3u8", "/seg/1.ts", "/other"):
        master.objects[path] = Object(b"x", max_age=60)
    node, _ = site.start(node='access { token = "required" }\n', arn="token { issue = yes }\n")
    port, path = site.warm("/live.m3u8?quality=2")
    assert re.fullmatch(r"/live\.m3u8\?quality=2&nc=\S+", path)
    there = f"http://{NODE}:{port}"
    site.client.run("ip", "addr", "add", "10.9.0.3/24", "dev", "up0")
    stranger = ("--interface", "10.9.0.3")
    refused = site.get(f"{there}/live.m3u8", *stranger)
    assert (refused.status, refused.headers["nearcast-token"]) == (403, "missing")
    assert site.get(f"{there}/seg/1.ts").status == 200
    assert site.get(f"{there}/seg/1.ts", *stranger).status == 403
    forged = site.get(f"{there}/other?nc={'A' * 63}")
    assert forged.status == 403 and forged.headers["nearcast-token"] in ("malformed", "unknown_key")
    token = path.partition("nc=")[2]
    assert site.get(f"{there}/other?nc={token}", *stranger).status == 403
    assert site.get(f"{there}/live.m3u8?nc={token}&quality=2", *stranger).status == 200
    assert site.get(f"{there}/seg/1.ts", *stranger).status == 200
    assert {p for p, _ in master.requests} <= {"/live.m3u8?quality=2", "/seg/1.ts"}
    assert web_of(node)["refused"] == 4


def test_hls_and_dash_of_ffmpeg_play_through_the_anycast_address_with_tokens(site):
    """An unmodified player, which knows of nothing."""
    source = site.folder / "made"
    source.mkdir()
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10:duration=4",
         "-g", "10", "-c:v", "libx264", "-preset", "ultrafast", "-map", "0", "-f", "hls",
         "-hls_time", "1", "-hls_list_size", "0", source / "film.m3u8", "-map", "0", "-g", "10",
         "-c:v", "libx264", "-preset", "ultrafast", "-f", "dash", "-seg_duration", "1",
         source / "film.mpd"], check=True, cwd=source, timeout=60)
    master = site.master()
    for file in source.iterdir():
        master.objects[f"/vod/{file.name}"] = Object(file.read_bytes(), "application/octet-stream")
    node, _ = site.start(node='access { token = "required" }\n', arn="token { issue = yes }\n")
    site.warm("/vod/film.m3u8")
    for name in ("film.m3u8", "film.mpd"):
        for _ in range(2):
            played = site.client.run(
                "ffmpeg", "-v", "error", "-xerror", "-i", f"http://{ANYCAST}/vod/{name}",
                "-map", "0:v:0", "-f", "framemd5", "-", timeout=60)
            frames = [line for line in played.stdout.splitlines() if not line.startswith("#")]
            assert len(frames) == 40, played.stderr
    paths = [p for p, _ in master.requests]
    assert len(paths) == len(set(paths)) and len([p for p in paths if p.endswith(".ts")]) == 4
    assert web_of(node)["cache"]["hit"] >= len(paths)


def test_nginx_that_is_killed_comes_again_with_its_ports_and_is_not_offered_meanwhile(site):
    master = site.master()
    master.objects["/a"] = Object(b"one")
    node, arn = site.start()
    port, _ = site.warm("/a")
    pid = web_of(node)["pid"]
    workers = subprocess.run(["pgrep", "-P", str(pid)], check=True, capture_output=True,
                             text=True).stdout.split()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: node.events("web_down"), "the node says that it is down")
    wait_until(lambda: web_of(node)["serves"] and web_of(node)["pid"] != pid, "it is up again")
    assert all(near.gone(int(p)) for p in workers), "nobody is left at the ports"
    assert site.get(f"http://{NODE}:{port}/a").body == b"one"
    assert len(master.asked("/a")) == 1, "what was cached still is"
    assert node.ask("show status")["healthy"]
    wait_until(lambda: [n["http_port"] for n in arn.ask("show nodes")["nodes"]] == [8080],
               "it is offered again")
    # One that hangs is not offered, and killed in the end.
    pid = web_of(node)["pid"]
    for p in subprocess.run(["pgrep", "-P", str(pid)], check=True, capture_output=True,
                            text=True).stdout.split():
        os.kill(int(p), signal.SIGSTOP)
    wait_until(lambda: [n["http_port"] for n in arn.ask("show nodes")["nodes"]] == [0],
               "it is not offered")
    assert node.ask("show status")["healthy"], "RTSP goes on"
    wait_until(lambda: web_of(node)["serves"] and web_of(node)["pid"] != pid, "it is up again", 40)
    # It never outlives the agent.
    pid = web_of(node)["pid"]
    node.stop(signal.SIGKILL)
    wait_until(lambda: near.gone(pid), "nginx ends with the agent")
    node.start()
    wait_until(lambda: web_of(node)["serves"], "and begins with it")
    pid = web_of(node)["pid"]
    node.stop()
    assert near.gone(pid)


def test_ports_of_several_providers_come_in_one_round_and_those_of_others_are_left_alone(site):
    """An ARN's request is answered when the port is there, and not before."""
    node = site.agent()
    asker = Asker(site.lan)
    generation = asker.ask("sn806", 1)[2]
    before = web_of(node)["reloads"]
    ports = []
    for provider in range(1, 6):
        status, port, _ = asker.ask("sn806", generation, [(MASTER, 80)], service=HTTP,
                                    anycast=f"10.1.18.{provider}")
        assert status == GRANTED
        with near.connect(site.lan, NODE, port):
            ports.append(port)
    assert web_of(node)["reloads"] - before == 5
    # All at once: the answers come when all are there.
    for provider in range(6, 16):
        asker.sock.sendto(asker.seal(asker.ask_bytes(
            "sn806", generation, [(MASTER, 80)], service=HTTP, anycast=f"10.1.18.{provider}")),
            (NODE, 7702))
    answers = [asker.decode(asker.sock.recv(2048)) for _ in range(10)]
    assert len({a[6] for a in answers} | set(ports)) == 15
    assert web_of(node)["reloads"] - before <= 10
    # Somebody else has the number that the state would get: it gets another.
    node.stop()
    taken = near.socket_in(site.lan, socket.create_server, (NODE, ports[0]))
    node.start()
    wait_until(lambda: web_of(node)["serves"], "nginx serves")
    generation = asker.ask("sn806", 1)[2]
    status, port, _ = asker.ask("sn806", generation, [(MASTER, 80)], service=HTTP,
                                anycast="10.1.18.1")
    assert status == GRANTED and port != ports[0]
    assert web_of(node)["rejected"] == 0
    taken.close()


def test_requests_that_are_none_of_a_cache_s_are_refused(site):
    site.master().objects["/a"] = Object(b"one")
    node = site.agent(f'origin = "{MASTER}:80"')
    site.route_statically("10.2.0.0/24")
    there = f"http://{NODE}:8080"
    assert site.get(f"{there}/a", "-X", "POST").status == 405
    assert site.get(f"{there}/a", "-H", "Via: 1.0 x, 1.1 sn806 (nearcast)").status == 508
    assert site.get(f"{there}/.nearcast/status").status == 403
    assert site.get(f"{there}/.nearcast/admission").status == 404
    assert site.get(f"{there}/.nearcast/health").status == 204
    raw = near.exchange(site.client, NODE, 8080, b"GET http://x?y HTTP/1.1\r\nHost: x\r\n\r\n")
    assert raw[0] == 400
    assert web_of(node)["serves"]


def test_download_under_way_is_finished_when_the_node_stops(site):
    body = os.urandom(1 << 20) * 8
    site.master().objects["/big"] = Object(body)
    node = site.agent(f'origin = "{MASTER}:80"')
    site.route_statically("10.2.0.0/24")
    with near.connect(site.client, NODE, 8080, timeout=10) as conn:
        conn.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert near.read_head(conn)[0] == 200
        pid = web_of(node)["pid"]
        node.send_signal(signal.SIGTERM)
        wait_until(lambda: node.events("drain"), "it drains")
        got = bytearray()
        while piece := conn.recv(1 << 16):
            got += piece
    assert got == body
    assert node.process.wait(15) == 0 and near.gone(pid)


def test_ipv6_node_has_sites_of_ipv6(site):
    near.address(site.lan, "lan0", "2001:db8:2::10/64")
    master = site.master("2001:db8:2::10", 8000)
    master.objects["/a"] = Object(b"six")
    site.agent('origin = "[2001:db8:2::10]:8000"', host="2001:db8:2::6",
               more='access { token = "required" trusted = "2001:db8:2::/64" }\n')
    there = "http://[2001:db8:2::6]:8080"
    for path in ("/a", "/=[2001:db8:2::10]:8000/a"):
        assert site.get(there + path, space=site.lan).body == b"six"
    assert [h["Host"] for h in master.asked("/a")] == ["[2001:db8:2::10]:8000"]


def test_program_that_is_not_there_leaves_rtsp_alone(site):
    options = (f'name = "sn806"\naddress = "{NODE}"\nhttp {{ port = 8080 }}\ninterface = "lan0"\n'
               f'key-file = "{near.key_file(site.folder)}"\n'
               'web { nginx = "/usr/sbin/no-such-nginx" folder = "/run/web" }\n')
    node = near.Daemon(site.lan, site.program("sn-agent"), site.folder, "sn806", options)
    wait_until(lambda: "cannot be run: No such file or directory" in node.text(), "it says so")
    assert node.ask("show status")["healthy"] and not web_of(node)["serves"]
    asker = Asker(site.lan)
    generation = asker.ask("sn806", 1)[2]
    assert asker.ask("sn806", generation, [(MASTER, 80)], service=HTTP)[0] == NO_SERVICE
    assert asker.ask("sn806", generation, [(MASTER, 554)])[0] == GRANTED
    second = pathlib.Path(site.folder) / "second.conf"
    second.write_text(options.replace("sn806", "sn807").replace("8080", "8081") +
                      f'control = "{site.folder}/second.sock" rtsp {{ port = 5541 }}\n'
                      'rtp { port = 7724 } prime { port = 7733 }\n')
    done = site.lan.run(site.program("sn-agent"), "-c", second, check=False)
    assert done.returncode == 69 and "web.folder /run/web: another agent has it" in done.stderr
    second.write_text(options.replace("sn806", "sn807").replace("8080", "0"))
    done = subprocess.run([site.program("sn-agent"), "-c", second, "--check"], check=False,
                          capture_output=True, text=True)
    assert done.returncode == 78 and "http.port is 0" in done.stderr
