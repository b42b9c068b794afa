/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration files, on libconfuse.
 *
 * The operator shall see all errors of a file at once. libconfuse gives up at the first, and knows
 * types but no ranges, addresses or required options. So it only finds the structure: every option
 * is a string to it, and each value it meets is recorded with its line. When it stops, what
 * stopped it is told and taken out of its way (conf_text.c), and the whole text is parsed again:
 * an unknown option or section is cut out, a second section of one title is given another title, a
 * line with a syntax error is blanked.
 *
 * After the pass that reaches the end, the records are matched with the daemon's table: values
 * parsed and checked (conf_value.c), defaults filled in, what is required and missing told.
 */
#include "lib/conf_impl.h"

#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MAX   (1 << 20)
#define PASSES_MAX 200
#define ROOT       "root" /* libconfuse's name for the top level */
#define MARK       '\x01' /* begins what was added to a title that was there already */

#define UNCLOSED "the file ends within what begins here, expected a closing brace or a value"

struct record { /* a value in the file */
	const cfg_t *section;
	char *name, *value;
	int line;
};

struct problem {
	int line;
	char *text;
};

struct parse {
	const struct conf_option *options;
	char *text;           /* what is parsed: wrong lines are taken away as they are found */
	const char *original; /* what it was */
	struct record *record;
	size_t records;
	struct problem *problem;
	size_t problems, syntax_problems; /* all; those found before values were looked at */
	bool partial; /* no pass reached the end: what is missing is not known */
	/* What stopped this pass. */
	char *stop, *stop_section, *stop_title;
	int stop_line;
};

/* libconfuse's callbacks have no argument of ours. */
static struct parse *current;

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

