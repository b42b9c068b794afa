# SPDX-License-Identifier: GPL-2.0-or-later
"""The ARN of one of two sites hangs: its clients reach the other, until it is back."""

from nearlab_lib import catchment

topologies = ["fig3"]
params = dict(catchment.PARAMS)
order = 2


def run(lab):
    catchment.arn_fails(lab, "hang")
