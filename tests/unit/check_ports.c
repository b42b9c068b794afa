/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Row B6 at the node: which port is bound to which state, and until when. */
#include "sn-agent/ports.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/literal.h"
#include "tests/unit/run.h"

#define GENERATION 77
#define LIFETIME   (10 * NS_S)

static struct ports *ports;
static struct prime_answer out;
static struct port *gone;
static ns_t now;

static struct ports_conf conf_of(uint16_t first, uint16_t last, int max)
{
	return (struct ports_conf){.first = first,
		.last = last,
		.max = max,
		.lifetime = LIFETIME,
		.services = SERVICE_RTSP,
		.family = AF_INET};
}

static void with(uint16_t first, uint16_t last, int max)
{
	struct ports_conf c = conf_of(first, last, max);

	ports_free(ports);
	ports = ports_new(&c, "sn1", GENERATION);
	ck_assert_ptr_nonnull(ports);
}

static void setup(void)
{
	now = 100 * NS_S;
	with(20000, 20009, 4);
}

static void teardown(void)
{
	ports_free(ports);
	ports = NULL;
}

static struct prime_ask ask_for(const char *arn, int provider)
{
	struct prime_ask a = {.id = 9, .generation = GENERATION, .to = "sn1"};
	char text[32];

	snprintf(a.from, sizeof(a.from), "%s", arn);
	snprintf(text, sizeof(text), "10.1.18.%d", provider);
	a.state.service = SERVICE_RTSP;
	a.state.anycast = literal(text);
	return a;
}

static struct port *ask(const struct prime_ask *a)
{
	struct addr from = literal("10.2.0.4:9999");
	struct port *p = ports_ask(ports, a, &from, now, &out, &gone);

	ck_assert((p != NULL) == (out.status == PRIME_GRANTED));
	if (p)
		p->open = true;
	return p;
}

static struct port *bind_provider(int provider)
{
	struct prime_ask a = ask_for("arn1", provider);

	return ask(&a);
}

START_TEST(test_same_state_has_the_same_port_for_whoever_asks)
{
	struct prime_ask a = ask_for("arn1", 27), b = ask_for("arn2", 27);
	uint16_t number = ask(&a)->number;

	ck_assert_uint_eq(out.port, number);
	ck_assert_uint_eq(out.lifetime_ms, LIFETIME / NS_MS);
	ck_assert_uint_eq(out.id, 9);
	ck_assert_str_eq(out.from, "sn1");
	ck_assert_str_eq(out.to, "arn1");
	ck_assert_uint_eq(ask(&b)->number, number);
	ck_assert_uint_eq(ask(&a)->number, number);
	ck_assert_int_eq(ports_bound(ports), 1);
	ck_assert_uint_ne(bind_provider(28)->number, number);
}
END_TEST

START_TEST(test_node_that_starts_anew_gives_the_same_again)
{
	uint16_t number = bind_provider(27)->number;

	with(20000, 20009, 4);
	ck_assert_uint_eq(bind_provider(27)->number, number);
}
END_TEST

START_TEST(test_request_of_another_life_binds_nothing)
{
	struct prime_ask a = ask_for("arn1", 27);

	a.generation = GENERATION - 1;
	ck_assert_ptr_null(ask(&a));
	ck_assert_int_eq(out.status, PRIME_GENERATION);
	ck_assert_uint_eq(out.generation, GENERATION);
	ck_assert_int_eq(ports_bound(ports), 0);
}
END_TEST

START_TEST(test_unused_port_expires_and_a_used_one_stays)
{
	struct port *p = bind_provider(27);

	now += LIFETIME + PORTS_GRACE - 1;
	ck_assert_ptr_null(ports_expired(ports, now));
	ports_enter(p, now);
	now += 10 * LIFETIME;
	ck_assert_ptr_null(ports_expired(ports, now));
	ports_leave(p, now);
	ck_assert_ptr_eq(ports_expired(ports, now), p);
	ports_forget(ports, p, now);
	ck_assert_ptr_null(ports_expired(ports, now));
	ck_assert_int_eq(ports_bound(ports), 0);
}
END_TEST

START_TEST(test_port_that_is_asked_for_again_lives_on)
{
	bind_provider(27);
	for (int i = 0; i < 10; i++) {
		now += LIFETIME / 2;
		ck_assert_ptr_null(ports_expired(ports, now));
		bind_provider(27);
	}
	now += LIFETIME + PORTS_GRACE;
	ck_assert_ptr_nonnull(ports_expired(ports, now));
}
END_TEST

