// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "basic/clock.h"
#include "basic/fail.h"
#include "basic/text.h"
#include "clone/load.h"
#include "cmd/commands.h"
#include "host/target.h"
#include "ui/clones.h"
#include "ui/progress.h"
#include "ui/screen.h"

#define COLUMNS	"name,reads,read,writes,write,busy,written,growth,use,chain,state"

static struct {
	double interval;		/* seconds */
	u64 times;			/* 0: for ever */
	bool batch;
} how;

static const struct lclone_busy *busy_of(const void *row)
{
	return row;
}

/* A column of a rate: its value, and its text, which is empty where nothing happens */
#define RATE(column, rate)						\
static double column ## _value(const void *row)				\
{									\
	return busy_of(row)->rate;					\
}

#define COUNT(column, rate)						\
RATE(column, rate)							\
									\
static void column(const void *row, char *text, size_t size)		\
{									\
	snprintf(text, size, "%.0f", busy_of(row)->rate);		\
}

#define BYTES(column, rate)						\
RATE(column, rate)							\
									\
static void column(const void *row, char *text, size_t size)		\
{									\
	rate_text(busy_of(row)->rate, text, size);			\
}

static void rate_text(double bytes, char *text, size_t size)
{
	char number[16];

	if (bytes > -1048576 && bytes < 1048576)
		snprintf(text, size, "%.0f KiB", bytes / 1024);
	else
		snprintf(text, size, "%s%s", bytes < 0 ? "-" : "",
			 lclone_size_text(bytes < 0 ? -bytes : bytes, number));
}

COUNT(reads, reads)
COUNT(writes, writes)
COUNT(busy, busy)
BYTES(read_bytes, read_bytes)
BYTES(write_bytes, write_bytes)
BYTES(growth, growth_bytes)

static const struct column rates[] = {
	{ "reads", "R/s", "reads each second", reads, reads_value },
	{ "read", "READ/s", "what is read each second", read_bytes, read_bytes_value },
	{ "writes", "W/s", "writes each second", writes, writes_value },
	{ "write", "WRITE/s", "what is written each second", write_bytes, write_bytes_value },
	{ "busy", "BUSY%", "part of the time in which it had something to do", busy, busy_value },
	{ "growth", "GROWTH/s", "by what the use of its delta grows each second", growth,
	  growth_value },
	{ }
};

/* Those of clones, but for what only superblocks know, and the rates */
static struct column columns[TABLE_COLUMNS_MAX + 1];

static void make_columns(void)
{
	const struct column *c;
	size_t n = 0;

	for (c = clone_columns; c->name; c++)
		if (strcmp(c->name, "label") && strcmp(c->name, "uuid"))
			columns[n++] = *c;
	for (c = rates; c->name; c++)
		columns[n++] = *c;
}

static void print_sum(FILE *f, const struct lclone_load *load)
{
	double read = 0, write = 0;
	char text[2][32], now[16];
	time_t t = time(NULL);
	struct tm tm;
	size_t i;

	for (i = 0; i < load->count; i++) {
		read += load->clone[i].read_bytes;
		write += load->clone[i].write_bytes;
	}
	rate_text(read, text[0], sizeof(text[0]));
	rate_text(write, text[1], sizeof(text[1]));
	strftime(now, sizeof(now), "%H:%M:%S", localtime_r(&t, &tm));
	fprintf(f, "%s  %zu clone%s, %s/s read, %s/s written", now, load->count,
		load->count == 1 ? "" : "s", text[0], text[1]);
	if (load->unseen)
		fprintf(f, ", %zu NOT LOOKED AT", load->unseen);
	fputc('\n', f);
}

/* What is shown of a moment, to be freed; NULL if memory is short */
static char *frame(struct table *t, struct lclone_load *load, size_t first)
{
	bool headings = !how.batch && !t->no_headings;
	char *text = NULL, *lines, *line;
	size_t size;
	FILE *f;

	table_sort(t, load->clone, load->count, sizeof(*load->clone));
	lines = table_lines(t, load->clone, load->count, sizeof(*load->clone));
	f = lines ? open_memstream(&text, &size) : NULL;
	if (!f) {
		free(lines);
		return NULL;
	}
	print_sum(f, load);
	if (!how.batch)
		fprintf(f, "by %s%s; < > another column, r the other way, up and down, q ends\n\n",
			t->sort->name, t->descending ? ", the largest first" : "");
	line = lines;
	if (headings && *line)		/* they stay, in reverse */
		fprintf(f, "\033[7m%.*s\033[0m\n", (int)strcspn(line, "\n"), line);
	for (first += headings; first && *line; first--)
		line += strcspn(line, "\n") + !!line[strcspn(line, "\n")];
	fprintf(f, "%s%s", line, how.batch ? "\n\n" : "");
	free(lines);
	return fclose(f) ? NULL : text;
}

/* The column that is shown before or behind the one that it is sorted by */
static void sort_by_next(struct table *t, int step)
{
	size_t i;

	for (i = 0; i < t->count && t->shown[i] != t->sort; i++)
		;
	if (i == t->count)
		i = 0;
	else
		i = (i + t->count + step) % t->count;
	t->sort = t->shown[i];
	t->descending = t->sort->value;
}

