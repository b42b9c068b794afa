# SPDX-License-Identifier: GPL-2.0-or-later
"""The node that serves is killed (fault=hang, cut: hung, cut off): ffmpeg plays on behind a gateway."""

from nearlab_lib import gateway

topologies = ["fig6"]
params = dict(gateway.PARAMS)
order = 9


def run(lab):
    gateway.node_fails(lab)
