# SPDX-License-Identifier: GPL-2.0-or-later
"""Row H1 in figure 7: clients overflow to the best node elsewhere, and stay at home when there is room."""

import sys

import pytest
from conftest import SOURCE
from lab_tools import nearlab, run_scenario

sys.path.insert(0, str(SOURCE / "lab"))
from nearlab_lib import overflow  # noqa: E402


@pytest.fixture(scope="module", name="lab")
def _lab():
    nearlab("up", "fig7", "--detach", "--name", "overflow")
    yield "overflow"
    nearlab("down", "--name", "overflow")


def test_clients_overflow_and_come_home_nobody_wavers_and_no_node_is_overrun(lab, tmp_path,
                                                                            record_property):
    short = [f"--param={p}" for p in ("room=6", "peak=24", "ramp=7", "stay=2", "crowd=8")]
    code, report = run_scenario(lab, "fig7", "overflow", tmp_path, "--seed", 7, *short)
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert report["passed"] and code == 0
    assert all(m["written"] > 100 for c in report["comparisons"] for m in c["media"])
    assert report["measured"]["visitors"] > 20 and report["measured"]["herd"] == 24
    assert (tmp_path / "loads.png").stat().st_size > 10000


def test_a_parameter_that_makes_no_sense_is_told(lab, tmp_path):
    code, report = run_scenario(lab, "fig7", "overflow", tmp_path, "--param", "crowd=5")
    assert code == 1 and not report["passed"]
    assert any("crowd=5: expected 7 or more: three crowds have to be too many for sn942, which has 20 places"
               in c["text"] for c in report["checks"] if not c["held"])


def test_somebody_who_knows_all_sends_home_whom_there_is_a_place_for():
    came = [(0, 4), (1, 9), (2, 9), (3, 9), (5, 9), (6, 9)]
    home = overflow.all_knowing(came, 2)
    assert home == [True, True, False, False, True, False]
    assert overflow.changes(home) == 3


def test_who_is_sent_elsewhere_in_vain_is_noticed():
    def visit(t, left, node="sn912"):
        return {"t": t, "left": left, "node": node}

    told = [visit(0, 4), visit(1, 9, "sn914"), visit(1, 9, "sn942"), visit(2, 5)]
    assert overflow.behind(told, 3, 3) == 0, "three were at home"
    assert overflow.behind(told, 3, 4.5) == 0.5, "one had just left"
    assert overflow.behind(told, 3, 7) == 3, "there had been a place for long"
    assert overflow.behind(told, 4, 7) == 7, "there had always been one"
