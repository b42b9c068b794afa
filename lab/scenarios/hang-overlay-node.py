# SPDX-License-Identifier: GPL-2.0-or-later
"""The node that the client's node has the channel from hangs."""

from nearlab_lib import overlay

topologies = ["fig6"]
params = dict(overlay.PARAMS)
order = 31


def run(lab):
    overlay.middle_fails(lab, "hang")
