// SPDX-License-Identifier: GPL-2.0-only
/* The kernel merges a clone into its base, which then is the disk. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/delta-file.h"
#include "clone/dm-switch.h"
#include "clone/owner.h"
#include "clone/seal.h"
#include "clone/super.h"
#include "host/stack.h"
#include "online/follow.h"
#include "online/grown.h"
#include "online/merge.h"

/* Nobody can come to use it as long as @base, which is opened here, is locked. */
static int refuse_base(struct lclone_file *base, const char *path, const struct lclone_clone *clone,
		       lclone_ask_fn ask)
{
	const dev_t rdev = lclone_dev_number(clone->table.delta);
	char delta[PATH_MAX];
	struct lclone_sb sb;
	int err, ro = 0;

	lclone_name_of(clone->table.delta, delta);
	err = lclone_file_open_ready(base, path, O_RDONLY);
	if (!err && ioctl(base->fd, BLKROGET, &ro))
		err = lclone_fail(-errno, "%s: %m", path);
	if (!err && ro)
		err = lclone_fail(-EROFS, "the base %s is read-only: make it writable first (lvchange --permission rw, blockdev --setrw)",
				  path);
	if (!err && base->dev.sectors < clone->sectors)
		err = lclone_fail(-EFBIG, "the base %s has %s, less than the clone's %s", path,
				  LCLONE_SIZE(base->dev.sectors), LCLONE_SIZE(clone->sectors));
	/* only the kernel changes it, and not the part that is used here */
	if (!err)
		err = lclone_sb_of(delta, &sb);
	if (!err)
		err = ask ? lclone_confirm_merge_into_base(base, &sb, rdev, clone->name, ask) : 0;
	if (!err)
		err = lclone_lock(base, LCLONE_LOCK_EXCLUSIVE);
	if (!err)
		err = lclone_may_merge_into_base(base, &sb, rdev, clone->name);
	return err;
}

static void set_result(struct online_merge *merge, const char *disk, const char *delta,
		       double pause_ms)
{
	snprintf(merge->disk, sizeof(merge->disk), "%s", disk);
	snprintf(merge->free, sizeof(merge->free), "%s", delta);
	merge->left[0] = '\0';
	merge->line_removed = false;
	merge->pause_ms = pause_ms;
}

static int start_merge(struct online_merge *merge, struct lclone_clone *clone)
{
	static struct lclone_table table;
	struct lclone_file base_file;
	char base[PATH_MAX], delta[PATH_MAX];
	dev_t data;
	int err;

	table = clone->table;
	if (lclone_flattens(&table.features))
		return lclone_fail(-EBUSY, "%s is being flattened: end that first (lclone flatten %s)",
				   clone->name, clone->name);
	if (table.parents)
		return lclone_fail(-EBUSY, "%s lies on %u layers: only a delta right above its base can be merged into it; \"lclone flatten --layer %s\" makes the chain shorter",
				   clone->name, table.parents, clone->name);
	if (!strcmp(table.base, "-"))
		return lclone_fail(-ENOENT, "%s has no base that it could be merged into",
				   clone->name);
	if (lclone_dev_verified(lclone_dev_number(table.base), &data))
		return lclone_fail(-EBUSY, "%s verifies its base (--verify), which cannot be written like that: close it first, \"lclone merge %s\" opens it without",
				   clone->name, clone->name);
	lclone_name_of(table.base, base);
	lclone_name_of(table.delta, delta);
	set_result(merge, base, delta, 0);
	err = refuse_base(&base_file, base, clone, merge->ask);
	if (!err)
		err = lclone_accept_base_online(clone, &base_file) ?:
		      lclone_seal_drop(base_file.rdev, merge->tree);
	table = clone->table;
	table.features.merge = true;
	table.features.base_cache = false;
	table.features.rebase = false;		/* it has had its effect */
	if (!err)
		err = lclone_change_table(clone, &table);
	lclone_file_close(&base_file);
	return err;
}

/*
 * All that the delta had is in the base: nothing is lost with it. No delta, or not that of the
 * @uuid, if there is one: it was wiped.
 */
static int wipe_empty(const char *path, const char *uuid)
{
	struct lclone_file file;
	struct lclone_delta delta;
	struct lclone_iter it;
	u64 chunk, exc;
	char now[37];
	int ret;

	ret = lclone_open_delta(path, O_RDWR, &file, &delta);
	if (!ret)
		uuid_unparse_lower(delta.sb.uuid, now);
	if (ret == -EMEDIUMTYPE || ret == -ENODATA || (!ret && uuid && strcmp(now, uuid))) {
		lclone_close_delta(&file, &delta);
		return 0;
	}
	if (!ret)
		ret = lclone_refuse_owned(path, &delta.sb);
	if (!ret) {
		lclone_iter_init(&it, &delta, 0);
		ret = lclone_iter_next(&it, &chunk, &exc);
		if (ret < 0)
			ret = lclone_fail(ret, "%s: %s", path, delta.why);
		if (ret > 0)
			ret = lclone_fail(-EUCLEAN, "%s still holds data of the clone: it was not wiped",
					  path);
	}
	if (!ret)
		ret = lclone_super_wipe(&file);
	lclone_close_delta(&file, &delta);
	return ret;
}

