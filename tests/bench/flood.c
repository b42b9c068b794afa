/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets flood.bpf.c to work on one end of a veth pair, for a time, and says what it saw, as JSON.
 *
 * usage: flood OBJECT INTERFACE SERVER-MAC CLIENT-IP SERVER-IP PORT REQUEST EXPECTED IN-FLIGHT SECONDS
 *
 * REQUEST is filled up to FLOOD_REQUEST bytes with a header.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "flood.h"

#define LOST   1000000000u /* ns after which a connection counts as lost */
#define WARM_S 0.3         /* before anything is counted */

static volatile struct flood_conf *conf;
static volatile uint64_t *counts, *began, *latency;

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

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint16_t sum(const void *p, size_t n, uint32_t more)
{
	const uint8_t *b = p;

	for (size_t i = 0; i + 1 < n; i += 2)
		more += (uint32_t)(b[i] << 8 | b[i + 1]);
	while (more >> 16)
		more = (more & 0xffff) + (more >> 16);
	return (uint16_t)more;
}

/* The first packet of a connection, as flood.bpf.c sends those of all later ones. */
static void begin(int raw, int ifindex)
{
	struct {
		struct ethhdr eth;
		struct iphdr ip;
		struct tcphdr tcp;
	} __attribute__((packed)) f = {0};
	uint64_t n = __sync_fetch_and_add(&counts[FLOOD_STARTED], 1);
	uint16_t port = (uint16_t)(FLOOD_FIRST + n % FLOOD_PORTS);
	uint32_t client = ntohl(conf->client) + (uint32_t)(n / FLOOD_PORTS) % FLOOD_HOSTS;
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = ifindex, .sll_halen = 6};
	struct timespec t;

	memcpy(f.eth.h_dest, (const void *)conf->server_mac, 6);
	memcpy(f.eth.h_source, (const void *)conf->client_mac, 6);
	f.eth.h_proto = htons(ETH_P_IP);
	f.ip.version = 4;
	f.ip.ihl = 5;
	f.ip.tot_len = htons(sizeof(f.ip) + sizeof(f.tcp));
	f.ip.ttl = 64;
	f.ip.protocol = IPPROTO_TCP;
	f.ip.saddr = htonl(client);
	f.ip.daddr = conf->server;
	f.ip.check = htons((uint16_t)~sum(&f.ip, sizeof(f.ip), 0));
	f.tcp.source = htons(port);
	f.tcp.dest = (uint16_t)conf->port;
	f.tcp.seq = htonl(client * 2654435761u + port * 40503u);
	f.tcp.window = htons(65535);
	f.tcp.doff = 5;
	f.tcp.syn = 1;
	f.tcp.check = htons((uint16_t)~sum(
		&f.tcp, sizeof(f.tcp), sum(&f.ip.saddr, 8, IPPROTO_TCP + sizeof(f.tcp))));
	clock_gettime(CLOCK_MONOTONIC, &t);
	began[port] = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	if (sendto(raw, &f, sizeof(f), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		err(1, "send");
}

/* Connections that got stuck, since a packet was lost; others take their places. */
static uint64_t replace_lost(int raw, int ifindex)
{
	uint64_t lost = 0, t = (uint64_t)(now() * 1e9);

	for (int i = 0; i < FLOOD_SLOTS; i++) {
		uint64_t at = began[i];

		if (!at || at + LOST > t)
			continue;
		began[i] = 0;
		lost++;
		begin(raw, ifindex);
	}
	return lost;
}

static uint64_t percentile(const uint64_t *n, double share)
{
	uint64_t all = 0, seen = 0;

	for (int i = 0; i < FLOOD_USEC; i++)
		all += n[i];
	for (int i = 0; i < FLOOD_USEC; i++) {
		seen += n[i];
		if ((double)seen >= share * (double)all)
			return (uint64_t)i;
	}
	return FLOOD_USEC;
}

static int watch(int raw, int ifindex, double seconds)
{
	static uint64_t before[FLOOD_COUNTS], bins[FLOOD_USEC];
	struct timespec pause = {.tv_nsec = 50 * 1000000};
	double start, end;
	uint64_t lost = 0;

	for (start = now(); now() < start + WARM_S;)
		nanosleep(&pause, NULL);
	for (int i = 0; i < FLOOD_COUNTS; i++)
		before[i] = counts[i];
	for (int i = 0; i < FLOOD_USEC; i++)
		latency[i] = 0;
	printf("begin\n");
	fflush(stdout);
	for (start = now(); now() < start + seconds;) {
		nanosleep(&pause, NULL);
		lost += replace_lost(raw, ifindex);
	}
	end = now();
	for (int i = 0; i < FLOOD_COUNTS; i++)
		before[i] = counts[i] - before[i];
	for (int i = 0; i < FLOOD_USEC; i++)
		bins[i] = latency[i];
	conf->stop = 1;
	printf("{\"seconds\": %.4f, \"answered\": %llu, \"ended\": %llu, \"wrong\": %llu, "
	       "\"reset\": %llu, \"lost\": %llu, \"p50_us\": %llu, \"p99_us\": %llu}\n",
		end - start, (unsigned long long)before[FLOOD_ANSWERED],
		(unsigned long long)before[FLOOD_ENDED], (unsigned long long)before[FLOOD_WRONG],
		(unsigned long long)before[FLOOD_RESET], (unsigned long long)lost,
		(unsigned long long)percentile(bins, 0.5),
		(unsigned long long)percentile(bins, 0.99));
	fflush(stdout);
	return 0;
}

static void fill_in(char **argv, const char *mac, const char *request)
{
	static const char filler[] = "X-Fill: ", end[] = "\r\n\r\n";
	size_t n = strlen(request), left = FLOOD_REQUEST - n - sizeof(end) + 1;
	unsigned b[6];

	if (n + sizeof(filler) + sizeof(end) > FLOOD_REQUEST)
		errx(64, "request is too long");
	if (sscanf(mac, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6)
		errx(64, "%s is not a MAC address", mac);
	for (int i = 0; i < 6; i++)
		conf->server_mac[i] = (uint8_t)b[i];
	conf->client = inet_addr(argv[4]);
	conf->server = inet_addr(argv[5]);
	conf->port = htons((uint16_t)atoi(argv[6]));
	memcpy((void *)conf->request, request, n);
	memset((void *)(conf->request + n), 'x', left);
	memcpy((void *)(conf->request + n), filler, sizeof(filler) - 1);
	memcpy((void *)(conf->request + n + left), end, sizeof(end) - 1);
	memcpy((void *)conf->expected, argv[8], sizeof(conf->expected));
}

int main(int argc, char **argv)
{
	struct ifreq ifr = {0};
	struct bpf_object *o;
	int raw, ifindex;

	if (argc != 11 || strlen(argv[8]) != sizeof(conf->expected))
		errx(64,
			"usage: flood OBJECT INTERFACE SERVER-MAC CLIENT-IP SERVER-IP PORT REQUEST "
			"EXPECTED(12 bytes) IN-FLIGHT SECONDS");
	ifindex = (int)if_nametoindex(argv[2]);
	o = bpf_object__open_file(argv[1], NULL);
	if (!o || bpf_object__load(o) < 0)
		errx(1, "%s cannot be loaded", argv[1]);
	conf = map_of(o, "conf", sizeof(*conf));
	counts = map_of(o, "counts", FLOOD_COUNTS * sizeof(*counts));
	began = map_of(o, "began", FLOOD_SLOTS * sizeof(*began));
	latency = map_of(o, "latency", FLOOD_USEC * sizeof(*latency));
	raw = socket(AF_PACKET, SOCK_RAW, 0);
	strncpy(ifr.ifr_name, argv[2], IFNAMSIZ - 1);
	if (raw < 0 || ioctl(raw, SIOCGIFHWADDR, &ifr) < 0)
		err(1, "%s", argv[2]);
	for (int i = 0; i < 6; i++)
		conf->client_mac[i] = (uint8_t)ifr.ifr_hwaddr.sa_data[i];
	fill_in(argv, argv[3], argv[7]);
	if (bpf_xdp_attach(ifindex, bpf_program__fd(bpf_object__find_program_by_name(o, "flood")),
		    XDP_FLAGS_DRV_MODE, NULL) < 0)
		err(1, "XDP on %s", argv[2]);
	for (int i = 0; i < atoi(argv[9]); i++)
		begin(raw, ifindex);
	watch(raw, ifindex, atof(argv[10]));
	usleep(200000); /* what is under way ends */
	bpf_xdp_detach(ifindex, XDP_FLAGS_DRV_MODE, NULL);
	return 0;
}
