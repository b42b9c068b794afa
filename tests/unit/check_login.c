/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Users (row E4): the file, nonces, and the RTSP core's challenges and answers; and the identity that a
 * client brings from the node before. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/secret.h"
#include "sn-agent/nonces.h"
#include "sn-agent/rtsp.h"
#include "sn-agent/users.h"
#include "tests/unit/run.h"

#define NOW      1700000000ll
#define LIFETIME 300
#define U        "rtsp://10.0.0.1/news"
#define NEARCAST "Supported: nearcast.failover\r\n"
#define SDP                                                                                        \
	"v=0\r\no=- 1 1 IN IP4 h\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP "                            \
	"33\r\na=control:streamid=0\r\n"

static struct channels channels;
static struct relay relay;
static struct rtsp rtsp;
static struct rtsp_conn conn, source;
static struct rtsp_reply reply;
static char text[RTSP_REPLY_MAX];
static struct wire_keys keys;
static struct users_list *users;
static char nonce[NONCE_TEXT];
static unsigned count; /* nc */

static uint64_t number(void)
{
	static uint64_t n = 0x1122334455667788;

	return n += 0x0101010101010101;
}

static struct users_list *list_of(const char *user, const char *password)
{
	char line[2][256], both[600], err[160], ha1[DIGEST_HEX];
	struct users_list *l;

	for (int i = 0; i < 2; i++) {
		digest_ha1((enum digest_algorithm)i, slice_of(user), SLICE("nearcast"),
			slice_of(password), ha1);
		snprintf(line[i], sizeof(line[i]), "%s:nearcast:%s", user, ha1);
	}
	snprintf(both, sizeof(both), "# users\n\n%s\r\n%s\n", line[0], line[1]);
	l = users_parse(slice_of(both), err);
	ck_assert_msg(l != NULL, "%s", err);
	return l;
}

static void setup(void)
{
	struct rtsp_conf conf = {.name = "sn1", .software = "test", .session_timeout = 60 * NS_S};

	ck_assert_int_eq(secret_init(), 0);
	keys = (struct wire_keys){.n = 1, .key = {{.id = 7, .key = {1, 2, 3}}}};
	users = list_of("alice", "s3cret");
	addr_parse(&conf.addr, SLICE("10.0.0.1"), 0);
	conf.n_publishers = rtsp_prefixes("10.0.0.0/8", conf.publishers);
	conf.access.keys = conf.access.nonce_keys = &keys;
	conf.access.source = &users_file;
	conf.access.users = users;
	conf.access.nonce_lifetime = LIFETIME;
	strcpy(conf.access.realm, "nearcast");
	channels_init(&channels, 10 * NS_S, (size_t)64 * 1024 * 1024, NS_S);
	relay_init(&relay, NULL, NULL);
	rtsp_init(&rtsp, &conf, &channels, &relay, number);
	rtsp.wall = NOW;
	memset(&conn, 0, sizeof(conn));
	memset(&source, 0, sizeof(source));
	addr_parse(&conn.peer, SLICE("10.9.9.9:5555"), 0);
	addr_parse(&source.peer, SLICE("10.8.8.8:5555"), 0);
	nonce[0] = '\0';
	count = 0;
}

static void teardown(void)
{
	while (rtsp.sessions.first)
		rtsp_end(&rtsp, rtsp.sessions.first, true, NS_S);
	channels_free(&channels);
	users_free(users);
}

static int ask_on(struct rtsp_conn *c, const char *request)
{
	struct text_msg m;

	sbuf_init(&reply.text, text, sizeof(text));
	ck_assert_int_eq(text_parse(&m, request, strlen(request), 0), (int)strlen(request));
	rtsp_request(&rtsp, c, &m, NS_S, &reply);
	return reply.status;
}

static int ask(const char *method, const char *uri, const char *headers)
{
	char request[4096];

	snprintf(request, sizeof(request), "%s %s RTSP/1.0\r\nCSeq: 7\r\n%s\r\n", method, uri,
		headers);
	return ask_on(&conn, request);
}

static bool says(const char *what)
{
	return strstr(text, what) != NULL;
}

/* The value of `name="…"` or of a header in the last answer, into out[cap]. */
static void value_of(const char *name, char end, char *out, size_t cap)
{
	const char *at = strstr(text, name);

	ck_assert_msg(at != NULL, "%s in %s", name, text);
	at += strlen(name);
	ck_assert_ptr_nonnull(strchr(at, end));
	snprintf(out, cap, "%.*s", (int)(strchr(at, end) - at), at);
}