/* False: it ends */
static bool take(struct table *t, int key, size_t *first, size_t count)
{
	switch (key) {
	case 'q':
	case KEY_END:
		return false;
	case '<':
		sort_by_next(t, -1);
		break;
	case '>':
		sort_by_next(t, 1);
		break;
	case 'r':
		t->descending = !t->descending;
		break;
	case KEY_UP:
		*first -= !!*first;
		break;
	case KEY_DOWN:
		++*first;
		break;
	}
	if (*first && *first >= count)
		*first = count ? count - 1 : 0;
	return true;
}

static int draw(struct table *t, struct lclone_load *load, size_t first)
{
	char *text = frame(t, load, first);

	if (!text)
		return lclone_fail(-ENOMEM, "out of memory");
	screen_show(text);
	free(text);
	return 0;
}

/* Keys are taken, and the picture follows them, until it is time to look again.  1: it ends. */
static int wait_for_next(struct table *t, struct lclone_load *load, size_t *first)
{
	double left;
	int ret;

	for (;;) {
		ret = draw(t, load, *first);
		if (ret)
			return ret;
		left = load->seconds + how.interval - lclone_seconds();
		if (left <= 0)
			return 0;
		if (!take(t, screen_key(left), first, load->count) || interrupted())
			return 1;
	}
}

static int on_terminal(struct table *t)
{
	struct lclone_load load = { .count = 0 }, next;
	size_t first = 0;
	u64 n = 0;
	int ret;

	if (screen_begin())
		return usage_error(&cmd_top, "needs a terminal; --batch does without");
	do {
		ret = lclone_load_read(&next, &load);
		lclone_load_free(&load);
		load = next;
		ret = ret ?: wait_for_next(t, &load, &first);
	} while (!ret && (!how.times || ++n < how.times));
	screen_end();
	lclone_load_free(&load);
	return ret < 0 ? ret : 0;
}

static int in_batch(struct table *t)
{
	struct timespec wait = { .tv_sec = how.interval };
	struct lclone_load load = { .count = 0 }, next;
	char *text;
	u64 n = 0;
	int ret;

	wait.tv_nsec = (how.interval - wait.tv_sec) * 1e9;
	ret = lclone_load_read(&load, NULL);
	while (!ret && !interrupted() && !ferror(stdout) && (!how.times || n++ < how.times)) {
		if (nanosleep(&wait, NULL))
			break;
		ret = lclone_load_read(&next, &load);
		lclone_load_free(&load);
		load = next;
		text = ret ? NULL : frame(t, &load, 0);
		if (!ret && !text)
			ret = lclone_fail(-ENOMEM, "out of memory");
		if (text)
			fputs(text, stdout);
		fflush(stdout);
		free(text);
	}
	lclone_load_free(&load);
	return ret;
}

static const struct option options[] = {
	TABLE_OPTIONS,
	{ "batch", no_argument, NULL, 'b' },
	{ "count", required_argument, NULL, 'n' },
	{ "delay", required_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int parse_delay(const char *text)
{
	char *end;

	how.interval = strtod(text, &end);
	return *text >= '0' && *text <= '9' && !*end && how.interval >= 0.1 &&
	       how.interval <= 86400 ? 0 :
	       usage_error(&cmd_top, "--delay takes seconds, 0.1 or more");
}

static int run(int argc, char **argv)
{
	struct meter meter;
	struct table t;
	int option, ret = 0;

	how.interval = 1;
	make_columns();
	table_init(&t, columns, COLUMNS);
	t.sort = &columns[0];		/* by name, as list does */
	while ((option = next_option(&cmd_top, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		if (option == 'b')
			how.batch = true;
		else if (option == 'd')
			ret = parse_delay(optarg);
		else if (option == 'n' && (lclone_parse_u64(optarg, UINT64_MAX, &how.times) ||
					   !how.times))
			return usage_error(&cmd_top, "--count takes a number, 1 or more");
		else if (option != 'n' && !table_option(&t, &cmd_top, option, optarg, &ret))
			return ret;
		if (ret)
			return ret;
	}
	if (optind != argc)
		return usage_error(&cmd_top, "takes no arguments");
	meter_init(&meter, false);	/* signals only end it, from here on */
	return how.batch ? in_batch(&t) : on_terminal(&t);
}

const struct command cmd_top = {
	.name = "top",
	.summary = "show what active clones are doing, live",
	.usage =
	"top [-d SECONDS] [-n N] [-b] [-o [+]COLUMN,...] [--sort [-]COLUMN] [--noheadings]\n\n"
	"Shows reads and writes of each active clone, how its delta grows and how full it is,\n"
	"and how far a merge or flatten is; again each second. Keys: q ends, < and > sort by\n"
	"another column, r the other way round, up and down move.\n\n"
	"  -d, --delay SECONDS         look that often (1)\n"
	"  -n, --count N               so many times\n"
	"  -b, --batch                 print the tables one behind the other, for a file or pipe;\n"
	"                              the first one is of the first SECONDS\n"
	TABLE_USAGE,
	.run = run,
};
