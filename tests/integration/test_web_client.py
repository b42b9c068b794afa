# SPDX-License-Identifier: GPL-2.0-or-later
"""client-failover downloads from web servers that do what a test tells them, on loopback.

What it wrote is always compared with the object, byte for byte.
"""

import json
import subprocess
import threading

import pytest

from conftest import wait_until
from scripted_web import PORT, Arn, Node, WebServer, body_of, reply

SIZE = 3_000_001
BODY = body_of(SIZE)
URL = f"http://127.0.0.1:{PORT}/films/a.mp4"
MODIFIED = "Thu, 26 Nov 2026 14:00:00 GMT"


def at(host):
    return f"127.0.0.{host}:{PORT}"


class Download:
    """A running client-failover -o FILE URL."""

    def __init__(self, program, folder, url, *options, to=None):
        self.file = folder / "out"
        self.events_file, self.log = folder / "events", folder / "log"
        argv = [program, "--json", "-o", to or self.file, url, *options]
        with open(self.events_file, "wb") as out, open(self.log, "wb") as err:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out if not to else subprocess.PIPE,
                stderr=err)

    def events(self, name=None):
        found = [json.loads(line) for line in self.events_file.read_text().splitlines(True)
                 if line.endswith("\n")]
        return [e for e in found if name is None or e["event"] == name]

    def wait_event(self, name, timeout=20.0):
        def there():
            assert self.process.poll() is None, f"it ended: {self.log.read_text()}"
            return self.events(name)

        return wait_until(there, f"the event {name}", timeout)[0]

    def end(self, status=0, timeout=40):
        assert self.process.wait(timeout) == status, self.log.read_text()
        return self.events("ended")[-1]

    def assert_whole(self, body=BODY):
        assert self.file.read_bytes() == body


class Stage:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.servers, self.downloads = [], []

    def arn(self, *hosts, **more):
        server = Arn("127.0.0.1", [at(h) for h in hosts], **more)
        self.servers.append(server)
        return server

    def node(self, host, body=BODY, **more):
        server = Node(f"127.0.0.{host}", body, **more)
        self.servers.append(server)
        return server

    def add(self, server):
        self.servers.append(server)
        return server

    def download(self, *options, url=URL, to=None):
        done = Download(self.program("client-failover"), self.folder, url, *options, to=to)
        self.downloads.append(done)
        return done


@pytest.fixture
def stage(program, tmp_path):
    stage = Stage(program, tmp_path)
    yield stage
    for download in stage.downloads:
        if download.process.poll() is None:
            download.process.kill()
        download.process.wait()
    for server in stage.servers:
        server.close()


def test_node_that_breaks_off_is_gone_on_from_at_the_byte(stage):
    stage.node(2, cut=1_000_000)
    new = stage.node(3)
    arn = stage.arn(2, 3, query="nc=AQ")
    download = stage.download(url=URL + "?x=1")
    ended = download.end()
    download.assert_whole()
    assert (ended["reason"], ended["bytes"], ended["failover_count"]) == ("whole", SIZE, 1)
    failover = ended["failovers"][0]
    assert (failover["from"], failover["to"]) == (at(2), at(3))
    assert (failover["reason"], failover["offset"]) == ("closed", 1_000_000)
    [asked] = new.requests
    assert asked.target == "/films/a.mp4?x=1&nc=AQ"
    assert asked.headers["host"] == at(3)
    assert asked.headers["range"] == f"bytes=1000000-{SIZE - 1}"
    assert asked.headers["if-range"] == '"v1"'
    # The second transaction names the node that failed, and brings the token along.
    assert [r.headers.get("nearcast-avoid") for r in arn.requests] == [None, "127.0.0.2"]
    assert [r.target for r in arn.requests] == ["/films/a.mp4?x=1", "/films/a.mp4?x=1&nc=AQ"]


def test_node_that_hangs_is_noticed_by_its_silence(stage):
    stage.node(2, cut=1_000_000, stall=threading.Event())
    stage.node(3)
    stage.arn(2, 3)
    download = stage.download()
    ended = download.end()
    download.assert_whole()
    assert [f["reason"] for f in ended["failovers"]] == ["silence"]
    assert ended["failovers"][0]["detection_ms"] >= 500


def test_slow_node_is_kept_and_nothing_comes_twice(stage):
    stall = threading.Event()
    stage.node(2, cut=1_000_000, stall=stall)
    # The other one is asked, and waits with its answer until the slow one has gone on.
    kept = threading.Event()
    new = stage.node(3, before=lambda request: (stall.set(), kept.wait(20)))
    stage.arn(2, 3)
    download = stage.download()
    ended = download.end()
    kept.set()
    download.assert_whole()
    assert (ended["failover_count"], ended["false_alarms"]) == (0, 1)
    assert len(new.requests) == 1


def test_another_object_under_the_name_is_told_and_not_written(stage):
    stage.node(2, cut=1_000_000)
    stage.node(3, body=body_of(SIZE, seed=9), etag='"v2"')
    stage.arn(2, 3)
    download = stage.download()
    ended = download.end(65)
    assert (ended["reason"], ended["bytes"]) == ("another object", 1_000_000)
    assert "ETag" in ended["why"]
    assert "another object now" in download.log.read_text()
    download.assert_whole(BODY[:1_000_000])


def test_what_nobody_can_identify_is_not_resumed(stage):
    stage.node(2, cut=1_000_000, etag='W/"v1"')
    stage.node(3)
    arn = stage.arn(2, 3)
    download = stage.download()
    ended = download.end(65)
    assert (ended["reason"], ended["bytes"]) == ("broken off", 1_000_000)
    assert "cannot be resumed" in download.log.read_text()
    assert not download.events("object")[0]["resumable"]
    assert len(arn.requests) == 1


