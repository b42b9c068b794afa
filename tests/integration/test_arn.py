# SPDX-License-Identifier: GPL-2.0-or-later
"""The ARN with the real kernel and a real router.

    client ---- router (BIRD, OSPF) ---- arn host (arn, BIRD) ---- LAN with the service nodes

Rows A1 fate, A2 hang, A4 drain, A5 igp, B1 http, B2 rtsp, C1 discover, C2 elect, C5 trust.
"""

import contextlib
import ipaddress
import os
import pathlib
import signal
import socket
import time

import pytest

import near_testlib as near
from conftest import wait_until

BLOCK = "10.1.18.0/24"
ANYCAST = "10.1.18.27"
HANG_BOUND = 0.3
HOLD = 0.5
# What a loaded machine, BIRD's one-second tick and the kernel's own time may add.
MARGIN = 3.0

OPTIONS = """
name = "{name}"
interface = "lan0"
key-file = "{keys}"
log-level = "debug"
anycast {{ block = "{block}" {anycast} hang-bound = 300 hold = 500 }}
limits {{ connections = {connections} request-timeout = {request_timeout} idle-timeout = 3000 }}
"""


class Site:
    """A client, a router and an ARN's host, with OSPF between the last two."""

    def __init__(self, namespaces, link, program, folder):
        self.folder, self.program = folder, program
        self.client = namespaces("client")
        self.router = namespaces("router")
        self.host = namespaces("host")
        self.lan = namespaces("lan")
        link(self.client, "up0", self.router, "down0")
        link(self.router, "core0", self.host, "core0")
        link(self.host, "lan0", self.lan, "lan0")
        near.address(self.client, "up0", "10.9.0.2/24", "2001:db8:9::2/64")
        near.address(self.router, "down0", "10.9.0.1/24", "2001:db8:9::1/64")
        near.address(self.router, "core0", "10.8.0.1/24", "2001:db8:8::1/64")
        near.address(self.host, "core0", "10.8.0.2/24", "2001:db8:8::2/64")
        near.address(self.host, "lan0", "10.2.0.4/24", "2001:db8:2::4/64")
        near.address(self.lan, "lan0", "10.2.0.6/24", "2001:db8:2::6/64")
        self.client.run("ip", "route", "add", "default", "via", "10.9.0.1")
        self.client.run("ip", "route", "add", "default", "via", "2001:db8:9::1")
        self.host.run("ip", "route", "add", "10.9.0.0/24", "via", "10.8.0.1")
        self.host.run("ip", "route", "add", "2001:db8:9::/64", "via", "2001:db8:8::1")
        self.lan.run("ip", "route", "add", "default", "via", "10.2.0.4")
        self.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        for setting in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"):
            self.router.run("sysctl", "-qw", setting)
        self.announcers = []
        self.bird = None

    def route(self):
        """Starts OSPF; the router has the block as long as the host's interface carries it."""
        near.Bird(
            self.host,
            self.folder,
            "host",
            near.bird_ospf("10.8.0.2", ["core0"], anycast=BLOCK, kernel=False),
        )
        self.bird = near.Bird(
            self.router, self.folder, "router", near.bird_ospf("10.8.0.1", ["core0", "down0"])
        )

    def arn(self, extra="", ready=True, block=BLOCK, connections=100, request_timeout=1000,
            anycast=""):
        options = OPTIONS.format(
            name="arn804",
            keys=near.key_file(self.folder),
            block=block,
            anycast=anycast,
            connections=connections,
            request_timeout=request_timeout,
        )
        return near.Daemon(
            self.host, self.program("arn"), self.folder, "arn804", options + extra, ready
        )

    def node(self, name="sn806", address="10.2.0.6", **fields):
        announcer = near.Announcer(self.lan, "lan0", name, address, **fields)
        self.announcers.append(announcer)
        return announcer

    def route_statically(self, block=BLOCK, via="10.8.0.2"):
        """For tests that are not about routing."""
        self.router.run("ip", "route", "add", block, "via", via)

    def reachable(self):
        return self.bird.has_route(BLOCK)

    def close(self):
        for announcer in self.announcers:
            announcer.close()


@pytest.fixture
def site(namespaces, link, program, tmp_path):
    made = Site(namespaces, link, program, tmp_path)
    yield made
    made.close()


def block_state(arn):
    return arn.ask("show status")["block"]["state"]


def wait_up(arn):
    wait_until(lambda: block_state(arn) == "up", "the block is up at the ARN")


def links(space):
    return space.run("ip", "-br", "link").stdout


