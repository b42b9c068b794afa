/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The redirection transaction (WO 01/18641, figure 2): a client asks the anycast address for a URL
 * and is told the same URL at a service node:
 *
 *	DESCRIBE rtsp://10.1.18.27/news RTSP/1.0      RTSP/1.0 302 Moved Temporarily
 *	CSeq: 2                                 -->   CSeq: 2
 *	                                              Location: rtsp://10.2.0.6/news
 *
 * The answer is a pure function of one request, the client's address and a snapshot of the nodes.
 * There is no clock, no socket, no memory of earlier requests, and nothing that names this ARN: so
 * whichever ARN of the anycast group a packet reaches, the answer is the same, byte for byte, and
 * a route that moves in the middle of a transaction costs at most a repetition. It is also what
 * lets tests, the fuzzer and any kind of socket call the very same function.
 *
 * What a player or a browser does with the answer decided the rest:
 *  - The host that a request names is irrelevant: GStreamer asks for the *new* URL once over the
 *    old connection, and gets the same answer again.
 *  - RTSP's OPTIONS is redirected like DESCRIBE, and the connection stays open, since players send
 *    the next request on it. HTTP ends after one answer: nothing long-lived runs over anycast.
 *  - Requests that belong to a session cannot belong to one of ours: 454.
 *  - HTTP's GET and HEAD get 302; all else 307, which alone forbids turning POST into GET. What the
 *    ARN has itself (direct.h) they get at once.
 *
 * An answer may need something that the snapshot lacks, a port that the node has to open first. Then
 * there is none yet: the want is told instead, and the same request comes again with a newer
 * snapshot, or in time as final, when it is answered with what is known (fail open). So the function
 * stays pure, and nothing in it ever waits.
 *
 * Location is put together from the node's address and from path and query, which url_parse()
 * has searched for controls and blanks. Nothing else of a request is ever echoed but CSeq, as a
 * number: so no request can put a line of its own into an answer.
 */
#include "arn/redirect.h"

#include <stdio.h>
#include <string.h>

#include "arn/pass.h"
#include "arn/policy.h"
#include "arn/select.h"
#include "lib/attach.h"
#include "lib/sbuf.h"

#define RTSP_REDIRECTED "OPTIONS, DESCRIBE, ANNOUNCE, SETUP"
#define HTTP_REDIRECTED "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"

/* One request while it is being answered. */
struct transaction {
	struct text_msg m;
	const struct redirect_request *rq;
	const struct snapshot *snapshot;
	struct redirect_response *rs;
	struct prime_state state; /* Q of this request: what the node is to know of it */
	const struct profile_service *profile; /* NULL: the configuration decides */
	bool has_cseq;
	unsigned long long cseq;
};

static const char *reason_of(enum text_proto proto, int status)
{
	switch (status) {
	case 200: return "OK";
	case 204: return "No Content";
	case 302: return proto == TEXT_HTTP ? "Found" : "Moved Temporarily";
	case 304: return "Not Modified";
	case 307: return "Temporary Redirect";
	case 400: return "Bad Request";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 411: return "Length Required";
	case 413: return proto == TEXT_HTTP ? "Content Too Large" : "Request Entity Too Large";
	case 414: return proto == TEXT_HTTP ? "URI Too Long" : "Request-URI Too Long";
	case 431: return "Request Header Fields Too Large";
	case 454: return "Session Not Found";
	case 482:
	case 508: return "Loop Detected";
	case 502: return "Bad Gateway";
	case 503: return "Service Unavailable";
	case 504: return proto == TEXT_HTTP ? "Gateway Timeout" : "Gateway Time-out";
	case 505:
		return proto == TEXT_HTTP ? "HTTP Version Not Supported"
		                          : "RTSP Version Not Supported";
	}
	return "Unknown";
}

/* Every answer but a direct one is made here: `line` is one header line with its CRLF, or "". Piece by
 * piece: printf costs more than all the rest of an answer. */
