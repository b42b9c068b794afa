# SPDX-License-Identifier: GPL-2.0-or-later
"""Each ARN, each link and each AS fails alone: the catchments are those that were predicted."""

from nearlab_lib import masters

topologies = ["fig4", "multimaster"]
params = {"only": "", "count": 0}
order = 5


def run(lab):
    masters.each_failure(lab)
