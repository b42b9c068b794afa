# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of several that share a group hears it no more, and has unicast again."""

from nearlab_lib import local

topologies = ["fig8"]
params = {k: v for k, v in local.PARAMS.items() if k not in ("fault", "shared", "outsider")}
order = 2


def run(lab):
    local.group_breaks(lab)
