/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From an answer to a promise: what redirect_answer() has found for one client is reserved, so that
 * the next one finds it taken. If another thread was faster, the question is asked again.
 */
#ifndef ARN_ADMIT_H
#define ARN_ADMIT_H

#include "arn/redirect.h"

/* What one connection has reserved already: players ask twice on it (OPTIONS, DESCRIBE) and attach
 * once. Zero at first. */
struct admission {
	uint64_t node; /* what stands for it */
};

/* As redirect_answer(), with the reservation made. */
void admit(struct admission *a, const struct redirect_request *rq, const struct snapshot *snapshot,
	struct redirect_response *rs);

#endif