static void answer(struct transaction *t, int status, const char *line)
{
	struct redirect_response *rs = t->rs;
	struct sbuf b;

	rs->status = status;
	if (rs->proto == TEXT_HTTP)
		rs->close = true;
	sbuf_init(&b, rs->text, sizeof(rs->text));
	sbuf_str(&b, rs->proto == TEXT_HTTP ? "HTTP/1.1 " : "RTSP/1.0 ");
	sbuf_uint(&b, (unsigned)status);
	sbuf_str(&b, " ");
	sbuf_str(&b, reason_of(rs->proto, status));
	sbuf_str(&b, "\r\n");
	if (t->has_cseq) {
		sbuf_str(&b, "CSeq: ");
		sbuf_uint(&b, t->cseq);
		sbuf_str(&b, "\r\n");
	}
	sbuf_str(&b, line);
	if (rs->proto == TEXT_HTTP)
		sbuf_str(&b, "Cache-Control: no-store\r\n");
	if (status != 204)
		sbuf_str(&b, "Content-Length: 0\r\n");
	if (rs->close)
		sbuf_str(&b, "Connection: close\r\n");
	sbuf_str(&b, "\r\n");
	rs->len = b.n;
}

static void refuse(struct transaction *t, int status, const char *why)
{
	t->rs->why = why;
	answer(t, status, "");
}

/* Content that the ARN has (row B3) needs neither a node nor anything else. False: it has not. */
static bool answer_directly(struct transaction *t, const struct url *u)
{
	struct redirect_response *rs = t->rs;
	struct direct_hit hit;
	struct sbuf b;

	if (t->m.proto != TEXT_HTTP ||
		!direct_find(t->snapshot->direct, &t->rq->local, &t->m, u, &hit))
		return false;
	rs->direct = true;
	rs->status = hit.status;
	rs->close = true;
	sbuf_init(&b, rs->text, sizeof(rs->text));
	sbuf_printf(&b, "HTTP/1.1 %d %s\r\n", hit.status, reason_of(TEXT_HTTP, hit.status));
	direct_put_headers(&b, &hit);
	sbuf_printf(&b, "Connection: close\r\n\r\n");
	rs->len = b.n;
	if (hit.status == 200 && !text_method_is(&t->m, "HEAD"))
		rs->body = hit.object->body;
	return true;
}

/* ---- priming (row B6): the node is told beforehand what the client cannot say ---- */

const struct cas_fact *redirect_channel(
	const struct snapshot *s, const struct addr *anycast, struct slice path, char url[CAS_URL])
{
	int track;

	*url = '\0';
	if (!s->channels || !origin_by_srv(s->origins, anycast))
		return NULL;
	url_take_track(&path, &track);
	if (cas_url(anycast, path, url)) {
		*url = '\0';
		return NULL;
	}
	return cas_find(s->channels, url);
}

/* The channel that the provider's service has for this URL (row D3): Q says where it is joined.
 * Without one, the origin decides as ever. */
static enum origin_verdict find_channel(struct transaction *t, const struct url *u)
{
	struct prime_state *q = &t->state;
	const struct cas_fact *f;
	char url[CAS_URL], number[CAS_CHANNEL];
	struct want *w = &t->rs->want;
	struct slice path;

	f = redirect_channel(t->snapshot, &q->anycast, u->path, url);
	if (!f && *url && !t->rq->final) {
		*w = (struct want){.what = WANT_CHANNEL, .state.anycast = q->anycast};
		if (cas_url_parse(slice_of(url), &w->state.anycast, &path))
			path = SLICE("");
		slice_copy(path, w->state.channel, sizeof(w->state.channel));
		return ORIGIN_WAIT;
	}
	if (!f || !f->there)
		return ORIGIN_REFUSE;
	q->origin[0] = f->source;
	q->origins = 1;
	if (f->number != CAS_NO_NUMBER)
		snprintf(q->channel, sizeof(q->channel), "%s", cas_channel_path(f->number, number));
	return ORIGIN_GO;
}

/* State Q of this request: the provider, and where its content is. False: it is refused, or wants
 * something first. Publishers bring their own. */
