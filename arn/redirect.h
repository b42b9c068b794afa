/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The redirection transaction: what the anycast address answers. See redirect.c.
 */
#ifndef ARN_REDIRECT_H
#define ARN_REDIRECT_H

#include <stdbool.h>
#include <stddef.h>

#include "arn/snapshot.h"
#include "arn/want.h"
#include "lib/addr.h"
#include "lib/slice.h"
#include "lib/text.h"

#define REDIRECT_MAX_TARGET  4096 /* path and query of a request, bytes */
#define REDIRECT_MAX_ACCUSED 8
#define REDIRECT_MAX         4608 /* bytes of an answer */

struct redirect_request {
	struct slice bytes;   /* all that came on the connection and was not answered yet */
	size_t seen;          /* how many of them an earlier call has seen (so that a request in
	                       * many pieces costs linear time); 0 is always right */
	enum text_proto port; /* what is spoken at the port it came to */
	bool first;           /* of its connection: nothing was answered on it yet */
	bool last;            /* of its connection: it ends with the answer */
	struct addr client;   /* with its port */
	struct addr local; /* the address of the block that it came to; the port does not matter */
	int64_t wall;      /* now, seconds since 1970 */
	bool final;        /* it has waited for what it wants: to be answered with what is known */
};

/* What the client was given to carry along (arn/pass.h). */
enum redirect_token { REDIRECT_NO_TOKEN, REDIRECT_TOKEN_NEW, REDIRECT_TOKEN_RESUMED };

struct redirect_response {
	size_t consumed; /* bytes of the request; 0: not whole yet, and nothing else is set */
	enum text_proto proto;
	int status;
	bool close;                       /* the connection ends after this answer */
	const struct snapshot_node *node; /* where the client was sent, or NULL */
	const struct primed_port *primed; /* to this port of it, or NULL: the usual one */
	struct reservation need, room;    /* to be reserved there for it (arn/admit.h); none if
	                                   * need.sessions is 0 */
	/* The nodes that have failed the client, as it says (Nearcast-Avoid). */
	const struct snapshot_node *accused[REDIRECT_MAX_ACCUSED];
	int accusations;
	enum redirect_token token;
	bool looped;       /* refused, since it was sent in circles */
	const char *why;   /* of a refusal (status 400 and above); NULL otherwise */
	bool direct;       /* it is the ARN's own content (arn/direct.h), no redirection */
	struct slice body; /* to be sent behind `text`; good as long as the snapshot is */
	/* What it lacks. If `status` is 0, there is no answer and nothing else is set: the request
	 * is to be handed in again with a newer snapshot, or as final. Else it is only a wish. */
	struct want want;
	size_t len;
	char text[REDIRECT_MAX];
};

void redirect_answer(const struct redirect_request *rq, const struct snapshot *snapshot,
	struct redirect_response *rs);

/* Where a client is, by what is configured, or else by what was measured; "": it is known that this
 * cannot be known; NULL: it is not known yet. The snapshot's. */
const char *redirect_region(const struct snapshot *s, const struct addr *client);

/* What is asked of the selection for a client that wants this URL; it avoids nobody. */
struct select_query;
void redirect_query(struct select_query *q, enum text_proto proto, const struct addr *client,
	const struct url *u);

/* What the profile of the anycast address that was asked says goes into the query. NULL: there is
 * none yet that is known of, there or not. */
const struct profile_fact *redirect_profile(
	struct select_query *q, const struct snapshot *s, const struct addr *anycast);

/* The header in which a client names nodes that failed it, as hosts or names. */
#define REDIRECT_AVOID "Nearcast-Avoid"
/* Reads its value, a list with commas, into the query; entries past SELECT_MAX_AVOID are left. */
void redirect_parse_avoid(struct slice value, struct select_query *q);

/* What is known of the channel that a URL at this address has (row D3), whose one spelling is put
 * into url: "" when nobody is to be asked for it. NULL: nothing, or not yet. */
const struct cas_fact *redirect_channel(
	const struct snapshot *s, const struct addr *anycast, struct slice path, char url[CAS_URL]);

#endif
