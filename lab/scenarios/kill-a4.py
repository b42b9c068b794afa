# SPDX-License-Identifier: GPL-2.0-or-later
"""The affiliate's ARN dies: whom it captured reaches the master AS, until it is back."""

from nearlab_lib import masters

topologies = ["fig4"]
params = dict(masters.PARAMS)
order = 1


def run(lab):
    masters.affiliate_fails(lab)