def nothing_stale(space):
    """No interface, address or route of the block is left in the kernel."""
    left = links(space) + space.run("ip", "route", "show", "table", "all").stdout
    return "anycast0" not in left and "10.1.18" not in left


def usable(arn):
    return arn.ask("show status")["nodes"]["usable"]


def keep_announcing(announcer, condition, what):
    """Announces until the condition holds (announcements may be lost before the group is joined)."""

    def announce_and_look():
        announcer.send()
        return condition()

    return wait_until(announce_and_look, what, interval=0.05)


def describe(space, host=ANYCAST, path="/news", extra="", port=554, **kwargs):
    request = f"DESCRIBE rtsp://{host}{path} RTSP/1.0\r\nCSeq: 1\r\n{extra}\r\n"
    return near.exchange(space, host.strip("[]"), port, request.encode(), **kwargs)


# ---- A1, A2, A5: the block's fate ----


def test_route_appears_at_the_neighbour_after_the_hold_and_not_before(site):
    site.route()
    arn = site.arn()
    wait_until(site.reachable, "the neighbour has the route")
    up = arn.events("block-up")[0]
    start = arn.events("worker-start")[0]
    assert up["t"] - start["t"] >= HOLD


@pytest.mark.parametrize("victim", ["guardian", "worker", "both"])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_route_goes_when_a_process_is(site, victim, how):
    site.route()
    arn = site.arn()
    wait_until(site.reachable, "the neighbour has the route")
    guardian, worker = near.arn_pids(arn)
    for pid in {"guardian": [guardian], "worker": [worker], "both": [guardian, worker]}[victim]:
        with contextlib.suppress(ProcessLookupError):  # a worker may be gone with its guardian by then
            os.kill(pid, how)
    began = time.monotonic()
    # The kernel of the host itself is rid of it within the bound …
    wait_until(
        lambda: "10.1.18" not in site.host.run("ip", "-br", "addr").stdout,
        "the host has no address of the block",
        HANG_BOUND + MARGIN,
    )
    took = time.monotonic() - began
    # … and the network after the routers have computed.
    wait_until(lambda: not site.reachable(), "the neighbour has lost the route", MARGIN)
    print(f"{victim} {how.name}: interface gone after {took:.3f} s")
    if victim == "worker":
        wait_until(site.reachable, "the block is back by itself")
        assert len(arn.events("worker-start")) == 2
        down = arn.events("block-down")[0]
        assert arn.events("block-up")[1]["t"] - down["t"] >= HOLD
        assert near.arn_pids(arn)[0] == guardian
    else:
        wait_until(lambda: near.gone(guardian), "the guardian is dead")
        wait_until(lambda: near.gone(worker), "the worker is dead")
        assert nothing_stale(site.host)
        arn.process.wait()
        arn.start()
        wait_until(site.reachable, "the block is back after a restart")


def test_worker_that_is_slow_within_the_bound_keeps_the_block(site):
    arn = site.arn()
    wait_up(arn)
    _, worker = near.arn_pids(arn)
    os.kill(worker, signal.SIGSTOP)
    time.sleep(HANG_BOUND / 3)  # the length of the disturbance, not a wait for something
    os.kill(worker, signal.SIGCONT)
    assert near.arn_pids(arn)[1] == worker
    assert not arn.events("block-down")


@pytest.mark.parametrize("which", ["first", "last"])
def test_one_listener_thread_that_hangs_counts_as_a_worker_that_hangs(site, which):
    """Row A2: the other threads turn, and so does the control thread."""
    arn = site.arn("workers = 2\n")
    wait_up(arn)
    guardian, worker = near.arn_pids(arn)
    folder = pathlib.Path(f"/proc/{worker}/task")
    threads = {int(t.name): (t / "comm").read_text().strip() for t in folder.iterdir()}
    crew = sorted(t for t, name in threads.items() if name.startswith("arn-crew-"))
    assert len(crew) == arn.ask("show status")["worker"]["threads"] == 2
    release = near.stop_thread(crew[0] if which == "first" else crew[-1])
    began = time.monotonic()
    wait_until(
        lambda: "10.1.18" not in site.host.run("ip", "-br", "addr").stdout,
        "the host has no address of the block",
        HANG_BOUND + MARGIN,
    )
    print(f"interface gone after {time.monotonic() - began:.3f} s")
    wait_until(lambda: arn.events("block-down"), "the event is there")
    assert arn.events("block-down")[0]["reason"] == "worker silent"
    release()
    wait_until(lambda: len(arn.events("worker-start")) == 2, "a new worker")
    arn.wait_ready()
    wait_up(arn)
    assert near.arn_pids(arn)[0] == guardian
    assert "has not turned for" in arn.text()


