# SPDX-License-Identifier: GPL-2.0-or-later
"""The web server of the node that a client downloads from is stopped during a download: it goes on at the byte."""

from nearlab_lib import webfail

topologies = ["fig6"]
params = dict(webfail.PARAMS)
order = 43


def run(lab):
    webfail.download_fails(lab, "hang")
