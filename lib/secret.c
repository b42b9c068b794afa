/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/secret.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

_Static_assert(SECRET_KEY == crypto_generichash_blake2b_KEYBYTES, "a key's length");

int secret_init(void)
{
	return sodium_init() < 0 ? -EIO : 0;
}

void secret_hash(
	const uint8_t *key, const char *purpose, const void *p, size_t n, uint8_t *out, size_t len)
{
	uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = {0};

	memcpy(personal, purpose, strnlen(purpose, sizeof(personal)));
	crypto_generichash_blake2b_salt_personal(
		out, len, p, n, key, key ? SECRET_KEY : 0, NULL, personal);
}

void secret_sha256(const void *p, size_t n, uint8_t out[32])
{
	crypto_hash_sha256(out, p, n);
}

bool secret_equal(const void *a, const void *b, size_t n)
{
	return sodium_memcmp(a, b, n) == 0;
}

void secret_wipe(void *p, size_t n)
{
	sodium_memzero(p, n);
}

int secret_unhex(struct slice s, uint8_t *out, size_t n)
{
	size_t got;

	if (s.n != 2 * n || sodium_hex2bin(out, n, s.p, s.n, NULL, &got, NULL) || got != n)
		return -EINVAL;
	return 0;
}
