/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arn.conf: where content comes from. */
#include <stdlib.h>
#include <string.h>

#include "arn/config.h"

#define AT(field) offsetof(struct arn_conf, field), sizeof(((struct arn_conf *)0)->field)
#define AT_SERVICE(field)                                                                          \
	offsetof(struct arn_conf_service, field), sizeof(((struct arn_conf_service *)0)->field)

static const char *const forms[] = {"both", "rfc2782", "patent", NULL};

static const char *check_zone(const void *value)
{
	const char *zone = value;

	return !*zone || (dns_name_ok(zone) && strlen(zone) < 160)
	               ? NULL
	               : "a domain's name as cbb.net, of 159 bytes at most";
}

static const char *check_allow(const void *value)
{
	return origin_check_allow(value);
}

static const char *check_fallback(const void *value)
{
	const char *s = value;
	char host[DNS_NAME];
	uint16_t port;

	return !*s || origin_split(slice_of(s), host, &port) == 0
	               ? NULL
	               : "a host or an address, with or without :port";
}

const struct conf_option arn_naming_options[] = {
	{"zone", CONF_STR, AT(naming.zone), "", .check = check_zone,
		.help = "domain that the names of anycast addresses are in"},
	{"form", CONF_ENUM, AT(naming.form), "both", .names = forms,
		.help = "which names are asked for; both: RFC 2782's first"},
	{"servers", CONF_ADDR_LIST, AT(naming.servers), "", .def_port = 53,
		.help = "name servers; \"\": those of /etc/resolv.conf"},
	{"timeout", CONF_MS, AT(naming.timeout), "500", 10, 60000,
		.help = "time for a name server's first answer"},
	{"tries", CONF_INT, AT(naming.tries), "2", 1, 10,
		.help = "questions to each name server, each with twice the time"},
	{"ttl-min", CONF_MS, AT(naming.ttl_min), "1000", 1000, 86400000,
		.help = "what was found is used for this long at least"},
	{"ttl-max", CONF_MS, AT(naming.ttl_max), "86400000", 1000, 604800000,
		.help = "and for this long at most, whatever its TTL is"},
	{"negative-max", CONF_MS, AT(naming.negative_max), "60000", 1000, 86400000,
		.help = "longest time that a denial is believed"},
	{"stale", CONF_MS, AT(naming.stale), "86400000", 0, 604800000,
		.help = "how much longer an answer is used when no new one is had"},
	{"retry", CONF_MS, AT(naming.retry), "2000", 100, 3600000,
		.help = "pause after a failure, twice that after the next, …"},
	{"retry-max", CONF_MS, AT(naming.retry_max), "30000", 100, 3600000,
		.help = "longest such pause"},
	{"entries", CONF_INT, AT(naming.entries), "1024", 16, 65536,
		.help = "origins, and DNS records, that are remembered"},
	{0},
};

const struct conf_option arn_service_options[] = {
	{"address", CONF_ADDR, AT_SERVICE(address), .help = "its address, of the block"},
	{"origin", CONF_ENUM, AT_SERVICE(method), "srv", .names = origin_method_names,
		.help = "how its origin is found"},
	{"allow", CONF_STR, AT_SERVICE(allow), "", .check = check_allow,
		.help = "origins that a URL may name; \"\": none"},
	{"fallback", CONF_STR, AT_SERVICE(fallback), "", .check = check_fallback,
		.help = "origin when SRV records lead nowhere; \"\": none"},
	{0},
};

static const char *check_profiles(const void *value)
{
	char host[DNS_NAME];
	uint16_t port;

	return profiles_check_url(value, host, &port);
}

const struct conf_option arn_profiles_options[] = {
	{"url", CONF_STR, AT(profiles.url), "", .check = check_profiles,
		.help = "where the profiles are (row D5), %s for the anycast address; \"\": none"},
	{"ca-file", CONF_STR, AT(profiles.ca_file), "/etc/ssl/certs/ca-certificates.crt",
		.help = "certificates of who is believed for https"},
	{"ttl", CONF_MS, AT(profiles.ttl), "60000", 1000, 86400000,
		.help = "after that long a profile is asked for again"},
	{"timeout", CONF_MS, AT(profiles.timeout), "2000", 10, 60000,
		.help = "time for the server to answer"},
	{"stale", CONF_MS, AT(profiles.stale), "604800000", 0, 2592000000,
		.help = "how much longer a profile is used when no new one is had"},
	{"retry", CONF_MS, AT(profiles.retry), "2000", 100, 3600000,
		.help = "pause after a failure, twice that after the next, …"},
	{"retry-max", CONF_MS, AT(profiles.retry_max), "60000", 100, 3600000,
		.help = "longest such pause"},
	{"entries", CONF_INT, AT(profiles.entries), "256", 32, 65536,
		.help = "addresses whose profiles are remembered"},
	{0},
};

const struct conf_option arn_cas_options[] = {
	{"ask", CONF_BOOL, AT(cas.ask), "no",
		.help = "whether channel allocation services are asked (row D3)"},
	{"timeout", CONF_MS, AT(cas.timeout), "1000", 10, 60000,
		.help = "time for a service to answer"},
	{"ttl-max", CONF_MS, AT(cas.ttl_max), "3600000", 1000, 86400000,
		.help = "an answer is used for this long at most, whatever it says"},
	{"negative-max", CONF_MS, AT(cas.negative_max), "2000", 100, 3600000,
		.help = "how long it is believed that a URL has no channel"},
	{"stale", CONF_MS, AT(cas.stale), "3600000", 0, 86400000,
		.help = "how much longer an answer is used when no new one is had"},
	{"retry", CONF_MS, AT(cas.retry), "1000", 100, 3600000,
		.help = "pause after a failure, twice that after the next, …"},
	{"retry-max", CONF_MS, AT(cas.retry_max), "30000", 100, 3600000,
		.help = "longest such pause"},
	{"entries", CONF_INT, AT(cas.entries), "1024", 16, 65536,
		.help = "URLs whose channels are remembered"},
	{0},
};

