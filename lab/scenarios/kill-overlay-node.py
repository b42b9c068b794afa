# SPDX-License-Identifier: GPL-2.0-or-later
"""The node that the client's node has the channel from is killed."""

from nearlab_lib import overlay

topologies = ["fig6"]
params = dict(overlay.PARAMS)
order = 30


def run(lab):
    overlay.middle_fails(lab, "kill")
