# SPDX-License-Identifier: GPL-2.0-or-later
"""Unmodified players play and seek in a film that the node has from a master site (row E3)."""

import json
import shutil
import signal
import subprocess
import sys

import pytest

import near_testlib
from conftest import SOURCE, wait_until
from sn_testlib import Here, Rtsp

SECONDS = 6
HOST, MASTER = "127.0.0.41", "127.0.0.42"
URL = f"rtsp://{HOST}/films/f.ts"


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """H.264 in MPEG-TS, a key frame each second, below a master site's folder."""
    path = tmp_path_factory.mktemp("master") / "f.ts"
    subprocess.run(
        f"ffmpeg -v error -f lavfi -i testsrc2=size=320x180:rate=25:duration={SECONDS} -c:v libx264 "
        f"-preset ultrafast -b:v 2M -g 25 -bf 0 -y {path}".split(), check=True, timeout=120)
    return path


@pytest.fixture
def here():
    space = Here()
    yield space
    space.close()


@pytest.fixture
def node(here, program, tmp_path, film):
    """A node with the film; .master is its master site, .asked() what that was asked for."""
    shutil.copy2(film, tmp_path / "f.ts")
    log = tmp_path / "master.json"
    master = here.start(sys.executable, "-B", str(SOURCE / "lab/nearlab_lib/master.py"),
                        str(tmp_path), "8080", str(log), log=tmp_path / "master.log")
    wait_until(log.exists, "the master site is there", 20)
    conf = (f'name = "sn41"\naddress = "{HOST}"\n'
            f'library "films" {{ path = "/films" origin = "http://{MASTER}:8080" }}\n')
    daemon = near_testlib.Daemon(here, program("sn-agent"), tmp_path, "sn41", conf)
    daemon.master = master
    daemon.asked = lambda: [json.loads(line) for line in log.read_text(encoding="ascii").splitlines()]
    return daemon


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_e3_ffmpeg_seeks_and_plays_to_the_end(here, node, tmp_path, transport):
    out = tmp_path / "frames"
    player = here.start(*f"ffmpeg -v error -rtsp_transport {transport} -ss 3 -i {URL} -c copy "
                         f"-f framecrc -y {out}".split(), log=tmp_path / "ffmpeg.log")
    assert player.wait(60) == 0, (tmp_path / "ffmpeg.log").read_text(encoding="utf-8")
    frames = [line for line in out.read_text(encoding="utf-8").splitlines()
              if not line.startswith("#")]
    assert 0 < len(frames) < 25 * SECONDS * 0.8, frames  # it has not begun at the beginning
    shown = node.ask("show films")["films"]
    assert [f["path"] for f in shown] == ["/films/f.ts"] and abs(shown[0]["seconds"] - SECONDS) < 1
    first = [a["first"] for a in node.asked()]
    assert len(first) == len(set(first)), first


def test_e3_gstreamer_writes_the_files_very_bytes(here, node, tmp_path, film):
    out = tmp_path / "out.ts"
    player = here.start(*f"gst-launch-1.0 -q rtspsrc location={URL} protocols=tcp latency=200 ! "
                         f"rtpmp2tdepay ! filesink location={out}".split(),
                        log=tmp_path / "gst.log")
    assert player.wait(60) == 0, (tmp_path / "gst.log").read_text(encoding="utf-8")
    assert out.read_bytes() == film.read_bytes()
    assert node.asked()


def test_who_looks_for_a_place_is_told_when_another_connection_ends_his_session(node):
    """Else he would wait for ever, and his connection take a place for as long."""
    first, second = Rtsp(HOST), Rtsp(HOST)
    session = first.ask("SETUP", "/films/f.ts/trackID=0", {
        "Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}).session
    node.master.send_signal(signal.SIGSTOP)
    first.send("PLAY", "/films/f.ts", {"Session": session, "Range": "npt=3-"})
    first.send("OPTIONS", "*")
    wait_until(lambda: node.ask("show films")["films"][0]["viewers"] == 1, "it looks for the place")
    assert second.ask("TEARDOWN", "/films/f.ts", {"Session": session}).status == 200
    assert first.answer().status == 454
    assert first.answer().status == 200
