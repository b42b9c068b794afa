# SPDX-License-Identifier: GPL-2.0-or-later
"""client-failover --gateway for an http URL: unmodified clients get whole answers from web servers
that a test kills, on loopback."""

import contextlib
import http.client
import json
import pathlib
import socket
import subprocess
import threading

import pytest

from conftest import wait_until
from scripted_web import PORT, Arn, Node, WebServer, body_of, reply

SIZE = 2_000_003
BODY = body_of(SIZE)
GATE = 8554
URL = f"http://127.0.0.1:{PORT}/"


def at(host):
    return f"127.0.0.{host}:{PORT}"


class Gateway:
    """client-failover --gateway, and what its clients say to it."""

    def __init__(self, program, folder, *options, url=URL, listen=str(GATE)):
        self.events_file, self.log = folder / "events", folder / "log"
        argv = [program, "--json", "--gateway", listen, url, *options]
        with open(self.events_file, "wb") as out, open(self.log, "wb") as err:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        wait_until(lambda: self.events("listening"), "the gateway listens")

    def events(self, name=None):
        found = [json.loads(line) for line in self.events_file.read_text().splitlines(True)
                 if line.endswith("\n")]
        return [e for e in found if name is None or e["event"] == name]

    @contextlib.contextmanager
    def connection(self, host="127.0.0.1"):
        conn = http.client.HTTPConnection(host, GATE, timeout=30)
        yield conn
        conn.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def ask(conn, path="/a", method="GET", **headers):
    """(status, headers, body); names of headers with _ for -."""
    conn.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    answer = conn.getresponse()
    return answer.status, answer.headers, answer.read()


@pytest.fixture
def stage():
    """add(SERVER) closes it in the end."""
    with contextlib.ExitStack() as stack:
        def add(server):
            stack.callback(server.close)
            return server

        yield add


@pytest.fixture
def gateway(program, tmp_path):
    with contextlib.ExitStack() as stack:
        def make(*options, **more):
            made = Gateway(program("client-failover"), tmp_path, *options, **more)
            stack.callback(made.close)
            return made

        yield make


def test_answer_is_whole_although_its_node_breaks_off(stage, gateway):
    stage(Node("127.0.0.2", BODY, cut=1_000_000))
    new = stage(Node("127.0.0.3", BODY))
    stage(Arn("127.0.0.1", [at(2), at(3)]))
    gate = gateway()
    with gate.connection() as conn:
        status, headers, body = ask(conn, "/films/a.mp4?x=1", Cookie="a=b", Connection="X", X="1")
        assert (status, body) == (200, BODY)
        assert (headers["etag"], headers["content-length"]) == ('"v1"', str(SIZE))
        # The connection stays, and so does the node.
        assert ask(conn, "/b")[2] == BODY
    rest, other = new.requests
    assert rest.headers["range"] == f"bytes=1000000-{SIZE - 1}"
    for request in new.requests:
        assert request.headers["host"] == at(3)
    assert (rest.headers["cookie"], rest.headers["via"]) == ("a=b", "1.1 nearcast")
    assert "x" not in rest.headers and rest.headers["accept-encoding"] == "identity"
    assert other.target == "/b" and "range" not in other.headers
    wait_until(lambda: len(gate.events("ended")) == 2, "both have ended")
    assert [e["failover_count"] for e in gate.events("ended")] == [1, 0]
    assert gate.process.poll() is None


def test_segments_come_from_one_node_without_a_transaction_for_each(stage, gateway):
    body = body_of(50_000)
    old, new = stage(Node("127.0.0.2", body)), stage(Node("127.0.0.3", body))
    arn = stage(Arn("127.0.0.1", [at(2), at(3)]))
    gate = gateway()
    with gate.connection() as conn:
        for i in range(5):
            assert ask(conn, f"/seg{i}.ts")[2] == body
        assert (len(arn.requests), len(old.requests), len(new.requests)) == (1, 5, 0)
        old.close()  # between two segments
        for i in range(5, 10):
            assert ask(conn, f"/seg{i}.ts")[2] == body
    assert (len(arn.requests), len(new.requests)) == (2, 5)
    assert arn.requests[-1].headers["nearcast-avoid"] == "127.0.0.2"


def test_ranges_and_conditions_of_a_player_are_passed_on(stage, gateway):
    node = stage(Node("127.0.0.2", BODY, cut=1000))
    stage(Node("127.0.0.3", BODY))
    stage(Arn("127.0.0.1", [at(2), at(3)]))
    gate = gateway()
    with gate.connection() as conn:
        status, headers, body = ask(conn, Range="bytes=500000-1500000")
        assert (status, body) == (206, BODY[500_000:1_500_001])
        assert headers["content-range"] == f"bytes 500000-1500000/{SIZE}"
        status, headers, body = ask(conn, method="HEAD")
        assert (status, headers["content-length"], body) == (200, str(SIZE), b"")
    assert node.requests[0].headers["range"] == "bytes=500000-1500000"
    assert gate.events("ended")[0]["failovers"][0]["offset"] == 1000


