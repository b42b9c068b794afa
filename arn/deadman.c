/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "arn/deadman.h"

#include <errno.h>
#include <signal.h>

int deadman_init(struct deadman *d, ns_t bound)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};

	d->bound = bound;
	return timer_create(CLOCK_MONOTONIC, &ev, &d->timer) < 0 ? -errno : 0;
}

void deadman_grant(struct deadman *d, ns_t time)
{
	struct itimerspec left = {.it_value = {.tv_sec = time / NS_S, .tv_nsec = time % NS_S}};

	timer_settime(d->timer, 0, &left, NULL);
}

void deadman_feed(struct deadman *d)
{
	deadman_grant(d, d->bound);
}
