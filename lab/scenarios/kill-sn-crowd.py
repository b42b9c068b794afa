# SPDX-License-Identifier: GPL-2.0-or-later
"""The node that serves a crowd of clients is killed."""

from nearlab_lib import doubles

topologies = ["fig6"]
params = {**doubles.PARAMS, "clients": 50}
order = 25


def run(lab):
    doubles.crowd(lab)
