// SPDX-License-Identifier: GPL-2.0-only
/* A running clone goes on with a new delta: what snapshot and revert have in common. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/base.h"
#include "clone/blocks.h"
#include "clone/delta-file.h"
#include "clone/dm-switch.h"
#include "clone/overwrite.h"
#include "clone/snapshot.h"
#include "clone/super.h"
#include "host/device.h"
#include "host/lv-lock.h"
#include "host/stack.h"
#include "online/create.h"
#include "online/follow.h"
#include "online/grown.h"
#include "online/switch.h"

/* What a switch that was interrupted, or refused, has left: never used, and on this layer. */
static bool is_left_over(const struct lclone_file *file, const struct lclone_sb *below)
{
	struct lclone_delta delta;
	bool ours;

	ours = !lclone_delta_open_sb(&delta, &file->dev) && delta.sb.seq == 1 &&
	       !uuid_compare(delta.sb.parent_uuid, below->uuid) &&
	       delta.sb.parent_generation == below->generation;
	lclone_delta_close(&delta);
	return ours;
}

/* The kernel, too, formats what is blank, but has no label for it. */
static int format(struct lclone_file *file, const struct lclone_clone *clone,
		  struct lclone_format_options *options)
{
	struct lclone_file base_file, *base;
	char path[PATH_MAX];
	struct lclone_sb sb;
	int err;

	options->virtual_sectors = clone->sectors;
	lclone_base_name(clone->table.base, path);
	err = lclone_open_base(path, &base_file, &base) ?:
	      lclone_format(file, base, options, &sb);
	lclone_close_base(base);
	return err;
}

/* @options: of the new delta, parent as it will be; without label and uuid the kernel formats it */
static int prepare(struct lclone_file *file, const char *path, bool force,
		   const struct lclone_clone *clone, struct lclone_format_options *options,
		   bool *formatted)
{
	int err;

	err = lclone_file_open_ready(file, path, O_RDWR | O_EXCL);
	if (!err && !file->block)
		err = lclone_fail(-ENOTBLK, "%s is not a block device", path);
	if (!err && !is_left_over(file, options->parent))
		err = lclone_may_overwrite(file, force, NULL);
	if (!err)
		err = lclone_super_wipe(file);
	*formatted = !err && (options->label || options->uuid);
	if (*formatted)
		err = format(file, clone, options);
	lclone_file_yield(file);	/* the lock stays, until the kernel has it */
	return err;
}

/* The topmost layer may be read through the old delta only. */
static int refuse_half_merged(const struct lclone_table *table)
{
	char path[PATH_MAX];
	struct lclone_sb sb;
	int err;

	lclone_name_of(lclone_table_parent(table, table->parents - 1), path);
	err = lclone_sb_of(path, &sb);
	if (!err && lclone_half_merged(&sb))
		err = lclone_fail(-EBUSY, "%s is being merged with the layer above (uuid %s): end that first with lclone merge --into-parent",
				  path, sb.owner);
	return err;
}

static int number_of(const char *path, char number[32])
{
	struct lclone_file file;
	int err = lclone_file_open(&file, path, O_RDONLY);

	snprintf(number, 32, "%u:%u", major(file.rdev), minor(file.rdev));
	lclone_file_close(&file);
	return err;
}

static int not_abandoned(int err, const char *name, const char *old)
{
	return lclone_fail(err, "%s is as it was at its last snapshot, but its old delta could not be marked, and must not be opened again (lclone remove %s): %s",
			   name, old, lclone_why());
}

/* If that delta is still there; another that has got its place since is not touched. */
static int abandon_noted(const char *old, const char *uuid)
{
	struct lclone_sb sb;
	char now[37];
	int err;

	err = lclone_sb_of(old, &sb);
	uuid_unparse_lower(sb.uuid, now);
	if (err == -ENOENT || err == -ENXIO || err == -EMEDIUMTYPE || err == -ENODATA ||
	    (!err && strcmp(now, uuid)))
		return 0;
	return err ?: lclone_abandon_delta(old);
}

