# SPDX-License-Identifier: GPL-2.0-or-later
"""The link of the node that serves the client goes down."""

from nearlab_lib import failover

topologies = ["fig6"]
params = dict(failover.PARAMS)
order = 3


def run(lab):
    failover.node_fails(lab, "cut-sn")
