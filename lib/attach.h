/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sender attachment (WO 01/18641, figure 9): the node of a new source asks another node to be its
 * neighbour in the overlay, and says what is published at it. Here are the two messages, as sealed
 * datagrams (lib/wire.h) of nodes' control ports carry them; docs/protocol/overlay.md is written from these
 * tables. Both are CBOR maps by the rules of lib/item.h.
 *
 *   WIRE_ATTACH: have me for a neighbour, or know what I publish; again and again while it holds
 *   key  name        type              range                                 when missing
 *     1  id          unsigned          1..2^64-1, of the asker's choice      error
 *     2  from        text              the asker's name                      error
 *     3  to          bytes             6 or 18: the control port asked       error
 *     4  generation  unsigned          of the node asked                     0: not known
 *     5  tunnel      bool              its end of a tunnel is asked for      false
 *     6  address     bytes             4 or 16: where tunnels to the asker
 *                                      lead, unicast                         error
 *     7  overlay     bytes             4 or 16: the asker's in the overlay   error
 *     8  lifetime    unsigned, ms      0..600000; 0: it is over              0
 *     9  channels    array of text     1..16 of 1..255, from "/" on          none
 *
 *   WIRE_ATTACHED: the answer
 *   key  name        type              range                                 when missing
 *     1  id          unsigned          of the request                        error
 *     2  from        text              the name of the node asked            error
 *     3  to          text              the asker's name                      error
 *     4  generation  unsigned          of the node asked                     error
 *     5  status      unsigned          enum attach_status                    0
 *     6  draining    bool              look for another one meanwhile        false
 *     7  registry    bytes             6 or 18: the control port of the
 *                                      node that is to know the channels     none
 *
 * A request holds only with the generation of the node that it is sent to. Who does not know it is told
 * it (status 1), and asks again: so nothing that was recorded in an earlier life of a node is ever taken.
 */
#ifndef NEARCAST_ATTACH_H
#define NEARCAST_ATTACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/prime.h"
#include "lib/wire.h"

#define ATTACH_CHANNELS     16
#define ATTACH_MAX_LIFETIME 600000 /* ms */

/* What is asked of the anycast address over HTTP, with "?avoid=NAME,…" or without; the answer is JSON,
 * as attach_node_read() reads it. */
#define ATTACH_PATH "/.nearcast/attach"

struct attach_ask {
	uint64_t id, generation;
	char from[ANNOUNCE_ID_LEN];
	struct addr to; /* with a port */
	bool tunnel;
	struct addr address, overlay; /* port 0 */
	uint32_t lifetime_ms;
	char channel[ATTACH_CHANNELS][PRIME_PATH];
	int channels;
};

enum attach_status {
	ATTACH_GRANTED,
	ATTACH_GENERATION, /* another generation than the node's: ask again with that */
	ATTACH_REFUSED,    /* the node takes no attachments */
	ATTACH_FULL,       /* no more of them */
	ATTACH_DRAINING,   /* it takes no new ones */
	ATTACH_KNOWN,      /* name or address is that of another neighbour */
	ATTACH_FAMILY,     /* addresses of another family than the node's */
	ATTACH_NO_TUNNEL,  /* it could not be made */
	ATTACH_STATUSES
};
const char *attach_status_str(enum attach_status s);

struct attach_answer {
	uint64_t id, generation;
	char from[ANNOUNCE_ID_LEN], to[ANNOUNCE_ID_LEN];
	enum attach_status status;
	bool draining;
	struct addr registry; /* family 0: none */
};

/* Length; -EMSGSIZE; -EINVAL when a value is out of its range. */
int attach_ask_encode(const struct attach_ask *a, uint8_t *out, size_t cap);
int attach_answer_encode(const struct attach_answer *a, uint8_t *out, size_t cap);
/* 0, or -EINVAL; *why then names the field (or says what is wrong), a constant string. */
int attach_ask_decode(struct attach_ask *a, const uint8_t *p, size_t n, const char **why);
int attach_answer_decode(struct attach_answer *a, const uint8_t *p, size_t n, const char **why);

/* What a redirector answers, {"node": "SN1", "control": "10.2.0.6:7702"}. 0 or -EINVAL, and what is
 * wrong in why. */
int attach_node_read(
	struct slice text, char node[ANNOUNCE_ID_LEN], struct addr *control, char why[160]);

#endif
