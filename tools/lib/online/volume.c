// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/name.h"
#include "clone/snapshot.h"
#include "clone/super.h"
#include "format/delta.h"
#include "host/device.h"
#include "host/file.h"
#include "host/lock.h"
#include "host/lv-lock.h"
#include "host/tab.h"
#include "offline/remove.h"
#include "online/create.h"
#include "online/volume.h"

static int choose_group(const struct lclone_clone *clone, const struct volume_wish *wish,
			struct lclone_lv *lv)
{
	char delta[PATH_MAX], old[LCLONE_NAME_SIZE];

	if (wish->vg)
		return lclone_lv_set_vg(lv, wish->vg);
	if (!lclone_lv_names(lclone_dev_number(clone->table.delta), lv->vg, old))
		return 0;
	lclone_name_of(clone->table.delta, delta);
	return lclone_fail(-ERANGE, "%s is no logical volume: say which device is to be the next delta (--to), or in which group one is to be made (--vg)",
			   delta);
}

/* Of the names that lclone_lv_free_name() gives: what a run has not kept, that may have been killed */
static bool is_half_made(const struct lclone_lv *lv, const char *vg, const char *first)
{
	const size_t len = strlen(first);

	return lv->is_new && !lv->name[0] && !strcmp(lv->vg, vg) && !strncmp(lv->lv, first, len) &&
	       strspn(lv->lv + len, "0123456789") == strlen(lv->lv + len);
}

/* All that the list has of it; 1: it is to be asked for anew. */
static int remove_half_made(const struct lclone_lv *lvs, size_t count, const char *vg,
			    const char *first, int *lock)
{
	char path[LCLONE_LV_PATH_SIZE];
	int err = 0, some = 0;
	size_t i;

	for (i = 0; !err && i < count; i++) {
		if (!is_half_made(&lvs[i], vg, first))
			continue;
		some = 1;
		if (*lock < 0)
			*lock = lclone_lock_creation(LCLONE_LOCK_EXCLUSIVE);
		lclone_lv_path(&lvs[i], path);
		err = *lock < 0 ? *lock : lclone_lv_activate(&lvs[i]) ?:
		      lclone_remove_half_made(&lvs[i], path);
	}
	if (!err && *lock < 0)
		*lock = lclone_lock_creation(LCLONE_LOCK_SHARED);
	return err ?: *lock < 0 ? *lock : some;
}

/* Which it is to be, and of which template, as LVM's list has it */
static int choose_name(const struct lclone_clone *clone, struct lclone_lv *lv, int *lock)
{
	const dev_t delta = lclone_dev_number(clone->table.delta);
	const struct lclone_lv *old;
	char first[LCLONE_NAME_SIZE];
	struct lclone_lv *lvs;
	size_t count;
	int ret;

	strcpy(first, lv->lv);
	ret = lclone_lv_list_all(&lvs, &count) ?:
	      remove_half_made(lvs, count, lv->vg, first, lock);
	if (ret > 0) {
		free(lvs);
		ret = lclone_lv_list_all(&lvs, &count);
	}
	old = ret ? NULL : lclone_lv_at(lvs, count, delta);
	if (old)
		strcpy(lv->from, old->from);
	ret = ret ?: lclone_lv_free_name_of(lvs, count, lv->vg, first, lv->lv);
	free(lvs);
	return ret;
}

int lclone_volume_make(const struct lclone_clone *clone, const struct volume_wish *wish,
		       struct lclone_lv *lv, u8 uuid[LCLONE_UUID_SIZE], int *lock)
{
	char path[LCLONE_LV_PATH_SIZE];
	int err;

	*lock = -1;
	*lv = (struct lclone_lv){ .kind = LCLONE_LV_DELTA };
	err = lclone_delta_lv(lv, clone->name, uuid) ?: choose_group(clone, wish, lv);
	if (err)
		return err;
	lv->name[0] = '\0';		/* the clone has another one till now */
	lv->sectors = wish->sectors ?: lclone_small_delta(clone->sectors);
	err = choose_name(clone, lv, lock) ?: lclone_lv_create(lv);
	if (err)
		return err;
	lclone_lv_path(lv, path);
	err = lclone_wipe_recycled(path);
	return err ? lclone_volume_unmake(lv, err) : 0;
}

