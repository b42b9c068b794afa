/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two halves of the bench's client share: flood.c (user space) and flood.bpf.c (kernel). */
#ifndef BENCH_FLOOD_H
#define BENCH_FLOOD_H

#define FLOOD_REQUEST 128   /* bytes, always */
#define FLOOD_HOSTS   256   /* clients' addresses, from `client` on */
#define FLOOD_PORTS   60000 /* of each, from FIRST on */
#define FLOOD_FIRST   2048
#define FLOOD_SLOTS   65536
#define FLOOD_USEC    65536 /* latencies that are told apart; the last is "or more" */

enum flood_count {
	FLOOD_STARTED,
	FLOOD_ANSWERED, /* a redirection came, whole in one segment */
	FLOOD_ENDED,    /* and the connection ended in order on both sides */
	FLOOD_WRONG,    /* something else came */
	FLOOD_RESET,
	FLOOD_COUNTS
};

struct flood_conf {
	unsigned char server_mac[6], client_mac[6];
	unsigned int server, client; /* IPv4 addresses; the client's is the first of FLOOD_HOSTS */
	unsigned int port;           /* of the server; these three in network byte order */
	unsigned int stop;           /* no new connections */
	char expected[12];           /* with which an answer begins */
	char request[FLOOD_REQUEST];
};

#endif
