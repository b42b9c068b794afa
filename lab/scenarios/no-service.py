# SPDX-License-Identifier: GPL-2.0-or-later
"""The only node of a site dies: its clients reach the other site."""

from nearlab_lib import service

topologies = ["fig3"]
params = dict(service.PARAMS)
order = 20


def run(lab):
    service.one_site(lab)
