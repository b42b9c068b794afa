# SPDX-License-Identifier: GPL-2.0-or-later
#
# make sim [SIM_SITES="100 300 …"]: the wide area with up to 10,000 sites and 100,000 nodes under virtual time;
#	draws the curves of docs/.

check_LIBRARIES += tests/sim/libsim.a
tests_sim_libsim_a_SOURCES = \
	tests/sim/agenda.c \
	tests/sim/agenda.h \
	tests/sim/clients.c \
	tests/sim/graph.c \
	tests/sim/graph.h \
	tests/sim/world.c \
	tests/sim/world.h \
	tests/sim/world_impl.h \
	tests/sim/zone.c \
	tests/sim/zone.h

EXTRA_PROGRAMS = tests/sim/wide
tests_sim_wide_SOURCES = tests/sim/wide.c
tests_sim_wide_LDADD = tests/sim/libsim.a arn/libarn.a $(nearcast_libs)

tests_unit_check_client_sim_LDADD = tests/sim/libsim.a $(LDADD)
tests_unit_check_flood_sim_LDADD = tests/sim/libsim.a $(LDADD)
tests_unit_check_overlay_sim_LDADD = tests/sim/libsim.a $(LDADD)
tests_unit_check_scout_crawl_LDADD = tests/sim/libsim.a $(LDADD)
tests_unit_check_scout_names_LDADD = tests/sim/libsim.a $(LDADD)
tests_unit_check_wide_sim_LDADD = tests/sim/libsim.a $(LDADD)

SIM_SITES = 10 30 100 300 1000 3000 10000

sim: tests/sim/wide
	$(AM_V_at)$(PYTHON) -B $(srcdir)/tests/sim/curves.py tests/sim/wide $(srcdir)/docs --sites $(SIM_SITES)

EXTRA_DIST += tests/sim/curves.py
.PHONY: sim
