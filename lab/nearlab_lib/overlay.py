# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the scenarios of the overlay have in common: while a client plays, something happens in the
middle of the overlay, to what the client's node has the channel from. The client does not notice: its
node joins elsewhere and fetches what it missed. When all is well again, the channel follows its route
back. Every tunnel is captured: none carries a packet of the channel twice.
"""

import collections
import json
import signal

from . import daemons, failover, pcap, rtp
from .scenario import Capture

PARAMS = {**failover.PARAMS, "after": 2}

WORDS = {"kill": "was killed (SIGKILL)", "hang": "was stopped (SIGSTOP)",
         "cut": "was cut off (its link went down)"}


def ask(lab, node):
    """What `nearctl show overlay` says in a node."""
    out, err, code = lab.net[node].pexec(
        [daemons.find("nearctl"), "-s", "/run/nearcast/sn.sock", "--json", "show", "overlay"])
    if code:
        raise TimeoutError(f"{node}: show overlay: {(out + err).strip()}")
    return json.loads(out)


def way(lab, node, path):
    """The nodes that a node has a channel through, the nearest first; [] while it has it not."""
    for join in ask(lab, node)["joins"]:
        if join["path"] == f"/{path}" and join["state"] == "live" and join.get("upstream"):
            return join.get("through", "").split(", ")
    return []


def wait_way(lab, node, path, condition, what, timeout=30):
    """Until the way of a channel to a node is as it should be; the way."""
    found = []

    def right():
        found[:] = way(lab, node, path)
        return found and condition(found)
    daemons.wait_until(right, timeout, f"{node} has the channel {what}")
    return list(found)


class Tunnels:
    """A capture of each tunnel, at one end."""

    def __init__(self, lab):
        self.captures = {}
        for one, two, _ in lab.topo.tunnels:
            name = lab.file_name(f"{one}-{two}-tunnel")
            self.captures[one, two] = Capture(lab, one, name, 80, "udp", f"nc-{two}")

    def end(self, lab):
        """Reads them: {(from, to): {(SSRC, number): [seconds of the run at which it was there]}}."""
        carried = collections.defaultdict(lambda: collections.defaultdict(list))
        for (one, two), capture in self.captures.items():
            capture.stop(signal.SIGINT)
            lab.check(capture.dropped() == 0, f"the capture of {one}-{two} is whole")
            outgoing = self._local(lab, one, two)
            for datagram in pcap.datagrams(capture.path):
                packet = rtp.parse(datagram.data)
                if packet:
                    ends = (one, two) if datagram.source == outgoing else (two, one)
                    carried[ends][packet.ssrc, packet.seq].append(
                        datagram.time - lab.wall - lab.start)
        return carried

    @staticmethod
    def _local(lab, one, two):
        return next(n["local"] for n in ask(lab, one)["neighbours"] if n["name"] == two)


def is_way(carried, source, nodes):
    """Whether the channel went along these nodes (the receiver first), and what it went along."""
    return all(carried[there, here] for here, there in zip(nodes, nodes[1:])) and \
        nodes[-1] == source


def check_once(lab, carried, since, until):
    """No tunnel carried a packet twice. What first came between these moments does not count: a node
    that hangs or is cut off is sent packets that it does not get, and asks for them again."""
    for ends, numbers in sorted(carried.items()):
        twice = sum(len(times) > 1 and not since <= min(times) <= until
                    for times in numbers.values())
        lab.check(twice == 0, f"the tunnel {ends[0]}-{ends[1]} carried each packet once "
                  f"({twice} of {len(numbers)} twice)")


def middle_fails(lab, kind):
    """kind: kill, hang or cut the node that the client's node has the channel from; or `tunnel`, the
    tunnel between them."""
    tunnels = Tunnels(lab)
    source, player = failover.begin(lab)
    path = source.url.rpartition("/")[2]
    first = player.serving
    before = wait_way(lab, first, path, lambda w: len(w) > 1, "through another node")
    victim = before[0]
    target = f"{victim}-{first}" if kind == "tunnel" else victim
    at = lab.fault("cut" if kind == "tunnel" else kind, target)
    detour = wait_way(lab, first, path, lambda w: w[0] != victim, "another way", 10)
    lab.measured["fault_to_other_way_ms"] = round((lab.now() - at) * 1000)
    lab.event("another way", first, through=", ".join(detour))
    lab.check(kind == "tunnel" or victim not in detour, f"it went round {victim}")
    lab.pause(lab.params["after"])

    lab.heal()
    back = wait_way(lab, first, path, lambda w: w == before, "as before")
    mended = lab.now()
    lab.event("the way as before", first, through=", ".join(back))
    ended = failover.finish(lab, source, player)
    lab.check(player.serving == first and failover.count(ended, "failovers") == 0,
              f"the client stayed with {first}")
    carried = tunnels.end(lab)
    lossy = kind in ("hang", "cut")
    check_once(lab, carried, at - 1 if lossy else 0, mended + 1 if lossy else 0)
    for nodes in (before, detour):
        lab.check(is_way(carried, lab.topo.overlay_source, [first, *nodes]),
                  f"it came along {' - '.join([*reversed(nodes), first])}")
    lab.measured.update(victim=target, fault_at_s=round(at, 3), before=before, detour=detour)
    tell(lab, kind, first, target)


def tell(lab, kind, first, target):
    """The story."""
    m, par = lab.measured, lab.params
    what = "went down" if kind == "tunnel" else WORDS[kind]
    lab.tell(f"{first} served {par['client']} a stream of {par['rate']} Mbit/s that came along "
             f"{' - '.join(reversed(m['before']))}.")
    lab.tell(f"{'The tunnel ' if kind == 'tunnel' else ''}{target} {what} {m['fault_at_s']:.2f} s "
             f"after the start; {m['fault_to_other_way_ms']} ms later it came along "
             f"{' - '.join(reversed(m['detour']))}, and as before when all was well again.")
    lab.tell(f"Playback: {m['lost']} of {m['written']} packets lost, {m['nacked']} asked for "
             f"again; the buffer of {par['buffer']} ms never fell below "
             f"{m['min_buffer_ms']:.0f} ms.")
