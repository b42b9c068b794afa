# SPDX-License-Identifier: GPL-2.0-or-later

noinst_LIBRARIES += client-failover/libclientfailover.a
client_failover_libclientfailover_a_SOURCES = \
	client-failover/attach.c \
	client-failover/attach.h \
	client-failover/channel.c \
	client-failover/channel.h \
	client-failover/client.c \
	client-failover/client.h \
	client-failover/client_impl.h \
	client-failover/client_peers.c \
	client-failover/delivery.c \
	client-failover/delivery.h \
	client-failover/detect.c \
	client-failover/detect.h \
	client-failover/download.c \
	client-failover/download.h \
	client-failover/exchange.c \
	client-failover/exchange.h \
	client-failover/failover.c \
	client-failover/failover.h \
	client-failover/gatehead.c \
	client-failover/gatehead.h \
	client-failover/gateway.c \
	client-failover/gateway.h \
	client-failover/gateway_impl.h \
	client-failover/gateway_players.c \
	client-failover/object.c \
	client-failover/object.h \
	client-failover/options.c \
	client-failover/options.h \
	client-failover/output.c \
	client-failover/output.h \
	client-failover/play.c \
	client-failover/play.h \
	client-failover/playout.c \
	client-failover/playout.h \
	client-failover/report.c \
	client-failover/report.h \
	client-failover/response.c \
	client-failover/response.h \
	client-failover/serve.c \
	client-failover/serve.h \
	client-failover/serve_impl.h \
	client-failover/serve_media.c \
	client-failover/serve_play.c \
	client-failover/webgate.c \
	client-failover/webgate.h \
	client-failover/webget.c \
	client-failover/webget.h

bin_PROGRAMS += client-failover/client-failover
client_failover_client_failover_SOURCES = client-failover/main.c
client_failover_client_failover_LDADD = client-failover/libclientfailover.a $(nearcast_libs)
