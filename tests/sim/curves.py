#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
Runs the simulator of the wide area for many sizes and methods, and draws what docs/simulation.md shows:
curves.py WIDE DOCS [--sites N …]. Prints the table of that page.
"""

import argparse
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot  # pylint: disable=wrong-import-position

COLOURS = {"crawl": "#1f77b4", "names": "#2ca02c", "flood": "#d62728", "wide": "#9467bd"}
MOST = {"wide": 50, "flood": 100}  # sites: as far as they are for


class Simulator:
    """The program, and what it has said."""

    def __init__(self, program):
        self.program = program

    def run(self, **options):
        """(seconds, the run's summary) with these options."""
        argv = [self.program]
        for name, value in options.items():
            argv += [f"--{name}"] + ([] if value is True else [str(value)])
        done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        return [line for line in lines if line["kind"] == "second"], lines[-1]


def axes(count, height=3.4):
    """A figure with so many panels side by side."""
    figure, panels = pyplot.subplots(1, count, figsize=(4.6 * count, height))
    for panel in panels:
        panel.grid(True, alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, panels


def save(figure, folder, name):
    """A picture, the same for the same numbers."""
    figure.tight_layout()
    figure.savefig(os.path.join(folder, name), dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def cost(sim, sites, folder):
    """What an ARN costs as the network grows: rows of the table."""
    jobs = [(m, n) for m in COLOURS for n in sites if n <= MOST.get(m, n)]
    jobs += [(m, most) for m, most in MOST.items() if most not in sites]
    jobs.sort()
    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(
            lambda job: sim.run(method=job[0], sites=job[1], scenario="calm", seconds=90)[1], jobs))
    figure, panels = axes(3)
    for method, colour in COLOURS.items():
        mine = [r for r in rows if r["method"] == method]
        x = [r["sites"] for r in mine]
        panels[0].plot(x, [r["arn"]["messages_s"] for r in mine], "o-", color=colour, label=method)
        panels[1].plot(x, [r["arn"]["bytes_s"] / 1000 for r in mine], "o-", color=colour)
        panels[2].plot(x, [r["arn"]["memory"] / 1000 for r in mine], "o-", color=colour)
    for panel, title in zip(panels, ("messages a second", "kB a second", "memory, kB")):
        panel.set(xscale="log", yscale="log", xlabel="sites (of ten nodes)", title=f"an ARN: {title}")
    panels[0].legend(frameon=False)
    save(figure, folder, "wide-cost.png")
    return rows


def crowd(sim, sites, folder):
    """Four times as many clients come to one site."""
    figure, panels = axes(3)
    rows = []
    for method in ("crawl", "names"):
        seconds, run = sim.run(method=method, sites=sites, scenario="crowd", seconds=150, series=True)
        t = [s["t"] for s in seconds]
        panels[0].plot(t, [s["here"]["eligible"] for s in seconds], color=COLOURS[method], label=method)
        panels[1].plot(t, [s["away"] for s in seconds], color=COLOURS[method])
        panels[1].plot(t, [s["denied"] + s["refused"] for s in seconds], ":", color=COLOURS[method])
        panels[2].plot(t, [s["away_ms"] or None for s in seconds], color=COLOURS[method])
        panels[2].plot(t, [s["best_ms"] or None for s in seconds], ":", color=COLOURS[method])
        rows.append(run)
    for panel, title in zip(panels, ("far nodes that are eligible", "clients a second sent away\n"
                                     "(dotted: refused or denied)", "way to their node, ms\n(dotted: "
                                     "the nearest that was free)")):
        panel.set(title=title, xlabel="s")
        panel.axvspan(30, 90, color="#eeeeee", zorder=0)
    panels[0].legend(frameon=False)
    save(figure, folder, "wide-crowd.png")
    return rows


def region(sim, sites, folder):
    """A circle of a sixteenth of the map dies."""
    figure, panels = axes(2)
    rows = []
    for method in ("crawl", "names"):
        seconds, run = sim.run(method=method, sites=sites, scenario="region", seconds=90, series=True)
        t = [s["t"] for s in seconds]
        panels[0].plot(t, [s["stale"] for s in seconds], color=COLOURS[method], label=method)
        panels[1].plot(t, [s["unanswered"] for s in seconds], color=COLOURS[method])
        rows.append(run)
    for panel, title in zip(panels, ("dead nodes that are eligible, at all ARNs",
                                     "clients a second sent to a dead node")):
        panel.set(title=title, xlabel="s")
    panels[0].legend(frameon=False)
    save(figure, folder, "wide-region.png")
    return rows


def table(rows):
    """Rows of the page's table."""
    for r in rows:
        arn = r["arn"]
        print(f"| {r['method']} | {r['scenario']} | {r['sites']:,} | {r['nodes']:,} | "
              f"{arn['messages_s']:.2f} ({arn['asked_s_most']:.2f}) | {arn['bytes_s'] / 1000:.1f} | "
              f"{arn['memory'] / 1000:.0f} | {r['away']:,} | {r['denied']:,} | "
              f"{r['away_ms']:.1f} / {r['best_ms']:.1f} | {r['recovered_s']:.0f} |")


def main():
    """See the essay above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("docs")
    parser.add_argument("--sites", type=int, nargs="+", default=[10, 30, 100, 300, 1000, 3000, 10000])
    args = parser.parse_args()
    sim = Simulator(args.program)
    largest = max(args.sites)
    table(cost(sim, args.sites, args.docs))
    table(crowd(sim, largest, args.docs))
    table(region(sim, largest, args.docs))


if __name__ == "__main__":
    main()
