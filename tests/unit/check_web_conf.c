/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Row E1: what the node's nginx is told. That it understands this, and does what is meant, is tested
 * with nginx itself (tests/integration/test_web.py). */
#include "sn-agent/web_conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/nginx_text.h"
#include "tests/unit/literal.h"
#include "tests/unit/run.h"

static struct web_conf conf;
static struct web_inside inside;
static struct prime_state state[3];
static struct web_site site[3];
static int sites, err;
static char *text;

static void setup(void)
{
	conf = (struct web_conf){.name = "sn806",
		.folder = "/var/cache/nearcast",
		.user = "www-data",
		.address = literal("10.2.0.6"),
		.port = 8080,
		.size = 512,
		.slice = 256,
		.connections = 1024,
		.inactive = 3600 * NS_S,
		.fresh = 10 * NS_S};
	inside = (struct web_inside){.log = literal("127.0.0.1:9999"), .log_key = "00aaff"};
	memset(state, 0, sizeof(state));
	sites = 0;
	text = NULL;
}

static void teardown(void)
{
	free(text);
}

static struct prime_state *bind_site(uint16_t port, const char *host, const char *origin)
{
	struct prime_state *q = &state[sites];

	q->service = 2;
	q->anycast = literal("10.1.18.27");
	snprintf(q->host, sizeof(q->host), "%s", host);
	q->origin[0] = literal(origin);
	q->origins = 1;
	site[sites] = (struct web_site){port, q};
	sites++;
	return q;
}

static void write_conf(void)
{
	free(text);
	text = web_conf_write(&conf, &inside, site, sites, &err);
	ck_assert((text == NULL) == (err != 0));
}

#define HAS(s)     ck_assert_msg(strstr(text, s), "lacks: %s", s)
#define HAS_NOT(s) ck_assert_msg(!strstr(text, s), "has: %s", s)

START_TEST(test_node_without_origins_listens_and_has_nothing)
{
	write_conf();
	ck_assert_int_gt(nginx_statements(text), 50);
	HAS("listen 10.2.0.6:8080;");
	HAS("proxy_cache_path /var/cache/nearcast/cache levels=1:2 keys_zone=nearcast:32m "
	    "max_size=512m inactive=3600s");
	HAS("user www-data;");
	HAS("worker_processes auto;");
	HAS_NOT("\tupstream ");
	HAS_NOT("auth_request");
	HAS_NOT("/var/log");
}
END_TEST

START_TEST(test_port_is_bound_to_its_origin_by_name)
{
	bind_site(20001, "www.acme.com", "10.8.0.8:80")->origin[1] = literal("10.8.0.9:80");
	state[0].origins = 2;
	write_conf();
	HAS("listen 10.2.0.6:20001;");
	HAS("upstream origin_0 {\n\t\tserver 10.8.0.8:80;\n\t\tserver 10.8.0.9:80 backup;\n");
	HAS("map $server_port $near_bound {\n\t\tdefault \"\";\n\t\t20001 0;\n");
	HAS("0 \"www.acme.com:80\";");
	HAS("0 \"www.acme.com\";");
	HAS("\"~*^/=www\\.acme\\.com(?::80)?/\" 0;");
}
END_TEST

START_TEST(test_two_ports_of_one_origin_share_it_and_the_newest_addresses_count)
{
	bind_site(20001, "www.acme.com", "10.8.0.8:80");
	bind_site(20002, "WWW.acme.com", "10.8.0.9:80");
	bind_site(20003, "www.acme.com", "10.8.0.8:8080");
	write_conf();
	HAS("20001 0;\n\t\t20002 0;\n\t\t20003 1;");
	HAS("upstream origin_0 {\n\t\tserver 10.8.0.9:80;\n");
	HAS("upstream origin_1 {\n\t\tserver 10.8.0.8:8080;\n");
	HAS("1 \"www.acme.com:8080\";");
	HAS_NOT("\tupstream origin_2");
}
END_TEST

START_TEST(test_origin_without_a_name_goes_by_its_address_ipv6_alike)
{
	conf.address = literal("2001:db8::6");
	bind_site(20001, "", "[2001:db8::8]:8080");
	state[0].origin[1] = literal("10.8.0.8:80"); /* which this node cannot reach */
	state[0].origins = 2;
	write_conf();
	HAS("listen [2001:db8::6]:20001;");
	HAS("upstream origin_0 {\n\t\tserver [2001:db8::8]:8080;\n\t\tkeepalive");
	HAS("0 \"[2001:db8::8]:8080\";");
	HAS("\"~*^/=\\[2001\\:db8\\:\\:8\\]:8080/\" 0;");
	HAS("allow 2001:db8::6;");
}
END_TEST

START_TEST(test_configured_origin_is_that_of_all_that_names_no_other)
{
	conf.origin.origins = 1;
	conf.origin.origin[0] = literal("10.8.0.8:80");
	snprintf(conf.origin.host, sizeof(conf.origin.host), "www.acme.com");
	bind_site(20001, "www.acme.com", "10.8.0.8:80");
	write_conf();
	HAS("default 0;\n\t}\n\tmap \"$near_origin/$near_named\"");
	HAS_NOT("\tupstream origin_1");
}
END_TEST

