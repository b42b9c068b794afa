/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ARNs of different sites say to each other to find out which of them is nearest to a client (row
 * H9), as sealed datagrams of the sites' port carry it (lib/wire.h). Both are CBOR maps by the rules of
 * lib/item.h.
 *
 *   WIRE_MEASURE, to the ARNs of all sites: how far is this client from you?
 *   key  name     type           range                            when missing
 *     1  id       unsigned       1..2^64-1, of the asker's choice   error
 *     2  from     text           the ARN's name                     error
 *     3  client   bytes          4 or 16, unicast                   error
 *
 *   WIRE_MEASURED, the answer
 *   key  name     type           range                            when missing
 *     1  id       unsigned       of the question                    error
 *     2  from     text           the ARN's name                     error
 *     3  rtt      unsigned, us   0..60000000; 0: it does not answer   0
 *     4  place    text           a place's name (lib/place.h)       none
 */
#ifndef ARN_MEASURE_MSG_H
#define ARN_MEASURE_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/place.h"
#include "lib/wire.h"

#define MEASURE_MAX_RTT 60000000 /* us */

struct measure_ask {
	uint64_t id;
	char from[ANNOUNCE_ID_LEN];
	struct addr client; /* port 0 */
};

struct measure_answer {
	uint64_t id;
	char from[ANNOUNCE_ID_LEN];
	uint32_t rtt_us; /* 0: the client does not answer */
	char place[PLACE_LEN];
};

/* Length; -EMSGSIZE; -EINVAL when a value is out of its range. */
int measure_ask_encode(const struct measure_ask *a, uint8_t *out, size_t cap);
int measure_answer_encode(const struct measure_answer *a, uint8_t *out, size_t cap);
/* 0, or -EINVAL; *why then names the field (or says what is wrong), a constant string. */
int measure_ask_decode(struct measure_ask *a, const uint8_t *p, size_t n, const char **why);
int measure_answer_decode(struct measure_answer *a, const uint8_t *p, size_t n, const char **why);

#endif
