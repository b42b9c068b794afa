# SPDX-License-Identifier: GPL-2.0-or-later
"""Unmodified publishers and players at the service node: ffmpeg and GStreamer, over UDP and TCP.

Nothing may be lost: what a player wrote is compared with what was published, packet by packet.
"""

import re
import subprocess

import pytest

import near_testlib
from conftest import wait_until
from sn_testlib import Here

SECONDS = 6
HOST = "127.0.0.31"
URL = f"rtsp://{HOST}/news"


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """H.264 and AAC, as MP4 and as MPEG-TS."""
    folder = tmp_path_factory.mktemp("video")
    mp4, ts = folder / "v.mp4", folder / "v.ts"
    make = (
        f"ffmpeg -v error -f lavfi -i testsrc2=size=320x180:rate=25:duration={SECONDS} "
        f"-f lavfi -i sine=frequency=440:duration={SECONDS} -c:v libx264 -preset ultrafast "
        f"-b:v 800k -g 25 -bf 0 -c:a aac -y {mp4}"
    )
    subprocess.run(make.split(), check=True, timeout=120)
    subprocess.run(f"ffmpeg -v error -i {mp4} -c copy -y {ts}".split(), check=True, timeout=60)
    return {"mp4": mp4, "ts": ts}


@pytest.fixture
def here():
    space = Here()
    yield space
    space.close()


@pytest.fixture
def sn(here, program, tmp_path):
    conf = f'name = "sn31"\naddress = "{HOST}"\nrtsp {{ publishers = "127.0.0.0/8" }}\n'
    return near_testlib.Daemon(here, program("sn-agent"), tmp_path, "sn31", conf)


@pytest.fixture
def second(here, program, tmp_path, sn):
    """A node that subscribes at the first."""
    conf = f'name = "sn32"\naddress = "127.0.0.32"\nupstream "sn31" {{ address = "{HOST}" }}\n'
    return near_testlib.Daemon(here, program("sn-agent"), tmp_path, "sn32", conf)


PUBLISHERS = {
    "ffmpeg-udp": "ffmpeg -v warning -re -i {mp4} -c copy -f rtsp {url}",
    "ffmpeg-tcp": "ffmpeg -v warning -re -i {mp4} -c copy -f rtsp -rtsp_transport tcp {url}",
    "gst-udp": "gst-launch-1.0 -q filesrc location={mp4} ! qtdemux name=d "
    "rtspclientsink name=s location={url} protocols=udp latency=0 "
    "d.video_0 ! queue ! h264parse ! s. d.audio_0 ! queue ! aacparse ! s.",
    "gst-tcp": "gst-launch-1.0 -q filesrc location={mp4} ! qtdemux name=d "
    "rtspclientsink name=s location={url} protocols=tcp latency=0 "
    "d.video_0 ! queue ! h264parse ! s. d.audio_0 ! queue ! aacparse ! s.",
}
TS_PUBLISHER = (
    "gst-launch-1.0 -q filesrc location={mp4} ! qtdemux name=d d.video_0 ! queue ! h264parse ! "
    "mpegtsmux name=m alignment=7 ! rtspclientsink location={url} protocols=udp latency=0 "
    "d.audio_0 ! queue ! aacparse ! m."
)


def publish(here, sn, command, video, tmp_path, url=URL):
    argv = command.format(url=url, **video).split()
    process = here.start(*argv, log=tmp_path / "publisher.log")

    def live():
        assert process.poll() is None, (tmp_path / "publisher.log").read_text()
        return [c for c in sn.ask("show channels")["channels"] if c["state"] == "live"]

    wait_until(live, "it publishes")
    return process


def packets(path, stream):
    """(pts, size) of each packet of a stream of a file."""
    out = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", stream, "-show_entries"]
        + ["packet=size,data_hash", "-show_data_hash", "md5", "-of", "csv=p=0", str(path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout.split()
    return [line.rsplit(",", 1)[-1].rpartition(":")[2] for line in out]


def is_run_of(part, whole):
    """True when `part` lies in `whole` as it is, without a hole."""
    if not part:
        return False
    return any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1))


def play_with_ffmpeg(here, url, tmp_path):
    """One player over UDP and one over TCP, to the source's end: {transport: (file, log)}."""
    started = {}
    for transport in ("udp", "tcp"):
        out, log = tmp_path / f"{transport}.mkv", tmp_path / f"{transport}.log"
        command = f"ffmpeg -v warning -rtsp_transport {transport} -i {url} -c copy -y {out}"
        started[transport] = (here.start(*command.split(), log=log), out, log)
    for process, _, _ in started.values():
        process.wait(30)
    return {k: (out, log.read_text()) for k, (_, out, log) in started.items()}


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_ffmpeg_plays_both_media_without_loss(here, sn, video, tmp_path, publisher):
    publish(here, sn, PUBLISHERS[publisher], video, tmp_path)
    for out, log in play_with_ffmpeg(here, URL, tmp_path).values():
        assert not re.search(r"missed \d+ packets|max delay reached|RTP timestamps", log), log
        # H.264 is compared by count: its framing differs between the two files.
        assert len(packets(out, "v:0")) >= 25, log
        assert is_run_of(packets(out, "a:0")[1:-1], packets(video["mp4"], "a:0")), log
    assert sn.ask("show counters")["rtp_dropped_total"] == 0


