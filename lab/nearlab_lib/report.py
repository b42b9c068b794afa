# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a run leaves behind. The report's folder has

    report.json          see `write`
    timeline.png         made of it by timeline.py
    map.png              of the internet's scenarios, see worldmap.py
    loads.png            of figure 7's, see loads.py
    NODE-sent.pcap       what the publisher sent, whole
    NODE-received.pcap   what reached the client, the first 160 bytes of each packet
    NODE.rtpdump         what the client wrote
    NODE-client.out      the client's events; .log: what it said besides
    NODE-routes.out      `ip monitor route` of each router
    nodes/NODE/          configurations, logs and event files of its daemons
"""

import json
import os

from .scenario import Player


def write(lab, scenario, title):
    """report.json, and the same as a dictionary."""
    passed = all(c["held"] for c in lab.checks) and bool(lab.checks)
    players = [p for p in lab.processes if isinstance(p, Player)]
    result = {
        "topology": lab.topology, "scenario": scenario,
        "title": title.splitlines()[0] if title else scenario,
        "seed": lab.seed, "params": lab.params, "passed": passed, "checks": lab.checks,
        "measured": lab.measured, "comparisons": lab.comparisons,
        "events": sorted(lab.events, key=lambda e: e["t"]),
        "clients": [client(lab, p) for p in players], "answers": lab.answers,
        "story": story(lab, passed), "report": lab.report,
    }
    with open(os.path.join(lab.report, "report.json"), "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    return result


def client(lab, player):
    """A client's series for the picture: packets in 10 ms by node, and the buffer's level."""
    bins = {}
    if player.capture and os.path.exists(player.capture.path):
        for at, node in lab.received(player):
            series = bins.setdefault(node, {})
            key = round(at // 0.01 * 0.01, 2)
            series[key] = series.get(key, 0) + 1
    levels = [[round(e["t"] - lab.start, 4), e.get("buffer_ms")] for e in player.seen("level")
              if e.get("buffer_ms") is not None]
    return {"node": player.node.name,
            "packets": {n: sorted(map(list, s.items())) for n, s in bins.items()},
            "levels": levels, "ended": (player.seen("ended") or [None])[-1]}


def story(lab, passed):
    """What happened, in plain words."""
    lines = list(lab.story)
    for comparison in lab.comparisons:
        for medium in comparison["media"]:
            if medium["same"]:
                lines.append(f"{medium['name']}: {medium['written']} packets, "
                             f"{medium['bytes']} bytes: exactly what {comparison['source']} "
                             "published.")
    failed = [c["text"] for c in lab.checks if not c["held"]]
    if passed:
        lines.append(f"PASSED: all {len(lab.checks)} assertions held.")
    else:
        lines += [f"NOT SO: {text}" for text in failed] or ["NOT SO: nothing was asserted."]
        lines.append(f"FAILED. Logs, configurations and captures: {lab.report}")
    return lines
