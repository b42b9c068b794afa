/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command: one failover session, whose media are written to files. */
#ifndef NEARCAST_CLIENT_PLAY_H
#define NEARCAST_CLIENT_PLAY_H

#include "client-failover/options.h"

/* Plays until the end. The exit status (sysexits.h): EX_OK; EX_UNAVAILABLE no node can be had;
 * EX_NOHOST the host's name is unknown; EX_DATAERR the stream has not what -o needs; EX_IOERR or
 * EX_CANTCREAT an output; EX_OSERR. */
int play_run(const struct options *o);

#endif
