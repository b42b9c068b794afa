# SPDX-License-Identifier: GPL-2.0-or-later
"""A player plays HLS through a gateway, and its node's web server is killed: it notices nothing."""

from nearlab_lib import webfail

topologies = ["fig6"]
params = dict(webfail.PARAMS)
order = 46


def run(lab):
    webfail.hls_fails(lab, "kill")