static bool find_origin(struct transaction *t, unsigned service, const struct url *u)
{
	int status;
	const char *why;

	t->state = (struct prime_state){.service = service, .anycast = t->rq->local};
	addr_set_port(&t->state.anycast, 0);
	if (!t->snapshot->origins || text_method_is(&t->m, "ANNOUNCE"))
		return true;
	if (service == SERVICE_RTSP) {
		enum origin_verdict v = find_channel(t, u);

		if (v != ORIGIN_REFUSE)
			return v == ORIGIN_GO;
	}
	switch (origin_of(
		t->snapshot->origins, u, t->rq->final, &t->state, &t->rs->want, &status, &why)) {
	case ORIGIN_GO: return true;
	case ORIGIN_WAIT: return false;
	case ORIGIN_REFUSE: refuse(t, status, why); return false;
	}
	return false;
}

/* False: whoever comes to the usual port can be served. Publishers are never sent to a primed port:
 * what they bring is not at any origin. */
static bool needs_priming(const struct transaction *t)
{
	if (text_method_is(&t->m, "ANNOUNCE"))
		return false;
	if (t->profile && t->profile->prime >= 0)
		return t->profile->prime;
	return (t->snapshot->prime & t->state.service) || t->state.origins;
}

static void want_prime(struct transaction *t, const struct snapshot_node *node,
	const struct prime_state *q, const struct url *u)
{
	struct want *w = &t->rs->want;

	*w = (struct want){.what = WANT_PRIME, .state = *q, .way = node->rtt_us * NS_US};
	memcpy(w->node, node->said.id, sizeof(w->node));
	slice_copy(u->path, w->expect, sizeof(w->expect)); /* "" when it is too long */
}

static bool carries(const struct announce *node, const struct url *u)
{
	struct slice path = u->path;
	int track;

	url_take_track(&path, &track);
	while (path.n > 0 && path.p[path.n - 1] == '/')
		path.n--;
	return announce_find_channel(node, announce_channel(path)) >= 0;
}

/* Looks for the port that the node has for this request: *port is the usual one until then. False:
 * it has to be primed first, and the request can wait for that. */
static bool find_port(struct transaction *t, const struct snapshot_node *node, const struct url *u,
	uint16_t *port)
{
	const struct prime_state *q = &t->state;
	const struct primed_port *p;

	if (!(node->said.primes & q->service) || !node->said.control_port || !needs_priming(t))
		return true;
	p = primed_find(t->snapshot->primed, &node->said, q);
	if (!p && t->rq->final)
		return true;
	if (!p || prime_state_moved(&p->state, q))
		want_prime(t, node, q, u);
	if (p && p->port) {
		t->rs->primed = p;
		*port = p->port;
		/* The node can fetch meanwhile what this client is about to ask for. */
		if (q->service == SERVICE_RTSP && !carries(&node->said, u))
			want_prime(t, node, q, u);
	}
	return p;
}

/* The client's own query, with what it is to carry along behind it. */
static void put_query(struct sbuf *b, struct slice query, const char *param)
{
	size_t before = b->n;

	if (*param) {
		url_put_query(b, query, TOKEN_PARAM);
		sbuf_str(b, b->n == before ? "?" : "&");
		sbuf_str(b, param);
	} else if (query.p) {
		sbuf_str(b, "?");
		sbuf_slice(b, query);
	}
}

/* "Location: rtsp://10.2.0.6:8554/path?query". The port is left out when it is the usual one. */
static void send_to(struct transaction *t, const struct snapshot_node *node, const struct url *u,
	const struct pass *pass)
{
	char mem[REDIRECT_MAX_TARGET + 256], host[ADDR_STRLEN];
	bool http = t->m.proto == TEXT_HTTP;
	struct slice scheme = http ? SLICE("http") : SLICE("rtsp");
	uint16_t port = http ? node->said.http_port : node->said.rtsp_port;
	bool keep_method = !text_method_is(&t->m, "GET") && !text_method_is(&t->m, "HEAD");
	struct sbuf b;

	if (!find_port(t, node, u, &port))
		return;
	sbuf_init(&b, mem, sizeof(mem));
	sbuf_str(&b, "Location: ");
	sbuf_slice(&b, scheme);
	sbuf_str(&b, "://");
	sbuf_str(&b, addr_urlhost(&node->said.addr, host));
	if (port != url_default_port(scheme)) {
		sbuf_str(&b, ":");
		sbuf_uint(&b, port);
	}
	sbuf_slice(&b, u->path);
	put_query(&b, u->query, pass->param);
	sbuf_str(&b, "\r\n");
	t->rs->node = node;
	t->rs->token = pass->token;
	answer(t, http && keep_method ? 307 : 302, mem);
}

