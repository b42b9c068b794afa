# SPDX-License-Identifier: GPL-2.0-or-later
"""All ARNs of a cluster are killed and start at the same moment: one of them is master."""

from nearlab_lib import cluster

topologies = ["fig5"]
params = dict(cluster.PARAMS)
order = 7


def run(lab):
    cluster.all_boot(lab)
