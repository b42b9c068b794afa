# SPDX-License-Identifier: GPL-2.0-or-later
"""
Many runs: each failure of figures 4, 6, 7, 8 and 9 and of several masters at random moments, in several networks; and pauses that are no
failures. A lab is brought up for each network and serves all its runs. Reports of runs that failed
are kept whole; of others, report.json.
"""

import concurrent.futures
import json
import os
import queue
import shutil
import statistics
import threading
import time

from . import outer, state
from .library import Library

FAILURES = ("kill-sn", "hang-sn", "cut-sn")
BOTH_RATES = ({"rate": 1}, {"rate": 8})
# Networks: {name: (topology, its parameters, scenarios, parameters that these take by turns)}.
NETWORKS = {
    "plain": ("fig6", {}, (*FAILURES, "slow-sn"), BOTH_RATES),
    "1 % loss": ("fig6", {"loss": 1, "prime": 1, "token": 1}, (*FAILURES, "slow-sn"), BOTH_RATES),
    "far": ("fig6", {"delay": 30, "jitter": 8, "loss": 2}, FAILURES, ({"buffer": 2000},)),
    "TCP": ("fig6", {}, FAILURES, ({"transport": "tcp"},)),
    "middle": ("fig6", {}, ("kill-overlay-node", "hang-overlay-node", "cut-overlay-node", "cut-tunnel"),
               BOTH_RATES),
    "spares": ("fig6", {"spares": 1, "prime": 1, "token": 1},
               ("kill-arn-sn", "kill-two", "kill-next", "kill-sn-route"), BOTH_RATES),
    "open spares": ("fig6", {"spares": 1}, ("kill-source", "kill-sn-crowd"), ({"rate": 1},)),
    "films": ("fig6", {"films": 1, "loss": 1}, ("kill-sn-vod",), ({},)),
    "players": ("fig6", {}, ("kill-sn-gateway", "kill-web", "hang-web", "cut-web", "kill-hls"), ({},)),
    "figure 7": ("fig7", {}, ("overflow",), ({}, {"room": 6, "peak": 20})),
    "figure 8": ("fig8", {}, ("one-copy", "group-breaks"), ({},)),
    "figure 4": ("fig4", {}, ("kill-a4",), ({},)),
    "figure 4's parts": ("fig4", {}, ("each-failure",), ({"count": 4},)),
    "masters": ("multimaster", {}, ("lose-master",), ({},)),
    "masters' parts": ("multimaster", {}, ("each-failure",), ({"count": 4},)),
    "two blocks": ("multimaster", {"blocks": "disjoint"}, ("lose-block",), ({},)),
    "blocks' parts": ("multimaster", {"blocks": "disjoint"}, ("each-failure",), ({"count": 4},)),
    "internet": ("internet", {}, ("lose-colo", "lose-tier1"), ({"router": 0}, {"router": 1})),
    "figure 9": ("fig9", {}, ("attach", "kill-attachment"), ({},)),
}
SHOWN = (("detection_ms", "detection"), ("transaction_ms", "transaction"),
         ("fault_to_media_ms", "fault to media"), ("interruption_ms", "interruption"),
         ("min_buffer_ms", "lowest buffer"), ("nacked", "NACKed"), ("duplicates", "twice"),
         ("lost", "lost"))


def plan(runs, seed):
    """[(network, scenario, parameters, seed)]: `runs` of each scenario in each network."""
    jobs = []
    for network, (_, _, scenarios, turns) in NETWORKS.items():
        for scenario in scenarios:
            for number in range(runs):
                jobs.append((network, scenario, turns[number % len(turns)], seed + len(jobs)))
    return jobs


