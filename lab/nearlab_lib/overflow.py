# SPDX-License-Identifier: GPL-2.0-or-later
"""
Figure 7: the nodes of network 902 fill, and clients that reach arn908 are sent to the best node elsewhere;
there is room again, and they stay at home. Then visitors come and go around 902's capacity, and at last three
ARNs send crowds to one node. c950, which was sent to sn942, plays on through all of it.

What clients come, and when, follows from the seed.
"""

import json
import math
import re
import statistics

from . import daemons
from .scenario import ScenarioError
from .wide import BEST, HERD, HOME, World

PARAMS = {"rate": 1, "path": "news", "buffer": 1000, "room": 10, "peak": 44, "ramp": 12, "stay": 2.5,
          "crowd": 12}
LEAST = {"room": 2, "peak": 2, "ramp": 4, "stay": 0.5, "crowd": 2}
CLIENTS = tuple(f"c{number}" for number in range(916, 927, 2))
NEWS = 1.0  # s, that an ARN may be behind; announcements come every 0.2 s


def overflow(lab):
    """All of it."""
    _check(lab)
    world = World(lab)
    try:
        source = lab.publish("p928", f"rtsp://{lab.topo.address('sn928')}/{world.path}",
                             rate=lab.params["rate"])
        world.settle()
        others = fills(world)
        player = overflows(world, others)
        empties(world, player, others)
        wavers(world)
        herds(world)
        source.end()
        ended = player.wait_end(25)
        lab.check(ended.get("lost") == 0 and ended.get("failover_count") == 0,
                  f"c950 stayed with {BEST} through all of it, and lost nothing "
                  f"(lost: {ended.get('lost')}, failovers: {ended.get('failover_count')})")
        lab.expect_same(source, player)
    finally:
        world.restore()
    world.draw()


def _check(lab):
    """ScenarioError when parameters make no sense."""
    par = lab.params
    for name, least in LEAST.items():
        if par[name] < least:
            raise ScenarioError(f"{name}={par[name]:g}: expected {least:g} or more")
    if par["peak"] <= 2 * par["room"]:
        raise ScenarioError(f"peak={par['peak']:g}: expected more than {' and '.join(HOME)} have room for, "
                            f"{2 * par['room']:g} (room={par['room']:g} each)")
    places = int(lab.topo.nodeInfo(BEST)["capacity"])
    if len(HERD) * par["crowd"] < places:
        raise ScenarioError(f"crowd={par['crowd']:g}: expected {math.ceil(places / len(HERD))} or more: three "
                            f"crowds have to be too many for {BEST}, which has {places} places")


def first_media(player):
    """ms from a client's start until it plays."""
    return player.seen("playing")[0]["ms"]


def is_primed(player):
    """Whether it was sent to a port that the ARN had the node open."""
    port = re.search(r":(\d+)/", player.seen("transaction")[0]["location"].removeprefix("rtsp://"))
    return bool(port) and 20000 <= int(port[1]) <= 20999


def fills(world):
    """902's clients take all places of its nodes."""
    lab = world.lab
    lab.event("902 fills", "c916 …", stage=True)
    some = int(lab.topo.nodeInfo("sn944")["capacity"]) // 3
    world.begin("c906", f"rtsp://{lab.topo.address('sn944')}/{world.path}", some, 0.2, "--hold", 600)
    daemons.wait_until(lambda: world.far("arn908").get("sn944", {}).get("sessions") == some, 10,
                       f"arn908 knows that sn944 has {some} clients of its own", 0.1)
    at_home = lab.wait_service("c950", world.url)["location"].split("/")[2]
    lab.check(lab.name_of(at_home) in HOME, "c950 is sent home while there is room "
              f"({lab.name_of(at_home)})")
    room = sum(int(lab.topo.nodeInfo(n)["capacity"]) for n in HOME)
    # The place that was kept for c950, which only asked, is free again.
    daemons.wait_until(lambda: not any(n["reserved"] for n in world.known("arn908", *HOME)), 10,
                       "nobody has a place reserved", 0.1)
    others = [world.play(CLIENTS[number % len(CLIENTS)]) for number in range(room)]
    for one in others:
        one.wait("playing")
    lab.check({one.serving for one in others} == set(HOME) and world.count(*HOME) == room,
              f"{room} clients of 902 took its {room} places")
    return others


