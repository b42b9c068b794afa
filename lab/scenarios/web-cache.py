# SPDX-License-Identifier: GPL-2.0-or-later
"""A web object is fetched once by each node; then a node dies, and then the site that it came from."""

from nearlab_lib import web_cache

topologies = ["fig6"]
params = dict(web_cache.PARAMS)
order = 41


def run(lab):
    web_cache.run(lab)
