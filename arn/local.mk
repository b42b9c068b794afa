# SPDX-License-Identifier: GPL-2.0-or-later

noinst_LIBRARIES += arn/libarn.a
arn_libarn_a_SOURCES = \
	arn/directory.c \
	arn/directory.h \
	arn/fate.c \
	arn/fate.h \
	arn/redirect.c \
	arn/redirect.h \
	arn/select.c \
	arn/select.h \
	arn/snapshot.h

# With main.c:
#sbin_PROGRAMS += arn/arn
#arn_arn_SOURCES = arn/main.c
#arn_arn_LDADD = arn/libarn.a $(nearcast_libs)
