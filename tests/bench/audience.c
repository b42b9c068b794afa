/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A live source and its audience (audience.bpf.c): sends an RTP stream, and says how it came back.
 *
 * usage: audience OBJECT NAMESPACE INTERFACE STREAM SOURCE-PORT SERVER-IP SERVER-PORT
 *
 * The audience is a TUN device INTERFACE in the network namespace of that name, the server's: one
 * without segmentation and with checksums, as most devices are. Packets to it are to be routed
 * there. The source is in the namespace that this is started in.
 *
 * STREAM is a file of packets, each with a head of two 32-bit numbers in the host's order: when it
 * is due, in µs from the begin, and its length. It ends with a packet of length 0, which is when it
 * begins anew. Numbers and timestamps go on.
 *
 * Commands on standard input: "forget I" (client I begins anew), "measure SECONDS", which is
 * answered with a line of JSON. Ends at the end of its input.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "audience.h"

#define SSRC  0x0a0d1e9cu
#define CLOCK 90000

static volatile struct audience_client *clients;
static volatile uint64_t *counts, *delays, *sent;
static uint8_t *stream;
static size_t stream_len;
static int sock;
static uint64_t sent_packets; /* by the source's thread; read when it does not matter much */

static void *map_of(struct bpf_object *o, const char *name, size_t bytes)
{
	int fd = bpf_object__find_map_fd_by_name(o, name);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p = mmap(
		NULL, (bytes + page - 1) / page * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		err(1, "map %s", name);
	return p;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- the source ---- */

static void put(uint8_t *p, uint32_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
}

static void send_packet(uint8_t *p, size_t n, uint16_t seq, uint32_t ts, uint64_t due)
{
	struct timespec t = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
	put(p + 2, seq, 2);
	put(p + 4, ts, 4);
	put(p + 8, SSRC, 4);
	sent[seq] = now();
	if (send(sock, p, n, 0) < 0 && errno != ECONNREFUSED)
		err(1, "send");
	sent_packets++;
}

static void *source(void *arg)
{
	uint64_t begin = now();
	uint16_t seq = 1;

	(void)arg;
	for (size_t at = 0;;) {
		uint32_t head[2];
		uint64_t due;

		memcpy(head, stream + at, sizeof(head));
		due = begin + (uint64_t)head[0] * 1000u;
		if (head[1] == 0) {
			begin = due;
			at = 0;
			continue;
		}
		send_packet(stream + at + sizeof(head), head[1], seq++,
			(uint32_t)(due / 1000u * (CLOCK / 1000) / 1000u), due);
		at += sizeof(head) + head[1];
	}
	return NULL;
}

static void read_stream(const char *path)
{
	FILE *f = fopen(path, "rb");
	long n;

	if (!f || fseek(f, 0, SEEK_END) || (n = ftell(f)) < 16)
		err(1, "%s", path);
	rewind(f);
	stream_len = (size_t)n;
	stream = malloc(stream_len);
	if (!stream || fread(stream, 1, stream_len, f) != stream_len)
		err(1, "%s", path);
	fclose(f);
}

static void open_source(const char *port, const char *host, const char *to)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

	sock = socket(AF_INET, SOCK_DGRAM, 0);
	if (sock < 0 || bind(sock, (struct sockaddr *)&a, sizeof(a)) < 0)
		err(1, "port %s", port);
	a.sin_port = htons((uint16_t)atoi(to));
	if (inet_pton(AF_INET, host, &a.sin_addr) != 1 ||
		connect(sock, (struct sockaddr *)&a, sizeof(a)) < 0)
		err(1, "%s", host);
}

/* ---- the audience ---- */

static void enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "%s", path);
	close(fd);
}

static int open_tun(const char *namespace, const char *interface)
{
	struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int back = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), tun;
	char path[64];

	snprintf(path, sizeof(path), "/run/netns/%s", namespace);
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", interface);
	enter(path);
	tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (tun < 0 || ioctl(tun, TUNSETIFF, &r) || ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM))
		err(1, "%s in %s", interface, namespace);
	if (back < 0 || setns(back, CLONE_NEWNET))
		err(1, "back from %s", namespace);
	close(back);
	return tun;
}

static void attach(const char *object, int tun)
{
	struct bpf_object *o = bpf_object__open_file(object, NULL);
	int prog;

	if (!o || bpf_object__load(o))
		errx(1, "%s: cannot be loaded", object);
	prog = bpf_program__fd(bpf_object__find_program_by_name(o, "audience"));
	clients = map_of(o, "clients", AUDIENCE_MAX * sizeof(*clients));
	counts = map_of(o, "counts", AUDIENCE_COUNTS * sizeof(*counts));
	delays = map_of(o, "delays", AUDIENCE_BINS * sizeof(*delays));
	sent = map_of(o, "sent", 65536 * sizeof(*sent));
	if (ioctl(tun, TUNSETFILTEREBPF, &prog))
		err(1, "the device takes no filter");
}

/* The delay, in ms, that this part of all was below. */
static double quantile(const uint64_t *bins, double part)
{
	uint64_t all = 0, sum = 0;

	for (int i = 0; i < AUDIENCE_BINS; i++)
		all += bins[i];
	for (int i = 0; i < AUDIENCE_BINS; i++) {
		sum += bins[i];
		if (sum && (double)sum >= part * (double)all)
			return (i + 1) * (AUDIENCE_BIN / 1e6);
	}
	return 0;
}

static void measure(double seconds)
{
	static uint64_t bins[AUDIENCE_BINS];
	uint64_t before[AUDIENCE_COUNTS], out = sent_packets, begin = now();

	for (int i = 0; i < AUDIENCE_COUNTS; i++)
		before[i] = counts[i];
	for (int i = 0; i < AUDIENCE_BINS; i++)
		bins[i] = delays[i];
	usleep((useconds_t)(seconds * 1e6));
	for (int i = 0; i < AUDIENCE_BINS; i++)
		bins[i] = delays[i] - bins[i];
	printf("{\"seconds\": %.6f, \"sent\": %llu, \"packets\": %llu, \"lost\": %llu, "
	       "\"late\": %llu, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.2f}\n",
		(double)(now() - begin) / 1e9, (unsigned long long)(sent_packets - out),
		(unsigned long long)(counts[AUDIENCE_PACKETS] - before[AUDIENCE_PACKETS]),
		(unsigned long long)(counts[AUDIENCE_LOST] - before[AUDIENCE_LOST]),
		(unsigned long long)(counts[AUDIENCE_LATE] - before[AUDIENCE_LATE]),
		quantile(bins, 0.5), quantile(bins, 0.99), quantile(bins, 1));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[64];
	pthread_t thread;
	double seconds;
	unsigned i;

	if (argc != 8)
		errx(2, "usage: audience OBJECT NAMESPACE INTERFACE STREAM SOURCE-PORT SERVER-IP "
			"SERVER-PORT");
	attach(argv[1], open_tun(argv[2], argv[3]));
	read_stream(argv[4]);
	open_source(argv[5], argv[6], argv[7]);
	if (pthread_create(&thread, NULL, source, NULL))
		errx(1, "no thread");
	puts("begin");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "measure %lf", &seconds) == 1)
			measure(seconds);
		else if (sscanf(line, "forget %u", &i) == 1 && i < AUDIENCE_MAX)
			clients[i].any = 0;
		else
			errx(2, "what is \"%s\"?", line);
	}
	return 0;
}