/* The header that proves a password, for the last challenge; with qop unless `old`. */
static const char *proof(enum digest_algorithm a, const char *user, const char *password,
	const char *method, const char *uri, bool old)
{
	static char header[2048];
	char ha1[DIGEST_HEX], response[DIGEST_HEX], nc[9];
	struct digest d = {.algorithm = a,
		.realm = SLICE("nearcast"),
		.uri = slice_of(uri),
		.cnonce = SLICE("c"),
		.auth = !old};

	if (!*nonce)
		value_of("nonce=\"", '"', nonce, sizeof(nonce));
	d.nonce = slice_of(nonce);
	snprintf(nc, sizeof(nc), "%08x", ++count);
	d.nc = slice_of(nc);
	digest_ha1(a, slice_of(user), d.realm, slice_of(password), ha1);
	digest_response(&d, ha1, slice_of(method), response);
	snprintf(header, sizeof(header),
		"Authorization: Digest username=\"%s\", realm=\"nearcast\", nonce=\"%s\", "
		"uri=\"%s\", "
		"algorithm=%s%s%s, response=\"%s\"\r\n",
		user, nonce, uri, digest_algorithm_str(a),
		old ? "" : ", qop=auth, cnonce=\"c\", nc=", old ? "" : nc, response);
	return header;
}

static int prove(const char *user, const char *password)
{
	return ask("DESCRIBE", U, proof(DIGEST_MD5, user, password, "DESCRIBE", U, false));
}

/* Another connection of the same client. */
static void reconnect(void)
{
	while (conn.first)
		rtsp_end(&rtsp, conn.first, false, NS_S);
	memset(&conn.admitted, 0, sizeof(conn.admitted));
}

static void publish(void)
{
	enum access_asked asked = rtsp.conf.access.asked;
	char request[1024], session[64];

	rtsp.conf.access.asked = ASKED_PLAYERS;
	snprintf(request, sizeof(request),
		"ANNOUNCE " U " RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		strlen(SDP), SDP);
	ck_assert_int_eq(ask_on(&source, request), 200);
	ck_assert_int_eq(ask_on(&source, "SETUP " U "/streamid=0 RTSP/1.0\r\nCSeq: 2\r\n"
					 "Transport: RTP/AVP/TCP\r\n\r\n"),
		200);
	value_of("Session: ", ';', session, sizeof(session));
	snprintf(request, sizeof(request),
		"RECORD " U " RTSP/1.0\r\nCSeq: 3\r\nSession: %s\r\n\r\n", session);
	ck_assert_int_eq(ask_on(&source, request), 200);
	rtsp.conf.access.asked = asked;
}

/* ---- users ---- */

START_TEST(test_a_file_of_users_is_read_and_its_mistakes_are_named)
{
#define M "0123456789abcdef0123456789ABCDEF"
	static const char *const wrong[][2] = {{"alice", "line 1: expected user:realm:hash"},
		{"# x\n\nalice:r:12\n", "line 3: expected user:realm:hash, with a hash"},
		{":r:" M, "line 1"}, {"a::" M, "line 1"}, {"a\"b:r:" M, "line 1"},
		{"a:r:" M ":x", "line 1"}, {"a:r:" M "\nb:r:" M "\na:r:" M, "lines 1 and 3"}};
	char err[160], ha1[DIGEST_HEX] = "";
	struct users_list *l = users_parse(SLICE("b:r:" M "\na:r:" M M "\na:r2:" M), err);

	ck_assert_int_eq(users_count(l), 3);
	ck_assert_uint_eq(users_file.algorithms(l), 3);
	ck_assert(users_file.find(l, SLICE("b"), SLICE("r"), DIGEST_MD5, ha1));
	ck_assert_str_eq(ha1, "0123456789abcdef0123456789abcdef");
	ck_assert(!users_file.find(l, SLICE("b"), SLICE("r"), DIGEST_SHA256, ha1));
	ck_assert(!users_file.find(l, SLICE("b"), SLICE("r2"), DIGEST_MD5, ha1));
	ck_assert(!users_file.find(l, SLICE("ab"), SLICE("r"), DIGEST_MD5, ha1));
	ck_assert(users_file.find(l, SLICE("a"), SLICE("r"), DIGEST_SHA256, ha1));
	users_free(l);
	l = users_parse(SLICE(""), err);
	ck_assert(l && !users_file.find(l, SLICE("b"), SLICE("r"), DIGEST_MD5, ha1));
	users_free(l);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert_ptr_null(users_parse(slice_of(wrong[i][0]), err));
		ck_assert_msg(strstr(err, wrong[i][1]) != NULL, "%s", err);
	}
	ck_assert(users_named("alice, bob", "bob") && !users_named("alice, bob", "bo"));
}
END_TEST