struct casc_conf arn_conf_cas(const struct arn_conf *c)
{
	return (struct casc_conf){.ask = c->cas.ask,
		.timeout = c->cas.timeout,
		.soft = {.ttl_min = 1,
			.ttl_max = c->cas.ttl_max,
			.negative_max = c->cas.negative_max,
			.stale = c->cas.stale,
			.retry = c->cas.retry,
			.retry_max = c->cas.retry_max,
			.entries = (int)c->cas.entries}};
}

static void check_profiles_of_all(const struct arn_conf *c, struct conf_errors *e)
{
	if (c->profiles.retry > c->profiles.retry_max)
		conf_error(e, "profiles.retry is more than profiles.retry-max");
	if (*c->profiles.url && c->services.n + PROFILES_WANTS > c->profiles.entries)
		conf_error(e, "profiles.entries is %lld, expected %d more than there are services",
			(long long)c->profiles.entries, PROFILES_WANTS);
}

int arn_conf_profiles(const struct arn_conf *c, struct profiles_conf *out)
{
	const struct arn_conf_service *s = c->services.item;
	struct addr *pinned = calloc((size_t)c->services.n + 1, sizeof(*pinned));

	if (!pinned)
		return -1;
	for (int i = 0; i < c->services.n; i++)
		pinned[i] = s[i].address;
	*out = (struct profiles_conf){.timeout = c->profiles.timeout,
		.soft = {.ttl_min = 1,
			.ttl_max = c->profiles.ttl,
			.negative_max = c->profiles.ttl,
			.stale = c->profiles.stale,
			.retry = c->profiles.retry,
			.retry_max = c->profiles.retry_max,
			.entries = (int)c->profiles.entries},
		.pinned = pinned,
		.pinned_n = c->services.n};
	memcpy(out->url, c->profiles.url, sizeof(out->url));
	memcpy(out->ca_file, c->profiles.ca_file, sizeof(out->ca_file));
	return 0;
}

void arn_conf_check_naming(const struct arn_conf *c, struct conf_errors *e)
{
	const struct arn_conf_service *s = c->services.item;
	char text[ADDR_STRLEN];

	for (int i = 0; i < c->services.n; i++) {
		if (!prefix_has(&c->anycast.block, &s[i].address))
			conf_error(e, "service \"%s\": %s is not inside the anycast block",
				s[i].name, addr_host(&s[i].address, text));
		if (addr_port(&s[i].address))
			conf_error(
				e, "service \"%s\": address has a port, expected none", s[i].name);
		if (s[i].method == ORIGIN_SRV && !*c->naming.zone)
			conf_error(e,
				"service \"%s\": origin is found by SRV records, but naming.zone "
				"is not given",
				s[i].name);
		if (s[i].method != ORIGIN_URL && *s[i].allow)
			conf_error(
				e, "service \"%s\": allow is for origin = \"url\" only", s[i].name);
		if (s[i].method != ORIGIN_SRV && *s[i].fallback)
			conf_error(e, "service \"%s\": fallback is for origin = \"srv\" only",
				s[i].name);
		for (int k = 0; k < i; k++)
			if (addr_same_host(&s[i].address, &s[k].address))
				conf_error(e, "services \"%s\" and \"%s\" have the same address",
					s[k].name, s[i].name);
	}
	check_profiles_of_all(c, e);
	if (c->cas.retry > c->cas.retry_max)
		conf_error(e, "cas.retry is more than cas.retry-max");
	if (c->naming.ttl_min > c->naming.ttl_max)
		conf_error(e, "naming.ttl-min is more than naming.ttl-max");
	if (c->naming.retry > c->naming.retry_max)
		conf_error(e, "naming.retry is more than naming.retry-max");
}

int arn_conf_naming(const struct arn_conf *c, struct naming_conf *out)
{
	const struct arn_conf_service *s = c->services.item;
	struct origin_rule *rule = calloc((size_t)c->services.n + 1, sizeof(*rule));

	if (!rule)
		return -1;
	*out = (struct naming_conf){.form = (enum origin_form)c->naming.form,
		.servers = c->naming.servers,
		.timeout = c->naming.timeout,
		.tries = (int)c->naming.tries,
		.soft = {.ttl_min = c->naming.ttl_min,
			.ttl_max = c->naming.ttl_max,
			.negative_max = c->naming.negative_max,
			.stale = c->naming.stale,
			.retry = c->naming.retry,
			.retry_max = c->naming.retry_max,
			.entries = (int)c->naming.entries},
		.serves = {[TEXT_HTTP] = c->http.port > 0, [TEXT_RTSP] = c->rtsp.port > 0},
		.cas = c->cas.ask,
		.rule = rule,
		.rules = c->services.n};
	profiles_check_url(c->profiles.url, out->host, &out->port);
	memcpy(out->zone, c->naming.zone, sizeof(out->zone));
	for (int i = 0; i < c->services.n; i++) {
		rule[i].anycast = s[i].address;
		rule[i].method = (enum origin_method)s[i].method;
		memcpy(rule[i].allow, s[i].allow, sizeof(rule[i].allow));
		if (*s[i].fallback)
			origin_split(slice_of(s[i].fallback), rule[i].fallback_host,
				&rule[i].fallback_port);
	}
	return 0;
}
