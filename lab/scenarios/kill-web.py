# SPDX-License-Identifier: GPL-2.0-or-later
"""The web server of the node that a client downloads from is killed during a download: it goes on at the byte."""

from nearlab_lib import webfail

topologies = ["fig6"]
params = dict(webfail.PARAMS)
order = 42


def run(lab):
    webfail.download_fails(lab, "kill")
