# SPDX-License-Identifier: GPL-2.0-or-later
"""The gateway of client-failover (row G5): unmodified players play from it, over UDP and TCP, and
notice nothing when the node behind it dies."""

import json
import re
import select
import signal
import socket
import struct
import subprocess
import time

import pytest

import near_testlib
from conftest import wait_until
from scripted_node import FIRST_SEQ, SSRC, Stream, payload
from sn_testlib import Here, Rtsp, udp_pair
from test_client import LENGTH, RATE, Process, stage  # pylint: disable=unused-import
from test_sn_players import PUBLISHERS, _adts_of, _adts_payloads, is_run_of, packets, publish, video

class Gateway(Process):
    """client-failover --gateway on a free port."""

    def __init__(self, program, folder, url, *options, at="0"):
        self.log = folder / "gateway.log"
        argv = [program("client-failover"), "--gateway", at, "--json", *options, url]
        with open(self.log, "wb") as log:
            super().__init__(argv, folder / "gateway.json", err=log)
        address = wait_until(lambda: self.events("listening"), "it listens")[0]["address"]
        self.host, _, port = address.rpartition(":")
        self.host, self.port = self.host.strip("[]"), int(port)

    def events(self, name=None):
        found = [json.loads(line) for line in self.out.read_text().splitlines(keepends=True)
                 if line.endswith("\n")]
        return [e for e in found if name is None or e["event"] == name]

    def url(self, path):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"rtsp://{host}:{self.port}{path}"

    def connect(self):
        return Rtsp(self.host, self.port)

    def end(self):
        self.signal(signal.SIGTERM)
        assert self.process.wait(10) == 0, self.log.read_text()


@pytest.fixture
def gateway(program, tmp_path):
    started = []

    def start(url, *options, **kwargs):
        started.append(Gateway(program, tmp_path, url, *options, **kwargs))
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture
def here():
    space = Here()
    yield space
    space.close()


@pytest.fixture
def sn(here, program, tmp_path):
    conf = 'name = "sn31"\naddress = "127.0.0.31"\nrtsp { publishers = "127.0.0.0/8" }\n'
    return near_testlib.Daemon(here, program("sn-agent"), tmp_path, "sn31", conf)


# ---- players as they are ----


def test_ffmpeg_gstreamer_and_mpv_play_one_channel_to_its_end(here, sn, gateway, video, tmp_path):
    """Six at once, and one session at the node for all of them."""
    publish(here, sn, PUBLISHERS["ffmpeg-udp"], video, tmp_path)
    gw = gateway("rtsp://127.0.0.31/", "--buffer", "500")
    url = gw.url("/news")
    started = []
    for way in ("udp", "tcp"):
        log, out, aac, mpv = (tmp_path / f"{way}{end}" for end in (
            ".log", ".mkv", ".aac", "-mpv.mkv"))
        ffmpeg = f"ffmpeg -nostdin -v warning -rtsp_transport {way} -i {url} -c copy -y {out}"
        # Without filters in between: when both of the source's pads appear at once, gst-launch
        # loses a link now and then, since each attempt through a filter takes the sink for a moment.
        gst = (
            f"gst-launch-1.0 -q rtspsrc name=s location={url} protocols={way} "
            f"s. ! rtph264depay ! fakesink s. ! rtpmp4gdepay ! aacparse ! "
            f"audio/mpeg,stream-format=adts ! filesink location={aac}"
        )
        watch = (
            f"mpv --no-config --msg-level=all=warn --vo=null --ao=null --hwdec=no "
            f"--rtsp-transport={way} --stream-record={mpv} {url}"
        )
        processes = [here.start(*c.split(), log=log) for c in (ffmpeg, gst, watch)]
        started.append([*processes, log, out, aac, mpv])
    wait_until(lambda: len(gw.events("player_joined")) == 6, "six players play")
    assert len(sn.ask("show sessions")["sessions"]) == 2  # the publisher's, and the gateway's
    for ffmpeg, gst, watch, log, out, aac, mpv in started:
        assert ffmpeg.wait(30) == 0 and watch.wait(30) == 0, log.read_text()
        gst.wait(30)
        text = log.read_text()
        assert not re.search(r"missed \d+ packets|max delay reached", text), text
        assert len(packets(out, "v:0")) >= 25, text
        assert is_run_of(packets(out, "a:0")[1:-1], packets(video["mp4"], "a:0")), text
        # mpv's recorder leaves out what it finds no time for.
        heard = packets(mpv, "a:0")[1:-1]
        assert len(heard) >= 50 and set(heard) <= set(packets(video["mp4"], "a:0")), text
        whole = _adts_payloads(_adts_of(video["mp4"], tmp_path))
        assert is_run_of(_adts_payloads(aac)[1:-1], whole), text
    left = wait_until(lambda: gw.events("player_left")[5:], "all have left")
    assert all(e["dropped"] == 0 for e in gw.events("player_left")), left
    gw.end()


# ---- players that look at every byte ----


