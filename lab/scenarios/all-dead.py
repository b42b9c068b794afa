# SPDX-License-Identifier: GPL-2.0-or-later
"""The nodes of all sites die: the sites stay, and say so."""

from nearlab_lib import service

topologies = ["fig3"]
params = dict(service.PARAMS)
order = 21


def run(lab):
    service.all_sites(lab)
