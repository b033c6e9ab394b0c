// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/base.h"
#include "clone/delta-file.h"
#include "clone/protect.h"
#include "clone/super.h"
#include "clone/users.h"
#include "offline/rebase.h"

static int set_base(struct lclone_file *file, const struct lclone_delta *delta,
		    struct lclone_file *base, struct rebased *done)
{
	const struct lclone_sb *old = &delta->slot[delta->newest].sb;
	const u32 block_size = lclone_file_block_size(base);
	struct lclone_sb sb = *old;
	int err;

	err = lclone_size_fits(sb.virtual_sectors, block_size);
	if (!err && sb.block_size && block_size > sb.block_size)
		err = lclone_fail(-EFBIG, "%s has logical blocks of %u bytes, the clone was used with %u",
				  base->path, block_size, sb.block_size);
	if (!err)
		err = lclone_set_base_of(&sb, base);
	if (err)
		return err;
	snprintf(done->delta, sizeof(done->delta), "%s", file->path);
	snprintf(done->on, sizeof(done->on), "%s", base->path);
	done->base_sectors = sb.base_sectors;
	done->already = sb.base_sectors == old->base_sectors && sb.base_fp == old->base_fp &&
			!memcmp(sb.base_root, old->base_root, LCLONE_ROOT_SIZE);
	return done->already ? 0 : lclone_make_writable(file) ?: lclone_super_write(file, &sb);
}

int lclone_rebase(const char *path, const char *base_path, bool force, struct rebased *done)
{
	struct lclone_file file = { .fd = -1 }, base_file, *base;
	struct lclone_delta delta;
	int err;

	memset(&delta, 0, sizeof(delta));
	err = lclone_open_base(base_path, &base_file, &base);
	if (!err)
		err = lclone_open_delta(path, O_RDWR, &file, &delta);
	if (!err && lclone_delta_damaged_slot(&delta) >= 0)
		err = lclone_check_writable(&delta, path);
	if (base && lclone_file_same(&file, base))
		err = lclone_fail(-EBUSY, "%s cannot be base and delta at once", path);
	if (!err && delta.sb.base_fp_alg == LCLONE_FP_NONE)
		err = lclone_fail(-ESTALE, "%s has no base (\"-\")", path);
	if (!err && delta.sb.state & LCLONE_STATE_SEALED && delta.sb.state & LCLONE_STATE_MERGING)
		err = lclone_fail(-EBUSY, "%s is half written, or half merged: end that first", path);
	if (!err && delta.sb.state & LCLONE_STATE_MERGING)
		err = lclone_fail(-EBUSY, "%s is being merged into its base: end that first", path);
	if (!err)
		err = lclone_refuse_common_sectors(&file, base);
	if (!err && !force)
		err = lclone_refuse_as_base(base, "", NULL);
	if (!err && !force)
		err = lclone_same_but_larger(base, &delta.sb);
	if (!err)
		err = set_base(&file, &delta, base, done);
	lclone_close_delta(&file, &delta);
	lclone_close_base(base);
	return err;
}

/* The layer is the same one, but was repaired. */
static int set_parent(struct lclone_file *file, const struct lclone_delta *delta,
		      const char *parent_path, struct rebased *done)
{
	struct lclone_sb sb = delta->slot[delta->newest].sb, parent;
	u64 old = sb.parent_generation;
	char why[LCLONE_WHY_SIZE];
	int err;

	err = lclone_sb_of(parent_path, &parent);
	if (err)
		return err;
	sb.parent_generation = parent.generation;
	err = lclone_link_check(&sb, &parent, why);
	if (err)
		return lclone_fail(err, "%s: %s %s", file->path, parent_path, why);
	snprintf(done->delta, sizeof(done->delta), "%s", file->path);
	snprintf(done->on, sizeof(done->on), "%s", parent_path);
	done->generation = sb.parent_generation;
	done->already = sb.parent_generation == old;
	return done->already ? 0 : lclone_make_writable(file) ?: lclone_super_write(file, &sb);
}

int lclone_rebase_on_parent(const char *path, const char *parent_path, struct rebased *done)
{
	struct lclone_file file, parent = { .fd = -1 };
	struct lclone_delta delta;
	int err;

	err = lclone_open_delta(path, O_RDWR, &file, &delta);
	if (!err && lclone_delta_damaged_slot(&delta) >= 0)
		err = lclone_check_writable(&delta, path);
	if (!err)
		err = lclone_file_open(&parent, parent_path, O_RDONLY);
	if (!err)
		err = lclone_lock(&parent, LCLONE_LOCK_SHARED);
	if (!err)
		err = set_parent(&file, &delta, parent_path, done);
	lclone_file_close(&parent);
	lclone_close_delta(&file, &delta);
	return err;
}
