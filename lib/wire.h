/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sealed datagram: what nodes say to each other on the group and port 7701/7702. All numbers
 * are big-endian; docs/protocol/lan.md is written from this drawing.
 *
 *   offset  size
 *        0     4   "NCST"
 *        4     1   version, 1
 *        5     1   type (enum wire_type)
 *        6     2   key id
 *        8     8   sender's id: the first 8 bytes of BLAKE2b-128 of its node id
 *       16     8   sender's epoch: its wall time in ns since 1970 when it started
 *       24     8   counter: 1, 2, … in this epoch
 *       32     8   wall time, ns since 1970, when this was sealed
 *       40     n   payload (CBOR), 0 <= n <= 1328
 *     40+n    32   MAC: BLAKE2b-256, keyed with the 32 bytes of the key, over the 40+n bytes before
 *
 * A receiver accepts a datagram only if its MAC is right, its wall time is within `skew` of the
 * receiver's own, and (epoch, counter) is above the last accepted from that sender. A sender is
 * remembered for as long as anything accepted from it would pass the check of its time, which is
 * 2 * skew after it at most. So a recording can be played again neither to a receiver that heard it
 * nor, once the skew is over, to one that did not; and only who has a key takes a place in the
 * table. A node whose clock was set back before it restarted is refused until it is forgotten.
 */
#ifndef NEARCAST_WIRE_H
#define NEARCAST_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/place.h"
#include "lib/slice.h"

#define WIRE_MAX      1400
#define WIRE_OVERHEAD 72 /* what sealing adds to a payload, bytes */
#define WIRE_KEY_LEN  32

enum wire_type {
	WIRE_ANNOUNCE = 1,
	WIRE_GOODBYE = 2,
	WIRE_HELLO = 3,   /* of an ARN to another, over TCP: arn/peer.h */
	WIRE_WELCOME = 4, /* its answer */
	WIRE_SITE = 5,    /* of an ARN to those of other sites: arn/site.h */
	WIRE_PRIME = 9,   /* lib/prime.h */
	WIRE_PRIMED = 10,
	WIRE_ATTACH = 11, /* lib/attach.h */
	WIRE_ATTACHED = 12,
	WIRE_SURVEY = 13, /* lib/survey.h */
	WIRE_SURVEYED = 14,
	WIRE_FLOOD = 15,   /* of an ARN to its neighbours: arn/flood_msg.h */
	WIRE_MEASURE = 16, /* of an ARN to those of other sites: arn/measure_msg.h */
	WIRE_MEASURED = 17,
};

struct wire_key {
	uint16_t id;
	uint8_t key[WIRE_KEY_LEN];
};

/* Keys come from a file of lines "ID HEX64" (# comments); the first is used to seal, all to open.
 */
#define WIRE_MAX_KEYS 8
struct wire_keys {
	struct wire_key key[WIRE_MAX_KEYS];
	int n;
};
/* 0, or negative errno with a message for the operator in err ("FILE:LINE: …"); *k is then empty.
 * With 0, err is "" or a warning: others than owner and group may read the file. */
int wire_keys_load(struct wire_keys *k, const char *path, char err[256]);
void wire_keys_wipe(struct wire_keys *k);
const struct wire_key *wire_keys_find(const struct wire_keys *k, uint16_t id); /* or NULL */

struct wire_sender {
	uint64_t sender; /* id */
	uint64_t epoch;
	uint64_t counter;             /* of the last sealed */
	const struct wire_keys *keys; /* borrowed */
};
uint64_t wire_sender_id(const char *node_id);
void wire_sender_init(
	struct wire_sender *s, const struct wire_keys *k, const char *node_id, int64_t wall);
/* Length; -EMSGSIZE, or -ENOKEY when there is no key. */
int wire_seal(struct wire_sender *s, enum wire_type type, const void *payload, size_t n,
	int64_t wall, uint8_t out[WIRE_MAX]);

