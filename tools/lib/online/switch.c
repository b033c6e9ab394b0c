// SPDX-License-Identifier: GPL-2.0-only
/* A running clone goes on with a new delta: what snapshot and revert have in common. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/blocks.h"
#include "clone/delta-file.h"
#include "clone/dm-switch.h"
#include "clone/overwrite.h"
#include "clone/super.h"
#include "online/follow.h"
#include "online/grown.h"
#include "online/switch.h"

/* What a switch that was interrupted, or refused, has left: never used, and on this layer. */
static bool is_left_over(const struct lclone_file *file, const struct lclone_sb *below)
{
	struct lclone_delta delta;
	bool ours;

	ours = !lclone_delta_open_sb(&delta, &file->dev) && delta.sb.seq == 1 &&
	       !uuid_compare(delta.sb.parent_uuid, below->parent_uuid) &&
	       delta.sb.parent_generation == below->parent_generation;
	lclone_delta_close(&delta);
	return ours;
}

/* The kernel formats what is blank.  @below: as the new delta's, parent_uuid and _generation */
static int prepare(struct lclone_file *file, const char *path, bool force,
		   const struct lclone_sb *below)
{
	int err;

	err = lclone_file_open_ready(file, path, O_RDWR | O_EXCL);
	if (!err && !file->block)
		err = lclone_fail(-ENOTBLK, "%s is not a block device", path);
	if (!err && !is_left_over(file, below))
		err = lclone_may_overwrite(file, force, NULL);
	if (!err)
		err = lclone_super_wipe(file);
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
	    after.table.parents != before.table.parents ||
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

/* Has a run that was killed done this very thing, but for saying so? */
static bool was_done(const char *name, const char *to, bool back,
		     const struct lclone_pending *pending, char old[PATH_MAX])
{
	static struct lclone_clone before, after;
	char target[32], number[32];

	if (lclone_dm_line(pending->before, &before, target) ||
	    lclone_dm_line(pending->after, &after, target) || number_of(to, number) ||
	    strcmp(after.table.delta, number) || !strcmp(before.table.delta, number) ||
	    after.table.parents != before.table.parents + !back)
		return false;
	lclone_name_of(before.table.delta, old);
	return lclone_pending_adopt(name, pending);
}

int lclone_switch_delta(const char *name, const char *to, bool force, bool back,
			struct switched *switched)
{
	static struct lclone_pending pending;
	static struct lclone_clone clone;
	static struct lclone_table table;
	static char params[LCLONE_PARAMS_SIZE];
	struct lclone_file file = { .fd = -1 };
	char *old = switched->old;
	struct lclone_status status;
	struct lclone_sb sb;
	int err, followed;

	switched->pause_ms = -1;
	err = lclone_settle(name, &pending);
	if (err == 1 && was_done(name, to, back, &pending, old))
		return 0;
	if (err >= 0)
		err = lclone_dm_get(name, &clone);
	if (!err)
		err = lclone_end_resize(&clone);
	if (err)
		return err;
	table = clone.table;
	lclone_name_of(table.delta, old);
	if (clone.read_only || table.features.read_only)
		return lclone_fail(-EROFS, "%s is read-only", name);
	if (clone.suspended)
		return lclone_fail(-EBUSY, "%s is suspended: \"dmsetup resume %s\" lets it go on", name,
				   name);
	if (table.features.merge || lclone_flattens(&table.features))
		return lclone_fail(-EBUSY, "%s is being %s: end or stop that first", name,
				   table.features.merge ? "merged" : "flattened");
	if (back && !table.parents)
		return lclone_fail(-ENOENT, "%s has no layers: no snapshot of it was taken", name);
	if (back && clone.open_count)
		return lclone_fail(-EBUSY, "%s is in use (opened %d times), its content cannot be changed",
				   name, clone.open_count);
	err = lclone_dm_status(name, &status);
	if (err)
		return err;
	if (!back && strcmp(status.mode, "rw"))
		return lclone_fail(-EROFS, "%s has met an error and is read-only: it cannot be sealed",
				   name);
	err = lclone_accept_base_online(&clone, NULL);
	if (err)
		return err;
	table = clone.table;
	/* only the kernel changes it, and not the part that is used here */
	err = lclone_sb_of(old, &sb);
	if (!err && back)
		err = refuse_half_merged(&table);
	if (err)
		return err;
	if (!back) {
		memcpy(sb.parent_uuid, sb.uuid, LCLONE_UUID_SIZE);
		sb.parent_generation = sb.generation + 1;
		err = lclone_table_add_parent(&table, table.delta);
	}
	if (err)
		return lclone_fail(-E2BIG, "%s lies on %d layers: more are not possible", name,
				   LCLONE_LAYERS_MAX);
	err = lclone_blocks_fit_clone(to, name) ?: prepare(&file, to, force, &sb);
	snprintf(table.delta, sizeof(table.delta), "%u:%u", major(file.rdev), minor(file.rdev));
	if (!err && lclone_table_print(&table, params, sizeof(params)))
		err = lclone_fail(-E2BIG, "the table's line is too long");
	if (!err)
		err = lclone_dm_switch(&clone, LCLONE_TARGET, clone.sectors, params,
				       &switched->pause_ms);
	lclone_file_close(&file);
	if (err)
		return err;
	/* before it is sealed: after a crash in between, the line would name what does not open */
	followed = lclone_follow(&clone, to, NULL);
	err = back ? lclone_abandon_delta(old) : 0;
	if (err) {
		lclone_pending_forget(name);
		return not_abandoned(err, name, old);
	}
	return followed;
}
