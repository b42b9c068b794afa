/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sealing and opening of datagrams (see wire.h for the format and the rules).
 *
 * The checks go from cheap to dear and from public to secret: format, version and key id cost
 * nothing and betray nothing; then the MAC over the whole; and only what is authentic is looked up
 * or takes a place in the table of senders. A stranger can make us compute MACs (about a
 * microsecond each), no more.
 *
 * The table is an array that is searched from end to end: there are as many senders as a LAN has
 * nodes, and an id is eight bytes.
 */
#include "lib/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cursor.h"
#include "lib/secret.h"
#include "lib/slice.h"

#define MAGIC   0x4e435354u /* "NCST" */
#define VERSION 1
#define HEADER  40
#define MAC_LEN 32

_Static_assert(WIRE_KEY_LEN == SECRET_KEY, "the MAC's key");

/* Reads "ID HEX64" into *k. NULL, or what is wrong. */
static const char *parse_key(struct wire_key *k, struct slice line)
{
	struct slice id = line, hex;
	unsigned long long v;

	while (id.n && line.n && *line.p != ' ' && *line.p != '\t') {
		line.p++;
		line.n--;
	}
	id.n -= line.n;
	hex = slice_trim(line);
	if (slice_u64(id, UINT16_MAX, &v))
		return "the key's id must be a number from 0 to 65535";
	if (secret_unhex(hex, k->key, WIRE_KEY_LEN))
		return "after its id a key must have 64 hexadecimal digits";
	k->id = (uint16_t)v;
	return NULL;
}

const struct wire_key *wire_keys_find(const struct wire_keys *k, uint16_t id)
{
	for (int i = 0; i < k->n; i++)
		if (k->key[i].id == id)
			return &k->key[i];
	return NULL;
}

/* One line of the file. NULL, or what is wrong. */
static const char *add_line(struct wire_keys *k, struct slice line)
{
	struct slice text = slice_trim(slice_cut(&line, '#'));
	struct wire_key key = {0};
	const char *wrong;

	if (!text.n)
		return NULL;
	wrong = parse_key(&key, text);
	if (!wrong && wire_keys_find(k, key.id))
		wrong = "this key id was given before";
	if (!wrong && k->n == WIRE_MAX_KEYS)
		wrong = "too many keys, at most 8 are possible";
	if (!wrong)
		k->key[k->n++] = key;
	secret_wipe(&key, sizeof(key));
	return wrong;
}

static int read_keys(struct wire_keys *k, FILE *f, const char *path, char err[256])
{
	char line[512];
	int number = 0;
	int rc = 0;

	while (!rc && fgets(line, sizeof(line), f)) {
		size_t n = strlen(line);
		const char *wrong;

		number++;
		if (n == sizeof(line) - 1 && line[n - 1] != '\n')
			wrong = "the line is too long";
		else
			wrong = add_line(k, (struct slice){line, n});
		if (wrong) {
			snprintf(err, 256, "%s:%d: %s", path, number, wrong);
			rc = -EINVAL;
		}
	}
	secret_wipe(line, sizeof(line));
	if (!rc && ferror(f)) {
		snprintf(err, 256, "%s: cannot be read", path);
		rc = -EIO;
	}
	if (!rc && !k->n) {
		snprintf(err, 256, "%s: no key; expected lines of an id and 64 hexadecimal digits",
			path);
		rc = -EINVAL;
	}
	return rc;
}

int wire_keys_load(struct wire_keys *k, const char *path, char err[256])
{
	struct stat st;
	FILE *f;
	int rc;

	k->n = 0;
	err[0] = '\0';
	if (secret_init() < 0) {
		snprintf(err, 256, "libsodium: no source of random numbers");
		return -EIO;
	}
	f = fopen(path, "re");
	if (!f) {
		rc = -errno;
		snprintf(err, 256, "%s: %s", path, strerror(-rc));
		return rc;
	}
	setvbuf(f, NULL, _IONBF, 0); /* or a copy of the keys would stay in its buffer */
	rc = read_keys(k, f, path, err);
	if (!rc && !fstat(fileno(f), &st) && (st.st_mode & S_IRWXO))
		snprintf(err, 256,
			"%s: others may access the keys (mode %04o), expected 0640 or less", path,
			st.st_mode & 07777u);
	fclose(f);
	if (rc)
		wire_keys_wipe(k);
	return rc;
}

