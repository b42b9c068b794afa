# SPDX-License-Identifier: GPL-2.0-or-later
"""The service node by itself: publishers, players, repair, upstream nodes, and those who behave
badly. Packets are made by hand here, so that each can be compared byte for byte; unmodified
publishers and players are in test_sn_players.py."""

import contextlib
import signal
import socket
import struct
import subprocess

import pytest

import near_testlib
from conftest import wait_until
from sn_testlib import FEATURE, Here, Player, Publisher, Rtsp, bye, packet, sdp, sender_report


@pytest.fixture
def here():
    space = Here()
    yield space
    space.close()


@pytest.fixture
def node(here, program, tmp_path):
    """node(N, more configuration) is a service node at 127.0.0.N."""

    def make(n, *upstreams, options="", rtsp="", **kwargs):
        lines = "".join(
            f'upstream "sn{u}" {{ address = "127.0.0.{u}" }}\n' for u in upstreams
        )
        conf = (
            f'name = "sn{n}"\naddress = "127.0.0.{n}"\nlog-level = "debug"\n'
            f'rtsp {{ publishers = "127.0.0.0/8" {rtsp} }}\n{lines}{options}\n'
        )
        d = near_testlib.Daemon(here, program("sn-agent"), tmp_path, f"sn{n}", conf, **kwargs)
        d.host = f"127.0.0.{n}"
        if upstreams and kwargs.get("ready", True):
            wait_until(
                lambda: any(u["up"] for u in d.ask("show upstreams")["upstreams"]),
                "an upstream answers",
            )
        return d

    return make


def counters(daemon):
    return daemon.ask("show counters")


def channel(daemon, path="/news"):
    found = [c for c in daemon.ask("show channels")["channels"] if c["path"] == path]
    return found[0] if found else None


# ---- relaying ----


@pytest.mark.parametrize("pub_tcp", [False, True], ids=["from-udp", "from-tcp"])
@pytest.mark.parametrize("play_tcp", [False, True], ids=["to-udp", "to-tcp"])
def test_packets_of_all_media_pass_unchanged_and_in_order(node, pub_tcp, play_tcp):
    sn = node(11)
    pub = Publisher(sn.host, media=2, tcp=pub_tcp)
    player = Player(sn.host, media=2, tcp=play_tcp)
    assert player.describe().status == 200
    player.play()
    sent = [[], []]
    for _ in range(10):
        for medium, count in ((0, 60), (1, 7)):
            sent[medium] += pub.send(count, medium)
    for medium in range(2):
        player.wait(sent[medium], medium)
        assert player.numbers(medium) == [n & 0xFFFF for n in sent[medium]]
    assert counters(sn)["rtp_dropped_total"] == 0
    assert player.teardown().status == 200


def test_reports_and_bye_of_the_origin_pass_unchanged(node):
    sn = node(11)
    pub = Publisher(sn.host)
    player = Player(sn.host).play()
    pub.send(10)
    for report in (sender_report(0, 65009), bye(0)):
        pub.raw(0, report, rtcp=True)
        wait_until(lambda r=report: (player.pump(), r in player.reports[0])[1], "the report came")


def test_a_player_that_comes_later_gets_the_last_sender_report_at_once(node):
    sn = node(11)
    pub = Publisher(sn.host)
    early = Player(sn.host).play()
    pub.send(5)
    pub.raw(0, sender_report(0, 65004), rtcp=True)
    wait_until(lambda: (early.pump(), early.reports[0])[1], "the report came")
    late = Player(sn.host).play()
    wait_until(lambda: (late.pump(), late.reports[0])[1], "it came again")
    assert late.reports[0] == [sender_report(0, 65004)]


def test_play_says_where_the_stream_is(node):
    sn = node(11)
    pub = Publisher(sn.host, first=100)
    early = Player(sn.host).play()
    early.wait(pub.send(20))
    player = Player(sn.host)
    player.play()
    info = player.reply["RTP-Info"]
    assert info.startswith(f"url=rtsp://{sn.host}/news/trackID=0;seq=120;rtptime=")
    late = Player(sn.host, nearcast=True)
    late.play(start=[110])
    assert f"seq=110;rtptime={110 * 450}" in late.reply["RTP-Info"]


