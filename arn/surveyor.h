/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shell of surveys (rows H2 and H8): sends an ARN's questions to far nodes (lib/survey.h), and tells
 * of the answers that are authentic, with the latency of the path. Whom to ask when is far.h's.
 *
 * Latency is between times of the kernel's: from when the question was given to the device to when the
 * answer came from it, less what the node says that it held it. So an ARN that is busy, or a node, is
 * not farther away for it. Where the device does not tell when it sent (udp_sent), it is from just
 * before the system call; where the wall clock was set meanwhile, it is by the monotonic clock.
 *
 * An answer has to be sealed by the node whose announcement is in it, newly, for this ARN; come from the
 * very address that was asked; and carry the id of a question to it that is out. Nobody else can know
 * that before it has been answered, and it counts once.
 */
#ifndef ARN_SURVEYOR_H
#define ARN_SURVEYOR_H

#include "arn/far.h"
#include "lib/loop.h"
#include "lib/survey.h"
#include "lib/wire.h"

#define SURVEYOR_OUT 1024 /* questions that are remembered, the last ones; of each family */

struct surveyor_conf {
	const char *name; /* this ARN's, borrowed */
	ns_t skew;
	const struct wire_keys *keys; /* borrowed; may be changed in place */
	/* An authentic answer to this ARN, to a question that was sent to `from` and not answered
	 * before. rtt: of the path, without the time that the node held it; < 0: not measured. */
	void (*answered)(
		void *arg, const struct addr *from, const struct survey_answer *a, ns_t rtt);
	void *arg;
};

struct surveyor_counters {
	uint64_t sent, unsent, answered;
	uint64_t refused[WIRE_ERRORS]; /* datagrams that the seal does not let through */
	uint64_t bad_payload; /* sealed rightly, but no answer, or not its own, or not for us */
	uint64_t strays;      /* to no question that is out, or from elsewhere */
	uint64_t unstamped;   /* questions that the kernel did not say the time of */
	uint64_t unmeasured;  /* answers whose time cannot be */
};

struct surveyor;
/* NULL without memory. Sockets are opened when they are needed. */
struct surveyor *surveyor_new(struct loop *l, const struct surveyor_conf *c);
void surveyor_free(struct surveyor *s);
/* Sends it, once. 0 or negative errno, which has been logged. */
int surveyor_ask(struct surveyor *s, const struct far_question *q);
const struct surveyor_counters *surveyor_counters(const struct surveyor *s); /* s may be NULL */

#endif
