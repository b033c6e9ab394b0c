// SPDX-License-Identifier: GPL-2.0-only
/* A delta is merged into its base: everything is looked at before anything is written. */
#include <errno.h>
#include <fcntl.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/base.h"
#include "clone/delta-file.h"
#include "clone/protect.h"
#include "clone/seal.h"
#include "clone/super.h"
#include "offline/into-base.h"
#include "offline/merge.h"

/* As it was recorded, or enlarged since: then that is recorded when all else is right. */
static int check_base(struct lclone_delta *delta, struct lclone_file *base, bool *grown)
{
	*grown = lclone_base_has_grown(base, &delta->sb);
	return *grown ? lclone_same_but_larger(base, &delta->sb) :
			lclone_verify_base_of_merge(delta, base);
}

static int record_grown(struct lclone_file *file, struct lclone_delta *delta,
			const struct lclone_file *base)
{
	struct lclone_sb sb = delta->slot[delta->newest].sb;
	int err;

	err = lclone_set_base_of(&sb, base);
	if (!err)
		err = lclone_super_write(file, &sb);
	if (err)
		return err;
	lclone_delta_close(delta);
	err = lclone_delta_open(delta, &file->dev);
	return err ? lclone_fail(err, "%s: %s", file->path, delta->why) : 0;
}

/* 1: what is merged already says that this is the base; 0: it fits */
static int open_and_check_base(const char *path, int flags, struct lclone_delta *delta,
			       struct lclone_file *base, bool *grown)
{
	int ret;

	ret = lclone_file_open_ready(base, path, flags);
	if (!ret)
		ret = check_base(delta, base, grown);
	if (ret >= 0 && base->dev.sectors < delta->sb.virtual_sectors)
		ret = lclone_fail(-EFBIG, "%s has %s, less than the clone's %s", path,
				  LCLONE_SIZE(base->dev.sectors),
				  LCLONE_SIZE(delta->sb.virtual_sectors));
	return ret;
}

/* The base is not kept from others meanwhile. */
static int confirm(const char *path, struct lclone_delta *delta, dev_t rdev, lclone_ask_fn ask)
{
	struct lclone_file base;
	bool grown;
	int ret;

	ret = open_and_check_base(path, O_RDONLY, delta, &base, &grown);
	if (!ret)
		ret = lclone_confirm_merge_into_base(&base, &delta->sb, rdev, NULL, ask);
	lclone_file_close(&base);
	return ret < 0 ? ret : 0;
}

int merge_into_base(const char *base_path, const char *delta_path, struct lclone_merge *merge,
		    lclone_ask_fn ask, char tree[LCLONE_LV_PATH_SIZE])
{
	struct lclone_file delta_file, base = { .fd = -1 };
	struct lclone_delta delta;
	struct lclone_chain chain = { 1, { &delta }, { &delta_file } };
	bool grown = false;
	int err;

	tree[0] = '\0';

	err = lclone_open_delta(delta_path, O_RDWR, &delta_file, &delta);
	if (!err)
		err = lclone_check_writable(&delta, delta_path);
	if (!err && lclone_has_parent(&delta.sb))
		err = lclone_fail(-EBUSY, "%s lies on another layer, and not on the base: it cannot be merged into the base",
				  delta_path);
	if (!err)
		err = lclone_refuse_damaged(&delta_file);
	if (!err && ask)
		err = confirm(base_path, &delta, delta_file.rdev, ask);
	if (!err)
		err = open_and_check_base(base_path, O_RDWR | O_EXCL, &delta, &base, &grown);
	if (err >= 0)
		err = lclone_may_merge_into_base(&base, &delta.sb, delta_file.rdev, NULL);
	if (!err)
		err = lclone_make_writable(&base);
	if (!err && grown)
		err = record_grown(&delta_file, &delta, &base);
	merge->chain = &chain;
	merge->base = &base;
	merge->target = &base;
	if (!err)
		err = lclone_seal_drop(base.rdev, tree) ?: lclone_merge_into_base(merge);
	lclone_file_close(&base);
	lclone_close_delta(&delta_file, &delta);
	return err;
}
