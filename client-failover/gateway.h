/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gateway: unmodified players of this host play from it, over RTSP, and notice nothing when the
 * node behind it dies. */
#ifndef NEARCAST_CLIENT_GATEWAY_H
#define NEARCAST_CLIENT_GATEWAY_H

#include "client-failover/options.h"

/* Serves until SIGINT or SIGTERM. The exit status (sysexits.h): EX_OK; EX_NOHOST the URL's host is
 * unknown; EX_UNAVAILABLE its own address cannot be had; EX_OSERR. */
int gateway_run(const struct options *o);

#endif
