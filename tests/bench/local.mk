# SPDX-License-Identifier: GPL-2.0-or-later
#
# make bench-takeover [KILLS=20]: nearcast and keepalived, whose backup is there sooner.

EXTRA_DIST += tests/bench/takeover.py

KILLS = 20
bench-takeover: all
	$(AM_V_at)lab/nearlab run fig5 $(srcdir)/tests/bench/takeover.py --param kills=$(KILLS) \
		--param delay=0; $(lab_report_is_yours)

.PHONY: bench-takeover
