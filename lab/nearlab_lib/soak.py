# SPDX-License-Identifier: GPL-2.0-or-later
"""
Many runs: each kind of failure at random moments, at 1 and 8 Mbit/s, half of them with 1 % loss on
the client's access link; and pauses that are no failures. A lab is brought up for each loss and
serves all its runs. Reports of runs that failed are kept whole; of others, report.json.
"""

import json
import os
import queue
import shutil
import statistics
import threading
import time

from . import cli
from .library import Library

FAILURES = ("kill-sn", "hang-sn", "cut-sn")
RATES = (1, 8)
LOSSES = (0, 1)
SHOWN = (("detection_ms", "detection"), ("transaction_ms", "transaction"),
         ("fault_to_media_ms", "fault to media"), ("interruption_ms", "interruption"),
         ("min_buffer_ms", "lowest buffer"), ("nacked", "NACKed"), ("duplicates", "twice"),
         ("lost", "lost"))


def plan(runs, seed):
    """[(scenario, rate, loss, seed)]: `runs` of each failure, and of slow-sn as well."""
    jobs = []
    for kind in (*FAILURES, "slow-sn"):
        for number in range(runs):
            rate = RATES[number % 2]
            loss = LOSSES[number // 2 % 2]
            jobs.append((kind, rate, loss, seed + len(jobs)))
    return jobs


def run(arguments, folder):
    """All of it; the exit code. The table goes to the screen, all numbers to FOLDER/soak.json."""
    os.makedirs(folder, exist_ok=True)
    library = Library()
    topology = library.topology("fig6")
    jobs = plan(arguments.runs, arguments.seed)
    results, lock = [], threading.Lock()
    waiting = {loss: queue.SimpleQueue() for loss in LOSSES}
    for job in jobs:
        waiting[job[2]].put(job)

    def say(text):
        with lock:
            print(f"nearlab: {text}", flush=True)

    def one(path, job):
        kind, rate, loss, seed = job
        report = os.path.join(folder, f"{kind}-{rate}mbit-{loss}loss-{seed}")
        os.makedirs(report, exist_ok=True)
        try:
            result = cli.run_scenario(path, library.scenario(kind), {"rate": rate, "loss": loss},
                                      seed, report, lambda text: None)
        except cli.state.StateError as error:
            result = {"passed": False, "measured": {}, "checks": [],
                      "story": [f"could not run: {error}"]}
        failed = [c["text"] for c in result["checks"] if not c["held"]] or \
            ([] if result["passed"] else result["story"])
        with lock:
            results.append({"scenario": kind, "rate": rate, "loss": loss, "seed": seed,
                            "passed": result["passed"], "failed": failed, "report": report,
                            "measured": result["measured"]})
        if result["passed"]:
            trim(report)
        say(f"{len(results)}/{len(jobs)} {kind} {rate} Mbit/s, {loss} % loss, seed {seed}: "
            + ("passed" if result["passed"] else f"FAILED: {'; '.join(failed)} ({report})"))

    def serve(loss):
        lab = None
        try:
            lab = cli.Lab(topology, {"loss": loss}, keep=[folder, cli.cache_folder()], say=say)
            lab.wait_ready()
            while True:
                try:
                    job = waiting[loss].get_nowait()
                except queue.Empty:
                    return
                one(lab.path, job)
        except Exception as error:  # pylint: disable=broad-except
            say(f"the lab with {loss} % loss: {error}")
        finally:
            if lab:
                lab.end()

    begun = time.time()
    if arguments.jobs > 1:
        threads = [threading.Thread(target=serve, args=(loss,), daemon=True) for loss in LOSSES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    else:
        for loss in LOSSES:
            serve(loss)

    passed = len(results) == len(jobs) and all(r["passed"] for r in results)
    summary = {"runs": len(jobs), "done": len(results),
               "passed": sum(r["passed"] for r in results), "seconds": round(time.time() - begun),
               "table": table(results), "results": results}
    with open(os.path.join(folder, "soak.json"), "w", encoding="utf-8") as file:
        json.dump(summary, file, indent=1)
    cli.give_to_owner(folder)
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
    """[{scenario, rate, loss, runs, passed, and of every number: median and largest}]"""
    rows = []
    for key in sorted({(r["scenario"], r["rate"], r["loss"]) for r in results}):
        mine = [r for r in results if (r["scenario"], r["rate"], r["loss"]) == key]
        row = dict(zip(("scenario", "rate", "loss"), key))
        row.update(runs=len(mine), passed=sum(r["passed"] for r in mine))
        for number, _ in SHOWN:
            values = [r["measured"][number] for r in mine
                      if isinstance(r["measured"].get(number), (int, float))]
            if values:
                row[number] = {"median": round(statistics.median(values), 1),
                               "min": min(values), "max": max(values)}
        rows.append(row)
    return rows


def show(summary):
    """The table, for people: median (worst) of each number; ms, or packets."""
    print(f"\n{summary['passed']} of {summary['runs']} runs passed "
          f"in {summary['seconds'] / 60:.0f} min\n")
    head = ["scenario", "Mbit/s", "loss", "passed"] + [title for _, title in SHOWN]
    lines = [head]
    for row in summary["table"]:
        line = [row["scenario"], str(row["rate"]), f"{row['loss']} %",
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
