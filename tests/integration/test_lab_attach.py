# SPDX-License-Identifier: GPL-2.0-or-later
"""Row I2 in figure 9: the node of a new source attaches itself, and again when its neighbour dies."""

import pytest
from lab_tools import nearlab, run_scenario


@pytest.fixture(scope="module", name="lab")
def _lab():
    nearlab("up", "fig9", "--detach", "--name", "attach")
    yield "attach"
    nearlab("down", "--name", "attach")


@pytest.mark.parametrize("scenario,seed", [("attach", 5), ("kill-attachment", 6)])
def test_a_new_source_is_played_everywhere_and_outlives_its_neighbour(lab, scenario, seed, tmp_path,
                                                                      record_property):
    code, report = run_scenario(lab, "fig9", scenario, tmp_path, "--seed", seed)
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert report["passed"] and code == 0
    assert all(m["written"] > 20 for c in report["comparisons"] for m in c["media"])
