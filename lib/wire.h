/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sealed datagram: what nodes say to each other on the group and port 7701/7702.
 * docs/protocol.md draws it byte by byte:
 *
 *   0      4    5    6      8               16              24              32
 *   | NCST |ver |type|key id| sender's epoch | counter       | wall time, ns | CBOR … | MAC 32 |
 *
 * The MAC is keyed BLAKE2b-256 over all that precedes it. Epoch: the sender's wall time in ns when
 * it started; counter: 1, 2, … . A receiver accepts a sender's datagram only when its wall time is
 * within `skew` of its own and (epoch, counter) is above the last accepted from that sender (the
 * sender is named inside the authenticated payload's envelope by an 8-byte id, derived from its
 * node id). So a recording can neither be played again nor, after the skew, on a new receiver.
 */
#ifndef NEARCAST_WIRE_H
#define NEARCAST_WIRE_H

#include <stdint.h>
#include <stddef.h>

#include "lib/addr.h"
#include "lib/clock.h"

#define WIRE_MAX     1400
#define WIRE_KEY_LEN 32

enum wire_type { WIRE_ANNOUNCE = 1, WIRE_GOODBYE = 2 };

struct wire_key {
	uint16_t id;
	uint8_t key[WIRE_KEY_LEN];
};

/* Keys come from a file of lines "ID HEX64" (# comments); the first is used to seal, all to open.
 * Returns 0 or negative errno with a message for the operator in err[256]. */
struct wire_keys {
	struct wire_key key[8];
	int n;
};
int wire_keys_load(struct wire_keys *k, const char *path, char err[256]);
void wire_keys_wipe(struct wire_keys *k);

struct wire_sender {
	uint64_t sender; /* id */
	uint64_t epoch, counter;
	const struct wire_keys *keys; /* borrowed */
};
uint64_t wire_sender_id(const char *node_id);
void wire_sender_init(
	struct wire_sender *s, const struct wire_keys *k, const char *node_id, int64_t wall);
/* Length, or -EMSGSIZE. */
int wire_seal(struct wire_sender *s, enum wire_type type, const void *payload, size_t n,
	int64_t wall, uint8_t out[WIRE_MAX]);

enum wire_error {
	WIRE_OK,
	WIRE_MALFORMED,
	WIRE_VERSION,
	WIRE_UNKNOWN_KEY,
	WIRE_FORGED,
	WIRE_STALE,
	WIRE_REPLAYED,
	WIRE_TABLE_FULL,
	WIRE_ERRORS
};
const char *wire_error_str(enum wire_error e);

struct wire_view {
	enum wire_type type;
	uint64_t sender;
	const uint8_t *payload;
	size_t len;
};

struct wire_receiver; /* remembers senders, at most `max`; forgets one after `skew` of silence */
struct wire_receiver *wire_receiver_new(const struct wire_keys *k, int64_t skew, int max);
void wire_receiver_free(struct wire_receiver *r);
enum wire_error wire_open(
	struct wire_receiver *r, const uint8_t *p, size_t n, int64_t wall, struct wire_view *v);

/* The payload of an announcement (CBOR map with small integer keys; unknown keys are skipped). */
enum announce_role { ROLE_SN = 1, ROLE_ARN = 2 };
#define ANNOUNCE_ID_LEN 48
#define SERVICE_RTSP    1u
#define SERVICE_HTTP    2u

struct announce {
	enum announce_role role;
	char id[ANNOUNCE_ID_LEN];        /* the node's name: [A-Za-z0-9._-]+ */
	struct addr addr;                /* unicast, port 0: where clients are sent */
	uint16_t rtsp_port;              /* 0: not offered */
	uint16_t http_port;              /* 0: not offered */
	bool draining;                   /* takes no new clients */
	bool healthy;                    /* its service answers its own checks */
	uint32_t sessions, max_sessions; /* max 0: unlimited */
	uint64_t kbps, max_kbps;         /* sent now; capacity, 0: unlimited */
	uint16_t weight;                 /* relative share, 100 is usual */
	uint32_t interval_ms;            /* it will announce again within that */
};
/* Length or -EMSGSIZE / -EINVAL. */
int announce_encode(const struct announce *a, uint8_t *out, size_t cap);
/* 0 or -EINVAL; on error `why` names the field. */
int announce_decode(struct announce *a, const uint8_t *p, size_t n, const char **why);

#endif
