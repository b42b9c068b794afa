# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent of the node that serves the client is killed."""

from nearlab_lib import failover

topologies = ["fig6"]
params = dict(failover.PARAMS)
order = 1


def run(lab):
    failover.node_fails(lab, "kill-sn")
