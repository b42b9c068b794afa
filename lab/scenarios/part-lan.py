# SPDX-License-Identifier: GPL-2.0-or-later
"""The LAN of a cluster of ARNs falls in two parts, and is whole again: both ways."""

from nearlab_lib import cluster

topologies = ["fig5"]
params = dict(cluster.PARAMS)
order = 5


def run(lab):
    cluster.lan_parts(lab)
