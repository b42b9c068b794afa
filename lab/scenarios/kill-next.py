# SPDX-License-Identifier: GPL-2.0-or-later
"""The node that serves the client is killed, and the next one while the client goes there."""

from nearlab_lib import doubles

topologies = ["fig6"]
params = dict(doubles.PARAMS)
order = 22


def run(lab):
    doubles.while_it_moves(lab)
