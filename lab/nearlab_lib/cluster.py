# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the scenarios of figure 5 have in common: a client asks the anycast address again and again
while something happens to the master of a cluster of ARNs. What has to hold: exactly one ARN is
routed to, the lowest one that is there; the next one takes over within an announcement timeout of
what it can notice; the first one returns after its hold and not before; and the client sees answers
that name a service node, or nothing, never a wrong one.
"""

import ipaddress
import json
import re

from . import daemons
from .nodes import Arn, ServiceNode
from .scenario import ScenarioError

PARAMS = {"path": "news", "hold": 3.0, "timeout": 0.6, "margin": 1.0}
INTERVAL = 20  # ms between the client's transactions


class Cluster:
    """The ARNs of a lab, lowest address first, as they see themselves and as the router sees them."""

    def __init__(self, lab, router="colo", client="C1"):
        self.lab, self.router, self.client = lab, router, client
        self.address = {h.name: h.params["address"] for h in lab.net.hosts if isinstance(h, Arn)}
        self.names = sorted(self.address, key=lambda n: ipaddress.ip_address(self.address[n]))
        self.nodes = {h.name for h in lab.net.hosts if isinstance(h, ServiceNode)}
        self.probe = None

    def ask(self, name, command="show status"):
        """An ARN's answer to the operator, or {} while it has none."""
        out, _, code = self.lab.net[name].pexec([daemons.find("nearctl"), "--json",
                                                 *command.split()])
        try:
            return json.loads(out) if code == 0 else {}
        except ValueError:
            return {}

    def view(self, name):
        """(whether it is master, whom it takes for the master) of an ARN."""
        seen = self.ask(name).get("cluster", {})
        return seen.get("state") == "master", seen.get("master")

    def next_hops(self):
        """Names of the ARNs that the router sends packets to the block to."""
        out, _, _ = self.lab.net[self.router].pexec(["ip", "-o", "route", "show",
                                                     self.lab.topo.anycast])
        owners = {address: name for name, address in self.address.items()}
        return [owners.get(via, via) for via in re.findall(r" via (\S+)", out)]

    def wait_master(self, name, among, timeout, what, routed=True):
        """
        Until `among` agree that `name` is the master; `routed`: and the router sends packets there,
        and to no other one, as it may for some seconds when the master has changed in peace.
        """
        def agreed():
            views = {n: self.view(n) for n in among}
            return all(v == (n == name, name) for n, v in views.items()) \
                and (not routed or self.next_hops() == [name])
        try:
            daemons.wait_until(agreed, timeout, what, 0.03)
        except TimeoutError:
            views = {n: self.view(n) for n in among}
            raise ScenarioError(f"not within {timeout:g} s: {what}; the ARNs say {views}, the "
                                f"router's next hops are {self.next_hops()}") from None

    def happened(self, name, event, since):
        """Times, in seconds of the run, of an ARN's own events after `since`."""
        with open(self.lab.net[name].file("run/nearcast/events.json"), encoding="utf-8") as file:
            found = [json.loads(line) for line in file if line.endswith("\n")]
        times = [e["t"] - self.lab.start for e in found if e["event"] == event]
        return [t for t in times if t >= since]

    def begin(self):
        """The first one is master, and the client asks."""
        lab = self.lab
        self.wait_master(self.names[0], self.names, 20,
                         f"{self.names[0]}, which has the lowest address, is master")
        url = f"rtsp://{lab.topo.service}/{lab.params['path']}"
        lab.wait_service(self.client, url)
        self.probe = lab.probe(self.client, url, INTERVAL)
        self.probe.wait_for(lambda: len(self.probe.lines) >= 10, 10, "the client asks")
        lab.pause(lab.random.uniform(0.5, 1.5))

    def answers(self):
        """[(when asked, ms, answer's code or None, name of the node or None)] of the client."""
        found = []
        for _, text in list(self.probe.lines):
            line = json.loads(text)
            place = None
            if line.get("location"):
                place = self.lab.name_of(line["location"].split("/")[2])
            found.append((line["t"] - self.lab.start, line["ms"], line.get("code"), place))
        return found

    def gap(self, since, until):
        """(how many had no answer, ms from the last answer before to the first after them)."""
        asked = [a for a in self.answers() if since - 1 <= a[0] <= until]
        bad = [i for i, a in enumerate(asked) if a[2] is None]
        if not bad:
            return 0, 0.0
        before = [a for a in asked[:bad[0]] if a[2]]
        after = [a for a in asked[bad[-1] + 1:] if a[2]]
        start = before[-1][0] + before[-1][1] / 1000 if before else since
        end = after[0][0] + after[0][1] / 1000 if after else until
        return len(bad), (end - start) * 1000

    def check_answers(self):
        """What the client has seen in the whole run."""
        lab, found = self.lab, self.answers()
        wrong = [a for a in found if a[2] is not None and (a[2] != 302 or a[3] not in self.nodes)]
        lab.check(found and not wrong,
                  f"each of {self.client}'s {len(found)} transactions was redirected to a service "
                  f"node, or not answered" + (f" (but: {wrong[:3]})" if wrong else ""))
        lab.answers[self.client] = [[round(t, 4), ms, place] for t, ms, _, place in found]
        return len(found)

    def check_takeover(self, name, at, within, what):
        """The ARN became master, once, within `within` seconds of `at`."""
        times = self.happened(name, "master", at)
        took = times[0] - at if times else None
        self.lab.check(len(times) == 1 and took <= within + self.lab.params["margin"],
                       f"{name} became master once, {took and round(took, 3)} s after {what} "
                       f"(the timeout is {within:g} s)")
        for when in times[:1]:
            self.lab.event(f"{name} is master", name, t=when + self.lab.start)
        return took