def test_pause_stops_the_stream_and_play_goes_on_with_what_is_live(node):
    sn = node(11)
    pub = Publisher(sn.host)
    player = Player(sn.host).play()
    other = Player(sn.host).play()
    player.wait(pub.send(5))
    assert player.rtsp.ask("PAUSE", "/news", {"Session": player.session}).status == 200
    lost = pub.send(5)
    other.wait(lost)
    assert player.rtsp.ask("PLAY", "/news", {"Session": player.session}).status == 200
    player.wait(pub.send(5))
    assert not {n & 0xFFFF for n in lost} & set(player.numbers())
    names = [e["event"] for e in sn.events() if e.get("session") == player.session]
    assert names == ["session_start", "session_pause", "session_resume"]


def test_a_slow_tcp_receiver_loses_whole_packets_and_delays_nobody(node):
    sn = node(11)
    pub = Publisher(sn.host)
    slow = Player(sn.host, tcp=True)
    slow.rtsp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.play()
    fast = Player(sn.host).play()
    total = 0
    while counters(sn)["rtp_dropped_total"] == 0:
        fast.wait(pub.send(500))
        total += 500
        assert total < 60000, "never dropped"
    mark = pub.next[0] & 0xFFFF
    wait_until(lambda: (pub.send(1), mark in slow.numbers() or slow.numbers()[-1] > mark)[1], "it reads again, and gets what is live")
    assert len(slow.got[0]) < total
    for n, data in slow.got[0]:
        assert data[12:16] == struct.pack("!BHB", 0, n, 0xA5)


def test_ipv6(here, program, tmp_path):
    conf = 'name = "v6"\naddress = "::1"\nrtsp { publishers = "::1/128" }\n'
    near_testlib.Daemon(here, program("sn-agent"), tmp_path, "v6", conf)
    pub = Publisher("::1", tcp=True)
    tcp, udp = Player("::1", tcp=True).play(), Rtsp("::1")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.bind(("::1", 0))
        port = s.getsockname()[1]
        transport = f"RTP/AVP;unicast;client_port={port}-{port + 1}"
        reply = udp.ask("SETUP", "/news/trackID=0", {"Transport": transport})
        assert reply.transport("source") == "::1"
        assert udp.ask("PLAY", "/news", {"Session": reply.session}).status == 200
        tcp.wait(pub.send(5))
        s.settimeout(5)
        assert [s.recv(2048) for _ in range(5)] == [packet(0, 65000 + i) for i in range(5)]


# ---- repair ----


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_nack_is_answered_byte_exact(node, tcp):
    sn = node(11)
    pub = Publisher(sn.host)
    player = Player(sn.host, tcp=tcp, nearcast=True).play()
    sent = pub.send(1000)
    player.wait(sent)
    asked = [sent[0], sent[3], sent[500], sent[536], sent[999]]  # over the wrap of the numbers
    player.got[0].clear()
    player.nack(asked)
    player.wait(asked)
    assert sorted(player.numbers()) == sorted(n & 0xFFFF for n in asked)
    assert counters(sn)["repaired_total"] == len(asked)


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_play_from_a_number_on_sends_the_ring_first_and_then_what_is_live(node, tcp):
    sn = node(11)
    pub = Publisher(sn.host, media=2)
    first = Player(sn.host, media=2).play()
    sent = [pub.send(2000, 0), pub.send(300, 1)]
    for i in range(2):
        first.wait(sent[i], i)
    player = Player(sn.host, media=2, tcp=tcp, nearcast=True)
    player.attach([sent[0][700], sent[1][10]])
    sent[0] += pub.send(100, 0)
    sent[1] += pub.send(10, 1)
    for medium, at in ((0, 700), (1, 10)):
        player.wait(sent[medium][at:], medium)
        assert player.numbers(medium) == [n & 0xFFFF for n in sent[medium][at:]]


def test_from_older_than_the_ring_begins_with_the_oldest(node):
    sn = node(11, options="ring = 200\n")
    pub = Publisher(sn.host, first=1000)
    watch = Player(sn.host).play()
    watch.wait(pub.send(100))

    def expired():
        watch.wait(pub.send(1))
        return channel(sn)["media"][0]["oldest"] > 1100

    wait_until(expired, "the first packets have left the ring")
    player = Player(sn.host, nearcast=True).attach([1000])
    oldest = int(player.reply["RTP-Info"].split("seq=")[1].split(";")[0])
    assert oldest > 1100
    player.wait(range(oldest, pub.next[0]))


