# SPDX-License-Identifier: GPL-2.0-or-later
"""The node that a client downloads from is cut off: the download goes on at the byte."""

from nearlab_lib import webfail

topologies = ["fig6"]
params = dict(webfail.PARAMS)
order = 44


def run(lab):
    webfail.download_fails(lab, "cut")
