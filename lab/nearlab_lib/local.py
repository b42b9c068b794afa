# SPDX-License-Identifier: GPL-2.0-or-later
"""
Last-hop multicast (figure 8): several clients play one channel on one network. What is asserted is
counted on its links: while they share a group, the node's link carries each packet once and nothing by
unicast, each client's link the same, and the links of others nothing.
"""

import contextlib
import json
import signal

from . import inside, pcap, rtp
from .nodes import Client
from .scenario import GROUPS, Capture, ScenarioError

PARAMS = {"rate": 1, "shared": 4, "after": 4, "fault": "kill-sn", "path": "news", "source": "P",
          "origin": "SN3", "outsider": "A1", "buffer": 1000}


def _begin(lab):
    """On the air, and shared: (source, players, the node that they play from)."""
    par = lab.params
    path = lab.fresh(par["path"])
    url = f"rtsp://{lab.topo.service}/{path}"
    source = lab.publish(par["source"], f"rtsp://{lab.topo.address(par['origin'])}/{path}",
                         rate=par["rate"])
    clients = sorted(lab.topo.of_class(Client))
    lab.wait_service(clients[0], url)
    players = [lab.play(c, url, ["--buffer", str(par["buffer"])]) for c in clients]
    return source, players, _share(lab, players, [0] * len(players))


@contextlib.contextmanager
def _deaf(node):
    """What is sent to groups does not reach it meanwhile."""
    inside.run(node.pid, inside.add_filter, "ip deaf",
               f"type filter hook input priority 0; ip daddr {GROUPS} drop;")
    try:
        yield
    finally:
        inside.run(node.pid, inside.remove_filter, "ip deaf")


def group_breaks(lab):
    """One client hears the group no more: it has unicast again, the others share on."""
    source, players, node = _begin(lab)
    first, others = players[0], players[1:]
    since = [len(p.events) for p in players]
    with _deaf(first.node):
        lab.event("hears no group any more", first.node.name)
        alarm = first.wait("false_alarm", 15, since[0])
        lab.pause(lab.params["after"])
        source.end()
    for player, n in zip(players, since):
        ended = player.wait_end(25)
        lab.check(ended.get("lost") == 0, f"{player.node.name} lost nothing ({ended.get('lost')})")
        lab.check(ended.get("failover_count") == 0, f"{player.node.name} stayed with {node}")
        lab.expect_same(source, player)
    by = [e["by"] for e in first.seen("delivery", since[0])]
    lab.check(by == ["udp"], f"{first.node.name} went back to unicast, and was not told again ({by})")
    lab.check(not any(p.seen("delivery", n) for p, n in zip(others, since[1:])),
              "the others went on with the group")
    lab.measured.update(silence_ms=alarm.get("ms"))
    lab.tell(f"{first.node.name} heard the group no more. After {alarm.get('ms')} ms of silence it had "
             f"the media by unicast from {node}, which was only slow, as it seemed; the others "
             "shared on.")