def test_worker_has_no_descriptor_of_the_interface(site):
    arn = site.arn()
    wait_up(arn)
    guardian, worker = near.arn_pids(arn)

    def holds_tun(pid):
        found = []
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
                found.append(os.readlink(fd))
        return "/dev/net/tun" in found

    assert holds_tun(guardian)
    assert not holds_tun(worker)


def test_worker_that_dies_again_and_again_is_started_ever_more_slowly(site):
    """Row A1. All on one processor: there a guardian that waits for its workers, with real-time
    priority, keeps the last thread of one from ending, and is killed by its own timer."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        arn = site.arn()
    finally:
        os.sched_setaffinity(0, allowed)
    guardian, _ = near.arn_pids(arn)
    for count in range(1, 4):
        wait_until(lambda: len(arn.events("worker-start")) == count, f"worker {count} started")
        arn.wait_ready()
        _, worker = near.arn_pids(arn)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: len(arn.events("worker-end")) == count, f"worker {count} reaped")
    wait_until(lambda: len(arn.events("worker-start")) == 4, "worker 4 started")
    starts = [e["t"] for e in arn.events("worker-start")][1:]
    ends = [e["t"] for e in arn.events("worker-end")]
    pauses = [start - end for start, end in zip(starts, ends)]
    assert pauses[0] >= 0.1 and pauses[1] >= 0.2 and pauses[2] >= 0.4, pauses
    assert [e["how"] for e in arn.events("worker-end")] == ["killed by SIGKILL"] * 3
    arn.wait_ready()
    assert near.arn_pids(arn)[0] == guardian


def test_removed_interface_is_noticed_and_made_again(site):
    arn = site.arn()
    wait_up(arn)
    site.host.run("ip", "link", "del", "anycast0")
    wait_until(lambda: arn.events("block-down"), "the guardian has noticed")
    assert arn.events("block-down")[0]["reason"] == "interface was removed"
    wait_until(lambda: block_state(arn) == "up", "the block is up again")
    assert "anycast0" in links(site.host)


def test_port_that_is_taken_keeps_the_block_down_until_it_is_free(site):
    other = near.socket_in(site.host, lambda: socket.create_server(("0.0.0.0", 554)))
    try:
        arn = site.arn(ready=False)
        wait_until(lambda: len(arn.events("worker-end")) >= 3, "three workers have given up")
    finally:
        other.close()
    assert "TCP port 554: Address already in use" in arn.text()
    assert nothing_stale(site.host)
    arn.wait_ready()
    wait_up(arn)


# ---- A4: drain, stop, reload ----


def test_sigterm_takes_the_route_first_and_lets_a_transaction_finish(site):
    site.route()
    arn = site.arn(request_timeout=8000)
    announcer = site.node()
    keep_announcing(announcer, lambda: usable(arn) == 1, "the node is known")
    wait_until(site.reachable, "the neighbour has the route")
    with near.connect(site.client, ANYCAST, 554) as slow:
        slow.sendall(b"DESCRIBE rtsp://10.1.18.27/news RTSP/1.0\r\n")
        wait_until(lambda: arn.ask("show status")["connections"] == 1, "the request is under way")
        arn.send_signal(signal.SIGTERM)
        wait_until(lambda: not site.reachable(), "the neighbour has lost the route")
        # The old path, as a packet that was under way: straight to the host.
        site.route_statically()
        assert arn.process.poll() is None
        announcer.send()
        slow.sendall(b"CSeq: 1\r\n\r\n")
        assert near.read_head(slow)[0] in (302, 503)
    assert arn.process.wait(15) == 0
    assert nothing_stale(site.host)
    assert arn.events("block-down")[-1]["reason"] == "stopping"
    assert not arn.control.exists()
    assert arn.events("worker-end")[-1]["how"] == "exited with 0"


def test_drained_block_stays_down_until_undrain_also_with_a_new_worker(site):
    site.route()
    arn = site.arn()
    wait_until(site.reachable, "the neighbour has the route")
    arn.ask("drain")
    wait_until(lambda: not site.reachable(), "the neighbour has lost the route")
    assert near.request(arn.control, "drain")[0] == 409
    wait_until(lambda: block_state(arn) == "down", "the interface is gone")
    os.kill(near.arn_pids(arn)[1], signal.SIGKILL)
    wait_until(lambda: len(arn.events("worker-start")) == 2, "a new worker")
    arn.wait_ready()
    assert arn.ask("show status")["draining"]
    assert nothing_stale(site.host)
    arn.ask("undrain")
    wait_until(site.reachable, "the block is back")


def test_reload_takes_over_what_it_can_and_names_what_it_cannot(site):
    arn = site.arn('node "sn9" { address = "10.2.0.9" }\n')
    assert usable(arn) == 1
    old = arn.conf.read_text()
    arn.conf.write_text(old.replace("sn9", "sn10").replace("10.2.0.9", "10.2.0.10"))
    arn.send_signal(signal.SIGHUP)
    wait_until(
        lambda: [n["node"] for n in arn.ask("show nodes")["nodes"]] == ["sn10"], "the other node"
    )
    arn.conf.write_text(old.replace("hold = 500", "hold = 600"))
    assert arn.ask("reload")["needs_restart"] == "anycast.hold"
    arn.conf.write_text(old + "nonsense = 1\n")
    code, body = near.request(arn.control, "reload")
    assert code == 500 and "nonsense" in body["error"]
    assert [n["node"] for n in arn.ask("show nodes")["nodes"]] == ["sn9"]


# ---- B: the transaction ----


def test_rtsp_is_redirected_to_the_announced_node_and_stays_open(site):
    arn = site.arn()
    site.route_statically()
    announcer = site.node()
    keep_announcing(
        announcer,
        lambda: block_state(arn) == "up" and usable(arn) == 1,
        "the block is up and the node is known",
    )
    with near.connect(site.client, ANYCAST, 554) as s:
        for cseq, method in enumerate(["OPTIONS", "DESCRIBE", "DESCRIBE"], 1):
            announcer.send()
            s.sendall(f"{method} rtsp://{ANYCAST}/a?b RTSP/1.0\r\nCSeq: {cseq}\r\n\r\n".encode())
            status, headers = near.read_head(s)
            assert (status, headers["cseq"]) == (302, str(cseq))
            assert headers["location"] == "rtsp://10.2.0.6/a?b"


def test_curl_follows_the_redirection_to_a_web_server(site, tmp_path):
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "hello.txt").write_text("from the node\n")
    site.lan.start(
        "/usr/bin/python3", "-m", "http.server", "8080", "-d", tmp_path / "www",
        log=tmp_path / "www.log",
    )
    arn = site.arn()
    site.route_statically()
    announcer = site.node(http_port=8080, interval=30000)
    keep_announcing(announcer, lambda: usable(arn) == 1, "the node is known")
    wait_up(arn)
    site.router.run("ip", "route", "add", "10.2.0.0/24", "via", "10.8.0.2")

    def fetched():
        done = site.client.run(
            "curl", "-sSL", "--max-time", "5", f"http://{ANYCAST}/hello.txt?x=1", check=False
        )
        assert done.stdout == "from the node\n", done.stderr
        return True

    wait_until(fetched, "curl has the file")


@pytest.mark.parametrize("host", ["10.1.18.0", "10.1.18.1", "10.1.18.254", "10.1.18.255"])
def test_every_address_of_the_block_answers(site, host):
    arn = site.arn()
    wait_up(arn)
    site.route_statically()
    assert describe(site.client, host)[0] == 503


def test_no_node_is_503_with_retry_after(site):
    arn = site.arn("retry-after = 9\n")
    wait_up(arn)
    site.route_statically()
    status, headers = describe(site.client)
    assert (status, headers["retry-after"]) == (503, "9")
    status, headers = near.exchange(
        site.client, ANYCAST, 80, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    )
    assert (status, headers["retry-after"]) == (503, "9")


def test_block_of_ipv6_works_alike(site):
    block = "2001:db8:18::/64"
    arn = site.arn('node "sn6" { address = "2001:db8:2::6" }\n', block=block)
    wait_up(arn)
    assert "2001:db8:18::1/64" in site.host.run("ip", "-br", "addr").stdout
    site.route_statically(block, "2001:db8:8::2")
    status, headers = describe(site.client, "[2001:db8:18::27]")
    assert (status, headers["location"]) == (302, "rtsp://[2001:db8:2::6]/news")
    arn.ask("drain")
    wait_until(
        lambda: "2001:db8:18::" not in site.host.run("ip", "-br", "addr").stdout,
        "the address is gone",
    )
    if block_state(arn) == "withdrawn":
        assert describe(site.client, "[2001:db8:18::27]")[0] == 302
    wait_until(lambda: block_state(arn) == "down", "the interface is gone")
    assert "2001:db8:18:" not in site.host.run("ip", "-6", "route", "show", "table", "all").stdout


@pytest.mark.parametrize("block, one, two, whole", [
    ("10.1.18.0/24", "10.1.18.27", "10.1.18.0", 32),
    ("2001:db8:18::/64", "2001:db8:18::27", "2001:db8:18::", 128),
])
def test_addresses_with_a_master_each_are_on_the_interface_by_themselves(
        site, block, one, two, whole):
    """Row C3, alone: all are this one's, and go with a drain; the block as a whole is not there."""
    def present():
        lines = site.host.run("ip", "-o", "addr", "show", "anycast0", check=False).stdout
        return {a for a in (one, two) if f" {a}/{whole} " in lines}

    v6 = ":" in block
    node = "2001:db8:2::6" if v6 else "10.2.0.9"
    arn = site.arn(f'node "n" {{ address = "{node}" }}\n', block=block,
                   anycast=f'active = "each" addresses = {{ "{one}", "{two}" }}')
    wait_up(arn)
    wait_until(lambda: present() == {one, two}, "both addresses are there")
    lines = site.host.run("ip", "-o", "addr", "show", "anycast0").stdout
    first = ipaddress.ip_network(block)[1]
    assert f" {first}/" not in lines
    said = arn.ask("show status")["addresses"]
    assert [a["address"] for a in said] == [one, two]
    assert all(a["here"] for a in said) and len({a["master"] for a in said}) == 1
    site.route_statically(block, "2001:db8:8::2" if v6 else "10.8.0.2")
    for address in (one, two):
        assert describe(site.client, f"[{address}]" if v6 else address)[0] == 302
    arn.ask("drain")
    wait_until(lambda: not present(), "no address is there")
    arn.ask("undrain")
    wait_until(lambda: present() == {one, two}, "both addresses are back")


