/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Warm connections: to each upstream there is always one RTSP connection open that is not in use,
 * so that subscribing to a channel costs no TCP handshake. It is asked OPTIONS now and then: that
 * keeps it open, measures the round trip, and tells whether the node is up. Taking it makes it the
 * taker's, and a new one is opened.
 */
#ifndef NEARCAST_SN_WARM_H
#define NEARCAST_SN_WARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/loop.h"

struct warm; /* what is kept for one upstream */
struct link; /* a connection to it */

struct link_ops {
	void (*on_open)(void *arg); /* if it was not open when taken */
	size_t (*on_data)(void *arg, const uint8_t *p, size_t n);
	void (*on_close)(void *arg, int err); /* only link_free is left to do */
};

/* up: called when the node begins or stops to answer. src: our address (port 0). */
typedef void warm_up_cb(void *arg, bool up);
struct warm *warm_new(struct loop *l, const struct addr *node, const struct addr *src,
	const char *user_agent, warm_up_cb *cb, void *arg);
void warm_free(struct warm *w);      /* links that were taken live on */
ns_t warm_rtt(const struct warm *w); /* of the last OPTIONS; 0: not known */

/* A connection for the taker, open (*open) or about to be. NULL with *err: none can be made. */
struct link *warm_take(struct warm *w, const struct link_ops *ops, void *arg, bool *open, int *err);
int link_write(struct link *k, const void *p, size_t n); /* as stream_write */
void link_free(struct link *k);

#endif
