# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the scenarios without service nodes have in common: two sites of figure 3 know each other, and
two clients ask the anycast address again and again. A site whose nodes die takes its block away as
long as the other one serves; when nobody serves, both stay, and say so (row A3).
"""

import json

from . import daemons
from .scenario import ScenarioError

PARAMS = {"path": "news", "hold": 3.0, "fall": 1.2}
INTERVAL = 50  # ms between a client's transactions


class Asked:
    """The clients' probes, and what became of them."""

    def __init__(self, lab):
        self.lab = lab
        url = f"rtsp://{lab.topo.service}/{lab.params['path']}"
        for client, node in (("C1", "N1"), ("C2", "N2")):
            daemons.wait_until(lambda c=client, n=node: self._place(lab.wait_service(c, url)) == n,
                               20, f"{client} is sent to its nearest node, {node}", 0.2)
        self.probes = {c: lab.probe(c, url, INTERVAL) for c in ("C1", "C2")}
        for client in self.probes:
            self.wait(client, lambda a: a[2] == 302, 0, f"{client} is answered")

    def _place(self, answer):
        location = answer.get("location")
        return self.lab.name_of(location.split("/")[2]) if location else None

    def answers(self, client, since=0.0):
        """[(when asked, when it ended, code or None, node or None)], in seconds of the run."""
        found = []
        for _, text in list(self.probes[client].lines):
            line = json.loads(text)
            at = line["t"] - self.lab.start
            if at >= since:
                found.append((at, at + line["ms"] / 1000, line.get("code"), self._place(line)))
        return sorted(found)

    def wait(self, client, condition, since, what, timeout=20):
        """The first answer after `since` that is so."""
        return self.probes[client].wait_for(
            lambda: next((a for a in self.answers(client, since) if condition(a)), None),
            timeout, what)

    def check(self, client):
        """Each answer names a node, or says that there is none; how many of each kind."""
        found = self.answers(client)
        wrong = [a for a in found if a[2] not in (302, 503, None) or
                 (a[2] == 302 and a[3] not in ("N1", "N2"))]
        self.lab.check(found and not wrong, f"each of {client}'s {len(found)} transactions was sent "
                       "to a node, told 503, or not answered" + (f" (but: {wrong[:3]})" if wrong
                                                                 else ""))
        self.lab.answers[client] = [[round(a[0], 4), round((a[1] - a[0]) * 1000, 2), a[3]]
                                    for a in found]
        return (len(found), sum(a[2] == 503 for a in found), sum(a[2] is None for a in found))


def ask(lab, arn, command="show status"):
    """An ARN's answer to the operator."""
    out, _, code = lab.net[arn].pexec([daemons.find("nearctl"), "--json", *command.split()])
    if code:
        raise ScenarioError(f"{arn}: nearctl {command}: {out}")
    return json.loads(out)


def wait_sites(lab, *names):
    """Until each of these sites knows that the other one serves."""
    for name in names:
        daemons.wait_until(lambda n=name: [s["state"] for s in ask(lab, n, "show sites")["sites"]]
                           == ["serves"], 20, f"{name} knows that the other site serves", 0.1)