def one_copy(lab):
    """They join, the node fails, they go on at another and join there."""
    par = lab.params
    source, players, node = _begin(lab)
    links = [Link(lab, node), Link(lab, par["outsider"])]
    begin, before = lab.now(), _octets(lab, node)
    lab.pause(par["shared"])
    end, after = lab.now(), _octets(lab, node)
    _count(lab, node, players, links, begin, end)
    came, went = (after[k] - before[k] for k in ("rx", "tx"))
    lab.measured["out_for_in"] = round(went / max(came, 1), 2)
    lab.check(went < 1.5 * came, f"{node} sent about as much as it got: one copy "
              f"({lab.measured['out_for_in']} times, for {len(players)} clients)")

    since = [len(p.events) for p in players]
    at = lab.fault(par["fault"], node)
    resumed = [p.wait("resumed", 15, n) for p, n in zip(players, since)]
    other = _share(lab, players, since)
    lab.check(other != node, f"all share a group of another node then ({other})")
    lab.pause(par["after"])
    source.end()
    for player in players:
        ended = player.wait_end(25)
        lab.check(ended.get("lost") == 0, f"{player.node.name} lost nothing ({ended.get('lost')})")
        lab.check(ended.get("failover_count") == 1, f"{player.node.name}: one failover")
        lab.expect_same(source, player)
    slowest = max(r["interruption_ms"] for r in resumed)
    lab.measured.update(victim=node, successor=other, fault_at_s=round(at, 3), clients=len(players),
                        interruption_ms=slowest)
    lab.tell(f"{len(players)} clients of one network played from {node}. It told them to join "
             f"{GROUPS.split('/')[0].rsplit('.', 1)[0]}.x; for {par['shared']} s its link carried "
             f"{lab.measured['sent']} packets, each once, and none by unicast.")
    lab.tell(f"{node} failed ({par['fault']}); all went on at {other}, no packet came for "
             f"{slowest:.0f} ms at most, and it told them to join its own group.")


def _share(lab, players, since):
    """Until all hear the group of one node; its name."""
    for player, n in zip(players, since):
        player.wait_for(lambda p=player, n=n: [e for e in p.seen("delivery", n)
                                               if e["by"] == "multicast"], 20, "multicast")
    nodes = {p.serving for p in players}
    groups = {p.seen("delivery")[-1].get("group") for p in players}
    if len(nodes) != 1 or len(groups) != 1:
        raise ScenarioError(f"they are at {nodes}, in {groups}, and not all at one node")
    return nodes.pop()


def _octets(lab, node):
    """What a node's interface has received and sent so far, bytes."""
    interface = lab.net[node].defaultIntf().name
    out, _, _ = lab.net[node].pexec(["ip", "-s", "-j", "link", "show", "dev", interface])
    stats = json.loads(out)[0]["stats64"]
    return {k: stats[k]["bytes"] for k in ("rx", "tx")}


class Link:
    """What is on the link of a node, of the channel's media."""

    def __init__(self, lab, node):
        self.capture = Capture(lab, node, lab.file_name(f"{node}-link"), 160, "udp")

    def packets(self, lab, source, begin, end):
        """[(destination, ssrc, seq)] of the RTP from `source` in that time."""
        found = []
        for d in pcap.datagrams(self.capture.path):
            p = rtp.parse(d.data)
            if p and lab.name_of(d.source) == source and (
                    begin <= d.time - lab.wall - lab.start <= end):
                found.append((d.destination, p.ssrc, p.seq))
        return found


def _count(lab, node, players, links, begin, end):
    for link in links:
        link.capture.stop(signal.SIGINT)
        lab.check(link.capture.dropped() == 0, "the captures of the links are whole")
    prefix = GROUPS.rsplit(".", 1)[0] + "."
    sent = links[0].packets(lab, node, begin, end)
    lab.measured["sent"] = len(sent)
    lab.check(len(sent) > 50, f"{node} sent media ({len(sent)} packets)")
    alone = [d for d, _, _ in sent if not d.startswith(prefix)]
    lab.check(not alone, f"nothing of it went to a client alone ({len(alone)} packets)")
    lab.check(len(sent) == len(set(sent)), "each packet was on its link once")
    outside = links[1].packets(lab, node, begin, end)
    lab.check(not outside, f"nothing of it was on the link of {lab.params['outsider']}, which is not "
              f"in the group ({len(outside)} packets)")
    for player in players:
        got = [(d.destination, p.ssrc, p.seq) for d in pcap.datagrams(player.capture.path)
               if (p := rtp.parse(d.data)) and begin <= d.time - lab.wall - lab.start <= end]
        lab.check(len(got) > 50 and len(got) == len(set(got)) and
                  all(d.startswith(prefix) for d, _, _ in got),
                  f"each packet was on the link of {player.node.name} once, by multicast "
                  f"({len(got)})")
