# SPDX-License-Identifier: GPL-2.0-or-later
#
# make bench-redirect [ROUNDS=5] [SECONDS=2]: redirections a second, beside nginx, HAProxy and the least
#	that a server on kernel sockets can do.
# make bench-relay [ROUNDS=5] [SECONDS=2] [CLIENTS=N]: how many clients one core serves a live stream to, beside
#	gst-rtsp-server; with CLIENTS whether that many are served without a gap.
# make bench-takeover [KILLS=20]: nearcast and keepalived, whose backup is there sooner.
# make bench: all.

EXTRA_DIST += tests/bench/machine.py tests/bench/takeover.py tests/bench/redirect.py tests/bench/flood.c tests/bench/flood.h \
	tests/bench/flood.bpf.c tests/bench/minimal.c tests/bench/relay.py tests/bench/audience.c \
	tests/bench/audience.h tests/bench/audience.bpf.c tests/bench/gstserver.c

ROUNDS = 5
SECONDS = 2
KILLS = 20

CLIENTS =

bench_tools = tests/bench/flood tests/bench/minimal tests/bench/flood.bpf.o
relay_tools = tests/bench/audience tests/bench/gstserver tests/bench/audience.bpf.o

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

tests/bench/audience: $(srcdir)/tests/bench/audience.c $(srcdir)/tests/bench/audience.h
	@$(MKDIR_P) tests/bench
	$(AM_V_CC)$(CC) $(CFLAGS) -D_GNU_SOURCE -o $@ $(srcdir)/tests/bench/audience.c -lbpf -lpthread

tests/bench/gstserver: $(srcdir)/tests/bench/gstserver.c
	@$(MKDIR_P) tests/bench
	$(AM_V_CC)$(CC) $(CFLAGS) -o $@ $(srcdir)/tests/bench/gstserver.c \
		$$(pkg-config --cflags --libs gstreamer-rtsp-server-1.0)

tests/bench/audience.bpf.o: $(srcdir)/tests/bench/audience.bpf.c $(srcdir)/tests/bench/audience.h
	@$(MKDIR_P) tests/bench
	$(AM_V_CC)clang -O2 -g -target bpf -Wno-address-of-packed-member \
		-I/usr/include/$$($(CC) -dumpmachine) -c $(srcdir)/tests/bench/audience.bpf.c -o $@

bench-redirect: all $(bench_tools)
	$(AM_V_at)$(srcdir)/tests/integration/sandbox python3 -B $(srcdir)/tests/bench/redirect.py \
		arn/arn tests/bench --rounds $(ROUNDS) --seconds $(SECONDS)

bench-relay: all $(relay_tools)
	$(AM_V_at)$(srcdir)/tests/integration/sandbox python3 -B $(srcdir)/tests/bench/relay.py \
		sn-agent/sn-agent tests/bench --rounds $(ROUNDS) --seconds $(SECONDS) \
		$(if $(CLIENTS),--clients $(CLIENTS))

bench-takeover: all
	$(AM_V_at)lab/nearlab run fig5 $(srcdir)/tests/bench/takeover.py --param kills=$(KILLS) \
		--param delay=0; $(lab_report_is_yours)

bench: bench-redirect bench-relay bench-takeover

CLEANFILES += $(bench_tools) $(relay_tools)

.PHONY: bench bench-redirect bench-relay bench-takeover