def one_site(lab):
    """The node beside S2 dies, and is started again."""
    wait_sites(lab, "S1", "S2")
    asked = Asked(lab)
    lab.pause(lab.random.uniform(0.5, 1.5))
    at = lab.fault("kill", "sn-agent@N2")
    moved = asked.wait("C2", lambda a: a[3] == "N1", at, "C2 is sent to N1")[1]
    lab.event("C2 is sent to N1", "C2", t=moved + lab.start)
    state = ask(lab, "S2")["block"]
    lab.check(state["state"] != "up" and state["reason"] == "no service node",
              f"S2 has taken its block away ({state['state']}: {state['reason']})")
    lab.check(ask(lab, "S1")["block"]["state"] == "up", "S1 serves")
    lab.pause(1.0)
    back = lab.fault("restart", "sn-agent@N2")
    returned = asked.wait("C2", lambda a: a[3] == "N2", back, "C2 is sent to N2 again")[1]
    lab.check(returned - back >= lab.params["hold"],
              f"S2 came back when N2 had been there for the hold of {lab.params['hold']:g} s "
              f"({returned - back:.2f} s)")
    lab.pause(0.5)
    first = asked.answers("C1")
    lab.check(all(a[3] == "N1" for a in first), "C1 noticed nothing")
    count, told, none = asked.check("C2")
    asked.check("C1")
    lab.measured.update(victim="N2", fault_at_s=round(at, 3),
                        fault_to_answer_ms=round((moved - at) * 1000, 1),
                        return_s=round(returned - back, 2), nodeless=told, unanswered=none,
                        transactions=count)
    lab.tell(f"N2, the only node beside S2, was killed {at:.2f} s after the start. S2 took its "
             f"block away; C2 was sent to N1 {lab.measured['fault_to_answer_ms']:.0f} ms after "
             "that.")
    lab.tell(f"Of C2's {count} transactions (one every {INTERVAL} ms) {told} were told 503 with "
             f"Retry-After, {none} had no answer. N2 was started again, and C2 sent there after "
             f"{returned - back:.1f} s. C1 noticed nothing.")


def check_direct(lab):
    """What the ARNs have themselves needs no node (row B3), and is the same from each of them."""
    found = []
    for client in ("C1", "C2"):
        out, _, code = lab.net[client].pexec(
            ["curl", "-si", "-m", "5", f"http://{lab.topo.service}/robots.txt"])
        lab.check(code == 0 and out.startswith("HTTP/1.1 200"),
                  f"{client} was given /robots.txt while every node was dead")
        found.append(out)
    lab.check(found[0] == found[1], "S1 and S2 gave it byte for byte alike")


def all_sites(lab):
    """The nodes of both sites die at one moment, and are started again."""
    wait_sites(lab, "S1", "S2")
    asked = Asked(lab)
    lab.pause(lab.random.uniform(0.5, 1.5))
    at = lab.fault("kill", "sn-agent@N1")
    lab.fault("kill", "sn-agent@N2")
    for client in ("C1", "C2"):
        asked.wait(client, lambda a: a[2] == 503, at, f"{client} is told that there is no node")
    dead = lab.now()
    lab.pause(lab.params["fall"] * 2 + 1)
    for arn in ("S1", "S2"):
        lab.check(ask(lab, arn)["block"]["state"] == "up",
                  f"{arn} stays, since it knows of nobody who serves")
    until = lab.now()
    for client in ("C1", "C2"):
        said = [a for a in asked.answers(client, dead) if a[1] < until]
        lab.check(said and all(a[2] == 503 for a in said),
                  f"each of {client}'s {len(said)} transactions was answered 503")
    check_direct(lab)
    back = lab.fault("restart", "sn-agent@N1")
    lab.fault("restart", "sn-agent@N2")
    served = {c: asked.wait(c, lambda a, n=n: a[3] == n, back, f"{c} is sent to {n} again")[1]
              for c, n in (("C1", "N1"), ("C2", "N2"))}
    lab.pause(0.5)
    counts = {c: asked.check(c) for c in ("C1", "C2")}
    lab.check(not sum(none for _, _, none in counts.values()),
              "every transaction was answered, whatever died")
    lab.measured.update(victim="N1, N2", fault_at_s=round(at, 3),
                        nodeless=sum(c[1] for c in counts.values()),
                        unanswered=sum(c[2] for c in counts.values()),
                        transactions=sum(c[0] for c in counts.values()),
                        return_s=round(max(served.values()) - back, 2))
    lab.tell(f"N1 and N2 were killed {at:.2f} s after the start. Neither site knew of another one "
             "that serves: both stayed, and answered 503 with Retry-After; /robots.txt, which they have "
             "themselves, they gave.")
    lab.tell(f"The nodes were started again; {lab.measured['return_s']:.1f} s later both clients "
             f"were sent to them. {lab.measured['nodeless']} of {lab.measured['transactions']} "
             f"transactions were told 503, {lab.measured['unanswered']} had no answer.")