void redirect_parse_avoid(struct slice value, struct select_query *q)
{
	while (value.n && q->avoids < SELECT_MAX_AVOID) {
		struct slice host = slice_trim(slice_cut(&value, ','));

		if (host.n)
			q->avoid[q->avoids++] = host;
	}
}

/* The channel is named as the nodes name it: without a medium and slashes at the end. */
void redirect_query(struct select_query *q, enum text_proto proto, const struct addr *client,
	const struct url *u)
{
	int track;

	*q = (struct select_query){.service = proto == TEXT_HTTP ? SERVICE_HTTP : SERVICE_RTSP,
		.client = *client,
		.path = u->path};
	if (proto == TEXT_HTTP)
		return;
	url_take_track(&q->path, &track);
	while (q->path.n > 0 && q->path.p[q->path.n - 1] == '/')
		q->path.n--;
}

const char *redirect_region(const struct snapshot *s, const struct addr *client)
{
	const char *place = region_find(s->regions, client);

	return place ? place : region_find(s->measured, client);
}

/* Where nothing is known of the client yet it is measured, and this request does without (row H9). */
static void take_region(struct transaction *t, struct select_query *q)
{
	struct want *w = &t->rs->want;

	q->region = redirect_region(t->snapshot, &t->rq->client);
	if (q->region || !t->snapshot->measured)
		return;
	*w = (struct want){.what = WANT_REGION, .state.anycast = t->rq->client};
	addr_set_port(&w->state.anycast, 0);
}

const struct profile_fact *redirect_profile(
	struct select_query *q, const struct snapshot *s, const struct addr *anycast)
{
	const struct profile_fact *f = profile_find(s->profiles, anycast);

	if (f && f->there)
		q->profile = &f->profile.of[q->service == SERVICE_HTTP ? TEXT_HTTP : TEXT_RTSP];
	return f;
}

/* A profile is a wish: whatever else is wanted goes first, and this request does without (row D5). */
static void take_profile(struct transaction *t, struct select_query *q)
{
	struct want *w = &t->rs->want;

	if (!redirect_profile(q, t->snapshot, &t->rq->local) && t->snapshot->profiles) {
		*w = (struct want){.what = WANT_PROFILE, .state.anycast = t->rq->local};
		addr_set_port(&w->state.anycast, 0);
	}
	t->profile = q->profile;
}

/* HTTP names the host in a header, if not in the request line. */
static void take_host(const struct transaction *t, struct url *u)
{
	char mem[ADDR_STRLEN + 16];
	struct slice host = text_header(&t->m, "Host");
	struct url h;
	struct sbuf b;

	if (u->host.n || !host.n)
		return;
	sbuf_init(&b, mem, sizeof(mem));
	sbuf_str(&b, "http://");
	sbuf_slice(&b, host);
	if (!b.full && url_parse(&h, (struct slice){b.p, b.n}) == 0) {
		u->host = (struct slice){host.p + (h.host.p - (b.p + 7)), h.host.n};
		u->port = h.port;
	}
}

static void answer_unavailable(struct transaction *t, const char *why)
{
	char line[48];
	struct sbuf b;

	sbuf_init(&b, line, sizeof(line));
	sbuf_printf(&b, "Retry-After: %u\r\n", t->snapshot->retry_after);
	t->rs->why = why;
	answer(t, 503, line);
}

/* ---- sender attachment (figure 9): a new source's node is told whose neighbour it can be ---- */

