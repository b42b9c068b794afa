/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The channel allocation service (row D3): what ARNs ask the site of a source, and its answers.
 *
 *	GET /channel?url=rtsp%3A//10.1.18.27/news
 *	{"url": "rtsp://10.1.18.27/news", "source": "10.8.0.8:554", "channel": 906151213, "ttl": 15}
 *
 * A channel is the patent's pair of a source and a number there. Nodes join it over RTSP as
 * rtsp://SOURCE/=NUMBER, "/=" being no segment that a path of files has (arn/origin.h). The number
 * follows from the URL alone, so that an answer that is out of date names no other channel. Number 0 says
 * that the channel has none: at that source it is the URL's own path.
 */
#ifndef NEARCAST_CAS_H
#define NEARCAST_CAS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/sbuf.h"
#include "lib/slice.h"

#define CAS_PATH      256 /* with the NUL */
#define CAS_URL       (7 + ADDR_STRLEN + CAS_PATH)
#define CAS_CHANNEL   16         /* "/=2147483647" */
#define CAS_NUMBERS   0x7fffffff /* 1 to this */
#define CAS_NO_NUMBER 0
#define CAS_TTL       86400 /* seconds, at most */
#define CAS_WHY       160

struct cas_answer {
	char url[CAS_URL];
	struct addr source; /* with a port */
	uint32_t channel;
	unsigned ttl; /* seconds */
};

/* The one spelling of a URL: no port, no query, no slashes at the end. 0 or -EINVAL. */
int cas_url(const struct addr *anycast, struct slice path, char url[CAS_URL]);
/* Any spelling; *path points into text. 0 or -EINVAL. */
int cas_url_parse(struct slice text, struct addr *anycast, struct slice *path);
/* Appends a URL as a value of a query. */
void cas_put_escaped(struct sbuf *b, const char *url);

char *cas_write(const struct cas_answer *a); /* one line; free() it */
/* The answer to a question for that URL. 0, or -EINVAL with what is wrong and where. */
int cas_read(struct cas_answer *a, struct slice text, const char *url, char why[CAS_WHY]);

/* The number that a URL has; the n-th, when those before are another's. */
uint32_t cas_number(const char *url, unsigned n);
const char *cas_channel_path(uint32_t number, char buf[CAS_CHANNEL]);
bool cas_channel_parse(struct slice path, uint32_t *number);

#endif