def test_date_will_do_where_there_is_no_etag(stage):
    stage.node(2, cut=1_000_000, etag=None, modified=MODIFIED)
    new = stage.node(3, etag=None, modified=MODIFIED)
    stage.arn(2, 3)
    download = stage.download()
    assert download.end()["failover_count"] == 1
    download.assert_whole()
    assert new.requests[0].headers["if-range"] == MODIFIED


def test_object_of_unknown_length_is_resumed(stage):
    stage.node(2, cut=1_000_000, chunked=True)
    stage.node(3, chunked=True)
    stage.arn(2, 3)
    download = stage.download()
    ended = download.end()
    download.assert_whole()
    assert (ended["failover_count"], ended["length"]) == (1, SIZE)


def test_nothing_but_the_end_mark_lacks(stage):
    stage.node(2, cut=SIZE, chunked=True)
    stage.node(3, chunked=True)
    stage.arn(2, 3)
    download = stage.download()
    ended = download.end()
    download.assert_whole()
    assert (ended["reason"], ended["length"]) == ("whole", SIZE)
    assert [e["status"] for e in download.events("error")] == [0]


def test_node_without_ranges_gives_all_of_it_again(stage):
    stage.node(2, cut=1_000_000)
    stage.node(3, ranges=False)
    stage.arn(2, 3)
    download = stage.download()
    assert download.end()["failover_count"] == 1
    download.assert_whole()


@pytest.mark.parametrize("clings", [False, True], ids=["", "arn-clings"])
def test_several_nodes_die_one_after_the_other(stage, clings):
    for host in (2, 3, 4):
        stage.node(host, cut=700_000)
    stage.node(5)
    stage.arn(2, 3, 4, 5, clings=clings)
    download = stage.download()
    ended = download.end()
    download.assert_whole()
    assert [f["offset"] for f in ended["failovers"]] == [700_000, 1_400_000, 2_100_000]


def test_node_that_is_busy_or_not_there_is_passed_by(stage):
    stage.node(2, status=503)
    stage.node(4)
    arn = stage.arn(2, 3, 4)
    download = stage.download()
    assert download.end()["failover_count"] == 0
    download.assert_whole()
    avoided = [r.headers.get("nearcast-avoid") for r in arn.requests]
    assert avoided[:2] == [None, "127.0.0.2"] and "127.0.0.3" in avoided[2]
    assert [e["status"] for e in download.events("error")] == [503, 0]


def test_object_that_does_not_exist_leaves_the_file_alone(stage):
    stage.node(2, status=404)
    stage.arn(2)
    (stage.folder / "out").write_text("before")
    download = stage.download()
    assert download.end(66)["status"] == 404
    download.assert_whole(b"before")


def test_object_of_the_host_itself_is_asked_for_once(stage):
    host = stage.add(Node("127.0.0.1", BODY))
    download = stage.download()
    assert download.end()["failover_count"] == 0
    download.assert_whole()
    assert len(host.requests) == 1


def test_redirection_of_a_node_is_followed(stage):
    def answer(request, conn):
        reply(conn, 301, Location=f"//{at(3)}/there")
        return False

    stage.add(WebServer("127.0.0.2", answer))
    there = stage.node(3)
    stage.arn(2)
    download = stage.download()
    download.end()
    download.assert_whole()
    assert there.requests[0].target == "/there"


@pytest.fixture
def two_hosts_of_ipv6():
    for host in ("fd00::2", "fd00::3"):
        subprocess.run(["ip", "addr", "add", f"{host}/128", "dev", "lo", "nodad"], check=True)
    yield "fd00::2", "fd00::3"
    for host in ("fd00::2", "fd00::3"):
        subprocess.run(["ip", "addr", "del", f"{host}/128", "dev", "lo"], check=True)


def test_ipv6(stage, two_hosts_of_ipv6):
    for host, cut in zip(two_hosts_of_ipv6, (1_000_000, None)):
        stage.add(Node(host, BODY, cut=cut))
    stage.add(Arn("::1", [f"[{host}]:{PORT}" for host in two_hosts_of_ipv6]))
    download = stage.download(url=f"http://[::1]:{PORT}/a")
    ended = download.end()
    download.assert_whole()
    assert ended["failovers"][0]["to"] == f"[fd00::3]:{PORT}"


def test_slow_reader_makes_the_node_wait_and_is_no_silence(stage):
    body = body_of(40_000_000)
    node = stage.node(2, body=body)
    stage.node(3, body=body)
    arn = stage.arn(2, 3)
    download = stage.download(to="-")
    got = [download.process.stdout.read(100_000)]
    # It reads nothing for longer than any silence may last: neither do we ask anybody else, nor
    # does what nobody has read pile up here.
    threading.Event().wait(2.5)
    with open(f"/proc/{download.process.pid}/status", encoding="ascii") as file:
        peak = int(next(line for line in file if line.startswith("VmHWM")).split()[1])
    assert peak < 20_000
    got.append(download.process.stdout.read())
    assert download.process.wait(20) == 0
    assert b"".join(got) == body
    assert (len(node.requests), len(arn.requests)) == (1, 1)


def test_interrupted_download_says_so(stage):
    stage.node(2, cut=1_000_000, stall=threading.Event())
    stage.arn(2)
    download = stage.download()
    download.wait_event("progress")
    wait_until(lambda: download.events("progress")[-1]["bytes"] == 1_000_000, "bytes have come")
    download.process.terminate()
    ended = download.end(75)
    assert (ended["reason"], ended["bytes"]) == ("terminated", 1_000_000)
    download.assert_whole(BODY[:1_000_000])
