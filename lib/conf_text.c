/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of a configuration file, before libconfuse sees it.
 *
 * libconfuse stops at its first error. To find them all, conf.c parses again and again, each time
 * without the line that was wrong; this file takes lines away without moving the others. It also
 * removes comments itself: libconfuse's lexer miscounts lines after a C comment and writes beyond
 * its buffer for some lengths. And since no value of ours spans lines, a quote that is not closed
 * on its line is found here, where it is, and not at the end of the file.
 */
#include "lib/conf_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void blank(char *from, const char *to)
{
	for (; from < to; from++) {
		if (*from != '\n')
			*from = ' ';
	}
}

/* Behind the closing quote of the string that begins at p; NULL: the line ends first. */
static const char *string_end(const char *p)
{
	char quote = *p++;

	for (; *p && *p != '\n'; p++) {
		if (*p == '\\' && p[1] && p[1] != '\n')
			p++;
		else if (*p == quote)
			return p + 1;
	}
	return NULL;
}

static char *line_end(char *p)
{
	return p + strcspn(p, "\n");
}

static bool is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

/* Blanks a line, unless it is blank or its braces do not pair. */
static bool blank_line(char *from, char *to, bool stray_close)
{
	int open = 0;
	bool any = false;

	for (const char *c = from; c < to;) {
		const char *end = *c == '"' || *c == '\'' ? string_end(c) : NULL;

		any = any || (*c != ' ' && *c != '\t' && *c != '\r');
		if (!end) {
			open += (*c == '{') - (*c == '}');
			end = c + 1;
		}
		c = end;
	}
	if (!any || (open && !(stray_close && from + strspn(from, " \t\r}") == to)))
		return false;
	blank(from, to);
	return true;
}

/* Control characters, NUL among them, become blanks, and the lines that have some too. */
static void clean_control(char *p, size_t n, conf_text_cb *cb, void *ctx)
{
	size_t start = 0;
	bool bad = false;
	int line = 1;

	for (size_t i = 0; i <= n; i++) {
		if (i < n && is_control(p[i])) {
			p[i] = ' ';
			bad = true;
		} else if (i == n || p[i] == '\n') {
			if (bad) {
				cb(ctx, line, "a control character, expected text");
				blank_line(p + start, p + i, false);
			}
			bad = false;
			start = i + 1;
			line++;
		}
	}
}

/* Blanks the assignment that begins before p in a line and is wrong up to its end. What stands
 * before it stays, and a brace at the end that closes what the line opened: for balance. */
static void blank_assignment(char *start, char *p)
{
	char *end = line_end(p), *last = end;
	bool opened = false;

	while (p > start && p[-1] != '{' && p[-1] != '}')
		p--;
	opened = p > start && p[-1] == '{';
	while (last > p && (last[-1] == ' ' || last[-1] == '\t' || last[-1] == '\r'))
		last--;
	blank(p, opened && last > p && last[-1] == '}' ? last - 1 : end);
}

static const char *skip_word(const char *p)
{
	while (is_word(*p))
		p++;
	return p;
}

/* Whether the '=' at p has no value: the line ends, and the next one is another assignment or a
 * section's begin or end. (libconfuse would take that option's name for the value.) */
static bool is_dangling(const char *p)
{
	const char *next = p + 1 + strspn(p + 1, " \t\r"), *word;

	if (*next != '\n')
		return false;
	next += strspn(next, " \t\r\n");
	word = skip_word(next);
	word += strspn(word, " \t");
	return *next == '}' || (word > next && is_word(*next) && strchr("={\"'", *word) && *word);
}

/* Blanks comments and strings that do not end. */
static void clean_lexical(char *p, conf_text_cb *cb, void *ctx)
{
	int line = 1;
	char *start, *end;

	for (start = p; *p;) {
		if (*p == '\n') {
			line++;
			start = ++p;
		} else if (*p == '#' || (p[0] == '/' && p[1] == '/')) {
			end = line_end(p);
			blank(p, end);
			p = end;
		} else if (p[0] == '/' && p[1] == '*') {
			end = strstr(p + 2, "*/");
			if (!end)
				cb(ctx, line, "a comment that never ends, expected \"*/\"");
			end = end ? end + 2 : p + strlen(p);
			blank(p, end);
			for (; p < end; p++)
				line += *p == '\n';
		} else if (*p == '"' || *p == '\'') {
			end = (char *)string_end(p);
			if (!end) {
				cb(ctx, line,
					"a string that does not end on its line, expected a "
					"closing quote");
				end = line_end(p);
				blank_assignment(start, p);
			}
			p = end;
		} else {
			if (*p == ';') {
				cb(ctx, line, "\";\", expected none: a value needs no end");
				*p = ' ';
			}
			p++;
		}
	}
}

static void clean_dangling(char *p, conf_text_cb *cb, void *ctx)
{
	int line = 1;
	char *start = p;

	while (*p) {
		const char *end = *p == '"' || *p == '\'' ? string_end(p) : NULL;

		if (end) {
			p = (char *)end;
			continue;
		}
		if (*p == '=' && is_dangling(p)) {
			cb(ctx, line, "nothing after \"=\", expected a value");
			blank_assignment(start, p);
		}
		if (*p++ == '\n') {
			line++;
			start = p;
		}
	}
}

void conf_text_clean(char *p, size_t n, conf_text_cb *cb, void *ctx)
{
	clean_control(p, n, cb, ctx);
	clean_lexical(p, cb, ctx);
	clean_dangling(p, cb, ctx);
}

