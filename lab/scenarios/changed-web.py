# SPDX-License-Identifier: GPL-2.0-or-later
"""A download loses its node, and the other one has a newer version of the object: it says so."""

from nearlab_lib import webfail

topologies = ["fig6"]
params = dict(webfail.PARAMS)
order = 45


def run(lab):
    webfail.another_object(lab)
