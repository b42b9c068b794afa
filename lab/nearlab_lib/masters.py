# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the scenarios of figure 4 and of several master ASes have in common: an ARN, a link or a whole AS
dies and comes back, and each time the network has to be what predict.py says of it: who answers each
client, on which way, and which route to the block each router's BGP has.
"""

import time

from . import catchment, catchments, tables
from .interdomain import TABLE, is_spoken
from .nodes import Arn
from .predict import Prediction, failures
from .scenario import ScenarioError

PARAMS = {"hold": 3.0, "interval": 20}


def differences(lab, prediction):
    """In which ways the network is not as predicted: a word for each client and each router."""
    topo, found = lab.topo, []
    seen = catchments.survey(lab.net, lab.faults)
    for block in topo.blocks():
        for client, row in seen[block].items():
            arn, way = prediction.answer(client, block)
            if row["arn"] != arn or arn and row["path"] != [client, *way]:
                found.append(f"{client} reaches {row['arn'] or row.get('error') or row.get('code')} "
                             f"({' - '.join(row['path'])}) and not {arn} ({' - '.join(way)})")
        found += wrong_paths(lab, prediction, block)
        found += wrong_ways(lab, prediction, block)
    return found


def wrong_ways(lab, prediction, block):
    """Routers that are alive and whose own packets to a block do not go the predicted way to an ARN."""
    found, known = [], {}
    for name in prediction.routers:
        arn, way = prediction.walk(name, block)
        seen = lab.faults.path(lab.net[name], lab.topo.service_of(block), known)
        reached = isinstance(lab.net[seen[-1]], Arn) and seen[-1] not in prediction.dead
        if seen != way if arn else reached:
            found.append(f"packets of {name} go {' - '.join(seen)} and not {' - '.join(way)}")
    return found


def wrong_paths(lab, prediction, block):
    """Routers that are alive and whose best route of BGP to a block is not the predicted one."""
    found, expected = [], prediction.routes(block)
    for name in prediction.routers:
        if not is_spoken(lab.topo, prediction.asn[name]):
            continue
        best = tables.best(lab.net[name], block, TABLE)
        told = None if best is None else best.as_path
        route = expected.get(name)
        should = None if route is None else list(route.path)
        if told != should or told == [] and best.kind != "OSPF-E1":
            found.append(f"{name} has {told} to {block} and not {should}")
    return found


def becomes(lab, dead, timeout=30.0, what="all are there"):
    """
    Waits until the network is as predicted with these parts dead, and notes that as an assertion. No
    BGP may say meanwhile that an AS is the origin of a block of which it is not the master.
    """
    prediction, wrong, looks = Prediction(lab.topo, dead), set(), 0
    deadline = time.monotonic() + timeout
    while True:
        left = differences(lab, prediction)
        for block in lab.topo.blocks():
            wrong.update(tables.wrong_origins(lab.net, block))
        looks += 1
        if not left or time.monotonic() > deadline:
            break
    lab.check(not left, f"{what}: each client and each router is as predicted"
              + (f" (but {'; '.join(left)})" if left else ""))
    lab.check(not wrong, f"{what}: the master AS alone is the origin of its block in BGP, {looks} times"
              + (f" (but {'; '.join(sorted(wrong))})" if wrong else ""))
    return prediction


class Watch:
    """Probes of some clients, each to the service of one block."""

    def __init__(self, lab, clients, block):
        self.lab, self.block = lab, block
        service = lab.topo.service_of(block)
        self.home = {n: catchments.arns_beside(lab.topo, n)[0] for n in lab.topo.nodes()
                     if lab.topo.nodeInfo(n).get("upstream") is not None}
        self.probes = {c: lab.probe(c, f"rtsp://{service}/probe", lab.params["interval"])
                       for c in clients}
        self.since = time.monotonic()

    def answers(self, client, since=0.0):
        """[(when asked, when answered, ARN or None)]"""
        return catchment.answers(self.probes[client], self.home, since)

    def wait(self, client, arn, since, timeout):
        """Until an ARN has answered a question of a client asked after `since`; when (of the run)."""
        found = self.probes[client].wait_for(
            lambda: [a for a in self.answers(client, since + self.lab.start) if a[2] == arn],
            timeout, f"{client} is answered by {arn}")[0]
        self.lab.event(f"{client} is answered by {arn}", client, t=found[1])
        return found[1] - self.lab.start

    def undisturbed(self, client, arn):
        """Asserts that each question of a client was answered by that ARN."""
        found = self.answers(client, self.since)
        other = [place for _, _, place in found if place != arn]
        self.lab.check(found and not other, f"each of {client}'s {len(found)} transactions with "
                       f"{self.block} was answered by {arn} ({len(other)} were not)")

    def only(self, client, arns, passing=()):
        """
        Asserts that each of these ARNs has answered a client, and nobody else but, while the network
        came up again, those in `passing`. The number of transactions that failed.
        """
        found = self.answers(client, self.since)
        places = {place for _, _, place in found if place}
        self.lab.check(places - set(passing) == set(arns), f"{client} was answered by "
                       f"{' and '.join(arns)} and by nobody else ({', '.join(sorted(places))})")
        return sum(place is None for _, _, place in found)

    def save(self):
        """Puts all answers into the report, and ends the probes."""
        for client, probe in self.probes.items():
            probe.stop()
            self.lab.answers[client] = [[round(t - self.lab.start, 4), round((done - t) * 1000, 1),
                                         place] for t, done, place in self.answers(client)]


def affiliate_fails(lab):
    """The ARN of figure 4's affiliate 404 dies and comes back."""
    (block,) = lab.topo.blocks()
    becomes(lab, [])
    watch = Watch(lab, ("C1", "C2", "C3", "C4"), block)
    lab.pause(lab.random.uniform(0.7, 1.7))

    at = lab.fault("kill", "arn@A4")
    moved = {c: watch.wait(c, "A3", at, 15) for c in ("C3", "C4")}
    becomes(lab, ["A4"], what="A4 is dead")
    for router in ("x1", "x2", "x3"):
        best = tables.best(lab.net[router], block)
        lab.check(best and best.kind == "BGP", f"{router} has BGP's route alone")
    lab.pause(0.5)

    back = lab.fault("restart", "arn@A4")
    returned = {c: watch.wait(c, "A4", back, 15 + lab.params["hold"]) for c in ("C3", "C4")}
    took = min(returned.values()) - back
    lab.check(took >= lab.params["hold"],
              f"A4 came back after its hold of {lab.params['hold']} s ({took:.2f} s)")
    becomes(lab, [], what="A4 is back")
    for router in ("x1", "x2", "x3"):
        best = tables.best(lab.net[router], block)
        lab.check(best and best.kind == "OSPF-E1", f"{router} prefers OSPF's route again")
    watch.save()
    for client, arn in (("C1", "A1"), ("C2", "A2")):
        watch.undisturbed(client, arn)
    lost = {c: watch.only(c, ("A3", "A4")) for c in ("C3", "C4")}
    withdrawn = [e["t"] for e in lab.events if e["what"].startswith("route:") and e["where"] == "x2"
                 and block.split("/")[0] in e["what"] and e["t"] > at]
    if not withdrawn:
        raise ScenarioError(f"x2 noted no change of its route to {block}")
    lab.measured.update(
        victim="A4", fault_at_s=round(at, 3), fault_to_route_ms=round((withdrawn[0] - at) * 1000, 1),
        failed_transactions=lost, return_s=round(took, 2),
        fault_to_answer_ms={c: round((t - at) * 1000, 1) for c, t in moved.items()})
    answer = lab.measured["fault_to_answer_ms"]
    lab.tell(f"A4's arn was killed (SIGKILL) {at:.2f} s after the start. x2's route moved "
             f"{lab.measured['fault_to_route_ms']:.0f} ms after that; A3, in the master AS, answered "
             f"C3 after {answer['C3']:.0f} ms and C4 after {answer['C4']:.0f} ms ({lost['C3']} and "
             f"{lost['C4']} transactions had no answer, one every {lab.params['interval']} ms).")
    lab.tell(f"A4 was back {took:.1f} s after its restart, and captured both again.")
    if all(check["held"] for check in lab.checks):
        lab.tell("C1 and C2 noticed nothing, and no BGP ever said that AS 65404 was the origin of the "
                 "block.")


