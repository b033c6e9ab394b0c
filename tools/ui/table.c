// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "ui/table.h"

static const struct column *find(const struct table *t, const char *name, size_t len)
{
	const struct column *c;

	for (c = t->columns; c->name; c++)
		if (strlen(c->name) == len && !strncmp(c->name, name, len))
			return c;
	return NULL;
}

/* The first name that is none, or NULL */
static const char *choose(struct table *t, const char *names)
{
	const struct column *c;
	size_t len;

	if (*names == '+')
		names++;
	else
		t->count = 0;
	for (;; names += len + 1) {
		len = strcspn(names, ",");
		c = find(t, names, len);
		if (!c || t->count == TABLE_COLUMNS_MAX)
			return names;
		t->shown[t->count++] = c;
		if (!names[len])
			return NULL;
	}
}

void table_init(struct table *t, const struct column *columns, const char *standard)
{
	*t = (struct table){ .columns = columns, .standard = standard };
	choose(t, standard);
}

void table_show(struct table *t, const char *standard)
{
	t->standard = standard;
	t->count = 0;
	choose(t, standard);
}

static void print_help(const struct table *t)
{
	const struct column *c;

	for (c = t->columns; c->name; c++)
		printf("  %-12s %s\n", c->name, c->help);
	printf("\nUsually shown: %s\n", t->standard);
}

bool table_option(struct table *t, const struct command *cmd, int option, const char *value,
		  int *ret)
{
	const char *wrong;

	if (option == 'N') {
		t->no_headings = true;
		return true;
	}
	if (!strcmp(value, "help")) {
		print_help(t);
		*ret = EXIT_OK;
		return false;
	}
	if (option == 'o') {
		wrong = choose(t, value);
		if (!wrong)
			return true;
		*ret = usage_error(cmd, "there is no column \"%.*s\"; \"-o help\" names those that there are",
				   (int)strcspn(wrong, ","), wrong);
		return false;
	}
	t->descending = *value == '-';
	value += t->descending;
	t->sort = find(t, value, strlen(value));
	if (t->sort)
		return true;
	*ret = usage_error(cmd, "there is no column \"%s\" to sort by; \"--sort help\" names those that there are",
			   value);
	return false;
}

bool table_uses(const struct table *t, const char *name)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		if (!strcmp(t->shown[i]->name, name))
			return true;
	return t->sort && !strcmp(t->sort->name, name);
}

/* Numbers by their value, texts as strverscmp(): web9 is before web10. */
static int compare(const struct column *c, const void *a, const void *b)
{
	static char text_a[TABLE_CELL_SIZE], text_b[TABLE_CELL_SIZE];

	if (c->value)
		return (c->value(a) > c->value(b)) - (c->value(a) < c->value(b));
	c->text(a, text_a, sizeof(text_a));
	c->text(b, text_b, sizeof(text_b));
	return strverscmp(text_a, text_b);
}

static int in_order(const void *pa, const void *pb, void *ctx)
{
	const char *a = *(const char * const *)pa, *b = *(const char * const *)pb;
	const struct table *t = ctx;
	int ret = compare(t->sort, a, b);

	if (ret)
		return t->descending ? -ret : ret;
	return a < b ? -1 : a > b;	/* equal ones stay as they were */
}

void table_sort(const struct table *t, void *rows, size_t count, size_t size)
{
	char **row = calloc(count + 1, sizeof(*row)), *sorted = malloc(count * size + 1);
	size_t i;

	if (row && sorted && t->sort) {
		for (i = 0; i < count; i++)
			row[i] = (char *)rows + i * size;
		qsort_r(row, count, sizeof(*row), in_order, (void *)t);
		for (i = 0; i < count; i++)
			memcpy(sorted + i * size, row[i], size);
		memcpy(rows, sorted, count * size);
	}
	free(sorted);
	free(row);
}

static int add_line(struct libscols_table *tb, const struct table *t, const void *row)
{
	static char text[TABLE_CELL_SIZE], plain[TABLE_CELL_SIZE];
	struct libscols_line *line = scols_table_new_line(tb, NULL);
	size_t i;

	for (i = 0; line && i < t->count; i++) {
		t->shown[i]->text(row, text, sizeof(text));
		lclone_text_plain(plain, sizeof(plain), text);
		if (scols_line_set_data(line, i, plain[0] ? plain : "-"))
			return -ENOMEM;
	}
	return line ? 0 : -ENOMEM;
}

static struct libscols_table *make(const struct table *t, const void *rows, size_t count,
				   size_t size)
{
	struct libscols_table *tb = scols_new_table();
	size_t i;

	if (!tb)
		return NULL;
	scols_table_enable_noheadings(tb, t->no_headings);
	scols_table_enable_noencoding(tb, 1);	/* lclone_text_plain() has done that */
	for (i = 0; i < t->count; i++)
		if (!scols_table_new_column(tb, t->shown[i]->heading, 0,
					    t->shown[i]->value ? SCOLS_FL_RIGHT : 0))
			goto failed;
	for (i = 0; i < count; i++)
		if (add_line(tb, t, (const char *)rows + i * size))
			goto failed;
	return tb;
failed:
	scols_unref_table(tb);
	return NULL;
}

char *table_lines(const struct table *t, const void *rows, size_t count, size_t size)
{
	struct libscols_table *tb;
	char *lines = NULL;

	setlocale(LC_CTYPE, "");	/* how wide a character is */
	tb = make(t, rows, count, size);
	if (!tb)
		return NULL;
	scols_table_set_termforce(tb, SCOLS_TERMFORCE_NEVER);	/* nothing is cut off */
	/* of an empty table it has nothing to say, not even its headings */
	if (scols_print_table_to_string(tb, &lines))
		lines = NULL;
	else if (!lines)
		lines = strdup("");
	scols_unref_table(tb);
	return lines;
}

int table_print(const struct table *t, void *rows, size_t count, size_t size)
{
	char *lines;

	table_sort(t, rows, count, size);
	lines = table_lines(t, rows, count, size);
	if (!lines)
		return lclone_fail(-ENOMEM, "out of memory");
	fputs(lines, stdout);
	if (lines[0] && lines[strlen(lines) - 1] != '\n')
		putchar('\n');
	free(lines);
	return 0;
}