static void put_node(struct transaction *t, const struct announce *n)
{
	struct addr control = n->addr;
	char at[ADDR_STRLEN], body[ADDR_STRLEN + ANNOUNCE_ID_LEN + 32];
	struct sbuf b, of_body;

	addr_set_port(&control, n->control_port);
	sbuf_init(&of_body, body, sizeof(body));
	/* Neither a name nor an address has anything in it that JSON escapes. */
	sbuf_printf(&of_body, "{\"node\": \"%s\", \"control\": \"%s\"}\n", n->id,
		addr_str(&control, at));
	t->rs->status = 200;
	t->rs->close = true;
	sbuf_init(&b, t->rs->text, sizeof(t->rs->text));
	sbuf_printf(&b,
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		"Cache-Control: no-store\r\nContent-Length: %zu\r\n"
		"Connection: close\r\n\r\n",
		of_body.n);
	sbuf_append(&b, body, of_body.n);
	t->rs->len = b.n;
}

/* The most available node of those that take attachments. It is asked at its control port, and may
 * refuse: then the next request names it as one to avoid. */
static void answer_attach(struct transaction *t, const struct url *u)
{
	struct select_query q = {.service = SERVICE_RTSP,
		.client = t->rq->client,
		.path = u->path,
		.policy = policy_find(SLICE("least-loaded")),
		.attaches = true};
	struct slice avoid;

	if (!text_method_is(&t->m, "GET"))
		return refuse(t, 405, "method");
	if (url_param(u->query, "avoid", &avoid))
		redirect_parse_avoid(avoid, &q);
	t->rs->node = select_node(t->snapshot, &q).node;
	if (t->rs->node)
		put_node(t, &t->rs->node->said);
	else
		answer_unavailable(t, "no service node takes attachments");
}

/* What needs nothing goes first, what may have to wait goes last: the origin, then the node's port. */
static void redirect(struct transaction *t)
{
	bool http = t->m.proto == TEXT_HTTP;
	struct select_choice choice;
	struct select_query q;
	struct pass pass;
	struct url u;

	if (url_parse(&u, t->m.uri) < 0)
		return refuse(t, 400, "not a URL");
	if (u.scheme.n && !slice_ieq(u.scheme, http ? SLICE("http") : SLICE("rtsp")))
		return refuse(t, 400, "URL of another scheme");
	if (slice_eq(u.path, SLICE("*")))
		return refuse(t, 400, "no resource is named");
	if (u.path.n + u.query.n >= REDIRECT_MAX_TARGET)
		return refuse(t, 414, "URL too long");
	if (http && slice_eq(u.path, SLICE(ATTACH_PATH)))
		return answer_attach(t, &u);
	if (answer_directly(t, &u))
		return;
	redirect_query(&q, t->m.proto, &t->rq->client, &u);
	redirect_parse_avoid(text_header(&t->m, REDIRECT_AVOID), &q);
	take_host(t, &u);
	pass_issue(&pass, t->rq, t->snapshot, &u, t->m.proto, q.avoids > 0);
	if (pass.looped) {
		t->rs->looped = true;
		return refuse(t, http ? 508 : 482, "sent in circles");
	}
	take_region(t, &q);
	take_profile(t, &q);
	if (!find_origin(t, q.service, &u))
		return;
	t->rs->accusations = select_avoided(t->snapshot, &q, t->rs->accused, REDIRECT_MAX_ACCUSED);
	choice = select_node(t->snapshot, &q);
	if (choice.node) {
		/* Who is to publish takes no player's place. */
		if (!http && !text_method_is(&t->m, "ANNOUNCE")) {
			t->rs->need = choice.need;
			t->rs->room = choice.room;
		}
		send_to(t, choice.node, &u, &pass);
	} else {
		answer_unavailable(
			t, choice.full ? "all service nodes are full" : "no service node");
	}
}