def master_fails(lab, target, others):
    """
    A whole master AS, all its routers and hosts, vanishes and comes back. others: {client: ARN that
    answers each of its questions meanwhile}. Clients ask for the block of that AS, if another has it too
    (then it is measured when those who have to move do), or else for the other blocks.
    """
    topo, name = lab.topo, f"AS{target}"
    block = topo.systems[target].originates[0]
    kept = [b for b in topo.blocks() if b != block]
    becomes(lab, [])
    now, then = Prediction(topo).catchment()[block], Prediction(topo, [name]).catchment()[block]
    moving = [c for c in now if now[c] != then[c]]
    watches = {b: Watch(lab, now, b) for b in kept or [block]}
    lab.pause(lab.random.uniform(0.7, 1.7))

    at = lab.fault("kill", name)
    watch = watches.get(block)
    moved = {c: watch.wait(c, then[c], at, 20) for c in moving} if watch else {}
    becomes(lab, [name], what=f"{name} is dead")
    back = lab.fault("restart", name)
    returned = {c: watch.wait(c, now[c], back, 40) for c in moving} if watch else {}
    becomes(lab, [], 40, what=f"{name} is back")
    for one in watches.values():
        one.save()
        for client, arn in others.items():
            one.undisturbed(client, arn)
    sisters = {c: {a for a in topo.of_class(Arn) if topo.nodeInfo(a)["asn"] == target} - {now[c]}
               for c in moving}
    lost = {c: watch.only(c, (now[c], then[c]), sisters[c]) for c in moving} if watch else {}
    lab.measured.update(victim=name, fault_at_s=round(at, 3), moved=moving, failed_transactions=lost,
                        fault_to_answer_ms={c: round((t - at) * 1000, 1) for c, t in moved.items()},
                        return_s={c: round(t - back, 2) for c, t in returned.items()})
    lab.tell(f"All of {name}, master AS of {block}, was killed {at:.2f} s after the start.")
    if watch:
        lab.tell("; ".join(f"{c} went from {now[c]} to {then[c]}, {(moved[c] - at) * 1000:.0f} ms after "
                           f"that, and back {returned[c] - back:.1f} s after its return" for c in moving)
                 + f". {', '.join(others)} noticed nothing.")
    else:
        lab.tell(f"Nobody reached {block} until it was back; not one transaction with "
                 f"{', '.join(kept)} was disturbed.")


