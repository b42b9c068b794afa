# SPDX-License-Identifier: GPL-2.0-or-later
"""One of two master ASes of one block vanishes whole: its clients reach the other, until it is back."""

from nearlab_lib import masters
from nearlab_lib.scenario import ScenarioError

topologies = ["multimaster"]
params = dict(masters.PARAMS)
order = 1


def run(lab):
    if len(lab.topo.blocks()) > 1:
        raise ScenarioError("lose-master is for a multimaster with --param blocks=same")
    masters.master_fails(lab, 65501, {"C3": "A1", "C5": "A1"})
