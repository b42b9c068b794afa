/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking a service whether it serves: one TCP connection, one small request (OPTIONS of RTSP, HEAD
 * of HTTP), one look at the answer. A redirector asks the services of its nodes so, and a node its
 * own.
 *
 * What counts is that somebody who speaks the protocol answers in time. A redirection, a refusal
 * (401, 404) or a full house (453) is the answer of a service that works; 500 and above is not.
 *
 * A probe that fails because of the host that asks (no descriptors, no route, a loop that came
 * round too late to see an answer in time) says nothing about the service: it is void.
 */
#ifndef NEARCAST_PROBE_H
#define NEARCAST_PROBE_H

#include "lib/addr.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/text.h"

#define PROBE_MAX_PATH 128 /* with its NUL */

enum probe_result { PROBE_OK, PROBE_FAILED, PROBE_VOID };
struct probe_outcome {
	enum probe_result result;
	const char *why; /* unless PROBE_OK: a constant string */
	ns_t delay;      /* with PROBE_OK: from the first packet to the answer */
};

/* The request to a service at `at`. path: HTTP's, from "/" on. Its length; 0: does not fit. */
size_t probe_write(
	enum text_proto proto, const struct addr *at, const char *path, char *out, size_t cap);
/* The beginning of an answer, n bytes of it. NULL: it works; "" : not enough yet to say; else what
 * is wrong with it. */
const char *probe_read(enum text_proto proto, const char *p, size_t n);

/* The outcome; never from within probe_start. The probe is gone then. */
typedef void probe_cb(void *arg, const struct probe_outcome *o);

struct probe;
/* NULL: it could not even begin, and *err says why: that is void too. */
struct probe *probe_start(struct loop *l, enum text_proto proto, const struct addr *at,
	const char *path, ns_t timeout, probe_cb *cb, void *arg, int *err);
void probe_free(struct probe *p); /* without an outcome; NULL does nothing */

#endif