int lclone_volume_unmake(const struct lclone_lv *lv, int err)
{
	int left;

	lclone_why_hold();
	left = lclone_lv_remove(lv);
	lclone_why_release();
	return left ? lclone_fail(err, "%s; and the volume %s/%s could not be removed", lclone_why(),
				  lv->vg, lv->lv) : err;
}

static bool has(const struct lclone_table *table, const char *number)
{
	u32 i;

	for (i = 0; table && i < table->parents; i++)
		if (!strcmp(lclone_table_parent(table, i), number))
			return true;
	return table && !strcmp(table->delta, number);
}

static int drop(struct dropped *dropped, const struct lclone_table *now, const char *number)
{
	char path[PATH_MAX];

	if (has(now, number))
		return 0;
	lclone_name_of(number, path);
	if (path[0] != '/')	/* it is gone already */
		return 0;
	dropped->path[dropped->count] = strdup(path);
	return dropped->path[dropped->count++] ? 0 : lclone_fail(-ENOMEM, "out of memory");
}

int lclone_dropped(const struct lclone_table *before, const struct lclone_table *now,
		   struct dropped *dropped)
{
	u32 i;
	int err;

	dropped->count = 0;
	err = drop(dropped, now, before->delta);
	for (i = before->parents; !err && i; i--)
		err = drop(dropped, now, lclone_table_parent(before, i - 1));
	return err;
}

void lclone_dropped_free(struct dropped *dropped)
{
	while (dropped->count)
		free(dropped->path[--dropped->count]);
}

static bool names(const struct lclone_tab_entry *entry, dev_t rdev)
{
	char device[PATH_MAX];
	const char *at = NULL;

	if (lclone_dev_at(entry->delta) == rdev)
		return true;
	while (lclone_tab_parent(entry, &at, device))
		if (lclone_dev_at(device) == rdev)
			return true;
	return false;
}

/*
 * What lies on it may be on a disk that is not there, and then only notes tell of it: a line of
 * another clone that names it, or a clone that is not gone and whose layer it is.
 */
static int refuse_noted(const char *path, const struct lclone_lv *lv, const char *clone)
{
	const bool others = lv->layer[0] && strcmp(lv->layer, clone);
	const dev_t rdev = lclone_dev_at(path);
	static struct lclone_named named;
	struct lclone_tab tab;
	size_t i;
	int err = lclone_tab_read(&tab, NULL, NULL);

	for (i = 0; !err && i < tab.count; i++)
		if (strcmp(tab.entry[i].name, clone) && names(&tab.entry[i], rdev))
			err = lclone_fail(-EBUSY, "%s has it (%s, line %u)", tab.entry[i].name,
					  lclone_tab_path(), tab.entry[i].line);
	lclone_tab_free(&tab);
	if (err || !others)
		return err;
	lclone_why_hold();
	err = lclone_name_find(lv->layer, &named);
	lclone_named_free(&named);
	lclone_why_release();
	return err == -ENXIO || err == -EINVAL ? 0 :
	       lclone_fail(-EBUSY, "it is a layer of %s", lv->layer);
}

/* 1: it is not ours to remove.  One with a name has got the number of what was dropped since. */
static int may_free(const char *path, const char *clone, struct lclone_lv *lv)
{
	int ret = lclone_lv_of(lclone_dev_at(path), lv);

	if (ret || lv->kind != LCLONE_LV_DELTA || lv->given || lv->name[0] || lv->is_new)
		return ret ?: 1;
	return lclone_lv_refuse_origin(lv) ?: refuse_noted(path, lv, clone);
}

int lclone_refuse_data(const char *path)
{
	struct lclone_file file;
	int err = lclone_file_open(&file, path, O_RDONLY) ?: lclone_file_no_signature(&file);

	lclone_file_close(&file);
	return err;
}

int lclone_volume_free(const char *path, const char *clone)
{
	struct lclone_lv lv;
	int ret = may_free(path, clone, &lv);

	if (ret)
		return ret;
	ret = lclone_remove_delta(path);
	if (ret == -ENODATA)		/* it was wiped already */
		ret = lclone_refuse_data(path);
	return ret ?: lclone_lv_remove(&lv);
}

static int add_tagged(const struct lclone_lv *lv, struct lclone_layers *layers)
{
	struct lclone_layer *layer = &layers->layer[layers->count];
	char path[LCLONE_LV_PATH_SIZE];
	int err = lclone_lv_activate(lv);

	if (err || layers->count == LCLONE_LAYERS_MAX)
		return err;
	lclone_lv_path(lv, path);
	(void)lclone_sb_of(path, &layer->sb);	/* whatever is wrong with it */
	layer->path = strdup(path);
	layers->count += !!layer->path;
	return layer->path ? 0 : lclone_fail(-ENOMEM, "out of memory");
}

