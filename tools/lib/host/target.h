/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The target's lines: table parameters and status, to text and back.
 */
#ifndef LCLONE_TARGET_H
#define LCLONE_TARGET_H

#include <limits.h>

#include "lclone_format.h"

#define LCLONE_TARGET		"lclone"
#define LCLONE_LAYERS_MAX	255	/* below a delta: the target's limit */
#define LCLONE_PARENTS_SIZE	8192	/* the names of them all */
#define LCLONE_PARAMS_SIZE	(2 * PATH_MAX + LCLONE_PARENTS_SIZE + LCLONE_LAYERS_MAX * 8 + 256)

struct lclone_features {
	bool read_only;
	bool error_if_no_space;
	bool no_space_timeout_set;	/* 0 is a legal value: for ever */
	u32 no_space_timeout;		/* seconds */
	u64 low_water_mark;		/* chunks, 0: none */
	u32 commit_interval;		/* milliseconds, 0: the default */
	bool no_discard_passdown;
	bool base_cache;		/* the base is read through its page cache */
	u32 chunk_size;			/* sectors, 0: what the delta has */
	bool merge;			/* into the base, while it is used */
	bool flatten;			/* takes over all that lies below, while it is used */
	bool flatten_layer;		/* ... or only what the topmost layer has */
	bool rebase;			/* the delta goes on, on what this table names */
	bool takeover;			/* whatever host has the delta open */
	char owner[LCLONE_OWNER_SIZE];	/* the note of this host; "": none */
	bool verify;			/* not the target's: its base is to be a verified one */
};

struct lclone_table {
	char base[PATH_MAX];		/* path, major:minor, or "-" */
	char delta[PATH_MAX];
	u32 parents;			/* bottom to top; set lower, the topmost are gone */
	u16 parent_at[LCLONE_LAYERS_MAX];	/* where the name of each is among these: */
	char parent_names[LCLONE_PARENTS_SIZE];
	struct lclone_features features;
};

struct lclone_status {
	char mode[8];			/* rw, ro, fail */
	u32 chunk_sectors;
	u64 used, total;		/* chunks of the delta */
	u64 cached_leaves, dirty_leaves;
	u64 commits, checkpoints;
	bool needs_check;
	bool full;
	/* With the features merge and flatten, what the kernel does in the background */
	char task[16];			/* merging, merged, merge_failed, flattening, ...; or "" */
	u64 task_chunks, task_sectors;	/* done */
	u64 task_at, task_end;		/* how far it is in the clone */
};

/* The delta takes over what lies below, all of it or a layer. */
bool lclone_flattens(const struct lclone_features *features);

/* Layer @i of those that the table has, from below; the topmost is table->parents - 1. */
const char *lclone_table_parent(const struct lclone_table *table, u32 i);

/* The next parent, above those that are there. 0, or -E2BIG. */
int lclone_table_add_parent(struct lclone_table *table, const char *device);

/* Writes the parameters, features in their canonical order. 0, or -E2BIG. */
int lclone_table_print(const struct lclone_table *table, char *params, size_t size);

/* Both return 0, or -EPROTO for a line that does not look as documented. */
int lclone_table_parse(const char *params, struct lclone_table *table);
int lclone_status_parse(const char *line, struct lclone_status *status);

/* Is the task under way? */
bool lclone_task_runs(const struct lclone_status *status);

/* Bytes that the task has copied, and about how many it will have copied at its end. */
void lclone_task_progress(const struct lclone_status *status, u64 *done, u64 *total);

/* A whole decimal number of at most @max. 0, or -EINVAL. */
int lclone_parse_u64(const char *text, u64 max, u64 *value);

#endif /* LCLONE_TARGET_H */
