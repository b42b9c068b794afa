# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent of the node that plays a film on demand is killed: the film goes on at the byte."""

from nearlab_lib import vod

topologies = ["fig6"]
params = dict(vod.PARAMS)
order = 40


def run(lab):
    vod.node_fails(lab)
