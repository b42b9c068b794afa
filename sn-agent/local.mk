# SPDX-License-Identifier: GPL-2.0-or-later

noinst_LIBRARIES += sn-agent/libsnagent.a
sn_agent_libsnagent_a_SOURCES =

# With main.c:
#sbin_PROGRAMS += sn-agent/sn-agent
#sn_agent_sn_agent_SOURCES = sn-agent/main.c
#sn_agent_sn_agent_LDADD = sn-agent/libsnagent.a $(nearcast_libs)