def test_connection_to_another_address_of_the_host_is_closed_and_counted(site):
    arn = site.arn()
    with pytest.raises(ConnectionError):
        describe(site.router, "10.8.0.2")
    assert arn.ask("show counters")["nearcast_arn_outside_block_total"] == 1


def test_explain_says_what_a_client_would_get(site):
    arn = site.arn('node "a" { address = "10.2.0.9" }\nnode "b" { address = "10.2.0.10" }\n')
    wait_up(arn)
    site.route_statically()
    said = arn.ask(f"explain rtsp://{ANYCAST}/news 10.9.0.2")
    status, headers = describe(site.client)
    assert (said["status"], said["location"]) == (status, headers["location"])
    assert {n["node"] for n in said["nodes"]} == {"a", "b"}
    assert near.request(arn.control, "explain nonsense")[0] == 400


# ---- bad clients ----


def test_nothing_long_lived_runs_over_the_anycast_address(site):
    """Row B5: HTTP ends with its answer, an RTSP connection soon after the last one, and no session
    can begin."""
    arn = site.arn('node "a" { address = "10.2.0.9" http-port = 80 }\n')
    wait_up(arn)
    site.route_statically()
    with near.connect(site.client, ANYCAST, 80) as http, \
            near.connect(site.client, ANYCAST, 554) as rtsp:
        http.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        rtsp.sendall(b"OPTIONS rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n"
                     b"PLAY rtsp://a/b RTSP/1.0\r\nCSeq: 2\r\nSession: 1\r\n\r\n")
        answers = {s: b"" for s in (http, rtsp)}
        for s in answers:
            s.settimeout(10)  # longer than idle-timeout, 3 s
            while piece := s.recv(65536):
                answers[s] += piece
    assert answers[http].count(b"HTTP/1.1 302") == 1 and b"Connection: close" in answers[http]
    assert answers[rtsp].startswith(b"RTSP/1.0 302") and b"RTSP/1.0 454" in answers[rtsp]
    assert arn.ask("show counters")['nearcast_arn_timeouts_total{waiting_for="next"}'] == 1


