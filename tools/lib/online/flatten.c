// SPDX-License-Identifier: GPL-2.0-only
/* An active clone becomes independent of what lies below. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/blocks.h"
#include "clone/dm-switch.h"
#include "clone/overwrite.h"
#include "clone/super.h"
#include "offline/head.h"
#include "offline/merge.h"
#include "host/device.h"
#include "host/lock.h"
#include "host/lv-extend.h"
#include "host/lv-lock.h"
#include "online/below.h"
#include "online/create.h"
#include "online/flatten.h"
#include "online/follow.h"
#include "online/grown.h"

static struct below below = { .fd = -1, .disk.file.fd = -1 };

static int refuse_merging(const struct lclone_clone *clone)
{
	if (!clone->table.features.merge)
		return 0;
	return lclone_fail(-EBUSY, "%s is being merged: end that first (lclone merge %s), or stop it",
			   clone->name, clone->name);
}

static void note_below(struct flatten *f, const struct lclone_table *table, bool layer)
{
	if (layer && table->parents)
		lclone_name_of(lclone_table_parent(table, table->parents - 1), f->below);
	else
		lclone_names_below(table, f->below, sizeof(f->below));
}

/* Out to another device: copy what lies below, then let the kernel merge the delta into that. */

static int progress(struct lclone_merge *merge, u64 done, u64 total)
{
	const struct online *o = merge->ctx;
	u64 head = merge->first << 9;

	o->watch->show(o->ctx, "copying", head + done, head + total, false, done == total);
	return o->watch->stops(o->ctx);
}

static int open_target(const struct online *o, const char *path, bool force,
		       const struct lclone_clone *clone, struct lclone_file *target)
{
	int err = lclone_file_open_ready(target, path, O_RDWR | O_EXCL);

	if (err)
		return err;
	if (!target->block)
		return lclone_fail(-ENOTBLK, "%s is not a block device", path);
	if (target->dev.sectors < clone->sectors)
		return lclone_fail(-EFBIG, "%s has %s, less than the clone's %s", path,
				   LCLONE_SIZE(target->dev.sectors), LCLONE_SIZE(clone->sectors));
	err = o->asleep ? 0 : lclone_blocks_fit_clone(path, clone->name);
	return err ?: lclone_may_overwrite(target, force, NULL);
}

/*
 * All but the head, which would make the target equal to the base: other clones of that would
 * keep a next run from it.
 */
static int copy_below(struct online *o, struct lclone_file *target)
{
	struct lclone_merge merge = {
		.chain = &below.disk.chain, .base = below.base, .target = target,
		.progress = progress, .ctx = o,
	};
	int err;

	err = lclone_head_begin(&below.disk.chain, target, &merge.first);
	if (!err)
		err = lclone_merge_to(&merge);
	o->watch->end(o->ctx);
	if (err == -EINTR)
		return lclone_fail(err, "interrupted: the clone is as it was, and %s holds a part of the copy (--force to begin again)",
				   target->path);
	return err;
}

/*
 * Each activation counts: only if there was none, no merge, snapshot or resize has
 * changed what is copied, or what lies on it.
 */
static int incarnation_of(const struct lclone_clone *clone, u64 *incarnation)
{
	char delta[PATH_MAX];
	struct lclone_sb sb;
	int err;

	lclone_name_of(clone->table.delta, delta);
	err = lclone_sb_of(delta, &sb);
	*incarnation = sb.incarnation;
	return err;
}

static int refuse_changed(const struct lclone_clone *clone, u64 before)
{
	u64 after;
	int err = incarnation_of(clone, &after);

	if (!err && before != after)
		err = lclone_fail(-EAGAIN, "%s was changed, or suspended, during the copy: nothing is done, run it again with --force",
				  clone->name);
	return err;
}

/* At once: a run that is killed behind this leads to them by its note no more. */
static int free_layers(const struct flatten *f, const struct lclone_table *before,
		       const struct lclone_table *now)
{
	const struct online *o = f->merge.online;
	struct dropped dropped;
	int err = lclone_dropped(before, now, &dropped);
	u32 i;

	for (i = 0; i < dropped.count; i++)
		lclone_lv_let_go(lclone_dev_at(dropped.path[i]));
	if (!now || strcmp(before->base, now->base))
		lclone_lv_let_go(lclone_dev_number(before->base));
	if (!err && f->drops)
		f->drops(o->ctx, o->name, &dropped);
	lclone_dropped_free(&dropped);
	return err;
}

