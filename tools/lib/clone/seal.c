// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/seal.h"
#include "host/stack.h"
#include "host/verity.h"

/*
 * What people know it by: a template keeps its name when its volume is renamed, another base has only
 * that of its volume.  Whose a tree is, its id says, which a volume made anew under the name has not;
 * in a copy of the whole group (vgimportclone) volumes have the same ids.
 */
static const char *name_of(const struct lclone_lv *base)
{
	return lclone_lv_is_base(base) ? base->name : base->lv;
}

const struct lclone_lv *lclone_seal_in(const struct lclone_lv *lvs, size_t count,
				       const struct lclone_lv *base)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (lvs[i].kind == LCLONE_LV_VERITY && base->id[0] &&
		    !strcmp(lvs[i].of, base->id) && !strcmp(lvs[i].vg, base->vg))
			return &lvs[i];
	return NULL;
}

/* The volume that has this device, and what has its tree, if anything has */
static int find(dev_t rdev, struct lclone_lv *base, struct lclone_lv *tree)
{
	const struct lclone_lv *found, *seal;
	struct lclone_lv *lvs;
	size_t count;
	int err;

	*tree = (struct lclone_lv){ .kind = LCLONE_LV_NONE };
	if (!lclone_dev_is_lv(rdev))
		return 1;
	err = lclone_lv_list_all(&lvs, &count);
	if (err)
		return err;
	found = lclone_lv_at(lvs, count, rdev);
	seal = found ? lclone_seal_in(lvs, count, found) : NULL;
	if (found)
		*base = *found;
	if (seal)
		*tree = *seal;
	free(lvs);
	return !found;
}

int lclone_seal_find(dev_t rdev, struct lclone_lv *tree, u8 root[LCLONE_ROOT_SIZE])
{
	struct lclone_lv base;
	int ret = find(rdev, &base, tree);

	return ret ?: lclone_root_parse(tree->root, root) != 0;
}

/* The volume NAME-verity of the size that superblock and tree need */
static int choose_volume(const struct lclone_lv *base, const struct lclone_file *data,
			 struct lclone_lv *tree)
{
	const u64 blocks = (data->dev.sectors << 9) / data->logical_block;
	char first[LCLONE_NAME_SIZE];

	*tree = (struct lclone_lv){ .kind = LCLONE_LV_VERITY };
	tree->sectors = lclone_verity_size(blocks, LCLONE_VERITY_BLOCK) >> 9;
	snprintf(tree->vg, sizeof(tree->vg), "%s", base->vg);
	snprintf(tree->name, sizeof(tree->name), "%s", name_of(base));
	snprintf(tree->of, sizeof(tree->of), "%s", base->id);
	if (snprintf(first, sizeof(first), "%s-verity", base->lv) >= (int)sizeof(first))
		return lclone_fail(-ENAMETOOLONG, "%s is too long a name", base->lv);
	return lclone_lv_free_name(base->vg, first, tree->lv);
}

static int fill(const struct lclone_file *data, const struct lclone_watch *watch,
		struct lclone_lv *tree)
{
	char path[LCLONE_LV_PATH_SIZE];
	struct lclone_lv whole = *tree;
	u8 root[LCLONE_ROOT_SIZE];
	struct lclone_file file;
	int err;

	lclone_lv_path(tree, path);
	err = lclone_file_open(&file, path, O_RDWR | O_EXCL);
	if (!err)
		err = lclone_verity_make(data, &file, watch, root);
	lclone_file_close(&file);
	if (err)
		return err;
	lclone_root_text(root, whole.root);
	whole.read_only = true;
	err = lclone_lv_retag(tree, &whole);
	if (!err)
		*tree = whole;
	return err;
}

static int make(const struct lclone_lv *base, const struct lclone_file *data,
		const struct lclone_watch *watch, struct lclone_lv *tree)
{
	int err, left;

	err = choose_volume(base, data, tree) ?: lclone_lv_create(tree);
	if (err)
		return err;
	err = fill(data, watch, tree);
	if (!err)
		return 0;
	lclone_why_hold();
	left = lclone_lv_remove(tree);
	lclone_why_release();
	return left ? lclone_fail(err, "%s; and the volume %s/%s could not be removed",
				  lclone_why(), tree->vg, tree->lv) : err;
}

/* A tree that has the base's name, and is of a volume that is no more, is another's of that name. */
static bool is_left_over(const struct lclone_lv *lvs, size_t count, const struct lclone_lv *tree,
			 const struct lclone_lv *base)
{
	size_t i;

	if (tree->kind != LCLONE_LV_VERITY || strcmp(tree->vg, base->vg) ||
	    strcmp(tree->name, name_of(base)))
		return false;
	for (i = 0; i < count; i++)
		if (!strcmp(lvs[i].id, tree->of))
			return false;
	return true;
}

static int remove_left_over(const struct lclone_lv *base)
{
	struct lclone_lv *lvs;
	size_t count, i;
	int err;

	err = lclone_lv_list_all(&lvs, &count);
	for (i = 0; !err && i < count; i++)
		if (is_left_over(lvs, count, &lvs[i], base))
			err = lclone_lv_remove(&lvs[i]);
	free(lvs);
	return err;
}

/* @data is locked: nobody of us writes to it.  Of two that make a tree LVM lets one remove no other's. */
int lclone_seal_locked(struct lclone_file *data, const struct lclone_watch *watch,
		       struct lclone_lv *base, struct lclone_lv *tree, bool *already)
{
	int ret = find(data->rdev, base, tree);

	*already = !ret && tree->root[0];
	if (ret == 1)
		return lclone_fail(-ENOTBLK, "%s is no volume of LVM's: there is no place beside it for a verity tree",
				   data->path);
	if (ret || *already)
		return ret;
	if (tree->kind == LCLONE_LV_VERITY)
		ret = lclone_lv_remove(tree);
	lclone_lv_path(base, data->path);	/* libcryptsetup has to open it, too */
	return ret ?: remove_left_over(base) ?: make(base, data, watch, tree);
}

int lclone_seal_lock(const char *path, struct lclone_file *file)
{
	return lclone_verity_can_make() ?: lclone_file_open_ready(file, path, O_RDONLY) ?:
	       lclone_lock(file, LCLONE_LOCK_SHARED) ?: lclone_file_not_mounted_rw(file);
}

int lclone_seal_make(const struct lclone_lv *base, const struct lclone_watch *watch,
		     struct lclone_lv *tree)
{
	struct lclone_file file = { .fd = -1 };
	char path[LCLONE_LV_PATH_SIZE];
	struct lclone_lv same;
	bool already;
	int err;

	lclone_lv_path(base, path);
	err = lclone_seal_lock(path, &file) ?:
	      lclone_seal_locked(&file, watch, &same, tree, &already);
	lclone_file_close(&file);
	return err;
}

int lclone_seal_drop(dev_t rdev, char path[LCLONE_LV_PATH_SIZE])
{
	struct lclone_lv base, tree;
	int ret = find(rdev, &base, &tree);

	path[0] = '\0';
	if (ret || tree.kind != LCLONE_LV_VERITY)
		return ret < 0 ? ret : 0;
	ret = lclone_lv_remove(&tree);
	if (!ret)
		lclone_lv_path(&tree, path);
	return ret;
}

int lclone_seal_root(const struct lclone_file *base, u8 root[LCLONE_ROOT_SIZE])
{
	struct lclone_lv tree;
	int ret;

	memset(root, 0, LCLONE_ROOT_SIZE);
	if (!base || !base->block)
		return 0;
	ret = lclone_seal_find(base->rdev, &tree, root);
	return ret < 0 ? ret : 0;
}
