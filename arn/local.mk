# SPDX-License-Identifier: GPL-2.0-or-later

noinst_LIBRARIES += arn/libarn.a
arn_libarn_a_SOURCES = \
	arn/admit.c \
	arn/admit.h \
	arn/arn.c \
	arn/arn.h \
	arn/block.c \
	arn/block.h \
	arn/board.c \
	arn/board.h \
	arn/claim.c \
	arn/claim.h \
	arn/cluster.c \
	arn/cluster.h \
	arn/command.c \
	arn/config.c \
	arn/config.h \
	arn/config_naming.c \
	arn/crew.c \
	arn/crew.h \
	arn/deadman.c \
	arn/deadman.h \
	arn/direct.c \
	arn/direct.h \
	arn/direct_load.c \
	arn/direct_load.h \
	arn/direct_reader.c \
	arn/direct_reader.h \
	arn/directory.c \
	arn/directory.h \
	arn/discovery.c \
	arn/discovery.h \
	arn/election.c \
	arn/election.h \
	arn/explain.c \
	arn/fate.c \
	arn/fate.h \
	arn/guardian.c \
	arn/guardian.h \
	arn/health.c \
	arn/health.h \
	arn/listener.c \
	arn/listener.h \
	arn/meter.c \
	arn/nexthop.c \
	arn/nexthop.h \
	arn/pass.c \
	arn/pass.h \
	arn/peer.c \
	arn/peer.h \
	arn/peers.c \
	arn/peers.h \
	arn/naming.c \
	arn/naming.h \
	arn/origin.c \
	arn/origin.h \
	arn/policy.c \
	arn/policy.h \
	arn/prime.c \
	arn/prime.h \
	arn/primed.c \
	arn/primed.h \
	arn/primer.c \
	arn/primer.h \
	arn/prober.c \
	arn/prober.h \
	arn/profile.c \
	arn/profile.h \
	arn/profiles.c \
	arn/profiles.h \
	arn/redirect.c \
	arn/redirect.h \
	arn/report.h \
	arn/reserve.c \
	arn/reserve.h \
	arn/resolve.c \
	arn/resolve.h \
	arn/select.c \
	arn/select.h \
	arn/share.c \
	arn/share.h \
	arn/site.c \
	arn/site.h \
	arn/sites.c \
	arn/sites.h \
	arn/snapshot.c \
	arn/snapshot.h \
	arn/want.c \
	arn/want.h

sbin_PROGRAMS += arn/arn
arn_arn_SOURCES = arn/main.c
arn_arn_LDADD = arn/libarn.a $(nearcast_libs)