# ---- end of stream ----


def test_a_nearcast_player_is_told_the_last_numbers(node):
    sn = node(11)
    pub = Publisher(sn.host, media=2)
    player = Player(sn.host, media=2, nearcast=True).play()
    sent = [pub.send(40, 0), pub.send(3, 1)]
    player.wait(sent[0], 0)
    player.wait(sent[1], 1)
    pub.teardown()
    line, headers = player.told_end()
    assert line == f"PLAY_NOTIFY rtsp://{sn.host}/news RTSP/1.0"
    assert headers["notify-reason"] == "end-of-stream"
    assert headers["session"] == player.session
    url = f"rtsp://{sn.host}/news"
    assert headers["rtp-info"] == (
        f"url={url}/trackID=0;seq={sent[0][-1] & 0xFFFF}, "
        f"url={url}/trackID=1;seq={sent[1][-1] & 0xFFFF}"
    )
    player.got[0].clear()
    player.nack(sent[0][10:12])
    player.wait(sent[0][10:12])


def test_other_players_get_bye_and_the_end_of_the_connection(node):
    sn = node(11)
    pub = Publisher(sn.host)
    player = Player(sn.host).play()
    player.wait(pub.send(10))
    pub.teardown()
    wait_until(lambda: (player.pump(), player.reports[0])[1], "BYE")
    assert player.reports[0][-1] == bye(0)
    wait_until(player.rtsp.is_closed, "the connection ends")
    assert Player(sn.host).describe().status == 404


def test_who_fails_over_after_the_end_still_gets_the_rest(node):
    sn = node(11)
    pub = Publisher(sn.host)
    watch = Player(sn.host).play()
    sent = pub.send(50)
    watch.wait(sent)
    pub.teardown()
    player = Player(sn.host, nearcast=True).attach([sent[20]])
    player.wait(sent[20:])
    player.told_end()


def test_a_publisher_that_vanishes_has_a_grace_to_come_back(node):
    sn = node(11)
    pub = Publisher(sn.host)
    player = Player(sn.host, nearcast=True).play()
    player.wait(pub.send(10))
    number = pub.next[0]
    pub.close()
    wait_until(lambda: channel(sn)["publisher"] is None, "its connection's end is seen")
    again = Publisher(sn.host, first=number)
    player.wait(again.send(10))
    again.close()
    player.told_end()
    assert channel(sn)["state"] == "ended"


# ---- upstream nodes ----


def test_a_second_node_subscribes_and_relays_unchanged(node):
    a = node(11)
    b = node(12, 11)
    pub = Publisher(a.host, media=2)
    player = Player(b.host, media=2)
    assert b"a=control:trackID=1" in player.describe().body
    player.play()
    wait_until(lambda: a.ask("show status")["sessions"] == 1, "it has subscribed")
    sent = [pub.send(300, 0), pub.send(30, 1)]
    player.wait(sent[0], 0)
    player.wait(sent[1], 1)
    second = Player(b.host, media=2).play()
    second.wait(pub.send(10, 0), 0)
    assert a.ask("show status")["sessions"] == 1, "content crosses the link once"
    player.teardown()
    second.teardown()
    wait_until(lambda: a.ask("show status")["sessions"] == 0, "unsubscribed after the linger")
    wait_until(lambda: channel(b) is None, "pruned")


def test_from_reaches_through_to_the_upstream(node):
    a = node(11)
    b = node(12, 11)
    pub = Publisher(a.host, media=2)
    watch = Player(a.host, media=2).play()
    sent = [pub.send(500, 0), pub.send(50, 1)]
    watch.wait(sent[0], 0)
    watch.wait(sent[1], 1)
    player = Player(b.host, media=2, nearcast=True).attach([sent[0][100], sent[1][20]])
    for i, at in ((0, 100), (1, 20)):
        player.wait(sent[i][at:] + pub.send(20, i), i)
    assert not [n for n in player.numbers(0) if n in {x & 0xFFFF for x in sent[0][:100]}]


