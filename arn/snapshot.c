/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/snapshot.h"

#include <stdatomic.h>
#include <stdlib.h>

struct snapshot *snapshot_new(int room)
{
	struct snapshot *s = calloc(1, sizeof(*s) + (size_t)room * sizeof(s->node[0]));

	if (s)
		atomic_init(&s->refs, 1);
	return s;
}

/* To its readers a snapshot is const; the count of them is the one thing that is not. */
static struct snapshot *own(const struct snapshot *s)
{
	return (struct snapshot *)s;
}

const struct snapshot *snapshot_ref(const struct snapshot *s)
{
	if (s)
		atomic_fetch_add_explicit(&own(s)->refs, 1, memory_order_relaxed);
	return s;
}

/* Whoever frees it has seen all that others did with it before they let go. */
void snapshot_unref(const struct snapshot *s)
{
	if (!s || atomic_fetch_sub_explicit(&own(s)->refs, 1, memory_order_acq_rel) != 1)
		return;
	primed_unref(s->primed);
	direct_unref(s->direct);
	origins_unref(s->origins);
	profile_table_unref(s->profiles);
	cas_table_unref(s->channels);
	region_table_unref(s->regions);
	region_table_unref(s->measured);
	reserve_sources_unref(s->sources);
	for (int i = 0; i < s->nodes; i++)
		reserve_counter_unref(s->node[i].reserved);
	wire_keys_wipe(&own(s)->tokens.keys);
	free(own(s));
}