/* ---- nonces ---- */

START_TEST(test_a_nonce_is_good_at_every_node_with_the_key_for_its_client_and_time)
{
	struct wire_keys others = keys, stranger = keys;
	struct addr who = conn.peer, else_where = source.peer, port = conn.peer, six;
	char n[NONCE_TEXT];

	addr_parse(&six, SLICE("[2001:db8::1]:1"), 0);
	addr_set_port(&port, 1);
	others.key[1] = others.key[0];
	others.key[0].id = 8;
	others.n = 2;
	stranger.key[0].key[0] ^= 1;
	nonce_make(&keys.key[0], &who, NOW, 5, n);
	ck_assert(nonce_is_fresh(&keys, slice_of(n), &who, NOW, LIFETIME, 10));
	ck_assert(nonce_is_fresh(&others, slice_of(n), &port, NOW + LIFETIME + 10, LIFETIME, 10));
	ck_assert(nonce_is_fresh(&keys, slice_of(n), &who, NOW - 10, LIFETIME, 10));
	ck_assert(!nonce_is_fresh(&keys, slice_of(n), &who, NOW + LIFETIME + 11, LIFETIME, 10));
	ck_assert(!nonce_is_fresh(&keys, slice_of(n), &who, NOW - 11, LIFETIME, 10));
	ck_assert(!nonce_is_fresh(&stranger, slice_of(n), &who, NOW, LIFETIME, 10));
	ck_assert(!nonce_is_fresh(&keys, slice_of(n), &else_where, NOW, LIFETIME, 10));
	n[5] ^= 1;
	ck_assert(!nonce_is_fresh(&keys, slice_of(n), &who, NOW, LIFETIME, 10));
	ck_assert(!nonce_is_fresh(&keys, SLICE("x"), &who, NOW, LIFETIME, 10));
	nonce_make(&keys.key[0], &six, NOW, 5, n);
	ck_assert(nonce_is_fresh(&keys, slice_of(n), &six, NOW, LIFETIME, 10));
}
END_TEST

static bool use(const char *n, unsigned nc, int64_t now)
{
	static struct nonces table;
	char hex[9];

	if (!n) {
		memset(&table, 0, sizeof(table));
		return true;
	}
	snprintf(hex, sizeof(hex), "%08x", nc);
	return nonces_use(&table, slice_of(n), slice_of(hex), now, now + 100);
}

START_TEST(test_each_count_of_a_nonce_is_good_once_in_any_order_nearby)
{
	char a[NONCE_TEXT], b[NONCE_TEXT];

	use(NULL, 0, 0);
	nonce_make(&keys.key[0], &conn.peer, NOW, 1, a);
	nonce_make(&keys.key[0], &conn.peer, NOW, 2, b);
	ck_assert(!use(a, 0, NOW));
	ck_assert(use(a, 3, NOW) && !use(a, 3, NOW));
	ck_assert(use(a, 1, NOW) && use(a, 2, NOW) && !use(a, 1, NOW) && !use(a, 2, NOW));
	ck_assert(use(b, 3, NOW));
	ck_assert(use(a, 70, NOW) && !use(a, 6, NOW) && use(a, 7, NOW) && !use(a, 3, NOW));
	ck_assert(use(a, 0xffffffff, NOW) && !use(a, 70, NOW) && !use(a, 0xffffffff, NOW));
	/* As many as there is room for, and more: those that end first are forgotten. */
	for (uint32_t i = 10; i < 10 + 4 * NONCES_COUNTS; i++) {
		nonce_make(&keys.key[0], &conn.peer, NOW, i, b);
		ck_assert(use(b, 1, NOW + i) && !use(b, 1, NOW + i));
	}
}
END_TEST

/* ---- the RTSP core ---- */

START_TEST(test_a_client_that_knows_its_password_is_let_in_for_the_connection)
{
	publish();
	ck_assert_int_eq(ask("DESCRIBE", U, ""), 401);
	/* The strongest first; the last is what old players take. */
	ck_assert(says("WWW-Authenticate: Digest realm=\"nearcast\", nonce=\""));
	ck_assert_ptr_nonnull(strstr(strstr(text, "algorithm=SHA-256\r\n"), "algorithm=MD5\r\n"));
	ck_assert(!says("stale"));
	for (int i = 0; i < DIGEST_ALGORITHMS; i++)
		for (int old = 0; old < 2; old++) {
			reconnect();
			ck_assert_int_eq(ask("DESCRIBE", U,
						 proof((enum digest_algorithm)i, "alice", "s3cret",
							 "DESCRIBE", U, old)),
				200);
			ck_assert_str_eq(conn.admitted.user, "alice");
		}
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", "Transport: RTP/AVP/TCP\r\n"), 200);
	ck_assert_str_eq(conn.first->user, "alice");
	ck_assert_uint_eq(rtsp.logins[LOGIN_OK], 4);
	ck_assert_uint_eq(rtsp.logins[LOGIN_MISSING], 1);
}
END_TEST