def test_not_modified_is_passed_on(stage, gateway):
    def answer(request, conn):
        assert request.headers["if-none-match"] == '"v1"'
        conn.sendall(b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n')
        return False

    stage(WebServer("127.0.0.2", answer))
    stage(Arn("127.0.0.1", [at(2)]))
    with gateway().connection() as conn:
        for _ in range(2):
            status, headers, body = ask(conn, If_None_Match='"v1"')
            assert (status, headers["etag"], body) == (304, '"v1"', b"")


def test_object_of_unknown_length_comes_in_chunks(stage, gateway):
    stage(Node("127.0.0.2", BODY, cut=1_000_000, chunked=True))
    stage(Node("127.0.0.3", BODY, chunked=True))
    stage(Arn("127.0.0.1", [at(2), at(3)]))
    with gateway().connection() as conn:
        status, headers, body = ask(conn)
        assert (status, headers["transfer-encoding"], body) == (200, "chunked", BODY)
        assert ask(conn)[2] == BODY


@pytest.mark.parametrize("chunked", [False, True])
def test_player_sees_that_an_object_has_changed_under_it(stage, gateway, chunked):
    stage(Node("127.0.0.2", BODY, cut=1_000_000, chunked=chunked))
    stage(Node("127.0.0.3", body_of(SIZE, 1), etag='"v2"', chunked=chunked))
    arn = stage(Arn("127.0.0.1", [at(2), at(3)]))
    gate = gateway()
    with gate.connection() as conn, pytest.raises(http.client.IncompleteRead) as cut:
        ask(conn)
    assert cut.value.partial == BODY[:1_000_000]
    assert gate.events("ended")[0]["reason"] == "another object"
    with gate.connection() as conn:  # where to go now is the ARN's to say again
        assert ask(conn)[0] == 200
    assert len(arn.requests) == 3


def test_pipelined_requests_are_answered_in_order(stage, gateway):
    def answer(request, conn):
        reply(conn, 200, request.target.encode())
        return False

    stage(WebServer("127.0.0.2", answer))
    stage(Arn("127.0.0.1", [at(2)]))
    gateway()
    with socket.create_connection(("127.0.0.1", GATE), 20) as s:
        flight = b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in range(20))
        s.sendall(flight + b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = b""
        while piece := s.recv(65536):
            got += piece
    bodies = [part.rpartition(b"\r\n\r\n")[2] for part in got.split(b"HTTP/1.1 200")[1:]]
    assert bodies == [b"/%d" % i for i in range(20)] + [b"/last"]


def test_redirection_of_a_node_leads_through_the_gateway_again(stage, gateway):
    def answer(request, conn):
        if request.target == "/a":
            reply(conn, 301, Location=f"http://{at(2)}/b")
        else:
            reply(conn, 200, b"b")
        return False

    stage(WebServer("127.0.0.2", answer))
    stage(Arn("127.0.0.1", [at(2)]))
    with gateway().connection() as conn:
        status, headers, _ = ask(conn)
        assert (status, headers["location"]) == (301, "/b")
        assert ask(conn, headers["location"])[2] == b"b"


def test_node_that_demands_a_token_is_not_remembered(stage, gateway):
    def answer(request, conn):
        reply(conn, 200 if "nc=" in request.target else 403, request.target.encode())
        return False

    stage(WebServer("127.0.0.2", answer))
    arn = stage(Arn("127.0.0.1", [at(2)], query="nc=AQ"))
    with gateway().connection() as conn:
        for i in range(4):
            assert ask(conn, f"/{i}")[::2] == (200, b"/%d?nc=AQ" % i)
    assert len(arn.requests) == 4
    assert all("nearcast-avoid" not in request.headers for request in arn.requests)


def test_slow_player_makes_the_node_wait_and_not_other_players(stage, gateway):
    body = body_of(40_000_000)
    node = stage(Node("127.0.0.2", body))
    stage(Arn("127.0.0.1", [at(2)]))
    gate = gateway()
    with gate.connection() as slow, gate.connection() as other:
        slow.request("GET", "/a")
        answer = slow.getresponse()
        got = answer.read(100_000)
        assert ask(other, Range="bytes=5-9")[2] == body[5:10]
        threading.Event().wait(2.5)  # longer than any silence may last
        with open(f"/proc/{gate.process.pid}/status", encoding="ascii") as file:
            peak = int(next(line for line in file if line.startswith("VmHWM")).split()[1])
        assert peak < 30_000
        assert got + answer.read() == body
    assert len(node.requests) == 2 and not gate.events("suspect")


def test_player_that_pauses_at_the_end_gets_that_too(stage, gateway):
    room = pathlib.Path("/proc/sys/net/ipv4/tcp_wmem")
    before = room.read_text(encoding="ascii")
    body = body_of(120_000)
    stage(Node("127.0.0.2", body))
    stage(Arn("127.0.0.1", [at(2)]))
    gate = gateway()
    with contextlib.ExitStack() as stack:
        stack.callback(room.write_text, before, encoding="ascii")
        room.write_text("4096 16384 16384", encoding="ascii")  # the gateway keeps most of it

        def connect():
            s = stack.enter_context(socket.socket())
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.settimeout(20)
            s.connect(("127.0.0.1", GATE))
            return s

        paused = [connect(), connect()]
        paused[0].sendall(b"GET /a HTTP/1.0\r\n\r\n")
        paused[1].sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: len(gate.events("ended")) == 2, "both answers are complete")
        for _ in range(64):  # as many as there is room for
            connect()
        threading.Event().wait(6)  # longer than the gateway waits for who has read all
        for s in paused:
            got = s.recv(4096)
            while not got.endswith(body[-1000:]):
                piece = s.recv(65536)
                assert piece, len(got)
                got += piece
            assert got.endswith(b"\r\n\r\n" + body)


