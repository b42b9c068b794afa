/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The RTSP client's core, asked who it is: by the node that it comes to first, and not any more by the
 * next one. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rtspc.h"
#include "lib/secret.h"
#include "tests/unit/run.h"

#define SDP                                                                                        \
	"v=0\r\no=- 1 1 IN IP4 10.2.0.6\r\ns=x\r\nt=0 0\r\n"                                       \
	"m=video 0 RTP/AVP 33\r\na=control:trackID=0\r\n"                                          \
	"m=audio 0 RTP/AVP 0\r\na=control:trackID=1\r\n"
#define NC  "Supported: nearcast.failover\r\n"
#define MD5 "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", qop=\"auth\", algorithm=MD5\r\n"
#define SHA                                                                                        \
	"WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\", qop=\"auth\", algorithm=SHA-256\r\n"
#define STALE "WWW-Authenticate: Digest realm=\"r\", nonce=\"n3\", qop=\"auth\", stale=true\r\n"
#define OLD   "WWW-Authenticate: Digest realm=\"r\", nonce=\"n4\"\r\n"

static struct rtspc *c;
static struct rtspc_who who;
static struct rtspc_event last;
static char why[256];
static char sent[16384]; /* since the last answer() */
static int cseq;         /* of the last request there */

static void drain(void)
{
	struct rtspc_event ev;

	while (rtspc_next(c, &ev) != RTSPC_NONE) {
		if (ev.kind == RTSPC_SEND) {
			strncat(sent, ev.data.p, ev.data.n);
			continue;
		}
		last = ev;
		snprintf(why, sizeof(why), SLICE_FMT, SLICE_ARG(ev.data));
	}
}

static void begin(const char *sdp)
{
	static const struct rtspc_media_conf m[2] = {{5000, {.seq = 7}}, {5002, {.seq = 8}}};

	rtspc_free(c);
	c = rtspc_new("rtsp://10.2.0.6/a", NULL, "test", slice_of(sdp));
	rtspc_set_who(c, &who);
	sent[0] = '\0';
	cseq = 0;
	last.kind = RTSPC_NONE;
	rtspc_start(c, 0);
	if (*sdp)
		ck_assert_int_eq(rtspc_setup(c, m, 2, 0), 0);
	drain();
}

/* Answers the next request, in order; what that makes the client send is added to `sent`. */
static void answer(const char *status, const char *headers, const char *body)
{
	char text[4096];

	snprintf(text, sizeof(text), "RTSP/1.0 %s\r\nCSeq: %d\r\n%sContent-Length: %zu\r\n\r\n%s",
		status, ++cseq, headers, strlen(body), body);
	ck_assert_uint_eq(rtspc_input(c, (const uint8_t *)text, strlen(text), 0), strlen(text));
	drain();
}

static void setup_is_answered(int medium)
{
	char h[512];

	snprintf(h, sizeof(h),
		NC
		"Session: abc\r\nTransport: RTP/AVP;unicast;client_port=%d-%d;server_port=6-7\r\n",
		5000 + 2 * medium, 5001 + 2 * medium);
	answer("200 OK", h, "");
}

static int count(const char *what)
{
	int n = 0;

	for (const char *at = sent; (at = strstr(at, what)); at++)
		n++;
	return n;
}

/* What proves alice's password to this request, with this nonce and count. */
static bool proves(enum digest_algorithm a, const char *method, const char *url, const char *nonce,
	const char *nc)
{
	char ha1[DIGEST_HEX], response[DIGEST_HEX], part[256];
	struct digest d = {.algorithm = a,
		.nonce = slice_of(nonce),
		.uri = slice_of(url),
		.cnonce = SLICE("00000000000000ab"),
		.nc = slice_of(nc),
		.auth = nc != NULL};

	digest_ha1(a, SLICE("alice"), SLICE("r"), SLICE("s3cret"), ha1);
	digest_response(&d, ha1, slice_of(method), response);
	snprintf(part, sizeof(part), "nonce=\"%s\", uri=\"%s\", algorithm=%s, response=\"%s\"",
		nonce, url, digest_algorithm_str(a), response);
	return strstr(sent, part) != NULL;
}

static void setup(void)
{
	ck_assert_int_eq(secret_init(), 0);
	who = (struct rtspc_who){.user = "alice", .password = "s3cret", .cnonce = 0xab};
}

static void teardown(void)
{
	rtspc_free(c);
	c = NULL;
}

START_TEST(test_a_challenge_is_answered_with_the_strongest_algorithm)
{
	begin("");
	ck_assert_int_eq(count("Authorization"), 0);
	answer("401 Unauthorized", MD5 SHA, "");
	ck_assert_int_eq(count("DESCRIBE"), 2);
	ck_assert(proves(DIGEST_SHA256, "DESCRIBE", "rtsp://10.2.0.6/a", "n2", "00000001"));
	answer("200 OK", NC, SDP);
	ck_assert_int_eq(last.kind, RTSPC_DESCRIBED);
}
END_TEST

START_TEST(test_a_server_of_old_gets_an_answer_of_old)
{
	begin("");
	answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n" OLD, "");
	ck_assert(proves(DIGEST_MD5, "DESCRIBE", "rtsp://10.2.0.6/a", "n4", NULL));
	ck_assert_int_eq(count("qop"), 0);
}
END_TEST

