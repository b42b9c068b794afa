# SPDX-License-Identifier: GPL-2.0-or-later

noinst_LIBRARIES += nearctl/libnearctl.a
nearctl_libnearctl_a_SOURCES = \
	nearctl/accounting.c \
	nearctl/accounting.h \
	nearctl/table.c \
	nearctl/table.h

bin_PROGRAMS += nearctl/nearctl
nearctl_nearctl_SOURCES = nearctl/main.c
nearctl_nearctl_LDADD = nearctl/libnearctl.a $(nearcast_libs)
