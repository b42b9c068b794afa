# SPDX-License-Identifier: GPL-2.0-or-later
"""
Figure 5 when each anycast address has a master of its own. A client asks every address all the time
while one ARN is killed and returns. What has to hold: all ARNs agree on whose each address is, and
the router sends it there; the addresses of the killed one are re-elected; and of the transactions with
the other addresses not one is lost.
"""

import json
import re

from . import daemons
from .cluster import Cluster
from .scenario import ScenarioError

INTERVAL = 50  # ms between two transactions with one address
MIN_LS_INTERVAL = 5.5  # s: RFC 2328, B, and a margin


class Addresses:
    """The addresses of a lab: whose they are, where the router sends them, what the client sees."""

    def __init__(self, lab):
        self.lab, self.cluster = lab, Cluster(lab)
        self.list = lab.topo.nodeInfo(self.cluster.names[0]).get("addresses")
        if not self.list:
            raise ScenarioError("per-address is for a figure 5 with --param active=each")
        self.probes = {}

    def owners(self, name):
        """{address: its master} as an ARN knows it."""
        return {a["address"]: a["master"]
                for a in self.cluster.ask(name).get("addresses", ())}

    def routed(self, address):
        """Names of the ARNs that the router sends packets to an address to."""
        out, _, _ = self.lab.net[self.cluster.router].pexec(["ip", "-o", "route", "show", address])
        names = {a: n for n, a in self.cluster.address.items()}
        return [names.get(via, via) for via in re.findall(r" via (\S+)", out)]

    def wait_agreed(self, among, timeout, what, expected=None):
        """Until the ARNs `among`, and the router, agree (on what is `expected`); {address: master}. A
        route that has been elsewhere may stay for some seconds, as long as its ARN keeps the address.
        """
        def agreed():
            views = [self.owners(n) for n in among]
            good = views[0] and all(v == views[0] for v in views) \
                and set(views[0].values()) <= set(among) and expected in (None, views[0])
            return good and all(self.routed(a) == [n] for a, n in views[0].items()) and views[0]
        try:
            return daemons.wait_until(agreed, timeout, what, 0.05)
        except TimeoutError:
            raise ScenarioError(f"not within {timeout:g} s: {what}; the ARNs say "
                                f"{ {n: self.owners(n) for n in among} }, the routes lead to "
                                f"{ {a: self.routed(a) for a in self.list} }") from None

    def wait_settled(self):
        """Until nobody keeps what is another's, and for so long that OSPF would carry it anew at
        once."""
        def settled():
            for name in self.cluster.names:
                seen = self.cluster.ask(name).get("addresses", ())
                down = self.cluster.happened(name, "address-down", -1e9)
                if not seen or any(a["here"] != (a["master"] == name) for a in seen) \
                        or down and self.lab.now() - down[-1] < MIN_LS_INTERVAL:
                    return False
            return True
        daemons.wait_until(settled, 30, "each address is at its master only, and has been", 0.1)

    def ask_all(self):
        """Begins to ask each address."""
        for address in self.list:
            url = f"rtsp://{address}/{self.lab.params['path']}"
            self.lab.wait_service(self.cluster.client, url)
            self.probes[address] = self.lab.probe(self.cluster.client, url, INTERVAL)
        for probe in self.probes.values():
            probe.wait_for(lambda p=probe: len(p.lines) >= 20, 20, "the client asks")

    def answers(self, address, since=0.0, until=1e9):
        """[(when asked, when it ended, answered rightly)], by time, of one address."""
        found = []
        for _, text in list(self.probes[address].lines):
            line = json.loads(text)
            start = line["t"] - self.lab.start
            place = line.get("location") and self.lab.name_of(line["location"].split("/")[2])
            if since <= start <= until:
                found.append((start, start + line["ms"] / 1000,
                              line.get("code") == 302 and place in self.cluster.nodes))
        return sorted(found)

    def lost(self, address, since=0.0, until=1e9):
        """How many transactions had no right answer."""
        return sum(not good for _, _, good in self.answers(address, since, until))

    def gap(self, address, since, until):
        """The longest time in ms without an answer to one address."""
        done = sorted(end for _, end, good in self.answers(address, since, until) if good)
        return max((b - a for a, b in zip(done, done[1:])), default=(until - since)) * 1000


def owner_dies(lab):
    """The master of the first address is killed; its addresses are re-elected; it returns."""
    a = Addresses(lab)
    names = a.cluster.names
    before = a.wait_agreed(names, 30, "the ARNs and the router agree on whose each address is")
    victim = before[a.list[0]]
    its = [x for x in a.list if before[x] == victim]
    others = [x for x in a.list if before[x] != victim]
    if not others:
        raise ScenarioError(f"all addresses are {victim}'s: nothing could stay untouched")
    a.wait_settled()
    a.ask_all()
    lab.pause(lab.random.uniform(0.5, 1.5))

    at = lab.fault("kill", f"arn@{victim}")
    rest = [n for n in names if n != victim]
    after = a.wait_agreed(rest, 10, f"{victim}'s addresses are re-elected, and routed to others")
    lab.check(all(after[x] == before[x] for x in others),
              f"the masters of {', '.join(others)} stayed who they were")
    lab.pause(1.0)
    gaps = {x: a.gap(x, at - 1, lab.now()) for x in a.list}
    for x in its:
        lab.check(gaps[x] <= lab.params["bound"] * 1000,
                  f"{x} was {after[x]}'s and answered after {gaps[x]:.0f} ms")
    for x in others:
        lab.check(a.lost(x, at - 1) == 0, f"no transaction with {x} was lost")

    back = lab.fault("restart", f"arn@{victim}")
    again = a.wait_agreed(names, 25 + lab.params["hold"], f"{victim} has its addresses again",
                          before)
    lab.check(again == before, "each address is whose it was before")
    taken = [t - back for t in a.cluster.happened(victim, "address-up", back)]
    lab.check(len(taken) == len(its) and min(taken) >= lab.params["hold"],
              f"{victim} took them once each, and not before its hold "
              f"({[round(t, 2) for t in taken]} s after the restart)")
    lab.pause(1.0)
    for x in others:
        lab.check(a.lost(x) == 0, f"no transaction with {x} was lost to the end")
    for x in its:
        lab.check(a.lost(x, back) <= 2, f"the return cost {x} two transactions at most, those "
                                        "under way when the route moved")
    total = sum(len(a.answers(x)) for x in a.list)
    lab.measured.update(victim=victim, fault_at_s=round(at, 3), transactions=total,
                        return_s=round(min(taken), 2) if taken else None,
                        addresses={x: {"before": before[x], "after": after[x],
                                       "gap_ms": round(gaps[x], 1), "lost": a.lost(x)}
                                   for x in a.list})
    lab.tell(f"{victim}, the master of {', '.join(its)}, was killed {at:.2f} s after the start.")
    for x in its:
        lab.tell(f"{x} became {after[x]}'s: {a.cluster.client} had no answer for {gaps[x]:.0f} ms "
                 f"({a.lost(x)} transactions).")
    lab.tell(f"{', '.join(others)}: not one transaction was lost. {victim} had its addresses again "
             f"{min(taken, default=0):.1f} s after its restart.")
