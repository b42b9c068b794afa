/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gateway for an http URL (rows G5 and G6): an HTTP server on this host, from which an unmodified
 * player, browser or downloader gets what the URL's host has, each answer whole although nodes die
 * under it.
 */
#ifndef NEARCAST_CLIENT_WEBGATE_H
#define NEARCAST_CLIENT_WEBGATE_H

#include "client-failover/options.h"

/* Serves until SIGINT or SIGTERM. The exit status: EX_OK; EX_NOHOST; EX_UNAVAILABLE it cannot listen
 * there; EX_OSERR. */
int webgate_run(const struct options *o);

#endif