def each_failure(lab):
    """Each ARN, each link between routers and each AS fails alone, and comes back."""
    all_failures = failures(lab.topo)
    wanted = [w for w in str(lab.params["only"]).split(",") if w]
    unknown = set(wanted) - {f.dead for f in all_failures}
    if unknown:
        raise ScenarioError(f"only={','.join(sorted(unknown))}: no such part (there are: "
                            f"{', '.join(f.dead for f in all_failures)})")
    chosen = [f for f in all_failures if not wanted or f.dead in wanted]
    if lab.params["count"]:
        chosen = lab.random.sample(chosen, min(len(chosen), int(lab.params["count"])))
    becomes(lab, [])
    rows, changed = {}, {}
    for failure in chosen:
        at = lab.fault(failure.kind, failure.target)
        lab.pause(1.0)  # what is to stay as it was is not to be looked at before it could have moved
        prediction = becomes(lab, [failure.dead], what=failure.words)
        changed[failure.dead] = round(lab.now() - at, 2)
        rows[failure.dead] = catchments.plain(catchments.survey(lab.net))
        lab.check(rows[failure.dead] == prediction.catchment(), f"{failure.words}: it stays so")
        lab.heal()
        becomes(lab, [], 40, what=f"{failure.dead} is back")
    lab.measured.update(failures=len(chosen), catchments=rows, settled_s=changed)
    for failure in chosen:
        lab.tell(f"{failure.words}: " + "; ".join(
            f"{block}: " + ", ".join(f"{c} {arn or 'nobody'}" for c, arn in found.items())
            for block, found in rows[failure.dead].items()))

