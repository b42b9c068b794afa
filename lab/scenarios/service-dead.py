# SPDX-License-Identifier: GPL-2.0-or-later
"""The service of a node dies while its agent lives: its clients get all from another node."""

from nearlab_lib import health

topologies = ["fig5"]
params = dict(health.PARAMS)
order = 11


def run(lab):
    health.service_fails(lab, "dead")
