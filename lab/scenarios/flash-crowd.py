# SPDX-License-Identifier: GPL-2.0-or-later
"""A crowd comes within a second: each node gets what it has room for, and the rest is told 503."""

from nearlab_lib import capacity

topologies = ["fig5"]
params = dict(capacity.PARAMS)
order = 15


def run(lab):
    capacity.flash_crowd(lab)
