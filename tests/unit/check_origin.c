/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where content comes from: names of addresses (row D1), origins in URLs (row D4), what a request
 * is told when nothing is known. */
#include "arn/origin.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arn/redirect.h"
#include "tests/unit/literal.h"
#include "tests/unit/run.h"

/* ---- D1: the fixed rule ---- */

START_TEST(test_d1_an_addresss_name_is_the_patents_and_rfc_2782s)
{
	struct addr a = literal("10.1.18.27"), v6 = literal("2001:db8::1:27");
	char name[DNS_NAME];

	ck_assert(origin_name(ORIGIN_FORM_PATENT, &a, "http", "cbb.net", name));
	ck_assert_str_eq(name, "anycast-10-1-18-27.http.tcp.cbb.net");
	ck_assert(origin_name(ORIGIN_FORM_RFC2782, &a, "http", "cbb.net", name));
	ck_assert_str_eq(name, "_http._tcp.anycast-10-1-18-27.cbb.net");
	ck_assert(origin_name(ORIGIN_FORM_PATENT, &v6, "rtsp", "cbb.net", name));
	ck_assert_str_eq(name, "anycast-2001-db8-0-0-0-0-1-27.rtsp.tcp.cbb.net");
	ck_assert(dns_name_ok(name));
}
END_TEST

static struct origin_fact *new_fact(const char *key, enum origin_state state)
{
	struct origin_fact *f = calloc(1, sizeof(*f));

	atomic_init(&f->refs, 1);
	snprintf(f->key, sizeof(f->key), "%s", key);
	f->state = state;
	return f;
}

static void add_target(struct origin_fact *f, uint16_t priority, uint16_t weight, const char *host,
	const char *address)
{
	struct origin_target *t = &f->target[f->targets++];

	*t = (struct origin_target){.priority = priority, .weight = weight, .port = 8554};
	snprintf(t->host, sizeof(t->host), "%s", host);
	if (address) {
		t->addr[t->addrs] = literal(address);
		addr_set_port(&t->addr[t->addrs++], t->port);
	}
}

START_TEST(test_d1_lower_priority_comes_first_and_weights_share_the_lots)
{
	struct origin_fact *f = new_fact("x", ORIGIN_READY);
	int first[3] = {0}, order[ORIGIN_TARGETS];

	add_target(f, 10, 30, "a", NULL);
	add_target(f, 10, 10, "b", NULL);
	add_target(f, 20, 99, "c", NULL);
	for (uint64_t lot = 0; lot < 10000; lot++) {
		origin_order(f, lot, order);
		first[order[0]]++;
		ck_assert_int_eq(order[2], 2);
		ck_assert_int_eq(order[0] + order[1], 1);
	}
	ck_assert_int_gt(first[0], 7300);
	ck_assert_int_lt(first[0], 7700);
	origin_fact_unref(f);
}
END_TEST

START_TEST(test_d1_weight_0_is_drawn_only_among_its_like)
{
	struct origin_fact *f = new_fact("x", ORIGIN_READY);
	int order[ORIGIN_TARGETS];

	add_target(f, 1, 0, "a", NULL);
	add_target(f, 1, 5, "b", NULL);
	for (uint64_t lot = 0; lot < 100; lot++) {
		origin_order(f, lot, order);
		ck_assert_int_eq(order[0], 1);
	}
	origin_fact_unref(f);
}
END_TEST

/* ---- D4: the origin in the URL ---- */

