/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of content that master sites have: web objects and films. */
#include <errno.h>
#include <string.h>

#include "lib/text.h"
#include "sn-agent/config.h"
#include "sn-agent/web_conf.h"

#define AT(field) offsetof(struct sn_conf, field), sizeof(((struct sn_conf *)0)->field)

static const char *check_program(const void *value)
{
	const char *s = value;

	return !*s || *s == '/' ? NULL : "an absolute path, or \"\" for none";
}

static const char *check_folder(const void *value)
{
	return web_path_ok(value) ? NULL
	                          : "an absolute path of letters, digits, '.', '_', '-' and '/'";
}

static const char *check_file(const void *value)
{
	return *(const char *)value ? check_folder(value) : NULL;
}

static const char *check_word(const void *value)
{
	return !*(const char *)value || web_name_ok(value)
	               ? NULL
	               : "a name of letters, digits, '.', '_' and '-', or \"\"";
}

const struct conf_option sn_web_options[] = {
	{"nginx", CONF_STR, AT(web.nginx), "", .check = check_program, .fixed = true,
		.help = "program of the web cache at http.port and at primed ports (row E1); \"\": "
			"none"},
	{"folder", CONF_STR, AT(web.folder), "/var/cache/nearcast", .check = check_folder,
		.fixed = true,
		.help = "folder of the cache and of nginx's configuration; made if need be"},
	{"user", CONF_STR, AT(web.user), "www-data", .check = check_word,
		.help = "user of nginx's workers, when the agent is root"},
	{"size", CONF_INT, AT(web.size), "1024", 1, 1048576 * 1024LL, .help = "MiB of cache"},
	{"slice", CONF_INT, AT(web.slice), "1024", 0, 1048576,
		.help = "KiB that large objects are fetched by; 0: they are fetched whole"},
	{"inactive", CONF_MS, AT(web.inactive), "86400000", 1000, 31536000000LL,
		.help = "how long an object is kept that nobody asks for"},
	{"fresh", CONF_MS, AT(web.fresh), "10000", 1000, 86400000,
		.help = "how long an object is fresh whose origin does not say"},
	{"session", CONF_MS, AT(web.session), "60000", 1000, 3600000,
		.help = "how long a client that a token let in may be silent"},
	{"origin", CONF_ADDR_LIST, AT(web.origin), "", .def_port = 80,
		.help = "where what is asked for at http.port comes from, the best first"},
	{"host", CONF_STR, AT(web.host), "", .check = check_word,
		.help = "name of web.origin; \"\": its address"},
	{"workers", CONF_INT, AT(web.workers), "0", 0, 256,
		.help = "processes of nginx; 0: one for each processor"},
	{"connections", CONF_INT, AT(web.connections), "4096", 64, 1000000,
		.help = "connections of each, to clients and to origins"},
	{"log", CONF_STR, AT(web.log), "", .check = check_file,
		.help = "file of one line for each request; \"\": none"},
	{0},
};

static const char *check_library_path(const void *value)
{
	const char *s = value;

	return s[0] == '/' && s[1] && s[strlen(s) - 1] != '/' && !strpbrk(s, " ?#")
	               ? NULL
	               : "a path without a slash at the end, as \"/films\"";
}

static const char *check_origin(const void *value)
{
	return library_check_origin(value);
}

const struct conf_option sn_vod_options[] = {
	{"cache", CONF_STR, AT(vod.cache), "", .fixed = true,
		.help = "directory of the file that blocks of films are kept in; \"\": in memory"},
	{"cache-size", CONF_INT, AT(vod.cache_size), "256", 8, 16777216, .fixed = true,
		.help = "room for blocks of films, MiB"},
	{"ahead", CONF_MS, AT(vod.ahead), "4000", 0, 60000,
		.help = "how much of a film is fetched ahead of who plays it"},
	{"revalidate", CONF_MS, AT(vod.revalidate), "10000", 0, 86400000,
		.help = "how long a film is taken for unchanged without asking"},
	{0},
};

const struct conf_option sn_library_options[] = {
	{"path", CONF_STR, offsetof(struct sn_conf_library, path), LIBRARY_PATH,
		.check = check_library_path,
		.help = "paths below it are films, played on demand (row E3)"},
	{"origin", CONF_STR, offsetof(struct sn_conf_library, origin), LIBRARY_ORIGIN,
		.check = check_origin, .help = "http URL that stands for the path"},
	{"address", CONF_ADDR, offsetof(struct sn_conf_library, address), sizeof(struct addr), "",
		.check = NULL, .help = "address of the origin's host, if the URL names it"},
	{0},
};

int sn_conf_origin_addr(const struct sn_conf_library *l, struct addr *out)
{
	struct url u;

	if (url_parse(&u, slice_of(l->origin)))
		return -EINVAL;
	if (addr_parse(out, u.host, 0)) {
		if (!l->address.sa.sa_family)
			return -EINVAL;
		*out = l->address;
	}
	addr_set_port(out, u.port ? u.port : 80);
	return 0;
}

void sn_conf_check_libraries(const struct sn_conf *c, struct conf_errors *e)
{
	const struct sn_conf_library *l = c->libraries.item;
	struct addr at;

	if (c->libraries.n > LIBRARY_MAX)
		conf_error(e, "%d libraries, expected %d at most", c->libraries.n, LIBRARY_MAX);
	for (int i = 0; i < c->libraries.n; i++) {
		if (sn_conf_origin_addr(&l[i], &at))
			conf_error(e,
				"library \"%s\": the origin's host is a name: expected its "
				"address as well (address = \"…\")",
				l[i].name);
		for (int k = 0; k < i; k++)
			if (!strcmp(l[i].path, l[k].path))
				conf_error(e, "library \"%s\": \"%s\" has its path", l[i].name,
					l[k].name);
	}
}

void sn_conf_check_web(const struct sn_conf *c, struct conf_errors *e)
{
	uint16_t first, last;

	if (!*c->web.nginx)
		return;
	if (!c->http.port)
		conf_error(e, "web.nginx is given but http.port is 0: nobody could ask");
	if (c->http.port == c->rtsp.port)
		conf_error(e, "http.port is %lld, which is rtsp.port", (long long)c->http.port);
	if (sn_conf_ports(c->prime.ports, &first, &last) && c->http.port >= first &&
		c->http.port <= last)
		conf_error(e, "prime.ports \"%s\" has http.port %lld in it, expected other ports",
			c->prime.ports, (long long)c->http.port);
	if (c->web.origin.n > PRIME_ORIGINS)
		conf_error(e, "web.origin has %d addresses, expected %d at most", c->web.origin.n,
			PRIME_ORIGINS);
	for (int i = 0; i < c->web.origin.n; i++)
		if (c->web.origin.addr[i].sa.sa_family != c->address.sa.sa_family ||
			addr_is_any(&c->web.origin.addr[i]))
			conf_error(e,
				"web.origin: expected addresses of the same family as this node's");
}
