# SPDX-License-Identifier: GPL-2.0-or-later
"""A node's RTSP cannot be reached, which its agent does not notice: clients go to another node."""

from nearlab_lib import health

topologies = ["fig5"]
params = dict(health.PARAMS)
order = 14


def run(lab):
    health.service_fails(lab, "blocked")