def test_ffmpeg_plays_from_a_second_node(here, sn, second, video, tmp_path):
    publish(here, sn, PUBLISHERS["ffmpeg-udp"], video, tmp_path)
    for out, log in play_with_ffmpeg(here, "rtsp://127.0.0.32/news", tmp_path).values():
        assert not re.search(r"missed \d+ packets|max delay reached", log), log
        assert is_run_of(packets(out, "a:0")[1:-1], packets(video["mp4"], "a:0")), log


def test_gstreamer_plays_both_media_and_ends_with_the_source(here, sn, video, tmp_path):
    publish(here, sn, PUBLISHERS["ffmpeg-udp"], video, tmp_path)
    started = []
    for protocols in ("udp", "tcp"):
        audio, picture = tmp_path / f"{protocols}.aac", tmp_path / f"{protocols}.h264"
        command = (
            f"gst-launch-1.0 -q rtspsrc name=s location={URL} protocols={protocols} "
            f"s. ! application/x-rtp,media=video ! rtph264depay ! h264parse ! "
            f"video/x-h264,stream-format=byte-stream ! filesink location={picture} "
            f"s. ! application/x-rtp,media=audio ! rtpmp4gdepay ! aacparse ! "
            f"audio/mpeg,stream-format=adts ! filesink location={audio}"
        )
        process = here.start(*command.split(), log=tmp_path / "player.log")
        started.append((process, audio, picture))
    whole = _adts_payloads(_adts_of(video["mp4"], tmp_path))
    for process, audio, picture in started:
        process.wait(30)
        log = (tmp_path / "player.log").read_text()
        assert len(packets(picture, "v:0")) >= 25, log
        assert is_run_of(_adts_payloads(audio)[1:-1], whole), log


# ---- joining late ----

GOP = 10  # seconds

@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """H.264 and AAC whose first frame is the only key frame, and the sum of each picture of it."""
    mp4 = tmp_path_factory.mktemp("late") / "late.mp4"
    make = (
        f"ffmpeg -v error -f lavfi -i testsrc2=size=320x180:rate=25:duration={GOP} "
        f"-f lavfi -i sine=frequency=440:duration={GOP} -c:v libx264 -preset ultrafast "
        f"-b:v 800k -g {25 * GOP} -keyint_min {25 * GOP} -sc_threshold 0 -bf 0 -c:a aac -y {mp4}"
    )
    subprocess.run(make.split(), check=True, timeout=120)
    return mp4, _pictures(mp4, 250)


