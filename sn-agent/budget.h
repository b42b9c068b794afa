/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bandwidth of a link to another node, and how classes of channels share it (row F4): whole
 * streams are let in or refused, never packets dropped at random, and what was let in stays.
 *
 * The classes nest like Russian dolls (RFC 4127): the first may have the whole link; each next one,
 * together with all behind it, its share of it. So what the higher classes do not use the lower ones
 * have, up to their share, and there is always something that only the higher ones can have. The
 * class of a channel is the first one of which a path begins its own; one that fits none is of the
 * last class.
 *
 * A channel is on a link once, however many sessions it has there. It counts with what it brings, or
 * what its SDP says (b=AS, RFC 8866, 5.8) if that is more, since it may bring that the next moment; or,
 * while nothing is known, with what the configuration assumes. A core: no sockets, no clock.
 */
#ifndef NEARCAST_SN_BUDGET_H
#define NEARCAST_SN_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/slice.h"

#define BUDGET_CLASSES 8
#define BUDGET_PATHS   256

struct budget_class {
	char name[64];
	char paths[BUDGET_PATHS]; /* beginnings of paths, by ',' */
	unsigned share;           /* per cent of the link, for it and all classes behind it */
};

struct budget {
	struct budget_class of[BUDGET_CLASSES]; /* shares descend */
	int classes;                            /* 0: one, which has all */
	uint64_t assumed;                       /* kbit/s of a channel that nothing is known of */
};

/* What is on one link, kbit/s of each class. */
struct budget_use {
	uint64_t kbps[BUDGET_CLASSES];
};

/* The class of a path: 0 to BUDGET_CLASSES - 1. */
int budget_class_of(const struct budget *b, struct slice path);
const char *budget_class_name(const struct budget *b, int class);

/* What a channel counts with, of what is measured and what its SDP says; kbit/s, 0: not known. */
uint64_t budget_rate(const struct budget *b, uint64_t measured, uint64_t said);

/* Whether a stream of that class fits into a link of `link` kbit/s (0: unlimited) beside what is on it. */
bool budget_fits(const struct budget *b, uint64_t link, const struct budget_use *u, int class,
	uint64_t kbps);

/*
 * Channels that were refused for want of bandwidth, so that redirectors hear of it: who comes again is
 * sent elsewhere. Each is remembered for a while; the oldest gives way.
 */
#define REFUSALS_MAX 16

struct refusals {
	struct {
		uint32_t channel; /* announce_channel() */
		int64_t until;    /* ns_t; 0: none */
	} of[REFUSALS_MAX];
};

void refusals_note(struct refusals *r, uint32_t channel, int64_t until);
/* It has been let in: nothing is in its way any more. */
void refusals_clear(struct refusals *r, uint32_t channel);
/* Those that are remembered, ascending, each once; how many. */
int refusals_list(const struct refusals *r, int64_t now, uint32_t out[REFUSALS_MAX]);

#endif
