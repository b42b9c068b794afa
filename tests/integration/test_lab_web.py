# SPDX-License-Identifier: GPL-2.0-or-later
"""Figure 6 as a cache of web objects (row E1): a site beyond a long link, two nodes, and what their deaths
do."""

import pytest
from lab_tools import nearlab, run_scenario


@pytest.fixture(scope="module")
def lab():
    """Name of a figure 6 whose nodes are caches."""
    nearlab("up", "fig6", "--detach", "--name", "web", "--param", "web=1")
    yield "web"
    nearlab("down", "--name", "web")


def test_e1_an_object_is_fetched_once_by_each_node_and_outlives_node_and_site(
        lab, tmp_path, record_property):
    code, report = run_scenario(lab, "fig6", "web-cache", tmp_path, "--seed", 31)
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert report["passed"] and code == 0, report
    assert report["measured"]["asked"] == 2 * report["measured"]["slices"]
