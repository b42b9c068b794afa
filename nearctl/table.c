/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of JSON. The daemons' answers are made for programs; this shows any of them to people
 * without knowing what they mean, so that a daemon can answer more without a new nearctl.
 *
 * Two shapes occur: an object of facts, and a list of like things (an array of objects). A fact
 * that is itself an object or a list of things is shown after the plain ones, under its name.
 */
#include "nearctl/table.h"

#include <stdlib.h>
#include <string.h>

#define INDENT      2
#define DEPTH_MAX   16
#define COLUMNS_MAX 64

struct text {
	char s[512];
	int width; /* columns on a terminal: characters, not bytes */
};

static bool is_plain(const struct js *v)
{
	return !js_is_object(v) && !js_is_array(v);
}

static bool is_list_of_objects(const struct js *v)
{
	if (!js_is_array(v) || js_len(v) == 0)
		return false;
	for (size_t i = 0; i < js_len(v); i++) {
		if (!js_is_object(js_at(v, i)))
			return false;
	}
	return true;
}

/* Cleans what is for the terminal, cuts a character that did not fit whole, counts the rest. */
static void finish_text(struct text *t)
{
	size_t n = strlen(t->s);

	if (n == sizeof(t->s) - 1) {
		while (n && ((unsigned char)t->s[n - 1] & 0xc0) == 0x80)
			n--;
		if (n && (unsigned char)t->s[n - 1] >= 0xc0)
			n--;
		t->s[n] = '\0';
	}
	t->width = 0;
	for (unsigned char *c = (unsigned char *)t->s; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			memmove(c, c + 1, strlen((char *)c + 1) + 1), *c = '?'; /* C1 controls */
		t->width += (*c & 0xc0) != 0x80;
	}
}

static void add(struct text *t, size_t *at, const char *s)
{
	size_t n = strnlen(s, sizeof(t->s) - 1 - *at);

	memcpy(t->s + *at, s, n);
	*at += n;
	t->s[*at] = '\0';
}

/* A value in one line: a scalar; "a, b" for a list; "x 1, y 2" for an object; "x 1; x 2" for a list
 * of them. What is nested deeper than an answer of ours is left as JSON. */
static void inline_value(const struct js *v, int depth, struct text *t, size_t *at)
{
	const struct js *member;
	struct text item;
	const char *key;
	void *it = NULL;
	size_t before = *at;

	if (is_plain(v) || depth > 2) {
		add(t, at, js_text(v, item.s, sizeof(item.s)));
	} else if (js_is_array(v)) {
		for (size_t i = 0; i < js_len(v); i++) {
			if (i)
				add(t, at, is_plain(js_at(v, i)) ? ", " : "; ");
			inline_value(js_at(v, i), depth + 1, t, at);
		}
	} else {
		while ((key = js_each(v, &it, &member))) {
			if (*at != before)
				add(t, at, ", ");
			add(t, at, key);
			add(t, at, " ");
			inline_value(member, depth + 1, t, at);
		}
	}
	if (*at == before)
		add(t, at, "-");
}

static void cell(const struct js *v, struct text *t)
{
	size_t at = 0;

	t->s[0] = '\0';
	inline_value(v, 0, t, &at);
	finish_text(t);
}

static void pad(FILE *out, int n)
{
	fprintf(out, "%*s", n > 0 ? n : 0, "");
}

/* Whether it reads as a number, and so stands to the right: "12", "1.5", "-3". */
static bool is_number(const struct js *v)
{
	return is_plain(v) && !js_str(v) && (js_real(v) != 0 || js_int(v) != 0);
}

struct column {
	const char *key;
	int width;
	bool numeric; /* all that is there is numbers; "-" and 0 fit either way */
	bool dull;    /* all that is there is "-", "no" and 0 */
};

static int find_columns(const struct js *list, struct column col[COLUMNS_MAX])
{
	int n = 0;

	for (size_t i = 0; i < js_len(list); i++) {
		const struct js *v;
		const char *key;
		void *it = NULL;
		struct text t;

		while ((key = js_each(js_at(list, i), &it, &v))) {
			int k = 0;

			while (k < n && strcmp(col[k].key, key) != 0)
				k++;
			if (k == COLUMNS_MAX)
				continue;
			if (k == n) {
				snprintf(t.s, sizeof(t.s), "%s", key);
				finish_text(&t);
				col[n++] = (struct column){key, t.width, true, true};
			}
			cell(v, &t);
			if (t.width > col[k].width)
				col[k].width = t.width;
			if (!is_number(v) && strcmp(t.s, "-") != 0 && strcmp(t.s, "0") != 0)
				col[k].numeric = false;
			if (strcmp(t.s, "-") != 0 && strcmp(t.s, "no") != 0 &&
				strcmp(t.s, "0") != 0)
				col[k].dull = false;
		}
	}
	return n;
}

