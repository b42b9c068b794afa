/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keyed hashes and secrets, on libsodium (secret.c alone includes it).
 */
#ifndef NEARCAST_SECRET_H
#define NEARCAST_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/slice.h"

#define SECRET_KEY 32 /* bytes of a key */

/* To be called once before all else here. 0, or -EIO: no source of random numbers. */
int secret_init(void);

/*
 * BLAKE2b (RFC 7693) of p[n] into out[len], 16 to 64 bytes. key: SECRET_KEY bytes, or NULL.
 * purpose: what the result is for, up to 16 characters, or "": it goes in as the hash's personal
 * string, so that one key can serve several purposes, and what was made for one of them is good for
 * no other.
 */
void secret_hash(
	const uint8_t *key, const char *purpose, const void *p, size_t n, uint8_t *out, size_t len);

/* SHA-256 (FIPS 180-4), where a protocol of others wants it. */
void secret_sha256(const void *p, size_t n, uint8_t out[32]);

/* In a time that does not depend on what differs. */
bool secret_equal(const void *a, const void *b, size_t n);

/* Zeroes a secret, also when nobody reads it again. */
void secret_wipe(void *p, size_t n);

/* Exactly 2n hexadecimal digits into out[n]. 0 or -EINVAL. */
int secret_unhex(struct slice s, uint8_t *out, size_t n);

#endif
