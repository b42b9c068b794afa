# SPDX-License-Identifier: GPL-2.0-or-later
"""Figure 6 with real video: the client's output is what was published, whatever its node does.

A few runs of each kind; `make soak` does many. Where the access link loses packets the nodes are
primed (row B6) and demand tokens (E4): the client goes from one node's port to another's with one.
"""

import json
import os

import pytest
from lab_tools import in_node, nearlab, run_scenario


@pytest.fixture(scope="module")
def lab_with():
    """lab_with(LOSS): name of a figure 6 with so much loss (%) on the client's access link."""
    names = {}

    def make(loss):
        if loss not in names:
            names[loss] = f"failover{loss}"
            nearlab("up", "fig6", "--detach", "--name", names[loss], "--param", f"loss={loss}",
                    "--param", f"prime={int(loss > 0)}", "--param", f"token={int(loss > 0)}")
        return names[loss]

    yield make
    for name in names.values():
        nearlab("down", "--name", name)


# Kind, rate (Mbit/s), with what loss (%), seed of the moment, how the client gets the media.
RUNS = [
    ("kill-sn", 1, 0, 11, "auto"), ("hang-sn", 1, 0, 12, "tcp"), ("cut-sn", 8, 0, 13, "auto"),
    ("slow-sn", 1, 0, 14, "auto"), ("kill-sn", 8, 1, 15, "auto"), ("hang-sn", 8, 1, 16, "auto"),
    ("cut-sn", 1, 1, 17, "udp"),
]


@pytest.mark.parametrize("kind,rate,loss,seed,transport", RUNS)
def test_the_output_is_what_was_published(
    lab_with, kind, rate, loss, seed, transport, tmp_path, record_property
):
    code, report = run_scenario(lab_with(loss), "fig6", kind, tmp_path, "--seed", seed,
                                "--param", f"rate={rate}", "--param", f"transport={transport}")
    for key, value in report["measured"].items():
        record_property(key, value)
    failed = [c["text"] for c in report["checks"] if not c["held"]]
    assert not failed
    assert report["passed"] and code == 0
    assert all(m["written"] > 20 for c in report["comparisons"] for m in c["media"])
    if loss:
        shown = in_node(lab_with(loss), "arn804", "nearctl", "--json", "show", "primes").stdout
        primes = json.loads(shown)["primes"]
        assert {p["node"] for p in primes if p["status"] == "primed"} == {"sn806", "sn810"}, shown
        assert any("used_s_ago" in p for p in primes), shown
    assert os.path.getsize(tmp_path / "timeline.png") > 10000
    with open(tmp_path / "nodes" / "arn804" / "bird.conf", encoding="utf-8") as file:
        assert "ospf" in file.read()


def test_players_behind_a_gateway_notice_nothing(lab_with, tmp_path, record_property):
    code, report = run_scenario(lab_with(0), "fig6", "kill-sn-gateway", tmp_path, "--seed", 18,
                                "--param", "before=2", "--param", "after=2")
    for player in report["measured"]["players"]:
        record_property(player["player"], player["longest_pause_ms"])
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert report["passed"] and code == 0
    assert all(n > 50 for p in report["measured"]["players"] for n in p["frames"])


@pytest.mark.parametrize("kind,seed", [("kill-web", 21), ("hang-web", 22), ("kill-hls", 23)])
def test_a_download_and_a_player_of_hls_lose_their_node(
    lab_with, kind, seed, tmp_path, record_property
):
    code, report = run_scenario(lab_with(0), "fig6", kind, tmp_path, "--seed", seed,
                                "--param", "size=12")
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert report["passed"] and code == 0


OWN = '''"""A publisher that comes back under the same name is played again."""
topologies = ["fig6"]
params = {"times": 2}

def run(lab):
    for _ in range(lab.params["times"]):
        source = lab.publish("src803", "rtsp://10.8.0.8/again")
        lab.wait_service("c802", "rtsp://10.1.18.27/again")
        player = lab.play("c802", "rtsp://10.1.18.27/again")
        player.wait("playing")
        lab.pause(1.5)
        source.end()
        ended = player.wait_end()
        lab.check(ended["lost"] == 0, "nothing was lost")
        lab.expect_same(source, player)
    lab.measured["times"] = lab.params["times"]
    lab.tell("It was played as often as it was published.")
'''


def test_a_scenario_of_the_users_own_runs(lab_with, tmp_path):
    """And shows that a name can be published anew while nodes still remember its end."""
    (tmp_path / "mine.py").write_text(OWN)
    code, report = run_scenario(lab_with(0), "fig6", tmp_path / "mine.py", tmp_path / "report")
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert code == 0
    assert report["measured"] == {"times": 2}
    assert report["scenario"] == "mine"
    assert "It was played as often as it was published." in report["story"]


def test_a_run_whose_assertion_does_not_hold_fails(lab_with, tmp_path):
    (tmp_path / "wrong.py").write_text(
        '"""Wrong."""\ntopologies = ["fig6"]\ndef run(lab):\n'
        '    lab.check(True, "this holds")\n    lab.check(1 == 2, "one is two")\n'
    )
    code, report = run_scenario(lab_with(0), "fig6", tmp_path / "wrong.py", tmp_path / "report")
    assert code == 1
    assert not report["passed"]
    assert "NOT SO: one is two" in report["story"]
    assert str(tmp_path / "report") in report["story"][-1]


def test_a_run_that_asserts_nothing_fails(lab_with, tmp_path):
    (tmp_path / "empty.py").write_text(
        '"""Empty."""\ntopologies = ["fig6"]\ndef run(lab):\n    pass\n')
    code, report = run_scenario(lab_with(0), "fig6", tmp_path / "empty.py", tmp_path / "report")
    assert code == 1 and not report["passed"]


def test_a_run_that_fails_names_what_died_by_itself(lab_with, tmp_path):
    (tmp_path / "dead.py").write_text(
        '"""Dead."""\nimport signal\ntopologies = ["fig6"]\ndef run(lab):\n'
        '    bird = lab.net["cbb"].daemons["bird"]\n'
        '    bird.signal(signal.SIGKILL)\n    bird.process.wait(5)\n'
        '    lab.fault("kill", "sn806")\n    raise TimeoutError("it took too long")\n'
    )
    code, report = run_scenario(lab_with(0), "fig6", tmp_path / "dead.py", tmp_path / "report")
    nearlab("fault", "--name", lab_with(0), "restart", "bird@cbb")
    assert code == 1
    assert "NOT SO: it took too long (dead.py:9)" in report["story"]
    assert [line for line in report["story"] if line.startswith("Died by itself")] == [
        "Died by itself: bird of cbb (killed by SIGKILL)."]
