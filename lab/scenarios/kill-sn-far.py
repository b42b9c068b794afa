# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent of the node is killed that serves a client far away, whose link loses and reorders packets."""

from nearlab_lib import failover

topologies = ["fig6"]
params = {**failover.PARAMS, "delay": 30, "jitter": 8, "loss": 2, "buffer": 2000}
order = 5


def run(lab):
    failover.node_fails(lab, "kill-sn")
