# SPDX-License-Identifier: GPL-2.0-or-later
"""The link of the master goes down and up: the next one keeps the block until it is steady."""

from nearlab_lib import cluster

topologies = ["fig5"]
params = dict(cluster.PARAMS)
order = 3


def run(lab):
    cluster.master_flaps(lab, 2)