def test_what_is_older_than_the_subscription_is_fetched_for_who_asks(node):
    a = node(11)
    b = node(12, 11)
    pub = Publisher(a.host)
    watch = Player(a.host).play()
    old = pub.send(400)
    watch.wait(old)
    live = Player(b.host).play()
    wait_until(lambda: channel(a)["playing"] == 2, "b has subscribed")
    new = pub.send(50)
    live.wait(new)
    late = Player(b.host, nearcast=True).attach([old[100]])
    late.wait(old[100:] + new)
    late.nack([old[50], old[51]])
    late.wait([old[50], old[51]])
    assert not [n for n in live.numbers() if n in {x & 0xFFFF for x in old}]


@pytest.fixture
def lossy():
    """lossy(A, B, N): of N datagrams with RTP from A to B one is lost."""

    def nft(*words):
        subprocess.run(["nft", *words], check=True, timeout=10)

    def make(a, b, every):
        nft("add", "table", "ip", "lossy")
        nft("add chain ip lossy input { type filter hook input priority 0; }")
        nft(
            f"add rule ip lossy input ip saddr {a.host} ip daddr {b.host} udp sport 7704 "
            f"numgen inc mod {every} 0 counter drop"
        )

    yield make
    nft("delete", "table", "ip", "lossy")


def test_losses_between_nodes_are_repaired(node, lossy):
    a = node(11)
    b = node(12, 11)
    pub = Publisher(a.host)
    player = Player(b.host).play()
    wait_until(lambda: channel(a)["playing"] == 1, "b has subscribed")
    player.wait(pub.send(10))
    lossy(a, b, 5)
    sent = []
    for _ in range(40):
        sent += pub.send(10)
        player.has(sent)
    # a loss at the very end shows only when something comes after it
    wait_until(lambda: pub.send(1) and player.has(sent), "nothing lacks", interval=0.01)
    numbers = player.numbers()
    assert len(numbers) == len(set(numbers)), "nothing comes twice"
    seen = counters(b)
    assert seen["upstream_nacked_total"] >= seen["upstream_recovered_total"] >= 10


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_when_the_upstream_dies_the_next_one_serves_without_a_lost_packet(node, how):
    """fig 6's overlay: the source is published at two nodes alike; one of them dies."""
    a = node(11)
    b = node(12)
    c = node(13, 11, 12)
    wait_until(
        lambda: all(u["up"] for u in c.ask("show upstreams")["upstreams"]), "both answer"
    )
    pubs = [Publisher(a.host, media=2), Publisher(b.host, media=2)]
    player = Player(c.host, media=2).play()
    wait_until(lambda: a.ask("show status")["sessions"] == 1, "it comes from the first")
    sent = [[], []]

    def send(count):
        for medium in range(2):
            numbers = pubs[1].send(count, medium)
            sent[medium] += numbers
            with contextlib.suppress(OSError):
                for n in numbers:
                    pubs[0].raw(medium, packet(medium, n))

    for _ in range(20):
        send(5)
    player.wait(sent[0])
    a.process.send_signal(how)

    def serves():
        send(2)
        return channel(c) and channel(c)["upstream"] == "sn12"

    wait_until(serves, "the second upstream serves", interval=0.01)
    send(5)
    for medium in range(2):
        player.wait(sent[medium], medium)
        assert sorted(player.numbers(medium)) == sorted(n & 0xFFFF for n in sent[medium])
    a.process.send_signal(signal.SIGCONT)


def test_end_of_stream_travels_down(node):
    a = node(11)
    b = node(12, 11)
    pub = Publisher(a.host)
    player = Player(b.host, nearcast=True).play()
    wait_until(lambda: channel(a)["playing"] == 1, "b has subscribed")
    sent = pub.send(30)
    player.wait(sent)
    pub.teardown()
    assert f"seq={sent[-1] & 0xFFFF}" in player.told_end()[1]["rtp-info"]


def test_a_channel_that_no_upstream_has_is_404(node):
    node(11)
    b = node(12, 11)
    assert Player(b.host, path="/nothing").describe().status == 404
    assert counters(b)["upstream_failed_total"] == 1


def test_an_upstream_that_hangs_is_answered_for_in_bounded_time(node):
    a = node(11)
    b = node(12, 11)
    a.process.send_signal(signal.SIGSTOP)
    assert Player(b.host, path="/any").describe().status in (503, 504)
    a.process.send_signal(signal.SIGCONT)


