# SPDX-License-Identifier: GPL-2.0-or-later
"""Figure 5: what is wrong though every daemon lives: a service beside its agent (row C4), a stranger
on the LAN (row C5)."""

import pytest
from lab_tools import nearlab, run_scenario


@pytest.fixture(scope="module")
def lab():
    """A running figure 5."""
    nearlab("up", "fig5", "--detach", "--name", "health")
    yield "health"
    nearlab("down", "--name", "health")


@pytest.mark.parametrize("how", ["dead", "hung", "slow", "blocked"])
def test_client_gets_all_while_a_service_is_broken_and_its_agent_is_not(
        lab, how, tmp_path, record_property):
    code, report = run_scenario(lab, "fig5", f"service-{how}", tmp_path, "--seed", 5)
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert report["measured"]["objects"] > 40
    assert code == 0


def test_stranger_attracts_nobody_and_removes_nobody(lab, tmp_path, record_property):
    code, report = run_scenario(lab, "fig5", "rogue-announcer", tmp_path, "--seed", 5,
                                "--param", "seconds=0.7", "--param", "flood=1.5")
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert report["measured"]["flood"]["sent"] > 1000
    assert code == 0