enum wire_error {
	WIRE_OK,
	WIRE_MALFORMED,    /* too short, too long, not ours */
	WIRE_VERSION,      /* another version of this format */
	WIRE_UNKNOWN_KEY,  /* a key id that we have no key of */
	WIRE_FORGED,       /* the MAC is wrong */
	WIRE_STALE,        /* authentic, but its time is not ours: a recording, or a wrong clock */
	WIRE_REPLAYED,     /* authentic, but not above the last one of this sender */
	WIRE_TABLE_FULL,   /* authentic, of a sender more than we have room for */
	WIRE_UNKNOWN_TYPE, /* authentic, but not for here, or of a newer node: to be ignored */
	WIRE_ERRORS
};
const char *wire_error_str(enum wire_error e);

struct wire_view {
	enum wire_type type;
	uint64_t sender;
	const uint8_t *payload;
	size_t len;
};

/* The type that a datagram says it has, before anybody knows whether it is authentic: by it one can
 * choose who is to open it. < 0: none. */
int wire_type_of(const uint8_t *p, size_t n);

struct wire_receiver; /* remembers at most `max` senders */
/* Keys are borrowed; skew in ns. NULL without memory. */
struct wire_receiver *wire_receiver_new(const struct wire_keys *k, int64_t skew, int max);
void wire_receiver_free(struct wire_receiver *r);
/* Of which types it takes datagrams, WIRE_BIT(type) | …; announcements and goodbyes unless this is
 * called. What it does not take leaves no trace: a recording of what a sender said elsewhere, where
 * it counts by itself, cannot make this receiver deaf to what the sender says here. */
#define WIRE_BIT(type) (UINT64_C(1) << (type))
void wire_receiver_take(struct wire_receiver *r, uint64_t types);
/* *v is set only with WIRE_OK; the payload lies in p. A sender's id says nothing that its payload
 * does not: compare it with wire_sender_id of the name there. */
enum wire_error wire_open(
	struct wire_receiver *r, const uint8_t *p, size_t n, int64_t wall, struct wire_view *v);

/*
 * The payload of WIRE_ANNOUNCE and WIRE_GOODBYE: one CBOR map of definite length (RFC 8949), its
 * keys unsigned integers, each once, in any order; unknown keys are skipped whatever their value.
 * Nothing may follow it.
 *
 *   key  name          type                 range                       when missing
 *     1  role          unsigned             1 service node, 2 ARN       error
 *     2  id            text                 1..47 of [A-Za-z0-9._-]     error
 *     3  address       bytes                4 or 16, unicast            error
 *     4  rtsp port     unsigned             0..65535, 0: not offered    0
 *     5  http port     unsigned             0..65535, 0: not offered    0
 *     6  draining      bool                                             false
 *     7  healthy       bool                                             false
 *     8  sessions      unsigned             0..2^32-1                   0
 *     9  max sessions  unsigned             0..2^32-1, 0: unlimited     0
 *    10  kbps          unsigned             0..10^12                    0
 *    11  max kbps      unsigned             0..10^12, 0: unlimited      0
 *    12  weight        unsigned             0..65535                    100
 *    13  interval      unsigned, ms         10..3600000                 error
 *    14  block         bytes                5 or 17: bits, address      none
 *    15  standing      unsigned             0..2 (enum announce_standing)   0
 *    16  master        bool                                             false
 *    20  serves        bool                                             false
 *    17  peer port     unsigned             0..65535, 0: none           0
 *    23  channels      bytes                6 each, 768 at most         none
 *    24  attached      unsigned             0..2^32-1                   0
 *    26  delay         unsigned, us         0..2^32-1                   0
 *    27  trouble       unsigned             0..255 (enum announce_trouble)   0
 *    29  control port  unsigned             0..65535, 0: none           0
 *    30  generation    unsigned             0..2^64-1                   0
 *    31  primes        unsigned             bits: 1 rtsp, 2 http        0
 *    33  refused       bytes                4 each, 64 at most          none
 *    34  attaches      bool                                             false
 *    35  place         text                 a place's name (lib/place.h)     none
 *
 * 14 to 17 are an ARN's. From 14 on, what has the value that it has when it is missing is left out.
 * Priming (lib/prime.h) is done at the UDP control port, for the services of `primes`; a port that
 * was primed in another generation is void. A block is its length in bits and its address, whose
 * host bits are zero. A channel is its name's hash, of 32 bits, and its bit rate in kbit/s, of 16
 * bits (65535: that much or more; 0: not known), in ascending order of the hash. The hash is FNV-1a
 * of 64 bits over the path, its halves xored. Refused are channels that there was no room for on
 * the way to the node (sn-agent/budget.h), by their hashes, ascending. `attaches`: nodes of sources
 * can be attached to it, at the control port (lib/attach.h). `attached` is how many sessions of
 * clients have begun since the node started, modulo 2^32.
 */
