# SPDX-License-Identifier: GPL-2.0-or-later
"""Figure 5: several ARNs on a LAN, one of which has the block (rows C2 elect, A4 drain), and nodes of
unequal capacity (row C4)."""

import pytest
from lab_tools import nearlab, run_scenario


@pytest.fixture(scope="module")
def lab():
    """A running figure 5."""
    nearlab("up", "fig5", "--detach", "--name", "cluster")
    yield "cluster"
    nearlab("down", "--name", "cluster")


@pytest.mark.parametrize("kind", ["kill", "hang", "drain", "flap"])
def test_next_lowest_has_the_block_while_the_master_is_away(lab, kind, tmp_path, record_property):
    code, report = run_scenario(lab, "fig5", f"{kind}-master", tmp_path, "--seed", 5)
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert report["measured"]["successor"] == "A2"
    assert code == 0


def test_crowd_gets_the_room_that_there_is_and_no_node_more(lab, tmp_path, record_property):
    code, report = run_scenario(lab, "fig5", "flash-crowd", tmp_path, "--seed", 5)
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert code == 0
