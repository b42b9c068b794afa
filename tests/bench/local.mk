# SPDX-License-Identifier: GPL-2.0-or-later
#
# make bench-redirect [ROUNDS=5] [SECONDS=2]: redirections a second, beside nginx, HAProxy and the least
#	that a server on kernel sockets can do.
# make bench-takeover [KILLS=20]: nearcast and keepalived, whose backup is there sooner.
# make bench: both.

EXTRA_DIST += tests/bench/takeover.py tests/bench/redirect.py tests/bench/flood.c tests/bench/flood.h \
	tests/bench/flood.bpf.c tests/bench/minimal.c

ROUNDS = 5
SECONDS = 2
KILLS = 20

bench_tools = tests/bench/flood tests/bench/minimal tests/bench/flood.bpf.o

tests/bench/flood: $(srcdir)/tests/bench/flood.c $(srcdir)/tests/bench/flood.h
	@$(MKDIR_P) tests/bench
	$(AM_V_CC)$(CC) $(CFLAGS) -o $@ $(srcdir)/tests/bench/flood.c -lbpf

tests/bench/minimal: $(srcdir)/tests/bench/minimal.c
	@$(MKDIR_P) tests/bench
	$(AM_V_CC)$(CC) $(CFLAGS) -o $@ $(srcdir)/tests/bench/minimal.c

# The headers of the kernel's interface are in a folder of the machine's own on Debian.
tests/bench/flood.bpf.o: $(srcdir)/tests/bench/flood.bpf.c $(srcdir)/tests/bench/flood.h
	@$(MKDIR_P) tests/bench
	$(AM_V_CC)clang -O2 -g -target bpf -Wno-address-of-packed-member \
		-I/usr/include/$$($(CC) -dumpmachine) -c $(srcdir)/tests/bench/flood.bpf.c -o $@

bench-redirect: all $(bench_tools)
	$(AM_V_at)$(srcdir)/tests/integration/sandbox python3 -B $(srcdir)/tests/bench/redirect.py \
		arn/arn tests/bench --rounds $(ROUNDS) --seconds $(SECONDS)

bench-takeover: all
	$(AM_V_at)lab/nearlab run fig5 $(srcdir)/tests/bench/takeover.py --param kills=$(KILLS) \
		--param delay=0; $(lab_report_is_yours)

bench: bench-redirect bench-takeover

CLEANFILES += $(bench_tools)

.PHONY: bench bench-redirect bench-takeover
