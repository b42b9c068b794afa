# SPDX-License-Identifier: GPL-2.0-or-later
"""The service of a node becomes slow: clients are sent to one that is not."""

from nearlab_lib import health

topologies = ["fig5"]
params = dict(health.PARAMS)
order = 13


def run(lab):
    health.service_fails(lab, "slow")
