# SPDX-License-Identifier: GPL-2.0-or-later
"""A colo of the Overlay ISP dies (its ARN and its node); its clients are answered by others."""

from nearlab_lib import world

topologies = ["internet"]
params = {"colo": "", "router": 0, "hold": 3.0, "interval": 50}
order = 5


def run(lab):
    world.colo_dies(lab)
