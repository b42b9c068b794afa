/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks nodes' control ports (lib/survey.h): a UDP socket for each address family, the seal, and the
 * kernel's times of what is sent and received. Who is asked when is decided elsewhere (arn/far.h).
 */
#ifndef ARN_SURVEYOR_H
#define ARN_SURVEYOR_H

#include "arn/far.h"
#include "lib/loop.h"
#include "lib/survey.h"
#include "lib/wire.h"

struct surveyor_conf {
	const char *name; /* of this ARN, borrowed */
	ns_t skew;
	const struct wire_keys *keys; /* borrowed; may be changed in place */
	/* An authentic answer to this ARN, to a question that was sent to `from` and not answered
	 * before. rtt: of the path, without the time that the node held it; < 0: not measured. */
	void (*answered)(
		void *arg, const struct addr *from, const struct survey_answer *a, ns_t rtt);
	void *arg;
};

struct surveyor;
/* NULL without memory. Sockets are opened when they are needed. */
struct surveyor *surveyor_new(struct loop *l, const struct surveyor_conf *c);
void surveyor_free(struct surveyor *s);
/* Sends it, once. 0 or negative errno, which has been logged. */
int surveyor_ask(struct surveyor *s, const struct far_question *q);

#endif
