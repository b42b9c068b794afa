# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the scenarios of figure 6 have in common: a stream is published at the backbone and played in
the client's ISP; at a random moment something happens to the node that serves the client; the
stream goes on and ends; and what the client wrote is compared with what was published.
"""

from . import accounts
from .scenario import ScenarioError

PARAMS = {"rate": 1, "before": 4, "after": 4, "client": "c802", "source": "src803",
          "origin": "sn808", "path": "news", "buffer": 1000, "transport": "auto"}

WORDS = {"kill-sn": "was killed (SIGKILL)", "hang-sn": "was stopped (SIGSTOP)",
         "cut-sn": "was cut off (its link went down)", "slow-sn": "paused"}
REASONS = {"closed": "the connection to it was closed", "silence": "no packets came",
           "icmp": "the network said that it cannot be reached"}


def begin(lab):
    """On the air, and playing: (source, player)."""
    par = lab.params
    path = lab.fresh(par["path"])
    url = f"rtsp://{lab.topo.service}/{path}"
    source = lab.publish(par["source"], f"rtsp://{lab.topo.address(par['origin'])}/{path}",
                         rate=par["rate"])
    lab.wait_service(par["client"], url)
    player = lab.play(par["client"], url, ["--buffer", str(par["buffer"]),
                                           "--transport", par["transport"]])
    player.wait("playing")
    first = player.serving
    lab.check(first in lab.net and lab.net[first].kind == "service node",
              f"the client was sent to a service node ({first})")
    # At least as long as the buffer takes to fill, so that the fault meets a stream that plays.
    lab.pause(par["buffer"] / 1000 + lab.random.uniform(0.5, par["before"]))
    return source, player


def finish(lab, source, player):
    """To the end of the stream, and what the client says of it."""
    lab.pause(lab.params["after"])
    source.end()
    ended = player.wait_end(25)
    lab.check(ended.get("lost") == 0, f"the client lost nothing (lost: {ended.get('lost')})")
    lab.expect_same(source, player)
    accounts.expect_one(lab, player, source.url.rsplit("/", 1)[1], ended.get("received"))
    lab.measured.update({k: ended.get(k) for k in
                         ("received", "written", "lost", "nacked", "recovered", "duplicates",
                          "min_buffer_ms", "failovers", "false_alarms")})
    if isinstance(ended.get("failovers"), list):
        lab.measured["failovers"] = len(ended["failovers"])
    return ended


def count(ended, name):
    """A number of the `ended` event, which may list what it counts."""
    value = ended.get(name)
    return len(value) if isinstance(value, list) else value


def node_fails(lab, kind):
    """The node that serves the client fails: the client goes on at another."""
    source, player = begin(lab)
    victim = player.serving
    since = len(player.events)
    at = lab.fault(kind, victim)
    suspect = player.wait("suspect", 15, since)
    resumed = player.wait("resumed", 15, since)
    after = lab.name_of(resumed.get("to") or "")
    lab.check(after not in ("", victim), f"the client went from {victim} to another node ({after})")
    ended = finish(lab, source, player)

    packets = lab.received(player)
    new = [t for t, node in packets if node == after and t > at]
    old = [t for t, node in packets if node == victim and (not new or t < new[0])]
    if not new or not old:
        raise ScenarioError(f"no packets from {victim} and then from {after} at the client")
    lab.measured.update(
        victim=victim, successor=after, fault_at_s=round(at, 3),
        detection_ms=resumed.get("detection_ms"), transaction_ms=resumed.get("transaction_ms"),
        attach_ms=resumed.get("attach_ms"), reason=resumed.get("reason"),
        fault_to_suspect_ms=round((suspect["t"] - lab.start - at) * 1000, 1),
        fault_to_media_ms=round((new[0] - at) * 1000, 1),
        interruption_ms=round((new[0] - old[-1]) * 1000, 1))
    lab.check(count(ended, "failovers") == 1,
              f"it took one failover ({count(ended, 'failovers')})")
    tell(lab, kind)


def tell(lab, kind):
    """The story of a failover."""
    m, par = lab.measured, lab.params

    def ms(key):
        return f"{m[key]:.0f} ms" if isinstance(m.get(key), (int, float)) else "unknown"

    lab.tell(f"{m['victim']} {WORDS.get(kind, kind)} {m['fault_at_s']:.2f} s after the start, "
             f"while it served {par['client']} a stream of {par['rate']} Mbit/s.")
    reason = REASONS.get(m.get("reason"), m.get("reason") or "no reason given")
    lab.tell(f"{par['client']} suspected it {ms('fault_to_suspect_ms')} later ({reason}), asked "
             f"{lab.topo.service} again ({ms('transaction_ms')}), was sent to {m['successor']}, "
             f"and attached there ({ms('attach_ms')}).")
    lab.tell(f"The first packet from {m['successor']} came {ms('fault_to_media_ms')} after the "
             f"fault; no packet came at all for {ms('interruption_ms')}.")
    lab.tell(f"Playback: {m['lost']} of {m['written']} packets lost, {m['nacked']} asked for "
             f"again, {m['duplicates']} came twice; the buffer of {par['buffer']} ms never fell "
             f"below {ms('min_buffer_ms')}.")


def node_is_slow(lab):
    """The node only pauses: the client suspects it, but stays."""
    source, player = begin(lab)
    node = player.serving
    since = len(player.events)
    at = lab.fault("hang", node)
    # It goes on as soon as it is suspected: before a new attachment can be there, for that takes
    # at least four times the way to the client and back.
    suspect = player.wait("suspect", 5, since)
    until = lab.fault("cont", node)
    lab.measured.update(victim=node, fault_at_s=round(at, 3),
                        pause_ms=round((until - at) * 1000, 1),
                        detection_ms=suspect.get("silence_ms"))
    alarm = player.wait("false_alarm", 10, since)
    lab.check(lab.name_of(alarm.get("node") or node) == node, f"the client stayed with {node}")
    ended = finish(lab, source, player)
    lab.check(count(ended, "failovers") == 0,
              f"there was no failover ({count(ended, 'failovers')})")
    lab.check((count(ended, "false_alarms") or 0) >= 1, "there was a false alarm")
    later = {n for t, n in lab.received(player) if t > at + 1.0}
    lab.check(later == {node}, f"all packets kept coming from {node} ({', '.join(sorted(later))})")
    m = lab.measured
    lab.tell(f"{node} paused for {m['pause_ms']:.0f} ms, {m['fault_at_s']:.2f} s after the start, "
             f"while it served {lab.params['client']}.")
    lab.tell(f"{lab.params['client']} suspected it, asked {lab.topo.service} again, but {node} "
             "went on first: it stayed there.")
    lab.tell(f"Playback: {m['lost']} of {m['written']} packets lost, {m['nacked']} asked for "
             f"again, {m['duplicates']} came twice; the buffer of {lab.params['buffer']} ms never "
             f"fell below {m['min_buffer_ms']:.0f} ms.")
