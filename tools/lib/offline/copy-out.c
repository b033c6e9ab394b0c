// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/base.h"
#include "clone/disk.h"
#include "clone/protect.h"
#include "clone/super.h"
#include "clone/users.h"
#include "host/part.h"
#include "offline/copy-out.h"
#include "offline/head.h"
#include "offline/merge.h"

static int may_write(const struct lclone_file *target, const struct lclone_chain *chain, bool force)
{
	if (lclone_head_is_note(target))
		return 0;
	if (!force && lclone_file_no_signature(target))
		return lclone_fail(-EADDRINUSE, "%s (--force: overwrite it)", lclone_why());
	return lclone_refuse_base_of_others(target, chain, !lclone_file_is_blank(target), NULL) ?:
	       lclone_make_writable(target);
}

/* A device must be large enough and not be of this clone, or a delta itself. */
static int open_target_device(const char *path, struct lclone_file *target,
			      const struct lclone_chain *chain, const struct lclone_file *base,
			      bool force)
{
	u64 sectors = chain->delta[0]->sb.virtual_sectors;
	struct lclone_delta other;
	bool ours;
	u32 i;
	int err, unread;

	err = lclone_file_open_ready(target, path, O_RDWR | O_EXCL);
	ours = base && lclone_file_same(target, base);
	for (i = 0; i < chain->count; i++)
		ours |= lclone_file_same(target, chain->file[i]);
	if (ours)
		return lclone_fail(-EBUSY, "%s is part of the clone (--into-base merges into the base)",
				   path);
	if (!err && base)
		err = lclone_refuse_common_sectors(target, base);
	for (i = 0; !err && i < chain->count; i++)
		err = lclone_refuse_common_sectors(target, chain->file[i]);
	if (err)
		return err;
	if (target->dev.sectors < sectors)
		return lclone_fail(-EFBIG, "%s has %s, less than the clone's %s", path,
				   LCLONE_SIZE(target->dev.sectors), LCLONE_SIZE(sectors));
	err = lclone_delta_open_sb(&other, &target->dev);
	unread = lclone_refuse_unread(path, &other, err);
	lclone_delta_close(&other);
	if (err == -ENODATA || err == -EINVAL)
		return may_write(target, chain, force);
	return unread ?: lclone_fail(-EADDRINUSE, "%s holds an lclone delta: remove that first", path);
}

/* Locks keep out lclone only; a base may have been mounted since, or written by anybody. */
int lclone_copy_unchanged(const struct lclone_merge *merge)
{
	struct lclone_file *base = merge->base;
	int err = lclone_chain_unchanged(merge->chain);

	if (!err && base)
		err = lclone_file_not_mounted_rw(base) ?:
		      lclone_verify_base(merge->chain->delta[0], base);
	if (err && err != -EBUSY)
		err = lclone_fail(-EBUSY, "%s: that was changed while it was read: what was copied is of no use",
				  lclone_why());
	return err;
}

static int copy(struct lclone_merge *merge, struct lclone_file *target)
{
	int err;

	merge->target = target;
	err = lclone_merge_to(merge);
	if (err == -EINTR)
		err = lclone_fail(err, "interrupted: %s has a part of the copy; run again, it begins anew",
				  merge->target->path);
	return err ?: lclone_copy_unchanged(merge);
}

static int copy_to_file(struct lclone_merge *merge, const char *path)
{
	static struct lclone_part part;
	int err;

	err = lclone_part_open(&part, path, merge->chain->delta[0]->sb.virtual_sectors);
	merge->target_is_zero = true;
	if (!err)
		err = copy(merge, &part.file);
	if (!err)
		err = lclone_part_finish(&part);
	lclone_part_close(&part);
	return err;
}

static int copy_to_device(struct lclone_merge *merge, const char *path, bool force)
{
	struct lclone_file target;
	int err;

	err = open_target_device(path, &target, merge->chain, merge->base, force);
	if (!err)
		err = lclone_head_begin(merge->chain, &target, &merge->first);
	if (!err)
		err = copy(merge, &target);
	if (!err)
		err = lclone_head_end(merge->chain, merge->base, &target);
	lclone_file_close(&target);
	return err;
}

static int copy_to(struct lclone_merge *merge, const struct copy_target *to)
{
	struct stat st;

	if (stat(to->path, &st))
		return copy_to_file(merge, to->path);
	if (S_ISREG(st.st_mode))
		return lclone_fail(-EEXIST, "%s exists", to->path);
	return copy_to_device(merge, to->path, to->force);
}

int lclone_copy_out(const char *base_path, const char *delta_path,
		    const struct lclone_parents *parents, const struct copy_target *to,
		    struct lclone_merge *merge)
{
	static struct lclone_pair pair;
	u32 i;
	int err;

	err = lclone_open_pair(base_path, delta_path, parents, &pair);
	for (i = 0; !err && i < pair.disk.chain.count; i++)
		err = lclone_refuse_damaged(pair.disk.chain.file[i]);
	merge->chain = &pair.disk.chain;
	merge->base = pair.base;
	if (!err)
		err = copy_to(merge, to);
	lclone_close_pair(&pair);
	return err;
}
