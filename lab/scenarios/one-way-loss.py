# SPDX-License-Identifier: GPL-2.0-or-later
"""Announcements do not reach the master of a cluster of ARNs, then do not leave it."""

from nearlab_lib import cluster

topologies = ["fig5"]
params = dict(cluster.PARAMS)
order = 6


def run(lab):
    cluster.one_way_loss(lab)
