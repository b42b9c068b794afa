# SPDX-License-Identifier: GPL-2.0-or-later

noinst_LIBRARIES += lib/libnearcast.a
lib_libnearcast_a_SOURCES = \
	lib/addr.c \
	lib/addr.h \
	lib/announce.c \
	lib/clock.h \
	lib/conf.c \
	lib/conf.h \
	lib/conf_impl.h \
	lib/conf_text.c \
	lib/conf_value.c \
	lib/ctl.c \
	lib/ctl.h \
	lib/ctl_client.c \
	lib/cursor.c \
	lib/cursor.h \
	lib/daemon.c \
	lib/daemon.h \
	lib/event.c \
	lib/event.h \
	lib/gap.c \
	lib/gap.h \
	lib/json.c \
	lib/json.h \
	lib/link.c \
	lib/listener.c \
	lib/log.c \
	lib/log.h \
	lib/loop.c \
	lib/loop.h \
	lib/metrics.c \
	lib/metrics.h \
	lib/netlink.h \
	lib/nlwatch.c \
	lib/rtp.c \
	lib/rtp.h \
	lib/rtspc.c \
	lib/rtspc.h \
	lib/sbuf.c \
	lib/sbuf.h \
	lib/sdp.c \
	lib/sdp.h \
	lib/slice.c \
	lib/slice.h \
	lib/stream.c \
	lib/stream.h \
	lib/text.c \
	lib/text.h \
	lib/transport.c \
	lib/tun.c \
	lib/udp.c \
	lib/udp.h \
	lib/url.c \
	lib/wire.c \
	lib/wire.h
