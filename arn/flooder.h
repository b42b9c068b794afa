/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shell around flood.h: tells the ARNs of other sites (arn/sites.h) what load the nodes here have,
 * hears what they say of theirs, and passes it on.
 */
#ifndef ARN_FLOODER_H
#define ARN_FLOODER_H

#include "arn/directory.h"
#include "arn/flood.h"
#include "arn/sites.h"
#include "lib/json.h"
#include "lib/loop.h"

struct flooder;
/* The core's `links` are the sites, in their order. s and d are borrowed. NULL without memory. */
struct flooder *flooder_new(struct loop *l, const struct flood_conf *c,
	const struct flood_events *e, struct sites *s, const struct directory *d);
void flooder_free(struct flooder *f);
/* The nodes may have changed; to be called every so often as well. tells: of the ARNs here, this is the
 * one that speaks of them. */
void flooder_look(struct flooder *f, bool tells);
/* See flood_retell(). */
void flooder_retell(struct flooder *f);
void flooder_goodbye(struct flooder *f); /* before it is freed, unless somebody else speaks on */

const struct flood *flooder_core(const struct flooder *f);
struct js *flooder_show(const struct flooder *f); /* an array: the records */

#endif
