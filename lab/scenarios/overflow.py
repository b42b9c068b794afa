# SPDX-License-Identifier: GPL-2.0-or-later
"""The nodes of a network are full: clients go to the best node elsewhere, and home again."""

from nearlab_lib import overflow

topologies = ["fig7"]
params = dict(overflow.PARAMS)
order = 1


def run(lab):
    overflow.overflow(lab)