static void answer_http(struct transaction *t)
{
	int hosts = 0;

	for (int i = 0; i < t->m.headers; i++)
		hosts += slice_ieq(t->m.header[i].name, SLICE("Host"));
	if (hosts > 1 || (hosts == 0 && t->m.minor >= 1))
		return refuse(t, 400, "not one Host header"); /* RFC 9112, 3.2 */
	if (text_method_is(&t->m, "CONNECT") || text_method_is(&t->m, "TRACE")) {
		t->rs->why = "method";
		return answer(t, 405, "Allow: " HTTP_REDIRECTED "\r\n");
	}
	if (text_method_is(&t->m, "OPTIONS") && slice_eq(t->m.uri, SLICE("*")))
		return answer(t, 204, "Allow: " HTTP_REDIRECTED "\r\n");
	redirect(t);
}

static bool method_is_one_of(const struct text_msg *m, const char *const *list)
{
	while (*list && !text_method_is(m, *list))
		list++;
	return *list;
}

static void answer_rtsp(struct transaction *t)
{
	static const char *const redirected[] = {"OPTIONS", "DESCRIBE", "ANNOUNCE", "SETUP", NULL};
	static const char *const of_a_session[] = {
		"PLAY", "PAUSE", "RECORD", "TEARDOWN", "GET_PARAMETER", "SET_PARAMETER", NULL};

	t->rs->close = t->rq->last || slice_ieq(text_header(&t->m, "Connection"), SLICE("close"));
	/* RFC 2326, 12.17: every request has it, and every answer repeats it. */
	t->has_cseq = slice_u64(text_header(&t->m, "CSeq"), UINT32_MAX, &t->cseq) == 0;
	if (!t->has_cseq)
		return refuse(t, 400, "no CSeq");
	if (method_is_one_of(&t->m, of_a_session))
		return refuse(t, 454, "no session runs here");
	if (!method_is_one_of(&t->m, redirected)) {
		t->rs->why = "method";
		return answer(t, 405, "Allow: " RTSP_REDIRECTED "\r\n");
	}
	if (text_method_is(&t->m, "OPTIONS") && slice_eq(t->m.uri, SLICE("*")))
		return answer(t, 200, "Public: " RTSP_REDIRECTED "\r\n");
	redirect(t);
}

/* Bytes that are no request: the answer says why, in what the port speaks, and the connection
 * ends, because where the next request would begin is unknown. */
static void answer_error(struct transaction *t, const struct redirect_request *rq, ssize_t error)
{
	struct redirect_response *rs = t->rs;
	struct slice head = rq->bytes;
	bool http = rq->port == TEXT_HTTP;
	int status = 400;

	if (error == TEXT_TOO_LONG) {
		if (head.n > TEXT_MAX_HEAD)
			head.n = TEXT_MAX_HEAD;
		if (!memchr(head.p, '\n', head.n))
			status = 414;
		else if (memmem(head.p, head.n, "\r\n\r\n", 4))
			status = 413;
		else
			status = http ? 431 : 400;
	} else if (error == TEXT_UNSUPPORTED) {
		bool version = t->m.major == 1 && t->m.minor <= (t->m.proto == TEXT_HTTP);

		status = !version ? 505 : http ? 411 : 400;
	}
	rs->proto = rq->port;
	rs->consumed = rq->bytes.n;
	rs->close = true;
	refuse(t, status, text_error_str((enum text_error)error));
}

void redirect_answer(const struct redirect_request *rq, const struct snapshot *snapshot,
	struct redirect_response *rs)
{
	struct transaction t; /* not cleared: a message is large, and mostly empty */
	ssize_t n = text_parse(&t.m, rq->bytes.p, rq->bytes.n, rq->seen);

	t.rq = rq;
	t.snapshot = snapshot;
	t.rs = rs;
	t.has_cseq = false;
	memset(rs, 0, offsetof(struct redirect_response, want)); /* the rest is large */
	rs->want.what = WANT_NOTHING;
	if (n == 0)
		return;
	if (n < 0)
		return answer_error(&t, rq, n);
	rs->consumed = (size_t)n;
	rs->proto = t.m.proto;
	if (t.m.response || t.m.proto != rq->port) {
		rs->close = true;
		return refuse(&t, 400, t.m.response ? "not a request" : "protocol of another port");
	}
	if (t.m.proto == TEXT_HTTP)
		answer_http(&t);
	else
		answer_rtsp(&t);
}
