/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a name to hosts, against a name server of the test's own (row D1). */
#include "arn/resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/run.h"

#define S NS_S

static const struct soft_conf conf = {.ttl_min = 1 * S,
	.ttl_max = 3600 * S,
	.negative_max = 60 * S,
	.stale = 600 * S,
	.retry = 5 * S,
	.retry_max = 30 * S,
	.entries = 64};

#define NAME "anycast-10-1-18-27.rtsp.tcp.cbb.net"

static struct resolver *r;
static struct resolved out;
static ns_t now;
static char asked[32][DNS_NAME + 8]; /* and not answered yet */
static int n_asked, total;

static void on_query(void *arg, const char *name, enum dns_type type)
{
	(void)arg;
	ck_assert_int_lt(n_asked, 32);
	snprintf(asked[n_asked++], sizeof(asked[0]), "%s %s", dns_type_str(type), name);
	total++;
}

static void setup(void)
{
	now = 0;
	n_asked = total = 0;
	r = resolver_new(&conf, on_query, NULL);
	ck_assert_ptr_nonnull(r);
}

static void teardown(void)
{
	resolver_free(r);
}

/* The oldest open question has to be this one; it is taken off. */
static struct dns_msg to(const char *question)
{
	struct dns_msg m = {.rcode = DNS_NOERROR};
	char *type;

	ck_assert_int_gt(n_asked, 0);
	ck_assert_str_eq(asked[0], question);
	memmove(asked[0], asked[1], sizeof(asked[0]) * (size_t)--n_asked);
	type = strdup(question);
	*strchr(type, ' ') = '\0';
	m.type = !strcmp(type, "SRV") ? DNS_SRV : !strcmp(type, "A") ? DNS_A : DNS_AAAA;
	snprintf(m.name, sizeof(m.name), "%s", question + strlen(type) + 1);
	free(type);
	return m;
}

static void give(const struct dns_msg *m)
{
	resolver_answer(r, m->name, (enum dns_type)m->type, m, now);
}

static struct dns_rr *add(struct dns_msg *m, const char *owner, uint16_t type, uint32_t ttl)
{
	struct dns_rr *rr = &m->rr[m->rrs++];

	rr->type = type;
	rr->ttl = ttl;
	snprintf(rr->owner, sizeof(rr->owner), "%s", owner);
	return rr;
}

static void add_srv(struct dns_msg *m, uint16_t priority, const char *target, uint32_t ttl)
{
	struct dns_rr *rr = add(m, m->name, DNS_SRV, ttl);

	rr->priority = priority;
	rr->port = 8554;
	snprintf(rr->target, sizeof(rr->target), "%s", target);
}

static void add_cname(struct dns_msg *m, const char *owner, const char *target)
{
	snprintf(add(m, owner, DNS_CNAME, 60)->target, DNS_NAME, "%s", target);
}

static void answer_address(const char *question, const char *address, uint32_t ttl)
{
	struct dns_msg m = to(question);

	if (address)
		ck_assert_int_eq(
			addr_parse(&add(&m, m.name, m.type, ttl)->addr, slice_of(address), 0), 0);
	give(&m);
}

static enum resolve_state service(void)
{
	static const char names[1][DNS_NAME] = {NAME};

	resolve_service(r, names, 1, true, now, &out);
	return out.state;
}

static void found(uint32_t ttl)
{
	struct dns_msg m;

	ck_assert_int_eq(service(), RESOLVE_PENDING);
	m = to("SRV " NAME);
	add_srv(&m, 10, "www.acme.com", ttl);
	give(&m);
	ck_assert_int_eq(service(), RESOLVE_PENDING);
	answer_address("A www.acme.com", "10.8.0.8", ttl);
	answer_address("AAAA www.acme.com", NULL, 0);
	ck_assert_int_eq(service(), RESOLVE_FRESH);
}

START_TEST(test_srv_records_lead_to_addresses_with_ports)
{
	char text[ADDR_STRLEN];

	found(300);
	ck_assert_int_eq(out.targets, 1);
	ck_assert_str_eq(out.target[0].host, "www.acme.com");
	ck_assert_str_eq(addr_str(&out.target[0].addr[0], text), "10.8.0.8:8554");
	ck_assert_int_eq(total, 3);
	ck_assert_int_eq(service(), RESOLVE_FRESH);
	ck_assert_int_eq(total, 3);
}
END_TEST

START_TEST(test_a_question_under_way_is_not_asked_twice)
{
	service();
	service();
	ck_assert_int_eq(total, 1);
}
END_TEST

START_TEST(test_the_second_form_is_asked_when_the_first_does_not_exist)
{
	static const char names[2][DNS_NAME] = {"_rtsp._tcp.anycast-10-1-18-27.cbb.net", NAME};
	struct dns_msg m;

	resolve_service(r, names, 2, true, now, &out);
	m = to("SRV _rtsp._tcp.anycast-10-1-18-27.cbb.net");
	m.rcode = DNS_NXDOMAIN;
	give(&m);
	resolve_service(r, names, 2, true, now, &out);
	ck_assert_int_eq(out.state, RESOLVE_PENDING);
	m = to("SRV " NAME);
	m.rcode = DNS_NXDOMAIN;
	give(&m);
	resolve_service(r, names, 2, true, now, &out);
	ck_assert_int_eq(out.state, RESOLVE_DENIED);
	ck_assert_ptr_nonnull(strstr(out.why, NAME));
}
END_TEST

