# SPDX-License-Identifier: GPL-2.0-or-later
"""A stranger on the LAN forges, tampers with, replays and floods announcements: nobody believes him."""

from nearlab_lib import trust

topologies = ["fig3", "fig5"]
params = dict(trust.PARAMS)
order = 15


def run(lab):
    trust.stranger(lab, "P")
