// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/target.h"

int lclone_parse_u64(const char *text, u64 max, u64 *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno || *end || *value > max ? -EINVAL : 0;
}

static int parse_u32(const char *text, u32 *value)
{
	u64 wide;
	int err = lclone_parse_u64(text, UINT32_MAX, &wide);

	if (!err)
		*value = wide;
	return err;
}

/* Features */

struct words {
	char text[512];
	size_t len;
	int count;
};

static void __attribute__((format(printf, 3, 4)))
add(struct words *w, int words, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(w->text + w->len, sizeof(w->text) - w->len, fmt, args);
	va_end(args);
	w->len += len;
	w->count += words;
}

static void add_features(struct words *w, const struct lclone_features *f)
{
	if (f->read_only)
		add(w, 1, " read_only");
	if (f->error_if_no_space)
		add(w, 1, " error_if_no_space");
	if (f->no_space_timeout_set)
		add(w, 2, " no_space_timeout %u", f->no_space_timeout);
	if (f->low_water_mark)
		add(w, 2, " low_water_mark %" PRIu64, f->low_water_mark);
	if (f->commit_interval)
		add(w, 2, " commit_interval %u", f->commit_interval);
	if (f->no_discard_passdown)
		add(w, 1, " no_discard_passdown");
	if (f->base_cache)
		add(w, 1, " base_cache");
	if (f->merge)
		add(w, 1, " merge");
	if (f->flatten)
		add(w, 1, " flatten");
	if (f->flatten_layer)
		add(w, 1, " flatten_layer");
	if (f->rebase)
		add(w, 1, " rebase");
	if (f->chunk_size)
		add(w, 2, " chunk_size %u", f->chunk_size);
	if (f->takeover)
		add(w, 1, " takeover");
	if (f->owner[0])
		add(w, 2, " owner %s", f->owner);
}

bool lclone_flattens(const struct lclone_features *features)
{
	return features->flatten || features->flatten_layer;
}

const char *lclone_table_parent(const struct lclone_table *table, u32 i)
{
	return table->parent_names + table->parent_at[i];
}

int lclone_table_add_parent(struct lclone_table *table, const char *device)
{
	const u32 n = table->parents;
	const size_t size = strlen(device) + 1;
	size_t at = 0;

	if (n)
		at = table->parent_at[n - 1] + strlen(lclone_table_parent(table, n - 1)) + 1;
	if (n == LCLONE_LAYERS_MAX || at + size > sizeof(table->parent_names))
		return -E2BIG;
	memcpy(table->parent_names + at, device, size);
	table->parent_at[n] = at;
	table->parents++;
	return 0;
}

/* Writes at params[*len]; *len goes on to where the text would end if there were room. */
static void __attribute__((format(printf, 4, 5)))
print(char *params, size_t size, size_t *len, const char *fmt, ...)
{
	const size_t at = *len < size ? *len : size;
	va_list args;

	va_start(args, fmt);
	*len += vsnprintf(params + at, size - at, fmt, args);
	va_end(args);
}

int lclone_table_print(const struct lclone_table *table, char *params, size_t size)
{
	struct words w = { .len = 0 };
	size_t len = 0;
	u32 i;

	add_features(&w, &table->features);
	w.count += 2 * table->parents;
	print(params, size, &len, "%s %s", table->base, table->delta);
	if (w.count)
		print(params, size, &len, " %d", w.count);
	for (i = 0; i < table->parents; i++)
		print(params, size, &len, " parent %s", lclone_table_parent(table, i));
	print(params, size, &len, "%s", w.text);
	return len >= size ? -E2BIG : 0;
}

static int parse_feature(struct lclone_table *table, const char *name, char **save)
{
	struct lclone_features *f = &table->features;
	const char *value;

	if (!strcmp(name, "read_only"))
		f->read_only = true;
	else if (!strcmp(name, "error_if_no_space"))
		f->error_if_no_space = true;
	else if (!strcmp(name, "no_discard_passdown"))
		f->no_discard_passdown = true;
	else if (!strcmp(name, "base_cache"))
		f->base_cache = true;
	else if (!strcmp(name, "merge"))
		f->merge = true;
	else if (!strcmp(name, "flatten"))
		f->flatten = true;
	else if (!strcmp(name, "flatten_layer"))
		f->flatten_layer = true;
	else if (!strcmp(name, "rebase"))
		f->rebase = true;
	else if (!strcmp(name, "takeover"))
		f->takeover = true;
	else {
		value = strtok_r(NULL, " ", save);
		if (!value)
			return -EPROTO;
		if (!strcmp(name, "parent"))
			return lclone_table_add_parent(table, value) ? -EPROTO : 0;
		if (!strcmp(name, "no_space_timeout")) {
			f->no_space_timeout_set = true;
			return parse_u32(value, &f->no_space_timeout);
		}
		if (!strcmp(name, "low_water_mark"))
			return lclone_parse_u64(value, UINT64_MAX, &f->low_water_mark);
		if (!strcmp(name, "commit_interval"))
			return parse_u32(value, &f->commit_interval);
		if (!strcmp(name, "chunk_size"))
			return parse_u32(value, &f->chunk_size);
		if (!strcmp(name, "owner"))
			return snprintf(f->owner, sizeof(f->owner), "%s", value) <
			       (int)sizeof(f->owner) ? 0 : -EPROTO;
		return -EPROTO;
	}
	return 0;
}

