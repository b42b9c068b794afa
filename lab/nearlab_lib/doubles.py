# SPDX-License-Identifier: GPL-2.0-or-later
"""
What the scenarios of figure 6 have in common in which one thing fails while another one does: the
ARN with the node, a second node after the first, the next node while the client goes there, a link
of the way, the node that the publisher is attached to; and the failure of a node that serves a crowd.
They need the spare parts of the topology (spares=1).
"""

import statistics

from . import failover
from .scenario import ScenarioError

PARAMS = {**failover.PARAMS, "spares": 1}
SOON = 1.0  # s, at most, between the end of one failover and the next fault


def _resumed(lab, player, since, gone):
    """Until it plays from a node that is not among `gone`: that node, and the `resumed` event."""
    def elsewhere():
        return [e for e in player.seen("resumed", since) if lab.name_of(e.get("to") or "") not in gone]

    event = player.wait_for(elsewhere, 20, f"it plays from another node than {', '.join(gone)}")[0]
    return lab.name_of(event["to"]), event


def _measure(lab, player, at, after, **more):
    """What is told and tabulated of every run."""
    new = [t for t, node in lab.received(player) if node == after and t > at]
    old = [t for t, node in lab.received(player) if not new or t < new[0]]
    if not new or not old:
        raise ScenarioError(f"no packets from {after} at {player.node.name}")
    lab.measured.update(
        fault_at_s=round(at, 3), successor=after, fault_to_media_ms=round((new[0] - at) * 1000, 1),
        interruption_ms=round((new[0] - old[-1]) * 1000, 1), **more)


def _tell(lab, text):
    m, par = lab.measured, lab.params
    lab.tell(text)
    lab.tell(f"The first packet from {m['successor']} came {m['fault_to_media_ms']:.0f} ms after the "
             f"fault; no packet came at all for {m['interruption_ms']:.0f} ms.")
    lab.tell(f"Playback: {m['lost']} of {m['written']} packets lost, {m['nacked']} asked for again; "
             f"the buffer of {par['buffer']} ms never fell below {m['min_buffer_ms']:.0f} ms.")


def arn_and_node(lab):
    """The ARN that sent the client there dies with the node: another ARN answers for it (row G4)."""
    source, player = failover.begin(lab)
    client, victim, arn = player.node.name, player.serving, lab.faults.nearest_arn(player.node.name)
    since = len(player.events)
    both = [victim, arn]
    lab.random.shuffle(both)
    at = lab.fault("kill", both[0])
    lab.fault("kill", both[1])
    after, event = _resumed(lab, player, since, [victim])
    ended = failover.finish(lab, source, player)
    lab.check(failover.count(ended, "failovers") == 1, "it took one failover")
    answers = lab.faults.nearest_arn(client)
    lab.check(answers not in (None, arn), f"another ARN answers for {arn} ({answers})")
    _measure(lab, player, at, after, victim=victim, arn=arn, reason=event.get("reason"),
             detection_ms=event.get("detection_ms"), transaction_ms=event.get("transaction_ms"),
             attach_ms=event.get("attach_ms"))
    _tell(lab, f"{victim}, which served {client}, and {arn}, which had sent it there, were killed "
          f"(SIGKILL) {at:.2f} s after the start; {answers} sent it to {after}.")


def two_in_a_row(lab):
    """The node dies; when the client plays from another one, that dies, too."""
    source, player = failover.begin(lab)
    gone, since = [player.serving], len(player.events)
    at = lab.fault("kill", gone[0])
    second, _ = _resumed(lab, player, since, gone)
    lab.pause(lab.random.uniform(0, SOON))
    gone.append(second)
    at2 = lab.fault("kill", second)
    after, event = _resumed(lab, player, since, gone)
    ended = failover.finish(lab, source, player)
    lab.check(failover.count(ended, "failovers") == 2,
              f"it took two failovers ({failover.count(ended, 'failovers')})")
    _measure(lab, player, at2, after, victim=gone[0], second=second, between_s=round(at2 - at, 3),
             detection_ms=event.get("detection_ms"), transaction_ms=event.get("transaction_ms"))
    _tell(lab, f"{gone[0]} was killed {at:.2f} s after the start, and {second}, where "
          f"{player.node.name} had gone on, {at2 - at:.2f} s later.")


def while_it_moves(lab):
    """The node dies, and so does the next one as soon as the client turns to it."""
    source, player = failover.begin(lab)
    gone, since = [player.serving], len(player.events)
    at = lab.fault("kill", gone[0])
    turn = player.wait("failover", 15, since)
    gone.append(lab.name_of(turn.get("to") or ""))
    at2 = lab.fault("kill", gone[1])
    after, _ = _resumed(lab, player, since, gone)
    ended = failover.finish(lab, source, player)
    # It may have had a first packet of the second one.
    lab.check(failover.count(ended, "failovers") in (1, 2),
              f"it took one failover or two ({failover.count(ended, 'failovers')})")
    _measure(lab, player, at, after, victim=gone[0], second=gone[1], between_s=round(at2 - at, 3))
    _tell(lab, f"{gone[0]} was killed {at:.2f} s after the start, and {gone[1]}, to which "
          f"{player.node.name} turned, {(at2 - at) * 1000:.0f} ms later.")


