# SPDX-License-Identifier: GPL-2.0-or-later
"""The node that the publisher is attached to is killed; it attaches to the neighbour."""

from nearlab_lib import doubles

topologies = ["fig6"]
params = {**doubles.PARAMS, "neighbour": "sn809"}
order = 24


def run(lab):
    doubles.source_node(lab)