START_TEST(test_aliases_are_followed_inside_of_an_answer_and_beyond)
{
	struct dns_msg m;

	resolve_host(r, "www.acme.com", 80, true, now, &out);
	m = to("A www.acme.com");
	add_cname(&m, "www.acme.com", "a.cdn.net");
	add_cname(&m, "a.cdn.net", "b.cdn.net");
	give(&m);
	answer_address("AAAA www.acme.com", NULL, 0);
	resolve_host(r, "www.acme.com", 80, true, now, &out);
	ck_assert_int_eq(out.state, RESOLVE_PENDING);
	answer_address("A b.cdn.net", "10.8.0.8", 60);
	resolve_host(r, "www.acme.com", 80, true, now, &out);
	ck_assert_int_eq(out.state, RESOLVE_FRESH);
	ck_assert_int_eq(out.target[0].addrs, 1);
}
END_TEST

START_TEST(test_aliases_in_circles_end)
{
	struct dns_msg m;

	resolve_host(r, "a.x", 80, true, now, &out);
	m = to("A a.x");
	add_cname(&m, "a.x", "b.x");
	add_cname(&m, "b.x", "a.x");
	give(&m);
	m = to("AAAA a.x");
	add_cname(&m, "a.x", "b.x");
	give(&m);
	resolve_host(r, "a.x", 80, true, now, &out);
	m = to("AAAA b.x");
	add_cname(&m, "b.x", "a.x");
	give(&m);
	resolve_host(r, "a.x", 80, true, now, &out);
	ck_assert_int_eq(out.state, RESOLVE_FAILED);
	ck_assert_int_eq(n_asked, 0);
}
END_TEST

START_TEST(test_when_name_servers_are_silent_the_old_answer_is_used_for_a_bounded_time)
{
	found(100);
	now = 101 * S;
	ck_assert_int_eq(service(), RESOLVE_STALE);
	ck_assert(out.asking);
	resolver_failure(r, NAME, DNS_SRV, "no answer (name servers: 10.8.0.53)", now);
	resolver_failure(r, "www.acme.com", DNS_A, "no answer", now);
	ck_assert_int_eq(service(), RESOLVE_STALE);
	ck_assert_int_eq(out.targets, 1);
	now = 699 * S;
	service();
	ck_assert_int_eq(out.targets, 1);
	now = 701 * S;
	ck_assert_int_eq(service(), RESOLVE_FAILED);
	ck_assert_ptr_nonnull(strstr(out.why, "10.8.0.53"));
}
END_TEST

START_TEST(test_a_denial_of_the_name_holds_at_once)
{
	struct dns_msg m;

	found(100);
	now = 101 * S;
	service();
	m = to("SRV " NAME);
	m.rcode = DNS_NXDOMAIN;
	m.has_soa = true;
	m.negative_ttl = 30;
	give(&m);
	ck_assert_int_eq(service(), RESOLVE_DENIED);
	total = 0;
	now = 130 * S;
	service();
	ck_assert_int_eq(total, 0);
	now = 132 * S;
	service();
	ck_assert_int_eq(total, 1);
}
END_TEST

START_TEST(test_a_target_of_root_says_that_there_is_no_service)
{
	struct dns_msg m;

	service();
	m = to("SRV " NAME);
	add_srv(&m, 0, "", 60);
	give(&m);
	ck_assert_int_eq(service(), RESOLVE_DENIED);
}
END_TEST

START_TEST(test_an_answer_to_another_question_is_none)
{
	struct dns_msg m;

	service();
	m = to("SRV " NAME);
	add_srv(&m, 0, "www.acme.com", 60);
	snprintf(m.name, sizeof(m.name), "evil.net");
	resolver_answer(r, NAME, DNS_SRV, &m, now);
	ck_assert_int_eq(service(), RESOLVE_FAILED);
}
END_TEST

START_TEST(test_an_address_needs_no_name_server)
{
	resolve_host(r, "2001:db8::8", 80, true, now, &out);
	ck_assert_int_eq(out.state, RESOLVE_FRESH);
	ck_assert_int_eq(total, 0);
}
END_TEST

START_TEST(test_who_only_looks_asks_nobody)
{
	static const char names[1][DNS_NAME] = {NAME};

	resolve_service(r, names, 1, false, now, &out);
	ck_assert_int_eq(out.state, RESOLVE_FAILED);
	ck_assert_int_eq(total, 0);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("resolve");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_srv_records_lead_to_addresses_with_ports);
	tcase_add_test(t, test_a_question_under_way_is_not_asked_twice);
	tcase_add_test(t, test_the_second_form_is_asked_when_the_first_does_not_exist);
	tcase_add_test(t, test_aliases_are_followed_inside_of_an_answer_and_beyond);
	tcase_add_test(t, test_aliases_in_circles_end);
	tcase_add_test(
		t, test_when_name_servers_are_silent_the_old_answer_is_used_for_a_bounded_time);
	tcase_add_test(t, test_a_denial_of_the_name_holds_at_once);
	tcase_add_test(t, test_a_target_of_root_says_that_there_is_no_service);
	tcase_add_test(t, test_an_answer_to_another_question_is_none);
	tcase_add_test(t, test_an_address_needs_no_name_server);
	tcase_add_test(t, test_who_only_looks_asks_nobody);
	return run_case("resolve", t);
}
