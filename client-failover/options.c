/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "client-failover/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"

#define BUFFER_MIN 50
#define BUFFER_MAX 10000

void options_help(FILE *to)
{
	fputs("usage: client-failover [OPTIONS] rtsp://[USER:PASSWORD@]HOST[:PORT]/PATH\n"
	      "       client-failover [OPTIONS] -o FILE http://HOST[:PORT]/PATH\n"
	      "       client-failover [OPTIONS] --gateway [ADDR:]PORT rtsp://[USER:PASSWORD@]HOST\n"
	      "       client-failover [OPTIONS] --gateway [ADDR:]PORT http://HOST[:PORT]\n"
	      "Plays a stream, live or on demand, or downloads an object, and keeps it whole\n"
	      "when the node that serves it dies; or is the server from which any player of this\n"
	      "host gets that.\n"
	      "\n"
	      "  -o, --output FILE    write the MPEG-TS payload, or the object, to FILE (-: "
	      "standard\n"
	      "                       output)\n"
	      "      --rtpdump FILE   record the RTP packets of all media, any payload\n"
	      "      --gateway [ADDR:]PORT\n"
	      "                       serve players at this address (127.0.0.1): what they ask\n"
	      "                       for as rtsp://ADDR:PORT/PATH (or http:) is HOST's /PATH\n"
	      "      --json           one event a line on standard output (on standard error\n"
	      "                       when standard output is taken by the media)\n"
	      "      --buffer MS      playout buffer, 50 to 10000 ms (1000)\n"
	      "      --transport WAY  how media come: udp; tcp, within the RTSP connection; or\n"
	      "                       auto, udp unless nothing gets through (auto)\n"
	      "      --start S        begin S seconds into what is on demand\n"
	      "      --duration S     stop after S seconds of media, else at the source's end\n"
	      "  -v, --verbose        log more\n"
	      "      --help, --version\n"
	      "\n"
	      "Exit status: 0 the end was reached, 64 usage, 65 the stream cannot be written as\n"
	      "asked for, or the object is another one now, 66 there is no such object, 68 "
	      "unknown\n"
	      "host, 69 no node can be had, 71 no resources, 73 an output cannot be opened, 74 an\n"
	      "output failed, 75 a download was interrupted, 77 the user or the password is "
	      "wrong.\n",
		to);
}

static int number(const char *s, double min, double max, double *out)
{
	char *end;

	errno = 0;
	*out = strtod(s, &end);
	return errno || end == s || *end || !(*out >= min) || !(*out <= max) ? -EINVAL : 0;
}

/* Nothing of an object is played. */
static int check_http(const struct options *o, char err[256])
{
	const char *wrong = o->rtpdump                ? "--rtpdump"
	                    : o->duration != NS_NEVER ? "--duration"
	                    : o->buffer != NS_S       ? "--buffer"
	                    : o->delivery             ? "--transport"
	                    : o->begin                ? "--start"
	                    : *o->user                ? "user:password"
	                                              : NULL;

	if (wrong)
		snprintf(err, 256, "%s is for rtsp URLs", wrong);
	else if (o->gateway && o->ts)
		snprintf(err, 256, "--gateway serves players: it does not go with -o");
	else if (!o->gateway && !o->ts)
		snprintf(
			err, 256, "where to? Give -o FILE (-: standard output), or --gateway PORT");
	else
		return 0;
	return -EINVAL;
}

static int check(struct options *o, char err[256])
{
	struct url u;

	if (url_parse(&u, slice_of(o->url)) < 0 || !u.host.n) {
		snprintf(err, 256,
			"%.150s: not a URL of the form rtsp://host/path or http://host/path",
			o->url);
		return -EINVAL;
	}
	o->http = slice_ieq(u.scheme, SLICE("http"));
	if (o->http)
		return check_http(o, err);
	if (o->gateway && (o->ts || o->rtpdump || o->begin || o->duration != NS_NEVER)) {
		snprintf(err, 256,
			"--gateway serves players: it goes with none of -o, --rtpdump, --start "
			"and --duration");
		return -EINVAL;
	}
	if (!o->gateway && !o->ts && !o->rtpdump && !o->json) {
		snprintf(err, 256, "nothing to do with the media: give -o, --rtpdump or --json");
		return -EINVAL;
	}
	if (o->ts && o->rtpdump && strcmp(o->ts, o->rtpdump) == 0) {
		snprintf(err, 256, "-o and --rtpdump cannot write to the same file");
		return -EINVAL;
	}
	return 0;
}

