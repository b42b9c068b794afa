/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client's shell: sockets, timers, signals and files around its cores. */
#ifndef NEARCAST_CLIENT_CLIENT_H
#define NEARCAST_CLIENT_CLIENT_H

#include "client-failover/options.h"

/* Plays until the end. The exit status (sysexits.h): EX_OK; EX_UNAVAILABLE no node can be had;
 * EX_NOHOST the host's name is unknown; EX_DATAERR the stream has not what -o needs; EX_IOERR or
 * EX_CANTCREAT an output; EX_OSERR. */
int client_run(const struct options *o);

#endif