enum announce_role { ROLE_SN = 1, ROLE_ARN = 2 };
/* How much an ARN can have the block, for the election (arn/election.h). */
enum announce_standing { STANDING_OUT, STANDING_HELD, STANDING_READY };
/* Why a node is not healthy. Newer ones may say more. */
enum announce_trouble { TROUBLE_NONE, TROUBLE_RTSP, TROUBLE_MEDIA, TROUBLE_LOOP };
const char *announce_trouble_str(enum announce_trouble t); /* a constant string */
#define ANNOUNCE_ID_LEN       48
#define ANNOUNCE_MAX_KBPS     1000000000000ull
#define ANNOUNCE_MIN_INTERVAL 10      /* ms */
#define ANNOUNCE_MAX_INTERVAL 3600000 /* ms */
#define ANNOUNCE_CHANNELS     128     /* at most, so that it fits into a datagram */
#define ANNOUNCE_CHANNEL_LEN  6       /* bytes of one: a hash, a bit rate */
#define ANNOUNCE_REFUSED      16
#define SERVICE_RTSP          1u
#define SERVICE_HTTP          2u

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
	struct prefix block;             /* of an ARN: what it serves; AF_UNSPEC: none */
	enum announce_standing standing; /* of an ARN */
	bool master;                     /* of an ARN: it takes itself for the master */
	bool serves;                     /* of an ARN, to other sites: by its own nodes */
	uint16_t peer_port;              /* of an ARN: TCP, where other ARNs connect to */
	uint32_t attached;               /* sessions of clients that have begun, ever */
	uint32_t delay_us;               /* until it answers, by its own check */
	enum announce_trouble trouble;   /* why it is not healthy */
	uint16_t control_port;           /* UDP, of primes (lib/prime.h); 0: none */
	uint64_t generation;             /* what was primed in another one is void */
	unsigned primes;                 /* SERVICE_… that it can be primed for */
	uint16_t channels;               /* that it carries; the most wanted if there are more */
	uint32_t channel[ANNOUNCE_CHANNELS];      /* announce_channel() of each, ascending */
	uint16_t channel_kbps[ANNOUNCE_CHANNELS]; /* 0: not known */
	uint16_t refused;                         /* that it had no way for a moment ago */
	uint32_t refuses[ANNOUNCE_REFUSED];       /* announce_channel() of each, ascending */
	bool attaches;                            /* it takes sources' nodes for neighbours */
	char place[PLACE_LEN];                    /* where it is; "": not said */
};
/* What stands for a channel's path. */
uint32_t announce_channel(struct slice path);
/* Its index among the channels that the node carries, or -1. */
int announce_find_channel(const struct announce *a, uint32_t channel);
/* Whether the node has just refused it for want of bandwidth on the way to it. */
bool announce_refuses(const struct announce *a, uint32_t channel);
/* Length; -EMSGSIZE; -EINVAL when a value is out of its range. */
int announce_encode(const struct announce *a, uint8_t *out, size_t cap);
/* 0, or -EINVAL; *why then names the field (or says what is wrong), a constant string. */
int announce_decode(struct announce *a, const uint8_t *p, size_t n, const char **why);

/* Whether it can be a node's name: 1..47 of [A-Za-z0-9._-]. */
bool announce_id_ok(struct slice id);

#endif