static void tell(struct parse *p, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void tell(struct parse *p, int line, const char *fmt, ...)
{
	struct problem *b;
	va_list ap;

	p->problem = need(reallocarray(p->problem, p->problems + 1, sizeof(*b)));
	b = &p->problem[p->problems++];
	b->line = line;
	va_start(ap, fmt);
	if (vasprintf(&b->text, fmt, ap) < 0)
		abort();
	va_end(ap);
	for (char *c = b->text; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	}
}

static void tell_text(void *ctx, int line, const char *what)
{
	tell(ctx, line, "%s", what);
}

/* " in upstream "sn808"", for messages; "" at the top level. */
static const char *where(const char *name, const char *title, char *buf, size_t cap)
{
	if (strcmp(name, ROOT) == 0)
		buf[0] = '\0';
	else if (title)
		snprintf(buf, cap, " in %s \"%.*s\"", name, (int)strcspn(title, "\x01"), title);
	else
		snprintf(buf, cap, " in %s", name);
	return buf;
}

/* --- what libconfuse calls --- */

/* It met NAME = VALUE. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct parse *p = current;

	p->record = need(reallocarray(p->record, p->records + 1, sizeof(*p->record)));
	p->record[p->records++] =
		(struct record){cfg, need(strdup(opt->name)), need(strdup(value)), cfg->line};
	*(const char **)result = value;
	return 0;
}

static void __attribute__((format(printf, 2, 0))) on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	struct parse *p = current;

	if (p->stop)
		return;
	if (vasprintf(&p->stop, fmt, ap) < 0)
		abort();
	p->stop_section = need(strdup(cfg->name));
	p->stop_title = cfg->title ? need(strdup(cfg->title)) : NULL;
	p->stop_line = cfg->line;
}

static void free_table(cfg_opt_t *t)
{
	for (cfg_opt_t *o = t; o && o->name; o++)
		free_table(o->subopts);
	free(t);
}

static bool is_list(const struct conf_option *o)
{
	return o->type == CONF_ADDR_LIST || o->type == CONF_PREFIX_LIST;
}

static cfg_opt_t *make_table(const struct conf_option *o)
{
	size_t n = 0;
	cfg_opt_t *t;

	while (o[n].name)
		n++;
	t = need(calloc(n + 1, sizeof(*t)));
	for (size_t i = 0; i < n; i++, o++) {
		cfg_flag_t flags = CFGF_NONE;

		if (conf_is_value(o)) {
			flags = CFGF_NODEFAULT | (is_list(o) ? CFGF_LIST : CFGF_NONE);
			t[i] = (cfg_opt_t)CFG_STR_CB(o->name, NULL, flags, on_value);
		} else {
			if (o->type == CONF_SECTION_LIST)
				flags = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES;
			t[i] = (cfg_opt_t)CFG_SEC(o->name, make_table(o->sub), flags);
		}
	}
	return t;
}

/* --- what stopped a pass, told and taken away --- */

/* The table of the sections of that name, anywhere below `o`. */
static const struct conf_option *find_table(const struct conf_option *o, const char *section)
{
	if (strcmp(section, ROOT) == 0)
		return o;
	for (; o->name; o++) {
		const struct conf_option *sub;

		if (conf_is_value(o))
			continue;
		sub = strcmp(o->name, section) == 0 ? o->sub : find_table(o->sub, section);
		if (sub)
			return sub;
	}
	return NULL;
}

static void tell_unknown(struct parse *p, const char *name)
{
	const struct conf_option *table = find_table(p->options, p->stop_section);
	const char *near = conf_text_nearest(table, name);
	char in[192], names[1024] = "";
	size_t n = 0;

	where(p->stop_section, p->stop_title, in, sizeof(in));
	if (near) {
		tell(p, p->stop_line, "unknown option \"%s\"%s, expected \"%s\"?", name, in, near);
		return;
	}
	for (const struct conf_option *o = table; o && o->name && n < sizeof(names); o++)
		n += (size_t)snprintf(
			names + n, sizeof(names) - n, "%s\"%s\"", n ? ", " : "", o->name);
	tell(p, p->stop_line, "unknown option \"%s\"%s, expected one of %s", name, in, names);
}

/* Makes the second title differ from the first, so that its section is read too. */
static bool retitle(struct parse *p, const char *title)
{
	char *at = conf_text_title(p->text, p->stop_line, title), *fresh;
	size_t before;

	if (!at)
		return false;
	before = (size_t)(at - p->text);
	if (asprintf(&fresh, "%.*s%c%zu%s", (int)before, p->text, MARK, p->problems,
		    p->text + before) < 0)
		abort();
	free(p->text);
	p->text = fresh;
	return true;
}

/* What the operator is to write where libconfuse found something else. */
static void tell_syntax(struct parse *p, int line, const char *name)
{
	char in[192];

	where(p->stop_section, p->stop_title, in, sizeof(in));
	if (strncmp(p->stop, "missing equal sign", 18) == 0)
		tell(p, line, "nothing assigned to \"%s\"%s, expected %s = VALUE", name, in, name);
	else if (strncmp(p->stop, "missing opening brace", 21) == 0)
		tell(p, line, "section \"%s\" has no braces, expected %s { … }", name, name);
	else if (strncmp(p->stop, "missing title", 13) == 0)
		tell(p, line, "section \"%s\" has no title, expected %s \"TITLE\" { … }", name,
			name);
	else if (strcmp(p->stop, "unexpected closing brace") == 0)
		tell(p, line, "a closing brace, but no section is open here, expected none");
	else if (strcmp(p->stop, "premature end of file") == 0)
		tell(p, line, "%s", UNCLOSED);
	else
		tell(p, line, "%s%s, expected NAME = VALUE or NAME { … }", p->stop, in);
}

/* Whether another pass may find more. */
static bool recover(struct parse *p)
{
	char *quote, *name = NULL;
	bool again = false;
	int line;

	if (!p->stop) { /* it should have said why */
		tell(p, conf_text_lines(p->text), "not understood, expected NAME = VALUE");
		return false;
	}
	quote = strchr(p->stop, '\'');
	if (quote) {
		name = need(strdup(quote + 1));
		if (strrchr(name, '\''))
			*strrchr(name, '\'') = '\0';
	}
	line = p->stop_line;
	if (name && strncmp(p->stop, "no such option", 14) == 0) {
		tell_unknown(p, name);
		again = conf_text_cut(p->text, line, name) || conf_text_blank(p->text, line, false);
	} else if (name && strncmp(p->stop, "found duplicate title", 21) == 0) {
		tell(p, line, "a second section titled \"%s\", expected another title", name);
		again = retitle(p, name);
	} else {
		if (name && strncmp(p->stop, "missing", 7) == 0 &&
			conf_text_find(p->text, line, name))
			line = conf_text_find(p->text, line, name);
		if (strcmp(p->stop, "premature end of file") == 0 && conf_text_unclosed(p->text))
			line = conf_text_unclosed(p->text);
		tell_syntax(p, line, name ? name : "");
		again = conf_text_blank(
			p->text, line, strcmp(p->stop, "unexpected closing brace") == 0);
	}
	free(name);
	return again;
}

/* --- from records to the struct --- */

/* Whether the option, missing in the section that ends in line `end`, may stand in a line of it
 * that was taken away: then it is not what is wrong. */
static bool is_hidden(const struct parse *p, const cfg_t *cfg, const char *name, int end)
{
	int begin = strcmp(cfg->name, ROOT) == 0 ? 1 : conf_text_opened(p->text, end);

	for (size_t i = 0; i < p->syntax_problems; i++) {
		int line = p->problem[i].line;

		if (line >= begin && line <= end && conf_text_line_has(p->original, line, name))
			return true;
	}
	return false;
}

static void fill_value(
	struct parse *p, const cfg_t *cfg, const struct conf_option *o, char *out, int end)
{
	const struct record *first = NULL;
	char why[CONF_WHY], in[192];
	const char *wrong;

	where(cfg->name, cfg->title, in, sizeof(in));
	for (size_t i = 0; i < p->records; i++) {
		const struct record *r = &p->record[i];

		if (r->section != cfg || strcmp(r->name, o->name) != 0)
			continue;
		if (first && !is_list(o)) {
			tell(p, r->line, "\"%s\" given again%s, expected it once (see line %d)",
				o->name, in, first->line);
			continue;
		}
		first = r;
		wrong = conf_value_parse(o, r->value, out + o->offset, why);
		if (wrong)
			tell(p, r->line, "%s = \"%s\"%s, expected %s", o->name, r->value, in,
				wrong);
	}
	if (first)
		return;
	if (o->def) {
		wrong = conf_value_parse(o, o->def, out + o->offset, why);
		if (wrong) /* our own fault, but say so rather than run with it */
			tell(p, end, "the default of \"%s\"%s is wrong, expected %s", o->name, in,
				wrong);
	} else if (!p->partial && !is_hidden(p, cfg, o->name, end)) {
		tell(p, end, "\"%s\" is missing%s, expected %s = %s%s%s%s", o->name, in, o->name,
			conf_value_expected(o, why), o->help ? " (" : "", o->help ? o->help : "",
			o->help ? ")" : "");
	}
}

static void fill(struct parse *p, cfg_t *cfg, const struct conf_option *options, char *out, int end)
{
	for (const struct conf_option *o = options; o->name; o++) {
		unsigned n;
		struct conf_list *list;

		if (conf_is_value(o)) {
			fill_value(p, cfg, o, out, end);
			continue;
		}
		n = cfg_size(cfg, o->name);
		if (o->type == CONF_SECTION) {
			cfg_t *sec = n ? cfg_getnsec(cfg, o->name, 0) : NULL;

			if (sec)
				fill(p, sec, o->sub, out + o->offset, sec->line ? sec->line : end);
			continue;
		}
		list = (struct conf_list *)(out + o->offset);
		if (n)
			list->item = need(calloc(n, o->size));
		list->n = (int)n;
		for (unsigned i = 0; i < n; i++) {
			cfg_t *sec = cfg_getnsec(cfg, o->name, i);
			char *item = (char *)list->item + i * o->size;

			if (!*cfg_title(sec) ||
				slice_copy(slice_of(cfg_title(sec)), item, CONF_TITLE))
				tell(p, sec->line, "%s \"%s\", expected a title of 1 to %d bytes",
					o->name, cfg_title(sec), CONF_TITLE - 1);
			fill(p, sec, o->sub, item, sec->line);
		}
	}
}

/* --- passes --- */

static void forget_pass(struct parse *p)
{
	for (size_t i = 0; i < p->records; i++) {
		free(p->record[i].name);
		free(p->record[i].value);
	}
	p->records = 0;
	free(p->stop);
	free(p->stop_section);
	free(p->stop_title);
	p->stop = p->stop_section = p->stop_title = NULL;
}

static void parse_text(struct parse *p, char *out)
{
	cfg_opt_t *table = make_table(p->options);
	cfg_t *cfg = NULL;
	bool again = true;

	current = p;
	for (int i = 0; again; i++) {
		if (cfg)
			cfg_free(cfg);
		forget_pass(p);
		cfg = need(cfg_init(table, CFGF_NONE));
		cfg_set_error_function(cfg, on_error);
		p->partial = cfg_parse_buf(cfg, p->text) != CFG_SUCCESS;
		again = p->partial && recover(p) && i < PASSES_MAX;
	}
	if (!p->partial && conf_text_unclosed(p->text)) /* libconfuse lets that pass */
		tell(p, conf_text_unclosed(p->text), "%s", UNCLOSED);
	p->syntax_problems = p->problems;
	fill(p, cfg, p->options, out, conf_text_lines(p->text));
	cfg_free(cfg);
	forget_pass(p);
	free_table(table);
	current = NULL;
}

static size_t field_size(const struct conf_option *o)
{
	switch (o->type) {
	case CONF_STR: return o->size;
	case CONF_INT:
	case CONF_MS: return sizeof(int64_t);
	case CONF_BOOL: return sizeof(bool);
	case CONF_ADDR: return sizeof(struct addr);
	case CONF_PREFIX: return sizeof(struct prefix);
	case CONF_ADDR_LIST: return sizeof(struct conf_addr_list);
	case CONF_PREFIX_LIST: return sizeof(struct conf_prefix_list);
	case CONF_ENUM: return sizeof(int);
	case CONF_SECTION_LIST: return sizeof(struct conf_list);
	case CONF_SECTION: break;
	}
	return 0;
}

static void clear(const struct conf_option *o, char *out)
{
	for (; o->name; o++) {
		memset(out + o->offset, 0, field_size(o));
		if (o->type == CONF_SECTION)
			clear(o->sub, out + o->offset);
	}
}

void conf_free(const struct conf_option *o, void *out)
{
	for (; o->name; o++) {
		char *field = (char *)out + o->offset;

		if (o->type == CONF_SECTION) {
			conf_free(o->sub, field);
		} else if (o->type == CONF_SECTION_LIST) {
			struct conf_list *list = (struct conf_list *)field;

			for (int i = 0; i < list->n; i++)
				conf_free(o->sub, (char *)list->item + (size_t)i * o->size);
			free(list->item);
			*list = (struct conf_list){0};
		}
	}
}

void conf_error(struct conf_errors *e, const char *fmt, ...)
{
	static const char more[] = "…\n";
	size_t used = strlen(e->text), room = sizeof(e->text) - sizeof(more) - used;
	char *text;
	va_list ap;
	int n;

	e->n++;
	if (used >= sizeof(more) - 1 && strcmp(e->text + used - (sizeof(more) - 1), more) == 0)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	n = snprintf(
		e->text + used, room, "%s%s%s", e->file ? e->file : "", e->file ? ": " : "", text);
	free(text);
	if (n >= 0 && (size_t)n + 1 < room)
		memcpy(e->text + used + n, "\n", 2);
	else
		memcpy(e->text + used, more, sizeof(more));
}

static int by_line(const void *a, const void *b)
{
	const struct problem *x = a, *y = b;

	return x->line != y->line ? x->line - y->line : strcmp(x->text, y->text);
}

int conf_parse(const char *name, struct slice text, const struct conf_option *options, void *out,
	struct conf_errors *e)
{
	char *original = need(malloc(text.n + 1));
	struct parse p = {.options = options, .original = original};

	clear(options, out);
	memset(e, 0, sizeof(*e));
	for (size_t i = 0; i < text.n; i++)
		original[i] = text.p[i] ? text.p[i] : MARK; /* is told as a control character */
	original[text.n] = '\0';
	p.text = need(strdup(original));
	conf_text_clean(p.text, text.n, tell_text, &p);
	parse_text(&p, out);
	if (p.problems)
		qsort(p.problem, p.problems, sizeof(*p.problem), by_line);
	for (size_t i = 0; i < p.problems; i++) {
		conf_error(e, "%s:%d: %s", name, p.problem[i].line, p.problem[i].text);
		free(p.problem[i].text);
	}
	free(p.problem);
	free(p.record);
	free(p.text);
	free(original);
	return e->n ? -EINVAL : 0;
}

/* The whole file into p[FILE_MAX + 1]. Its length or negative errno. */
static ssize_t read_file(const char *path, char *p)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0, got = 1;

	if (fd < 0)
		return -errno;
	while (got > 0 && n <= FILE_MAX) {
		do {
			got = read(fd, p + n, (size_t)(FILE_MAX + 1 - n));
		} while (got < 0 && errno == EINTR);
		n = got < 0 ? -errno : n + got;
	}
	close(fd);
	return n > FILE_MAX ? -EFBIG : n;
}

int conf_load(const char *path, const struct conf_option *options, void *out, struct conf_errors *e)
{
	char *text = need(malloc(FILE_MAX + 1));
	ssize_t n = read_file(path, text);
	int err;

	if (n < 0) {
		clear(options, out);
		memset(e, 0, sizeof(*e));
		conf_error(e, "%s: cannot be read: %s", path, strerror((int)-n));
		err = (int)n;
	} else {
		err = conf_parse(path, (struct slice){text, (size_t)n}, options, out, e);
	}
	free(text);
	return err;
}
