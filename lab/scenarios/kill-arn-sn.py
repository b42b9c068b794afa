# SPDX-License-Identifier: GPL-2.0-or-later
"""The node that serves the client and the ARN that sent it there are killed together."""

from nearlab_lib import doubles

topologies = ["fig6"]
params = dict(doubles.PARAMS)
order = 20


def run(lab):
    doubles.arn_and_node(lab)
