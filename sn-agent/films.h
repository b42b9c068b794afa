/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shell of on demand (vod.h): fetches from the master sites over HTTP, keeps the time, and does to
 * channels and sessions what the core says.
 */
#ifndef NEARCAST_SN_FILMS_H
#define NEARCAST_SN_FILMS_H

#include "lib/json.h"
#include "sn-agent/channel.h"
#include "sn-agent/vod.h"

struct agent;
struct films;

/* *err says why it returned NULL. The agent's configuration has the libraries. */
struct films *films_new(struct agent *a, int *err);
void films_free(struct films *f); /* sessions have ended, channels are closed */
void films_set_conf(struct films *f);

/* A channel whose path is in a library is sought: true, and it is LIVE or REFUSED at once, or later. */
bool films_seek(struct films *f, struct channel *ch);
void films_close(struct films *f, struct channel *ch); /* it is about to go */
/* relay_io's part. */
bool films_stored(struct films *f, struct receiver *v, uint16_t seq, struct iovec *out, ns_t now);

/* For operators; f may be NULL. */
const struct vod_counters *films_counters(struct films *f);
struct vod_figures films_figures(const struct films *f);
struct js *films_show(const struct films *f);

#endif
