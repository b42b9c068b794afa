/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client-failover/delivery.h"

#define UNSUPPORTED_TRANSPORT 461 /* RFC 2326, 11.3.14 */

bool delivery_parse(struct slice s, enum delivery_mode *mode)
{
	static const char *const name[] = {
		[DELIVERY_AUTO] = "auto", [DELIVERY_UDP] = "udp", [DELIVERY_TCP] = "tcp"};

	for (int i = 0; i < 3; i++)
		if (slice_eq(s, slice_of(name[i]))) {
			*mode = (enum delivery_mode)i;
			return true;
		}
	return false;
}

bool delivery_tcp(const struct delivery *t)
{
	return t->mode == DELIVERY_TCP || (t->mode == DELIVERY_AUTO && t->blocked);
}

void delivery_heard(struct delivery *t, ns_t now)
{
	t->heard = true;
	t->heard_at = now;
	t->blocked = false;
}

ns_t delivery_doubt_at(const struct delivery *t, ns_t playing_since)
{
	ns_t at = playing_since + DELIVERY_PATIENCE;

	if (t->mode != DELIVERY_AUTO)
		return NS_NEVER;
	if (t->heard && t->heard_at + DELIVERY_TRUST > at)
		at = t->heard_at + DELIVERY_TRUST;
	return at;
}

void delivery_in_vain(struct delivery *t)
{
	t->blocked = true;
}

bool delivery_refused(const struct delivery *t, int status)
{
	return t->mode == DELIVERY_AUTO && status == UNSUPPORTED_TRANSPORT;
}
