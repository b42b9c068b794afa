# SPDX-License-Identifier: GPL-2.0-or-later
"""
Row J2, figures 1 and 2: an internet of three tiers, exchange points and colos, every router a BIRD. One
lab of 44 ASes for all that needs one.
"""

import json
import sys
import time

import pytest
from conftest import SOURCE, wait_until
from lab_tools import nearlab, run_scenario

sys.path.insert(0, str(SOURCE / "lab"))
sys.path.insert(0, str(SOURCE / "topologies"))

import internet  # noqa: E402
from nearlab_lib import asgraph, predict, reach, world  # noqa: E402

NAME = "world"
BLOCK = "10.1.18.0/24"


@pytest.fixture(scope="module", name="lab")
def _lab():
    """A running internet, and how long it took to be ready."""
    begun = time.monotonic()
    nearlab("up", "internet", "--detach", "--name", NAME, timeout=120)
    yield time.monotonic() - begun
    nearlab("down", "--name", NAME)


def catchment():
    """{client: the row of `nearlab catchment`}"""
    return json.loads(nearlab("catchment", "--name", NAME, "--json").stdout)[BLOCK]


def arns():
    """{client: ARN}"""
    return {client: row["arn"] for client, row in catchment().items()}


def test_an_internet_of_forty_ases_comes_up_within_a_minute(lab, record_property):
    """Row J2. How long it took is recorded; with other things beside it, it may take its time."""
    record_property("ready_s", round(lab, 1))
    assert lab < 100
    status = json.loads(nearlab("status", "--name", NAME, "--json").stdout)
    routers = {n: s for n, s in status["nodes"].items() if s["kind"] == "router"}
    assert len({s["as"] for s in routers.values()}) == 44
    assert all(s["daemons"]["bird"]["state"] == "running" for s in routers.values())
    assert {s["daemons"]["arn"]["state"] for s in status["nodes"].values() if s["kind"] == "arn"} \
        == {"running"}
    assert arns() == predict.Prediction(internet.World()).catchment()[BLOCK]


def test_colo_that_dies_with_its_router_loses_its_catchment_until_it_is_back(
        lab, tmp_path, record_property):
    """Rows J2 and A6: routes, ways and catchments are those predicted; no path of BGP has a valley."""
    assert lab
    code, report = run_scenario(NAME, "internet", "lose-colo", tmp_path, "--param", "router=1",
                                "--seed", 6, timeout=240)
    for key in ("fault_to_answer_ms", "settled_s"):
        record_property(key, report["measured"][key])
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert code == 0
    found = report["measured"]["catchments"]
    assert found["before"] == found["back"] and "Asjc" in found["before"]
    assert "Asjc" not in found["dead"] and len(found["dead"]) >= 4
    assert sum("valley" in c["text"] for c in report["checks"]) == 3
    assert (tmp_path / "map.png").stat().st_size > 10_000


def test_catchment_shows_who_moved_when_an_affiliates_arn_fails(lab):
    """Row J2: before, after a fault, and after it was healed."""
    assert lab
    graph = internet.World().graph
    victim = f"A{graph.affiliates[0]}"
    before = arns()
    its = [client for client, arn in before.items() if arn == victim]
    nearlab("fault", "--name", NAME, "kill", f"arn@{victim}")

    def moved():
        rows = catchment()
        assert all(row["arn"] for row in rows.values()), "each client has an answer"
        assert victim not in {row["arn"] for row in rows.values()}
        return rows

    rows = wait_until(moved, f"{victim}'s clients have moved", 30, 0.3)
    assert its and {c for c, row in rows.items() if row["arn"] != before[c]} == set(its)
    nearlab("heal", "--name", NAME)
    wait_until(lambda: arns() == before, "all are back", 40, 0.3)


def test_seed_decides_who_is_where():
    """Row J4: the same internet every time."""
    one, again, other = (internet.World(seed=seed) for seed in (3, 3, 4))
    assert one.links(sort=True, withInfo=True) == again.links(sort=True, withInfo=True)
    assert one.place == again.place != other.place


@pytest.mark.parametrize("ases,exchanges,affiliates", [
    (asgraph.LEAST, 2, 0), (44, 4, 2), (60, 5, 4), (80, 8, 0)])
def test_each_client_has_an_arn_in_an_internet_of_any_size(ases, exchanges, affiliates):
    """Row J2: by the prediction, to which the real ones are held."""
    topo = internet.World(ases=ases, exchanges=exchanges, affiliates=affiliates)
    assert len(topo.systems) == ases
    found = predict.Prediction(topo).catchment()[BLOCK]
    assert len(found) == len(topo.graph.tier(3)) and None not in found.values()
    assert all(len(members) > 1 for members in topo.graph.exchanges.values())


@pytest.mark.parametrize("params,words", [
    ({"ases": 5}, "ases=5: expected 12 to 200"), ({"ases": 201}, "ases=201: expected"),
    ({"exchanges": 1}, "exchanges=1: expected 2 to 8"),
    ({"affiliates": 13}, "affiliates=13: expected 0 to 12"),
    ({"ases": 12, "exchanges": 8}, "too few for 8 exchange points")])
def test_internet_that_cannot_be_is_refused_with_a_reason(params, words):
    with pytest.raises(ValueError, match=words):
        internet.World(**params)


def test_parameters_can_stand_with_the_topologys_name():
    """As make lab TOPO=internet,ases=5 has it."""
    refused = nearlab("up", "internet,ases=5", check=False)
    assert refused.returncode == 1 and "ases=5: expected 12 to 200" in refused.stderr
    refused = nearlab("up", "internet,size=5", check=False)
    assert refused.returncode == 1 and "no parameter 'size'" in refused.stderr


def test_path_with_a_valley_is_recognized():
    """An edge's path may climb, cross once, and descend; not descend and climb again."""
    relations = {("up", "edge"): "provider", ("edge", "up"): "customer", ("top", "up"): "provider",
                 ("up", "top"): "customer", ("top", "other"): "peer", ("other", "top"): "peer",
                 ("far", "other"): "customer", ("other", "far"): "provider",
                 ("up2", "edge"): "provider", ("edge", "up2"): "customer",
                 ("other", "third"): "peer", ("third", "other"): "peer"}
    for path in (["edge", "up", "top", "other", "far"], ["edge"], ["up", "edge"],
                 ["other", "top", "up"]):
        assert not world.has_valley(relations, path), path
    for path in (["up", "edge", "up2"], ["top", "other", "third"], ["far", "other", "top", "other"],
                 ["other", "far", "other"], ["edge", "top"]):
        assert world.has_valley(relations, path), path


def test_answer_to_a_ping_is_told_from_anything_else():
    head = bytes([0x45]) + bytes(19)
    reply = bytearray(reach.request(77, 5))
    reply[0] = 0
    assert reach.answered(head + reply, 77) == 5
    assert reach.answered(head + reply, 78) is None
    assert reach.answered(head + reach.request(77, 5), 77) is None
    for size in range(28):
        assert reach.answered((head + reply)[:size], 77) is None
    assert reach.answered(bytes([0x4f]) + head[1:] + reply, 77) is None