/* A revert that was killed may not have marked the old delta: nobody may open it again. */
static int end_revert(const char *name, const struct lclone_pending *pending)
{
	static struct lclone_clone before, after;
	char target[32], old[PATH_MAX];
	int err;

	if (lclone_dm_line(pending->before, &before, target) || strcmp(target, LCLONE_TARGET) ||
	    lclone_dm_line(pending->after, &after, target) || strcmp(target, LCLONE_TARGET) ||
	    after.table.parents > before.table.parents ||
	    !strcmp(after.table.delta, before.table.delta))
		return 0;
	lclone_name_of(before.table.delta, old);
	err = abandon_noted(old, pending->uuid);
	if (!err)
		return 0;
	lclone_pending_drop(name, pending);	/* once is enough to say it */
	return not_abandoned(err, name, old);
}

/* Nor may a run that was killed have written down what the clone has now. */
static int end_follow(const char *name, const struct lclone_pending *pending)
{
	static struct lclone_clone before;
	char target[32];
	int err;

	if (lclone_dm_line(pending->before, &before, target) || strcmp(target, LCLONE_TARGET))
		return 0;
	snprintf(before.name, sizeof(before.name), "%s", name);
	err = lclone_follow(&before, NULL, NULL);
	if (err == -ECANCELED)
		lclone_pending_drop(name, pending);	/* once is enough to say it */
	return err == -ENXIO ? 0 : err;		/* it was closed */
}

int lclone_settle(const char *name, struct lclone_pending *pending)
{
	int ret = lclone_dm_settle(name, pending), err = 0;

	if (ret == 1)
		err = end_revert(name, pending);
	if (!err && ret > 0)
		err = end_follow(name, pending);
	return err ?: ret;
}

int lclone_end_resize(struct lclone_clone *clone)
{
	char delta[PATH_MAX], name[LCLONE_NAME_SIZE];
	struct lclone_sb sb;
	double pause_ms;
	int err;

	if (clone->suspended)
		return 0;
	lclone_name_of(clone->table.delta, delta);
	err = lclone_sb_of(delta, &sb);
	if (err || sb.virtual_sectors <= clone->sectors)
		return err;
	strcpy(name, clone->name);
	err = lclone_dm_switch(clone, LCLONE_TARGET, sb.virtual_sectors, clone->params, &pause_ms);
	return err ?: lclone_dm_get(name, clone);
}

/* Is the topmost layer of that table the one of the snapshot, or is none asked for? */
static bool is_on(const struct lclone_table *table, const struct switching *s)
{
	char path[PATH_MAX], label[LCLONE_LABEL_SIZE];
	struct lclone_sb sb;
	bool is;

	if (!s->snapshot || !table->parents)
		return !s->snapshot;
	lclone_why_hold();
	lclone_name_of(lclone_table_parent(table, table->parents - 1), path);
	is = !lclone_snapshot_label(s->name, s->snapshot, label) &&
	     !lclone_sb_of(path, &sb) && !strcmp(sb.label, label);
	lclone_why_release();
	return is;
}

/* A snapshot without a name is not done by one that has got one. */
static bool has_name(const struct lclone_table *table)
{
	char path[PATH_MAX];
	struct lclone_sb sb;
	bool has;

	if (!table->parents)
		return false;
	lclone_why_hold();
	lclone_name_of(lclone_table_parent(table, table->parents - 1), path);
	has = lclone_sb_of(path, &sb) || lclone_snapshot_name(&sb);
	lclone_why_release();
	return has;
}

/* Has a run that was killed done this very thing, but for saying so? */
static bool was_done(const struct switching *s, const struct lclone_pending *pending,
		     struct switched *switched)
{
	static struct lclone_clone before, after;
	char target[32], number[32];

