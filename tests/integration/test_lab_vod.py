# SPDX-License-Identifier: GPL-2.0-or-later
"""Row E3 in figure 6: films are played on demand, and go on at another node, byte for byte."""

from lab_tools import run_scenario


def test_films_go_on_byte_for_byte_when_their_node_is_killed(tmp_path, record_property):
    code, report = run_scenario("films", "fig6", "kill-sn-vod", tmp_path, "--seed", 3,
                                "--param", "loss=1")
    for key, value in report["measured"].items():
        record_property(key, value)
    assert not [c["text"] for c in report["checks"] if not c["held"]]
    assert report["passed"] and code == 0
    assert report["measured"]["moved"] >= 1