def test_slow_loris_harms_nobody_and_is_ended(site):
    arn = site.arn('node "a" { address = "10.2.0.9" }\n', connections=40, request_timeout=2000)
    wait_up(arn)
    site.route_statically()
    slow = [near.connect(site.client, ANYCAST, 554) for _ in range(60)]
    try:
        for s in slow:
            try:
                s.sendall(b"DESCRIBE rtsp://a/")
            except ConnectionError:
                pass  # it gave way to a newer one already
        wait_until(
            lambda: arn.ask("show counters")["nearcast_arn_evicted_total"] >= 20,
            "the oldest gave way",
        )
        for _ in range(20):
            assert describe(site.client)[0] == 302

        def drip_until_closed():
            ended = 0
            for s in slow:
                try:
                    s.sendall(b"x")
                    s.setblocking(False)
                    ended += s.recv(1) == b""
                except BlockingIOError:
                    pass
                except OSError:
                    ended += 1
            return ended == len(slow)

        wait_until(drip_until_closed, "every slow connection was ended", interval=0.2)
    finally:
        for s in slow:
            s.close()
    counters = arn.ask("show counters")
    assert counters['nearcast_arn_timeouts_total{waiting_for="request"}'] > 0
    assert not arn.events("block-down")


def test_bad_requests_are_counted_and_the_next_client_is_served(site):
    arn = site.arn('node "a" { address = "10.2.0.9" http-port = 80 }\n')
    wait_up(arn)
    site.route_statically()
    bad = [b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 9000]
    for data in bad:
        status, _ = near.exchange(site.client, ANYCAST, 80, data)
        assert status in (400, 414, 505)
    counters = arn.ask("show counters")
    assert counters['nearcast_arn_requests_total{proto="http",answer="refused"}'] == len(bad)
    with near.connect(site.client, ANYCAST, 554) as vanishing:
        vanishing.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
        )
        vanishing.sendall(b"DESCRIBE rtsp")
    assert describe(site.client)[0] == 302
    assert "malformed" in arn.text()


