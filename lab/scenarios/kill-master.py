# SPDX-License-Identifier: GPL-2.0-or-later
"""The master of a cluster of ARNs is killed: the next one takes over, until it is back."""

from nearlab_lib import cluster

topologies = ["fig5"]
params = dict(cluster.PARAMS)
order = 1


def run(lab):
    cluster.master_fails(lab, "kill", "was killed (SIGKILL)")
