# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that know nothing of nearcast follow the redirection of the anycast address, to a port
that the node was primed with (row B6), with the token that it demands (row E4)."""

import json
import subprocess

import pytest
from conftest import wait_until
from lab_tools import NEARLAB, in_node, nearlab

URL = "rtsp://10.1.18.27/news"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Figure 6 with a stream on the air, and a web server on each node of the client's ISP."""
    folder = tmp_path_factory.mktemp("players")
    nearlab("up", "fig6", "--detach", "--name", "players", "--param", "http=8080",
            "--param", "prime=1",
            "--param", "token=1")
    processes = []

    def start(node, *argv):
        with open(folder / f"{node}.log", "ab") as log:
            processes.append(subprocess.Popen(  # pylint: disable=consider-using-with
                [NEARLAB, "exec", "--name", "players", node, "--", *argv],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    clip = folder / "clip.mp4"
    subprocess.run(
        ["ffmpeg", "-nostdin", "-loglevel", "error", "-f", "lavfi", "-i",
         "testsrc2=size=320x180:rate=25", "-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", "10",
         "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "25", "-c:a", "aac",
         str(clip)], check=True)
    start("src803", "ffmpeg", "-nostdin", "-loglevel", "warning", "-re", "-stream_loop", "-1", "-i",
          str(clip), "-c", "copy", "-f", "rtsp", "-rtsp_transport", "udp", "rtsp://sn808/news")
    (folder / "www").mkdir()
    (folder / "www" / "file.bin").write_bytes(bytes(range(256)) * 400)
    for node in ("sn806", "sn810"):
        start(node, "/usr/bin/python3", "-B", "-m", "http.server", "8080", "--directory",
              str(folder / "www"))

    def answers():
        done = in_node("players", "c802", "curl", "-s", "-m2", "-o", "/dev/null", "-w",
                       "%{http_code}", "http://10.1.18.27/x", check=False)
        return done.stdout == "302"

    wait_until(answers, "the anycast address redirects", 20, 0.2)
    wait_until(lambda: in_node("players", "c802", "curl", "-s", "-m2", "http://sn806:8080/",
                               check=False).returncode == 0, "the web server answers", 20, 0.2)
    yield "players"
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(10)
    nearlab("down", "--name", "players")


def probe(file):
    """What a media file holds: {codec: seconds}."""
    out = subprocess.run(["ffprobe", "-loglevel", "error", "-show_streams", "-count_packets",
                          "-of", "json", str(file)], check=True, capture_output=True, text=True)
    return {s["codec_name"]: int(s["nb_read_packets"]) for s in json.loads(out.stdout)["streams"]}


def test_a_fault_without_a_target_hits_the_node_that_serves(lab):
    """And an unmodified player ends with its node: what client-failover is for."""
    with subprocess.Popen(
        [NEARLAB, "exec", "--name", lab, "c802", "--", "ffmpeg", "-nostdin", "-loglevel", "error",
         "-rtsp_transport", "tcp", "-i", URL, "-f", "null", "-"], stdin=subprocess.DEVNULL
    ) as player:
        def serving():
            return json.loads(nearlab("status", "--name", lab, "--json").stdout)["serving"]

        node = wait_until(serving, "a node serves the player", 20)
        assert len(node) == 1 and node[0] in ("sn806", "sn810")
        assert nearlab("fault", "--name", lab, "kill-sn").stdout == f"kill {node[0]}\n"
        player.wait(20)
    nearlab("heal", "--name", lab)
    in_node(lab, "c802", "curl", "-s", "-m2", "--retry", "20", "--retry-delay", "1",
            "--retry-connrefused", "http://10.1.18.27/")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_ffmpeg_plays_through_the_redirection(lab, transport, tmp_path):
    out = tmp_path / "out.mkv"
    done = in_node(lab, "c802", "ffmpeg", "-nostdin", "-loglevel", "warning", "-rtsp_transport",
                   transport, "-i", URL, "-t", "4", "-c", "copy", str(out), timeout=60)
    assert done.returncode == 0
    counts = probe(out)
    # Four seconds at 25 frames, less what comes before the first key frame (one in 25).
    assert counts["h264"] >= 75 and counts["aac"] >= 150, counts


def test_gstreamer_plays_through_the_redirection(lab, tmp_path):
    out = tmp_path / "frames.y4m"
    done = in_node(lab, "c802", "gst-launch-1.0", "-q", "rtspsrc", f"location={URL}", "latency=200",
                   "!", "rtph264depay", "!", "h264parse", "!", "avdec_h264", "!", "videoconvert",
                   "!", "identity", "eos-after=60", "!", "y4menc", "!", "filesink",
                   f"location={out}", timeout=90, check=False)
    # At the end rtspsrc's own CLOSE may interrupt its PAUSE, which it then reports as an error.
    assert done.returncode == 0 or "gst_rtspsrc_pause" in done.stderr, done.stderr
    assert out.read_bytes().count(b"FRAME\n") >= 50


def test_curl_follows_the_redirection_to_a_file(lab, tmp_path):
    out = tmp_path / "file.bin"
    done = in_node(lab, "c802", "curl", "-sSL", "-m", "20", "-o", str(out), "-w",
                   "%{num_redirects} %{url_effective}", "http://10.1.18.27/file.bin")
    redirects, final = done.stdout.split()
    assert redirects == "1"
    final, token = final.split("?nc=")
    assert token
    assert final in ("http://10.2.0.6:8080/file.bin", "http://10.2.0.10:8080/file.bin")
    assert out.read_bytes() == bytes(range(256)) * 400
