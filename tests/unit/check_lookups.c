/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Row H7: what a scout asks of the DNS, over loopback; the name server is the test. */
#include "arn/lookups.h"

#include <check.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cursor.h"
#include "lib/log.h"
#include "lib/udp.h"
#include "tests/unit/run.h"

#define HEAD    12 /* bytes of a message before its question */
#define TIMEOUT (60 * NS_S)

static struct loop *loop;
static struct lookups *lookups;

struct server {
	int fd;
	struct addr at;
	struct udp_msg msg[UDP_BATCH];
} one, two;

static struct answer {
	char name[DNS_NAME];
	int n;
	ns_t ttl;
	struct addr addr;
} answer[4];
static int answers;
static const struct scout_lookup *next; /* is asked when an answer comes */

static void on_records(void *arg, const struct scout_lookup *what, const struct scout_records *r)
{
	const struct scout_lookup *also = next;
	struct answer *a = &answer[answers++];

	(void)arg;
	*a = (struct answer){.n = r->n, .ttl = r->ttl};
	strcpy(a->name, what->name);
	if (r->n > 0)
		a->addr = r->r[0].addr;
	next = NULL;
	if (also)
		lookups_ask(lookups, also);
	loop_stop(loop);
}

static void open_server(struct server *s)
{
	socklen_t len = sizeof(s->at);

	ck_assert_int_eq(addr_parse(&s->at, slice_of("127.0.0.1:0"), 0), 0);
	s->fd = udp_open(&s->at, 0, 0);
	ck_assert_int_ge(s->fd, 0);
	ck_assert_int_eq(getsockname(s->fd, &s->at.sa, &len), 0);
}

static void use(const struct server *s)
{
	struct dns_conf c = {.server = &s->at, .servers = 1, .timeout = TIMEOUT, .tries = 1};

	lookups_set_conf(lookups, &c);
}

static void setup(void)
{
	log_open("test", NLOG_BUG);
	loop = loop_new();
	lookups = lookups_new(loop, on_records, NULL);
	open_server(&one);
	open_server(&two);
	use(&one);
	answers = 0;
	next = NULL;
}

static void teardown(void)
{
	lookups_free(lookups);
	loop_free(loop);
	close(one.fd);
	close(two.fd);
}

/* Answers the next question. Of type A it has this address, with a TTL of its own; else it has nothing. */
static void serve(struct server *s, int rcode, const char *a, uint32_t ttl)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	const struct udp_msg *m = s->msg;
	uint8_t out[512];
	struct wcur w = wcur_init(out, sizeof(out));
	const uint8_t *question;
	size_t name = HEAD;
	bool has;

	ck_assert_int_eq(poll(&p, 1, 5000), 1);
	ck_assert_int_eq(udp_recv(s->fd, s->msg, 1), 1);
	question = m->data;
	while (question[name])
		name += 1u + question[name];
	has = a && question[name + 2] == DNS_A;
	wcur_put(&w, question, 2);
	wcur_u16(&w, (uint16_t)(0x8180 | rcode));
	wcur_u16(&w, 1);
	wcur_u16(&w, has);
	wcur_u32(&w, 0);
	wcur_put(&w, question + HEAD, name + 5 - HEAD);
	if (has) {
		struct addr addr;

		ck_assert_int_eq(addr_parse(&addr, slice_of(a), 0), 0);
		wcur_u16(&w, 0xc000 | HEAD);
		wcur_u16(&w, DNS_A);
		wcur_u16(&w, 1);
		wcur_u32(&w, ttl);
		wcur_u16(&w, 4);
		wcur_put(&w, &addr.in.sin_addr, 4);
	}
	ck_assert_int_eq(udp_send(s->fd, &m->from, out, wcur_len(&w)), 0);
}

static void await(int n)
{
	while (answers < n)
		loop_run(loop);
}

static void ask(enum scout_type type, const char *name)
{
	struct scout_lookup what = {.type = type};

	strcpy(what.name, name);
	lookups_ask(lookups, &what);
}

START_TEST(test_addresses_are_there_when_both_families_are)
{
	ask(SCOUT_ADDR, "sn1.dir");
	serve(&one, DNS_NOERROR, "10.1.0.6", 30);
	serve(&one, DNS_NOERROR, "10.1.0.6", 30);
	await(1);
	ck_assert_str_eq(answer[0].name, "sn1.dir");
	ck_assert_int_eq(answer[0].n, 1);
	ck_assert_int_eq(answer[0].ttl, 30 * NS_S);
	ck_assert(addr_same_host(&answer[0].addr,
		&(struct addr){
			.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a010006)}}));
	ck_assert_uint_eq(lookups_counters(lookups)->answered, 2);
}
END_TEST

START_TEST(test_what_is_not_there_is_no_failure)
{
	ask(SCOUT_SRV, "nobody.dir");
	serve(&one, DNS_NXDOMAIN, NULL, 0);
	await(1);
	ck_assert_int_eq(answer[0].n, 0);
	ck_assert_int_eq(answer[0].ttl, 60 * NS_S);
}
END_TEST

START_TEST(test_server_that_refuses_has_not_said_that_there_is_nothing)
{
	ask(SCOUT_PTR, "areas.dir");
	serve(&one, DNS_REFUSED, NULL, 0);
	await(1);
	ck_assert_int_lt(answer[0].n, 0);
	ck_assert_uint_eq(lookups_counters(lookups)->failed, 1);
}
END_TEST

/* Whoever asks is told that his question has failed, and asks another one: of the new servers, whose
 * answer it is that counts. */
START_TEST(test_other_servers_fail_what_is_under_way_and_nothing_that_is_asked_then)
{
	static const struct scout_lookup later = {SCOUT_SRV, "later.dir"};

	ask(SCOUT_SRV, "before.dir");
	next = &later;
	use(&two);
	ck_assert_int_eq(answers, 1);
	ck_assert_str_eq(answer[0].name, "before.dir");
	ck_assert_int_lt(answer[0].n, 0);
	serve(&two, DNS_NXDOMAIN, NULL, 0);
	await(2);
	ck_assert_str_eq(answer[1].name, "later.dir");
	ck_assert_int_eq(answer[1].n, 0);
}
END_TEST

START_TEST(test_same_servers_again_change_nothing)
{
	ask(SCOUT_SRV, "before.dir");
	use(&one);
	ck_assert_int_eq(answers, 0);
	serve(&one, DNS_NXDOMAIN, NULL, 0);
	await(1);
	ck_assert_int_eq(answer[0].n, 0);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("lookups");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_test(t, test_addresses_are_there_when_both_families_are);
	tcase_add_test(t, test_what_is_not_there_is_no_failure);
	tcase_add_test(t, test_server_that_refuses_has_not_said_that_there_is_nothing);
	tcase_add_test(t, test_other_servers_fail_what_is_under_way_and_nothing_that_is_asked_then);
	tcase_add_test(t, test_same_servers_again_change_nothing);
	return run_case("lookups", t);
}