def test_node_is_remembered_for_the_site_that_it_served_only(stage, gateway):
    def serves(site):
        def answer(request, conn):
            known = request.target.startswith(f"/={site}/")
            reply(conn, 200 if known else 404, site.encode())
            return False

        return answer

    def send(request, conn):
        port = PORT + (2 if request.target.startswith("/=b.com/") else 1)
        reply(conn, 302, Location=f"http://127.0.0.2:{port}{request.target}")
        return False

    stage(WebServer("127.0.0.2", serves("a.com"), port=PORT + 1))
    stage(WebServer("127.0.0.2", serves("b.com"), port=PORT + 2))
    arn = stage(WebServer("127.0.0.1", send))
    with gateway().connection() as conn:
        for site in ["a.com", "a.com", "b.com", "b.com", "a.com"]:
            assert ask(conn, f"/={site}/x")[::2] == (200, site.encode())
    assert len(arn.requests) == 3


def test_nothing_but_the_host_can_be_reached(stage, gateway):
    other = stage(Node("127.0.0.9", BODY))
    stage(Arn("127.0.0.1", [at(2)]))
    gate = gateway()
    for request, status in [
        (b"GET http://%s/ HTTP/1.1\r\nHost: x\r\n\r\n" % at(9).encode(), 421),
        (b"CONNECT %s HTTP/1.1\r\nHost: x\r\n\r\n" % at(9).encode(), 405),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", 405),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
    ]:
        with socket.create_connection(("127.0.0.1", GATE), 20) as s:
            s.sendall(request)
            assert int(s.recv(4096).split()[1]) == status
    assert not other.requests
    assert gate.process.poll() is None


def test_error_of_the_content_is_passed_on(stage, gateway):
    stage(Node("127.0.0.2", BODY, status=404))
    stage(Arn("127.0.0.1", [at(2)]))
    with gateway().connection() as conn:
        assert ask(conn)[::2] == (404, b"no")
        assert ask(conn)[::2] == (404, b"no")


def test_gateway_ends_when_it_is_told(stage, gateway):
    stage(Node("127.0.0.2", BODY, cut=1000, stall=threading.Event()))
    stage(Arn("127.0.0.1", [at(2)]))
    gate = gateway()
    with gate.connection() as conn:
        conn.request("GET", "/a")
        assert conn.getresponse().read(1000) == BODY[:1000]
        gate.process.terminate()
        assert gate.process.wait(10) == 0


def test_players_that_come_and_go_leave_nothing_behind(stage, gateway):
    stage(Node("127.0.0.2", BODY, rate=1_000_000))
    stage(Arn("127.0.0.1", [at(2)]))
    gate = gateway()
    for _ in range(80):  # more than there is room for
        with socket.create_connection(("127.0.0.1", GATE), 20) as s:
            s.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
            s.recv(1000)
    with gate.connection() as conn:
        assert ask(conn, Range="bytes=0-4")[2] == BODY[:5]
    assert "served already" not in gate.log.read_text()


def test_gateway_over_ipv6(stage, gateway):
    stage(Node("::1", BODY, port=PORT + 1))
    stage(Arn("::1", [f"[::1]:{PORT + 1}"]))
    gate = gateway(url=f"http://[::1]:{PORT}/", listen=f"[::1]:{GATE}")
    with gate.connection("::1") as conn:
        assert ask(conn)[2] == BODY


def test_gateway_that_cannot_listen_says_where(stage, program):
    with socket.create_server(("127.0.0.1", GATE)):
        done = subprocess.run([program("client-failover"), "--gateway", str(GATE), URL],
                              capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 69 and f"127.0.0.1:{GATE}" in done.stderr
