/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CBOR (RFC 8949) as our datagrams use it: maps of definite length whose keys are unsigned
 * integers. On libcbor (item.c alone includes it), and of it only the streaming half: items are
 * read one by one out of the datagram, so that no length in it makes anybody allocate or recurse.
 */
#ifndef NEARCAST_ITEM_H
#define NEARCAST_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/slice.h"

enum item_kind {
	ITEM_OTHER,
	ITEM_UINT,
	ITEM_BOOL,
	ITEM_TEXT,
	ITEM_BYTES,
	ITEM_ARRAY,
	ITEM_MAP,
	ITEM_TAG,
	ITEM_INDEFINITE
};

struct item {
	enum item_kind kind;
	uint64_t v;     /* number, boolean, or count of an array or map */
	struct slice s; /* ITEM_TEXT, ITEM_BYTES: in the datagram */
};

struct item_reader {
	const uint8_t *p;
	size_t n; /* bytes left */
};

/* The next item's head (and its bytes, of a string). False: truncated, malformed, or of indefinite
 * length, which we do not take. */
bool item_read(struct item_reader *r, struct item *item);
/* Skips what is inside of an item that was read. */
bool item_skip(struct item_reader *r, struct item item);

/* One pair of a map: its value has been read, what is inside of an array or map is the callback's
 * to read. NULL: taken; ITEM_UNKNOWN: a key that it does not know, to be skipped; else what is
 * wrong. */
#define ITEM_UNKNOWN ((const char *)1)
typedef const char *item_pair_cb(
	void *arg, uint64_t key, const struct item *value, struct item_reader *r);
/* Reads a payload: one map, its keys unsigned integers, those below 64 each once; unknown ones are
 * skipped whatever their value; nothing follows it. NULL with a bit of *seen for each known key,
 * or what is wrong: a constant string. */
const char *item_read_map(const uint8_t *p, size_t n, item_pair_cb *cb, void *arg, uint64_t *seen);

/* A builder of one map, with a sticky error: write all, and end it. */
struct item_writer {
	uint8_t *p;
	size_t cap, n;
	size_t pairs; /* so far */
	bool full;
};
/* The map's head is put before its pairs. The length of it all, or -EMSGSIZE. */
int item_end(struct item_writer *w);
/* A pair's key; its value has to follow. */
void item_key(struct item_writer *w, unsigned key);
void item_put_array(struct item_writer *w, size_t items);
void item_put_uint(struct item_writer *w, uint64_t v);
void item_put_bool(struct item_writer *w, bool v);
void item_put_text(struct item_writer *w, const char *z);
void item_put_bytes(struct item_writer *w, const void *p, size_t n);

/* Addresses are byte strings of 4 or 16 bytes; with a port, of 6 or 18, the port last. */
void item_put_addr(struct item_writer *w, const struct addr *a, bool with_port);

/* Pairs whose values have their usual kinds. What is 0, "", false or no address is left out: that is what
 * it has when it is missing. */
void item_pair_uint(struct item_writer *w, unsigned key, uint64_t v);
void item_pair_text(struct item_writer *w, unsigned key, const char *z);
void item_pair_bool(struct item_writer *w, unsigned key, bool v);
void item_pair_addr(struct item_writer *w, unsigned key, const struct addr *a, bool with_port);

/* False: of another kind, above max, empty, with a NUL in it, too long for dst, or no address. */
bool item_get_uint(const struct item *v, uint64_t max, uint64_t *out);
bool item_get_u32(const struct item *v, uint32_t max, uint32_t *out);
bool item_get_u16(const struct item *v, uint16_t max, uint16_t *out);
bool item_get_u8(const struct item *v, uint8_t max, uint8_t *out);
bool item_get_bool(const struct item *v, bool *out);
bool item_get_text(const struct item *v, char *dst, size_t cap);
bool item_get_addr(const struct item *v, struct addr *out, bool with_port);

#endif