START_TEST(test_node_is_no_origin_of_its_own)
{
	bind_site(20001, "www.acme.com", "10.2.0.6:8080");
	bind_site(20002, "www.acme.com", "10.2.0.6:20001");
	bind_site(20003, "here", "10.2.0.6:81");
	write_conf();
	HAS("listen 10.2.0.6:20001;");
	HAS_NOT("www.acme.com");
	HAS("server 10.2.0.6:81;");
}
END_TEST

START_TEST(test_path_of_a_port_comes_before_the_clients)
{
	snprintf(bind_site(20001, "www.acme.com", "10.8.0.8:80")->channel, PRIME_PATH, "/a/b.mpd");
	write_conf();
	HAS("20001 \"/a/b.mpd$near_query\";");
}
END_TEST

START_TEST(test_tokens_are_asked_about_when_the_agent_answers)
{
	inside.admission = literal("127.0.0.1:7777");
	write_conf();
	HAS("upstream admission {\n\t\tserver 127.0.0.1:7777;");
	HAS("auth_request /.nearcast/admission;");
}
END_TEST

START_TEST(test_objects_are_fetched_whole_when_there_are_no_slices)
{
	conf.slice = 0;
	write_conf();
	HAS_NOT("slice");
	HAS_NOT("416");
	HAS("proxy_set_header Range \"\";");
}
END_TEST

START_TEST(test_no_byte_of_a_path_leaves_its_place)
{
	int plain;

	snprintf(bind_site(20001, "www.acme.com", "10.8.0.8:80")->channel, PRIME_PATH, "/x");
	write_conf();
	plain = nginx_statements(text);
	for (int byte = 1; byte < 256; byte++) {
		char escaped[8];

		snprintf(state[0].channel, PRIME_PATH, "/%c%c%c", byte, byte, byte);
		write_conf();
		ck_assert_ptr_nonnull(text);
		ck_assert_msg(nginx_statements(text) == plain, "byte %d", byte);
		snprintf(escaped, sizeof(escaped), "%%%02X", byte);
		if (strchr("\"$\\;{}#\n\r\t <>", byte)) /* nginx's own, and a request line's */
			HAS(escaped);
	}
}
END_TEST

START_TEST(test_value_of_another_alphabet_makes_no_text)
{
	static const char *const bad[] = {"a;b", "a b", "a\"", "a'", "$host", "a{", "a}", "a\n",
		"a\\", "a#", "a/b", "a\xc3\xa4"};

	bind_site(20001, "www.acme.com", "10.8.0.8:80");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert(!web_name_ok(bad[i]));
		snprintf(state[0].host, sizeof(state[0].host), "%s", bad[i]);
		write_conf();
		ck_assert_int_eq(err, -EINVAL);
	}
	snprintf(state[0].host, sizeof(state[0].host), "www.acme.com");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct web_conf good = conf;

		snprintf(conf.folder, sizeof(conf.folder), "/var/%s", bad[i]);
		write_conf();
		ck_assert_int_eq(err, strchr(bad[i], '/') ? 0 : -EINVAL);
		conf = good;
		snprintf(conf.log, sizeof(conf.log), "/var/%s", bad[i]);
		write_conf();
		ck_assert_int_eq(err, strchr(bad[i], '/') ? 0 : -EINVAL);
		conf = good;
		snprintf(conf.user, sizeof(conf.user), "%s", bad[i]);
		write_conf();
		ck_assert_int_eq(err, -EINVAL);
		conf = good;
	}
	ck_assert(!web_path_ok("var") && !web_path_ok(""));
	snprintf(state[0].channel, PRIME_PATH, "x");
	write_conf();
	ck_assert_int_eq(err, -EINVAL);
}
END_TEST

START_TEST(test_longest_values_have_room)
{
	sites = 0;
	for (int i = 0; i < 3; i++) {
		struct prime_state *q = bind_site((uint16_t)(20001 + i), "", "10.8.0.8:65535");

		memset(q->host, i == 0 ? '-' : 'a' + i, sizeof(q->host) - 1);
		memset(q->channel, '$', sizeof(q->channel) - 1);
		q->channel[0] = '/';
		for (int k = 0; k < PRIME_ORIGINS; k++)
			q->origin[k] = literal("10.8.200.200:65535");
		q->origins = PRIME_ORIGINS;
	}
	write_conf();
	ck_assert_int_eq(err, 0);
	ck_assert_int_gt(nginx_statements(text), 50);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("web_conf");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, test_node_without_origins_listens_and_has_nothing);
	tcase_add_test(t, test_port_is_bound_to_its_origin_by_name);
	tcase_add_test(t, test_two_ports_of_one_origin_share_it_and_the_newest_addresses_count);
	tcase_add_test(t, test_origin_without_a_name_goes_by_its_address_ipv6_alike);
	tcase_add_test(t, test_configured_origin_is_that_of_all_that_names_no_other);
	tcase_add_test(t, test_node_is_no_origin_of_its_own);
	tcase_add_test(t, test_path_of_a_port_comes_before_the_clients);
	tcase_add_test(t, test_tokens_are_asked_about_when_the_agent_answers);
	tcase_add_test(t, test_objects_are_fetched_whole_when_there_are_no_slices);
	tcase_add_test(t, test_no_byte_of_a_path_leaves_its_place);
	tcase_add_test(t, test_value_of_another_alphabet_makes_no_text);
	tcase_add_test(t, test_longest_values_have_room);
	return run_case("web_conf", t);
}
