# SPDX-License-Identifier: GPL-2.0-or-later
"""
What scenario dns-dies does. The ARN is told to find the origin of acme.com by SRV records, and the
nodes lose their own `upstream`, so that the channel comes from nowhere else. The client resolves
acme.com, an alias (D2), and plays. The name server is killed, and the time of its records runs out;
then the client's node is killed. The client asks the anycast address again, the ARN still knows the
origin (D1, serve-stale), primes the other node with it, and nothing is lost.
"""

import json
import re

from . import daemons, failover
from .faults import FaultError
from .nodes import ServiceNode

NAMING = """
naming {{ zone = "cbb.net" servers = "{server}" timeout = 200 tries = 1 retry = 200 retry-max = 500 }}
service "acme" {{ address = "{service}" }}
"""


def ask(lab, node, command):
    """The answer of a node's daemon to the operator."""
    socket = "sn" if isinstance(lab.net[node], ServiceNode) else "arn"
    out, err, code = lab.net[node].pexec([daemons.find("nearctl"), "-s",
                                          f"/run/nearcast/{socket}.sock", "--json",
                                          *command.split()])
    if code != 0:
        raise FaultError(f"nearctl {command} at {node}: {out}{err}")
    return json.loads(out)


def reloads(lab, node):
    """Whether its daemon is there and has read its configuration."""
    try:
        ask(lab, node, "reload")
        return True
    except FaultError:
        return False


class Reconfigured:
    """Daemons with another configuration, until the scenario ends."""

    def __init__(self, lab):
        self.lab, self.was = lab, {}

    def change(self, node, edit):
        """edit(text) is the new configuration."""
        path = f"run/nearcast/{self.lab.net[node].program}.conf"
        with open(self.lab.net[node].file(path), encoding="utf-8") as file:
            self.was[node] = (path, file.read())
        self.lab.net[node].write(path, edit(self.was[node][1]))
        ask(self.lab, node, "reload")

    def undo(self):
        """As it was: those that have died start with it, the others are told."""
        for node, (path, text) in self.was.items():
            self.lab.net[node].write(path, text)
        self.lab.heal()
        for node in self.was:
            daemons.wait_until(lambda n=node: reloads(self.lab, n), 10, f"{node} reloads")


def origin(lab, arn):
    """(state, hosts) of the service's origin, as the ARN knows it."""
    key = f"srv rtsp {lab.topo.service}"
    for found in ask(lab, arn, "show names")["origins"]:
        if found["origin"] == key:
            return found["state"], [t["host"] for t in found["targets"]]
    return "none", []


def run(lab):
    """See the essay above."""
    arn, server = "arn804", "dns"
    conf = Reconfigured(lab)
    try:
        for node in ("sn806", "sn810"):
            conf.change(node, lambda text: re.sub(r'(?m)^upstream .*\n', "", text))
        conf.change(arn, lambda text: text + NAMING.format(
            server=lab.topo.address(server), service=lab.topo.service))
        daemons.wait_until(lambda: origin(lab, arn)[0] == "known", 10, "the origin is known")
        play(lab, arn, server)
    finally:
        conf.undo()


def play(lab, arn, server):
    """The story itself."""
    par = lab.params
    path = lab.fresh(par["path"])
    url = f"rtsp://acme.com/{path}"
    source = lab.publish(par["source"], f"rtsp://{lab.topo.address(par['origin'])}/{path}",
                         rate=par["rate"])
    lab.check(origin(lab, arn)[1] == [f"{par['origin']}.cbb.net"],
              f"the SRV records lead to {par['origin']}")
    lab.wait_service(par["client"], url)
    player = lab.play(par["client"], url, ["--buffer", str(par["buffer"])])
    player.wait("playing")
    victim = player.serving
    lab.pause(par["buffer"] / 1000 + 0.5)
    at = lab.fault("kill", f"knotd@{server}")
    daemons.wait_until(lambda: origin(lab, arn)[0] == "stale", 15, "the origin is stale")
    lab.event("origin is stale", arn)
    since = len(player.events)
    lab.fault("kill-sn", victim)
    resumed = player.wait("resumed", 15, since)
    after = lab.name_of(resumed.get("to") or "")
    lab.check(after not in ("", victim), f"the client went from {victim} to {after}")
    lab.check(origin(lab, arn)[0] == "stale", "the ARN used what it knew")
    ended = failover.finish(lab, source, player)
    lab.fault("restart", f"knotd@{server}")
    daemons.wait_until(lambda: origin(lab, arn)[0] == "known", 15, "the origin is known again")
    lab.measured.update(fault_at_s=round(at, 3), victim=victim, successor=after,
                        transaction_ms=resumed.get("transaction_ms"),
                        attach_ms=resumed.get("attach_ms"))
    lab.tell(f"The name server was killed {at:.2f} s after the start. When the time of its records "
             f"was over, {victim} was killed as well: {par['client']} went to {after}, which got "
             f"the channel from {par['origin']}, since {arn} still knew it.")
    lab.tell(f"Playback: {ended.get('lost')} packets lost.")
