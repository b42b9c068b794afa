/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/web_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/sbuf.h"
#include "lib/token.h"

/* Room: of what is always there, and of a site with its origin, at their longest. */
#define ROOM      (16 * 1024)
#define ROOM_SITE (6 * 1024)
#define AUTHORITY (PRIME_HOST + 8)

/* An origin, which several sites may have. */
struct web_origin {
	const struct prime_state *state; /* of the last site that has it */
	char authority[AUTHORITY];       /* "www.acme.com:80", "[2001:db8::8]:8080" */
};

struct writer {
	const struct web_conf *c;
	const struct web_inside *in;
	const struct web_site *site;
	int sites;
	struct web_origin *origin; /* room for one for each site, and the configured one */
	int *origin_of;            /* of each site: index, or -1 */
	int origins, usual;        /* usual: index of the configured one, or -1 */
	bool wrong;
	struct sbuf b;
};

/* ---- values ---- */

static bool is_plain(char ch)
{
	return (ch >= '0' && ch <= '9') || ((ch | 32) >= 'a' && (ch | 32) <= 'z');
}

static bool made_of(const char *s, const char *more)
{
	for (const char *z = s; *z; z++)
		if (!is_plain(*z) && !strchr(more, *z))
			return false;
	return *s;
}

bool web_name_ok(const char *name)
{
	return made_of(name, "._-");
}

bool web_path_ok(const char *path)
{
	return path[0] == '/' && made_of(path, "._-/");
}

static bool is_ours(const struct writer *w, const struct addr *a)
{
	return a->sa.sa_family == w->c->address.sa.sa_family && !addr_is_any(a);
}

/* That the node can reach. NULL: none. */
static const struct addr *first_of(const struct writer *w, const struct prime_state *q)
{
	for (int i = 0; i < q->origins; i++)
		if (is_ours(w, &q->origin[i]))
			return &q->origin[i];
	return NULL;
}

/* An origin that is this very server is none. */
static bool is_self(const struct writer *w, const struct prime_state *q)
{
	for (int i = 0; i < q->origins; i++) {
		if (!addr_same_host(&q->origin[i], &w->c->address))
			continue;
		if (addr_port(&q->origin[i]) == w->c->port)
			return true;
		for (int k = 0; k < w->sites; k++)
			if (addr_port(&q->origin[i]) == w->site[k].port)
				return true;
	}
	return false;
}

/* Index of the state's origin, which is added if need be; -1: it has none. */
static int take_origin(struct writer *w, const struct prime_state *q)
{
	const struct addr *first = first_of(w, q);
	char text[ADDR_STRLEN];
	struct web_origin *o = &w->origin[w->origins];
	struct sbuf b;

	if (!first || is_self(w, q))
		return -1;
	w->wrong |= *q->host && !web_name_ok(q->host);
	sbuf_init(&b, o->authority, sizeof(o->authority));
	sbuf_printf(&b, "%s:%u", *q->host ? q->host : addr_urlhost(first, text), addr_port(first));
	w->wrong |= b.full;
	o->state = q;
	for (int i = 0; i < w->origins; i++)
		if (!strcasecmp(w->origin[i].authority, o->authority)) {
			w->origin[i].state = q;
			return i;
		}
	return w->origins++;
}

/* The authority as a regular expression; the usual port need not be named. */
static void put_pattern(struct writer *w, const char *authority)
{
	const char *port = strrchr(authority, ':');
	bool usual = !strcmp(port, ":80");

	for (const char *z = authority; z < port; z++)
		sbuf_printf(&w->b, is_plain(*z) ? "%c" : "\\%c", *z);
	sbuf_printf(&w->b, usual ? "(?:%s)?" : "%s", port);
}

/* As it is in Host: without the usual port. */
static void put_host(struct writer *w, const char *authority)
{
	const char *port = strrchr(authority, ':');
	size_t n = strcmp(port, ":80") ? strlen(authority) : (size_t)(port - authority);

	sbuf_append(&w->b, authority, n);
}

/* A path of a URL inside of quotes. What is not plain, and "$", which nginx has no way to quote,
 * goes as %XX, which is the same path. */
static void put_path(struct writer *w, const char *path)
{
	w->wrong |= path[0] != '/';
	for (const char *z = path; *z; z++)
		if (is_plain(*z) || strchr("/-._~!&'()*+,=:@%", *z))
			sbuf_append(&w->b, z, 1);
		else
			sbuf_printf(&w->b, "%%%02X", (unsigned char)*z);
}