def master_fails(lab, kind, how):
    """The first ARN's daemon is killed or hung; the second takes over; the first returns."""
    c = Cluster(lab)
    first, second, *others = c.names
    hold = lab.params["hold"]
    c.begin()
    at = lab.fault(kind, f"arn@{first}")
    c.wait_master(second, [second, *others], 15, f"{second} is master and routed to")
    moved = [e["t"] for e in lab.events if e["where"] == c.router
                           and lab.topo.anycast.split("/", maxsplit=1)[0] in e["what"]
                           and c.address[second] in e["what"] and e["t"] > at]
    took = c.check_takeover(second, at, lab.params["timeout"], f"the {kind} of {first}")
    for other in others:
        lab.check(not c.happened(other, "master", at), f"{other} stayed backup")
    lab.pause(1.0)
    unanswered, gap = c.gap(at, at + 30)

    back = lab.fault("restart", f"arn@{first}")
    c.wait_master(first, c.names, 15 + hold, f"{first} is master again")
    returned = c.check_takeover(first, back, hold + lab.params["timeout"], "its restart") or 0
    lab.check(returned >= hold, f"{first} came back after its hold of {hold:g} s")
    lab.check(not c.happened(second, "backup", at)[1:] and len(c.happened(second, "master", at)) == 1,
              f"{second} was master throughout")
    lab.pause(1.0)
    later, _ = c.gap(back, back + 60)
    lab.check(later <= 1, "its return cost the client one transaction at most, which was under way "
                          f"when the route moved ({later})")
    count = c.check_answers()
    lab.measured.update(
        victim=first, successor=second, fault_at_s=round(at, 3),
        fault_to_master_ms=round(took * 1000, 1) if took else None,
        fault_to_route_ms=round((moved[0] - at) * 1000, 1) if moved else None,
        unanswered=unanswered, gap_ms=round(gap, 1), transactions=count,
        return_s=round(returned, 2))
    m = lab.measured
    lab.tell(f"{first}'s arn, the master, {how} {at:.2f} s after the start.")
    lab.tell(f"{second} was master {m['fault_to_master_ms']:.0f} ms after that; {c.client} had no "
             f"answer for {gap:.0f} ms ({unanswered} of {count} transactions, one every "
             f"{INTERVAL} ms).")
    lab.tell(f"{first} was started again, served for its hold, and was master {returned:.1f} s "
             f"after its restart. {later} transactions had no answer then.")