/*
 * Has a run that was killed begun with the merge into that device already?  It may not have freed
 * all that the clone left.
 */
static bool goes_on(const struct flatten *f, const char *path)
{
	static struct lclone_clone before, is;
	static struct lclone_table now;
	const dev_t target = lclone_dev_at(path);
	char number[32];

	snprintf(number, sizeof(number), "%u:%u", major(target), minor(target));
	if (!target || !lclone_was_led_to(f->merge.online, number, &before))
		return false;
	if (!lclone_dm_get(before.name, &is))
		(void)lclone_follow(&before, path, NULL);	/* the merge says what fails */
	now = before.table;
	now.parents = 0;		/* the delta is the merge's to free */
	(void)free_layers(f, &before.table, &now);
	return true;
}

/* It is the clone's base, and will be its disk: nobody's to remove. */
static int keep_target(const char *path)
{
	struct lclone_lv lv;
	int ret = lclone_lv_of(lclone_dev_at(path), &lv);

	return !ret && lv.kind == LCLONE_LV_TARGET ? lclone_lv_drop_tags(&lv) : ret < 0 ? ret : 0;
}

/*
 * It is closed, but the kernel lets go what io_uring has had of it when it gets to that: till then
 * it is claimed, and no table can have it.
 */
static void wait_for_claim(struct lclone_file *target)
{
	const struct timespec poll = { .tv_nsec = LCLONE_LOCK_POLL_MS * 1000000 };
	unsigned int waited = 0;
	int fd;

	if (target->fd < 0)
		return;
	lclone_file_yield(target);
	for (; waited < LCLONE_LOCK_MS; waited += LCLONE_LOCK_POLL_MS) {
		fd = open(target->path, O_RDONLY | O_EXCL | O_CLOEXEC);
		if (fd >= 0)
			close(fd);
		if (fd >= 0 || errno != EBUSY)
			return;
		nanosleep(&poll, NULL);
	}
}

static int look(struct flatten *f, struct lclone_clone *clone, struct lclone_status *status)
{
	int err = lclone_look_at_writable(f->merge.online, clone, status);

	if (!err)
		err = refuse_merging(clone);
	if (!err && lclone_flattens(&clone->table.features))
		err = lclone_fail(-EBUSY, "%s is being flattened in place", clone->name);
	if (!err)
		note_below(f, &clone->table, false);
	return err;
}

int lclone_flatten_to(struct flatten *f, const char *path, bool force)
{
	struct online *o = f->merge.online;
	struct lclone_file target = { .fd = -1 };
	static struct lclone_clone clone;
	static struct lclone_table table;
	char names[LCLONE_PARENTS_SIZE];
	struct lclone_status status;
	u64 before = 0;
	int err;

	if (goes_on(f, path))
		return lclone_merge_online(&f->merge);
	err = look(f, &clone, &status);
	if (!err)
		err = lclone_accept_base_online(&clone, NULL);
	if (!err)
		err = incarnation_of(&clone, &before);
	if (!err)
		err = open_target(o, path, force, &clone, &target);
	if (!err)
		err = lclone_below_open(&below, &clone, status.chunk_sectors);
	if (!err)
		err = copy_below(o, &target);
	if (!err)
		err = refuse_changed(&clone, before);
	if (!err)
		err = lclone_head_end(&below.disk.chain, below.base, &target);
	lclone_below_close(&below);
	wait_for_claim(&target);
	if (!err)
		err = refuse_changed(&clone, before);
	if (err)
		goto out;
	table = clone.table;
	snprintf(table.base, sizeof(table.base), "%u:%u", major(target.rdev), minor(target.rdev));
	table.parents = 0;
	table.features.merge = true;
	table.features.base_cache = false;
	table.features.rebase = true;
	err = lclone_change_table(&clone, &table);
	/* at once: what LVM is asked for takes its time; lclone_merge_online() says what fails */
	if (!err)
		(void)lclone_set_rate(o);
out:
	lclone_file_close(&target);
	/* from here on nobody may open it on its old base */
	if (!err)
		err = lclone_follow(&clone, path, NULL) ?: keep_target(path);
	if (err)
		return err;
	lclone_names_below(&clone.table, names, sizeof(names));
	f->leaves(o->ctx, o->name, names);
	return free_layers(f, &clone.table, &table) ?: lclone_merge_online(&f->merge);
}