def overflows(world, others):
    """c950 is sent to sn942, for a reason that arn908 can tell, and plays from there."""
    lab = world.lab
    player = world.play("c950", True)
    player.wait("playing")
    lab.check(player.serving == BEST, f"c950 is sent to {BEST} ({player.serving})")
    _explain(world)
    if lab.topo.nodeInfo("arn908")["prime"]:
        lab.check(all(map(is_primed, (player, *others))),
                  "all were sent to ports that the ARN had primed, near and far")
        used = [p["connections_total"] for p in world.ask(BEST, "show primes")["primes"]]
        lab.check(sum(used) >= 1, f"c950 is at the port that {BEST} has given arn908 ({used})")
    again = world.play("c926")
    again.wait("playing")
    again.stop()
    lab.check(again.serving == BEST, f"so is the next one ({again.serving})")
    near = statistics.median(map(first_media, others))
    lab.measured.update(near_first_media_ms=round(near, 1), far_first_media_ms=first_media(player),
                        far_again_first_media_ms=first_media(again))
    world.change("arn908", "arn", r'wide \{ method = "flood"', 'wide { method = "none"')
    without = lab.ask("c950", world.url)
    lab.check(without.get("code") == 503, "without the wide area c950 is told 503 "
              f"({without.get('code')})")
    world.change("arn908", "arn", r'wide \{ method = "none"', 'wide { method = "flood"')
    daemons.wait_until(lambda: len(world.far("arn908")) == 4, 20, "arn908 knows those elsewhere again",
                       0.1)
    lab.tell(f"{len(others)} clients of 902 filled {' and '.join(HOME)}. c950 was sent to {player.serving} "
             f"then; without the wide area it was told 503. It played {first_media(player):.0f} ms after "
             f"its start, the next one there after {first_media(again):.0f} ms, those at home after "
             f"{near:.0f} ms.")
    return player


def _explain(world):
    """Why that node: the order that arn908 has all nodes in for c950."""
    lab = world.lab
    said = world.ask("arn908", f"explain {world.url} {lab.topo.address('c950')}")["nodes"]
    order = [n for n in said if n["place"]]
    lab.check({n["node"] for n in said if n.get("excluded") == "full"} == set(HOME),
              f"{' and '.join(HOME)} are full")
    lab.check([n["node"] for n in order] == [BEST, "sn944"],
              f"next to {BEST} is sn944, which is as near, and busier "
              f"({', '.join(n['node'] for n in order)})")
    elsewhere = world.far("arn908")
    nearer = max(elsewhere[n]["rtt_ms"] for n in (BEST, "sn944"))
    lab.check(all(elsewhere[n]["use"] == "watched" and elsewhere[n]["rtt_ms"] > nearer
                  for n in ("sn938", "sn940")), "sn938 and sn940 are farther, and only watched")
    lab.measured.update({f"rtt_{n}_ms": round(elsewhere[n]["rtt_ms"], 1) for n in sorted(elsewhere)})


