# SPDX-License-Identifier: GPL-2.0-or-later
"""A new source's node attaches itself to the network, and its channel is played there."""

from nearlab_lib import attach

topologies = ["fig9"]
params = dict(attach.PARAMS)
order = 1


def run(lab):
    attach.comes_and_goes(lab)
