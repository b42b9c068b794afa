# SPDX-License-Identifier: GPL-2.0-or-later
"""Figure 3: an ARN fails, its route goes, its clients reach the other one, and it comes back."""

import pytest
from lab_tools import nearlab, run_scenario


@pytest.fixture(scope="module")
def lab():
    """A running figure 3."""
    nearlab("up", "fig3", "--detach", "--name", "anycast")
    yield "anycast"
    nearlab("down", "--name", "anycast")


@pytest.mark.parametrize("kind", ["kill-arn", "hang-arn"])
def test_clients_reach_the_other_arn_until_theirs_is_back(lab, kind, tmp_path, record_property):
    code, report = run_scenario(lab, "fig3", kind, tmp_path, "--seed", 3)
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert code == 0


@pytest.mark.parametrize("kind", ["no-service", "all-dead"])
def test_site_without_nodes_goes_only_while_another_serves(lab, kind, tmp_path, record_property):
    """Rows A3 and, while all nodes are dead, B3."""
    code, report = run_scenario(lab, "fig3", kind, tmp_path, "--seed", 3)
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert code == 0


def test_stranger_attracts_nobody_and_removes_nobody(lab, tmp_path):
    """Row C5."""
    code, report = run_scenario(lab, "fig3", "rogue-announcer", tmp_path, "--seed", 5,
                                "--param", "seconds=0.7", "--param", "flood=0.7")
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert code == 0