def empties(world, far, others):
    """Two of them end: the next one stays at home, and c950 where it is."""
    lab = world.lab
    lab.event("902 has room again", "c916 …", stage=True)
    at = lab.now()
    for one in others[:2]:
        one.stop()
    daemons.wait_until(lambda: any(n["sessions"] < n["max_sessions"] for n in world.known("arn908", *HOME)),
                       10, "arn908 knows that there is room at home", 0.02)
    lab.measured["room_known_ms"] = round((lab.now() - at) * 1000)
    player = world.play(CLIENTS[0])
    player.wait("playing")
    lab.check(player.serving in HOME, f"a new client stays at home ({player.serving})")
    lab.check(not far.seen("failover") and far.serving == BEST, f"c950 plays on from {BEST}")
    for one in (player, *others[2:]):
        one.stop()
    daemons.wait_until(lambda: world.count(*HOME) == 0, 10, "902's nodes are empty", 0.1)
    lab.tell(f"Two clients ended, and {lab.measured['room_known_ms']} ms later arn908 knew of the room. The "
             f"next one stayed at home; c950 stayed with {BEST}.")


def visits(lab):
    """
    [[when, for how long]]: visitors who come at random, up to `peak` of them at a time, and then fewer; and a last
    one, when all others have left.
    """
    par, found, t = lab.params, [], 0.0
    most = par["peak"] / par["stay"]  # a second
    while True:
        t += lab.random.expovariate(most)
        if t >= par["ramp"]:
            return [*found, [par["ramp"] + 2 * par["stay"], 0.5]]
        if lab.random.random() < 1 - abs(2 * t / par["ramp"] - 1):
            stays = min(max(0.5, lab.random.expovariate(1 / par["stay"])), 2 * par["stay"])
            found.append([round(t, 3), round(stays, 3)])


def changes(places):
    """How often the next client is sent from home to elsewhere, or back."""
    return sum(one != two for one, two in zip(places, places[1:]))


def all_knowing(came, room):
    """
    Whether each visitor of [(when, until when)] is sent home by somebody who knows at any time who is where, and
    sends everybody home for whom there is a place.
    """
    home, left = [], []
    for at, leaves in came:
        left = [t for t in left if t > at]
        home.append(len(left) < room)
        if home[-1]:
            left.append(leaves)
    return home


def behind(told, room, at):
    """
    How old what arn908 knew at that time must have been, in seconds, if it took its nodes for full then; 0 if
    they were.
    """
    left = sorted((o["left"] for o in told if o["node"] in HOME and o["t"] < at), reverse=True)
    return max(0.0, at - left[room - 1]) if len(left) >= room else at


def wavers(world):
    """Visitors come and go, around what 902 has room for: nobody is far from home in vain."""
    lab, par = world.lab, world.lab.params
    lab.event("visitors come and go", "c916 …", stage=True)
    for node in HOME:
        world.capacity(node, par["room"])
    daemons.wait_until(lambda: [n["max_sessions"] for n in world.known("arn908", *HOME)]
                       == [par["room"]] * len(HOME), 10, "arn908 knows the capacities", 0.05)
    plan = visits(lab)
    before = {n: world.counter(n) for n in world.nodes}
    at = lab.now()
    crowds = [world.begin(client, world.url, "--visits", json.dumps(plan[i::len(CLIENTS)]))
              for i, client in enumerate(CLIENTS)]
    told = []
    for i, crowd in enumerate(crowds):
        for one in world.told(crowd, par["ramp"] + 2 * par["stay"] + 20):
            one["left"] = (one["at"] or 0) + plan[i::len(CLIENTS)][one["client"]][1]
            told.append(one)
    told.sort(key=lambda one: one["t"])
    room = 2 * int(par["room"])
    lab.check(len(told) == len(plan) and all(o["attached"] == 200 for o in told),
              f"each of {len(plan)} visitors found a place at once"
              + _but(o for o in told if o["attached"] != 200))
    lab.check(before == {n: world.counter(n) for n in world.nodes}, "no node refused anybody")
    homely = [o["node"] in HOME for o in told]
    vain = [behind(told, room, o["t"]) for o, home in zip(told, homely) if not home]
    lab.check(vain and max(vain) < NEWS,
              f"{len(vain)} were sent elsewhere, each when there was no place at home, or had been none within the "
              f"last {NEWS:g} s ({max(vain, default=0):.2f} s)")
    ideal = changes(all_knowing([(o["t"], o["left"]) for o in told], room))
    made = changes(homely)
    lab.check(made <= 2 * ideal + 4, f"the destination changed {made} times; it would have changed {ideal} "
              "times if arn908 always knew at once who was where")
    lab.check(all(homely[:room]) and homely[-1], f"the first {room} of them stayed at home, and the last one")
    area = world.area(at)
    lab.check(len(area) <= 6, f"the area changed {len(area)} times ({' '.join(str(s) for _, s in area)})")
    lab.measured.update(visitors=len(told), sent_elsewhere=len(vain), changes=made, changes_ideal=ideal,
                        area_changes=len(area), behind_ms=round(max(vain, default=0) * 1000))
    lab.tell(f"{len(told)} visitors came and went, up to {_most(world, at)} at a time, where there was room "
             f"for {room}: {len(vain)} went elsewhere. The destination changed {made} times ({ideal} for "
             f"somebody who knows all at once), the number of nodes that were eligible {len(area)} times.")