/*
 * The delta is empty: until the linear table is there, and also after a crash
 * before the wipe, a clone of it and the base equals the base, whatever is
 * written to that meanwhile.  The wipe is what keeps it from being used beside
 * the disk.
 */
static int switch_to_linear(struct online_merge *merge)
{
	const struct online *o = merge->online;
	char base[PATH_MAX], delta[PATH_MAX], params[64];
	static struct lclone_clone clone;
	double pause_ms;
	int err;

	err = lclone_dm_get(o->name, &clone);
	if (err)
		return err;
	lclone_name_of(clone.table.base, base);
	lclone_name_of(clone.table.delta, delta);
	snprintf(params, sizeof(params), "%.40s 0", clone.table.base);
	err = lclone_dm_switch(&clone, "linear", clone.sectors, params, &pause_ms);
	if (!err)
		err = wipe_empty(delta, NULL);
	if (!err)
		set_result(merge, base, delta, pause_ms);
	return err ?: lclone_follow(&clone, NULL, &merge->line_removed);
}

/* A run that was killed has switched to the base: what is left is to wipe the delta. 1: so it was */
static int end_merge(struct online_merge *merge)
{
	const struct online *o = merge->online;
	static struct lclone_pending pending;
	static struct lclone_clone before, after;
	char base[PATH_MAX], delta[PATH_MAX], target[32];
	int ret = lclone_dm_settle(o->name, &pending);

	if (ret != 1)
		return ret < 0 ? ret : 0;
	if (lclone_dm_line(pending.before, &before, target) || strcmp(target, LCLONE_TARGET) ||
	    lclone_dm_line(pending.after, &after, target) || strcmp(target, "linear"))
		return 0;
	after.params[strcspn(after.params, " ")] = '\0';
	lclone_name_of(after.params, base);
	lclone_name_of(before.table.delta, delta);
	ret = wipe_empty(delta, pending.uuid);
	if (ret == -EUCLEAN)		/* it is not what was merged, nor will be */
		lclone_pending_drop(o->name, &pending);
	if (ret)
		return ret;
	set_result(merge, base, delta, 0);
	(void)lclone_pending_adopt(o->name, &pending);	/* else another run says it, too */
	snprintf(before.name, sizeof(before.name), "%s", o->name);
	return lclone_follow(&before, NULL, &merge->line_removed) ?: 1;
}

bool lclone_was_led_to(const struct online *o, const char *device, struct lclone_clone *before)
{
	static struct lclone_pending pending;
	static struct lclone_clone after;
	char target[32], old[32];
	int ret = lclone_dm_settle(o->name, &pending);

	if (ret <= 0 || lclone_dm_line(pending.before, before, old) || strcmp(old, LCLONE_TARGET) ||
	    lclone_dm_line(ret == 1 ? pending.after : pending.between, &after, target))
		return false;
	after.params[strcspn(after.params, " ")] = '\0';
	return !strcmp(after.params, device) &&
	       (!strcmp(target, "linear") || after.table.features.rebase);
}

/* An empty delta of a merge: the last that was left of a clone of @sectors on that base */
static bool is_remnant(const struct lclone_inventory *inv, const struct lclone_found *found,
		       u64 sectors)
{
	const struct lclone_sb *sb = &found->sb;

	return found->rdev && lclone_merges_into_base(sb) &&
	       !lclone_has_parent(sb) && sb->virtual_sectors == sectors &&
	       !lclone_is_active(inv, found->rdev);
}

/* The base is the disk already.  Which delta was its own is not known: none is wiped. */
static int end_merged(struct online_merge *merge, const char *base, u64 sectors)
{
	struct lclone_inventory inv = { .count = 0 };
	size_t i;
	int err;

	set_result(merge, base, "", 0);
	err = lclone_inventory_read_all(&inv);
	for (i = 0; !err && !merge->left[0] && i < inv.count; i++)
		if (is_remnant(&inv, &inv.found[i], sectors))
			snprintf(merge->left, sizeof(merge->left), "%s", inv.found[i].path);
	lclone_inventory_free(&inv);
	return err;
}

static int merge_again(struct online_merge *merge)
{
	const char *name = merge->online->name;
	char path[PATH_MAX], base[PATH_MAX];
	struct stat st;
	dev_t lower;

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	if (stat(path, &st) || !lclone_dev_linear(st.st_rdev, &lower))
		return lclone_fail(-ENOTTY, "%s is not a linked clone", name);
	lclone_dev_name(lower, base);
	return end_merged(merge, base, lclone_dev_attribute(st.st_rdev, "size"));
}

int lclone_merge_online(struct online_merge *merge)
{
	struct online *o = merge->online;
	static struct lclone_clone clone;
	struct lclone_status status;
	int ret;

	ret = end_merge(merge);
	if (ret)
		return ret < 0 ? ret : 0;
	ret = lclone_look_at_writable(o, &clone, &status);
	if (ret == -ENOTTY)
		return merge_again(merge);
	if (!ret && (!clone.table.features.merge || !strcmp(status.task, "merge_failed")))
		ret = start_merge(merge, &clone);
	if (!ret)
		ret = lclone_set_rate(o);
	if (!ret)
		ret = lclone_wait_for_task(o, "merged", "merge");
	return ret ?: switch_to_linear(merge);
}
