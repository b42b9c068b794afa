/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of a player's request goes on to the nodes, and what of a node's answer goes back to the player
 * (RFC 9110, 7.6). Pure.
 *
 * To a player the gateway is the server: so what is about one connection only ends here, and
 * redirections within the host lead through the gateway again, or the next request would bypass it.
 */
#ifndef NEARCAST_CLIENT_GATEHEAD_H
#define NEARCAST_CLIENT_GATEHEAD_H

#include "client-failover/failover.h"
#include "client-failover/object.h"

#define GATE_HEADERS TEXT_MAX_HEAD

struct gate_request {
	bool to_head, keep;     /* HEAD; the connection stays for another request */
	bool old;               /* HTTP/1.0: it knows no chunks */
	char url[FAILOVER_URL]; /* at the anycast host */
	char headers[GATE_HEADERS], asked[GATE_HEADERS]; /* as struct exchange_conf has them */
	size_t headers_len, asked_len;
};

/* origin: "http://acme.com:8080", what the gateway is for. 0, or the status to refuse it with, and *why. */
int gate_take_request(
	struct gate_request *g, const struct text_msg *m, const char *origin, const char **why);

/* How the body goes to the player. */
enum gate_body { GATE_NONE, GATE_LENGTH, GATE_CHUNKED, GATE_CLOSE };
enum gate_body gate_body(const struct gate_request *g, const struct object *o);
/* The head for the player; node: the URL that it came from. GATE_CLOSE ends the connection, whatever
 * the player asked for. */
void gate_put_head(struct sbuf *b, const struct gate_request *g, const struct text_msg *m,
	const struct object *o, const char *origin, const char *node);
/* An answer of the gateway's own. `more`: header lines with CRLF, or "". */
void gate_put_refusal(struct sbuf *b, int status, const char *why, const char *more, bool keep);

/* "http://10.2.0.6:8000" of a node's URL. */
struct slice gate_origin(const char *url);

#endif