START_TEST(test_a_wrong_password_is_told_after_one_attempt)
{
	begin("");
	answer("401 Unauthorized", MD5, "");
	answer("401 Unauthorized", MD5, "");
	ck_assert_int_eq(last.kind, RTSPC_FAILED);
	ck_assert_int_eq(last.status, 401);
	ck_assert_int_eq(count("DESCRIBE"), 2);
	/* So is what cannot be answered. */
	begin("");
	answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n", "");
	ck_assert_int_eq(last.status, 401);
	who.user = NULL;
	begin("");
	answer("401 Unauthorized", MD5, "");
	ck_assert_int_eq(last.status, 401);
	ck_assert_int_eq(count("DESCRIBE"), 1);
}
END_TEST

START_TEST(test_a_server_that_says_stale_for_ever_is_left)
{
	begin("");
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(last.kind, RTSPC_NONE);
		answer("401 Unauthorized", STALE, "");
	}
	ck_assert_int_eq(last.kind, RTSPC_FAILED);
}
END_TEST

START_TEST(test_at_the_next_node_all_is_proved_in_one_flight)
{
	begin("");
	answer("401 Unauthorized", SHA, "");
	answer("200 OK", NC "Authentication-Info: nextnonce=\"n9\"\r\nNearcast-Session: SEALED\r\n",
		SDP);
	begin(SDP);
	ck_assert_int_eq(count("SETUP"), 2);
	ck_assert_int_eq(count("Authorization"), 3);
	ck_assert_int_eq(count("Nearcast-Session: SEALED\r\n"), 2);
	ck_assert(proves(DIGEST_SHA256, "SETUP", "rtsp://10.2.0.6/a/trackID=0", "n9", "00000001"));
	ck_assert(proves(DIGEST_SHA256, "SETUP", "rtsp://10.2.0.6/a/trackID=1", "n9", "00000002"));
	ck_assert(proves(DIGEST_SHA256, "PLAY", "rtsp://10.2.0.6/a", "n9", "00000003"));
	setup_is_answered(0);
	setup_is_answered(1);
	answer("200 OK", "Session: abc\r\n", "");
	ck_assert_int_eq(last.kind, RTSPC_PLAYING);
}
END_TEST

START_TEST(test_a_flight_with_an_old_nonce_is_sent_once_more)
{
	who.known = who.auth = true;
	strcpy(who.realm, "r");
	strcpy(who.nonce, "old");
	begin(SDP);
	sent[0] = '\0';
	answer("401 Unauthorized", NC STALE, "");
	answer("401 Unauthorized", NC STALE, "");
	ck_assert_int_eq(count("SETUP"), 0); /* nothing before all is answered */
	answer("454 Session Not Found", NC, "");
	ck_assert_int_eq(count("SETUP"), 2);
	ck_assert_int_eq(count("PLAY"), 1);
	ck_assert(proves(DIGEST_MD5, "PLAY", "rtsp://10.2.0.6/a", "n3", "00000003"));
	setup_is_answered(0);
	setup_is_answered(1);
	answer("200 OK", "Session: abc\r\n", "");
	ck_assert_int_eq(last.kind, RTSPC_PLAYING);
}
END_TEST

START_TEST(test_a_plain_server_that_asks_each_time_is_answered_each_time)
{
	static const struct rtspc_media_conf m[2] = {{5000, {.seq = -1}}, {5002, {.seq = -1}}};

	begin("");
	answer("200 OK", "", SDP);
	ck_assert_int_eq(rtspc_setup(c, m, 2, 0), 0);
	drain();
	answer("401 Unauthorized", OLD, "");
	ck_assert(proves(DIGEST_MD5, "SETUP", "rtsp://10.2.0.6/a/trackID=0", "n4", NULL));
	setup_is_answered(0);
	answer("401 Unauthorized", STALE, "");
	setup_is_answered(1);
	answer("401 Unauthorized", STALE, "");
	answer("200 OK", "Session: abc\r\n", "");
	ck_assert_int_eq(last.kind, RTSPC_PLAYING);
	/* And a keep-alive that is refused does not end it. */
	rtspc_tick(c, rtspc_when(c));
	drain();
	sent[0] = '\0';
	answer("401 Unauthorized", STALE, "");
	ck_assert_int_eq(last.kind, RTSPC_PLAYING);
	rtspc_tick(c, rtspc_when(c));
	drain();
	ck_assert_int_eq(count("GET_PARAMETER"), 1);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("who");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_a_challenge_is_answered_with_the_strongest_algorithm);
	tcase_add_test(t, test_a_server_of_old_gets_an_answer_of_old);
	tcase_add_test(t, test_a_wrong_password_is_told_after_one_attempt);
	tcase_add_test(t, test_a_server_that_says_stale_for_ever_is_left);
	tcase_add_test(t, test_at_the_next_node_all_is_proved_in_one_flight);
	tcase_add_test(t, test_a_flight_with_an_old_nonce_is_sent_once_more);
	tcase_add_test(t, test_a_plain_server_that_asks_each_time_is_answered_each_time);
	return run_case("rtspc_who", t);
}