def _pictures(source, n, *options):
    """The sums of the first n pictures; nothing but them may have been said."""
    command = ["ffmpeg", "-v", "warning", *options, "-i", str(source), "-an", "-frames:v", str(n),
               "-f", "framemd5", "-"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert not done.stderr, done.stderr
    return [line.split(",")[-1].strip() for line in done.stdout.splitlines() if line[0] != "#"]


@pytest.mark.parametrize("host", [HOST, "127.0.0.32"], ids=["publisher's node", "another node"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_player_that_joins_late_has_its_first_picture_at_once(here, sn, second, late, tmp_path,
                                                                host, transport):
    mp4, sums = late
    publish(here, sn, PUBLISHERS["ffmpeg-udp"].replace("{mp4}", str(mp4)), {}, tmp_path)
    # Three seconds into its ten.
    wait_until(lambda: sn.ask("show counters")["rtp_in_total"] > 3 * 25 * 4, "there is some video")
    assert _pictures(f"rtsp://{host}/news", 5, "-rtsp_transport", transport) == sums[:5]


def _adts_of(mp4, tmp_path):
    out = tmp_path / "whole.aac"
    subprocess.run(f"ffmpeg -v error -i {mp4} -vn -c copy -y {out}".split(), check=True, timeout=60)
    return out


def _adts_payloads(path):
    data, frames, at = path.read_bytes(), [], 0
    while at + 7 <= len(data):
        n = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        head = 7 if data[at + 1] & 1 else 9
        frames.append(data[at + head : at + n])
        at += n
    return frames


@pytest.fixture
def lan(namespaces, link):
    """A node's host with a LAN, 10.9.0.1, and two hosts of players on it."""
    sn, *players = [namespaces(name) for name in ("mcsn", "mcp2", "mcp3")]
    sn.run("ip", "link", "add", "lan", "type", "bridge")
    sn.run("ip", "link", "set", "lan", "up")
    near_testlib.address(sn, "lan", "10.9.0.1/24")
    for i, player in enumerate(players, 2):
        link(sn, f"p{i}", player, "eth0")
        sn.run("ip", "link", "set", f"p{i}", "master", "lan")
        near_testlib.address(player, "eth0", f"10.9.0.{i}/24")
        player.run("ip", "route", "add", "default", "via", "10.9.0.1")
    return sn, *players


def test_one_copy_to_a_group_is_played_by_ffmpeg_and_gstreamer(lan, program, video, tmp_path):
    host, one, other = lan
    url = "rtsp://10.9.0.1/news"
    conf = 'name = "sn"\naddress = "10.9.0.1"\nrtsp { publishers = "10.9.0.0/24" }\n'
    conf += 'multicast { groups = "239.255.78.0/24" clients = "10.9.0.0/24" }\n'
    sn = near_testlib.Daemon(host, program("sn-agent"), tmp_path, "sn", conf)
    publish(host, sn, PUBLISHERS["ffmpeg-udp"], video, tmp_path, url)
    mkv, aac, log = tmp_path / "f.mkv", tmp_path / "g.aac", tmp_path / "players.log"
    ffmpeg = f"ffmpeg -v warning -rtsp_transport udp_multicast -i {url} -c copy -y {mkv}"
    gst = (
        f"gst-launch-1.0 -q rtspsrc name=s location={url} protocols=udp-mcast "
        f"s. ! application/x-rtp,media=video ! fakesink "
        f"s. ! application/x-rtp,media=audio ! rtpmp4gdepay ! aacparse ! "
        f"audio/mpeg,stream-format=adts ! filesink location={aac}"
    )
    players = [one.start(*ffmpeg.split(), log=log), other.start(*gst.split(), log=log)]

    def both():
        sessions = [s for s in sn.ask("show sessions")["sessions"] if s["role"] == "player"]
        return [s["delivery"] for s in sessions] == ["multicast"] * 2

    wait_until(both, "both play by multicast")
    (channel,) = sn.ask("show channels")["channels"]
    assert channel["members"] == 2 and channel["group"].startswith("239.255.78.")
    for process in players:
        process.wait(30)
    counters = sn.ask("show counters")
    assert 0 < counters["rtp_out_total"] <= counters["rtp_in_total"]
    assert len(packets(mkv, "v:0")) >= 25, log.read_text()
    assert is_run_of(packets(mkv, "a:0")[1:-1], packets(video["mp4"], "a:0")), log.read_text()
    whole = _adts_payloads(_adts_of(video["mp4"], tmp_path))
    assert is_run_of(_adts_payloads(aac)[1:-1], whole), log.read_text()
    assert [e["channel"] for e in sn.events("group_end")] == ["/news"]


def test_mpegts_of_gstreamer_reaches_ffmpeg_and_gstreamer(here, sn, video, tmp_path):
    publish(here, sn, TS_PUBLISHER, video, tmp_path)
    started = []
    for protocols in ("udp", "tcp"):
        first, other = tmp_path / f"gst-{protocols}.ts", tmp_path / f"ffmpeg-{protocols}.ts"
        gst = (
            f"gst-launch-1.0 -q rtspsrc location={URL} protocols={protocols} ! rtpmp2tdepay ! "
            f"filesink location={first}"
        )
        ffmpeg = f"ffmpeg -v warning -rtsp_transport {protocols} -i {URL} -c copy -y {other}"
        log = tmp_path / f"{protocols}.log"
        processes = [here.start(*c.split(), log=log) for c in (gst, ffmpeg)]
        started.append((processes, first, other, log))
    for processes, first, other, log in started:
        for process in processes:
            process.wait(30)
        data = first.read_bytes()
        assert len(data) % 188 == 0 and _continuous(data), log.read_text()
        assert _same_audio(other, video, tmp_path), log.read_text()


def _same_audio(ts, video, tmp_path):
    """In MPEG-TS the AAC frames have ADTS heads; compared without them."""
    out = tmp_path / "ts.aac"
    subprocess.run(f"ffmpeg -v error -i {ts} -vn -c copy -y {out}".split(), check=True, timeout=60)
    whole = _adts_payloads(_adts_of(video["mp4"], tmp_path))
    return is_run_of(_adts_payloads(out)[1:-1], whole)


def _continuous(data):
    """Continuity counters of the TS packets with payload of each PID (ISO 13818-1, 2.4.3.3)."""
    last = {}
    for at in range(0, len(data), 188):
        p = data[at : at + 188]
        assert p[0] == 0x47
        pid, counter = (p[1] & 0x1F) << 8 | p[2], p[3] & 15
        if pid == 0x1FFF or not p[3] & 0x10:
            continue
        if pid in last and counter != (last[pid] + 1) & 15:
            return False
        last[pid] = counter
    return len(last) >= 3
