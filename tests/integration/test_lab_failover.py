# SPDX-License-Identifier: GPL-2.0-or-later
"""Figure 6 with real video: the client's output is what was published, whatever its node does.

A few runs of each kind; `make soak` does many.
"""

import os

import pytest
from lab_tools import nearlab, run_scenario


@pytest.fixture(scope="module")
def lab_with():
    """lab_with(LOSS): name of a figure 6 with so much loss (%) on the client's access link."""
    names = {}

    def make(loss):
        if loss not in names:
            names[loss] = f"failover{loss}"
            nearlab("up", "fig6", "--detach", "--name", names[loss], "--param", f"loss={loss}")
        return names[loss]

    yield make
    for name in names.values():
        nearlab("down", "--name", name)


# Kind, rate (Mbit/s), with what loss (%), seed of the moment.
RUNS = [
    ("kill-sn", 1, 0, 11), ("hang-sn", 1, 0, 12), ("cut-sn", 8, 0, 13), ("slow-sn", 1, 0, 14),
    ("kill-sn", 8, 1, 15), ("hang-sn", 8, 1, 16), ("cut-sn", 1, 1, 17),
]


@pytest.mark.parametrize("kind,rate,loss,seed", RUNS)
def test_the_output_is_what_was_published(
    lab_with, kind, rate, loss, seed, tmp_path, record_property
):
    code, report = run_scenario(lab_with(loss), "fig6", kind, tmp_path, "--seed", seed,
                                "--param", f"rate={rate}")
    for key, value in report["measured"].items():
        record_property(key, value)
    failed = [c["text"] for c in report["checks"] if not c["held"]]
    assert not failed
    assert report["passed"] and code == 0
    assert all(m["written"] > 20 for c in report["comparisons"] for m in c["media"])
    assert os.path.getsize(tmp_path / "timeline.png") > 10000
    with open(tmp_path / "nodes" / "arn804" / "bird.conf", encoding="utf-8") as file:
        assert "ospf" in file.read()