def _most(world, since):
    """The most clients of 902 that there were at a time since then, wherever they were."""
    count = most = 0
    for _, step in sorted(s for n in world.nodes for s in world.sessions(n, since)):
        count += step
        most = max(most, count)
    return most


def herds(world):
    """Three ARNs have nobody but one node: it is not overrun, and in the end all are served."""
    lab, par = world.lab, world.lab.params
    lab.event("three crowds", ", ".join(HERD.values()), stage=True)
    places = {n: int(lab.topo.nodeInfo(n)["capacity"]) for n in (*HOME, BEST)}
    for node in HOME:
        world.capacity(node, places[node])
    room = sum(places[n] for n in HOME)
    world.begin("c918", world.url, room, 0.2, "--hold", 600)
    world.drain("sn938", "sn940", "sn944")
    for arn, client in HERD.items():
        explain = f"explain {world.url} {lab.topo.address(client)}"
        daemons.wait_until(lambda a=arn, e=explain: [n["node"] for n in world.ask(a, e)["nodes"]
                                                     if n["place"]] == [BEST], 15,
                           f"to {arn} {BEST} is the only node with room", 0.1)
    before, at = world.counter(BEST), lab.now()
    crowds = [world.begin(client, world.url, "--patience", 30, "--visits",
                          json.dumps([[0.3 * i / par["crowd"], 1.5] for i in range(int(par["crowd"]))]))
              for client in HERD.values()]
    told = [one for crowd in crowds for one in world.told(crowd, 60)]
    took = max(t for t, step in world.sessions(BEST, at) if step > 0) - at
    lab.check(len(told) == len(HERD) * int(par["crowd"]) and all(
        o["attached"] == 200 and o["node"] == BEST for o in told),
        f"each of {len(told)} clients of three networks was served by {BEST} in the end"
        + _but(o for o in told if o["attached"] != 200))
    count, most = 0, 0
    for t, step in world.sessions(BEST):
        count += step
        most = max(most, count if t >= at else 0)
    lab.check(most <= places[BEST], f"{BEST} never had more clients than its {places[BEST]} places ({most})")
    refused = sum(len(o["refused"]) for o in told)
    lab.check(refused == world.counter(BEST) - before > 0,
              f"it refused {world.counter(BEST) - before} with 453, and as many were told ({refused})")
    full = sum(o["full"] for o in told)
    lab.measured.update(herd=len(told), herd_most=most, herd_refused=refused, herd_told_503=full,
                        herd_served_s=round(took, 2))
    lab.tell(f"{len(told)} clients of three networks came within 0.3 s, and {BEST} was the only node. It never "
             f"had more than {most} clients, of {places[BEST]}; {refused} times it refused one that an ARN had "
             f"sent (453), {full} times an ARN said itself that there was no room (503). All were served within "
             f"{took:.1f} s.")


def _but(wrong):
    wrong = list(wrong)
    return f" (but: {len(wrong)} did not, as {wrong[0]})" if wrong else ""