def test_requests_in_one_flight_are_all_answered(site):
    arn = site.arn('node "a" { address = "10.2.0.9" }\n')
    wait_up(arn)
    site.route_statically()
    with near.connect(site.client, ANYCAST, 554) as s:
        s.sendall(
            b"".join(b"OPTIONS rtsp://a/ RTSP/1.0\r\nCSeq: %d\r\n\r\n" % i for i in range(1, 31))
        )
        for i in range(1, 31):
            status, headers = near.read_head(s)
            assert (status, headers["cseq"]) == (302, str(i))


# ---- C1, C5: the nodes ----


def test_silent_node_is_timed_out_and_a_goodbye_is_quicker(site):
    arn = site.arn()
    announcer = site.node(interval=200)
    keep_announcing(announcer, lambda: usable(arn) == 1, "the node is known")
    wait_until(lambda: usable(arn) == 0, "the node is forgotten", 0.6 + MARGIN)
    assert arn.events("node-down")[-1]["reason"] == "timeout"
    announcer.fields[13] = 30000
    keep_announcing(announcer, lambda: usable(arn) == 1, "the node is known again")
    announcer.send(kind=near.GOODBYE)
    wait_until(lambda: usable(arn) == 0, "the node has said goodbye")
    assert arn.events("node-down")[-1]["reason"] == "goodbye"


def test_service_node_itself_is_found_served_to_and_says_goodbye(site, program, tmp_path):
    arn = site.arn()
    site.route_statically()
    node = near.Daemon(
        site.lan,
        program("sn-agent"),
        tmp_path,
        "sn806",
        'name = "sn806"\naddress = "10.2.0.6"\ninterface = "lan0"\n'
        f'key-file = "{tmp_path}/keys"\nrtsp {{ port = 8554 }}\n',
    )
    wait_until(lambda: usable(arn) == 1, "the node is found with no configuration")
    wait_up(arn)
    status, headers = describe(site.client)
    assert (status, headers["location"]) == (302, "rtsp://10.2.0.6:8554/news")
    assert node.stop() == 0
    wait_until(lambda: usable(arn) == 0, "the node is gone")
    reasons = [e["reason"] for e in arn.events("node-down")]
    assert reasons[-1] in ("goodbye", "draining")
    counters = arn.ask("show counters")
    refused = [k for k, v in counters.items() if "refused_total{reason=" in k and v]
    assert not refused


def test_key_is_changed_without_a_gap_by_reloads_alone(site, program, tmp_path):
    """C5: neither daemon has to be restarted for a new key, and the old one is worth nothing then."""
    new = bytes(range(1, 33))
    arn = site.arn()
    node = near.Daemon(
        site.lan,
        program("sn-agent"),
        tmp_path,
        "sn806",
        'name = "sn806"\naddress = "10.2.0.6"\ninterface = "lan0"\n'
        f'key-file = "{tmp_path}/keys"\n',
    )
    wait_until(lambda: usable(arn) == 1, "the node is known")
    old_line, new_line = f"{near.KEY_ID} {near.KEY.hex()}\n", f"8 {new.hex()}\n"
    heard = []
    for lines in (old_line + new_line, new_line + old_line, new_line):
        near.key_file(tmp_path, lines=lines)
        for daemon in (arn, node):
            daemon.ask("reload")
        before = arn.ask("show nodes")["nodes"][0]["announcements"]
        wait_until(
            lambda: arn.ask("show nodes")["nodes"][0]["announcements"] > before + 2, "it is heard"
        )
        heard.append(before)
    assert not arn.events("node-down"), heard
    thief = site.node("sn806", "10.2.0.66")
    name = 'nearcast_arn_datagrams_refused_total{reason="unknown_key"}'
    refused = arn.ask("show counters")[name]
    thief.send()
    wait_until(lambda: arn.ask("show counters")[name] > refused, "the old key is refused")
    near.key_file(tmp_path, lines="8 nonsense\n")
    code, body = near.request(node.control, "reload")
    assert code != 200 and f"{tmp_path}/keys:1" in body["error"]
    wait_until(lambda: usable(arn) == 1, "it is still heard")


