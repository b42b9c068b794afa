# SPDX-License-Identifier: GPL-2.0-or-later
"""Several clients of one network are told to join a group; their node dies, and they share anew."""

from nearlab_lib import local

topologies = ["fig8"]
params = dict(local.PARAMS)
order = 1


def run(lab):
    local.one_copy(lab)
