# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the scenarios of broken services have in common (row C4): beside each service node's agent runs
a web server. That of the node that a client is sent to dies, hangs or becomes slow, or the agent's
own RTSP server cannot be reached any more, while the agent is alive and announces itself. What has to hold: the client, which names a node that failed it and
asks again, gets every object; the ARNs find out by their own probes and send nobody there; and when
the service works again, it gets its clients back, after its quarantine.
"""

import json
import os
import sys

from . import daemons, inside
from .cluster import Cluster
from .scenario import Lines, ScenarioError

PARAMS = {"patience": 300, "slow": 250, "found": 6.0}
INTERVAL = 50  # ms between two objects
PORT = 8080
HOW = {"dead": "was killed (SIGKILL)", "hung": "was stopped (SIGSTOP)",
       "slow": "took {slow:g} ms for each answer",
       "blocked": "was cut off by a packet filter, which its agent does not notice,"}
WALL = "type filter hook input priority 0; iif != lo tcp dport 554 drop;"


class Rtsp:
    """The RTSP server of the agents themselves: a packet filter keeps all other hosts from it."""

    service, what = "rtsp", "RTSP server"

    def __init__(self, lab):
        self.lab = lab

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for name in Cluster(self.lab).nodes:
            inside.run(self.lab.net[name].pid, inside.remove_filter, "ip wall")

    def fail(self, victim, _how):
        """It is cut off from now on. The moment, in seconds of the run."""
        inside.run(self.lab.net[victim].pid, inside.add_filter, "ip wall", WALL)
        self.lab.event(f"fault: wall before rtsp@{victim}", victim, fault=True)
        return self.lab.now()

    def mend(self, victim, _how):
        """And from now on not."""
        inside.run(self.lab.net[victim].pid, inside.remove_filter, "ip wall")
        self.lab.event(f"no wall before rtsp@{victim}", victim)
        return self.lab.now()


class Web:
    """A web server on each service node, announced by its agent."""

    service, what = "http", "web server"

    def __init__(self, lab):
        self.lab = lab
        self.conf = {}

    def __enter__(self):
        program = os.path.join(os.path.dirname(__file__), "web.py")
        for name in Cluster(self.lab).nodes:
            node = self.lab.net[name]
            node.daemon("web", [sys.executable, "-B", program, name, str(PORT), "/run/web.delay"])
            path = node.file("run/nearcast/sn-agent.conf")
            with open(path, encoding="utf-8") as file:
                self.conf[name] = file.read()
            self._configure(name, self.conf[name] + f"http {{ port = {PORT} }}\n")
        return self

    def __exit__(self, *_):
        for name, text in self.conf.items():
            self._slow(name, 0)
            self._configure(name, text)
            self.lab.net[name].daemons.pop("web").stop()

    def _configure(self, name, text):
        self.lab.net[name].write("run/nearcast/sn-agent.conf", text)
        out, err, code = self.lab.net[name].pexec([daemons.find("nearctl"), "reload"])
        if code:
            raise ScenarioError(f"{name}: not reloaded: {out}{err}")

    def _slow(self, name, ms):
        self.lab.net[name].write("run/web.delay", str(ms))

    def fail(self, victim, how):
        """It is dead, hung or slow from now on. The moment, in seconds of the run."""
        if how != "slow":
            return self.lab.fault("kill" if how == "dead" else "hang", f"web@{victim}")
        self._slow(victim, self.lab.params["slow"])
        self.lab.event(f"fault: slow web@{victim}", victim, fault=True)
        return self.lab.now()

    def mend(self, victim, how):
        """And from now on not."""
        if how != "slow":
            return self.lab.fault("restart", f"web@{victim}")
        self._slow(victim, 0)
        self.lab.event(f"slow no more: web@{victim}", victim)
        return self.lab.now()


class Objects:
    """What a client gets through the anycast address."""

    def __init__(self, lab, client, url):
        self.lab, self.client = lab, client
        program = os.path.join(os.path.dirname(__file__), "fetch.py")
        self.lines = Lines(lab, client, lab.file_name(f"{client}-objects"),
                           [sys.executable, "-B", program, url, str(INTERVAL),
                            str(lab.params["patience"])])

    def all(self, since=0.0, until=float("inf")):
        """[{t: seconds of the run, ms, attempts: [{sent_to: node's name, …}]}]."""
        found = []
        for _, text in list(self.lines.lines):
            done = json.loads(text)
            done["t"] -= self.lab.start
            for tried in done["attempts"]:
                tried["sent_to"] = tried["sent_to"] and self.lab.name_of(tried["sent_to"])
            if since <= done["t"] <= until:
                found.append(done)
        return found

    def first(self, condition, since, timeout, what):
        """Until there is one like that since then; it."""
        return self.lines.wait_for(lambda: [d for d in self.all(since) if condition(d)], timeout,
                                   what)[0]


def sent(done):
    """Where the first redirection of an object led."""
    return done["attempts"][0]["sent_to"]


def node_at(cluster, arn, node):
    """What an ARN knows of a node."""
    found = [n for n in cluster.ask(arn, "show nodes").get("nodes", []) if n["node"] == node]
    return found[0] if found else {}


def verdict(cluster, arn, node, service):
    """What an ARN has found of a node's service."""
    return node_at(cluster, arn, node).get(service)


def wait_verdict(cluster, node, broken, wanted, timeout):
    """Until all ARNs have found that of a node's service."""
    what = f"to all ARNs the {broken.what} of {node} is '{wanted}'"
    def said():
        return {a: verdict(cluster, a, node, broken.service) for a in cluster.names}
    try:
        daemons.wait_until(lambda: set(said().values()) == {wanted}, timeout, what, 0.05)
    except TimeoutError:
        raise ScenarioError(f"not within {timeout:g} s: {what}; they say {said()}") from None


def check_objects(lab, objects, nodes):
    """What has to hold for every object of the whole run, but the one that is under way."""
    found = objects.all()
    lost = [d for d in found if not d["attempts"][-1]["got"]]
    wrong = [t for d in found for t in d["attempts"]
             if t["code"] not in (302, None) or (t["code"] == 302 and t["sent_to"] not in nodes)]
    lab.check(found and not lost, f"{objects.client} got each of its {len(found)} objects"
              + (f" (but: {lost[:3]})" if lost else ""))
    lab.check(not wrong, "each answer was a redirection to a service node"
              + (f" (but: {wrong[:3]})" if wrong else ""))
    return found


def service_fails(lab, how):
    """The service of the node that C1 is sent to: `dead`, `hung`, `slow` or `blocked`."""
    c = Cluster(lab)
    c.wait_master(c.names[0], c.names, 20, "the first one is master")
    with (Rtsp if how == "blocked" else Web)(lab) as service:
        _service_fails(lab, c, service, how)


def _service_fails(lab, c, service, how):
    for node in c.nodes:
        wait_verdict(c, node, service, "works", 30)
    objects = Objects(lab, c.client, f"{service.service}://{lab.topo.service}/object")
    objects.first(lambda d: d["attempts"][-1]["got"], 0, 20, "the client has an object")
    lab.pause(lab.random.uniform(0.5, 1.5))
    victim = sent(objects.all()[-1])
    others = c.nodes - {victim}

    at = service.fail(victim, how)
    if how == "slow":
        found = [objects.first(lambda d: sent(d) in others, at, 15, f"C1 is not sent to {victim}")]
        lab.check(all(verdict(c, a, victim, service.service) == "works" for a in c.names),
                  f"no ARN takes {victim}'s {service.what} for broken")
        down = found[0]["t"]
    else:
        wait_verdict(c, victim, service, "broken", 15)
        down = max(e for a in c.names for e in c.happened(a, "service-down", at)[:1])
        lab.check(down - at <= lab.params["found"],
                  f"each ARN has found {victim}'s {service.what} {how} by its own probes "
                  f"({down - at:.2f} s after)")
        ages = [node_at(c, a, victim).get("heard_s_ago", 99) for a in c.names]
        lab.check(max(ages) < 0.6, f"{victim}'s agent is alive, and heard by all ARNs")
    lab.event(f"found: {victim}'s {service.what} is {how}", "ARNs", t=down + lab.start)
    lab.pause(1.0)
    mend_at = service.mend(victim, how)
    inside = objects.all(down + (lab.params["patience"] + 100) / 1000, mend_at)
    lab.check(inside and all(sent(d) in others for d in inside),
              f"none of the next {len(inside)} requests was sent to {victim}")
    back = objects.first(lambda d: sent(d) == victim and d["attempts"][0]["got"], mend_at, 20,
                         f"C1 is sent to {victim} again")
    if how != "slow":
        held = [e for a in c.names for e in c.happened(a, "service-quarantined", mend_at)]
        lab.check(len(held) >= len(c.names) and back["t"] - min(held) >= 1.5,
                  f"{victim} was in quarantine before that")
    lab.pause(0.5)
    every = check_objects(lab, objects, c.nodes)
    retried = [d for d in every if len(d["attempts"]) > 1]
    disturbed = [d for d in every if at <= d["t"] and (len(d["attempts"]) > 1 or d["ms"] > 150)]
    span = (disturbed[-1]["t"] + disturbed[-1]["ms"] / 1000 - at) * 1000 if disturbed else 0.0
    m = lab.measured
    m.update(victim=victim, how=how, fault_at_s=round(at, 3), found_ms=round((down - at) * 1000, 1),
             disturbed_ms=round(span, 1), disturbed=len(disturbed), retried=len(retried),
             slowest_ms=max(d["ms"] for d in every), objects=len(every),
             return_s=round(back["t"] - mend_at, 2))
    lab.tell(f"The {service.what} of {victim}, which C1 was sent to, {HOW[how].format(**lab.params)} "
             f"from {at:.2f} s on; its agent was alive.")
    lab.tell(f"{'C1 was sent elsewhere' if how == 'slow' else 'The last ARN found out'} "
             f"{m['found_ms']:.0f} ms after that. {len(disturbed)} of C1's {len(every)} objects "
             f"were late or needed a second node, within {span:.0f} ms; the slowest took "
             f"{m['slowest_ms']:.0f} ms.")
    lab.tell(f"It was well again, and C1 was sent there {m['return_s']:.1f} s later.")
