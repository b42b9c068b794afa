# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture of a run: packets at the client, the buffer's level, and what happened when."""

import json
import os
import re
import threading

LOCK = threading.Lock()  # pyplot is for one thread at a time
COLOURS = ["#4c72b0", "#dd8452", "#55a868", "#8172b3", "#937860", "#64b5cd"]

# What of a client's event is worth its place in the picture.
DETAILS = {"error": "{server}: {why}", "suspect": "{node}, {reason}", "transaction": "{location}",
           "failover": "{from} to {to}", "attached": "{node}", "playing": "{node}",
           "resumed": "{to}", "false_alarm": "{node}", "gap": "{count} of medium {media}",
           "ended": "{reason}"}


def draw(folder, cache):
    """timeline.png of the report in a folder. `cache`: where matplotlib may keep its fonts."""
    with LOCK:
        _draw(folder, cache)


def _draw(folder, cache):
    os.environ.setdefault("MPLCONFIGDIR", os.path.join(cache, "matplotlib"))
    os.makedirs(os.environ["MPLCONFIGDIR"], exist_ok=True)
    import matplotlib  # pylint: disable=import-outside-toplevel
    matplotlib.use("Agg")
    from matplotlib import pyplot  # pylint: disable=import-outside-toplevel

    with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
        report = json.load(file)
    events = report["events"]
    faults = [e for e in events if e.get("fault")]
    whole = (0, 1.02 * max([e["t"] for e in events] or [1]))
    zoom = whole
    if faults and not report.get("answers"):
        zoom = (max(0, faults[0]["t"] - 0.5), faults[0]["t"] + 1.5)

    rows = []  # what this run has to show
    if any(client["packets"] for client in report["clients"]):
        rows.append(lambda axis: _packets(axis, report, whole, "the whole run"))
        if zoom != whole:
            rows.append(lambda axis: _packets(axis, report, zoom, "around the fault"))
    if report.get("answers"):
        rows.append(lambda axis: _answers(axis, report["answers"], whole))
    if any(client["levels"] for client in report["clients"]):
        rows.append(lambda axis: _levels(axis, report, whole))
    rows.append(lambda axis: _events(
        axis, [e for e in events if zoom[0] <= e["t"] <= zoom[1]], zoom))

    figure, axes = pyplot.subplots(len(rows), 1, figsize=(12, 3 + 2 * len(rows)), squeeze=False,
                                   constrained_layout=True,
                                   gridspec_kw={"height_ratios": [2] * (len(rows) - 1) + [3]})
    axes = axes[:, 0]
    outcome = "passed" if report["passed"] else "FAILED"
    figure.suptitle(f"{report['topology']} {report['scenario']}, seed {report['seed']}: {outcome}")
    for row, axis in zip(rows, axes):
        row(axis)
    for axis in axes[:-1]:
        for fault in faults:
            axis.axvline(fault["t"], color="#c44e52", linewidth=1.2)
    for fault in faults:  # above the first row: what the red line is
        axes[0].annotate(fault["what"].removeprefix("fault: ") + " " + fault["where"],
                         (fault["t"], 1), xycoords=("data", "axes fraction"), xytext=(0, 3),
                         textcoords="offset points", fontsize=8, color="#c44e52", ha="center")
    figure.align_ylabels(axes)
    figure.savefig(os.path.join(folder, "timeline.png"), dpi=100)
    pyplot.close(figure)


def _packets(axis, report, span, what):
    number = 0
    for client in report["clients"]:
        for node, series in sorted(client["packets"].items()):
            shown = [(t, n) for t, n in series if span[0] <= t <= span[1]]
            axis.bar([t for t, _ in shown], [n for _, n in shown], width=0.01, align="edge",
                     color=COLOURS[number % len(COLOURS)], label=f"from {node}")
            number += 1
    axis.set_xlim(*span)
    axis.set_ylabel(f"RTP packets\nin 10 ms, {what}")
    axis.yaxis.get_major_locator().set_params(integer=True)
    if number:
        axis.legend(loc="upper right")


def _answers(axis, answers, span):
    """Each anycast transaction: when, how long it took, and whose answer it was."""
    marks = dict(zip(sorted(answers), "ox^sv"))
    sites = sorted({a[2] for series in answers.values() for a in series if a[2]})
    colours = {**dict(zip(sites, COLOURS)), None: "#c44e52"}
    for client, series in sorted(answers.items()):
        for site in [*sites, None]:
            mine = [a for a in series if a[2] == site]
            if mine:
                axis.plot([a[0] for a in mine], [a[1] for a in mine], marks[client], markersize=4,
                          color=colours[site], linestyle="none", fillstyle="none",
                          label=f"{client}: {site or 'no answer'}")
    axis.set_xlim(*span)
    axis.set_yscale("log")
    axis.set_ylabel("transactions, ms")
    axis.legend(loc="upper right", ncol=2)


def _levels(axis, report, span):
    for client in report["clients"]:
        axis.plot([t for t, _ in client["levels"]], [v for _, v in client["levels"]],
                  label=client["node"], color="#333333", linewidth=1)
    axis.set_xlim(*span)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("buffer, ms")
    axis.set_xlabel("seconds")


def _events(axis, events, span):
    events = events[:30]
    axis.set_xlim(*span)
    axis.set_ylim(-len(events) - 1, 1)
    axis.set_yticks([])
    axis.set_ylabel("events")
    axis.set_xlabel("seconds")
    for number, event in enumerate(events):
        colour = ("#c44e52" if event.get("fault") else
                  "#8172b3" if event["what"].startswith("route") else "#333333")
        axis.plot([event["t"]], [-number], "o", markersize=4, color=colour)
        left = event["t"] < sum(span) / 2
        axis.annotate(f"{event['t']:.3f}  {_words(event)}",
                      (event["t"], -number), xytext=(6 if left else -6, 0),
                      textcoords="offset points", fontsize=8, color=colour, va="center",
                      ha="left" if left else "right")


def _words(event):
    """An event in a line that fits."""
    what = event["what"]
    if what.startswith("route:"):
        what = re.sub(r" (proto|src|metric|weight) \S+", "", what).replace(" \\ ", " ")
    form = DETAILS.get(what.removeprefix("client: "), "")
    try:
        what += ": " + form.format_map(event) if form else ""
    except KeyError:
        pass  # this one has no such detail
    where = event["where"]
    return what[:90] if what.startswith(where) else f"{where}: {what}"[:90]
