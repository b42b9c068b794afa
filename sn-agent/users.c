/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sn-agent/users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/secret.h"

#define FILE_MAX (64 * 1024 * 1024)

struct user {
	struct slice name, realm;
	enum digest_algorithm algorithm;
	char ha1[DIGEST_HEX];
	int line;
};

struct users_list {
	char *text; /* that names and realms lie in */
	size_t len;
	struct user *user; /* in order */
	int n, room;
	unsigned algorithms;
};

/* ---- the list ---- */

static int compare_slices(struct slice a, struct slice b)
{
	int d = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return d ? d : (a.n > b.n) - (a.n < b.n);
}

static int compare(const void *a, const void *b)
{
	const struct user *x = a, *y = b;
	int d = compare_slices(x->name, y->name);

	if (!d)
		d = compare_slices(x->realm, y->realm);
	return d ? d : (int)x->algorithm - (int)y->algorithm;
}

static bool find(const void *list, struct slice user, struct slice realm, enum digest_algorithm a,
	char ha1[DIGEST_HEX])
{
	const struct users_list *l = list;
	struct user key = {.name = user, .realm = realm, .algorithm = a};
	const struct user *u =
		l->n ? bsearch(&key, l->user, (size_t)l->n, sizeof(*l->user), compare) : NULL;

	if (u)
		memcpy(ha1, u->ha1, DIGEST_HEX);
	return u;
}

static unsigned algorithms(const void *list)
{
	return ((const struct users_list *)list)->algorithms;
}

const struct users_source users_file = {find, algorithms};

/* ---- the file ---- */

static bool take_hash(struct slice s, struct user *u)
{
	uint8_t bytes[32];

	if (s.n != 32 && s.n != 64)
		return false;
	if (secret_unhex(s, bytes, s.n / 2))
		return false;
	u->algorithm = s.n == 32 ? DIGEST_MD5 : DIGEST_SHA256;
	for (size_t i = 0; i < s.n / 2; i++)
		snprintf(u->ha1 + 2 * i, 3, "%02x", bytes[i]);
	secret_wipe(bytes, sizeof(bytes));
	return true;
}

static bool fits_header(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f || s.p[i] == '"' ||
			s.p[i] == '\\')
			return false;
	return s.n > 0;
}

static const char *parse_line(struct users_list *l, struct slice line, int number)
{
	struct user u = {.line = number}, *more;

	u.name = slice_cut(&line, ':');
	u.realm = slice_cut(&line, ':');
	if (!fits_header(u.name) || u.name.n >= USERS_NAME || !fits_header(u.realm))
		return "a name of 63 bytes at most, without quotes and backslashes, and a realm";
	if (!take_hash(line, &u))
		return "a hash of 32 (MD5) or 64 (SHA-256) hexadecimal digits";
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		more = realloc(l->user, (size_t)l->room * sizeof(*more));
		if (!more)
			return "more memory";
		l->user = more;
	}
	l->user[l->n++] = u;
	l->algorithms |= USERS_BIT(u.algorithm);
	return NULL;
}

static bool parse_all(struct users_list *l, char err[160])
{
	struct slice rest = {l->text, l->len};

	for (int number = 1; rest.n; number++) {
		struct slice line = slice_trim(slice_cut(&rest, '\n'));
		const char *expected;

		if (!line.n || line.p[0] == '#')
			continue;
		expected = parse_line(l, line, number);
		if (expected) {
			snprintf(err, 160, "line %d: expected user:realm:hash, with %s", number,
				expected);
			return false;
		}
	}
	if (l->n)
		qsort(l->user, (size_t)l->n, sizeof(*l->user), compare);
	for (int i = 1; i < l->n; i++)
		if (!compare(&l->user[i - 1], &l->user[i])) {
			snprintf(err, 160, "lines %d and %d are of the same user and algorithm",
				l->user[i - 1].line, l->user[i].line);
			return false;
		}
	return true;
}

struct users_list *users_parse(struct slice text, char err[160])
{
	struct users_list *l = calloc(1, sizeof(*l));

	if (l)
		l->text = malloc(text.n + 1);
	if (!l || !l->text) {
		snprintf(err, 160, "no memory");
		users_free(l);
		return NULL;
	}
	memcpy(l->text, text.p, text.n);
	l->len = text.n;
	if (parse_all(l, err))
		return l;
	users_free(l);
	return NULL;
}

struct users_list *users_load(const char *path, char err[256])
{
	struct users_list *l = NULL;
	char *text = NULL, why[160];
	FILE *f = fopen(path, "re");
	struct stat st;

	err[0] = '\0';
	if (!f || fstat(fileno(f), &st)) {
		snprintf(err, 256, "%.90s: %s", path, strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX ||
		!(text = malloc((size_t)st.st_size + 1))) {
		snprintf(err, 256, "%.90s: expected a file of 64 MiB at most", path);
		goto out;
	}
	l = users_parse((struct slice){text, fread(text, 1, (size_t)st.st_size, f)}, why);
	if (!l)
		snprintf(err, 256, "%.90s: %s", path, why);
	else if (st.st_mode & S_IRWXO)
		snprintf(err, 256,
			"%.90s: others may access what is as good as passwords (mode %04o), "
			"expected "
			"0640 or less",
			path, st.st_mode & 07777u);
out:
	if (text)
		secret_wipe(text, (size_t)st.st_size);
	free(text);
	if (f)
		fclose(f);
	return l;
}

void users_free(struct users_list *l)
{
	if (!l)
		return;
	if (l->user)
		secret_wipe(l->user, (size_t)l->room * sizeof(*l->user));
	if (l->text)
		secret_wipe(l->text, l->len);
	free(l->user);
	free(l->text);
	free(l);
}

int users_count(const struct users_list *l)
{
	return l->n;
}

bool users_named(const char *names, const char *user)
{
	struct slice rest = slice_of(names);

	while (rest.n)
		if (slice_eq(slice_trim(slice_cut(&rest, ',')), slice_of(user)))
			return true;
	return false;
}