/* What a run that was killed in the copy has left goes: it is nothing. */
static int remove_part(const struct lclone_lv *lv, const char *path)
{
	struct lclone_lv there;
	int ret = lclone_lv_of(lclone_dev_at(path), &there);

	if (!ret && there.kind == LCLONE_LV_TARGET && !strcmp(there.name, lv->name))
		return lclone_lv_remove(&there);
	return ret < 0 ? ret : lclone_fail(-EEXIST, "there is a volume %s/%s already (--to %s, if that is meant)",
					   lv->vg, lv->lv, path);
}

static int make_target(const struct lclone_clone *clone, const char *vg, struct lclone_lv *lv,
		       char path[LCLONE_LV_PATH_SIZE])
{
	struct stat st;
	int err = lclone_lv_check_name("a volume", clone->name) ?: lclone_lv_set_vg(lv, vg);

	if (err)
		return err;
	snprintf(lv->lv, sizeof(lv->lv), "%s", clone->name);
	snprintf(lv->name, sizeof(lv->name), "%s", clone->name);
	lv->sectors = clone->sectors;
	lclone_lv_path(lv, path);
	if (!stat(path, &st))
		err = remove_part(lv, path);
	return err ?: lclone_lv_create(lv);
}

/* It goes, if the clone has another base for sure: as its base, or behind that as the disk, it stays. */
static int unmake_target(const char *name, const struct lclone_lv *lv, const char *path, int err)
{
	static struct lclone_clone now;
	bool used;

	lclone_why_hold();
	used = lclone_dm_get(name, &now) ||
	       lclone_dev_number(now.table.base) == lclone_dev_at(path);
	lclone_why_release();
	if (used)
		return err;
	if (err == -EINTR)
		lclone_fail(err, "interrupted: %s is as it was", name);
	return lclone_volume_unmake(lv, err);
}

/* Has a run that was interrupted led it there? */
static bool merges_into(const char *name, const char *path)
{
	static struct lclone_clone now;
	bool is;

	lclone_why_hold();
	is = !lclone_dm_get(name, &now) && now.table.features.merge &&
	     lclone_dev_number(now.table.base) == lclone_dev_at(path);
	lclone_why_release();
	return is;
}

int lclone_flatten_to_volume(struct flatten *f, const char *vg)
{
	const char *name = f->merge.online->name;
	struct lclone_lv lv = { .kind = LCLONE_LV_TARGET };
	static struct lclone_clone clone;
	struct lclone_status status;
	char path[LCLONE_LV_PATH_SIZE];
	int ret;

	if (!lclone_lv_set_vg(&lv, vg)) {
		snprintf(lv.lv, sizeof(lv.lv), "%.*s", (int)sizeof(lv.lv) - 1, name);
		lclone_lv_path(&lv, path);
		if (lclone_dev_at(path) && (goes_on(f, path) || merges_into(name, path)))
			return keep_target(path) ?: lclone_merge_online(&f->merge);
	}
	ret = look(f, &clone, &status) ?: make_target(&clone, vg, &lv, path);
	if (ret)
		return ret;
	ret = lclone_wipe_recycled(path) ?: lclone_flatten_to(f, path, false);
	return ret < 0 ? unmake_target(name, &lv, path, ret) : ret;
}

/* In place: the kernel copies what lies below into the delta. */

/* Nodes of a tree with all chunks, in chunks */
static u64 tree_chunks(u64 chunks, u32 chunk_sectors)
{
	u32 level, top = lclone_tree_level(chunks);
	u64 blocks = 0;

	for (level = 0; level <= top; level++)
		blocks += (chunks + lclone_node_span(level) - 1) / lclone_node_span(level);
	return lclone_chunks(blocks * LCLONE_BLOCK_SECTORS, chunk_sectors);
}

