/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP/1.1 and RTSP/1.0 messages: one grammar (RFC 9112, RFC 2326), one parser. Pure, incremental,
 * bounded; all slices point into the caller's bytes. RTSP's interleaved frames ('$', RFC 2326
 * 10.12) are told apart by text_frame().
 */
#ifndef NEARCAST_TEXT_H
#define NEARCAST_TEXT_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/sbuf.h"
#include "lib/slice.h"

#define TEXT_MAX_HEADERS 48
#define TEXT_MAX_HEAD    8192 /* start line and headers, bytes */
#define TEXT_MAX_BODY    65536

enum text_proto { TEXT_HTTP, TEXT_RTSP };

struct text_header {
	struct slice name, value; /* value trimmed; obsolete line folding is refused */
};

struct text_msg {
	bool response;
	enum text_proto proto;
	uint8_t major, minor;
	struct slice method, uri; /* of a request */
	int status;               /* of a response */
	struct slice reason;
	struct text_header header[TEXT_MAX_HEADERS];
	int headers;
	struct slice body; /* by Content-Length; chunked bodies are refused with TEXT_UNSUPPORTED */
};

enum text_error {
	TEXT_BAD = -1,         /* not the grammar */
	TEXT_TOO_LONG = -2,    /* head or body over the bounds, or too many headers */
	TEXT_UNSUPPORTED = -3, /* version, transfer coding */
};

/*
 * Parses one whole message at the front of p[n]. `last` is how many bytes were there at the call
 * before for the same message (0 at first): what was judged then is not judged again, so that a
 * message in many pieces costs linear time. Returns its length in bytes (skipped empty lines before
 * it included), 0 when more is needed, or an enum text_error. A byte that can occur nowhere is an
 * error when it comes, a wrong line when it ends. *m is whole only when the result is > 0; after
 * TEXT_UNSUPPORTED of a version, and after errors in the headers, proto and a request's method
 * and uri are set.
 */
ssize_t text_parse(struct text_msg *m, const char *p, size_t n, size_t last);
/* Likewise of the head alone: its length, and m->body is empty. For those who take bodies in pieces, of
 * any length and coding; the headers that say so are not judged. */
ssize_t text_parse_head(struct text_msg *m, const char *p, size_t n, size_t last);

/* The first header of that name (case-insensitive); {NULL, 0} when there is none. */
struct slice text_header(const struct text_msg *m, const char *name);
bool text_method_is(const struct text_msg *m, const char *method); /* case-sensitive */
const char *text_error_str(enum text_error e);

/* An interleaved frame at the front of p[n] (p[0] == '$'): its whole length with the 4 byte
 * header and *channel, payload at p+4; 0 when more is needed. */
size_t text_frame(const uint8_t *p, size_t n, uint8_t *channel, struct slice *payload);

/* A URL of the schemes rtsp and http (RFC 3986, no user info): "rtsp://host:port/path?query". */
struct url {
	struct slice scheme; /* "" for a path alone, or "*" in path */
	struct slice host;   /* without brackets; "" for a path alone */
	uint16_t port;       /* 0: none given */
	struct slice path;   /* from "/" on, without the query; "/" if it was missing */
	struct slice query;  /* without '?'; p NULL: none */
};
/* 0 or -EINVAL: control or blank characters, a bad port, an empty host, a '#'. */
int url_parse(struct url *u, struct slice s);
uint16_t url_default_port(struct slice scheme); /* 554, 80; 0 unknown */
/* Takes "user:password@" out of a URL as people write it, in place, so that it does not show up
 * anywhere, and decodes it (RFC 3986, 3.2.1). What is behind the new end is zeroed. 1; 0: there is
 * none; -EINVAL: it is too long, has a bad escape or a control character, or the user has a quote, a
 * backslash or a colon. */
int url_take_user(char *url, char *user, size_t user_cap, char *password, size_t password_cap);
/* Takes "/trackID=N", a medium's name at our nodes, off the end of a path. False: it has none. */
bool url_take_track(struct slice *path, int *track);
/* The first parameter of that name in a query "a=1&b"; without '=' its value is "". False: none. */
bool url_param(struct slice query, const char *name, struct slice *value);
/* Writes "?a=1&b" without the parameters of that name, the rest as it was. Nothing is written when
 * there is nothing left. */
void url_put_query(struct sbuf *b, struct slice query, const char *without);

/* A parameter of a header such as Transport or RTP-Info: finds "name=value" (or "name" alone,
 * then value is "") among ';'-separated parts. True when it is there. Quotes are stripped. */
bool text_param(struct slice s, const char *name, struct slice *value);

/* The Transport header (RFC 2326, 12.39): one alternative. */
struct rtsp_transport {
	bool tcp, multicast, record;
	bool has_interleaved, has_client_port, has_server_port, has_port, has_ssrc;
	uint8_t interleaved[2];
	uint16_t client_port[2], server_port[2], port[2]; /* port: of multicast */
	uint8_t ttl;                                      /* of multicast; 0: none given */
	uint32_t ssrc;
	struct slice source, destination;
};
/* The first alternative of the header that we know (RTP/AVP, RTP/AVP/UDP, RTP/AVP/TCP; RTP/AVPF
 * alike): 0; -EPROTONOSUPPORT none of them; -EINVAL malformed. */
int rtsp_transport_parse(struct rtsp_transport *t, struct slice header);
void rtsp_transport_write(struct sbuf *b, const struct rtsp_transport *t);

#endif
