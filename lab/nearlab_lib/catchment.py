# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the scenarios of figure 3 have in common: two clients ask the same anycast address again and
again; each is answered by the ARN that is nearest to it. That of C2 fails: C2's route moves, and
it is answered by the other one; the failed one returns, and after its hold C2 is answered by it
again. C1 notices nothing of all this, and neither does a stream that C2 plays from a service node.
"""

import json
import time

from . import daemons
from .scenario import Lines, ScenarioError

PARAMS = {"rate": 1, "path": "news", "hold": 3.0}
FAILS = {"kill": "was killed (SIGKILL)", "hang": "was stopped (SIGSTOP)"}


def answers(probe, home, since=0.0):
    """
    [(when asked, when answered, name of the ARN's site or None)] of a probe. `home`: {node that
    clients are sent to: ARN of its LAN}.
    """
    found = []
    for _, text in list(probe.lines):
        line = json.loads(text)
        if line["t"] >= since:
            place = None
            if line.get("code") == 302:
                node = probe.lab.name_of(line["location"].split("/")[2])
                place = home.get(node)
            found.append((line["t"], line["t"] + line["ms"] / 1000, place))
    return found


def is_steady(probe, home, arn, count=40):
    """
    Whether that ARN has answered so many questions in a row. Just after its start a network may change
    its mind.
    """
    last = answers(probe, home)[-count:]
    return len(last) == count and all(place == arn for _, _, place in last)


def blocked_route(lab, node):
    """The present route of the anycast block in a router, or an empty text."""
    out, _, _ = lab.net[node].pexec(["ip", "-o", "route", "show", lab.topo.anycast])
    return out.strip()


def arn_fails(lab, kind):
    """C2's ARN fails in the way of `kind` (kill, hang) and comes back."""
    home = {"N1": "S1", "N2": "S2"}
    path = lab.fresh(lab.params["path"])
    url = f"rtsp://{lab.topo.service}/{path}"
    # Early: it does not say when it has begun to listen.
    links = Lines(lab, "S2", "S2-links", ["ip", "-o", "monitor", "link"])
    source = lab.publish("P", f"rtsp://{lab.topo.address('N1')}/{path}", rate=lab.params["rate"])
    for client in ("C1", "C2"):
        lab.wait_service(client, url)
    probes = {c: lab.probe(c, url, 50) for c in ("C1", "C2")}
    for client, arn in (("C1", "S1"), ("C2", "S2")):
        probes[client].wait_for(lambda c=client, a=arn: is_steady(probes[c], home, a), 30,
                                f"{client} is answered by its nearest, {arn}")
    settled = time.monotonic()
    player = lab.play("C2", url)
    player.wait("playing")
    lab.check(player.serving == "N2", f"C2 plays from the node beside S2 ({player.serving})")
    lab.pause(lab.random.uniform(1.5, 3.0))

    route = blocked_route(lab, "R2")
    lab.check(route, f"R2 has a route to {lab.topo.anycast}")
    at = lab.fault(kind, "arn@S2")
    moved = probes["C2"].wait_for(
        lambda: [a for a in answers(probes["C2"], home, at + lab.start) if a[2] == "S1"], 15,
        "C2 is answered by S1")[0]
    lab.event("C2 is answered by S1", "C2", t=moved[1])
    # A router behind R2 may know before R2 does, and send C2's packets on to S1.
    daemons.wait_until(lambda: blocked_route(lab, "R2") not in (route, ""), 10,
                       "R2's route to the block has moved", 0.05)
    held, _, _ = lab.net["S2"].pexec(["ip", "-o", "addr", "show", "dev", "anycast0"])
    lab.check(not held.strip(), "S2 holds the block no more")
    gone = links.wait_for(
        lambda: [t for t, text in links.lines if "Deleted" in text and "anycast0" in text], 5,
        "S2's anycast0 is deleted")
    withdrawal = (gone[0] - lab.start - at) * 1000
    lab.event("anycast0 is gone", "S2", t=gone[0])
    lab.pause(1.0)

    # Back: the daemon is started again, or goes on; and must be well for the hold before the
    # block returns.
    back = lab.fault("restart", "arn@S2")
    returned = probes["C2"].wait_for(
        lambda: [a for a in answers(probes["C2"], home, back + lab.start) if a[2] == "S2"],
        15 + lab.params["hold"], "C2 is answered by S2 again")[0]
    lab.event("C2 is answered by S2 again", "C2", t=returned[1])
    took = returned[1] - lab.start - back
    lab.check(took >= lab.params["hold"],
              f"S2 came back after its hold of {lab.params['hold']} s ({took:.2f} s)")
    daemons.wait_until(lambda: blocked_route(lab, "R2") == route, 10,
                       "R2's route is what it was", 0.05)
    lab.pause(1.0)

    c1 = answers(probes["C1"], home, settled)
    lab.check(c1 and all(place == "S1" for _, _, place in c1 if place) and
              sum(place is None for _, _, place in c1) == 0,
              f"each of C1's {len(c1)} transactions was answered by S1")
    c2 = answers(probes["C2"], home, settled)
    failed = [a for a in c2 if a[2] is None]
    lab.answers.update({c: [[round(t - lab.start, 4), round((done - t) * 1000, 1), place]
                            for t, done, place in answers(probes[c], home, lab.start)]
                        for c in probes})
    source.end()
    ended = player.wait_end(20)
    lab.check(not player.seen("resumed"), "the stream that C2 plays was not disturbed")
    lab.check(ended.get("lost") == 0, f"it lost nothing ({ended.get('lost')})")
    lab.expect_same(source, player)
    routes = [e for e in lab.events if e["what"].startswith("route:") and e["where"] == "R2"
              and lab.topo.anycast.split("/")[0] in e["what"]]
    withdrawn = [e["t"] for e in routes if e["t"] > at]
    if not withdrawn:
        raise ScenarioError(f"R2 noted no change of its route to {lab.topo.anycast}")
    lab.measured.update(
        victim="S2", fault_at_s=round(at, 3), fault_to_withdrawal_ms=round(withdrawal, 1),
        fault_to_route_ms=round((withdrawn[0] - at) * 1000, 1),
        fault_to_answer_ms=round((moved[1] - lab.start - at) * 1000, 1),
        failed_transactions=len(failed), transactions=len(c2), return_s=round(took, 2))
    m = lab.measured
    lab.tell(f"S2's arn {FAILS[kind]} {at:.2f} s after the start, while C2's requests to "
             f"{lab.topo.service} went to it.")
    lab.tell(f"The kernel took its block away {m['fault_to_withdrawal_ms']:.0f} ms after that, "
             f"R2's route moved after {m['fault_to_route_ms']:.0f} ms; S1 gave C2 its first "
             f"answer after {m['fault_to_answer_ms']:.0f} ms. {len(failed)} of C2's {len(c2)} "
             "transactions (one every 50 ms) had no answer.")
    lab.tell(f"S2 was well again, held back for {lab.params['hold']:g} s, and answered C2 "
             f"{took:.1f} s after its restart. C1 noticed nothing; the stream that C2 played from "
             "N2 did not stop.")
