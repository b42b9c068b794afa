# SPDX-License-Identifier: GPL-2.0-or-later
"""The map of an internet: who is where, who is linked to whom, and which ARN answers each client."""

import os

from .nodes import Arn

COLOURS = ["#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#8c8c8c",
           "#ccb974", "#64b5cd"]
LINKS = {"peer": ("#9ecae1", 0.9), "deal": ("#cccccc", 0.6), "own": ("#222222", 1.6)}


def _lines(topo):
    """[(kind, router, router)] of all links between routers, and of the members of exchange points."""
    found = []
    for router in topo.place:
        for _, params in topo.interfaces(router):
            if params.get("role") == "internal" and router < params["peer"]:
                found.append(("own" if router[0] == "O" else "peer", router, params["peer"]))
            elif params.get("role") == "external" and router < params["peer"]:
                kind = "peer" if params["relation"] == "peer" else "deal"
                found.append((kind, router, params["peer"]))
            elif params.get("role") == "exchange":
                found += [("peer", router, s["peer"]) for s in params["sessions"]
                          if router < s["peer"]]
    return found


def _panel(axis, topo, title, sites, colours):
    """One map. sites: {ARN: [clients]}."""
    for kind, one, two in _lines(topo):
        colour, width = LINKS[kind]
        (lat1, lon1), (lat2, lon2) = topo.place[one], topo.place[two]
        if abs(lon1 - lon2) > 180:  # the other way round the world
            west, east = sorted(((lon1, lat1), (lon2, lat2)))
            middle = west[1] + (east[1] - west[1]) * (west[0] + 180) / (west[0] - east[0] + 360)
            axis.plot([west[0], -180], [west[1], middle], color=colour, linewidth=width, zorder=1)
            axis.plot([180, east[0]], [middle, east[1]], color=colour, linewidth=width, zorder=1)
            continue
        axis.plot([lon1, lon2], [lat1, lat2], color=colour, linewidth=width, zorder=1)
    home = {c: arn for arn, clients in sites.items() for c in clients}
    for client, arn in home.items():
        lat, lon = topo.place["E" + client[1:]]
        axis.scatter(lon, lat, s=34, color=colours.get(arn, "#000000"), zorder=3,
                     edgecolor="white", linewidth=0.5)
        axis.annotate(client, (lon, lat), xytext=(3, 3), textcoords="offset points", fontsize=6)
    for router, (lat, lon) in topo.place.items():
        if router[0] == "M":
            axis.scatter(lon, lat, s=16, marker="s", color="#888888", zorder=2)
    for arn, colour in colours.items():
        router = "O" + arn[1:] if "O" + arn[1:] in topo.place else arn[1:]
        lat, lon = topo.place[router]
        axis.scatter(lon, lat, s=130, marker="*" if arn in sites else "X", color=colour, zorder=4,
                     edgecolor="black", linewidth=0.6,
                     label=f"{arn}: {len(sites.get(arn, ()))}")
    axis.set_title(title, fontsize=10)
    axis.set_xlim(-180, 180)
    latitudes = [lat for lat, _ in topo.place.values()]
    axis.set_ylim(min(latitudes) - 5, max(latitudes) + 5)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7, frameon=False,
                title="ARN: clients", title_fontsize=7)


def draw(topo, panels, path, cache):
    """
    A picture in the file `path`. panels: [(title, {ARN: [clients]})], one map below the other; cache:
    where matplotlib may keep its fonts.
    """
    os.environ.setdefault("MPLCONFIGDIR", os.path.join(cache, "matplotlib"))
    os.makedirs(os.environ["MPLCONFIGDIR"], exist_ok=True)
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # pylint: disable=import-outside-toplevel
    from matplotlib.figure import Figure  # pylint: disable=import-outside-toplevel

    arns = topo.of_class(Arn)
    colours = {arn: COLOURS[number % len(COLOURS)] for number, arn in enumerate(arns)}
    figure = Figure(figsize=(11, 3 * len(panels)), constrained_layout=True)
    FigureCanvasAgg(figure)
    for axis, (title, sites) in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels):
        _panel(axis, topo, title, sites, colours)
    figure.savefig(path, dpi=90)
