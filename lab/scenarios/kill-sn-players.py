# SPDX-License-Identifier: GPL-2.0-or-later
"""The node that serves is killed (fault=hang, cut: hung, cut off): ffmpeg and GStreamer beside the client."""

from nearlab_lib import players

topologies = ["fig6"]
params = dict(players.PARAMS)
order = 8


def run(lab):
    players.compared(lab)