/*
 * A chunk that the delta has already needs no space, but which those are only
 * the kernel knows: either all of the clone has room, or all that lies below
 * in what is free.
 */
static int check_space(const struct lclone_clone *clone, const struct lclone_status *s, bool layer,
		       u64 *bytes, u64 *missing)
{
	const struct lclone_sb *sb = &below.disk.delta.sb;
	u64 all = lclone_chunks(clone->sectors, s->chunk_sectors);
	u64 tree = tree_chunks(all, s->chunk_sectors), keep = lclone_reserve_chunks(sb) + tree;
	u64 free = s->total > s->used + keep ? s->total - s->used - keep : 0, need = 0, most;
	char needed[16], there[16], more[16];
	int err;

	err = lclone_below_chunks(&below, layer, &need);
	*bytes = need * s->chunk_sectors * 512;
	if (err || need <= free || all + keep <= s->total)
		return err;
	most = s->used + need < all ? s->used + need : all;
	*missing = (most + keep - s->total) * s->chunk_sectors;
	return lclone_fail(-ENOSPC, "%s: what lies below takes up to %s, and the delta has %s: extend its device by %s and run \"lclone resize %s\"",
			   clone->name, lclone_size_text(*bytes, needed),
			   lclone_size_text(free * s->chunk_sectors * 512, there),
			   lclone_size_text(*missing * 512, more),
			   clone->name);
}

/* A volume that was made for the delta gets what is missing; else that is an error as before. */
static int extend(const struct lclone_clone *clone, u64 missing, int err)
{
	const dev_t rdev = lclone_dev_number(clone->table.delta);
	char path[LCLONE_LV_PATH_SIZE];
	struct lclone_lv lv;

	if (err != -ENOSPC || lclone_lv_of(rdev, &lv) || lv.given)
		return err;
	lclone_lv_path(&lv, path);
	return lclone_lv_extend(rdev, path, lv.sectors + missing) ?:
	       lclone_dm_message(clone->name, "grow");
}

/* Somebody may have put another layer on top since it was looked for. */
static int refuse_another(const struct flatten *f, const struct lclone_clone *clone)
{
	const struct lclone_table *table = &clone->table;

	if (!f->layer || (table->parents && lclone_dev_at(f->layer) ==
			  lclone_dev_number(lclone_table_parent(table, table->parents - 1))))
		return 0;
	return lclone_fail(-EAGAIN, "%s does not lie right on %s any more: nothing is done",
			   clone->name, f->layer);
}

static int start_flatten(struct flatten *f, const struct lclone_clone *clone,
			 const struct lclone_status *status, bool layer)
{
	struct online *o = f->merge.online;
	static struct lclone_table table;
	int err;

	err = refuse_merging(clone) ?: refuse_another(f, clone);
	if (!err && layer && !clone->table.parents)
		err = lclone_fail(-ENOENT, "%s lies on no layer, but right on its base", clone->name);
	if (!err && !clone->table.parents && !strcmp(clone->table.base, "-"))
		err = lclone_fail(-ENOENT, "%s has neither base nor layers: there is nothing to flatten (volumes that it left: lclone scan)",
				  clone->name);
	if (err)
		return err;
	err = lclone_below_open(&below, clone, status->chunk_sectors);
	if (!err)
		err = check_space(clone, status, layer, &o->most, &f->missing);
	lclone_below_close(&below);
	note_below(f, &clone->table, layer);
	err = extend(clone, f->missing, err);
	if (err)
		return err;
	table = clone->table;
	table.features.rebase = false;		/* it has had its effect */
	table.features.flatten = !layer;
	table.features.flatten_layer = layer;
	return lclone_change_table(clone, &table);
}

/*
 * The word rebase has had its effect, and should not stay.  If somebody has closed the clone right
 * behind that, it is gone with the table, and what the clone has become is to be written down.
 */
static int drop_rebase(const char *name)
{
	static struct lclone_clone now;
	static struct lclone_table table;
	int err = lclone_dm_get(name, &now);

	if (!err && now.table.features.rebase) {
		table = now.table;
		table.features.rebase = false;
		err = lclone_change_table(&now, &table);
	}
	if (!err)
		return 0;
	lclone_why_hold();
	if (lclone_dm_get(name, &now) == -ENXIO)
		err = 0;
	lclone_why_release();
	return err;
}