START_TEST(test_who_does_not_know_it_is_not_let_in)
{
	publish();
	ck_assert_int_eq(ask("DESCRIBE", U, ""), 401);
	ck_assert_int_eq(prove("alice", "secret"), 401);
	ck_assert(!says("stale"));
	ck_assert_int_eq(prove("mallory", "s3cret"), 401);
	ck_assert_uint_eq(rtsp.logins[LOGIN_WRONG], 2);
	/* What was meant for something else. */
	ck_assert_int_eq(
		ask("DESCRIBE", U, proof(DIGEST_MD5, "alice", "s3cret", "SETUP", U, false)), 401);
	ck_assert_int_eq(ask("DESCRIBE", U,
				 proof(DIGEST_MD5, "alice", "s3cret", "DESCRIBE",
					 "rtsp://10.0.0.1/other", false)),
		401);
	ck_assert_uint_eq(rtsp.logins[LOGIN_MALFORMED], 1);
	ck_assert_int_eq(ask("DESCRIBE", U, "Authorization: Basic YTpi\r\n"), 401);
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", "Transport: RTP/AVP/TCP\r\n"), 401);
	ck_assert_int_eq(prove("alice", "x"), 401);
	ck_assert_uint_eq(reply.actions, 0);
	ck_assert_int_eq(prove("alice", "y"), 401);
	ck_assert_uint_eq(reply.actions, RTSP_CLOSE); /* no more guesses on this connection */
	ck_assert_ptr_null(conn.first);
}
END_TEST

START_TEST(test_a_proof_may_be_old_or_repeated_only_for_a_new_nonce)
{
	char header[2048];

	publish();
	ask("DESCRIBE", U, "");
	snprintf(header, sizeof(header), "%s",
		proof(DIGEST_MD5, "alice", "s3cret", "DESCRIBE", U, false));
	ck_assert_int_eq(ask("DESCRIBE", U, header), 200);
	reconnect();
	ck_assert_int_eq(ask("DESCRIBE", U, header), 401);
	ck_assert(says("stale=true"));
	ck_assert_uint_eq(rtsp.logins[LOGIN_REPLAYED], 1);
	rtsp.wall += LIFETIME + 11;
	ck_assert_int_eq(prove("alice", "s3cret"), 401);
	ck_assert(says("stale=true"));
	ck_assert_int_eq(prove("alice", "wrong"), 401);
	ck_assert(!says("stale=true"));
	nonce[0] = '\0';
	ck_assert_int_eq(prove("alice", "s3cret"), 200);
}
END_TEST

START_TEST(test_players_and_publishers_are_asked_apart)
{
	static const int expected[] = {401, 403, 200};
	char request[2048];

	publish();
	rtsp.conf.access.asked = ASKED_PUBLISHERS;
	ck_assert_int_eq(ask("DESCRIBE", U, ""), 200);
	strcpy(rtsp.conf.access.publishers, "bob, carol");
	for (int i = 0; i < 3; i++) {
		snprintf(request, sizeof(request),
			"ANNOUNCE rtsp://10.0.0.1/b RTSP/1.0\r\nCSeq: 1\r\n%s"
			"Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
			i ? proof(DIGEST_MD5, "alice", "s3cret", "ANNOUNCE", "rtsp://10.0.0.1/b", 0)
			  : "",
			strlen(SDP), SDP);
		if (i == 2)
			strcpy(rtsp.conf.access.publishers, "bob, alice");
		ck_assert_int_eq(ask_on(&conn, request), expected[i]);
	}
	ck_assert_str_eq(conn.publish->user, "alice");
	/* Who is trusted is not asked. */
	rtsp.conf.access.asked = ASKED_ALL;
	reconnect();
	ck_assert_int_eq(ask("DESCRIBE", U, ""), 401);
	rtsp.conf.access.n_trusted = rtsp_prefixes("10.9.0.0/16", rtsp.conf.access.trusted);
	ck_assert_int_eq(ask("DESCRIBE", U, ""), 200);
	ck_assert_str_eq(conn.admitted.user, "");
}
END_TEST