START_TEST(test_longest_idle_port_gives_way_when_all_are_taken)
{
	struct port *p[4];

	for (int i = 0; i < 4; i++) {
		p[i] = bind_provider(i + 1);
		now += PORTS_SETTLED;
	}
	ports_enter(p[0], now); /* in use: not that one, though it is the oldest */
	ck_assert_ptr_nonnull(bind_provider(5));
	ck_assert_ptr_eq(gone, p[1]);
	ck_assert_str_eq(gone->holder[0].arn, "arn1");
	ports_forget(ports, gone, now);
	ck_assert_int_eq(ports_bound(ports), 4);
}
END_TEST

START_TEST(test_no_port_gives_way_that_is_in_use_or_just_given)
{
	for (int i = 0; i < 4; i++)
		bind_provider(i + 1);
	ck_assert_ptr_null(bind_provider(5));
	ck_assert_int_eq(out.status, PRIME_FULL);
	ck_assert_ptr_null(gone);
}
END_TEST

/* Whoever was told of it would else come to the wrong content. */
START_TEST(test_number_that_gave_way_rests_until_its_last_grant_is_over)
{
	uint16_t number;

	with(20000, 20001, 1);
	number = bind_provider(1)->number;
	now += PORTS_SETTLED;
	ck_assert_uint_ne(bind_provider(2)->number, number);
	ports_forget(ports, gone, now);
	now += PORTS_SETTLED;
	ck_assert_ptr_null(bind_provider(3)); /* the other is taken, this one rests */
	ck_assert_int_eq(out.status, PRIME_FULL);
	ck_assert_ptr_null(gone);
	ck_assert_uint_eq(bind_provider(1)->number, number); /* but not for who had it */
	ports_forget(ports, gone, now);
	now += LIFETIME;
	ck_assert_ptr_nonnull(bind_provider(3));
}
END_TEST

START_TEST(test_number_that_cannot_be_opened_is_not_tried_again_at_once)
{
	struct port *p = bind_provider(27);
	uint16_t number = p->number;

	ports_fail(ports, p, now);
	ck_assert_uint_ne(bind_provider(27)->number, number);
}
END_TEST

START_TEST(test_what_the_node_cannot_serve_is_refused_with_the_reason)
{
	struct prime_ask a = ask_for("arn1", 27);

	a.state.service = SERVICE_HTTP;
	ask(&a);
	ck_assert_int_eq(out.status, PRIME_NO_SERVICE);
	a = ask_for("arn1", 27);
	a.state.origins = 1;
	a.state.origin[0] = literal("[2001:db8::1]:554");
	ask(&a);
	ck_assert_int_eq(out.status, PRIME_UNREACHABLE);
	ports_set_draining(ports, true);
	a.state.origins = 0;
	ask(&a);
	ck_assert_int_eq(out.status, PRIME_DRAINING);
}
END_TEST

START_TEST(test_origin_with_a_name_may_move_and_keeps_its_port)
{
	struct prime_ask a = ask_for("arn1", 27);
	struct port *p;

	strcpy(a.state.host, "cam.acme.com");
	a.state.origins = 1;
	a.state.origin[0] = literal("10.9.0.1:554");
	p = ask(&a);
	a.state.origin[0] = literal("10.9.0.2:554");
	ck_assert_ptr_eq(ask(&a), p);
	ck_assert_int_eq(addr_cmp(&p->state.origin[0], &a.state.origin[0]), 0);
	a.state.origin[0] = literal("10.9.0.2:8554"); /* another service there */
	ck_assert_ptr_ne(ask(&a), p);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("ports");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_same_state_has_the_same_port_for_whoever_asks);
	tcase_add_test(t, test_node_that_starts_anew_gives_the_same_again);
	tcase_add_test(t, test_request_of_another_life_binds_nothing);
	tcase_add_test(t, test_unused_port_expires_and_a_used_one_stays);
	tcase_add_test(t, test_port_that_is_asked_for_again_lives_on);
	tcase_add_test(t, test_longest_idle_port_gives_way_when_all_are_taken);
	tcase_add_test(t, test_no_port_gives_way_that_is_in_use_or_just_given);
	tcase_add_test(t, test_number_that_gave_way_rests_until_its_last_grant_is_over);
	tcase_add_test(t, test_number_that_cannot_be_opened_is_not_tried_again_at_once);
	tcase_add_test(t, test_what_the_node_cannot_serve_is_refused_with_the_reason);
	tcase_add_test(t, test_origin_with_a_name_may_move_and_keeps_its_port);
	return run_case("ports", t);
}
