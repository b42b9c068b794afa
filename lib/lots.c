/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/lots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/secret.h"

uint64_t lots_seed(void)
{
	uint64_t seed;

	while (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		if (errno != EINTR) /* a signal came while it waited */
			abort();
	return seed;
}

void lots_init(struct lots *l, uint64_t seed)
{
	*l = (struct lots){.seed = seed};
}

uint64_t lots_draw(struct lots *l)
{
	uint8_t key[SECRET_KEY] = {0}, hash[16];
	uint64_t lot = 0;

	memcpy(key, &l->seed, sizeof(l->seed));
	while (!lot) {
		l->drawn++;
		secret_hash(key, "lots", &l->drawn, sizeof(l->drawn), hash, sizeof(hash));
		memcpy(&lot, hash, sizeof(lot));
	}
	return lot;
}
