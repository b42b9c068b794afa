# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture of an overflow: how many clients each node has over time, and where each new one was sent."""

import os

COLOURS = {"sn912": "#4c72b0", "sn914": "#64b5cd", "sn942": "#c44e52", "sn944": "#dd8452",
           "sn938": "#55a868", "sn940": "#8c8c3c"}
DASHED = ("sn912", "sn942")  # whose places are shown; the others of their networks have as many


def _steps(axis, series, end, **how):
    """A line of [(t, value from then on)]."""
    axis.step([t for t, _ in series] + [end], [n for _, n in series] + [series[-1][1]], where="post", **how)


def _count(came):
    """[(t, how many there are from then on)] of [(t, 1 or -1)]."""
    count, found = 0, [(0.0, 0)]
    for t, step in came:
        count += step
        found.append((t, count))
    return found


def draw(lab, came, places, refused, area):
    """
    loads.png in the report. came: {node: [(t, 1 or -1)]}, who came and left; places: {node: [(t, places
    from then on)]}; refused: [(t, node)]; area: [(t, nodes elsewhere that are eligible from then on)].
    """
    os.environ.setdefault("MPLCONFIGDIR", os.path.join(lab.cache, "matplotlib"))
    os.makedirs(os.environ["MPLCONFIGDIR"], exist_ok=True)
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # pylint: disable=import-outside-toplevel
    from matplotlib.figure import Figure  # pylint: disable=import-outside-toplevel

    end = lab.now()
    figure = Figure(figsize=(12, 8), constrained_layout=True)
    FigureCanvasAgg(figure)
    loads, sent, scope = figure.subplots(3, 1, sharex=True, height_ratios=[4, 2, 1])
    for row, node in enumerate(sorted(came)):
        colour = COLOURS[node]
        _steps(loads, _count(came[node]), end, color=colour, label=node)
        if node in DASHED:
            _steps(loads, places[node], end, color=colour, linestyle="--", linewidth=0.8, zorder=3,
                   label=f"places of {node}")
        new = [t for t, step in came[node] if step > 0]
        sent.plot(new, [-row] * len(new), "o", markersize=4, color=colour, fillstyle="none")
        wrong = [t for t, name in refused if name == node]
        sent.plot(wrong, [-row] * len(wrong), "x", markersize=6, color="#000000")
    loads.set_ylabel("clients")
    loads.yaxis.get_major_locator().set_params(integer=True)
    loads.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)
    sent.set_yticks([-row for row in range(len(came))], sorted(came))
    sent.set_ylim(-len(came) + 0.4, 0.6)
    sent.set_ylabel("where new clients went\n(×: refused, 453)")
    _steps(scope, area, end, color="#333333")
    scope.set_ylabel("eligible\nelsewhere")
    scope.set_xlabel("seconds")
    scope.set_ylim(0, 1.2 * max(n for _, n in area))
    scope.set_xlim(0, end)
    for number, stage in enumerate(e for e in lab.events if e.get("stage")):
        for axis in (loads, sent, scope):
            axis.axvline(stage["t"], color="#aaaaaa", linewidth=0.8)
        loads.annotate(stage["what"], (stage["t"], 1), xycoords=("data", "axes fraction"),
                       xytext=(2, 3 + 11 * (number % 2)), textcoords="offset points", fontsize=8)
    figure.savefig(os.path.join(lab.report, "loads.png"), dpi=100)
