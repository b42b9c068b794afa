# SPDX-License-Identifier: GPL-2.0-or-later
"""The master of a cluster of ARNs is drained: the next one takes over, and nobody notices."""

from nearlab_lib import cluster

topologies = ["fig5"]
params = dict(cluster.PARAMS)
order = 4


def run(lab):
    cluster.master_drains(lab)