def test_loops_are_refused(node):
    a = node(11, 12, ready=False)
    b = node(12, 11)
    a.wait_ready()
    for d in (a, b):
        wait_until(lambda d=d: d.ask("show upstreams")["upstreams"][0]["up"], "up")
    assert Player(a.host, path="/none").describe().status == 404
    rtsp = Rtsp(a.host)
    _pub = Publisher(a.host)
    assert rtsp.ask("DESCRIBE", "/news", {"Nearcast-Via": "x, sn11"}).status == 482
    assert rtsp.ask("DESCRIBE", "/news", {"Nearcast-Via": "x, sn12"}).status == 200
    _player = Player(b.host).play()
    assert Rtsp(b.host).ask("DESCRIBE", "/news", {"Nearcast-Via": "sn11"}).status == 482
    assert counters(b)["refused_loop_total"] >= 1


def test_requests_behind_one_that_waits_are_answered_in_order(node):
    a = node(11)
    b = node(12, 11)
    _pub = Publisher(a.host)
    rtsp = Rtsp(b.host)
    asked = [rtsp.send("DESCRIBE", "/news"), rtsp.send("OPTIONS", "*")]
    asked += [rtsp.send("DESCRIBE", "/nothing"), rtsp.send("OPTIONS", "/news")]
    replies = [rtsp.answer() for _ in asked]
    assert [int(r["CSeq"]) for r in replies] == asked
    assert [r.status for r in replies] == [200, 200, 404, 200]


# ---- who behaves badly ----


def test_rtp_of_an_unknown_source_is_counted_and_dropped(node):
    sn = node(11)
    pub = Publisher(sn.host)
    player = Player(sn.host).play()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for n in range(70):
            s.sendto(packet(0, 65000 + n), (sn.host, 7704))
            s.sendto(bye(0), (sn.host, 7705))
    wait_until(lambda: counters(sn)["rtp_unknown_total"] == 70, "counted")
    wait_until(lambda: counters(sn)["rtcp_unknown_total"] == 70, "counted")
    assert sn.text().count("which has no session here") <= 7
    sent = pub.send(10)
    player.wait(sent)
    assert player.numbers() == [n & 0xFFFF for n in sent]


def test_garbage_from_known_sources_is_counted_and_dropped(node):
    sn = node(11)
    pub = Publisher(sn.host)
    player = Player(sn.host).play()
    for garbage in (b"x", b"\x80", bytes(11), b"\xff" * 40, packet(0, 1)[:5]):
        pub.raw(0, garbage)
        pub.raw(0, garbage, rtcp=True)
        player.pairs[0][1].sendto(garbage, player.server[0][::2])
    player.wait(pub.send(10))
    wait_until(lambda: counters(sn)["rtcp_malformed_total"] >= 8, "counted")
    assert counters(sn)["rtp_malformed_total"] == 5


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_a_client_that_vanishes_ends_its_session(node, tcp):
    sn = node(11)
    pub = Publisher(sn.host)
    player = Player(sn.host, tcp=tcp).play()
    player.wait(pub.send(5))
    player.close()
    wait_until(lambda: sn.ask("show status")["sessions"] == 0, "the session has ended")
    assert sn.events("session_end")[0]["reason"].startswith("connection")
    pub.send(5)
    assert sn.ask("show status")["publishers"] == 1


def test_a_session_without_a_sign_of_life_ends_and_rtcp_is_one(node):
    sn = node(11, rtsp="session-timeout = 1000")
    pub = Publisher(sn.host, tcp=True)
    dead = Player(sn.host).play()
    alive = Player(sn.host).play()

    def over():
        pub.send(1)
        alive.report()
        return sn.ask("show status")["sessions"] == 1

    wait_until(over, "the silent session has ended", interval=0.1)
    wait_until(dead.rtsp.is_closed, "and its connection")
    assert not alive.rtsp.is_closed()
    assert sn.events("session_end")[0]["session"] == dead.session
    assert sn.events("session_end")[0]["reason"] == "timeout"


