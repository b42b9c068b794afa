# SPDX-License-Identifier: GPL-2.0-or-later

# With main.c:
#bin_PROGRAMS += nearctl/nearctl
#nearctl_nearctl_SOURCES = nearctl/main.c
#nearctl_nearctl_LDADD = $(nearcast_libs)
