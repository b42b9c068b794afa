# SPDX-License-Identifier: GPL-2.0-or-later
"""
Rows A6 and A7: figure 4, with a master AS and its affiliates, and several masters, of one block and of two.

A few of their single failures; `make soak` has the others.
"""

import json
import subprocess
import sys

import pytest
from conftest import SOURCE, wait_until
from lab_tools import NEARLAB, nearlab, run_scenario

sys.path.insert(0, str(SOURCE / "lab"))
sys.path.insert(0, str(SOURCE / "topologies"))

import fig4  # noqa: E402
import multimaster  # noqa: E402
from nearlab_lib import predict, tables  # noqa: E402
from nearlab_lib.topology import Internet  # noqa: E402

LABS = {"inter-fig4": ("fig4",), "inter-same": ("multimaster",),
        "inter-disjoint": ("multimaster", "--param", "blocks=disjoint")}


@pytest.fixture(scope="module", name="labs")
def _labs():
    """All of them, started at one time: mostly they wait for BIRD's timers."""
    started = {name: subprocess.Popen([NEARLAB, "up", *words, "--detach", "--name", name],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
               for name, words in LABS.items()}
    said = {name: process.communicate(timeout=120)[0] for name, process in started.items()}
    try:
        assert all(process.returncode == 0 for process in started.values()), said
        yield LABS
    finally:
        for name, process in started.items():
            if process.returncode == 0:
                nearlab("down", "--name", name)


def run(name, scenario, folder, record, *more):
    """A scenario that has to pass; its report."""
    code, report = run_scenario(name, LABS[name][0], scenario, folder, *more)
    for key, value in report["measured"].items():
        record(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert report["passed"] and code == 0
    return report


def test_affiliates_clients_reach_the_master_while_its_arn_is_dead(labs, tmp_path, record_property):
    """Row A6."""
    assert labs
    report = run("inter-fig4", "kill-a4", tmp_path, record_property, "--seed", 3)
    assert set(report["measured"]["fault_to_answer_ms"]) == {"C3", "C4"}
    assert max(report["measured"]["fault_to_answer_ms"].values()) < 5000


def test_catchments_after_a_single_failure_are_those_predicted(labs, tmp_path, record_property):
    """Rows A5 and A6."""
    assert labs
    report = run("inter-fig4", "each-failure", tmp_path, record_property,
                 "--param", "only=A2,w1-m1,x1-m3")
    found = report["measured"]["catchments"]
    assert found["A2"]["10.1.18.0/24"] == {"C1": "A1", "C2": "A1", "C3": "A4", "C4": "A4"}
    assert found["w1-m1"]["10.1.18.0/24"]["C1"] == "A2"
    assert found["x1-m3"]["10.1.18.0/24"]["C4"] is None


def test_catchment_command_says_who_answers_whom_and_what_has_moved(labs):
    """Row J4, of a whole AS."""
    assert labs

    def catchment():
        found = json.loads(nearlab("catchment", "--name", "inter-fig4", "--json").stdout)
        return {c: row["arn"] for c, row in found["10.1.18.0/24"].items()}

    whole = {"C1": "A1", "C2": "A2", "C3": "A4", "C4": "A4"}
    wait_until(lambda: catchment() == whole, "all is as it was", 20)
    assert "C4         A4         C4 - y1 - x3 - x2 - A4\n" in \
        nearlab("catchment", "--name", "inter-fig4").stdout
    refused = nearlab("fault", "--name", "inter-fig4", "cut", "AS1", check=False)
    assert refused.returncode == 1 and "no AS1 (there are: AS65400, " in refused.stderr
    nearlab("fault", "--name", "inter-fig4", "cut", "AS65406")
    shown = wait_until(lambda: [line for line in nearlab(
        "catchment", "--name", "inter-fig4").stdout.splitlines() if "(was A4)" in line], "it moved", 20)
    assert [line.split()[0] for line in shown] == ["C4"]
    nearlab("fault", "--name", "inter-fig4", "join", "AS65406")
    wait_until(lambda: catchment() == whole, "all is as it was", 30)


def test_clients_reach_the_other_master_while_theirs_has_vanished(labs, tmp_path, record_property):
    """Row A7: the same block from two ASes."""
    assert labs
    report = run("inter-same", "lose-master", tmp_path, record_property, "--seed", 4)
    assert report["measured"]["moved"] == ["C1", "C2", "C4"]


def test_loss_of_one_block_leaves_the_other_undisturbed(labs, tmp_path, record_property):
    """Row A7: disjoint blocks."""
    assert labs
    report = run("inter-disjoint", "lose-block", tmp_path, record_property, "--seed", 5)
    assert set(report["answers"]) == {"C1", "C2", "C3", "C4", "C5"}


@pytest.mark.parametrize("topology", [fig4.Fig4, multimaster.Multimaster])
def test_lab_page_has_the_predicted_catchments(topology):
    assert predict.table(topology()) in (SOURCE / "docs/lab.md").read_text(encoding="utf-8")


class Valley(Internet):
    """A and D are customers of B and C, which are peers; E, with an ARN, is a peer of C alone."""

    # pylint: disable=arguments-differ
    def build(self):
        for number, name in enumerate("abcde", 1):
            self.addAS(65000 + number, f"10.{number}.0.0/16",
                       originates=[self.anycast] if name == "e" else [])
            self.addRouter(name, 65000 + number)
        self.addLink("b", "a", relation="provider")
        self.addLink("b", "c")
        self.addLink("d", "c", relation="customer")
        self.addLink("c", "e")
        self.addLan("lan", "10.5.1.0/24", router="e")
        self.addArn("E", "lan", 4)
        self.addClient("A", "a", "10.1.81.0/30")
        self.addClient("D", "d", "10.4.81.0/30")


def test_peers_routes_are_for_customers_alone():
    """Row A6: what the prediction says of policies, and the filters that are written for BIRD."""
    topo = Valley()
    assert predict.Prediction(topo).catchment() == {topo.anycast: {"A": None, "D": "E"}}
    told = {peer: text for router in "bc" for peer, text in sessions_of(topo, router).items()}
    assert "told_to_customers()" in told["a"] and "told_to_customers()" in told["d"]
    assert "told_to_all()" in told["b"] and "told_to_all()" in told["c"] and "told_to_all()" in told["e"]
    assert "local role provider" in told["d"] and "local role peer" in told["e"]


def sessions_of(topo, router):
    """{peer: the text of the session with it in a router's bird.conf}"""
    from nearlab_lib import routing  # pylint: disable=import-outside-toplevel
    parts = routing.router(topo, router).split("protocol bgp ebgp_")[1:]
    return {part.split(" ")[0]: part for part in parts}


@pytest.mark.parametrize("one,two,relation,said", [
    ("a", "b", "provider", "on one link and"),  # b is a's provider already
    ("a", "c", "friend", "expected customer, peer, provider"),
])
def test_relations_that_cannot_be_are_refused(one, two, relation, said):
    topo = Valley()
    with pytest.raises(ValueError, match=said):
        topo.addLink(one, two, relation=relation)


def test_routes_of_birdc_are_read():
    found = tables.parse("""BIRD 2.0.12 ready.
Table master4:
10.1.18.0/24         unicast [interior 18:50:20.323] * E1 (150/30) [10.44.4.4]
	via 10.44.254.5 on x3-eth0
	Type: OSPF-E1 univ
                     unicast [ibgp_x1 18:50:20.426 from 10.44.255.1] (100/10) [AS65400i]
	via 10.44.254.9 on x3-eth1
	Type: BGP univ
	BGP.as_path: 65404 65400

Table interdomain:
10.44.0.0/16         unreachable [own_prefix 18:50:14.203] * (200)
	Type: static univ
""")
    assert [(r.table, r.net, r.protocol, r.best, r.preference, r.kind, r.origin) for r in found] == [
        ("master4", "10.1.18.0/24", "interior", True, 150, "OSPF-E1", None),
        ("master4", "10.1.18.0/24", "ibgp_x1", False, 100, "BGP", 65400),
        ("interdomain", "10.44.0.0/16", "own_prefix", True, 200, "static", None)]
    assert tables.parse("Network not found\n") == []
