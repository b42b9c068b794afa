# SPDX-License-Identifier: GPL-2.0-or-later
"""The node that serves the client pauses, for less than a new attachment takes."""

from nearlab_lib import failover

topologies = ["fig6"]
params = dict(failover.PARAMS)
order = 4


def run(lab):
    failover.node_is_slow(lab)
