# SPDX-License-Identifier: GPL-2.0-or-later
"""The node that serves the client is killed while a link of the way to all nodes fails."""

from nearlab_lib import doubles

topologies = ["fig6"]
params = dict(doubles.PARAMS)
order = 23


def run(lab):
    doubles.route_and_node(lab)
