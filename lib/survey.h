/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Surveys: how an ARN learns of a node beyond its own network (rows H2, H8; WO 01/18641: "the
 * redirector sends period[ic] 'probe' messages to the candidate servers to measure the network path
 * latency", "ARNs query service nodes for their health", "simply queries these service nodes for a
 * list of neighboring service nodes"). One question brings all three. Here are the two messages, as
 * sealed datagrams (lib/wire.h) of nodes' control ports carry them; docs/protocol/wide-area.md is
 * written from these tables. Both are CBOR maps by the rules of lib/item.h.
 *
 *   WIRE_SURVEY, ARN to node
 *   key  name        type              range                                 when missing
 *     1  id          unsigned          1..2^64-1, not to be guessed          error
 *     2  from        text              the ARN's name                        error
 *     3  to          bytes             6 or 18: the control port asked       error
 *     4  neighbours  bool              they are wanted, too                  false
 *     5  skip        unsigned          0..65535 of them                      0
 *     6  padding     bytes             anything                              none
 *
 *   WIRE_SURVEYED, the answer
 *   key  name        type              range                                 when missing
 *     1  id          unsigned          of the question                       error
 *     2  to          text              the ARN's name                        error
 *     3  held        unsigned, ns      0..60 s: from when the question
 *                                      came to when the answer was sent      error
 *     4  said        bytes             what the node announces of itself:
 *                                      a payload as of WIRE_ANNOUNCE         error
 *     5  total       unsigned          0..65535: neighbours that it has      0
 *     6  neighbours  array             of 0..16, from `skip` on, two items
 *                                      each: the control port, in 6 or 18
 *                                      bytes, and the name, a text           none
 *
 * Latency is from when the ARN's kernel sent the question to when it had the answer, less `held`, which
 * begins when the node's kernel had the question: so neither is slower for being busy.
 *
 * An answer is no longer than SURVEY_FACTOR times its question, padding included: who makes a node
 * answer to somebody else gains nothing that is worth it.
 */
#ifndef NEARCAST_SURVEY_H
#define NEARCAST_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/wire.h"

#define SURVEY_NEIGHBOURS 16 /* in one answer, at most */
#define SURVEY_MAX_TOTAL  UINT16_MAX
#define SURVEY_MAX_HELD   (60 * NS_S)
#define SURVEY_FACTOR     3
#define SURVEY_LEN        ((WIRE_MAX + SURVEY_FACTOR - 1) / SURVEY_FACTOR) /* with the seal */

struct survey_ask {
	uint64_t id;
	char from[ANNOUNCE_ID_LEN];
	struct addr to; /* with the control port */
	bool neighbours;
	uint16_t skip;
};

struct survey_neighbour {
	char id[ANNOUNCE_ID_LEN];
	struct addr control; /* with the control port */
};

struct survey_answer {
	uint64_t id;
	char to[ANNOUNCE_ID_LEN];
	ns_t held;
	struct announce said; /* a service node's */
	uint16_t total;
	int neighbours;
	struct survey_neighbour neighbour[SURVEY_NEIGHBOURS];
};

/* Length; -EMSGSIZE; -EINVAL when a value is out of its range. With
 * the seal a question is SURVEY_LEN long, or slightly more. */
int survey_ask_encode(const struct survey_ask *a, uint8_t *out, size_t cap);
int survey_answer_encode(const struct survey_answer *a, uint8_t *out, size_t cap);
/* 0, or -EINVAL; *why then names the field (or says what is wrong), a constant string. */
int survey_ask_decode(struct survey_ask *a, const uint8_t *p, size_t n, const char **why);
int survey_answer_decode(struct survey_answer *a, const uint8_t *p, size_t n, const char **why);

/* How long an answer's payload may be whose question had so many bytes with its seal; 0: none. */
size_t survey_answer_max(size_t question);

#endif
