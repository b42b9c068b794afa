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
from .scenario import Lines, ScenarioError

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
        self.next_hop = lab.topo.next_hop(self.names[0])
        self.mac = {self._mac(name): name for name in self.names} if self.next_hop else {}
        self.neighbours = self.next_hop and Lines(lab, router, lab.file_name(f"{router}-neigh"),
                                                  ["ip", "-o", "monitor", "neigh"])

    def _mac(self, name):
        node = self.lab.net[name]
        out, _, _ = node.pexec(["cat", f"/sys/class/net/{node.defaultIntf().name}/address"])
        return out.strip()

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
        router = self.lab.net[self.router]
        out, _, _ = router.pexec(["ip", "-o", "route", "show", self.lab.topo.anycast])
        owners = {address: name for name, address in self.address.items()}
        if self.next_hop:
            claimant = self.lab.faults.claimant(router, self.next_hop)
            owners[self.next_hop] = claimant.name if claimant else self.next_hop
        return [owners.get(via, via) for via in re.findall(r" via (\S+)", out)]

    def moved(self, name, since):
        """When (in seconds of the run, after `since`) the router's packets began to go to an ARN."""
        if self.next_hop:
            times = [t - self.lab.start for t, line in list(self.neighbours.lines)
                     if f"{self.next_hop} " in line
                     and self.mac.get((re.findall(r" lladdr (\S+)", line) or [None])[0]) == name]
        else:
            times = [e["t"] for e in self.lab.events if e["where"] == self.router
                     and self.lab.topo.anycast.split("/", maxsplit=1)[0] in e["what"]
                     and self.address[name] in e["what"]]
        times = [t for t in times if t > since]
        return times[0] if times else None

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
        for line in sorted((json.loads(text) for _, text in list(self.probe.lines)),
                           key=lambda line: line["t"]):
            place = None
            if line.get("location"):
                place = self.lab.name_of(line["location"].split("/")[2])
            found.append((line["t"] - self.lab.start, line["ms"], line.get("code"), place))
        return found

    def gap(self, since, until):
        """
        (how many had no answer; the longest time in ms, from its end to the next one's, that the
        client was without any: one interval if nothing happens).
        """
        asked = [a for a in self.answers() if since - 1 <= a[0] <= until]
        done = sorted(t + ms / 1000 for t, ms, code, _ in asked if code)
        longest = max((b - a for a, b in zip(done, done[1:])), default=0)
        return sum(a[2] is None for a in asked), longest * 1000

    def check_answers(self, nodeless=(0, 0)):
        """What the client has seen in the whole run; `nodeless`: when an ARN may know no node."""
        lab, found = self.lab, self.answers()
        wrong = [a for a in found if a[2] is not None and (a[2] != 302 or a[3] not in self.nodes)
                 and not (a[2] == 503 and nodeless[0] <= a[0] <= nodeless[1])]
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
    moved = c.moved(second, at)
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
    lab.check(later <= 2, "its return cost the client two transactions at most, those under way "
                          f"when the route moved ({later})")
    count = c.check_answers()
    lab.measured.update(
        victim=first, successor=second, fault_at_s=round(at, 3),
        fault_to_master_ms=round(took * 1000, 1) if took else None,
        fault_to_route_ms=round((moved - at) * 1000, 1) if moved else None,
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


def lan_parts(lab):
    """The LAN falls in two parts, twice: the first ARN alone, then it with the router."""
    c = Cluster(lab)
    first, second, *others = c.names
    hold, timeout = lab.params["hold"], lab.params["timeout"]
    c.begin()
    at = lab.fault("part", first)
    c.wait_master(second, [second, *others], 15, f"{second} is master and routed to")
    took = c.check_takeover(second, at, timeout, f"{first} was parted from the others")
    lab.check(c.view(first) == (True, first), f"{first} is master of its own part")
    lab.pause(1.0)
    unanswered, gap = c.gap(at, at + 30)
    joined = lab.fault("join", first)
    c.wait_master(second, c.names, 5, f"{first} gives way to {second}, which stood in")
    c.wait_master(first, c.names, 15 + hold, f"{first} is master again", routed=bool(c.next_hop))
    back = c.happened(second, "backup", joined)
    lab.check(len(back) == 1 and back[0] - joined >= hold - 0.1,
              f"{second} kept the block until {first} had been back for its hold")
    lab.pause(0.5)

    rest = ",".join([second, *others])
    parted = lab.fault("part", rest)
    c.wait_master(second, [second, *others], 15, f"{second} is master of its part", routed=False)
    lab.check(c.view(first) == (True, first), f"{first} is master of the router's part")
    lab.pause(1.0)
    lab.check(not c.next_hops() or c.next_hops()[0] == first, f"{first} is still routed to")
    again = lab.fault("join", rest)
    c.wait_master(first, c.names, 15 + hold, f"{first} is master of all", routed=bool(c.next_hop))
    lab.pause(0.5)
    count = c.check_answers()
    later, longest = c.gap(parted, parted + 60)
    lab.measured.update(victim=first, successor=second, fault_at_s=round(at, 3),
                        fault_to_master_ms=round(took * 1000, 1) if took else None,
                        gap_ms=round(gap, 1), unanswered=unanswered + later,
                        second_gap_ms=round(longest, 1), transactions=count,
                        second_join_to_one_master_s=round(lab.now() - again, 2))
    lab.tell(f"{first}, the master, was parted from the LAN: {second} was master "
             f"{lab.measured['fault_to_master_ms']} ms later, {c.client} had no answer for "
             f"{gap:.0f} ms.")
    lab.tell(f"Then {rest} were parted from {first} and the router: {c.client} had no answer for "
             f"{longest:.0f} ms at most, the end of it included. {unanswered + later} of "
             f"{count} transactions had none.")


def one_way_loss(lab):
    """Announcements do not reach the first ARN, then do not leave it."""
    c = Cluster(lab)
    first, second, *others = c.names
    timeout = lab.params["timeout"]
    c.begin()
    deaf = lab.fault("deaf", first)
    lab.pause(2 * timeout + 0.5)
    c.wait_master(first, [second, *others], 5, f"{first} stays master, which hears nobody")
    lab.check(c.view(first) == (True, first), f"{first} takes itself for it")
    for other in (second, *others):
        lab.check(not c.happened(other, "master", deaf), f"{other} stayed backup")
    heard = lab.fault("join", first)
    unanswered, gap = c.gap(deaf, lab.now())
    lab.pause(0.5)

    mute = lab.fault("mute", first)
    c.wait_master(second, [second, *others], 15, f"{second} is master too", routed=False)
    took = c.check_takeover(second, mute, timeout, f"{first} fell mute")
    lab.pause(2.0)
    lab.check(c.view(first) == (True, first), f"{first}, which hears that, stays master as well")
    joined = lab.fault("join", first)
    c.wait_master(first, c.names, 10, f"{first} is the only master",
                  routed=bool(c.next_hop))
    one = c.happened(second, "backup", joined)
    lab.pause(0.5)
    count = c.check_answers(nodeless=(deaf, heard + 1))
    nodeless = sum(a[2] == 503 for a in c.answers())
    later, longest = c.gap(mute, lab.now())
    lab.measured.update(victim=first, successor=second, fault_at_s=round(mute, 3),
                        deaf_gap_ms=round(gap, 1), gap_ms=round(longest, 1),
                        fault_to_master_ms=round(took * 1000, 1) if took else None,
                        heard_to_one_master_ms=round((one[0] - joined) * 1000, 1) if one else None,
                        nodeless=nodeless,
                        unanswered=unanswered + later, transactions=count)
    lab.tell(f"{first} heard nobody, no node either: it stayed master and told {c.client} 503 "
             f"{nodeless} times, which was never without an answer for more than {gap:.0f} ms.")
    lab.tell(f"Nobody heard {first}: {second} was master as well, "
             f"{lab.measured['fault_to_master_ms']} ms later, until it heard {first} again "
             f"({lab.measured['heard_to_one_master_ms']} ms). {c.client} was without an answer for "
             f"{longest:.0f} ms at most; {unanswered + later} of {count} transactions had none.")


def all_boot(lab):
    """All ARNs are killed and started at the same moment."""
    c = Cluster(lab)
    first, *others = c.names
    hold, timeout = lab.params["hold"], lab.params["timeout"]
    c.begin()
    at = lab.fault("kill", f"arn@{first}")
    for name in others:
        lab.fault("kill", f"arn@{name}")
    back = [lab.fault("restart", f"arn@{name}") for name in c.names][-1]
    c.wait_master(first, c.names, 15 + hold, f"{first} is master of all")
    took = c.happened(first, "master", back)
    lab.check(len(took) == 1 and hold <= took[0] - at <= hold + timeout + 2 * lab.params["margin"],
              f"{first} was master once, after its hold of {hold:g} s ({took})")
    for name in others:
        times = c.happened(name, "master", back)
        ends = c.happened(name, "backup", back)
        lab.check(len(times) <= 1 and all(any(0 <= e - t <= timeout for e in ends) for t in times),
                  f"{name}, if it was ready before, was master for a moment ({times}, {ends})")
    lab.pause(1.0)
    unanswered, gap = c.gap(at, lab.now())
    count = c.check_answers()
    lab.measured.update(fault_at_s=round(at, 3), gap_ms=round(gap, 1), unanswered=unanswered,
                        return_s=round(took[0] - back, 2) if took else None, transactions=count)
    lab.tell(f"All ARNs were killed {at:.2f} s after the start, and started again. {first} was "
             f"master {lab.measured['return_s']} s later, after its hold; {c.client} had no answer "
             f"for {gap / 1000:.1f} s.")


def redirected(c):
    """{ARN: RTSP requests that it has answered with a redirection}."""
    found = {}
    for name in c.names:
        counters = c.ask(name, "show counters")
        found[name] = sum(v for k, v in counters.items()
                          if "requests_total" in k and "redirected" in k and "rtsp" in k)
    return found


def one_of_all_dies(lab):
    """All ARNs have the block up, the router shares the clients out; one is killed."""
    c = Cluster(lab)
    daemons.wait_until(lambda: set(c.next_hops()) == set(c.names), 20,
                       f"the router's route leads to {', '.join(c.names)}")
    url = f"rtsp://{lab.topo.service}/{lab.params['path']}"
    lab.wait_service(c.client, url)
    before = redirected(c)
    c.probe = lab.probe(c.client, url, lab.params["interval"])
    c.probe.wait_for(lambda: len(c.probe.lines) >= 300, 30, "the client asks")
    shares = {n: v - before[n] for n, v in redirected(c).items()}
    total = sum(shares.values())
    lab.check(all(v > total / (3 * len(c.names)) for v in shares.values()),
              f"each ARN has answered its share of {total} transactions ({shares})")
    victim, others = c.names[0], c.names[1:]
    at = lab.fault("kill", f"arn@{victim}")
    daemons.wait_until(lambda: set(c.next_hops()) == set(others), 10,
                       f"the router's route leads to {', '.join(others)} only")
    lab.pause(1.5)
    asked = [a for a in c.answers() if a[0] >= at - 0.05]
    lost = [a for a in asked if a[2] is None]
    gone = (max(a[0] for a in lost) - at) if lost else 0.0
    during = [a for a in asked if a[0] <= at + gone]
    lab.check(len(lost) <= max(2, 0.6 * len(during)),
              f"only its share was disturbed: {len(lost)} of the {len(during)} transactions until "
              "the route had changed")
    lab.check(not [a for a in asked if a[2] is None and a[0] > at + 3], "and none after that")
    back = lab.fault("restart", f"arn@{victim}")
    daemons.wait_until(lambda: set(c.next_hops()) == set(c.names), 15,
                       f"{victim} has its share again")
    took = lab.now() - back
    lab.pause(1.0)
    later = [a for a in c.answers() if a[0] > back and a[2] is None]
    lab.check(len(later) <= 3, f"its return disturbed what was under way at most ({len(later)})")
    count = c.check_answers()
    lab.measured.update(victim=victim, fault_at_s=round(at, 3), disturbed=len(lost),
                        during=len(during), disturbed_ms=round(gone * 1000, 1),
                        return_s=round(took, 2), transactions=count,
                        **{f"share_{n}": round(v / total, 3) for n, v in shares.items()})
    parts = ", ".join(f"{n} {100 * v / total:.0f} %" for n, v in shares.items())
    lab.tell(f"All ARNs had the block up; the router shared the client's transactions out: {parts}.")
    lab.tell(f"{victim}'s arn was killed {at:.2f} s after the start. {len(lost)} of the "
             f"{len(during)} transactions in the next {gone * 1000:.0f} ms had no answer; then the "
             f"route led to {' and '.join(others)}. It had its share again after {took:.1f} s.")