	if (lclone_dm_line(pending->before, &before, target) || strcmp(target, LCLONE_TARGET) ||
	    lclone_dm_line(pending->after, &after, target) || strcmp(target, LCLONE_TARGET) ||
	    !strcmp(before.table.delta, after.table.delta) ||
	    (s->to && (number_of(s->to, number) || strcmp(after.table.delta, number))) ||
	    (s->back ? after.table.parents > before.table.parents :
		       after.table.parents != before.table.parents + 1) ||
	    !is_on(&after.table, s) || (!s->back && !s->snapshot && has_name(&after.table)))
		return false;
	lclone_name_of(before.table.delta, switched->old);
	lclone_name_of(after.table.delta, switched->new);
	return lclone_pending_adopt(s->name, pending) &&
	       (!s->back || !lclone_dropped(&before.table, &after.table, &switched->dropped));
}

static int refuse(const struct switching *s, const struct lclone_clone *clone)
{
	const struct lclone_table *table = &clone->table;
	struct lclone_status status;
	int err;

	if (clone->read_only || table->features.read_only)
		return lclone_fail(-EROFS, "%s is read-only", s->name);
	if (clone->suspended)
		return lclone_fail(-EBUSY, "%s is suspended: \"dmsetup resume %s\" lets it go on",
				   s->name, s->name);
	if (table->features.merge || lclone_flattens(&table->features))
		return lclone_fail(-EBUSY, "%s is being %s: end or stop that first", s->name,
				   table->features.merge ? "merged" : "flattened");
	if (s->back && !table->parents)
		return lclone_fail(-ENOENT, "%s has no layers: no snapshot of it was taken",
				   s->name);
	if (s->back && clone->open_count)
		return lclone_fail(-EBUSY, "%s is in use (opened %d times), its content cannot be changed",
				   s->name, clone->open_count);
	err = lclone_dm_status(s->name, &status);
	if (!err && !s->back && strcmp(status.mode, "rw"))
		err = lclone_fail(-EROFS, "%s has met an error and is read-only: it cannot be sealed",
				  s->name);
	return err;
}

/* The table without the layers above the one to go back to, whose superblock is *below */
static int go_back(const struct switching *s, struct lclone_table *table, struct lclone_sb *below)
{
	char path[PATH_MAX];

	while (table->parents && !is_on(table, s))
		table->parents--;
	if (!table->parents)
		return lclone_fail(-ENOENT, "%s has no snapshot %s (lclone list --snapshots)",
				   s->name, s->snapshot);
	lclone_name_of(lclone_table_parent(table, table->parents - 1), path);
	return lclone_sb_of(path, below) ?: refuse_half_merged(table);
}

static int refuse_taken(const struct switching *s, const struct lclone_table *table)
{
	struct lclone_table below = *table;

	for (; below.parents; below.parents--)
		if (is_on(&below, s))
			return lclone_fail(-EEXIST, "%s has a snapshot %s already", s->name,
					   s->snapshot);
	return 0;
}

/* The table with the delta as its topmost layer, *below as it will be when it is sealed */
static int put_on_top(const struct switching *s, struct lclone_table *table,
		      struct lclone_sb *below)
{
	int err = s->snapshot ? refuse_taken(s, table) : 0;

	if (err)
		return err;
	below->generation++;
	below->state |= LCLONE_STATE_SEALED;
	if (lclone_table_add_parent(table, table->delta))
		return lclone_fail(-E2BIG, "%s lies on %d layers: more are not possible", s->name,
				   LCLONE_LAYERS_MAX);
	return 0;
}

static int change(const struct switching *s, const struct lclone_clone *clone, const char *params,
		  double *pause_ms)
{
	char label[LCLONE_LABEL_SIZE] = "";
	int err;

	if (s->back)
		return lclone_dm_switch(clone, LCLONE_TARGET, clone->sectors, params, pause_ms);
	err = s->snapshot ? lclone_snapshot_label(s->name, s->snapshot, label) : 0;
	return err ?: lclone_dm_seal(clone, params, label, pause_ms);
}

/* What was made for a switch that did not happen */
static int undo(const struct lclone_lv *lv, const char *to, bool formatted, int err)
{
	lclone_why_hold();
	if (formatted && !lv)
		lclone_wipe_recycled(to);
	lclone_why_release();
	return lv ? lclone_volume_unmake(lv, err) : err;
}