void wire_keys_wipe(struct wire_keys *k)
{
	secret_wipe(k, sizeof(*k));
}

uint64_t wire_sender_id(const char *node_id)
{
	uint8_t hash[16];
	struct rcur c = rcur_init(hash, sizeof(hash));

	secret_hash(NULL, "", node_id, strlen(node_id), hash, sizeof(hash));
	return rcur_u64(&c);
}

void wire_sender_init(
	struct wire_sender *s, const struct wire_keys *k, const char *node_id, int64_t wall)
{
	*s = (struct wire_sender){
		.sender = wire_sender_id(node_id), .epoch = (uint64_t)wall, .keys = k};
}

static void put_mac(uint8_t mac[MAC_LEN], const struct wire_key *k, const uint8_t *p, size_t n)
{
	secret_hash(k->key, "", p, n, mac, MAC_LEN);
}

int wire_seal(struct wire_sender *s, enum wire_type type, const void *payload, size_t n,
	int64_t wall, uint8_t out[WIRE_MAX])
{
	struct wcur c = wcur_init(out, WIRE_MAX);
	uint8_t *mac;

	if (!s->keys->n)
		return -ENOKEY;
	wcur_u32(&c, MAGIC);
	wcur_u8(&c, VERSION);
	wcur_u8(&c, (uint8_t)type);
	wcur_u16(&c, s->keys->key[0].id);
	wcur_u64(&c, s->sender);
	wcur_u64(&c, s->epoch);
	wcur_u64(&c, s->counter + 1);
	wcur_u64(&c, (uint64_t)wall);
	wcur_put(&c, payload, n);
	mac = wcur_reserve(&c, MAC_LEN);
	if (!mac)
		return -EMSGSIZE;
	put_mac(mac, &s->keys->key[0], out, (size_t)(mac - out));
	s->counter++;
	return (int)wcur_len(&c);
}

const char *wire_error_str(enum wire_error e)
{
	static const char *const text[WIRE_ERRORS] = {
		[WIRE_OK] = "accepted",
		[WIRE_MALFORMED] = "malformed",
		[WIRE_VERSION] = "unknown version",
		[WIRE_UNKNOWN_KEY] = "unknown key",
		[WIRE_FORGED] = "forged",
		[WIRE_STALE] = "stale",
		[WIRE_REPLAYED] = "replayed",
		[WIRE_TABLE_FULL] = "too many senders",
		[WIRE_UNKNOWN_TYPE] = "unknown type",
	};

	return (unsigned)e < WIRE_ERRORS ? text[e] : "unknown error";
}

int wire_type_of(const uint8_t *p, size_t n)
{
	struct rcur c = rcur_init(p, n);
	int type;

	if (n < HEADER + MAC_LEN || rcur_u32(&c) != MAGIC || rcur_u8(&c) != VERSION)
		return -1;
	type = rcur_u8(&c);
	return type < 64 ? type : -1; /* those have no bit */
}

struct memory {
	uint64_t sender, epoch, counter; /* the last accepted */
	int64_t fresh_until;             /* wall time: until then it has to be remembered */
};

struct wire_receiver {
	const struct wire_keys *keys;
	int64_t skew;
	uint64_t types; /* that it wants: a bit each */
	int n, max;
	struct memory memory[];
};

struct wire_receiver *wire_receiver_new(const struct wire_keys *k, int64_t skew, int max)
{
	struct wire_receiver *r = calloc(1, sizeof(*r) + (size_t)max * sizeof(r->memory[0]));