START_TEST(test_d4_an_origin_is_read_from_the_path)
{
	static const struct {
		const char *path, *host;
		uint16_t port;
		const char *rest;
	} good[] = {
		{"/=cam.acme.com/live/1", "cam.acme.com", 0, "/live/1"},
		{"/=CAM.acme.com:8554/live", "cam.acme.com", 8554, "/live"},
		{"/=10.8.0.8:554/", "10.8.0.8", 554, "/"},
		{"/=[2001:db8::8]:554/a", "2001:db8::8", 554, "/a"},
		{"/=[2001:db8::8]/a", "2001:db8::8", 0, "/a"},
	};
	static const char *const bad[] = {"/", "/=", "/=/a", "/=cam", "/news", "/=a:0/x",
		"/=a:65536/x", "/=a:/x", "/=a b/x", "/=[::1/x", "/=[::1]9/x", "/=a@b/x", "/=a..b/x",
		"/=%41/x"};
	char host[DNS_NAME];
	struct slice rest;
	uint16_t port;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_int_eq(origin_in_path(slice_of(good[i].path), host, &port, &rest), 0);
		ck_assert_str_eq(host, good[i].host);
		ck_assert_int_eq(port, good[i].port);
		ck_assert(slice_eq(rest, slice_of(good[i].rest)));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(origin_in_path(slice_of(bad[i]), host, &port, &rest) == -EINVAL, "%s",
			bad[i]);
}
END_TEST

START_TEST(test_d4_nothing_is_allowed_that_is_not_named)
{
	static const char list[] = "cam.acme.com, *.cdn.net:8554, 10.8.0.0/16, [2001:db8::]/32";

	ck_assert_ptr_nonnull(origin_check_allow(list));
	ck_assert(!origin_allowed("", "cam.acme.com", 554, 554));
	static const char right[] = "cam.acme.com, *.cdn.net:8554, 10.8.0.0/16, 2001:db8::/32";
	ck_assert_ptr_null(origin_check_allow(right));
	ck_assert(origin_allowed(right, "cam.acme.com", 554, 554));
	ck_assert(!origin_allowed(right, "cam.acme.com", 22, 554));
	ck_assert(!origin_allowed(right, "xcam.acme.com", 554, 554));
	ck_assert(origin_allowed(right, "a.cdn.net", 8554, 554));
	ck_assert(origin_allowed(right, "a.b.cdn.net", 8554, 554));
	ck_assert(!origin_allowed(right, "cdn.net", 8554, 554));
	ck_assert(!origin_allowed(right, "evilcdn.net", 8554, 554));
	ck_assert(!origin_allowed(right, "a.cdn.net", 554, 554));
	ck_assert(origin_allowed(right, "10.8.3.1", 554, 554));
	ck_assert(!origin_allowed(right, "10.9.3.1", 554, 554));
	ck_assert(origin_allowed(right, "2001:db8::9", 554, 554));
	/* A mapped address is the IPv4 one. */
	ck_assert(!origin_allowed(right, "::ffff:10.9.3.1", 554, 554));
	ck_assert_ptr_nonnull(origin_check_allow("*"));
	ck_assert_ptr_nonnull(origin_check_allow("*.*.net"));
	ck_assert_ptr_nonnull(origin_check_allow("a:0"));
	ck_assert_ptr_nonnull(origin_check_allow("a b"));
}
END_TEST

/* ---- one request ---- */

static struct snapshot *snap;
static struct redirect_response rs;
static struct origin_rule rule[2];
static struct origin_fact *fact[4];
static int facts;

static void setup(void)
{
	struct announce *n;

	snap = snapshot_new(1);
	n = &snap->node[snap->nodes++].said;
	*n = (struct announce){.role = ROLE_SN,
		.addr = literal("10.2.0.6"),
		.rtsp_port = 554,
		.http_port = 80,
		.healthy = true,
		.weight = 100,
		.control_port = 7702,
		.primes = SERVICE_RTSP};
	snprintf(n->id, sizeof(n->id), "sn806");
	memset(rule, 0, sizeof(rule));
	rule[0].anycast = literal("10.1.18.27");
	rule[0].method = ORIGIN_SRV;
	rule[1].anycast = literal("10.1.18.28");
	rule[1].method = ORIGIN_URL;
	snprintf(rule[1].allow, sizeof(rule[1].allow), "*.acme.com");
	facts = 0;
}

