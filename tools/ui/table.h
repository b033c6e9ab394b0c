/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table of rows, with columns that the user chooses: what -o, --sort and --noheadings say.
 */
#ifndef LCLONE_UI_TABLE_H
#define LCLONE_UI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "ui/command.h"

#define TABLE_COLUMNS_MAX	32
#define TABLE_CELL_SIZE		(4 * 4096 + 1)	/* a path of which no byte is UTF-8 */

struct column {
	const char *name;		/* as -o and --sort take it */
	const char *heading;
	const char *help;		/* what "-o help" says of it */
	/* What is shown; "" is "-".  It may be of any bytes. */
	void (*text)(const void *row, char *text, size_t size);
	/* What it is sorted by, and then it is a number, right-aligned; NULL: by its text */
	double (*value)(const void *row);
};

struct table {
	const struct column *columns;	/* all that there are, up to one without a name */
	const char *standard;		/* names of those that are shown if nothing else is said */
	const struct column *shown[TABLE_COLUMNS_MAX];
	size_t count;			/* that are */
	const struct column *sort;	/* NULL: rows stay as they are */
	bool descending;
	bool no_headings;
};

/* Before options: columns are the standard ones. */
void table_init(struct table *t, const struct column *columns, const char *standard);

/* Other columns are the standard ones, and those that are shown. */
void table_show(struct table *t, const char *standard);

#define TABLE_OPTIONS						\
	{ "output", required_argument, NULL, 'o' },		\
	{ "sort", required_argument, NULL, 'S' },		\
	{ "noheadings", no_argument, NULL, 'N' }
#define TABLE_USAGE							\
	"  -o, --output [+]COLUMN,...  these columns; with + behind the usual ones;\n" \
	"                              \"-o help\" names all\n" \
	"  --sort [-]COLUMN            by this column, with - the largest first\n" \
	"  --noheadings                without the first line\n"

/*
 * One of those options.  False if the command ends with *ret: the help was printed, or there is
 * no such column, which was said.
 */
bool table_option(struct table *t, const struct command *cmd, int option, const char *value,
		  int *ret);

/* Is a column, found by its @name, shown or sorted by? */
bool table_uses(const struct table *t, const char *name);

/* Puts @count rows of @size bytes in order: they are moved. */
void table_sort(const struct table *t, void *rows, size_t count, size_t size);

/* The lines, to be freed, in order of the rows; NULL if memory is short */
char *table_lines(const struct table *t, const void *rows, size_t count, size_t size);

/* Sorts them, and prints them.  Returns 0, or a negative errno with its sentence. */
int table_print(const struct table *t, void *rows, size_t count, size_t size);

#endif /* LCLONE_UI_TABLE_H */