def run(arguments, folder):
    """All of it; the exit code. The table goes to the screen, all numbers to FOLDER/soak.json."""
    os.makedirs(folder, exist_ok=True)
    library = Library()
    jobs = plan(arguments.runs, arguments.seed)
    results, lock = [], threading.Lock()
    waiting = {network: queue.SimpleQueue() for network in NETWORKS}
    for job in jobs:
        waiting[job[0]].put(job)

    def say(text):
        with lock:
            print(f"nearlab: {text}", flush=True)

    def one(path, job):
        network, kind, params, seed = job
        words = " ".join(f"{k}={v}" for k, v in params.items())
        report = os.path.join(folder, f"{kind}-{network}-{words}-{seed}".replace(" ", "-").replace("-%", ""))
        os.makedirs(report, exist_ok=True)
        try:
            result = outer.run_scenario(path, library.scenario(kind),
                                        {**NETWORKS[network][1], **params}, seed, report,
                                        lambda text: None)
        except state.StateError as error:
            result = {"passed": False, "measured": {}, "checks": [],
                      "story": [f"could not run: {error}"]}
        failed = [c["text"] for c in result["checks"] if not c["held"]] or \
            ([] if result["passed"] else result["story"])
        with lock:
            results.append({"scenario": kind, "network": network, "params": params, "seed": seed,
                            "passed": result["passed"], "failed": failed, "report": report,
                            "measured": result["measured"]})
        if result["passed"]:
            trim(report)
        say(f"{len(results)}/{len(jobs)} {network}: {kind} {words}, seed {seed}: "
            + ("passed" if result["passed"] else f"FAILED: {'; '.join(failed)} ({report})"))

    def serve(network):
        lab = None
        try:
            topology, params = NETWORKS[network][:2]
            lab = outer.Lab(library.topology(topology), params, keep=[folder, outer.cache_folder()],
                            say=say)
            lab.wait_ready()
            while True:
                try:
                    job = waiting[network].get_nowait()
                except queue.Empty:
                    return
                one(lab.path, job)
        except Exception as error:  # pylint: disable=broad-except
            say(f"the lab '{network}': {error}")
        finally:
            if lab:
                lab.end()

    begun = time.time()
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(serve, NETWORKS))

    passed = len(results) == len(jobs) and all(r["passed"] for r in results)
    summary = {"runs": len(jobs), "done": len(results),
               "passed": sum(r["passed"] for r in results), "seconds": round(time.time() - begun),
               "table": table(results), "results": results}
    with open(os.path.join(folder, "soak.json"), "w", encoding="utf-8") as file:
        json.dump(summary, file, indent=1)
    outer.give_to_owner(folder)
    if arguments.json:
        print(json.dumps(summary, indent=1))
    else:
        show(summary)
        print(f"All numbers: {os.path.join(folder, 'soak.json')}")
    return 0 if passed else 1


def trim(report):
    """Keeps report.json and the picture of a run that passed."""
    for name in os.listdir(report):
        path = os.path.join(report, name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif name not in ("report.json", "timeline.png"):
            os.unlink(path)


def table(results):
    """[{scenario, network, params, runs, passed, and of every number: median, least and largest}]"""
    rows = {}
    for result in results:
        key = result["network"], result["scenario"], tuple(result["params"].items())
        rows.setdefault(key, []).append(result)
    found = []
    for (network, scenario, params), mine in rows.items():
        row = {"network": network, "scenario": scenario, "params": dict(params),
               "runs": len(mine), "passed": sum(r["passed"] for r in mine)}
        for number, _ in SHOWN:
            values = [r["measured"][number] for r in mine
                      if isinstance(r["measured"].get(number), (int, float))]
            if values:
                row[number] = {"median": round(statistics.median(values), 1),
                               "min": min(values), "max": max(values)}
        found.append(row)
    order = list(NETWORKS)
    return sorted(found, key=lambda r: (order.index(r["network"]), r["scenario"], str(r["params"])))


def show(summary):
    """The table, for people: median (worst) of each number; ms, or packets."""
    print(f"\n{summary['passed']} of {summary['runs']} runs passed "
          f"in {summary['seconds'] / 60:.0f} min\n")
    head = ["network", "scenario", "with", "passed"] + [title for _, title in SHOWN]
    lines = [head]
    for row in summary["table"]:
        line = [row["network"], row["scenario"],
                " ".join(f"{k}={v}" for k, v in row["params"].items()),
                f"{row['passed']}/{row['runs']}"]
        for number, _ in SHOWN:
            value = row.get(number)
            worst = "min" if number == "min_buffer_ms" else "max"
            line.append(f"{value['median']:g} ({value[worst]:g})" if value else "")
        lines.append(line)
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    print("median (worst); ms, or packets")
