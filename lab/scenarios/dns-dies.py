# SPDX-License-Identifier: GPL-2.0-or-later
"""The name server dies while an ARN lives by it; then a node dies, and the stream goes on."""

from nearlab_lib import failover, lost_names

topologies = ["fig6"]
params = dict(failover.PARAMS)
order = 7


def run(lab):
    lost_names.run(lab)