def route_and_node(lab):
    """A link of the way to all nodes fails with the node: routes move while the client asks."""
    source, player = failover.begin(lab)
    victim, since = player.serving, len(player.events)
    at = lab.fault("cut", "core-colo")
    lab.fault("kill", victim)
    after, event = _resumed(lab, player, since, [victim])
    failover.finish(lab, source, player)
    _measure(lab, player, at, after, victim=victim, detection_ms=event.get("detection_ms"),
             transaction_ms=event.get("transaction_ms"), attach_ms=event.get("attach_ms"))
    _tell(lab, f"{victim} was killed {at:.2f} s after the start, and at the same moment the link "
          f"core-colo went down, over which {player.node.name} and the backbone reached it.")


def source_node(lab):
    """
    The node that the publisher is attached to dies. The publisher attaches to its neighbour, as a new
    source (a publisher is no client of ours: it begins its numbers anew); the session goes on there.
    """
    par = lab.params
    source, player = failover.begin(lab)
    path = source.url.rsplit("/", 1)[1]
    at = lab.fault("kill", par["origin"])
    source.abandon(at)
    again = lab.publish(par["source"], f"rtsp://{lab.topo.address(par['neighbour'])}/{path}",
                        rate=par["rate"])
    back = lab.now()
    player.wait("restarted", 15)
    lab.pause(par["after"])
    again.end()
    ended = player.wait_end(25)
    lab.check(ended.get("lost") == 0, f"the client lost nothing (lost: {ended.get('lost')})")
    lab.expect_same([source, again], player)
    lab.measured.update({k: ended.get(k) for k in ("received", "written", "lost", "nacked")},
                        fault_at_s=round(at, 3), back_after_s=round(back - at, 3))
    lab.tell(f"{par['origin']}, which {par['source']} published at, was killed {at:.2f} s after the "
             f"start. {par['source']} was on the air again at {par['neighbour']} {back - at:.1f} s later; "
             f"{player.node.name} played on: all that had reached a node, and all of the new source.")


def crowd(lab):
    """Many clients of one node lose it at once."""
    par = lab.params
    path = lab.fresh(par["path"])
    url = f"rtsp://{lab.topo.service}/{path}"
    source = lab.publish(par["source"], f"rtsp://{lab.topo.address(par['origin'])}/{path}",
                         rate=par["rate"])
    lab.wait_service(par["client"], url)
    lab.say(f"{par['clients']} clients in {par['client']} play {url}")
    # One capture has what reaches all of them, and one story is as good as fifty.
    players = [lab.play(par["client"], url, ["--buffer", str(par["buffer"])], number == 0, number == 0)
               for number in range(par["clients"])]
    for player in players:
        player.wait("playing", 30)
    lab.pause(par["buffer"] / 1000 + lab.random.uniform(0.5, par["before"]))
    at_node = {player: player.serving for player in players}
    victim = max(set(at_node.values()), key=list(at_node.values()).count)
    hit = [player for player in players if at_node[player] == victim]
    since = {player: len(player.events) for player in players}
    at = lab.fault("kill", victim)
    moved = [_resumed(lab, player, since[player], [victim])[1] for player in hit]
    lab.pause(par["after"])
    source.end()
    ends = {player: player.wait_end(30) for player in players}
    lost = sum(e.get("lost", 1) for e in ends.values())
    lab.check(lost == 0, f"no client lost anything (lost: {lost})")
    lab.expect_all_same(source, players)
    lab.check(all(failover.count(ends[p], "failovers") == (p in hit) for p in players),
              f"the {len(hit)} clients of {victim} took one failover each, the others none")
    breaks = [e["interruption_ms"] for e in moved]
    lowest = min(e.get("min_buffer_ms", 0) for e in ends.values())
    lab.measured.update(victim=victim, clients=len(players), moved=len(hit), fault_at_s=round(at, 3),
                        lost=lost, interruption_ms=round(max(breaks), 1), min_buffer_ms=lowest,
                        interruption_median_ms=round(statistics.median(breaks), 1))
    lab.tell(f"{victim} was killed {at:.2f} s after the start, while it served {len(hit)} of "
             f"{len(players)} clients: each went on at another node, after "
             f"{statistics.median(breaks):.0f} ms without a packet (median; {max(breaks):.0f} ms at most).")
    lab.tell(f"Nobody lost a packet; no buffer of {par['buffer']} ms fell below {lowest:.0f} ms.")
