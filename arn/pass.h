/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a redirection gives the client to carry along, in the one parameter of the query that is
 * ours (lib/token.h): a token, if the configuration says so; and how often it was redirected in a
 * row, so that one who is sent in circles can be told so instead of being sent on.
 *
 * Nothing is remembered about a client, so what came before has to come with it. A token counts the
 * hops in itself. Without tokens an ordinary redirection carries nothing; but a request that names
 * a node's own address and yet arrives here, as the first of its connection, is suspicious: perhaps
 * the packets to that node end at an ARN, perhaps the node sends its clients back. It is answered
 * as ever, since players do that rightly too (GStreamer, when the connection breaks between the
 * two requests of redirect.c's essay), and carries "nc=h1" along. So the circle betrays itself: the
 * next time around it says h1, then h2, and past PASS_HOPS it is over.
 *
 * A player that follows rightly is redirected twice at most; those that give up by themselves do so
 * at 10 to 50; ffmpeg never does. Hops are in a row only if the one before was a moment ago, and
 * a client that names nodes which failed it is not in a circle: it has reasons to ask again.
 */
#ifndef ARN_PASS_H
#define ARN_PASS_H

#include "arn/redirect.h"
#include "lib/token.h"

#define PASS_HOPS   5  /* redirections in a row; the next one is refused */
#define PASS_WINDOW 10 /* s since the one before, beside the clocks' skew */

struct pass {
	bool looped;                /* in circles: it is not to be redirected again */
	enum redirect_token token;  /* what its token is, if it carries one */
	char param[TOKEN_TEXT + 4]; /* "nc=…"; "": it carries nothing, and its query stays whole */
};

/* u: what the request asks for, with the Host header's authority if it names none itself. */
void pass_issue(struct pass *p, const struct redirect_request *rq, const struct snapshot *s,
	const struct url *u, enum text_proto proto, bool avoids);

#endif