	if (!r)
		return NULL;
	r->keys = k;
	r->skew = skew;
	r->max = max;
	r->types = WIRE_BIT(WIRE_ANNOUNCE) | WIRE_BIT(WIRE_GOODBYE);
	return r;
}

void wire_receiver_take(struct wire_receiver *r, uint64_t types)
{
	r->types = types;
}

void wire_receiver_free(struct wire_receiver *r)
{
	free(r);
}

static void forget_expired(struct wire_receiver *r, int64_t wall)
{
	int n = 0;

	for (int i = 0; i < r->n; i++)
		if (r->memory[i].fresh_until >= wall)
			r->memory[n++] = r->memory[i];
	r->n = n;
}

/* The sender's place: an old one, or a new one that is zero. NULL: there is no room. */
static struct memory *find_memory(struct wire_receiver *r, uint64_t sender, int64_t wall)
{
	for (int i = 0; i < r->n; i++) {
		struct memory *m = &r->memory[i];

		if (m->sender != sender)
			continue;
		if (m->fresh_until < wall)
			*m = (struct memory){.sender = sender};
		return m;
	}
	if (r->n == r->max)
		forget_expired(r, wall);
	if (r->n == r->max)
		return NULL;
	r->memory[r->n] = (struct memory){.sender = sender};
	return &r->memory[r->n++];
}

/* Of an authentic datagram: is it of now, and new? `sent` is its wall time. */
static enum wire_error check_replay(struct wire_receiver *r, uint64_t sender, uint64_t epoch,
	uint64_t counter, int64_t sent, int64_t wall)
{
	struct memory *m;
	int64_t distance, fresh_until;

	if (__builtin_sub_overflow(sent, wall, &distance) || distance > r->skew ||
		distance < -r->skew)
		return WIRE_STALE;
	m = find_memory(r, sender, wall);
	if (!m)
		return WIRE_TABLE_FULL;
	if (epoch < m->epoch || (epoch == m->epoch && counter <= m->counter))
		return WIRE_REPLAYED;
	m->epoch = epoch;
	m->counter = counter;
	if (__builtin_add_overflow(sent, r->skew, &fresh_until))
		fresh_until = INT64_MAX;
	if (fresh_until > m->fresh_until)
		m->fresh_until = fresh_until;
	return WIRE_OK;
}

enum wire_error wire_open(
	struct wire_receiver *r, const uint8_t *p, size_t n, int64_t wall, struct wire_view *v)
{
	struct rcur c = rcur_init(p, n);
	uint8_t mac[MAC_LEN], version, type;
	uint64_t sender, epoch, counter, sent;
	const struct wire_key *key;
	enum wire_error e;

	if (n < HEADER + MAC_LEN || n > WIRE_MAX || rcur_u32(&c) != MAGIC)
		return WIRE_MALFORMED;
	version = rcur_u8(&c);
	type = rcur_u8(&c);
	key = wire_keys_find(r->keys, rcur_u16(&c));
	sender = rcur_u64(&c);
	epoch = rcur_u64(&c);
	counter = rcur_u64(&c);
	sent = rcur_u64(&c);
	if (version != VERSION)
		return WIRE_VERSION;
	if (!key)
		return WIRE_UNKNOWN_KEY;
	put_mac(mac, key, p, n - MAC_LEN);
	if (!secret_equal(mac, p + n - MAC_LEN, MAC_LEN))
		return WIRE_FORGED;
	if (type >= 64 || !(r->types & WIRE_BIT(type)))
		return WIRE_UNKNOWN_TYPE;
	if (sent > INT64_MAX)
		return WIRE_STALE;
	e = check_replay(r, sender, epoch, counter, (int64_t)sent, wall);
	if (e)
		return e;
	*v = (struct wire_view){(enum wire_type)type, sender, p + HEADER, n - HEADER - MAC_LEN};
	return WIRE_OK;
}
