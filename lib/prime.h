/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Priming: what an ARN and a service node say to each other before a client is redirected (WO
 * 01/18641: "the ARN contacts an SN and installs some state Q bound to some port P", allocated by
 * the node and returned; "the unmodified client implicitly conveys the state Q via the new
 * connection"). Here are Q and the two messages, as sealed datagrams (lib/wire.h) of the node's
 * control port carry them; docs/protocol/origin.md is written from these tables. Both are CBOR maps by the
 * rules of lib/item.h.
 *
 *   WIRE_PRIME, ARN to node: have a port for this state, or keep the one that it has
 *   key  name        type               range                              when missing
 *     1  id          unsigned           1..2^64-1, of the ARN's choice     error
 *     2  from        text               the ARN's name                     error
 *     3  to          text               the node's name                    error
 *     4  generation  unsigned           the node's, as it announced it     0: not known
 *     5  service     unsigned           1 rtsp, 2 http                     error
 *     6  anycast     bytes              4 or 16: what the client asked     error
 *     7  host        text               1..253 of [A-Za-z0-9._-]           none
 *     8  origins     array of bytes     1..4 of 6 or 18: address, port     none
 *     9  channel     text               1..255, from "/" on                the URL's own path
 *    10  expect      text               1..255, from "/" on                nothing
 *
 *   WIRE_PRIMED, node to ARN: the answer; or, with id 0 and status "gone", a port that is no more
 *   key  name        type               range                              when missing
 *     1  id          unsigned           of the request                     0
 *     2  from        text               the node's name                    error
 *     3  to          text               the ARN's name                     error
 *     4  generation  unsigned           the node's                         error
 *     5  status      unsigned           enum prime_status                  0
 *     6  port        unsigned           1..65535; with status 0 and gone   0
 *     7  lifetime    unsigned, ms       1..86400000; with status 0         0
 *
 * Keys 5 to 9 of the first are Q. The same Q has the same port at a node for every ARN, whatever is
 * said twice or in another order. `expect` is not part of it: it tells of a path that a client is
 * about to ask for there, so that the node can fetch it meanwhile.
 */
#ifndef NEARCAST_PRIME_H
#define NEARCAST_PRIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/wire.h"

#define PRIME_HOST         254 /* with the NUL */
#define PRIME_PATH         256
#define PRIME_ORIGINS      4
#define PRIME_MAX_LIFETIME 86400000 /* ms */

/* State Q: what the client that comes to the port wants, and could not say. */
struct prime_state {
	unsigned service;                  /* SERVICE_RTSP or SERVICE_HTTP */
	struct addr anycast;               /* that the client asked: the provider; port 0 */
	char host[PRIME_HOST];             /* of the content's origin, its name; "": none */
	struct addr origin[PRIME_ORIGINS]; /* where it is, the best first, with ports */
	int origins;
	char channel[PRIME_PATH]; /* path at the origin; "": the one of the client's URL */
};
/* Whether two name the same thing, and so share a port. An origin with a name is told by the name
 * and the port: where it is may change. */
bool prime_state_same(const struct prime_state *a, const struct prime_state *b);
uint64_t prime_state_hash(const struct prime_state *q); /* equal for the same; not keyed */
/* Whether an origin, or how to reach it, is another than in a state that is the same. */
bool prime_state_moved(const struct prime_state *a, const struct prime_state *b);
/* Whether it is a path as it can stand in a request line, "/" and on, of PRIME_PATH - 1 at most. */
bool prime_path_ok(struct slice s);
/* For people: "rtsp 10.1.18.27 cam.acme.com:554 /live/1", into buf; returns buf. */
#define PRIME_STATE_STRLEN (PRIME_HOST + PRIME_PATH + 2 * ADDR_STRLEN + 16)
const char *prime_state_str(const struct prime_state *q, char *buf);

struct prime_ask {
	uint64_t id, generation;
	char from[ANNOUNCE_ID_LEN], to[ANNOUNCE_ID_LEN];
	struct prime_state state;
	char expect[PRIME_PATH];
};

enum prime_status {
	PRIME_GRANTED,
	PRIME_GENERATION,  /* another generation than the node's: ask again with that */
	PRIME_NO_SERVICE,  /* the node does not serve this over primed ports */
	PRIME_FULL,        /* all ports are in use */
	PRIME_DRAINING,    /* it takes no new clients */
	PRIME_NO_PORT,     /* it could not listen */
	PRIME_UNREACHABLE, /* it has no way to this origin: another address family */
	PRIME_GONE,        /* of its own accord: the port is no more */
	PRIME_STATUSES
};
const char *prime_status_str(enum prime_status s);

struct prime_answer {
	uint64_t id, generation;
	char from[ANNOUNCE_ID_LEN], to[ANNOUNCE_ID_LEN];
	enum prime_status status;
	uint16_t port;
	uint32_t lifetime_ms;
};

/* Length; -EMSGSIZE; -EINVAL when a value is out of its range. */
int prime_ask_encode(const struct prime_ask *a, uint8_t *out, size_t cap);
int prime_answer_encode(const struct prime_answer *a, uint8_t *out, size_t cap);
/* 0, or -EINVAL; *why then names the field (or says what is wrong), a constant string. */
int prime_ask_decode(struct prime_ask *a, const uint8_t *p, size_t n, const char **why);
int prime_answer_decode(struct prime_answer *a, const uint8_t *p, size_t n, const char **why);

#endif
