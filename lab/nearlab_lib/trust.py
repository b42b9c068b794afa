# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the scenarios of a stranger on the LAN have in common (row C5): he has no key, hears all, and
announces what would attract clients or remove nodes (rogue.py). What has to hold: the clients are
redirected to the true nodes, nobody becomes master or ceases to be it, no node goes down, and each
ARN counts what it refused.
"""

import json
import os
import sys

from . import daemons
from .nodes import Arn, Client, ServiceNode
from .scenario import Lines

PARAMS = {"path": "news", "seconds": 2.0, "flood": 2.0}
INTERVAL = 20  # ms between a client's transactions
KINDS = ("forged", "unsigned", "tampered", "replayed", "flood")
REFUSED = 'nearcast_arn_datagrams_refused_total{{reason="{}"}}'
REASONS = ("malformed", "forged", "replayed", "stale", "unknown_key")


def ask(lab, arn, command):
    """An ARN's answer to the operator."""
    out, _, code = lab.net[arn].pexec([daemons.find("nearctl"), "--json", *command.split()])
    return json.loads(out) if code == 0 else {}


def refused(lab, arn):
    """How many datagrams an ARN has refused, by reason."""
    counters = ask(lab, arn, "show counters")
    return {r: counters.get(REFUSED.format(r), 0) for r in REASONS}


def happened(lab, arn, names, since):
    """An ARN's events of these names since a moment of the run."""
    with open(lab.net[arn].file("run/nearcast/events.json"), encoding="utf-8") as file:
        found = [json.loads(line) for line in file if line.endswith("\n")]
    return [e for e in found if e["event"] in names and e["t"] - lab.start >= since]


def usage(lab, arn):
    """(CPU seconds, resident KiB) of an ARN's worker."""
    pid = ask(lab, arn, "show status")["worker"]["pid"]
    # The lab's processes are in one PID namespace, so the worker's own number is right here.
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks, \
        int(fields[21]) * os.sysconf("SC_PAGE_SIZE") // 1024


def answers(lab, probes, since):
    """[(client, when asked, code, place)] of all clients."""
    found = []
    for client, probe in probes.items():
        for _, text in list(probe.lines):
            line = json.loads(text)
            place = line.get("location")
            found.append((client, line["t"] - lab.start, line.get("code"),
                          place and lab.name_of(place.split("/")[2])))
    return [f for f in found if f[1] >= since]


def settled(lab, seconds=1.5):
    """Until no router's route to the block has moved for so long."""
    block = lab.topo.anycast.split("/", maxsplit=1)[0]
    def quiet():
        moved = [e["t"] for e in lab.events if e["what"].startswith("route:") and block in e["what"]]
        return lab.now() - max(moved, default=0.0) >= seconds
    daemons.wait_until(quiet, 20, f"no route to {block} moves")


def stranger(lab, host):
    """A stranger at `host`, of each kind in turn, while all clients of the lab ask."""
    arns = [h.name for h in lab.net.hosts if isinstance(h, Arn)]
    nodes = {h.name for h in lab.net.hosts if isinstance(h, ServiceNode)}
    clients = [h.name for h in lab.net.hosts if isinstance(h, Client)]
    url = f"rtsp://{lab.topo.service}/{lab.params['path']}"
    for client in clients:
        lab.wait_service(client, url)
    settled(lab)
    probes = {c: lab.probe(c, url, INTERVAL) for c in clients}
    for probe in probes.values():
        probe.wait_for(lambda p=probe: len(p.lines) >= 10, 10, "the client asks")
    lan = lab.topo.nodeInfo(host)["lan"]
    near = [a for a in arns if lab.topo.nodeInfo(a)["lan"] == lan]
    begun = lab.now()
    for kind in KINDS:
        _misbehave(lab, host, kind, near)
    lab.pause(0.5)
    found = answers(lab, probes, begun)
    silent = [f for f in found if f[2] is None]
    wrong = [f for f in found if f[2] is not None and (f[2] != 302 or f[3] not in nodes)]
    lab.check(found and not wrong, f"each answer to {len(found)} transactions meanwhile was a "
              "redirection to a service node of this network"
              + (f" (but: {wrong[:3]})" if wrong else ""))
    lab.check(len(silent) <= len(found) // 200, f"{len(silent)} had no answer")
    for arn in arns:
        events = happened(lab, arn, ("master", "backup", "node-down", "block-down"), begun)
        lab.check(not events, f"{arn} saw no node go and no master change"
                  + (f" (but: {events[:3]})" if events else ""))
        known = {n["node"] for n in ask(lab, arn, "show nodes").get("nodes", [])}
        lab.check(known and known <= nodes, f"{arn} knows nobody else ({', '.join(sorted(known))})")
    lab.measured.update(transactions=len(found), unanswered=len(silent))
    lab.tell(f"{len(found)} transactions of {' and '.join(clients)} meanwhile: {len(silent)} had no "
             "answer, all others were redirected to a service node of this network. No node went, "
             "no master changed.")


def _misbehave(lab, host, kind, near):
    seconds = lab.params["flood" if kind == "flood" else "seconds"]
    before = {a: (refused(lab, a), usage(lab, a)) for a in near}
    program = os.path.join(os.path.dirname(__file__), "rogue.py")
    rogue = Lines(lab, host, lab.file_name(f"{host}-{kind}"),
                  [sys.executable, "-B", program, lab.topo.address(host), kind, str(seconds)])
    rogue.expected = True  # that it ends
    rogue.wait_for(lambda: rogue.lines, 10, "the stranger has heard the group")
    lab.event(f"fault: stranger, {kind}", host, fault=True)
    rogue.wait_for(lambda: len(rogue.lines) >= 2, seconds + 10, "the stranger is done")
    sent = json.loads(rogue.lines[1][1])["sent"]
    lab.event("the stranger ends", host)
    lab.check(sent > 0, f"the stranger sent {sent} datagrams: {kind}")
    reason = {"replayed": "replayed"}.get(kind, "forged")
    cpu, grown = 0.0, 0
    for arn in near:
        now, (seconds_now, kib) = refused(lab, arn), usage(lab, arn)
        more = {r: now[r] - before[arn][0][r] for r in REASONS}
        lab.check(more[reason] > 0, f"{arn} refused {more[reason]} of them as {reason}")
        cpu = max(cpu, (seconds_now - before[arn][1][0]) / seconds)
        grown = max(grown, kib - before[arn][1][1])
    lab.check(grown < 8192, f"no ARN grew by more than 8 MiB for it ({grown} KiB)")
    lab.measured[kind] = {"sent": sent, "arn_cpu": round(cpu, 3), "arn_grew_kib": grown}
    lab.tell(f"{host}, a stranger, sent {sent} datagrams, {kind}, in {seconds:g} s; that cost an "
             f"ARN {100 * cpu:.0f} % of a core.")
