# SPDX-License-Identifier: GPL-2.0-or-later
"""The link of the node that the client's node has the channel from goes down."""

from nearlab_lib import overlay

topologies = ["fig6"]
params = dict(overlay.PARAMS)
order = 32


def run(lab):
    overlay.middle_fails(lab, "cut")
