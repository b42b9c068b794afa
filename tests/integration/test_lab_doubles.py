# SPDX-License-Identifier: GPL-2.0-or-later
"""Figure 6 when two things fail at once, when the client is far away, and when there are many."""

import pytest
from lab_tools import in_node, nearlab, run_scenario

SHORT = ("--param", "before=1.5", "--param", "after=2")
NETWORKS = {
    "spares": ("spares=1", "prime=1", "token=1"),
    "open": ("spares=1",),
    "far": ("delay=30", "jitter=8", "loss=2"),
}


@pytest.fixture(scope="module")
def lab_of():
    """lab_of(NETWORK): name of a figure 6 of that kind."""
    names = {}

    def make(network):
        if network not in names:
            names[network] = f"doubles-{network}"
            params = [word for param in NETWORKS[network] for word in ("--param", param)]
            nearlab("up", "fig6", "--detach", "--name", names[network], *params)
        return names[network]

    yield make
    for name in names.values():
        nearlab("down", "--name", name)


def run(name, scenario, folder, seed, *more):
    """A short run that has to pass; its report."""
    code, report = run_scenario(name, "fig6", scenario, folder, "--seed", seed, *SHORT, *more)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert report["passed"] and code == 0
    return report


@pytest.mark.parametrize("scenario,seed", [
    ("kill-arn-sn", 21), ("kill-two", 22), ("kill-next", 23), ("kill-sn-route", 24)])
def test_the_output_is_what_was_published_when_two_things_fail(lab_of, scenario, seed, tmp_path):
    report = run(lab_of("spares"), scenario, tmp_path, seed)
    assert report["measured"]["lost"] == 0
    assert report["measured"]["successor"] in ("sn806", "sn810", "sn812")


def test_a_session_goes_on_with_the_publishers_next_node(lab_of, tmp_path):
    report = run(lab_of("open"), "kill-source", tmp_path, 25)
    # Two sources, each with video and audio, and of each something was played.
    assert [m["same"] for c in report["comparisons"] for m in c["media"]] == [True] * 4
    assert all(m["written"] > 10 for c in report["comparisons"] for m in c["media"])


def test_a_crowd_survives_its_node(lab_of, tmp_path):
    report = run(lab_of("open"), "kill-sn-crowd", tmp_path, 26, "--param", "clients=20")
    assert report["measured"]["clients"] == 20
    assert report["measured"]["moved"] >= 1


def test_a_client_far_away_on_a_bad_link_survives_its_node(lab_of, tmp_path):
    report = run(lab_of("far"), "kill-sn-far", tmp_path, 27)
    assert report["measured"]["recovered"] > 0, "nothing was lost on the way: no test"


def test_other_players_stop_when_their_node_does(lab_of, tmp_path):
    report = run(lab_of("open"), "kill-sn-players", tmp_path, 28, "--param", "patience=1")
    assert [row["player"] for row in report["measured"]["players"]] == [
        "ffmpeg, UDP", "ffmpeg, TCP", "GStreamer"]


def test_packets_overtake_each_other_on_a_link_with_jitter(lab_of):
    done = in_node(lab_of("far"), "c802", "ping", "-c", "60", "-i", "0.004", "-W", "2", "10.2.82.1",
                   check=False)
    order = [int(word.removeprefix("icmp_seq=")) for line in done.stdout.splitlines()
             for word in line.split() if word.startswith("icmp_seq=")]
    assert order != sorted(order) and len(set(order)) > 40, done.stdout


def test_jitter_beyond_the_delay_is_refused():
    done = nearlab("up", "fig6", "--detach", "--param", "delay=5", "--param", "jitter=9", check=False)
    assert done.returncode == 1
    assert "jitter 9 ms" in done.stderr and "jitter up to the delay" in done.stderr
