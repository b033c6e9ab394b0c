// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables: columns that are chosen, order, and what is in step on a terminal.
 */
#include <stdio.h>

#include "basic/fail.h"
#include "test.h"
#include "ui/table.h"

struct thing {
	char name[64];
	double size;
};

static void name(const void *row, char *text, size_t size)
{
	snprintf(text, size, "%s", ((const struct thing *)row)->name);
}

static double size_value(const void *row)
{
	return ((const struct thing *)row)->size;
}

static void size_text(const void *row, char *text, size_t size)
{
	snprintf(text, size, "%.0f", size_value(row));
}

static const struct column columns[] = {
	{ "name", "NAME", "what it is called", name, NULL },
	{ "size", "SIZE", "how large it is", size_text, size_value },
	{ }
};

static const struct command cmd = { .name = "test" };

/* The table's own complaints go there, too */
int usage_error(const struct command *command, const char *fmt, ...)
{
	(void)command;
	(void)fmt;
	return EXIT_USAGE;
}

static void check(const struct table *t, struct thing *things, size_t count, const char *wanted)
{
	char *lines;

	table_sort(t, things, count, sizeof(*things));
	lines = table_lines(t, things, count, sizeof(*things));
	assert_non_null(lines);
	assert_string_equal(lines, wanted);
	free(lines);
}

/* A name of any bytes neither breaks the table, nor what is behind it. */
static void widths_are_those_of_a_terminal(void **state)
{
	struct thing things[] = {
		{ "web1", 1 }, { "b\xc3\xa4r", 22 }, { "\xe6\x97\xa5\xe6\x9c\xac", 333 },
		{ "a\033[31m\n", 4 }, { "\xff", 5 }, { "", 6 },
	};
	struct table t;

	(void)state;
	table_init(&t, columns, "name,size");
	check(&t, things, 6,
	      "NAME          SIZE\n"
	      "web1             1\n"
	      "b\xc3\xa4r             22\n"
	      "\xe6\x97\xa5\xe6\x9c\xac           333\n"
	      "a\\x1b[31m\\x0a    4\n"
	      "\\xff             5\n"
	      "-                6");
}

static void choice_and_order(void **state)
{
	struct thing things[] = { { "web10", 2 }, { "web9", 10 }, { "web1", 10 } };
	struct table t;
	int ret = 0;

	(void)state;
	table_init(&t, columns, "name");
	t.no_headings = true;
	assert_true(table_option(&t, &cmd, 'S', "name", &ret));
	check(&t, things, 3, "web1\nweb9\nweb10");	/* numbers as people read them */
	assert_true(table_option(&t, &cmd, 'S', "-size", &ret));
	assert_true(table_option(&t, &cmd, 'o', "+size", &ret));
	check(&t, things, 3, "web1    10\nweb9    10\nweb10    2");	/* equal ones as they were */
	assert_true(table_option(&t, &cmd, 'o', "size,name", &ret));
	check(&t, things, 3, "  10 web1\n  10 web9\n   2 web10");
	assert_true(table_uses(&t, "name"));
	assert_true(table_option(&t, &cmd, 'o', "name", &ret));
	assert_true(table_uses(&t, "size"));	/* by which it is sorted */
	assert_true(table_option(&t, &cmd, 'S', "name", &ret));
	assert_false(table_uses(&t, "size"));
}

static void what_is_no_column(void **state)
{
	static const char * const wrong[] = { "", "nme", "names", "name,", ",name", "+", "name,,size" };
	struct table t;
	size_t i;
	int ret;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		table_init(&t, columns, "name");
		ret = 0;
		assert_false(table_option(&t, &cmd, 'o', wrong[i], &ret));
		assert_int_equal(ret, EXIT_USAGE);
	}
	ret = 0;
	assert_false(table_option(&t, &cmd, 'S', "-", &ret));
	assert_int_equal(ret, EXIT_USAGE);
	/* more than there is room for */
	table_init(&t, columns, "name");
	for (i = 1; i < TABLE_COLUMNS_MAX; i++)
		assert_true(table_option(&t, &cmd, 'o', "+name", &ret));
	assert_false(table_option(&t, &cmd, 'o', "+name", &ret));
}

static void no_rows_no_lines(void **state)
{
	struct thing none;
	struct table t;

	(void)state;
	table_init(&t, columns, "name");
	t.sort = &columns[1];
	check(&t, &none, 0, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(widths_are_those_of_a_terminal),
		cmocka_unit_test(choice_and_order),
		cmocka_unit_test(what_is_no_column),
		cmocka_unit_test(no_rows_no_lines),
	};

	setenv("LC_ALL", "C.UTF-8", 1);
	return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