class Player:
    """Plays all media of a channel, over UDP or within the connection, and keeps what it gets."""

    def __init__(self, gw, path="/live", way="tcp", media=1):
        self.way, self.media = way, media
        self.rtsp = gw.connect()
        self.url = gw.url(path)
        self.pairs, self.got = [], []  # got: (medium, is RTCP, packet), in order for each medium
        described = self.rtsp.ask("DESCRIBE", self.url, {"Accept": "application/sdp"})
        assert described.status == 200
        assert described["Content-Base"] == self.url + "/"
        assert described.body.count(b"a=control:trackID=") == media
        self.headers = {}
        for i in range(media):
            transport = f"RTP/AVP/TCP;unicast;interleaved={2 * i}-{2 * i + 1}"
            if way == "udp":
                self.pairs.append(udp_pair(self.rtsp.local))
                port = self.pairs[i][2]
                transport = f"RTP/AVP;unicast;client_port={port}-{port + 1}"
            setup = self.rtsp.ask("SETUP", f"{self.url}/trackID={i}",
                                  {"Transport": transport, **self.headers})
            assert setup.status == 200
            self.headers = {"Session": setup.session}

    def ask(self, method):
        reply = self.rtsp.ask(method, self.url, self.headers)
        assert reply.status == 200
        return reply

    def pump(self, timeout=0.05):
        """Takes what has come; False when the gateway has closed the connection."""
        socks = [s for pair in self.pairs for s in pair[:2]]
        ready, _, _ = select.select([self.rtsp.sock, *socks], [], [], timeout)
        for i, pair in enumerate(self.pairs):
            for k in range(2):
                while select.select([pair[k]], [], [], 0)[0]:
                    self.got.append((i, bool(k), pair[k].recv(2048)))
        if self.rtsp.sock in ready:
            self.rtsp.pump()
        self.got += [(c // 2, bool(c % 2), data) for c, data in self.rtsp.frames]
        self.rtsp.frames = []
        return not self.rtsp.closed

    def until(self, condition, timeout=15.0):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"{len(self.got)} packets came"
            assert self.pump() or condition(), "the gateway closed the connection"

    def to_the_end(self):
        deadline = time.monotonic() + 20
        while self.pump():
            assert time.monotonic() < deadline, "it does not end"
        self.pump(0)

    def numbers(self, medium=0):
        """Those of the medium's packets, each checked byte for byte."""
        found = []
        for m, rtcp, packet in self.got:
            if m != medium or rtcp:
                continue
            seq, _, ssrc = struct.unpack_from("!HII", packet, 2)
            which, n = struct.unpack_from("!BI", packet, 13)
            assert (which, seq, ssrc) == (m, (FIRST_SEQ + n) & 0xFFFF, SSRC + m)
            assert packet[12:] == payload(m, n)
            found.append(n)
        return found

    def said_goodbye(self, medium=0):
        """Whether the last that came of the medium is a BYE."""
        last = [packet for m, rtcp, packet in self.got if m == medium and rtcp][-1]
        return struct.pack("!BBHI", 0x81, 203, 1, SSRC + medium) in last

    def close(self):
        self.rtsp.close()
        for pair in self.pairs:
            for sock in pair[:2]:
                sock.close()


def is_whole(numbers):
    return bool(numbers) and numbers == list(range(numbers[0], numbers[-1] + 1))


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_players_notice_nothing_when_their_node_fails(stage, gateway, fault):
    old, _ = stage.node(2, "--second"), stage.node(3, "--second")
    stage.redirector(2, 3)
    gw = gateway("rtsp://127.0.0.1:5554", "--buffer", "700")
    players = [Player(gw, way=way, media=2) for way in ("udp", "tcp")]
    for player in players:
        player.ask("PLAY")
        player.until(lambda p=player: len(p.numbers()) >= 20)
    old.signal(fault)
    for player in players:
        player.to_the_end()
    resumed = gw.events("resumed")
    assert [(e["from"], e["to"]) for e in resumed] == [("127.0.0.2:5554", "127.0.0.3:5554")]
    assert not gw.events("gap") and not gw.events("stalled")
    for player in players:
        for medium in range(2):
            numbers = player.numbers(medium)
            assert is_whole(numbers), numbers
            assert numbers[-1] == Stream(0, RATE, LENGTH).ends[medium]
            assert player.said_goodbye(medium)
        player.close()
    assert {e["reason"] for e in gw.events("player_left")} == {"end of stream"}


def test_packet_that_no_node_has_is_a_gap_and_nothing_else(stage, gateway):
    """What is lost for good is not made up, not sent twice and does not hold up the rest."""
    stage.node(2, "--plain", "--deaf", "--loss", "0.05", end=2)
    gw = gateway("rtsp://127.0.0.2:5554", "--buffer", "100")
    player = Player(gw)
    player.ask("PLAY")
    player.to_the_end()
    numbers = player.numbers()
    assert numbers == sorted(set(numbers))
    gone = sum(e["count"] for e in gw.events("gap"))
    assert gone > 0 and numbers[-1] - numbers[0] + 1 == len(numbers) + gone
    player.close()


def test_pause_stops_the_packets_and_play_goes_on_with_what_is_next(stage, gateway):
    stage.node(2, end=2)
    gw = gateway("rtsp://127.0.0.2:5554", "--buffer", "100")
    player, other = Player(gw), Player(gw)
    for p in (player, other):
        p.ask("PLAY")
    player.until(lambda: len(player.numbers()) >= 20)
    player.ask("PAUSE")
    player.pump(0)
    before = len(player.got)
    other.until(lambda: len(other.numbers()) >= 80)
    assert player.pump(0) and len(player.got) == before
    first = int(re.search(r"seq=(\d+)", player.ask("PLAY")["RTP-Info"])[1])
    player.until(lambda: len(player.numbers()) >= before + 20)
    number = player.numbers()[before]
    assert (FIRST_SEQ + number) & 0xFFFF == first and number > before
    assert is_whole(player.numbers()[before:])
    player.ask("TEARDOWN")
    assert other.pump(0), "the other one plays on"
    other.to_the_end()
    assert is_whole(other.numbers())


def test_channel_that_does_not_exist_is_not_found_and_may_come_later(here, sn, gateway, tmp_path):
    gw = gateway("rtsp://127.0.0.31/")
    asked = gw.connect()
    assert asked.ask("DESCRIBE", gw.url("/live")).status == 404
    publisher = subprocess.Popen(  # pylint: disable=consider-using-with
        ["ffmpeg", "-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", "sine", "-t", "20",
         "-c:a", "aac", "-f", "rtsp", "rtsp://127.0.0.31/live"], stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: asked.ask("DESCRIBE", gw.url("/live")).status == 200, "it is found", 15)
    finally:
        publisher.kill()
        publisher.wait()


@pytest.mark.parametrize("way", ["udp", "tcp"])
def test_gateway_serves_over_ipv6(stage, gateway, way):
    stage.node(2, end=None)
    player = Player(gateway("rtsp://127.0.0.2:5554", "--buffer", "100", at="[::1]:0"), way=way)
    player.ask("PLAY")
    player.until(lambda: len(player.numbers()) >= 50)
    assert is_whole(player.numbers())
    player.close()


@pytest.mark.parametrize("said, answered", [
    ("403 Forbidden", 403), ("404 Not Found", 404), ("401 Unauthorized", 403)])
def test_refusal_of_a_node_is_the_players(stage, gateway, said, answered):
    stage.node(2, "--refuse", said)
    gw = gateway("rtsp://127.0.0.2:5554")
    assert gw.connect().ask("DESCRIBE", gw.url("/live")).status == answered


def test_player_that_leaves_what_has_ended_keeps_its_connection(stage, gateway):
    stage.node(2, end=2)
    gw = gateway("rtsp://127.0.0.2:5554", "--buffer", "100")
    player = Player(gw)
    player.ask("PLAY")
    player.until(lambda: any(rtcp and b"\x81\xcb" in packet for _, rtcp, packet in player.got))
    player.ask("TEARDOWN")
    deadline = time.monotonic() + 2  # who stays is sent away a second after BYE
    while time.monotonic() < deadline:
        assert player.rtsp.ask("OPTIONS", player.url).status == 200
        player.pump()
    assert not player.rtsp.closed


def test_channel_is_left_when_its_last_player_has_gone(stage, gateway):
    node = stage.node(2, end=None)
    gw = gateway("rtsp://127.0.0.2:5554", "--buffer", "100")
    player = Player(gw)
    player.ask("PLAY")
    player.until(lambda: len(player.numbers()) >= 20)
    player.close()
    wait_until(lambda: "TEARDOWN" in node.requests(), "the node's session is ended")
    assert gw.events("ended")[0]["reason"] == "no player"


def test_end_of_the_gateway_is_the_end_of_its_players_and_sessions(stage, gateway):
    node = stage.node(2, end=None)
    gw = gateway("rtsp://127.0.0.2:5554", "--buffer", "100")
    players = [Player(gw, way=way) for way in ("udp", "tcp")]
    for player in players:
        player.ask("PLAY")
        player.until(lambda p=player: len(p.numbers()) >= 20)
    gw.end()
    wait_until(lambda: "TEARDOWN" in node.requests(), "the node's session is ended")
    for player in players:
        player.to_the_end()
        assert is_whole(player.numbers()) and player.said_goodbye()


def test_address_that_is_taken_is_said(program):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run(
            [program("client-failover"), "--gateway", str(taken.getsockname()[1]), "rtsp://127.0.0.2"],
            capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 69
    assert "Address already in use" in done.stderr


@pytest.mark.parametrize("argv", [
    ["--gateway", "here", "rtsp://127.0.0.2"],
    ["--gateway", "127.0.0.1", "rtsp://127.0.0.2"],
    ["--gateway", "65536", "rtsp://127.0.0.2"],
    ["--gateway", "0", "rtsp://127.0.0.2", "-o", "/dev/null"],
    ["--gateway", "0"],
])
def test_command_line_that_makes_no_gateway_is_refused(program, argv):
    done = subprocess.run([program("client-failover"), *argv], capture_output=True, text=True,
                          timeout=20, check=False)
    assert done.returncode == 64
    assert "--gateway" in done.stderr or "URL" in done.stderr