def test_node_is_heard_on_a_group_of_ipv6(site):
    arn = site.arn('discovery { group = "[ff02::7701]:7701" }\n')
    announcer = site.node(address="2001:db8:2::6", group=("ff02::7701", 7701))
    keep_announcing(announcer, lambda: usable(arn) == 1, "the node is known")
    assert arn.ask("show nodes")["nodes"][0]["address"] == "2001:db8:2::6"


def test_what_is_not_a_true_announcement_is_counted_and_changes_nothing(site):
    arn = site.arn()
    good = site.node(interval=30000)
    keep_announcing(good, lambda: usable(arn) == 1, "the node is known")
    recorded = good.send()
    evil = site.node("evil", "10.2.0.66")
    inside = site.node("inside", ANYCAST)
    liar = site.node("liar", "10.2.0.67")
    liar.fields[2] = "sn806"
    sent = {
        "malformed": [b"", b"NCST", b"\x00" * 200, evil.seal()[:-40]],
        "version": [evil.seal(version=9)],
        "unknown_key": [evil.seal(key_id=99)],
        "forged": [evil.seal(key=b"x" * 32), evil.seal()[:-1] + b"\x00"],
        "stale": [evil.seal(wall=time.time_ns() - 60 * 10**9)],
        "replayed": [recorded, recorded],
        "payload": [evil.seal(b"\xff\xff"), evil.seal(b"")],
        "misnamed": [liar.seal()],
        "address": [inside.seal()],
    }
    version = arn.ask("show status")["snapshot"]
    for datagrams in sent.values():
        for datagram in datagrams:
            evil.send(datagram)
    name = 'nearcast_arn_datagrams_refused_total{{reason="{}"}}'

    def all_counted():
        counters = arn.ask("show counters")
        for reason, datagrams in sent.items():
            # A forgery may, by its length alone, be taken for something malformed.
            assert counters[name.format(reason)] == len(datagrams), (reason, counters)
        return True

    wait_until(all_counted, "every bad datagram is counted by its reason")
    assert [n["node"] for n in arn.ask("show nodes")["nodes"]] == ["sn806"]
    assert arn.ask("show status")["snapshot"] == version
    assert "10.2.0.6" in arn.text() and "lan0" in arn.text()
    replayed_goodbye = good.seal(kind=near.GOODBYE, key=b"y" * 32)
    good.send(replayed_goodbye)
    wait_until(
        lambda: arn.ask("show counters")[name.format("forged")] == len(sent["forged"]) + 1,
        "the forged goodbye is counted",
    )
    assert usable(arn) == 1


def test_interface_that_comes_later_is_joined(site):
    site.host.run("ip", "link", "set", "lan0", "name", "lan9")
    arn = site.arn()
    assert not arn.ask("show status")["discovery"]["joined"]
    site.host.run("ip", "link", "set", "lan9", "name", "lan0")
    site.host.run("ip", "link", "set", "lan0", "up")
    wait_until(lambda: arn.ask("show status")["discovery"]["joined"], "the group is joined")
    announcer = site.node()
    keep_announcing(announcer, lambda: usable(arn) == 1, "the node is known")


# ---- configuration ----


def test_check_tells_all_errors_with_their_lines(site, tmp_path):
    conf = tmp_path / "bad.conf"
    conf.write_text(
        'name = "arn 804"\n'
        "nonsense = 1\n"
        'anycast { block = "10.1.18.1/24" hang-bound = 1 }\n'
        'rtsp { port = "many" }\n'
        'discovery { group = "10.0.0.1" }\n'
    )
    done = site.host.run(site.program("arn"), "--check", "-c", conf, check=False)
    assert done.returncode == 78
    for line, what in [(1, "name"), (2, "nonsense"), (3, "block"), (3, "hang-bound"), (4, "port"),
                       (5, "group")]:
        assert any(
            text.startswith(f"{conf}:{line}:") and what in text
            for text in done.stderr.splitlines()
        ), f"line {line}, {what}:\n{done.stderr}"


