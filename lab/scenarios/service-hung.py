# SPDX-License-Identifier: GPL-2.0-or-later
"""The service of a node accepts and never answers: its clients get all from another node."""

from nearlab_lib import health

topologies = ["fig5"]
params = dict(health.PARAMS)
order = 12


def run(lab):
    health.service_fails(lab, "hung")
