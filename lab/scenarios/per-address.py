# SPDX-License-Identifier: GPL-2.0-or-later
"""Each anycast address has a master of its own; one ARN is killed: only its addresses move."""

from nearlab_lib import each

topologies = ["fig5"]
params = {"active": "each", "path": "news", "hold": 3.0, "bound": 3.0}
order = 9


def run(lab):
    each.owner_dies(lab)
