/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP at the usual port and over primed ones (rows E1, B6): the agent's side of web.h. */
#ifndef NEARCAST_SN_WEB_DOOR_H
#define NEARCAST_SN_WEB_DOOR_H

#include "sn-agent/agent.h"

extern const struct primes_service web_door_service; /* its arg is the agent */

/* Opens the web service if there is to be one. 0, or an exit code; it has been logged then. */
int web_door_open(struct agent *a);
void web_door_reload(struct agent *a); /* the configuration is another */

#endif
