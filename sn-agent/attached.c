/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/attached.h"

#include <string.h>

static struct attached_node *find(struct attached *t, const char *name)
{
	for (int i = 0; i < t->n; i++)
		if (!strcmp(t->node[i].name, name))
			return &t->node[i];
	return NULL;
}

static void take_out(struct attached *t, struct attached_node *x)
{
	size_t behind = (size_t)(t->node + t->n - (x + 1));

	memmove(x, x + 1, behind * sizeof(*x));
	t->n--;
}

int attached_tunnels(const struct attached *t)
{
	int n = 0;

	for (int i = 0; i < t->n; i++)
		n += t->node[i].tunnel;
	return n;
}

bool attached_room(const struct attached *t)
{
	return t->conf.family && !t->conf.draining && t->n < ATTACHED_MAX &&
	       attached_tunnels(t) < t->conf.max;
}

/* Whether another node has one of its addresses. */
static bool is_double(const struct attached *t, const struct attach_ask *a)
{
	for (int i = 0; i < t->n; i++)
		if (strcmp(t->node[i].name, a->from) &&
			(addr_same_host(&t->node[i].address, &a->address) ||
				addr_same_host(&t->node[i].overlay, &a->overlay)))
			return true;
	return false;
}

static enum attach_status may_be(const struct attached *t, const struct attach_ask *a,
	const struct attached_node *x, bool taken)
{
	const struct attached_conf *c = &t->conf;

	if (a->generation != c->generation)
		return ATTACH_GENERATION;
	if (a->tunnel ? !c->max || !c->family : !c->registers)
		return ATTACH_REFUSED;
	if (!strcmp(a->from, c->name) || taken || is_double(t, a))
		return ATTACH_KNOWN;
	if (a->tunnel && (a->address.sa.sa_family != c->control.sa.sa_family ||
				 a->overlay.sa.sa_family != c->family))
		return ATTACH_FAMILY;
	if (a->tunnel && (!x || !x->tunnel)) {
		if (c->draining)
			return ATTACH_DRAINING;
		if (attached_tunnels(t) >= c->max)
			return ATTACH_FULL;
	}
	return !x && t->n == ATTACHED_MAX ? ATTACH_FULL : ATTACH_GRANTED;
}

static void note(struct attached_node *x, const struct attach_ask *a, ns_t now)
{
	memcpy(x->name, a->from, sizeof(x->name));
	x->address = a->address;
	x->overlay = a->overlay;
	x->tunnel |= a->tunnel;
	x->until = now + (ns_t)a->lifetime_ms * NS_MS;
	x->channels = a->channels;
	memcpy(x->channel, a->channel, sizeof(x->channel));
}

enum attached_what attached_ask(struct attached *t, const struct attach_ask *ask, bool taken,
	ns_t now, struct attach_answer *answer, struct attached_node *node)
{
	struct attached_node *x = find(t, ask->from);
	bool had;

	*answer = (struct attach_answer){.id = ask->id, .generation = t->conf.generation};
	memcpy(answer->from, t->conf.name, sizeof(answer->from));
	memcpy(answer->to, ask->from, sizeof(answer->to));
	answer->status = may_be(t, ask, x, taken);
	if (answer->status == ATTACH_GENERATION || (!ask->lifetime_ms && !x))
		return ATTACHED_ANSWER;
	if (!ask->lifetime_ms) {
		*node = *x;
		answer->status = ATTACH_GRANTED;
		take_out(t, x);
		return node->tunnel ? ATTACHED_CLOSE : ATTACHED_ANSWER;
	}
	if (answer->status != ATTACH_GRANTED)
		return ATTACHED_ANSWER;
	if (!x) {
		x = &t->node[t->n++];
		*x = (struct attached_node){0};
	}
	had = x->tunnel;
	note(x, ask, now);
	*node = *x;
	if (!ask->tunnel)
		return ATTACHED_ANSWER;
	answer->draining = t->conf.draining;
	answer->registry = t->conf.registry;
	return had ? ATTACHED_KEEP : ATTACHED_OPEN;
}

void attached_undo(struct attached *t, const char *name)
{
	struct attached_node *x = find(t, name);

	if (x)
		take_out(t, x);
}

bool attached_expire(struct attached *t, ns_t now, struct attached_node *node)
{
	for (int i = 0; i < t->n; i++)
		if (now >= t->node[i].until) {
			*node = t->node[i];
			take_out(t, &t->node[i]);
			return true;
		}
	return false;
}

const struct addr *attached_source(const struct attached *t, struct slice path, ns_t now)
{
	if (!t->conf.registers)
		return NULL;
	for (int i = 0; i < t->n; i++)
		for (int k = 0; k < t->node[i].channels && now < t->node[i].until; k++)
			if (slice_eq(path, slice_of(t->node[i].channel[k])))
				return &t->node[i].overlay;
	return NULL;
}