static void teardown(void)
{
	for (int i = 0; i < facts; i++)
		origin_fact_unref(fact[i]);
	snapshot_unref(snap);
}

static int ask(const char *local, const char *path, bool final)
{
	char text[256];
	struct redirect_request rq = {
		.port = TEXT_RTSP, .client = literal("192.0.2.1"), .local = literal(local)};

	origins_unref(snap->origins);
	snap->origins = origins_new(rule, 2, fact, facts);
	snprintf(text, sizeof(text), "DESCRIBE rtsp://x%s RTSP/1.0\r\nCSeq: 1\r\n\r\n", path);
	rq.bytes = slice_of(text);
	rq.final = final;
	redirect_answer(&rq, snap, &rs);
	return rs.status;
}

START_TEST(test_d1_a_request_waits_for_its_origin_and_is_told_when_there_is_none)
{
	ck_assert_int_eq(ask("10.1.18.27", "/news", false), 0);
	ck_assert_int_eq(rs.want.what, WANT_ORIGIN);
	ck_assert_int_eq(ask("10.1.18.27", "/news", true), 504);
	fact[facts++] = new_fact("srv rtsp 10.1.18.27", ORIGIN_FAILED);
	ck_assert_int_eq(ask("10.1.18.27", "/news", false), 504);
	fact[0]->state = ORIGIN_DENIED;
	ck_assert_int_eq(ask("10.1.18.27", "/news", false), 502);
	ck_assert_ptr_nonnull(rs.why);
}
END_TEST

START_TEST(test_d1_what_was_found_is_in_the_state_that_the_node_is_primed_with)
{
	fact[facts++] = new_fact("srv rtsp 10.1.18.27", ORIGIN_READY);
	add_target(fact[0], 10, 0, "dead.acme.com", NULL);
	add_target(fact[0], 20, 0, "www.acme.com", "10.8.0.8");
	ck_assert_int_eq(ask("10.1.18.27", "/news", false), 0);
	ck_assert_int_eq(rs.want.what, WANT_PRIME);
	ck_assert_str_eq(rs.want.state.host, "www.acme.com");
	ck_assert_int_eq(rs.want.state.origins, 1);
	ck_assert_int_eq(addr_port(&rs.want.state.origin[0]), 8554);
	ck_assert_str_eq(rs.want.state.channel, "");
	ck_assert(atomic_load(&fact[0]->used));
	/* A node that cannot be primed in time is better than none. */
	ck_assert_int_eq(ask("10.1.18.27", "/news", true), 302);
}
END_TEST

START_TEST(test_d1_what_is_being_asked_again_is_waited_for_and_then_used)
{
	snap->node[0].said.primes = 0;
	fact[facts++] = new_fact("srv rtsp 10.1.18.27", ORIGIN_OLD);
	add_target(fact[0], 20, 0, "www.acme.com", "10.8.0.8");
	ck_assert_int_eq(ask("10.1.18.27", "/news", false), 0);
	ck_assert_int_eq(rs.want.what, WANT_ORIGIN);
	ck_assert_int_eq(ask("10.1.18.27", "/news", true), 302);
}
END_TEST

START_TEST(test_d1_without_srv_records_the_fallback_is_used)
{
	snprintf(rule[0].fallback_host, DNS_NAME, "spare.acme.com");
	fact[facts++] = new_fact("srv rtsp 10.1.18.27", ORIGIN_DENIED);
	ck_assert_int_eq(ask("10.1.18.27", "/news", false), 0);
	ck_assert_str_eq(rs.want.state.host, "spare.acme.com");
	fact[facts++] = new_fact("host spare.acme.com:554", ORIGIN_READY);
	add_target(fact[1], 0, 0, "spare.acme.com", "10.8.0.9");
	ck_assert_int_eq(ask("10.1.18.27", "/news", false), 0);
	ck_assert_int_eq(rs.want.what, WANT_PRIME);
	ck_assert_str_eq(rs.want.state.host, "spare.acme.com");
}
END_TEST

