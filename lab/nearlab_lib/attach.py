# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the scenarios of figure 9 have in common: SN0 attaches to a node that the anycast address names;
what is published at SN0 is then played by a client at the other end of the network, which asks the
anycast address as ever.
"""

from . import daemons, failover, overlay

PARAMS = {**failover.PARAMS, "client": "C", "source": "S", "origin": "SN0", "buffer": 2000, "after": 3}


def attached_to(lab):
    """The node that SN0 is attached to; None, as when SN0 is only starting."""
    try:
        said = overlay.ask(lab, "SN0")
    except TimeoutError:
        return None
    for one in said["attached_to"]:
        if one["as"] == "node" and one["granted"]:
            return one["node"]
    return None


def here(lab, node):
    """Who is attached to a node, by tunnels."""
    return [a["node"] for a in overlay.ask(lab, node)["attached"] if a["tunnel"]]


def wait_attached(lab, node, timeout=20):
    """Until SN0 is attached to a node, and that knows it; when that was."""
    daemons.wait_until(lambda: attached_to(lab) == node, timeout, f"SN0 is attached to {node}", 0.05)
    at = lab.now()
    daemons.wait_until(lambda: "SN0" in here(lab, node), timeout, f"{node} has SN0 attached")
    return at


def knows(lab, path):
    """Whether the database of channels has the path, at SN0."""
    return any(a["node"] == "SN0" and f"/{path}" in a["channels"]
               for a in overlay.ask(lab, "SN3")["attached"])


def routed(lab, node):
    """Whether a node has a route to SN0 in the overlay."""
    return lab.net[node].pexec(["ip", "route", "show", lab.topo.overlay_address("SN0")])[0].strip()


def begin(lab):
    """On the air at SN0, known in the network, and playing far away: (source, player, path)."""
    par = lab.params
    wait_attached(lab, "SN1")
    path = lab.fresh(par["path"])
    source = lab.publish(par["source"], f"rtsp://{lab.topo.address(par['origin'])}/{path}",
                         rate=par["rate"])
    daemons.wait_until(lambda: knows(lab, path), 10, f"SN3 knows that SN0 has {path}", 0.1)
    daemons.wait_until(lambda: routed(lab, "SN3"), 15, "SN3 has a route to SN0", 0.1)
    url = f"rtsp://{lab.topo.service}/{path}"
    lab.wait_service(par["client"], url)
    player = lab.play(par["client"], url, ["--buffer", str(par["buffer"])])
    player.wait("playing")
    lab.check(player.serving == "SN3", f"the client was sent to SN3 ({player.serving})")
    way = overlay.wait_way(lab, "SN3", path, lambda w: w[-1] == "SN0", "from SN0")
    lab.check(way == ["SN1", "SN0"], f"the channel comes along SN0 - SN1 - SN3 ({way})")
    lab.pause(par["buffer"] / 1000 + lab.random.uniform(0.5, 2))
    return source, player, path


def comes_and_goes(lab):
    """SN0 starts anew: it attaches, and its channel is played; it ends, and nobody has it attached."""
    wait_attached(lab, "SN1")
    lab.fault("kill", "SN0")
    daemons.wait_until(lambda: not here(lab, "SN1") and not overlay.ask(lab, "SN3")["attached"], 15,
                       "SN1 and SN3 have forgotten SN0", 0.1)
    daemons.wait_until(lambda: not routed(lab, "SN3"), 15, "nobody has a route to SN0", 0.1)
    lab.check(not [n for n in overlay.ask(lab, "SN1")["neighbours"] if n["name"] == "SN0"],
              "SN1 has removed its end of the tunnel")
    back = lab.now()
    lab.heal()
    lab.measured["attach_ms"] = round((wait_attached(lab, "SN1") - back) * 1000)
    source, player, _ = begin(lab)
    ended = failover.finish(lab, source, player)
    lab.check(failover.count(ended, "failovers") == 0, "the client stayed with SN3")
    lab.check(not here(lab, "SN2"), "SN2, which is the last resort, was not asked")
    lab.tell("SN0 asked the anycast address whose neighbour to be. A1 named SN1, the most available "
             f"node; {lab.measured['attach_ms']} ms after its start SN0 was attached there.")
    lab.tell("S published at SN0. C, at the other end of the network, asked the same anycast address, "
             "was sent to SN3, and has the channel whole, along SN0 - SN1 - SN3.")


def node_dies(lab):
    """The node that SN0 is attached to is killed while its channel is played."""
    source, player, path = begin(lab)
    at = lab.fault("kill", "SN1")
    moved = wait_attached(lab, "SN2", 10)
    lab.event("attached again", "SN0", to="SN2")
    overlay.wait_way(lab, "SN3", path, lambda w: w == ["SN2", "SN0"], "through SN2", 10)
    lab.measured.update(victim="SN1", fault_at_s=round(at, 3),
                        fault_to_attached_ms=round((moved - at) * 1000),
                        fault_to_other_way_ms=round((lab.now() - at) * 1000))
    lab.heal()
    failover.finish(lab, source, player)
    lab.check(player.serving == "SN3", "the client is served by SN3 all the time")
    m = lab.measured
    lab.tell(f"SN1, to which SN0 was attached, was killed {at:.2f} s after the start. "
             f"{m['fault_to_attached_ms']} ms later SN0 was attached to SN2, and after "
             f"{m['fault_to_other_way_ms']} ms the channel came along SN0 - SN2 - SN3.")
    lab.tell(f"Playback: {m['lost']} of {m['written']} packets lost, {m['nacked']} asked for again; "
             f"the buffer of {lab.params['buffer']} ms never fell below {m['min_buffer_ms']:.0f} ms.")
