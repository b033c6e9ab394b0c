// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "basic/text.h"
#include "clone/owner.h"
#include "clone/snapshot.h"
#include "ui/clones.h"
#include "ui/output.h"

static void name(const void *row, char *text, size_t size)
{
	snprintf(text, size, "%s", ((const struct lclone_row *)row)->name);
}

static void base(const void *row, char *text, size_t size)
{
	const struct lclone_row *r = row;

	snprintf(text, size, "%s", r->base[0] ? r->base : "not found");
}

static void delta(const void *row, char *text, size_t size)
{
	snprintf(text, size, "%s", ((const struct lclone_row *)row)->delta);
}

void clone_size_text(u64 bytes, char *text, size_t size)
{
	char number[16];

	snprintf(text, size, "%s", lclone_size_text(bytes, number));
}

/* A column of bytes: its text and its value */
#define BYTES(column, bytes)						\
static double column ## _value(const void *row)				\
{									\
	const struct lclone_row *r = row;				\
									\
	return bytes;							\
}									\
									\
static void column(const void *row, char *text, size_t size)		\
{									\
	clone_size_text(column ## _value(row), text, size);		\
}

BYTES(disk, r->size_bytes)
BYTES(written, r->used_bytes)
BYTES(space, r->total_bytes)
BYTES(left, r->total_bytes - r->used_bytes)

static double use_value(const void *row)
{
	return lclone_row_percent(row);
}

static void use(const void *row, char *text, size_t size)
{
	snprintf(text, size, "%.1f", use_value(row));
}

static double chain_value(const void *row)
{
	return ((const struct lclone_row *)row)->depth;
}

static void chain(const void *row, char *text, size_t size)
{
	snprintf(text, size, "%u", ((const struct lclone_row *)row)->depth);
}

static double open_value(const void *row)
{
	return ((const struct lclone_row *)row)->open_count;
}

static void open_count(const void *row, char *text, size_t size)
{
	snprintf(text, size, "%d", ((const struct lclone_row *)row)->open_count);
}

/* The mode of a clone, or what a delta is that has none */
static void mode(const void *row, char *text, size_t size)
{
	const struct lclone_row *r = row;

	snprintf(text, size, "%s", r->active ? r->status.mode : !r->has_sb ? "missing" :
		 r->sb.state & LCLONE_STATE_SEALED ? "sealed" : "inactive");
}

static void add(char *text, size_t size, bool is, const char *what)
{
	size_t len = strlen(text);

	if (is)
		snprintf(text + len, size - len, "%s%s", len ? "," : "", what);
}

void clone_state(const struct lclone_row *r, char *text, size_t size)
{
	char task[48];

	mode(r, text, size);
	add(text, size, r->suspended, "SUSPENDED");
	add(text, size, r->status.full, "FULL");
	add(text, size, r->status.needs_check || r->sb.state & LCLONE_STATE_NEEDS_CHECK,
	    "NEEDS-CHECK");
	snprintf(task, sizeof(task), "%s", r->status.task);
	if (lclone_task_runs(&r->status))
		snprintf(task, sizeof(task), "%s:%.0f%%", r->status.task,
			 lclone_row_task_percent(r));
	add(text, size, task[0], task);
	add(text, size, r->has_sb && lclone_half_written(&r->sb), "HALF-WRITTEN");
	add(text, size, r->has_sb && !r->active && lclone_is_owned(&r->sb),
	    lclone_owned_elsewhere(&r->sb) ? "OPEN-ELSEWHERE" : "NOT-CLOSED");
}

static void state(const void *row, char *text, size_t size)
{
	clone_state(row, text, size);
}

static void label(const void *row, char *text, size_t size)
{
	snprintf(text, size, "%s", ((const struct lclone_row *)row)->sb.label);
}

static void owner(const void *row, char *text, size_t size)
{
	char name[LCLONE_HOST_NAME_MAX + 1];

	lclone_owner_name(&((const struct lclone_row *)row)->sb, name);
	snprintf(text, size, "%s", name);
}

static bool is_snapshot(const struct lclone_row *r)
{
	return r->has_sb && !r->active && lclone_snapshot_name(&r->sb);
}

static void snapshot(const void *row, char *text, size_t size)
{
	const struct lclone_row *r = row;

	snprintf(text, size, "%s", is_snapshot(r) ? r->sb.label : "");
}

static double taken_value(const void *row)
{
	return lclone_row_taken(row);
}

static void taken(const void *row, char *text, size_t size)
{
	char time[LCLONE_TIME_SIZE];

	lclone_time_text(((const struct lclone_row *)row)->sb.sealed_at, time);
	snprintf(text, size, "%s", time);
}

static void uuid(const void *row, char *text, size_t size)
{
	const struct lclone_row *r = row;
	char word[UUID_STR_LEN] = "";

	if (r->has_sb)
		uuid_unparse(r->sb.uuid, word);
	snprintf(text, size, "%s", word);
}

const struct column clone_columns[] = {
	{ "name", "NAME", "name of the clone", name, NULL },
	{ "base", "BASE", "the base (template) that it lies on", base, NULL },
	{ "size", "SIZE", "size of the disk", disk, disk_value },
	{ "written", "WRITTEN", "space of its delta that is in use", written, written_value },
	{ "delta", "DELTA", "device of its delta", delta, NULL },
	{ "space", "SPACE", "size of its delta", space, space_value },
	{ "free", "FREE", "space of its delta that is not in use", left, left_value },
	{ "use", "USE%", "part of its delta that is in use", use, use_value },
	{ "chain", "CHAIN", "layers above the base, its delta among them", chain, chain_value },
	{ "state", "STATE", "mode, and what else there is to say", state, NULL },
	{ "mode", "MODE", "rw, ro or fail; of what is not active, inactive, sealed or missing", mode,
	  NULL },
	{ "open", "OPEN", "how often it is open", open_count, open_value },
	{ "label", "LABEL", "label of its delta", label, NULL },
	{ "uuid", "UUID", "uuid of its delta", uuid, NULL },
	{ "snapshot", "SNAPSHOT", "name of a snapshot, which a sealed layer is", snapshot, NULL },
	{ "owner", "OWNER", "host that has its delta open for writing, or did not close it", owner,
	  NULL },
	{ "taken", "TAKEN", "when a layer was sealed", taken, taken_value },
	{ }
};

/* Does a column that is shown or sorted by say what only superblocks know? */
static bool need_sb(const struct table *t)
{
	return table_uses(t, "label") || table_uses(t, "uuid") || table_uses(t, "snapshot") ||
	       table_uses(t, "taken") || table_uses(t, "owner");
}

void keep_snapshots(struct lclone_overview *o)
{
	size_t i, n = 0;

	for (i = 0; i < o->count; i++)
		if (is_snapshot(&o->row[i]))
			o->row[n++] = o->row[i];
	o->count = n;
}

int print_clones(const struct table *t, enum clones_shown shown)
{
	struct lclone_overview o = { .count = 0 };
	const bool all = shown != CLONES_ACTIVE;
	int err;

	err = all || need_sb(t) ? lclone_overview_read_all(&o, all) : lclone_overview_read(&o);
	if (shown == CLONES_SNAPSHOTS)
		keep_snapshots(&o);
	err = err ?: table_print(t, o.row, o.count, sizeof(*o.row));
	if (!err)
		tell_unseen(&o.inv);
	lclone_overview_free(&o);
	return err;
}
