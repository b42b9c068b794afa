# SPDX-License-Identifier: GPL-2.0-or-later
"""Figure 6's overlay: real tunnels, BIRD's OSPF through them, real video (rows F1, F2, F3)."""

import json

import pytest
from conftest import wait_until
from lab_tools import in_node, nearlab, run_scenario


@pytest.fixture(scope="module", name="lab")
def _lab():
    nearlab("up", "fig6", "--detach", "--name", "overlay", "--param", "prime=1")
    yield "overlay"
    nearlab("down", "--name", "overlay")


def shown(lab, node, *what):
    return json.loads(in_node(lab, node, "nearctl", "--json", "show", *what).stdout)


def test_the_client_does_not_notice_what_happens_in_the_middle(lab, tmp_path):
    """Who is sent to a primed port has the channel through the overlay, too: the port was primed with
    sn808's unicast address, from which it would come by no other node."""
    code, report = run_scenario(lab, "fig6", "kill-overlay-node", tmp_path, "--seed", 31,
                                "--param", "rate=8", "--param", "before=1", "--param", "after=1")
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert report["passed"] and code == 0
    assert report["measured"]["before"] == ["sn812", "sn808"]
    assert report["measured"]["detour"] == ["sn814", "sn808"]
    assert all(m["written"] > 20 for c in report["comparisons"] for m in c["media"])


def test_a_source_whose_agent_is_dead_is_routed_to_by_nobody(lab):
    def route():
        return in_node(lab, "sn806", "ip", "-o", "route", "show", "10.77.0.8").stdout

    assert "nc-sn812" in route()
    nearlab("fault", "--name", lab, "kill", "sn808")
    wait_until(lambda: not route(), "its address is gone", 20, 0.2)
    nearlab("heal", "--name", lab)
    wait_until(lambda: "nc-sn812" in route(), "it is there again", 20, 0.2)


def test_channels_are_refused_whole_when_the_links_are_full(tmp_path):
    """Row F4: 453 at the node that the ARN prefers, another node, and in the end nobody."""
    nearlab("up", "fig6", "--detach", "--name", "budget", "--param", "budget=1500")
    try:
        code, report = run_scenario("budget", "fig6", "budget", tmp_path, "--param", "after=1")
        assert not [c["text"] for c in report["checks"] if not c["held"]]
        assert report["passed"] and code == 0
        assert len(set(report["measured"]["nodes"])) == 2
        links = [k for node in ("sn812", "sn814") for k in shown("budget", node, "overlay")["links"]]
        assert {k["kbps"] for k in links if k["node"] in ("sn806", "sn810")} == {1500}
        assert all(k["used_kbps"]["all"] <= 1500 for k in links if k["kbps"])
    finally:
        nearlab("down", "--name", "budget")
