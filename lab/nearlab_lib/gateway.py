# SPDX-License-Identifier: GPL-2.0-or-later
"""
Players that know nothing of nearcast, behind client-failover's gateway: ffmpeg plays over UDP and
over TCP while the node that serves the gateway fails. What they got is compared, frame by frame,
with what another ffmpeg got that plays, undisturbed, from the node where the stream is published.
"""

import signal

from . import daemons, failover
from .scenario import Lines, Player, ScenarioError

KINDS = ("kill", "hang", "cut")
PARAMS = {**failover.PARAMS, "fault": "kill"}
WORDS = {"kill": "was killed", "hang": "was stopped (SIGSTOP)", "cut": "was cut off"}
TROUBLE = ("missed", "max delay reached", "corrupt", "error", "timed out")  # ffmpeg's own words


class Gateway(Player):
    """client-failover --gateway: its events."""

    def __init__(self, lab, node, url, options):  # pylint: disable=super-init-not-called
        self.events, self.capture = [], None
        Lines.__init__(self, lab, node, lab.file_name(f"{node}-gateway"),
                       [daemons.find("client-failover"), "--gateway", "0", url, "--json", *options],
                       self._hear)
        self.address = self.wait("listening")["address"]


class Frames(Lines):
    """ffmpeg as a player: a digest of each frame as it is received whole."""

    def __init__(self, lab, node, url, way):
        self.what = f"ffmpeg over {way.upper()}"
        super().__init__(lab, node, lab.file_name(f"{node}-ffmpeg-{way}"),
                         [daemons.find("ffmpeg"), "-nostdin", "-hide_banner", "-loglevel", "warning",
                          "-rtsp_transport", way, "-i", url, "-map", "0", "-c", "copy",
                          "-f", "framemd5", "-flush_packets", "1", "-"])
        self.expected = True  # that it ends

    def frames(self, stream):
        """[(when it came, digest)] of the stream with that number."""
        with self.changed:
            return [(t, text.split(",")[5].strip()) for t, text in self.lines
                    if text.startswith(f"{stream},")]

    def plays(self, count):
        """Until it has so many frames of the first stream."""
        self.wait_for(lambda: len(self.frames(0)) >= count, 20, f"it has {count} frames")

    def end(self, timeout=20):
        """Until it has ended by itself; its exit status, None when it does not."""
        self.thread.join(timeout)
        if self.thread.is_alive():
            return None
        return self.process.wait(5)

    def troubles(self):
        """The lines of its log that say that something was not as it should be."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return [line.strip() for line in file if any(t in line.lower() for t in TROUBLE)]


def node_fails(lab):
    """The fault, and what the players made of it."""
    par = lab.params
    if par["fault"] not in KINDS:
        raise ScenarioError(f"fault: '{par['fault']}': expected {', '.join(KINDS)}")
    path = lab.fresh(par["path"])
    origin = f"rtsp://{lab.topo.address(par['origin'])}/{path}"
    source = lab.publish(par["source"], origin, rate=par["rate"])
    lab.wait_service(par["client"], f"rtsp://{lab.topo.service}/{path}")
    gateway = Gateway(lab, par["client"], f"rtsp://{lab.topo.service}",
                      ["--buffer", str(par["buffer"])])
    reference = Frames(lab, par["source"], origin, "tcp")
    reference.plays(1)
    players = [Frames(lab, par["client"], f"rtsp://{gateway.address}/{path}", way)
               for way in ("udp", "tcp")]
    for player in players:
        player.plays(25)
    lab.pause(lab.random.uniform(0.5, par["before"]))
    victim = gateway.serving
    at = lab.fault(par["fault"], victim)
    resumed = gateway.wait("resumed", 15)
    lab.pause(par["after"])
    source.end()
    lab.measured.update(victim=victim, fault_at_s=round(at, 3), fault=par["fault"],
                        interruption_ms=resumed.get("interruption_ms"))
    _judge(lab, gateway, reference, players)
    lab.tell(f"{victim} {WORDS[par['fault']]} while it served the gateway at {par['client']}: no "
             f"packet came for {resumed['interruption_ms']:.0f} ms. Two players behind it noticed "
             "nothing: "
             + ", ".join(f"{p['player']} had {p['frames'][0]} pictures and {p['frames'][1]} pieces "
                         f"of sound" for p in lab.measured["players"]) + ".")


def _judge(lab, gateway, reference, players):
    """All have ended; what they got."""
    lab.check(reference.end() == 0, "the undisturbed player ended with 0")
    rows = []
    for player in players:
        status = player.end()
        lab.check(status == 0, f"{player.what} ended with 0 ({status})")
        counts = []
        for stream, name in enumerate(("video", "audio")):
            got = [digest for _, digest in player.frames(stream)]
            whole = [digest for _, digest in reference.frames(stream)]
            counts.append(len(got))
            lab.check(got and whole[-len(got):] == got,
                      f"{player.what}: the {name} is, frame by frame, that of the undisturbed player,"
                      f" to its end ({len(got)} of {len(whole)})")
        troubles = player.troubles()
        lab.check(not troubles, f"{player.what} noticed nothing ({'; '.join(troubles) or 'its log'})")
        times = [t for t, _ in player.frames(0)]
        stood = max(b - a for a, b in zip(times, times[1:]))
        rows.append({"player": player.what, "frames": counts, "longest_pause_ms": round(stood * 1000)})
    lab.measured["players"] = rows
    ended = gateway.wait("ended")
    lab.check(ended["failover_count"] == 1 and ended["lost"] == 0,
              f"the gateway's session took one failover and lost nothing (lost: {ended['lost']})")
    lab.check(len(gateway.seen("player_joined")) == len(players), "no player began anew")
    lab.check(not gateway.seen("stalled"), "the gateway's buffer never ran dry")
    code = gateway.stop(signal.SIGTERM)
    lab.check(code == 0, f"the gateway ended with 0 ({code})")
