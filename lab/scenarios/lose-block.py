# SPDX-License-Identifier: GPL-2.0-or-later
"""The master AS of one of two blocks vanishes whole: the other block is not disturbed."""

from nearlab_lib import masters
from nearlab_lib.scenario import ScenarioError

topologies = ["multimaster"]
params = {**masters.PARAMS, "blocks": "disjoint"}
order = 2


def run(lab):
    if len(lab.topo.blocks()) < 2:
        raise ScenarioError("lose-block is for a multimaster with --param blocks=disjoint")
    masters.master_fails(lab, 65511, {"C1": "E1", "C2": "E2", "C3": "E1", "C4": "E1", "C5": "E1"})