int lclone_table_parse(const char *params, struct lclone_table *table)
{
	char text[LCLONE_PARAMS_SIZE], *save, *word;

	memset(table, 0, sizeof(*table));
	if (snprintf(text, sizeof(text), "%s", params) >= (int)sizeof(text))
		return -EPROTO;
	word = strtok_r(text, " ", &save);
	if (!word || snprintf(table->base, PATH_MAX, "%s", word) >= PATH_MAX)
		return -EPROTO;
	word = strtok_r(NULL, " ", &save);
	if (!word || snprintf(table->delta, PATH_MAX, "%s", word) >= PATH_MAX)
		return -EPROTO;
	word = strtok_r(NULL, " ", &save);	/* how many words follow: dm's business */
	if (!word)
		return 0;
	while ((word = strtok_r(NULL, " ", &save)))
		if (parse_feature(table, word, &save))
			return -EPROTO;
	return 0;
}

/* Status */

static int parse_flag(const char *word, const char *name, bool *value)
{
	*value = !strcmp(word, name);
	return *value || !strcmp(word, "-") ? 0 : -EPROTO;
}

/* "15/1024" */
static int parse_pair(char *word, u64 *a, u64 *b)
{
	char *slash = strchr(word, '/');

	if (!slash)
		return -EPROTO;
	*slash = '\0';
	return lclone_parse_u64(word, UINT64_MAX, a) || lclone_parse_u64(slash + 1, UINT64_MAX, b) ?
	       -EPROTO : 0;
}

/* Four words more, if the table has such a feature */
static int parse_task(char **save, struct lclone_status *s)
{
	static const char * const states[] = {
		"merging", "merged", "merge_failed", "flattening", "flattened", "flatten_failed",
	};
	char *word[4];
	size_t n;
	int i;

	for (i = 0; i < 4; i++) {
		word[i] = strtok_r(NULL, " ", save);
		if (!word[i])
			return i ? -EPROTO : 0;
	}
	for (n = 0; n < sizeof(states) / sizeof(states[0]) && strcmp(word[0], states[n]); n++)
		;
	if (n == sizeof(states) / sizeof(states[0]))
		return -EPROTO;
	strcpy(s->task, word[0]);
	if (strtok_r(NULL, " ", save) ||
	    lclone_parse_u64(word[1], UINT64_MAX, &s->task_chunks) ||
	    lclone_parse_u64(word[2], UINT64_MAX, &s->task_sectors))
		return -EPROTO;
	return parse_pair(word[3], &s->task_at, &s->task_end);
}

int lclone_status_parse(const char *line, struct lclone_status *s)
{
	char text[512], *save, *word[9];
	int i;

	memset(s, 0, sizeof(*s));
	if (snprintf(text, sizeof(text), "%s", line) >= (int)sizeof(text))
		return -EPROTO;
	for (i = 0; i < 9; i++) {
		word[i] = strtok_r(i ? NULL : text, " ", &save);
		if (!word[i])
			return -EPROTO;
	}
	if (parse_task(&save, s))
		return -EPROTO;
	if (strcmp(word[0], "rw") && strcmp(word[0], "ro") && strcmp(word[0], "fail"))
		return -EPROTO;
	strcpy(s->mode, word[0]);
	if (parse_u32(word[1], &s->chunk_sectors) || parse_pair(word[2], &s->used, &s->total) ||
	    lclone_parse_u64(word[3], UINT64_MAX, &s->cached_leaves) ||
	    lclone_parse_u64(word[4], UINT64_MAX, &s->dirty_leaves) ||
	    lclone_parse_u64(word[5], UINT64_MAX, &s->commits) ||
	    lclone_parse_u64(word[6], UINT64_MAX, &s->checkpoints) ||
	    parse_flag(word[7], "needs_check", &s->needs_check) ||
	    parse_flag(word[8], "full", &s->full))
		return -EPROTO;
	return 0;
}

bool lclone_task_runs(const struct lclone_status *s)
{
	return !strcmp(s->task, "merging") || !strcmp(s->task, "flattening");
}

/*
 * A merge goes on until nothing is left in the delta, wherever that lies in the
 * clone; its chunks are taken to be as full as those that were merged.  Of what a
 * flatten has not come to yet all may have to be copied.
 */
void lclone_task_progress(const struct lclone_status *s, u64 *done, u64 *total)
{
	double chunk = s->task_chunks ? (double)s->task_sectors / s->task_chunks :
		       s->chunk_sectors;

	*done = s->task_sectors * 512;
	*total = *done;
	if (!lclone_task_runs(s))
		return;
	if (!strcmp(s->task, "merging"))
		*total += s->used * chunk * 512;
	else if (s->task_end > s->task_at)
		*total += (s->task_end - s->task_at) * LCLONE_LEAF_EXCEPTIONS * s->chunk_sectors *
			  512;
	if (*total == *done)
		*total += (u64)s->chunk_sectors * 512;	/* not at its end yet */
}
