# SPDX-License-Identifier: GPL-2.0-or-later
"""The tunnel that the client's node has the channel by goes down."""

from nearlab_lib import overlay

topologies = ["fig6"]
params = dict(overlay.PARAMS)
order = 33


def run(lab):
    overlay.middle_fails(lab, "tunnel")
