# SPDX-License-Identifier: GPL-2.0-or-later
"""The node that serves the client is killed, and then the next one, too."""

from nearlab_lib import doubles

topologies = ["fig6"]
params = dict(doubles.PARAMS)
order = 21


def run(lab):
    doubles.two_in_a_row(lab)