@pytest.mark.parametrize(
    "what, status",
    [
        (b"HELLO\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: x\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: " + b"y" * 9000, 413),
        (b"ANNOUNCE rtsp://h/x RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"\x00\x01\x02\x03\r\n\r\n", 400),
    ],
    ids=["words", "http", "no-cseq", "bad-cseq", "long", "large", "bytes"],
)
def test_a_bad_request_is_answered_and_the_connection_closed(node, what, status):
    sn = node(11)
    rtsp = Rtsp(sn.host)
    rtsp.sock.sendall(what)
    assert rtsp.answer().status == status
    wait_until(rtsp.is_closed, "closed")
    assert Rtsp(sn.host).ask("OPTIONS", "*").status == 200


def test_requests_that_cannot_be_are_refused_by_their_codes(node):
    sn = node(11)
    _pub = Publisher(sn.host, media=2)
    rtsp = Rtsp(sn.host)
    udp = {"Transport": "RTP/AVP;unicast;client_port=40000-40001"}

    def status(*args, **kwargs):
        return rtsp.ask(*args, **kwargs).status

    assert status("DESCRIBE", "/none") == 404
    assert status("DESCRIBE", "/news", {"Accept": "text/html"}) == 406
    assert status("DESCRIBE", "/news", {"Require": "what"}) == 551
    assert status("SETUP", "/news", udp) == 459
    assert status("SETUP", "/news/trackID=5", udp) == 404
    assert status("SETUP", "/news/trackID=0") == 400
    assert status("SETUP", "/news/trackID=0", {"Transport": "RAW/RAW/UDP;unicast"}) == 461
    assert status("SETUP", "/news/trackID=0", {"Transport": "RTP/AVP;multicast"}) == 461
    assert status("SETUP", "/news/trackID=0", {**udp, "Nearcast-From": "70000"}) == 400
    assert status("PLAY", "/news") == 454
    assert status("PLAY", "/news", {"Session": "0123456789abcdef"}) == 454
    assert status("TEARDOWN", "/news", {"Session": "x"}) == 454
    assert status("REDIRECT", "/news") == 405
    assert status("DANCE", "/news") == 501
    reply = rtsp.ask("SETUP", "/news/trackID=0", udp)
    session = {"Session": reply.session}
    assert status("PAUSE", "/news", session) == 455
    assert status("PLAY", "/news/trackID=0", session) == 460
    assert status("RECORD", "/news", session) == 455
    assert status("GET_PARAMETER", "/news", session) == 200
    assert status("GET_PARAMETER", "/news", session, b"packets\r\n") == 451
    assert status("PLAY", "/news", {**session, "Range": "npt=30-"}) == 457
    assert status("PLAY", "/news", {**session, "Range": "npt=0.000-"}) == 200
    assert status("SETUP", "/news/trackID=1", {**udp, **session}) == 455
    assert status("TEARDOWN", "/news", session) == 200
    assert status("TEARDOWN", "/news", session) == 454


def test_media_never_go_to_an_address_that_did_not_ask(node):
    sn = node(11)
    pub = Publisher(sn.host)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
        victim.bind(("127.0.0.99", 0))
        port = victim.getsockname()[1] & ~1
        rtsp = Rtsp(sn.host)
        transport = f"RTP/AVP;unicast;destination=127.0.0.99;client_port={port}-{port + 1}"
        reply = rtsp.ask("SETUP", "/news/trackID=0", {"Transport": transport})
        assert "destination" not in reply["Transport"]
        rtsp.ask("PLAY", "/news", {"Session": reply.session})
        watch = Player(sn.host).play()
        watch.wait(pub.send(10))
        victim.setblocking(False)
        with pytest.raises(BlockingIOError):
            victim.recv(1)


def test_a_slow_loris_is_let_go(node):
    sn = node(11, options="limits { request-timeout = 300  idle-timeout = 600 }\n")
    slow, idle = Rtsp(sn.host), Rtsp(sn.host)
    slow.sock.sendall(b"OPTIONS * RTSP/1.0\r\nCSe")
    assert slow.answer().status == 408
    wait_until(slow.is_closed, "closed")
    wait_until(idle.is_closed, "closed")
    assert counters(sn)["request_timeouts_total"] == 2


def test_connections_are_limited(node):
    sn = node(11, options="limits { connections = 4 }\n")
    wait_until(lambda: sn.ask("show status")["connections"] == 0, "the node's own check is over")
    _pub = Publisher(sn.host)
    player = Player(sn.host).play()
    many = [Rtsp(sn.host) for _ in range(20)]
    wait_until(lambda: sum(r.is_closed() for r in many) >= 18, "the oldest gave way")
    assert counters(sn)["evicted_total"] >= 18
    assert Rtsp(sn.host).ask("OPTIONS", "*").status == 200
    assert not player.rtsp.is_closed()


def test_connections_with_sessions_keep_their_places(node):
    sn = node(11, options="limits { connections = 4 }\n")
    pub = Publisher(sn.host)
    players = [Player(sn.host).play() for _ in range(3)]
    late = Rtsp(sn.host)
    wait_until(late.is_closed, "the one over the limit is closed")
    assert counters(sn)["connections_refused_total"] >= 1
    numbers = pub.send(10)
    for player in players:
        player.wait(numbers)


def test_only_publishers_of_the_given_blocks_may_announce(node, here, program, tmp_path):
    conf = 'name = "x"\naddress = "127.0.0.20"\nrtsp { publishers = "10.0.0.0/8, ::/0" }\n'
    daemon = near_testlib.Daemon(here, program("sn-agent"), tmp_path, "x", conf)
    rtsp = Rtsp("127.0.0.20")
    body = {"Content-Type": "application/sdp"}
    assert rtsp.ask("ANNOUNCE", "/news", body, sdp(1)).status == 403
    assert "may not publish, rtsp.publishers does not have it" in daemon.text()


def test_a_path_has_one_publisher(node):
    sn = node(11)
    _pub = Publisher(sn.host)
    rtsp = Rtsp(sn.host)
    body = {"Content-Type": "application/sdp"}
    assert rtsp.ask("ANNOUNCE", "/news", body, sdp(1)).status == 403
    assert rtsp.ask("ANNOUNCE", "/other", {"Content-Type": "text/plain"}, b"x").status == 415
    assert rtsp.ask("ANNOUNCE", "/other", body, b"not sdp").status == 400
    assert rtsp.ask("ANNOUNCE", "/other", body, sdp(1)).status == 200


# ---- capacity, drain, operators ----


def test_capacity_is_refused_with_453(node):
    sn = node(11, options="capacity { sessions = 1 }\n")
    _pub = Publisher(sn.host)
    player = Player(sn.host).play()
    rtsp = Rtsp(sn.host)
    udp = {"Transport": "RTP/AVP;unicast;client_port=40000-40001"}
    assert rtsp.ask("SETUP", "/news/trackID=0", udp).status == 453
    player.teardown()
    assert rtsp.ask("SETUP", "/news/trackID=0", udp).status == 200
    assert counters(sn)["refused_capacity_total"] == 1


def test_a_draining_node_keeps_its_sessions_and_takes_no_new_ones(node):
    sn = node(11)
    pub = Publisher(sn.host)
    player = Player(sn.host).play()
    sn.ask("drain")
    rtsp = Rtsp(sn.host)
    udp = {"Transport": "RTP/AVP;unicast;client_port=40000-40001"}
    reply = rtsp.ask("SETUP", "/news/trackID=0", udp)
    assert (reply.status, reply["Retry-After"]) == (503, "1")
    player.wait(pub.send(10))
    assert near_testlib.request(sn.control, "drain")[0] == 409
    sn.ask("undrain")
    assert near_testlib.request(sn.control, "undrain")[0] == 409
    assert rtsp.ask("SETUP", "/news/trackID=0", udp).status == 200


def test_sigterm_waits_for_sessions_and_then_ends(node):
    sn = node(11)
    pub = Publisher(sn.host)
    player = Player(sn.host).play()
    sn.process.send_signal(signal.SIGTERM)
    wait_until(lambda: sn.ask("show status")["stopping"], "it drains")
    player.wait(pub.send(10))
    assert near_testlib.request(sn.control, "undrain")[0] == 409
    player.teardown()
    assert sn.process.wait(5) == 0
    assert sn.events()[-1]["event"] == "stopped"


def test_reload_takes_over_what_can_change_and_names_what_cannot(node):
    sn = node(11)
    text = sn.conf.read_text()
    sn.conf.write_text(text + "capacity { sessions = 5 }\n")
    sn.process.send_signal(signal.SIGHUP)
    wait_until(lambda: sn.ask("show status")["max_sessions"] == 5, "reloaded")
    sn.conf.write_text(text.replace("127.0.0.11", "127.0.0.12"))
    code, body = near_testlib.request(sn.control, "reload")
    assert code == 409 and "address" in body["error"]
    sn.conf.write_text(text + "nonsense = 1\n")
    code, body = near_testlib.request(sn.control, "reload")
    assert code == 409 and "nonsense" in body["error"]


def test_check_names_every_error(here, program, tmp_path):
    conf = tmp_path / "bad.conf"
    conf.write_text(
        'name = "a b"\naddress = "0.0.0.0"\nring = 1\nrtp { port = 7705 }\n'
        'rtsp { publishers = "10.0.0.1/8" }\n'
    )
    process = here.start(program("sn-agent"), "-c", conf, "--check", log=tmp_path / "out")
    assert process.wait(10) == 78
    out = (tmp_path / "out").read_text()
    for n, word in enumerate(("name", "address", "ring", "port", "publishers"), 1):
        assert f"{conf}:{n}:" in out and word in out


def test_sessions_and_publishers_are_events(node):
    sn = node(11)
    pub = Publisher(sn.host)
    player = Player(sn.host, nearcast=True).play()
    player.wait(pub.send(10))
    player.nack([65003])
    wait_until(lambda: counters(sn)["repaired_total"] == 1, "repaired")
    player.teardown()
    pub.teardown()
    wait_until(lambda: sn.events("channel_ended"), "events")
    assert sn.events("publisher")[0]["channel"] == "/news"
    start, end = sn.events("session_start")[0], sn.events("session_end")[0]
    assert start["failover"] and start["transport"] == "udp"
    assert (end["packets"], end["repaired"], end["reason"]) == (11, 1, "teardown")
    assert end["bytes"] == sum(len(packet(0, n)) for n in list(range(65000, 65010)) + [65003])
    assert sn.events("channel_ended")[0]["media"] == [{"media": 0, "last": 65009, "packets": 10}]


def test_a_node_announces_itself_and_says_goodbye(namespaces, program, tmp_path):
    space = namespaces("sn-announce")
    space.run("ip", "link", "add", "lan0", "type", "dummy", check=False)
    if space.run("ip", "link", "show", "lan0", check=False).returncode != 0:
        space.run("ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan1")
        space.run("ip", "link", "set", "lan1", "up")
    space.run("ip", "link", "set", "lan0", "up")
    near_testlib.address(space, "lan0", "10.9.0.6/24")
    keys = near_testlib.key_file(tmp_path)
    group = near_testlib.socket_in(space, _group_socket, "10.9.0.6")
    conf = (
        f'name = "sn6"\naddress = "10.9.0.6"\ninterface = "lan0"\nkey-file = "{keys}"\n'
        "announce { interval = 50 }\n"
    )
    sn = near_testlib.Daemon(space, program("sn-agent"), tmp_path, "sn6", conf)
    group.settimeout(5)
    seen = [group.recv(2048) for _ in range(3)]
    assert {s[:4] for s in seen} == {b"NCST"} and {s[5] for s in seen} == {1}
    counts = [struct.unpack("!Q", s[24:32])[0] for s in seen]
    assert counts == sorted(counts) and b"sn6" in seen[0]
    sn.process.send_signal(signal.SIGTERM)
    assert sn.process.wait(5) == 0
    kinds = []
    group.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            kinds.append(group.recv(2048)[5])
    assert kinds[-1] == 2


def _group_socket(host):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("239.255.77.1", 7701))
    membership = socket.inet_aton("239.255.77.1") + socket.inet_aton(host)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    return s


def test_metrics_are_served(node):
    import urllib.request

    sn = node(11, options='management = "127.0.0.11:7780"\n')
    _pub = Publisher(sn.host)
    text = urllib.request.urlopen("http://127.0.0.11:7780/metrics", timeout=5).read().decode()
    assert "nearcast_sn_publishers 1" in text
    assert "nearcast_sn_healthy 1" in text


def test_pipelined_attachment_names_the_feature(node):
    sn = node(11)
    _pub = Publisher(sn.host)
    reply = Rtsp(sn.host).ask("OPTIONS", "*", {"Supported": FEATURE})
    assert reply["Supported"] == FEATURE
    player = Player(sn.host, nearcast=True).attach(None)
    assert player.reply["Session"].startswith(player.session)
