# SPDX-License-Identifier: GPL-2.0-or-later
"""An AS of the first tier dies; all clients reach an ARN by other ways."""

from nearlab_lib import world

topologies = ["internet"]
params = {"system": "", "hold": 3.0, "interval": 50}
order = 50


def run(lab):
    world.first_tier_dies(lab)
