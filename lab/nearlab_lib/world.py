# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the scenarios of the internet have in common: a part of it dies and comes back. Its clients are
answered by whom predict.py says, each on the way that it says, and all routers have the routes that it
says; and when the part is back, all is as before. A map of both is in the report, map.png.
"""

import os

from . import catchments, tables, worldmap
from .interdomain import TABLE
from .masters import Watch, becomes
from .predict import Prediction
from .scenario import ScenarioError

SETTLES = 60.0  # s: BGP of some dozen ASes, while the machine has other things to do as well


def _sites(catchment):
    """{ARN: [its clients]}, the largest catchment first."""
    found = {}
    for client, arn in catchment.items():
        found.setdefault(arn, []).append(client)
    return dict(sorted(found.items(), key=lambda entry: (-len(entry[1]), entry[0] or "")))


def _moves(before, after):
    """{ARN: [clients that were not its before]}"""
    return _sites({c: after[c] for c in before if before[c] != after[c]})


def has_valley(relations, path):
    """
    Whether a path of ASes, from the one that has the route to its origin, is one that nobody is paid
    for: it has to go up to providers, across to one peer at most, and down to customers. relations:
    {(AS, other AS): what the first one is to the other}.
    """
    climbs = True
    for here, there in zip(path, path[1:]):
        step = relations.get((there, here))
        if step is None or step != "customer" and not climbs:
            return True
        climbs = step == "provider"
    return False


def _no_valleys(lab, when):
    """Asserts that of all routes of BGP in all routers."""
    paths, wrong = 0, []
    for router in lab.topo.place:
        asn = lab.topo.nodeInfo(router)["asn"]
        for route in tables.parse(lab.net[router].birdc(f"show route all table {TABLE}")):
            if route.kind == "BGP":
                paths += 1
                if has_valley(lab.topo.relations, [asn, *route.as_path]):
                    wrong.append(f"{router}: {route.net} {route.as_path}")
    lab.check(paths and not wrong, f"{when}: none of {paths} paths of BGP has a valley"
              + (f" (but: {'; '.join(wrong[:5])})" if wrong else ""))


def _told(sites):
    return "; ".join(f"{arn or 'nobody'}: {' '.join(clients)}" for arn, clients in sites.items())


def _seen(lab):
    """{client: ARN} as it is now, by one transaction of each."""
    (found,) = catchments.plain(catchments.survey(lab.net)).values()
    return found


def _largest_colo(lab, before):
    """The city of the Overlay ISP's colo that has most clients."""
    own = {f"A{city}": city for city in lab.topo.graph.cities}
    for arn in _sites(before):
        if arn in own:
            return own[arn]
    raise ScenarioError("no client reaches a colo of the Overlay ISP")


def _part_dies(lab, faults, dead, what):
    """A part dies and comes back: faults: [(kind, target)]; dead: what predict.py is to leave out."""
    (block,) = lab.topo.blocks()
    becomes(lab, [], SETTLES)
    _no_valleys(lab, "all are there")
    before = _seen(lab)
    expected = Prediction(lab.topo, dead).catchment()[block]
    moving = [c for c in before if before[c] != expected[c]]
    staying = [c for c in before if before[c] == expected[c]]
    watch = Watch(lab, [*moving[:1], *staying[:1]], block)
    lab.pause(lab.random.uniform(0.7, 1.7))

    at = [lab.fault(kind, target) for kind, target in faults][0]
    moved = {c: watch.wait(c, expected[c], at, 30) - at for c in moving[:1]}
    becomes(lab, dead, SETTLES, what=f"{what} is dead")
    after = _seen(lab)
    lab.check(None not in after.values(), f"{what} is dead: each of {len(after)} clients has an answer")
    settled = lab.now() - at
    _no_valleys(lab, f"{what} is dead")

    lab.event("healed", what)
    lab.heal()
    becomes(lab, [], SETTLES, what=f"{what} is back")
    _no_valleys(lab, f"{what} is back")
    again = _seen(lab)
    lab.check(again == before, f"{what} is back: each client is where it was")
    watch.save()
    lost = {c: sum(place is None for _, _, place in watch.answers(c)) for c in watch.probes}
    lab.measured.update(
        victim=what, fault_at_s=round(at, 3), clients=len(before), moved=moving,
        fault_to_answer_ms={c: round(t * 1000, 1) for c, t in moved.items()},
        settled_s=round(settled, 2), failed_transactions=lost,
        catchments={"before": _sites(before), "dead": _sites(after), "back": _sites(again)})
    worldmap.draw(lab.topo, [("before", _sites(before)), (f"{what} is dead", _sites(after))],
                  os.path.join(lab.report, "map.png"), lab.cache)
    lab.tell(f"{len(before)} clients: {_told(_sites(before))}.")
    return before, after


def colo_dies(lab):
    """A colo of the Overlay ISP: its ARN and its node; with router=1 its router as well."""
    (block,) = lab.topo.blocks()
    city = lab.params["colo"] or _largest_colo(lab, Prediction(lab.topo).catchment()[block])
    if city not in lab.topo.graph.cities:
        raise ScenarioError(f"colo={city}: there is none (there are: {', '.join(lab.topo.graph.cities)})")
    faults, dead = [("kill", f"arn@A{city}"), ("kill", f"sn-agent@N{city}")], [f"A{city}"]
    if int(lab.params["router"]):
        faults.insert(0, ("kill", f"bird@O{city}"))
        dead.append(f"O{city}")
    before, after = _part_dies(lab, faults, dead, f"the colo {city}")
    its = [c for c in before if before[c] == f"A{city}"]
    lab.check(its and all(before[c] != after[c] for c in its),
              f"each of A{city}'s {len(its)} clients was answered by another ARN")
    lab.check(all(before[c] == after[c] for c in before if c not in its) or "O" + city in dead,
              "no other client was, as long as the colo's router was there")
    (watched, ms), = lab.measured["fault_to_answer_ms"].items()
    lab.tell(f"The colo {city} died{' with its router' if len(dead) > 1 else ''}. Where its {len(its)} "
             f"clients went: {_told(_sites({c: after[c] for c in its}))}; {watched} after {ms:.0f} ms. "
             "All were back at the end.")


def first_tier_dies(lab):
    """All routers of a system of the first tier; if none is named, of that whose loss moves most."""
    topo = lab.topo
    (block,) = topo.blocks()
    whole = Prediction(topo).catchment()[block]
    targets = {s.name: f"AS{topo.number(s)}" for s in topo.graph.tier(1)}

    def moved(name):
        without = Prediction(topo, [targets[name]]).catchment()[block]
        return sum(whole[c] != without[c] for c in whole)

    name = lab.params["system"] or max(targets, key=moved)
    if name not in targets:
        raise ScenarioError(f"system={name}: there is none (there are: {', '.join(targets)})")
    before, after = _part_dies(lab, [("kill", targets[name])], [targets[name]], name)
    moves = _moves(before, after)
    lab.tell(f"{name}, provider of {sum(d.seller == name for d in topo.graph.deals)} ASes, died. All "
             f"{len(after)} clients had answers by other ways; "
             + (f"to another ARN went {_told(moves)}." if moves else "each from the same ARN."))
