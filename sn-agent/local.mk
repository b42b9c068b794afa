# SPDX-License-Identifier: GPL-2.0-or-later

noinst_LIBRARIES += sn-agent/libsnagent.a
sn_agent_libsnagent_a_SOURCES = \
	sn-agent/agent.c \
	sn-agent/agent.h \
	sn-agent/accounts.c \
	sn-agent/accounts.h \
	sn-agent/access.c \
	sn-agent/access.h \
	sn-agent/allot.c \
	sn-agent/allot.h \
	sn-agent/announcer.c \
	sn-agent/announcer.h \
	sn-agent/attachment.c \
	sn-agent/attachment.h \
	sn-agent/budget.c \
	sn-agent/budget.h \
	sn-agent/casd.c \
	sn-agent/casd.h \
	sn-agent/channel.c \
	sn-agent/channel.h \
	sn-agent/config.c \
	sn-agent/config.h \
	sn-agent/feed.c \
	sn-agent/feed.h \
	sn-agent/entry.c \
	sn-agent/entry.h \
	sn-agent/fetch.c \
	sn-agent/fetch.h \
	sn-agent/group.c \
	sn-agent/group.h \
	sn-agent/join.c \
	sn-agent/join.h \
	sn-agent/ledger.c \
	sn-agent/ledger.h \
	sn-agent/keyframe.c \
	sn-agent/keyframe.h \
	sn-agent/load.c \
	sn-agent/load.h \
	sn-agent/media.c \
	sn-agent/media.h \
	sn-agent/nonces.c \
	sn-agent/nonces.h \
	sn-agent/ports.c \
	sn-agent/ports.h \
	sn-agent/primes.c \
	sn-agent/primes.h \
	sn-agent/relay.c \
	sn-agent/relay.h \
	sn-agent/ring.c \
	sn-agent/ring.h \
	sn-agent/rtsp.c \
	sn-agent/rtsp.h \
	sn-agent/rtsp_door.c \
	sn-agent/rtsp_door.h \
	sn-agent/rtsp_play.c \
	sn-agent/rtsp_record.c \
	sn-agent/rtsp_request.h \
	sn-agent/selfcheck.c \
	sn-agent/selfcheck.h \
	sn-agent/server.c \
	sn-agent/server.h \
	sn-agent/service.c \
	sn-agent/session.c \
	sn-agent/session.h \
	sn-agent/show.c \
	sn-agent/unwritten.c \
	sn-agent/unwritten.h \
	sn-agent/upstream.c \
	sn-agent/upstream.h \
	sn-agent/userlist.c \
	sn-agent/userlist.h \
	sn-agent/users.c \
	sn-agent/users.h \
	sn-agent/visitors.c \
	sn-agent/visitors.h \
	sn-agent/warm.c \
	sn-agent/warm.h \
	sn-agent/web.c \
	sn-agent/web.h \
	sn-agent/web_child.c \
	sn-agent/web_child.h \
	sn-agent/web_conf.c \
	sn-agent/web_conf.h \
	sn-agent/web_door.c \
	sn-agent/web_door.h \
	sn-agent/web_report.c \
	sn-agent/web_report.h \
	sn-agent/web_server.c \
	sn-agent/web_server.h

sbin_PROGRAMS += sn-agent/sn-agent
sn_agent_sn_agent_SOURCES = sn-agent/main.c
sn_agent_sn_agent_LDADD = sn-agent/libsnagent.a $(nearcast_libs)
