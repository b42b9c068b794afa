# SPDX-License-Identifier: GPL-2.0-or-later

noinst_LIBRARIES += client-failover/libclientfailover.a
client_failover_libclientfailover_a_SOURCES =

# With main.c:
#bin_PROGRAMS += client-failover/client-failover
#client_failover_client_failover_SOURCES = client-failover/main.c
#client_failover_client_failover_LDADD = client-failover/libclientfailover.a $(nearcast_libs)
