# SPDX-License-Identifier: GPL-2.0-or-later
"""Figure 5: several ARNs on a LAN, one of which has the block (rows C2 elect, A4 drain), and nodes of
unequal capacity (row C4)."""

from pathlib import Path

import pytest
from lab_tools import in_node, nearlab, run_scenario


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


@pytest.mark.parametrize("kind", ["part-lan", "one-way-loss", "boot-all"])
def test_every_answer_is_right_whatever_befalls_the_lan(lab, kind, tmp_path, record_property):
    """C2: a LAN that falls in two, loss in one direction, all ARNs at once."""
    code, report = run_scenario(lab, "fig5", kind, tmp_path, "--seed", 5)
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert code == 0


def test_without_a_floating_next_hop_the_block_moves_by_ospf(tmp_path, record_property):
    nearlab("up", "fig5", "--detach", "--name", "cluster-ospf", "--param", "next_hop=0")
    try:
        code, report = run_scenario("cluster-ospf", "fig5", "kill-master", tmp_path, "--seed", 5)
    finally:
        nearlab("down", "--name", "cluster-ospf")
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert code == 0


def test_only_the_share_of_the_one_that_dies_is_disturbed(tmp_path, record_property):
    """Row A8: all ARNs are active, the router shares the clients out."""
    code, report = run_scenario("cluster-all", "fig5", "ecmp-kill", tmp_path, "--seed", 5)
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert code == 0


def test_each_address_has_a_master_and_only_those_of_the_one_that_dies_move(
        tmp_path, record_property):
    """Row C3: a failed ARN's addresses are re-elected, the others' are untouched."""
    code, report = run_scenario("cluster-each", "fig5", "per-address", tmp_path, "--seed", 5)
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert code == 0


def test_takeover_bench_measures_nearcast_and_its_peer(lab, tmp_path):
    """One kill each: that the bench works, not what it measures."""
    bench = Path(__file__).resolve().parent.parent / "bench" / "takeover.py"
    code, report = run_scenario(lab, "fig5", bench, tmp_path, "--param", "kills=1")
    assert code == 0, report["story"]
    assert {report["measured"][who]["kills"] for who in ("nearcast", "keepalived")} == {1}


def test_crowd_gets_the_room_that_there_is_and_no_node_more(lab, tmp_path, record_property):
    """It comes after a long silence: the router has forgotten who has the floating next hop."""
    in_node(lab, "colo", "ip", "neigh", "flush", "all")
    code, report = run_scenario(lab, "fig5", "flash-crowd", tmp_path, "--seed", 5)
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert code == 0
