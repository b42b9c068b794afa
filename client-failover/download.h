/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command for an http URL: one object, into a file. */
#ifndef NEARCAST_CLIENT_DOWNLOAD_H
#define NEARCAST_CLIENT_DOWNLOAD_H

#include "client-failover/options.h"

/* Fetches it all. The exit status (sysexits.h): EX_OK; EX_DATAERR it became another object, or broke
 * off and cannot be resumed; EX_NOINPUT there is no such object (any HTTP error); EX_NOHOST;
 * EX_UNAVAILABLE no node can be had; EX_TEMPFAIL interrupted; EX_IOERR or EX_CANTCREAT the output;
 * EX_OSERR. */
int download_run(const struct options *o);

#endif