static const char *line_at(const char *p, int line)
{
	while (p && --line > 0) {
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	return p;
}

bool conf_text_blank(char *p, int line, bool stray_close)
{
	char *from = (char *)line_at(p, line);

	return from && blank_line(from, line_end(from), stray_close);
}

static const char *skip_blank(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/* Behind a value or title: a string, or a bare word; NULL: neither. */
static const char *skip_value(const char *p)
{
	size_t n;

	if (*p == '"' || *p == '\'')
		return string_end(p);
	n = strcspn(p, " \t\r\n\"'={}()+,#");
	return n ? p + n : NULL;
}

/* Behind the brace that closes the one at p; NULL: none does. */
static const char *skip_braces(const char *p)
{
	int depth = 0;

	while (*p) {
		const char *end = *p == '"' || *p == '\'' ? string_end(p) : NULL;

		if (end) {
			p = end;
			continue;
		}
		depth += (*p == '{') - (*p == '}');
		p++;
		if (depth == 0)
			return p;
	}
	return NULL;
}

/* Behind "= VALUE", "+= VALUE", "= { … }", "{ … }" or "TITLE { … }" at p; NULL: none of these. */
static const char *skip_rest(const char *p)
{
	p = skip_blank(p);
	if (p[0] == '+' && p[1] == '=')
		p++;
	if (*p == '=') {
		p = skip_blank(p + 1);
		return *p == '{' ? skip_braces(p) : skip_value(p);
	}
	if (*p != '{') {
		p = skip_value(p);
		if (!p)
			return NULL;
		p = skip_blank(p);
	}
	return *p == '{' ? skip_braces(p) : NULL;
}

bool conf_text_cut(char *p, int line, const char *name)
{
	char *from = (char *)line_at(p, line), *to;
	size_t n = strlen(name);

	if (!from)
		return false;
	to = line_end(from);
	while (from < to) {
		const char *end = skip_value(from);

		if (!end) {
			from++;
			continue;
		}
		if ((size_t)(end - from) == n && memcmp(from, name, n) == 0) {
			const char *rest = skip_rest(end);

			if (rest) {
				blank(from, rest);
				return true;
			}
		}
		from = (char *)end;
	}
	return false;
}

char *conf_text_title(char *p, int line, const char *title)
{
	char *from = (char *)line_at(p, line), *to;
	size_t n = strlen(title);

	to = from ? line_end(from) : NULL;
	while (from && from < to) {
		const char *end = skip_value(from);
		size_t quote = *from == '"' || *from == '\'';

		if (!end) {
			from++;
			continue;
		}
		if ((size_t)(end - from) == n + 2 * quote && memcmp(from + quote, title, n) == 0 &&
			*skip_blank(end) == '{')
			return from + quote + n;
		from = (char *)end;
	}
	return NULL;
}

/*
 * Walks the braces. The line at which the section opened that is closed last in line `close`, or,
 * with close 0, that is never closed; 0: there is none.
 */
static int opening_line(const char *p, int close)
{
	enum { DEEPEST = 64 };
	int line = 1, depth = 0, found = 0, opened[DEEPEST] = {0};

	for (; *p; p++) {
		const char *end = *p == '"' || *p == '\'' ? string_end(p) : NULL;

		if (end)
			p = end - 1;
		else if (*p == '\n')
			line++;
		else if (*p == '{' && depth++ < DEEPEST)
			opened[depth - 1] = line;
		else if (*p == '}' && depth && --depth < DEEPEST && line == close)
			found = opened[depth];
	}
	if (close)
		return found;
	return depth && depth <= DEEPEST ? opened[depth - 1] : 0;
}

int conf_text_unclosed(const char *p)
{
	return opening_line(p, 0);
}

int conf_text_opened(const char *p, int close)
{
	return opening_line(p, close);
}

bool conf_text_line_has(const char *p, int line, const char *word)
{
	const char *from = line_at(p, line), *end, *at;
	size_t n = strlen(word);

	if (!from || !n)
		return false;
	end = from + strcspn(from, "\n");
	for (at = from; at + n <= end; at++) {
		if (memcmp(at, word, n) == 0 && (at == from || !is_word(at[-1])) && !is_word(at[n]))
			return true;
	}
	return false;
}

int conf_text_find(const char *p, int line, const char *word)
{
	for (; line > 0; line--) {
		if (conf_text_line_has(p, line, word))
			return line;
	}
	return 0;
}

int conf_text_lines(const char *p)
{
	int lines = 1;

	for (; *p; p++)
		lines += *p == '\n' && p[1];
	return lines;
}

/* Levenshtein's distance; names longer than the row count as far. */
static unsigned distance(const char *a, const char *b)
{
	enum { ROW = 64 };
	unsigned row[ROW + 1];
	size_t na = strlen(a), nb = strlen(b);

	if (nb > ROW || na > ROW)
		return ROW;
	for (size_t k = 0; k <= nb; k++)
		row[k] = (unsigned)k;
	for (size_t i = 1; i <= na; i++) {
		unsigned corner = row[0];

		row[0] = (unsigned)i;
		for (size_t k = 1; k <= nb; k++) {
			unsigned best = corner + (a[i - 1] != b[k - 1]);

			corner = row[k];
			if (row[k] + 1 < best)
				best = row[k] + 1;
			if (row[k - 1] + 1 < best)
				best = row[k - 1] + 1;
			row[k] = best;
		}
	}
	return row[nb];
}

const char *conf_text_nearest(const struct conf_option *options, const char *name)
{
	unsigned least = (unsigned)(strlen(name) / 3 + 2);
	const char *best = NULL;

	for (; options && options->name; options++) {
		unsigned d = distance(name, options->name);

		if (d < least) {
			least = d;
			best = options->name;
		}
	}
	return best;
}
