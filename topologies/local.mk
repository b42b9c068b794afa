# SPDX-License-Identifier: GPL-2.0-or-later

topologiesdir = $(pkgdatadir)/topologies
dist_topologies_DATA = \
	topologies/fig3.py \
	topologies/fig4.py \
	topologies/fig5.py \
	topologies/fig6.py \
	topologies/fig7.py \
	topologies/fig8.py \
	topologies/fig9.py \
	topologies/internet.py \
	topologies/multimaster.py