def test_check_tells_what_does_not_go_together(site, tmp_path):
    conf = tmp_path / "bad.conf"
    conf.write_text(
        'name = "a"\n'
        'interface = "lan0"\n'
        'anycast { block = "10.1.18.0/24" }\n'
        "rtsp { port = 80 }\n"
        'node "n" { address = "10.1.18.9" }\n'
        'node "m m" { address = "10.2.0.1" }\n'
    )
    done = site.host.run(site.program("arn"), "--check", "-c", conf, check=False)
    assert done.returncode == 78
    for what in ("key-file", "same port 80", "inside the anycast block", '"m m"'):
        assert what in done.stderr


def test_key_file_that_cannot_be_used_is_told_before_anything_starts(site, tmp_path):
    arn = site.arn(ready=False)
    arn.process.kill()
    near.key_file(tmp_path, lines="7 abc\n")
    done = site.host.run(site.program("arn"), "-c", arn.conf, check=False)
    assert done.returncode == 66 and f"{tmp_path}/keys:1" in done.stderr


def test_check_of_a_good_file_and_wrong_usage(site, tmp_path):
    conf = tmp_path / "good.conf"
    conf.write_text(
        'name = "a"\nanycast { block = "10.1.18.0/24" }\nnode "n" { address = "10.2.0.1" }\n'
    )
    assert site.host.run(site.program("arn"), "--check", "-c", conf).returncode == 0
    assert site.host.run(site.program("arn"), "--nonsense", check=False).returncode == 64
    none = site.host.run(site.program("arn"), "-c", "/nonexistent", check=False)
    assert none.returncode == 66


def test_metrics_say_that_the_block_is_up(site):
    arn = site.arn('management = "127.0.0.1:7780"\n')
    wait_up(arn)
    text = site.host.run("curl", "-sS", "http://127.0.0.1:7780/metrics").stdout
    assert "nearcast_arn_block_up 1" in text
    assert 'nearcast_arn_requests_total{proto="rtsp",answer="redirected"} 0' in text


# ---- C2: other ARNs on the LAN ----


def other_arn(site, name="arn2", address="10.2.0.2", **fields):
    return site.node(name, address, role=2, block=BLOCK, **fields)


def cluster(arn):
    return arn.ask("show status")["cluster"]


def test_arn_with_a_lower_address_gets_the_block_and_its_goodbye_gives_it_back_at_once(site):
    arn = site.arn()
    wait_up(arn)
    assert cluster(arn)["state"] == "master" and cluster(arn)["address"] == "10.2.0.4"
    other = other_arn(site, interval=1000)  # a test that gets no processor is not yet silent
    keep_announcing(other, lambda: cluster(arn)["state"] == "backup", "the lower one is master")
    assert cluster(arn)["master"] == "arn2" and cluster(arn)["reason"] == "higher address"
    assert [p["address"] for p in arn.ask("show peers")["peers"]] == ["10.2.0.2"]
    keep_announcing(other, lambda: block_state(arn) == "down", "the block is let go")
    assert arn.ask("show status")["block"]["reason"] == "backup"
    other.send()
    other.send(kind=near.GOODBYE)
    wait_up(arn)
    elected, up = arn.events("master")[-1], arn.events("block-up")[-1]
    assert elected["reason"] == "goodbye of the master"
    assert up["t"] - elected["t"] < HOLD


def test_silent_master_is_replaced_by_the_backup_after_its_misses(site):
    other = other_arn(site, interval=300, master=True)
    arn = site.arn(ready=False)
    keep_announcing(
        other,
        lambda: arn.control.exists() and cluster(arn)["standing"] == "ready",
        "the backup is ready",
    )
    assert cluster(arn)["state"] == "backup" and block_state(arn) == "down"
    silent = time.monotonic()
    wait_up(arn)
    elected = arn.events("master")[-1]
    assert elected["reason"] == "master silent"
    assert elected["t"] - silent < 0.9 + MARGIN
    assert arn.events("block-up")[-1]["t"] - elected["t"] < HOLD


def test_stranger_or_other_cluster_does_not_get_the_block(site):
    arn = site.arn()
    wait_up(arn)
    forged = other_arn(site, master=True)
    elsewhere = site.node("arn3", "10.2.0.3", role=2, block="10.1.19.0/24", master=True)
    name = 'nearcast_arn_datagrams_refused_total{reason="forged"}'

    def both_seen():
        forged.send(key=b"x" * 32)
        elsewhere.send()
        counters = arn.ask("show counters")
        return counters[name] >= 5 and counters["nearcast_arn_ignored_total"] >= 5

    wait_until(both_seen, "both were heard", interval=0.05)
    assert block_state(arn) == "up" and not arn.ask("show peers")["peers"]
    assert not arn.events("backup") and not arn.events("block-down")