START_TEST(test_d1_an_address_without_a_rule_needs_no_origin)
{
	ck_assert_int_eq(ask("10.1.18.99", "/news", false), 302);
}
END_TEST

START_TEST(test_d4_the_redirected_url_is_the_clients_and_the_state_has_the_path_at_the_origin)
{
	ck_assert_int_eq(ask("10.1.18.28", "/news", false), 404);
	ck_assert_int_eq(ask("10.1.18.28", "/=evil.net/live", false), 403);
	ck_assert_int_eq(ask("10.1.18.28", "/=cam.acme.com/live?x=1", false), 0);
	ck_assert_int_eq(rs.want.what, WANT_ORIGIN);
	ck_assert_str_eq(rs.want.state.host, "cam.acme.com");
	fact[facts++] = new_fact("host cam.acme.com:554", ORIGIN_READY);
	add_target(fact[0], 0, 0, "cam.acme.com", "10.8.0.8");
	ck_assert_int_eq(ask("10.1.18.28", "/=cam.acme.com/live?x=1", false), 0);
	ck_assert_int_eq(rs.want.what, WANT_PRIME);
	ck_assert_str_eq(rs.want.state.channel, "/live");
	ck_assert_int_eq(ask("10.1.18.28", "/=cam.acme.com/live?x=1", true), 302);
	ck_assert_ptr_nonnull(strstr(rs.text, "rtsp://10.2.0.6/=cam.acme.com/live?x=1\r\n"));
}
END_TEST

START_TEST(test_d4_all_objects_of_a_web_site_have_one_port)
{
	struct prime_state q = {.service = SERVICE_HTTP, .anycast = literal("10.1.18.28")};
	struct want want;
	const char *why;
	struct url u;
	int status;

	fact[facts++] = new_fact("host cam.acme.com:80", ORIGIN_READY);
	add_target(fact[0], 0, 0, "cam.acme.com", "10.8.0.8");
	snap->origins = origins_new(rule, 2, fact, facts);
	ck_assert_int_eq(url_parse(&u, SLICE("/=cam.acme.com/vod/1.ts")), 0);
	ck_assert_int_eq(origin_of(snap->origins, &u, false, &q, &want, &status, &why), ORIGIN_GO);
	ck_assert_str_eq(q.host, "cam.acme.com");
	ck_assert_str_eq(q.channel, "");
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("pure"), *r = tcase_create("requests");
	Suite *s = suite_create("origin");

	tcase_add_test(t, test_d1_an_addresss_name_is_the_patents_and_rfc_2782s);
	tcase_add_test(t, test_d1_lower_priority_comes_first_and_weights_share_the_lots);
	tcase_add_test(t, test_d1_weight_0_is_drawn_only_among_its_like);
	tcase_add_test(t, test_d4_an_origin_is_read_from_the_path);
	tcase_add_test(t, test_d4_nothing_is_allowed_that_is_not_named);
	tcase_add_checked_fixture(r, setup, teardown);
	tcase_add_test(r, test_d1_a_request_waits_for_its_origin_and_is_told_when_there_is_none);
	tcase_add_test(r, test_d1_what_was_found_is_in_the_state_that_the_node_is_primed_with);
	tcase_add_test(r, test_d1_what_is_being_asked_again_is_waited_for_and_then_used);
	tcase_add_test(r, test_d1_without_srv_records_the_fallback_is_used);
	tcase_add_test(r, test_d1_an_address_without_a_rule_needs_no_origin);
	tcase_add_test(r,
		test_d4_the_redirected_url_is_the_clients_and_the_state_has_the_path_at_the_origin);
	tcase_add_test(r, test_d4_all_objects_of_a_web_site_have_one_port);
	suite_add_tcase(s, t);
	suite_add_tcase(s, r);
	return run_suite(s);
}
