# SPDX-License-Identifier: GPL-2.0-or-later
"""
Films in figure 6: src803 is a master site, clients in the ISP play a film of it on demand, each from
another place on, and the node that serves the first one is killed. Each client has to write the file's
bytes, and no node may fetch a part of it twice.
"""

import collections
import json
import os
import sys

from . import daemons, media
from .failover import count
from .scenario import Lines, ScenarioError

PARAMS = {"films": 1, "rate": 1, "seconds": 12, "starts": "0 0 3 6", "before": 3}


def master(lab, node):
    """A web server at a node with one film: (its name, its bytes, the log of its requests)."""
    name = lab.fresh("film") + ".ts"
    root = os.path.join(lab.report, "master")
    os.makedirs(root, exist_ok=True)
    path = media.film(lab.cache, lab.params["rate"], lab.params["seconds"],
                      os.path.join(root, name), lab.say)
    log = os.path.join(lab.report, "master.json")
    program = os.path.join(os.path.dirname(__file__), "master.py")
    server = Lines(lab, node, "master", [sys.executable, "-B", program, root, "8080", log])
    try:
        daemons.wait_until(lambda: os.path.exists(log) or not server.alive(), 10, "a master site")
    except TimeoutError as error:
        raise ScenarioError(f"no master site: {server.last_words()}") from error
    with open(path, "rb") as file:
        return name, file.read(), log


def play(lab, url, start):
    """A client that plays from `start` s on: (player, file that it writes)."""
    output = os.path.join(lab.report, lab.file_name("c802-film") + ".ts")
    with open(output, "wb"):
        pass  # the name is taken before the client has started
    options = ["-o", output] + (["--start", str(start)] if start else [])
    return lab.play("c802", url, options, capture=False), output


def compare(lab, film, start, output):
    """What a client wrote is the file from the packet on that it began with."""
    with open(output, "rb") as file:
        written = file.read()
    at = film.find(written[:1316]) if start else 0
    same = len(written) > 1316 and film[at:] == written
    lab.check(same, f"from {start} s on: {len(written)} bytes, exactly the film's from byte {at} on"
              if same else f"from {start} s on: what was written is not the film from {at} on")


def node_fails(lab):
    """To the end of the film, although the node is killed."""
    name, film, log = master(lab, "src803")
    url = f"rtsp://{lab.topo.service}/films/{name}"
    lab.wait_service("c802", url)
    starts = [int(s) for s in str(lab.params["starts"]).split()]
    players = [play(lab, url, start) for start in starts]
    for player, _ in players:
        player.wait("playing")
    lab.pause(lab.random.uniform(1, lab.params["before"]))

    victim = players[0][0].serving
    hit = [p for p, _ in players if p.serving == victim]
    since = [len(p.events) for p in hit]
    lab.fault("kill-sn", victim)
    resumed = [p.wait("resumed", 15, n) for p, n in zip(hit, since)]
    after = {lab.name_of(r.get("to") or "") for r in resumed}
    lab.check(victim not in after, f"{len(hit)} clients went from {victim} to {' '.join(sorted(after))}")

    ended = [player.wait_end(lab.params["seconds"] + 15) for player, _ in players]
    lab.check(all(e.get("lost") == 0 for e in ended), "no client lost anything")
    lab.check(all(count(e, "failovers") == (p in hit) for (p, _), e in zip(players, ended)),
              "who was served by it failed over once, the others not at all")
    for start, (_, output) in zip(starts, players):
        compare(lab, film, start, output)
    fetches(lab, log)
    lab.measured.update(victim=victim, clients=len(players), moved=len(hit),
                        interruption_ms=max(r.get("interruption_ms", 0) for r in resumed),
                        min_buffer_ms=min(e.get("min_buffer_ms", 0) for e in ended))
    lab.tell(f"{victim} was killed while {len(hit)} of {len(players)} clients played a film from it, "
             f"from {starts} s on. They went on at another node after "
             f"{lab.measured['interruption_ms']:.0f} ms at most, each to the end of the file.")


def fetches(lab, log):
    """Each node has asked the master for each part once, however many play it."""
    with open(log, encoding="ascii") as file:
        asked = [json.loads(line) for line in file]
    times = collections.Counter((a["client"], a["first"], a["last"]) for a in asked)
    twice = [f"{lab.name_of(k[0])}: {k[1]}" for k, n in times.items() if n > 1]
    lab.measured["fetches"] = len(asked)
    lab.check(asked and not twice, f"the master was asked {len(asked)} times, by no node twice for "
              "the same" + (f" (but: {', '.join(twice)})" if twice else ""))
