# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent of the node that serves the client is stopped: alive, but silent."""

from nearlab_lib import failover

topologies = ["fig6"]
params = dict(failover.PARAMS)
order = 2


def run(lab):
    failover.node_fails(lab, "hang-sn")