/* Goes over to the new delta @to, on @table, which till now has the old one. */
static int switch_to(const struct switching *s, struct lclone_clone *clone,
		     struct lclone_table *table, const char *to,
		     struct lclone_format_options *options, bool *formatted, double *pause_ms)
{
	static char params[LCLONE_PARAMS_SIZE];
	struct lclone_file file = { .fd = -1 };
	int err;

	*formatted = false;
	err = lclone_blocks_fit_clone(to, s->name) ?:
	      prepare(&file, to, s->force, clone, options, formatted);
	snprintf(table->delta, sizeof(table->delta), "%u:%u", major(file.rdev), minor(file.rdev));
	if (!err && lclone_table_print(table, params, sizeof(params)))
		err = lclone_fail(-E2BIG, "the table's line is too long");
	err = err ?: change(s, clone, params, pause_ms);
	lclone_file_close(&file);
	return err;
}

/* What the clone wrote to, and what it has dropped: other hosts may have it, too. */
static void let_go(const struct lclone_clone *before, const struct switched *switched)
{
	u32 i;

	lclone_lv_let_go(lclone_dev_number(before->table.delta));
	for (i = 0; i < switched->dropped.count; i++)
		lclone_lv_let_go(lclone_dev_at(switched->dropped.path[i]));
}

static int change_delta(const struct switching *s, struct lclone_clone *clone,
			struct switched *switched, int *lock)
{
	struct lclone_format_options options = { .label = NULL };
	static struct lclone_table table;
	struct lclone_sb old, below;
	u8 uuid[LCLONE_UUID_SIZE];
	struct lclone_lv lv;
	bool formatted;
	int err;

	table = clone->table;
	lclone_name_of(table.delta, switched->old);
	/* only the kernel changes it, and not the part that is used here */
	err = lclone_sb_of(switched->old, &old);
	if (err)
		return err;
	below = old;
	err = s->back ? go_back(s, &table, &below) : put_on_top(s, &table, &below);
	if (!err && !s->to)
		err = lclone_volume_make(clone, &s->volume, &lv, uuid, lock);
	if (err)
		return err;
	options.parent = &below;
	options.label = old.label[0] ? old.label : NULL;
	if (s->to) {
		snprintf(switched->new, sizeof(switched->new), "%s", s->to);
	} else {
		options.label = options.label ?: lclone_label_of(s->name);
		options.uuid = uuid;
		lclone_lv_path(&lv, switched->new);
	}
	err = switch_to(s, clone, &table, switched->new, &options, &formatted,
			&switched->pause_ms);
	if (err)
		return undo(s->to ? NULL : &lv, switched->new, formatted, err);
	err = s->back ? lclone_dropped(&clone->table, &table, &switched->dropped) : 0;
	let_go(clone, switched);
	return err;
}

int lclone_switch_delta(const struct switching *s, struct switched *switched)
{
	static struct lclone_pending pending;
	static struct lclone_clone clone;
	char label[LCLONE_LABEL_SIZE];
	int err, followed, lock = -1;

	memset(switched, 0, sizeof(*switched));
	switched->pause_ms = -1;
	err = s->snapshot ? lclone_snapshot_label(s->name, s->snapshot, label) : 0;
	err = err ?: lclone_settle(s->name, &pending);
	if (err == 1 && was_done(s, &pending, switched))
		return 0;
	if (err >= 0)
		err = lclone_dm_get(s->name, &clone) ?: lclone_end_resize(&clone) ?:
		      refuse(s, &clone) ?: lclone_accept_base_online(&clone, NULL) ?:
		      change_delta(s, &clone, switched, &lock);
	/* before it is sealed: after a crash in between, the line would name what does not open */
	followed = err ? 0 : lclone_follow(&clone, switched->new, NULL);
	if (lock >= 0)
		close(lock);
	if (err)
		return err;
	err = s->back ? lclone_abandon_delta(switched->old) : 0;
	if (err) {
		lclone_pending_forget(s->name);
		return not_abandoned(err, s->name, switched->old);
	}
	return followed;
}
