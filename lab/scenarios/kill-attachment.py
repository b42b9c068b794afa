# SPDX-License-Identifier: GPL-2.0-or-later
"""The node that the source's node is attached to is killed: it attaches to another one."""

from nearlab_lib import attach

topologies = ["fig9"]
params = dict(attach.PARAMS)
order = 2


def run(lab):
    attach.node_dies(lab)