static void put(struct writer *w, const char *text)
{
	sbuf_str(&w->b, text);
}

/* ---- the file, from top to bottom ---- */

static void put_main(struct writer *w)
{
	const struct web_conf *c = w->c;

	w->wrong |= !web_path_ok(c->folder) || !web_name_ok(c->name) ||
	            (*c->user && !web_name_ok(c->user)) || (*c->log && !web_path_ok(c->log));
	put(w, "# Written by sn-agent for its own nginx. What is changed here is lost.\n"
	       "daemon off;\n");
	if (c->workers)
		sbuf_printf(&w->b, "worker_processes %lld;\n", (long long)c->workers);
	else
		put(w, "worker_processes auto;\n");
	sbuf_printf(&w->b, "worker_rlimit_nofile %lld;\nworker_shutdown_timeout 1h;\n",
		(long long)(3 * c->connections + 64));
	if (*c->user)
		sbuf_printf(&w->b, "user %s;\n", c->user);
	sbuf_printf(&w->b,
		"pid %s/nginx.pid;\nerror_log stderr crit;\n"
		"events {\n\tworker_connections %lld;\n}\n",
		c->folder, (long long)c->connections);
}

static void put_log(struct writer *w)
{
	char text[ADDR_STRLEN];

	if (addr_port(&w->in->log)) {
		w->wrong |= !web_name_ok(w->in->log_key);
		sbuf_printf(&w->b,
			"\tlog_format nearcast '%s $server_port $remote_addr $status $bytes_sent "
			"$request_time $upstream_cache_status $near_session';\n"
			"\taccess_log syslog:server=%s,nohostname,tag=n nearcast;\n",
			w->in->log_key, addr_str(&w->in->log, text));
	}
	if (*w->c->log)
		sbuf_printf(&w->b,
			"\tlog_format near_file '$remote_addr $near_session [$time_iso8601] "
			"\"$request_method $near_key$near_path\" $status $bytes_sent "
			"$request_time $upstream_cache_status';\n"
			"\taccess_log %s near_file;\n",
			w->c->log);
	if (!addr_port(&w->in->log) && !*w->c->log)
		put(w, "\taccess_log off;\n");
}