def master_flaps(lab, times):
    """The first ARN's link goes down and up; it returns once it was there for the hold."""
    c = Cluster(lab)
    first, second, *others = c.names
    hold = lab.params["hold"]
    c.begin()
    at = None
    for number in range(times):
        cut = lab.fault("cut", first)
        at = cut if at is None else at
        c.wait_master(second, [second, *others], 15, f"{second} is master and routed to")
        lab.pause(lab.random.uniform(0.7, 1.2))
        joined = lab.fault("join", first)
        if number < times - 1:
            lab.pause(lab.random.uniform(0.5, 0.5 * hold))
            lab.check(c.next_hops() == [second], f"the block stayed at {second} ({number + 1})")
    took = c.check_takeover(second, at, lab.params["timeout"], f"the first cut of {first}")
    c.wait_master(first, c.names, 15 + hold, f"{first} is master again", routed=False)
    yielded = c.happened(second, "backup", at)
    lab.check(len(yielded) == 1 and yielded[0] - joined >= hold,
              f"{second} was master from the first cut until {first} had been back for its hold "
              f"({[round(t - joined, 2) for t in yielded]} s after the last join)")
    for other in others:
        lab.check(not c.happened(other, "master", at), f"{other} stayed backup")
    lab.pause(1.0)
    count = c.check_answers()
    unanswered = sum(a[2] is None for a in c.answers())
    lab.measured.update(victim=first, successor=second, cuts=times, fault_at_s=round(at, 3),
                        fault_to_master_ms=round(took * 1000, 1) if took else None,
                        unanswered=unanswered, transactions=count,
                        return_s=round(yielded[0] - joined, 2) if yielded else None)
    lab.tell(f"The link of {first}, the master, went down and up {times} times.")
    lab.tell(f"{second} was master {lab.measured['fault_to_master_ms']} ms after the first time, "
             f"and stayed it until {first} had been back for {lab.measured['return_s']} s. "
             f"{unanswered} of {c.client}'s {count} transactions had no answer.")


def master_drains(lab):
    """The first ARN is drained: the second takes over at once; nobody notices."""
    c = Cluster(lab)
    first, second, *others = c.names
    c.begin()
    at = lab.now()
    lab.event("drain", first)
    lab.check(c.ask(first, "drain").get("draining") is True, f"{first} drains")
    c.wait_master(second, [second, *others], 15, f"{second} is master and routed to")
    took = c.check_takeover(second, at, 0, f"the drain of {first}")
    lab.pause(0.5)
    back = lab.now()
    lab.event("undrain", first)
    lab.check(c.ask(first, "undrain").get("draining") is False, f"{first} drains no more")
    c.wait_master(first, c.names, 15, f"{first} is master again")
    returned = c.check_takeover(first, back, 0, "its undrain, since it had served all the time")
    lab.pause(0.5)
    count = c.check_answers()
    unanswered = sum(a[2] is None for a in c.answers())
    lab.check(unanswered <= 2, f"of {count} transactions two at most were not answered: those "
                               f"under way when the route moved, and moved back ({unanswered})")
    lab.measured.update(victim=first, successor=second, fault_at_s=round(at, 3),
                        drain_to_master_ms=round(took * 1000, 1) if took else None,
                        undrain_to_master_ms=round(returned * 1000, 1) if returned else None,
                        unanswered=unanswered, transactions=count)
    lab.tell(f"{first}, the master, was drained: {second} was master "
             f"{lab.measured['drain_to_master_ms']} ms later; and {first} "
             f"{lab.measured['undrain_to_master_ms']} ms after the undrain. {unanswered} of "
             f"{c.client}'s {count} transactions had no answer.")