/* How many columns are left when a table that is wider than `width` goes without the dull ones. */
static int narrow(struct column *col, int n, int width)
{
	int total = 0, left = 0;

	for (int k = 0; k < n; k++)
		total += col[k].width + 2;
	if (!width || total - 2 <= width)
		return n;
	for (int k = 0; k < n; k++)
		if (!col[k].dull)
			col[left++] = col[k];
	return left ? left : n;
}

static void print_cell(FILE *out, const struct text *t, const struct column *c, bool last)
{
	if (c->numeric)
		pad(out, c->width - t->width);
	fputs(t->s, out);
	if (!c->numeric && !last)
		pad(out, c->width - t->width);
	fputs(last ? "\n" : "  ", out);
}

static void print_list(FILE *out, const struct js *list, int indent, int width)
{
	struct column col[COLUMNS_MAX];
	int all = find_columns(list, col), n = narrow(col, all, width ? width - indent : 0);
	struct text t;

	pad(out, indent);
	for (int k = 0; k < n; k++) {
		snprintf(t.s, sizeof(t.s), "%s", col[k].key);
		finish_text(&t);
		for (char *c = t.s; *c; c++) {
			if (*c >= 'a' && *c <= 'z')
				*c = (char)(*c - 'a' + 'A');
		}
		print_cell(out, &t, &col[k], k == n - 1);
	}
	for (size_t i = 0; i < js_len(list); i++) {
		pad(out, indent);
		for (int k = 0; k < n; k++) {
			cell(js_get(js_at(list, i), col[k].key), &t);
			print_cell(out, &t, &col[k], k == n - 1);
		}
	}
	if (n < all) {
		pad(out, indent);
		fputs("(without columns that have only 0, no and -: see --json)\n", out);
	}
}

static void print(FILE *out, const struct js *v, int indent, int width, int depth);

/* The members that take one line, their keys padded to the longest; then the others. */
static void print_object(FILE *out, const struct js *o, int indent, int width, int depth)
{
	const struct js *v;
	const char *key;
	void *it = NULL;
	struct text k, t;
	int longest = 0;

	while ((key = js_each(o, &it, &v))) {
		snprintf(k.s, sizeof(k.s), "%s", key);
		finish_text(&k);
		if (!js_is_object(v) && !is_list_of_objects(v) && k.width > longest)
			longest = k.width;
	}
	for (it = NULL; (key = js_each(o, &it, &v));) {
		if (js_is_object(v) || is_list_of_objects(v))
			continue;
		snprintf(k.s, sizeof(k.s), "%s", key);
		finish_text(&k);
		cell(v, &t);
		pad(out, indent);
		fprintf(out, "%s:", k.s);
		pad(out, longest - k.width + 1);
		fprintf(out, "%s\n", t.s);
	}
	for (it = NULL; (key = js_each(o, &it, &v));) {
		if (!js_is_object(v) && !is_list_of_objects(v))
			continue;
		snprintf(k.s, sizeof(k.s), "%s", key);
		finish_text(&k);
		pad(out, indent);
		fprintf(out, "%s:\n", k.s);
		print(out, v, indent + INDENT, width, depth + 1);
	}
}

static void print(FILE *out, const struct js *v, int indent, int width, int depth)
{
	struct text t;

	if (js_is_object(v) && depth < DEPTH_MAX) {
		print_object(out, v, indent, width, depth);
	} else if (is_list_of_objects(v)) {
		print_list(out, v, indent, width);
	} else {
		cell(v, &t);
		pad(out, indent);
		fprintf(out, "%s\n", t.s);
	}
}

void table_print(FILE *out, const struct js *v, int width)
{
	const struct js *only = NULL, *second = NULL;
	void *it = NULL;

	/* A list that is all there is needs no name. */
	if (js_is_object(v) && js_each(v, &it, &only) && !js_each(v, &it, &second)) {
		if (is_list_of_objects(only)) {
			print_list(out, only, 0, width);
			return;
		}
		if (js_is_array(only) && js_len(only) == 0) {
			fputs("none\n", out);
			return;
		}
	}
	print(out, v, 0, width, 0);
}
