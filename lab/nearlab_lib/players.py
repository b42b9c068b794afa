# SPDX-License-Identifier: GPL-2.0-or-later
"""
How players take the failure of their server: client-failover beside players that know nothing of
nearcast, all in one node, served by one service node, in the same fault. A player's picture is what
it has received whole; it is noted when each part of it came, and when and how the player ended.
"""

from . import daemons, failover
from .scenario import Lines, ScenarioError

KINDS = ("kill", "hang", "cut")
PARAMS = {**failover.PARAMS, "fault": "kill", "patience": 5}
WORDS = {"kill": "killed", "hang": "stopped (SIGSTOP)", "cut": "cut off"}


def commands(url):
    """{name: command} of players that print a line for each piece of video that they have."""
    ffmpeg = [daemons.find("ffmpeg"), "-nostdin", "-hide_banner", "-loglevel", "error"]
    out = ["-i", url, "-map", "0:v", "-c", "copy", "-f", "framecrc", "-flush_packets", "1", "-"]
    return {
        "ffmpeg, UDP": [*ffmpeg, "-rtsp_transport", "udp", *out],
        "ffmpeg, TCP": [*ffmpeg, "-rtsp_transport", "tcp", *out],
        "GStreamer": ["stdbuf", "-oL", daemons.find("gst-launch-1.0"), "-v", "rtspsrc", f"location={url}",
                      "latency=200", "!", "application/x-rtp,media=video", "!", "rtph264depay", "!",
                      "fakesink", "silent=false"],
    }


class Watched(Lines):
    """A player, and when its process ended."""

    def __init__(self, lab, node, what, argv):
        self.what = what
        super().__init__(lab, node, lab.file_name(f"{node}-{what.replace(', ', '-').lower()}"), argv)
        self.expected = True  # that it ends

    def pieces(self):
        """Times at which a piece of video came."""
        mark = "chain" if self.what == "GStreamer" else "0,"
        with self.changed:
            return [t for t, text in self.lines if mark in text]

    def last(self):
        """When it said or had something last."""
        return self.pieces()[-1] if self.pieces() else None


def compared(lab):
    """The fault, and what each of them makes of it."""
    par = lab.params
    if par["fault"] not in KINDS:
        raise ScenarioError(f"fault: '{par['fault']}': expected {', '.join(KINDS)}")
    source, player = failover.begin(lab)
    url = f"rtsp://{lab.topo.service}/{source.url.rsplit('/', 1)[1]}"
    others = [Watched(lab, par["client"], what, argv) for what, argv in commands(url).items()]
    for other in others:
        other.wait_for(lambda o=other: len(o.pieces()) > 25, 20, "it plays")
    victim = player.serving
    served = lab.faults.serving(par["client"])
    lab.check(served == [victim], f"all are served by {victim} ({', '.join(served)})")
    lab.pause(lab.random.uniform(0.5, par["before"]))
    at = lab.start + lab.fault(par["fault"], victim)
    player.wait("resumed", 15)
    lab.pause(par["patience"])
    rows = [_row(lab, other, at) for other in others]
    ended = failover.finish(lab, source, player)
    lab.measured.update(fault=par["fault"], players=rows)
    lab.check(ended.get("failover_count") == 1, "client-failover took one failover")
    # What they do is theirs, and measured; that no picture comes to them from a dead node is certain.
    lab.check(all(r["goes_on"] is False for r in rows), "no other player goes on")
    lab.tell(f"{victim} was {WORDS[par['fault']]} while it served {par['client']}'s players.")
    lab.tell(f"client-failover: no packet for {ended['failovers'][0]['interruption_ms']:.0f} ms, its "
             f"buffer of {par['buffer']} ms never below {ended['min_buffer_ms']:.0f} ms: its picture "
             "goes on.")
    for row in rows:
        end = f"ended after {row['ended_s']:.2f} s with status {row['status']}" \
            if row["ended_s"] is not None else f"still waits after {par['patience']} s"
        lab.tell(f"{row['player']}: the picture stands from {row['stands_s']:.2f} s on; it {end}.")


def _row(lab, other, at):
    """What it made of it: seconds after the fault."""
    last, now = other.last(), lab.start + lab.now()
    ended = None if other.alive() else other.ended - at
    return {"player": other.what, "stands_s": round(last - at, 3),
            "goes_on": other.alive() and now - last < 1,
            "ended_s": None if ended is None else round(ended, 3), "status": other.process.poll()}