/* A run that was killed has wiped the delta: nothing but tags leads to what it had below. */
static int find_tagged(const char *clone, struct lclone_layers *layers)
{
	struct lclone_lv *lvs;
	size_t count, i;
	int err;

	err = lclone_lv_list(&lvs, &count);
	for (i = 0; !err && i < count; i++)
		if (lvs[i].kind == LCLONE_LV_DELTA && !strcmp(lvs[i].layer, clone))
			err = add_tagged(&lvs[i], layers);
	free(lvs);
	return err;
}

/* Does it go, once @above, with the superblock @child, is gone? */
static bool goes(struct lclone_inventory *inv, const char *clone, const struct lclone_layer *layer,
		 const char *above, const struct lclone_sb *child)
{
	struct lclone_lv lv;

	return !may_free(layer->path, clone, &lv) &&
	       !lclone_refuse_others(inv, layer->path, &layer->sb, child, lclone_dev_at(above));
}

int lclone_volumes_below(const char *clone, const char *delta, struct lclone_layers *layers)
{
	struct lclone_inventory inv = { .count = 0 };
	const char *above = delta;
	struct lclone_sb child;
	u32 i;
	int err = lclone_sb_of(delta, &child);

	layers->count = 0;
	if (err)
		return err == -ENODATA ? find_tagged(clone, layers) : 0;
	lclone_why_hold();
	(void)lclone_layers_read(delta, layers);	/* as far as they are found */
	for (i = 0; i < layers->count; i++) {
		if (!goes(&inv, clone, &layers->layer[i], above, &child))
			break;
		above = layers->layer[i].path;
		child = layers->layer[i].sb;
	}
	lclone_why_release();
	lclone_inventory_free(&inv);
	while (layers->count > i)
		free(layers->layer[--layers->count].path);
	return 0;
}

int lclone_volume_keep(const char *path)
{
	struct lclone_lv lv, kept;
	int ret = lclone_lv_of(lclone_dev_at(path), &lv);

	if (ret || lv.kind != LCLONE_LV_DELTA || lv.given || lv.name[0] || lv.is_new)
		return ret < 0 ? ret : 0;
	kept = lv;
	kept.given = true;
	return lclone_lv_retag(&lv, &kept);
}

void lclone_dropped_remove(const struct dropped *dropped, const char *clone, freed_fn told,
			   void *ctx)
{
	u32 i;
	int ret;

	for (i = 0; i < dropped->count; i++) {
		ret = lclone_volume_free(dropped->path[i], clone);
		told(ctx, dropped->path[i], ret < 0 ? lclone_why() : ret ? "" : NULL);
	}
}

static bool is_delta_of(const struct lclone_lv *lv, const void *clone)
{
	return lv->kind == LCLONE_LV_DELTA && lv->active && !strcmp(lv->name, clone);
}

static int free_empty(const struct lclone_lv *lv, const char *path)
{
	struct lclone_delta delta;
	struct lclone_file file;
	int err;

	err = lclone_file_open_ready(&file, path, O_RDONLY | O_EXCL);
	if (!err && lclone_delta_open_sb(&delta, &file.dev) != -ENODATA)
		err = lclone_fail(-EADDRINUSE, "%s has something else by now", path);
	err = err ?: lclone_file_no_signature(&file);
	lclone_file_close(&file);
	return err ?: lclone_lv_remove(lv);
}

void lclone_free_merged(const char *clone, const char *delta, bool keep, freed_fn told, void *ctx)
{
	char path[LCLONE_LV_PATH_SIZE];
	struct lclone_lv lv;
	int ret;

	ret = delta[0] ? lclone_lv_of(lclone_dev_at(delta), &lv) :
	      lclone_lv_find(is_delta_of, clone, &lv);
	if (ret < 0)
		told(ctx, delta[0] ? delta : clone, lclone_why());
	if (ret)
		return;
	lclone_lv_path(&lv, path);
	if (lv.given || keep) {
		ret = lclone_lv_drop_tags(&lv);
		if (ret)
			told(ctx, path, lclone_why());
		return;
	}
	ret = free_empty(&lv, path);
	told(ctx, path, ret ? lclone_why() : NULL);
}
