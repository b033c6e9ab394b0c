// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "ui/metrics.h"

static void print_head(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* The value of a label, in quotes: UTF-8, with what the format wants escaped */
static void print_quoted(FILE *f, const char *text)
{
	static char utf8[4 * PATH_MAX];
	const char *c;

	fputc('"', f);
	for (c = lclone_text_utf8(utf8, sizeof(utf8), text); *c; c++) {
		if (*c == '\n')
			fputs("\\n", f);
		else if (*c == '"' || *c == '\\')
			fprintf(f, "\\%c", *c);
		else
			fputc(*c, f);
	}
	fputc('"', f);
}

static void print_label(FILE *f, char before, const char *name, const char *value)
{
	fprintf(f, "%c%s=", before, name);
	print_quoted(f, value);
}

/* What each clone has one of */
struct metric {
	const char *name, *type, *help;
	double (*value)(const struct lclone_row *row);
};

#define VALUE(name, is)						\
static double name(const struct lclone_row *r)			\
{								\
	return is;						\
}

VALUE(size, r->size_bytes)
VALUE(used, r->used_bytes)
VALUE(space, r->total_bytes)
VALUE(full, r->status.full)
VALUE(needs_check, r->status.needs_check)
VALUE(suspended, r->suspended)
VALUE(depth, r->depth)
VALUE(commits, r->status.commits)
VALUE(checkpoints, r->status.checkpoints)

static const struct metric metrics[] = {
	{ "lclone_size_bytes", "gauge", "Size of the clone's disk.", size },
	{ "lclone_delta_used_bytes", "gauge", "Space of the delta that is in use.", used },
	{ "lclone_delta_size_bytes", "gauge", "Size of the delta.", space },
	{ "lclone_full", "gauge", "1 if the delta is full and writes wait or fail.", full },
	{ "lclone_needs_check", "gauge", "1 if the kernel met an error in the metadata.",
	  needs_check },
	{ "lclone_suspended", "gauge", "1 if the clone stands still.", suspended },
	{ "lclone_chain_depth", "gauge", "Layers above the base, the delta among them.", depth },
	{ "lclone_commits_total", "counter", "Commits since the clone was activated.", commits },
	{ "lclone_checkpoints_total", "counter", "Checkpoints since the clone was activated.",
	  checkpoints },
};

static void print_metric(FILE *f, const struct lclone_overview *o, const struct metric *m)
{
	size_t i;

	print_head(f, m->name, m->type, m->help);
	for (i = 0; i < o->count; i++) {
		fputs(m->name, f);
		print_label(f, '{', "name", o->row[i].name);
		fprintf(f, "} %.0f\n", m->value(&o->row[i]));
	}
}

static void print_info(FILE *f, const struct lclone_overview *o)
{
	size_t i;

	print_head(f, "lclone_info", "gauge", "What a clone lies on; always 1.");
	for (i = 0; i < o->count; i++) {
		fputs("lclone_info", f);
		print_label(f, '{', "name", o->row[i].name);
		print_label(f, ',', "base", o->row[i].base);
		print_label(f, ',', "delta", o->row[i].delta);
		fputs("} 1\n", f);
	}
}

static void print_modes(FILE *f, const struct lclone_overview *o)
{
	static const char * const modes[] = { "rw", "ro", "fail" };
	size_t i, k;

	print_head(f, "lclone_mode", "gauge", "1 for the mode that the clone is in.");
	for (i = 0; i < o->count; i++) {
		for (k = 0; k < sizeof(modes) / sizeof(modes[0]); k++) {
			fputs("lclone_mode", f);
			print_label(f, '{', "name", o->row[i].name);
			print_label(f, ',', "mode", modes[k]);
			fprintf(f, "} %d\n", !strcmp(o->row[i].status.mode, modes[k]));
		}
	}
}

/* Merges and flattens, of clones that have one */
static void print_sweeps(FILE *f, const struct lclone_overview *o)
{
	static const struct {
		const char *name, *help;
	} sweeps[] = {
		{ "lclone_sweep_progress_ratio", "Part of a merge or flatten that is done." },
		{ "lclone_sweep_copied_bytes", "What a merge or flatten has copied." },
		{ "lclone_sweep_running", "1 if the merge or flatten is under way." },
		{ "lclone_sweep_failed", "1 if the merge or flatten has failed." },
	};
	u64 done, total;
	size_t i, k;

	for (k = 0; k < sizeof(sweeps) / sizeof(sweeps[0]); k++) {
		print_head(f, sweeps[k].name, "gauge", sweeps[k].help);
		for (i = 0; i < o->count; i++) {
			const struct lclone_row *r = &o->row[i];

			if (!r->status.task[0])
				continue;
			lclone_task_progress(&r->status, &done, &total);
			fputs(sweeps[k].name, f);
			print_label(f, '{', "name", r->name);
			print_label(f, ',', "kind",
				    r->status.task[0] == 'm' ? "merge" : "flatten");
			fprintf(f, "} %.6g\n",
				k == 0 ? lclone_row_task_percent(r) / 100 :
				k == 1 ? (double)done :
				k == 2 ? lclone_task_runs(&r->status) :
				!!strstr(r->status.task, "failed"));
		}
	}
}

static int by_base(const void *a, const void *b)
{
	return strcmp((*(const struct lclone_row * const *)a)->base,
		      (*(const struct lclone_row * const *)b)->base);
}

static int print_bases(FILE *f, const struct lclone_overview *o)
{
	const struct lclone_row **row = calloc(o->count + 1, sizeof(*row));
	size_t i, first;

	if (!row)
		return lclone_fail(-ENOMEM, "out of memory");
	for (i = 0; i < o->count; i++)
		row[i] = &o->row[i];
	if (o->count)
		qsort(row, o->count, sizeof(*row), by_base);
	print_head(f, "lclone_base_clones", "gauge", "Active clones of a base; - is none.");
	for (first = 0; first < o->count; first = i) {
		for (i = first; i < o->count && !by_base(&row[first], &row[i]); i++)
			;
		fputs("lclone_base_clones", f);
		print_label(f, '{', "base", row[first]->base);
		fprintf(f, "} %zu\n", i - first);
	}
	free(row);
	return 0;
}

int metrics_print(FILE *f, const struct lclone_overview *o)
{
	size_t i;

	print_head(f, "lclone_clones", "gauge", "Active clones.");
	fprintf(f, "lclone_clones %zu\n", o->count);
	print_head(f, "lclone_unseen", "gauge",
		   "Devices that may be clones and could not be looked at.");
	fprintf(f, "lclone_unseen %zu\n", o->inv.unseen_count);
	print_info(f, o);
	for (i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		print_metric(f, o, &metrics[i]);
	print_modes(f, o);
	print_sweeps(f, o);
	return print_bases(f, o);
}
