# SPDX-License-Identifier: GPL-2.0-or-later
"""
The budgets of the overlay's links (row F4). Each of the client's nodes has two tunnels with room for
one channel each. Channels are asked for one after the other. Three of them are such that the ARN would
send everybody who asks for them to the same node: the third one has no way to there, is refused whole,
and comes by the other node. The fifth one is refused by both. What plays loses nothing.
"""

import json

import signal

from . import daemons, media
from .players import Watched
from .scenario import Lines, ScenarioError

PARAMS = {"rate": 1, "client": "c802", "source": "src803", "origin": "sn808", "arn": "arn804",
          "budget": 1500, "after": 3}


def explain(lab, path):
    """What the ARN says to a request for a channel."""
    out, err, code = lab.net[lab.params["arn"]].pexec(
        [daemons.find("nearctl"), "--json", "explain", f"rtsp://{lab.topo.service}/{path}",
         lab.topo.address(lab.params["client"])])
    if code:
        raise ScenarioError(f"explain: {(out + err).strip()}")
    return json.loads(out)


def names(lab):
    """Five names: of the first three the ARN would choose the same node."""
    chosen = {}
    for number in range(60):
        name = lab.fresh(f"channel{number}")
        chosen.setdefault(explain(lab, name)["chosen"], []).append(name)
        same = max(chosen.values(), key=len)
        if len(same) == 5:
            return same
    raise ScenarioError(f"the ARN never chooses one node five times: {chosen}")


def publish(lab, path):
    """ffmpeg publishes a channel; what it sends is not recorded."""
    par = lab.params
    url = f"rtsp://{lab.topo.address(par['origin'])}/{path}"
    source = Lines(lab, par["source"], lab.file_name(f"{par['source']}-{path}"),
                   media.publish_command(media.clip(lab.cache, par["rate"], lab.say), url), None,
                   "stderr")

    def live():
        out, _, _ = lab.net[par["origin"]].pexec(
            [daemons.find("nearctl"), "-s", "/run/nearcast/sn.sock", "--json", "show", "channels"])
        return any(c["path"] == f"/{path}" and c["state"] == "live"
                   for c in json.loads(out)["channels"])
    daemons.wait_until(live, 20, f"{path} is on the air")
    return source


def fills_up(lab):
    """The story."""
    par = lab.params
    lab.wait_service(par["client"], f"rtsp://{lab.topo.service}/any")
    paths = names(lab)
    first = explain(lab, paths[0])["chosen"]
    sources = [publish(lab, path) for path in paths]
    players = []
    for path in paths[:4]:
        player = lab.play(par["client"], f"rtsp://{lab.topo.service}/{path}", capture=False)
        player.wait("playing", 9)  # it gives up after 10 s
        players.append(player)
    nodes = [player.serving for player in players]
    lab.check(nodes[:2] == [first] * 2, f"the first two came by {first} ({', '.join(nodes[:2])})")
    lab.check(first not in nodes[2:], f"the others came by another node ({', '.join(nodes[2:])})")
    refused = [e for e in players[2].seen("error") if e.get("status") == 453]
    lab.check(refused, "the third was refused with 453 before it was sent there")
    lab.check(_refuses(lab, paths[2]) == {first}, f"the ARN knows that {first} refuses it")

    url = f"rtsp://{lab.topo.service}/{paths[4]}"
    ffmpeg = Watched(lab, par["client"], "ffmpeg",
                     [daemons.find("ffmpeg"), "-nostdin", "-loglevel", "error", "-i", url, "-f",
                      "null", "-"])
    ffmpeg.process.wait(10)
    lab.check("453" in ffmpeg.last_words(), f"the fifth is refused: {ffmpeg.last_words()}")
    late = lab.play(par["client"], f"rtsp://{lab.topo.service}/{paths[4]}", capture=False)
    late.expected = True
    nobody = set(nodes)
    daemons.wait_until(lambda: _refuses(lab, paths[4]) == nobody, 8, "the ARN knows: by both")
    lab.check(not late.seen("playing"), "the fifth plays nowhere")
    late.stop()

    lab.pause(par["after"])
    for source in sources:
        source.stop(signal.SIGINT)
    ends = [player.wait_end(20) for player in players]
    lost = sum(e.get("lost", 1) for e in ends)
    lab.check(lost == 0, f"who plays lost nothing ({lost})")
    lab.measured.update(budget_kbps=par["budget"], nodes=nodes, lost=lost)
    lab.tell(f"Each tunnel to {' and '.join(sorted(nobody))} has a budget of {par['budget']} kbit/s, a "
             f"channel takes a little more than {par['rate'] * 1000}.")
    lab.tell(f"The ARN would have sent all to {first}. Two channels found room on its tunnels; the third "
             f"was refused with 453, and came by {nodes[2]}, as did the fourth. The fifth found no room "
             "anywhere: ffmpeg was told 453. Nobody who played lost a packet.")


def _refuses(lab, path):
    return {n["node"] for n in explain(lab, path)["nodes"] if n["refuses"]}
