/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the RTSP service has accounted for: its sessions as parts (lib/account.h) in the ledger. */
#ifndef NEARCAST_SN_ACCOUNTS_H
#define NEARCAST_SN_ACCOUNTS_H

#include "sn-agent/agent.h"

/* Opens the ledger, or takes over another configuration. 0 or negative errno. */
int accounts_open(struct agent *a);
/* Notes a session as it is now, for the first time or again; reason: of its end, or NULL. */
void accounts_note(struct agent *a, struct session *s, const char *reason);
/* Notes all sessions, now and then. */
void accounts_tick(struct agent *a, ns_t now);

#endif
