# SPDX-License-Identifier: GPL-2.0-or-later
"""Of several ARNs that share the clients, one is killed: only its share is disturbed."""

from nearlab_lib import cluster
from nearlab_lib.scenario import ScenarioError

topologies = ["fig5"]
params = {**cluster.PARAMS, "active": "all", "interval": 10}
order = 8


def run(lab):
    if lab.topo.next_hop("A1"):
        raise ScenarioError("ecmp-kill is for a figure 5 with --param active=all")
    cluster.one_of_all_dies(lab)