/* A run that was killed has left what lies below: what may be left is the word. 1: so it was */
static int end_flatten(struct flatten *flatten, bool layer)
{
	const struct online *o = flatten->merge.online;
	static struct lclone_pending pending;
	static struct lclone_clone before, after;
	const struct lclone_features *f = &before.table.features;
	char target[32];
	int ret = lclone_dm_settle(o->name, &pending);

	if (ret <= 0)
		return ret;
	if (lclone_dm_line(pending.before, &before, target) || strcmp(target, LCLONE_TARGET) ||
	    lclone_dm_line(ret == 1 ? pending.after : pending.between, &after, target) ||
	    strcmp(target, LCLONE_TARGET) || lclone_flattens(&after.table.features) ||
	    !(layer ? f->flatten_layer : f->flatten) ||
	    (!strcmp(before.table.base, after.table.base) &&
	     before.table.parents == after.table.parents))
		return 0;
	(void)lclone_pending_adopt(o->name, &pending);	/* else another run ends it, too */
	snprintf(before.name, sizeof(before.name), "%s", o->name);
	return drop_rebase(o->name) ?: lclone_follow(&before, NULL, NULL) ?:
	       free_layers(flatten, &before.table, &after.table) ?: 1;
}

/*
 * The delta has it all.  A crash before this leaves a clone that still names what
 * it had below.
 */
static int leave_below(struct flatten *f, bool layer)
{
	const struct online *o = f->merge.online;
	static struct lclone_clone old;
	static struct lclone_table table;
	char names[LCLONE_PARENTS_SIZE];
	struct lclone_status status;
	int err;

	/*
	 * Somebody else may have waited, too, or have stopped it, or begun another: the
	 * table is asked for first, so that what the status says holds for it or a later one.
	 */
	err = lclone_look_at_writable(o, &old, &status);
	if (!err && (!(layer ? old.table.features.flatten_layer : old.table.features.flatten) ||
		     strcmp(status.task, "flattened")))
		err = lclone_fail(-ECANCELED, "%s: somebody else has ended or stopped it", o->name);
	if (err)
		return err;
	table = old.table;
	if (layer) {
		lclone_name_of(lclone_table_parent(&table, table.parents - 1), names);
		table.parents--;
	} else {
		lclone_names_below(&table, names, sizeof(names));
		strcpy(table.base, "-");
		table.parents = 0;
		table.features.base_cache = false;
	}
	table.features.flatten = false;
	table.features.flatten_layer = false;
	table.features.rebase = true;
	err = lclone_change_table(&old, &table);
	if (err)
		return err;
	f->leaves(o->ctx, o->name, names);
	return drop_rebase(o->name) ?: lclone_follow(&old, NULL, NULL) ?:
	       free_layers(f, &old.table, &table);
}

int lclone_flatten(struct flatten *flatten, bool layer)
{
	struct online *o = flatten->merge.online;
	static struct lclone_clone clone;
	const struct lclone_features *f = &clone.table.features;
	struct lclone_status status;
	int ret;

	ret = end_flatten(flatten, layer);
	if (ret > 0)
		flatten->leaves(o->ctx, o->name, NULL);
	if (ret)
		return ret < 0 ? ret : 0;
	ret = lclone_look_at_writable(o, &clone, &status);
	if (!ret && (layer ? f->flatten : f->flatten_layer))
		ret = lclone_fail(-EBUSY, "%s is being flattened, %s: end that first, or stop it",
				  o->name, layer ? "of all that lies below" :
						   "but only of its topmost layer");
	if (!ret && !lclone_flattens(f))
		ret = lclone_accept_base_online(&clone, NULL);
	if (!ret && (!lclone_flattens(f) || !strcmp(status.task, "flatten_failed"))) {
		ret = start_flatten(flatten, &clone, &status, layer);
		/* from here on the table says it; what is noted next began with a flatten */
		if (!ret)
			lclone_pending_end();
	}
	if (!ret)
		ret = lclone_set_rate(o);
	if (!ret)
		ret = lclone_wait_for_task(o, "flattened", layer ? "flatten --layer" : "flatten");
	return ret ?: leave_below(flatten, layer);
}