/* What a client that fails over is given for the next node, which has the same keys and users. */
START_TEST(test_at_the_next_node_nothing_is_asked_again_and_the_identity_stays)
{
	char headers[2048], identity[17], sealed[128];

	publish();
	ask("DESCRIBE", U, NEARCAST);
	snprintf(headers, sizeof(headers), NEARCAST "%s",
		proof(DIGEST_SHA256, "alice", "s3cret", "DESCRIBE", U, false));
	ck_assert_int_eq(ask("DESCRIBE", U, headers), 200);
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", NEARCAST "Transport: RTP/AVP/TCP\r\n"), 200);
	memcpy(identity, conn.first->identity, sizeof(identity));
	ck_assert_str_eq(identity, conn.first->id_text);
	value_of("nextnonce=\"", '"', nonce, sizeof(nonce));
	value_of("Nearcast-Session: ", '\r', sealed, sizeof(sealed));

	for (int i = 0; i < 5; i++) {
		reconnect();
		count = 0;
		snprintf(headers, sizeof(headers),
			NEARCAST "Transport: RTP/AVP/TCP\r\nNearcast-Session: %s\r\n%s", sealed,
			proof(DIGEST_SHA256, "alice", "s3cret", "SETUP", U "/trackID=0", false));
		memset(&rtsp.nonces, 0, sizeof(rtsp.nonces)); /* it is another node */
		switch (i) {
		case 1: rtsp.wall += 3600; break; /* too late, for the nonce as well */
		case 2:                           /* another client brings it */
			rtsp.wall -= 3600;
			rtsp.conf.access.source = NULL;
			addr_parse(&conn.peer, SLICE("10.9.9.8:5555"), 0);
			break;
		case 3: /* another user */
			addr_parse(&conn.peer, SLICE("10.9.9.9:5555"), 0);
			strcpy(conn.admitted.user, "bob");
			break;
		case 4: /* as a token for the channel */
			strcpy(conn.admitted.user, "alice");
			rtsp.conf.access.mode = ACCESS_REQUIRED;
			snprintf(headers, sizeof(headers), U "?nc=%s", sealed);
			ck_assert_int_eq(ask("DESCRIBE", headers, ""), 403);
			ck_assert(says("Nearcast-Token: other_channel"));
			continue;
		}
		ck_assert_int_eq(ask("SETUP", U "/trackID=0", headers), i == 1 ? 401 : 200);
		if (i == 0)
			ck_assert_str_eq(conn.first->identity, identity);
		else if (i != 1)
			ck_assert_str_ne(conn.first->identity, identity);
	}
}
END_TEST

START_TEST(test_keep_alives_bring_new_nonces_and_identities_to_those_who_fail_over)
{
	char headers[256], session[64];

	publish();
	ask("DESCRIBE", U, "");
	ck_assert_int_eq(prove("alice", "s3cret"), 200);
	ck_assert(!says("nextnonce"));
	ck_assert_int_eq(ask("SETUP", U "/trackID=0", "Transport: RTP/AVP/TCP\r\n"), 200);
	ck_assert(!says("Nearcast-Session"));
	value_of("Session: ", ';', session, sizeof(session));
	snprintf(headers, sizeof(headers), NEARCAST "Session: %s\r\n", session);
	rtsp.wall += 1000;
	ck_assert_int_eq(ask("GET_PARAMETER", U, headers), 200);
	value_of("nextnonce=\"", '"', nonce, sizeof(nonce));
	ck_assert(nonce_is_fresh(&keys, slice_of(nonce), &conn.peer, NOW + 1000, 1, 0));
	ck_assert(says("Nearcast-Session: "));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("login");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_a_file_of_users_is_read_and_its_mistakes_are_named);
	tcase_add_test(t, test_a_nonce_is_good_at_every_node_with_the_key_for_its_client_and_time);
	tcase_add_test(t, test_each_count_of_a_nonce_is_good_once_in_any_order_nearby);
	tcase_add_test(t, test_a_client_that_knows_its_password_is_let_in_for_the_connection);
	tcase_add_test(t, test_who_does_not_know_it_is_not_let_in);
	tcase_add_test(t, test_a_proof_may_be_old_or_repeated_only_for_a_new_nonce);
	tcase_add_test(t, test_players_and_publishers_are_asked_apart);
	tcase_add_test(t, test_at_the_next_node_nothing_is_asked_again_and_the_identity_stays);
	tcase_add_test(t, test_keep_alives_bring_new_nonces_and_identities_to_those_who_fail_over);
	return run_case("login", t);
}
