# SPDX-License-Identifier: GPL-2.0-or-later
"""An ARN measures how far away a node is (rows H2, H8), with the real daemons and a path whose delay is
known.

    arn908 ---- wire with a delay ---- sn942
"""

import re
import signal
import statistics
import threading
import time

import pytest

import near_testlib as near
from conftest import Namespace, wait_until
from test_arn import describe
from wires import Wire

EACH_WAY = 10  # ms
# A wire's own time and that of a machine with much to do; and how early it may be, since it counts in
# milliseconds: one each way (ping says the same).
SLACK, EARLY = 6, 2


class Path:
    def __init__(self, program, folder):
        self.spaces = [Namespace("home"), Namespace("away")]
        home, away = self.spaces
        self.wire = Wire(home, away, "wide0", folder)
        near.address(home, "wide0", "10.7.4.8/24")
        near.address(away, "wide0", "10.7.4.12/24")
        home.run("ip", "link", "add", "lan0", "type", "bridge")
        home.run("ip", "link", "set", "lan0", "up")
        near.address(home, "lan0", "10.2.0.4/24")
        keys = near.key_file(folder)
        self.node = near.Daemon(away, program("sn-agent"), folder, "sn942", f'''
name = "sn942" address = "10.7.4.12" interface = "wide0" key-file = "{keys}"
''')
        self.arn = near.Daemon(home, program("arn"), folder, "arn908", f'''
name = "arn908" interface = "lan0" key-file = "{keys}" log-level = "debug"
anycast {{ block = "10.1.18.0/24" hold = 300 }} prime {{ rtsp = yes }}
wide {{ method = "wide" nodes = {{ "10.7.4.12" }} interval = 50 interval-max = 50 }}
''')

    def far(self):
        (node,) = self.arn.ask("show far")["far"]
        return node

    def rtt(self):
        return self.far().get("rtt_ms", 0)

    def begin(self, each_way, jitter=0):
        """The wire is so from now on, and what was measured before is forgotten."""
        self.wire.delay(each_way, jitter)
        answered = self.far()["answered"] + 10
        wait_until(lambda: self.far()["answered"] >= answered, "ten answers")

    def log(self, after=0):
        """(when it was answered, how long the node had held it) of each answer, in ms."""
        found = re.findall(r"node sn942 answers after (\d+) us, of which it held (\d+)",
                           self.arn.text()[after:])
        return [(int(whole) / 1000, int(held) / 1000) for whole, held in found]

    def close(self):
        for space in self.spaces:
            space.close()


@pytest.fixture(scope="module", name="path")
def _path(program, tmp_path_factory):
    made = Path(program, tmp_path_factory.mktemp("path"))
    yield made
    made.close()


def test_latency_is_the_paths(path):
    path.begin(EACH_WAY)
    assert path.far()["state"] == "live"
    ping = path.spaces[0].run("ping", "-q", "-c20", "-i0.05", "10.7.4.12").stdout
    print(f"{path.rtt():.2f} ms over a path of {2 * EACH_WAY} ms;", ping.splitlines()[-1])
    assert 2 * EACH_WAY - EARLY <= path.rtt() <= 2 * EACH_WAY + SLACK


def test_jitter_is_filtered_and_a_longer_path_is_noticed(path):
    """The least of the last round trips: near the path's shortest time, far from its mean."""
    path.begin(EACH_WAY)
    mark = len(path.arn.text())
    path.begin(EACH_WAY, jitter=8)
    told = []

    def enough():
        told.append(path.rtt())
        return len(path.log(mark)) >= 60

    wait_until(enough, "sixty answers", timeout=30)
    each = [whole - held for whole, held in path.log(mark)]
    print(f"round trips {min(each):.1f} to {max(each):.1f} ms, mean {statistics.mean(each):.1f}; "
          f"what is believed: {min(told):.1f} to {max(told):.1f}, median {statistics.median(told):.1f}")
    assert statistics.median(told) < statistics.mean(each) - 4
    assert min(told) >= 2 * (EACH_WAY - 8) - EARLY
    path.begin(3 * EACH_WAY)
    wait_until(lambda: 6 * EACH_WAY - EARLY <= path.rtt() <= 6 * EACH_WAY + SLACK, "it is farther now")


def test_node_that_is_held_up_is_not_farther_away(path):
    """It is stopped again and again while questions are on their way: what is measured stays
    the path's, not only the least of it."""
    path.begin(EACH_WAY)
    mark = len(path.arn.text())
    over = threading.Event()

    def hold_up():
        while not over.wait(0.02):
            path.node.send_signal(signal.SIGSTOP)
            over.wait(0.06)
            path.node.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=hold_up)
    thread.start()
    try:
        wait_until(lambda: sum(held > 20 for _, held in path.log(mark)) >= 15, "it was held up",
                   timeout=30)
    finally:
        over.set()
        thread.join()
    seen = [(whole - held, held) for whole, held in path.log(mark) if held > 20]
    print(f"held for {max(h for _, h in seen):.1f} ms at most; round trips of "
          f"{min(r for r, _ in seen):.2f} to {max(r for r, _ in seen):.2f} ms")
    assert statistics.median(r for r, _ in seen) <= 2 * EACH_WAY + SLACK
    assert min(r for r, _ in seen) >= 2 * EACH_WAY - EARLY


def test_node_that_is_stopped_is_gone_and_comes_back(path):
    """C4: who does not run does not answer, though its host does."""
    path.begin(EACH_WAY)
    path.node.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    wait_until(lambda: path.far()["state"] == "lost", "it is lost")
    print(f"lost after {time.monotonic() - began:.2f} s")
    assert path.spaces[0].run("ping", "-c1", "-W2", "10.7.4.12").returncode == 0
    path.node.send_signal(signal.SIGCONT)
    wait_until(lambda: path.far()["state"] == "live", "it answers again")
    wait_until(lambda: path.rtt() <= 2 * EACH_WAY + SLACK, "and is as far away as before")


def test_first_client_is_sent_to_a_primed_port_however_far_the_node_is(path):
    """Row B6: what `prime.wait` (150 ms) leaves a node to answer in does not have the way in it."""
    path.begin(100)
    wait_until(lambda: path.far()["use"] == "eligible", "the node is eligible")
    status, headers = describe(path.spaces[0], timeout=10)
    assert status == 302
    assert re.fullmatch(r"rtsp://10\.7\.4\.12:20\d\d\d/news", headers["location"]), headers