/* "PORT", "ADDR:PORT", "[ADDR]:PORT". */
static int parse_gateway(struct options *o, const char *s)
{
	unsigned long long port;
	struct addr other;

	o->gateway = true;
	if (slice_u64(slice_of(s), UINT16_MAX, &port) == 0)
		return addr_parse(&o->gateway_at, SLICE("127.0.0.1"), (uint16_t)port);
	/* An address without a port would get either of these. */
	if (addr_parse(&o->gateway_at, slice_of(s), 0) || addr_parse(&other, slice_of(s), 1) ||
		addr_port(&o->gateway_at) != addr_port(&other))
		return -EINVAL;
	return 0;
}

int options_parse(struct options *o, int argc, char **argv, char err[256])
{
	enum { RTPDUMP = 256, GATEWAY, JSON, BUFFER, START, DURATION, TRANSPORT, HELP, VERSION };
	static const struct option longs[] = {{"output", required_argument, NULL, 'o'},
		{"rtpdump", required_argument, NULL, RTPDUMP},
		{"gateway", required_argument, NULL, GATEWAY}, {"json", no_argument, NULL, JSON},
		{"buffer", required_argument, NULL, BUFFER},
		{"start", required_argument, NULL, START},
		{"duration", required_argument, NULL, DURATION},
		{"transport", required_argument, NULL, TRANSPORT},
		{"verbose", no_argument, NULL, 'v'}, {"help", no_argument, NULL, HELP},
		{"version", no_argument, NULL, VERSION}, {NULL, 0, NULL, 0}};
	double v;
	int c;

	*o = (struct options){.buffer = NS_S, .duration = NS_NEVER};
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":o:v", longs, NULL)) != -1) {
		switch (c) {
		case 'o': o->ts = optarg; break;
		case RTPDUMP: o->rtpdump = optarg; break;
		case GATEWAY:
			if (parse_gateway(o, optarg) < 0) {
				snprintf(err, 256, "--gateway %.100s: not of the form [ADDR:]PORT",
					optarg);
				return -EINVAL;
			}
			break;
		case JSON: o->json = true; break;
		case 'v': o->verbose = true; break;
		case HELP: o->help = true; return 0;
		case VERSION: o->version = true; return 0;
		case BUFFER:
			if (number(optarg, BUFFER_MIN, BUFFER_MAX, &v) < 0) {
				snprintf(err, 256, "--buffer %.100s: not a number of %d to %d ms",
					optarg, BUFFER_MIN, BUFFER_MAX);
				return -EINVAL;
			}
			o->buffer = (ns_t)(v * NS_MS);
			break;
		case START:
			if (number(optarg, 0, 1e9, &v) < 0) {
				snprintf(err, 256, "--start %.100s: not a number of seconds",
					optarg);
				return -EINVAL;
			}
			o->begin = (ns_t)(v * NS_S);
			break;
		case DURATION:
			if (number(optarg, 0.001, 1e9, &v) < 0) {
				snprintf(err, 256, "--duration %.100s: not a number of seconds",
					optarg);
				return -EINVAL;
			}
			o->duration = (ns_t)(v * NS_S);
			break;
		case TRANSPORT:
			if (!delivery_parse(slice_of(optarg), &o->delivery)) {
				snprintf(err, 256, "--transport %.100s: not one of auto, udp, tcp",
					optarg);
				return -EINVAL;
			}
			break;
		case ':':
			snprintf(err, 256, "%.200s: a value is missing", argv[optind - 1]);
			return -EINVAL;
		default:
			snprintf(err, 256, "%.200s: no such option", argv[optind - 1]);
			return -EINVAL;
		}
	}
	if (argc - optind != 1) {
		snprintf(err, 256, optind < argc ? "one URL only" : "which URL?");
		return -EINVAL;
	}
	/* In place: what other users of the host see of this process has no password in it. */
	if (url_take_user(argv[optind], o->user, sizeof o->user, o->password, sizeof o->password) <
		0) {
		snprintf(err, 256, "the URL's user:password cannot be understood");
		return -EINVAL;
	}
	o->url = argv[optind];
	return check(o, err);
}