static void put_http(struct writer *w)
{
	static const char *const temp[] = {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"};
	const char *folder = w->c->folder;

	put(w, "http {\n\tdefault_type application/octet-stream;\n"
	       "\tserver_tokens off;\n\tsendfile on;\n\ttcp_nopush on;\n"
	       "\tkeepalive_timeout 30s;\n\tabsolute_redirect off;\n\tmerge_slashes off;\n"
	       "\tlarge_client_header_buffers 4 8k;\n"
	       "\tmap_hash_max_size 16384;\n\tmap_hash_bucket_size 128;\n"
	       "\tvariables_hash_max_size 2048;\n");
	for (size_t i = 0; i < sizeof(temp) / sizeof(temp[0]); i++)
		sbuf_printf(&w->b, "\t%s_temp_path %s/temp;\n", temp[i], folder);
	sbuf_printf(&w->b,
		"\tproxy_cache_path %s/cache levels=1:2 keys_zone=nearcast:32m max_size=%lldm "
		"inactive=%llds use_temp_path=off;\n",
		folder, (long long)w->c->size, (long long)(w->c->inactive / NS_S));
	put_log(w);
}

/* The URL without the token, path and query apart, and who has been here before. */
static void put_request_maps(struct writer *w)
{
	put(w, "\tmap $request_uri $near_uri {\n\t\tdefault \"\";\n"
	       "\t\t\"~^(?<near_u1>/[^?]*)\\?" TOKEN_PARAM "=[^&]*$\" $near_u1;\n"
	       "\t\t\"~^(?<near_u2>/[^?]*\\?)" TOKEN_PARAM
	       "=[^&]*&(?<near_u3>.*)$\" $near_u2$near_u3;\n"
	       "\t\t\"~^(?<near_u4>/[^?]*\\?.*?)&" TOKEN_PARAM
	       "=[^&]*(?<near_u5>&.*)?$\" $near_u4$near_u5;\n"
	       "\t\t\"~^/\" $request_uri;\n\t}\n"
	       "\tmap $near_uri $near_query {\n\t\tdefault \"\";\n"
	       "\t\t\"~^[^?]*(?<near_q>\\?.*)$\" $near_q;\n\t}\n"
	       "\tmap $near_uri $near_rest {\n\t\tdefault $near_uri;\n"
	       "\t\t\"~^/=[^/?]+(?<near_r>/.*)$\" $near_r;\n\t}\n"
	       "\tmap $http_via $near_via {\n\t\tdefault \"$http_via, \";\n\t\t\"\" \"\";\n\t}\n");
	sbuf_printf(&w->b, "\tmap $http_via $near_loop {\n\t\tdefault 0;\n\t\t\"~*[0-9] ");
	for (const char *z = w->c->name; *z; z++)
		sbuf_printf(&w->b, is_plain(*z) ? "%c" : "\\%c", *z);
	put(w, " \\(nearcast\\)(,|$)\" 1;\n\t}\n");
	put(w, "\tmap $upstream_cache_status $near_cache {\n\t\tdefault \"fwd=bypass\";\n"
	       "\t\tHIT \"hit\";\n\t\tMISS \"fwd=uri-miss\";\n\t\tEXPIRED \"fwd=stale\";\n"
	       "\t\tREVALIDATED \"hit; fwd=stale; fwd-status=304\";\n"
	       "\t\tSTALE \"hit; detail=STALE\";\n\t\tUPDATING \"hit; detail=UPDATING\";\n\t}\n");
}

/* Of the origins: what URLs call them, their name in the cache and in Host. */
static void put_origin_maps(struct writer *w)
{
	put(w, "\tmap $near_uri $near_named {\n\t\tdefault \"\";\n");
	for (int i = 0; i < w->origins; i++) {
		put(w, "\t\t\"~*^/=");
		put_pattern(w, w->origin[i].authority);
		sbuf_printf(&w->b, "/\" %d;\n", i);
	}
	put(w, "\t}\n\tmap $near_origin $near_key {\n\t\tdefault \"\";\n");
	for (int i = 0; i < w->origins; i++)
		sbuf_printf(&w->b, "\t\t%d \"%s\";\n", i, w->origin[i].authority);
	put(w, "\t}\n\tmap $near_origin $near_host {\n\t\tdefault \"\";\n");
	for (int i = 0; i < w->origins; i++) {
		sbuf_printf(&w->b, "\t\t%d \"", i);
		put_host(w, w->origin[i].authority);
		put(w, "\";\n");
	}
	put(w, "\t}\n");
}

/* From the port and what the URL names to the origin, and to the path there. */
static void put_site_maps(struct writer *w)
{
	put(w, "\tmap $server_port $near_bound {\n\t\tdefault \"\";\n");
	for (int i = 0; i < w->sites; i++)
		if (w->origin_of[i] >= 0)
			sbuf_printf(&w->b, "\t\t%u %d;\n", w->site[i].port, w->origin_of[i]);
	put(w, "\t}\n\tmap $server_port $near_fixed {\n\t\tdefault $near_uri;\n");
	for (int i = 0; i < w->sites; i++) {
		if (w->origin_of[i] < 0 || !*w->site[i].state->channel)
			continue;
		sbuf_printf(&w->b, "\t\t%u \"", w->site[i].port);
		put_path(w, w->site[i].state->channel);
		put(w, "$near_query\";\n");
	}
	put(w, "\t}\n\tmap \"$near_bound/$near_named\" $near_origin {\n"
	       "\t\t\"~^(?<near_b>[0-9]+)/\" $near_b;\n\t\t\"~^/(?<near_n>[0-9]+)$\" $near_n;\n");
	if (w->usual >= 0)
		sbuf_printf(&w->b, "\t\tdefault %d;\n", w->usual);
	else
		put(w, "\t\tdefault \"\";\n");
	put(w, "\t}\n\tmap \"$near_origin/$near_named\" $near_path {\n\t\tdefault $near_fixed;\n"
	       "\t\t\"~^(?<near_s>[0-9]+)/\\k<near_s>$\" $near_rest;\n\t}\n");
	/* An origin in the URL that no port is primed for, yet. */
	put(w, "\tmap \"$near_origin$near_uri\" $near_lost {\n\t\tdefault \"\";\n"
	       "\t\t\"~^/=\" 503;\n\t\t\"~^/\" 404;\n\t}\n");
}

static void put_upstreams(struct writer *w)
{
	char text[ADDR_STRLEN];

	for (int i = 0; i < w->origins; i++) {
		const struct prime_state *q = w->origin[i].state;
		int n = 0;

		sbuf_printf(&w->b, "\tupstream origin_%d {\n", i);
		for (int k = 0; k < q->origins; k++)
			if (is_ours(w, &q->origin[k]))
				sbuf_printf(&w->b, "\t\tserver %s%s;\n",
					addr_str(&q->origin[k], text), n++ ? " backup" : "");
		put(w, "\t\tkeepalive 8;\n\t}\n");
	}
	if (addr_port(&w->in->admission))
		sbuf_printf(&w->b,
			"\tupstream admission {\n\t\tserver %s;\n\t\tkeepalive 16;\n"
			"\t\tkeepalive_timeout 5s;\n\t}\n",
			addr_str(&w->in->admission, text));
}

static void put_proxy(struct writer *w, bool sliced)
{
	if (sliced)
		sbuf_printf(&w->b, "\t\t\tslice %lldk;\n", (long long)w->c->slice);
	sbuf_printf(&w->b,
		"\t\t\tproxy_pass http://origin_$near_origin$near_path;\n"
		"\t\t\tproxy_cache_key \"$near_key$near_path%s\";\n"
		"\t\t\tproxy_set_header Host $near_host;\n"
		"\t\t\tproxy_set_header Range %s;\n"
		"\t\t\tproxy_set_header Connection \"\";\n"
		"\t\t\tproxy_set_header Accept-Encoding \"\";\n"
		"\t\t\tproxy_set_header Via \"${near_via}1.1 %s (nearcast)\";\n",
		sliced ? " $slice_range" : "", sliced ? "$slice_range" : "\"\"", w->c->name);
}

/* What both locations have in common. */
static void put_cache(struct writer *w)
{
	put(w, "\t\tproxy_http_version 1.1;\n\t\tproxy_redirect http://$near_host/ /;\n"
	       "\t\tproxy_connect_timeout 2s;\n\t\tproxy_send_timeout 10s;\n"
	       "\t\tproxy_read_timeout 10s;\n"
	       "\t\tproxy_next_upstream error timeout http_502 http_503 http_504;\n"
	       "\t\tproxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate "
	       "X-Accel-Buffering X-Accel-Charset;\n"
	       "\t\tproxy_cache nearcast;\n\t\tproxy_cache_revalidate on;\n"
	       "\t\tproxy_cache_lock on;\n"
	       "\t\tproxy_cache_use_stale error timeout updating invalid_header http_500 http_502 "
	       "http_503 http_504 http_429;\n");
	sbuf_printf(&w->b,
		"\t\tproxy_cache_valid 200 206 301 308 %llds;\n"
		"\t\tproxy_cache_valid 404 410 1s;\n",
		(long long)(w->c->fresh / NS_S));
	/* RFC 9111, 3.5: what is for one client is not for others. */
	put(w, "\t\tproxy_cache_bypass $http_authorization;\n"
	       "\t\tproxy_no_cache $http_authorization;\n");
	sbuf_printf(&w->b,
		"\t\tadd_header Cache-Status \"%s; $near_cache\" always;\n"
		"\t\tadd_header Via \"1.1 %s (nearcast)\" always;\n"
		"\t\tadd_header Nearcast-Token $near_refusal always;\n",
		w->c->name, w->c->name);
}

static void put_listen(struct writer *w, uint16_t port)
{
	struct addr at = w->c->address;
	char text[ADDR_STRLEN];

	addr_set_port(&at, port);
	sbuf_printf(&w->b, "\t\tlisten %s;\n", addr_str(&at, text));
}

static void put_status(struct writer *w)
{
	char text[ADDR_STRLEN];

	sbuf_printf(&w->b,
		"\t\tlocation = " WEB_STATUS " {\n\t\t\tallow %s;\n\t\t\tdeny all;\n"
		"\t\t\taccess_log off;\n\t\t\tstub_status;\n\t\t}\n"
		"\t\tlocation = " WEB_HEALTH " {\n\t\t\taccess_log off;\n"
		"\t\t\treturn 204;\n\t\t}\n",
		addr_host(&w->c->address, text));
}

static void put_admission(struct writer *w)
{
	put(w, "\t\tlocation = /.nearcast/admission {\n\t\t\tinternal;\n"
	       "\t\t\tproxy_pass http://admission/admit;\n\t\t\tproxy_cache off;\n"
	       "\t\t\tproxy_pass_request_body off;\n\t\t\tproxy_pass_request_headers off;\n"
	       "\t\t\tproxy_read_timeout 2s;\n\t\t\tproxy_set_header Host agent;\n"
	       "\t\t\tproxy_set_header Connection \"\";\n"
	       "\t\t\tproxy_set_header Nearcast-Client $remote_addr;\n"
	       "\t\t\tproxy_set_header Nearcast-Port $server_port;\n"
	       "\t\t\tproxy_set_header Nearcast-Uri $request_uri;\n\t\t}\n");
}

static void put_server(struct writer *w)
{
	bool asks = addr_port(&w->in->admission), sliced = w->c->slice > 0;

	put(w, "\tserver {\n");
	put_listen(w, w->c->port);
	for (int i = 0; i < w->sites; i++)
		put_listen(w, w->site[i].port);
	put(w, "\t\tset $near_session \"\";\n\t\tset $near_refusal \"\";\n");
	put_cache(w);
	put_status(w);
	if (asks)
		put_admission(w);
	put(w, "\t\tlocation / {\n"
	       "\t\t\tif ($request_method !~ ^(GET|HEAD)$) {\n"
	       "\t\t\t\tadd_header Allow \"GET, HEAD\" always;\n\t\t\t\treturn 405;\n\t\t\t}\n"
	       "\t\t\tif ($near_uri = \"\") {\n\t\t\t\treturn 400;\n\t\t\t}\n"
	       "\t\t\tif ($near_loop) {\n\t\t\t\treturn 508;\n\t\t\t}\n"
	       "\t\t\tif ($near_lost = 404) {\n\t\t\t\treturn 404;\n\t\t\t}\n"
	       "\t\t\tif ($near_lost = 503) {\n"
	       "\t\t\t\tadd_header Retry-After 1 always;\n\t\t\t\treturn 503;\n\t\t\t}\n");
	if (asks)
		put(w, "\t\t\tauth_request /.nearcast/admission;\n"
		       "\t\t\tauth_request_set $near_session "
		       "$upstream_http_nearcast_session;\n"
		       "\t\t\tauth_request_set $near_refusal $upstream_http_nearcast_token;\n");
	put_proxy(w, sliced);
	/* An object without bytes has no first slice: it is asked for as a whole. */
	if (sliced)
		put(w, "\t\t\tproxy_intercept_errors on;\n\t\t\terror_page 416 = @whole;\n");
	put(w, "\t\t}\n");
	if (sliced) {
		put(w, "\t\tlocation @whole {\n"
		       "\t\t\tif ($http_range) {\n\t\t\t\treturn 416;\n\t\t\t}\n");
		put_proxy(w, false);
		put(w, "\t\t}\n");
	}
	put(w, "\t}\n}\n");
}

/* ---- all of it ---- */

static void collect(struct writer *w)
{
	w->usual = take_origin(w, &w->c->origin);
	for (int i = 0; i < w->sites; i++)
		w->origin_of[i] = take_origin(w, w->site[i].state);
}

static void write_all(struct writer *w)
{
	collect(w);
	put_main(w);
	put_http(w);
	put_request_maps(w);
	put_origin_maps(w);
	put_site_maps(w);
	put_upstreams(w);
	put_server(w);
}

char *web_conf_write(const struct web_conf *c, const struct web_inside *in,
	const struct web_site *site, int sites, int *err)
{
	struct writer w = {.c = c, .in = in, .site = site, .sites = sites};
	size_t room = ROOM + (size_t)sites * ROOM_SITE, places = (size_t)sites + 1;
	char *text = malloc(room);

	w.origin = calloc(places, sizeof(*w.origin));
	w.origin_of = calloc(places, sizeof(*w.origin_of));
	*err = 0;
	if (!text || !w.origin || !w.origin_of) {
		*err = -ENOMEM;
	} else {
		sbuf_init(&w.b, text, room);
		write_all(&w);
		if (w.b.full || w.wrong)
			*err = -EINVAL;
	}
	free(w.origin);
	free(w.origin_of);
	if (*err) {
		free(text);
		return NULL;
	}
	return text;
}
