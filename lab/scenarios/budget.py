# SPDX-License-Identifier: GPL-2.0-or-later
"""More channels are asked for than the overlay's links have room for."""

from nearlab_lib import budget

topologies = ["fig6"]
params = dict(budget.PARAMS)
order = 34


def run(lab):
    budget.fills_up(lab)
