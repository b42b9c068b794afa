/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any configuration file is accepted, or its errors are told, each with its line. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *const levels[] = {"debug", "info", NULL};

struct upstream {
	char name[CONF_TITLE];
	struct addr address;
};

struct conf {
	char name[16];
	int64_t port, linger;
	bool on;
	int level;
	struct addr address;
	struct prefix block;
	struct conf_addr_list peers;
	struct conf_list upstream;
};

static const struct conf_option upstream[] = {
	{.name = "address", .type = CONF_ADDR, .offset = offsetof(struct upstream, address)},
	{0},
};

static const struct conf_option section[] = {
	{.name = "port", .type = CONF_INT, .def = "554", .min = 0, .max = 65535},
	{.name = "linger",
		.type = CONF_MS,
		.offset = offsetof(struct conf, linger) - offsetof(struct conf, port),
		.def = "2000"},
	{0},
};

static const struct conf_option options[] = {
	{.name = "name", .type = CONF_STR, .offset = offsetof(struct conf, name), .size = 16},
	{.name = "rtsp",
		.type = CONF_SECTION,
		.offset = offsetof(struct conf, port),
		.sub = section},
	{.name = "on", .type = CONF_BOOL, .offset = offsetof(struct conf, on), .def = "true"},
	{.name = "level",
		.type = CONF_ENUM,
		.offset = offsetof(struct conf, level),
		.def = "info",
		.names = levels},
	{.name = "address", .type = CONF_ADDR, .offset = offsetof(struct conf, address), .def = ""},
	{.name = "block", .type = CONF_PREFIX, .offset = offsetof(struct conf, block), .def = ""},
	{.name = "peers",
		.type = CONF_ADDR_LIST,
		.offset = offsetof(struct conf, peers),
		.def = ""},
	{.name = "upstream",
		.type = CONF_SECTION_LIST,
		.offset = offsetof(struct conf, upstream),
		.size = sizeof(struct upstream),
		.sub = upstream},
	{0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct conf_errors e;
	struct slice text = {len ? (const char *)data : "", len};
	struct conf conf;
	int err;

	if (len > 4096) /* nothing new happens there, only slower */
		return 0;
	err = conf_parse("f", text, options, &conf, &e);
	assert(!err == !e.n);
	for (const char *line = e.text; *line; line = strchr(line, '\n') + 1) {
		if (strncmp(line, "…", strlen("…")) == 0)
			continue;
		assert(line[0] == 'f' && line[1] == ':' && line[2] >= '1' && line[2] <= '9');
		assert(strstr(line, "expected"));
	}
	assert(err || (conf.name[0] != '\x7f' && memchr(conf.name, 0, sizeof(conf.name))));
	conf_free(options, &conf);
	return 0;
}
