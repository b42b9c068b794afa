# SPDX-License-Identifier: GPL-2.0-or-later
"""Figure 8 with real video: clients of one network share one copy of a channel."""

import pytest
from lab_tools import nearlab, run_scenario


@pytest.fixture(scope="module")
def lab():
    nearlab("up", "fig8", "--detach", "--name", "local")
    yield "local"
    nearlab("down", "--name", "local")


@pytest.mark.parametrize("scenario,seed", [("one-copy", 21), ("group-breaks", 22)])
def test_clients_of_a_network_share_one_copy_and_lose_nothing(
    lab, scenario, seed, tmp_path, record_property
):
    code, report = run_scenario(lab, "fig8", scenario, tmp_path, "--seed", seed)
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert report["passed"] and code == 0
    assert len(report["comparisons"]) == 3
