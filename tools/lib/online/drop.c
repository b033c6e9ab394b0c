// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/disk.h"
#include "clone/snapshot.h"
#include "clone/super.h"
#include "host/device.h"
#include "host/lv-extend.h"
#include "host/lv-lock.h"
#include "host/stack.h"
#include "offline/merge-parent.h"
#include "online/by-name.h"
#include "online/drop.h"
#include "online/follow.h"

static struct lclone_named named;
static struct lclone_layers layers;

/* Nothing but what is right above it in this chain may lie on it, on this host or another. */
static int refuse_needed(u32 at)
{
	const struct lclone_layer *layer = &layers.layer[at];
	const char *above = at ? layers.layer[at - 1].path : named.delta;
	struct lclone_inventory inv = { .count = 0 };
	struct lclone_sb child;
	int err;

	err = lclone_lv_have_alone(lclone_dev_at(layer->path)) ?:
	      lclone_sb_of(above, &child) ?: lclone_inventory_read_all(&inv) ?:
	      lclone_refuse_others(&inv, layer->path, &layer->sb, &child, lclone_dev_at(above));
	lclone_inventory_free(&inv);
	return err;
}

static bool is_of_snapshot(const struct lclone_lv *lv, const void *ctx)
{
	const struct drop *d = ctx;

	return lv->kind == LCLONE_LV_DELTA && !strcmp(lv->layer, d->clone) &&
	       !strcmp(lv->snapshot, d->snapshot) && !lv->given;
}

/* The volume of what a killed run has begun with; -ENOENT, with the sentence as it was */
static int find_begun(const struct drop *d, struct lclone_lv *lower)
{
	int ret;

	lclone_why_hold();
	ret = lclone_lv_find(is_of_snapshot, d, lower) ? -ENOENT : lclone_lv_activate(lower);
	lclone_why_release();
	return ret;
}

struct other {
	const char *uuid;
	const struct lclone_lv *but;
};

static bool is_other(const struct lclone_lv *lv, const void *ctx)
{
	const struct other *o = ctx;

	return !strcmp(lv->uuid, o->uuid) &&
	       (strcmp(lv->vg, o->but->vg) || strcmp(lv->lv, o->but->lv));
}

static int free_volume(const struct drop *d, const char *path)
{
	int ret = lclone_volume_free(path, d->clone);

	if (ret >= 0)
		d->told(d->ctx, path, ret ? "" : NULL);
	return ret < 0 ? ret : 0;
}

/* The lower one has the upper one's identity; the upper one is wiped, or (NULL) not known. */
static int end_merge(const struct drop *d, const char *upper, const char *lower)
{
	return (upper ? free_volume(d, upper) : 0) ?: lclone_follow_merged_tags(NULL, lower);
}

/* The lower one's volume gets the space for what the upper one has. */
static int make_room(const char *upper, const char *lower)
{
	const struct lclone_parents none = { .count = 0 };
	static struct disk disk;
	struct lclone_merge merge = { .chain = &disk.chain };
	struct lclone_merge_space space;
	u64 sectors = 0;
	int err;

	err = lclone_open_disk(upper, O_RDONLY, &none, &disk) ?:
	      lclone_merge_measure(&merge, &space);
	if (!err && space.needed > space.available)
		sectors = disk.chain.file[1]->dev.sectors +
			  (space.needed - space.available) * disk.delta.sb.chunk_sectors;
	lclone_close_disk(&disk);
	if (err || !sectors || !lclone_dev_is_lv(lclone_dev_at(lower)))
		return err;
	return lclone_lv_extend(lclone_dev_at(lower), lower, sectors);
}

static int merge_layers(struct drop *d, const char *upper, const char *lower)
{
	const struct lclone_parents none = { .count = 0 };
	int err;

	d->into->path = upper;
	err = make_room(upper, lower) ?: merge_into_parent(d->into, &none, d->merge);
	return err ?: end_merge(d, upper, lower);
}

static int flatten_layer(struct drop *d, const char *layer)
{
	bool opened;
	int err;

	d->flatten->layer = layer;
	err = lclone_open_meanwhile(d->clone, &opened) ?: lclone_flatten(d->flatten, true);
	err = lclone_close_again(d->clone, opened, err);
	return err ?: free_volume(d, layer);
}

/* A run that was killed has merged it, or only left to free what is not in the chain any more. */
static int end_begun(struct drop *d, const struct lclone_lv *lower)
{
	const struct lclone_parents none = { .count = 0 };
	char path[LCLONE_LV_PATH_SIZE], upper_path[LCLONE_LV_PATH_SIZE], uuid[37];
	struct lclone_lv upper;
	struct lclone_sb sb;
	int ret;

	lclone_lv_path(lower, path);
	ret = lclone_sb_of(path, &sb);
	if (ret && ret != -ENODATA)
		return ret;
	uuid_unparse_lower(sb.uuid, uuid);
	if (ret == -ENODATA || !strcmp(uuid, lower->uuid))
		return free_volume(d, path);
	ret = lclone_lv_find(is_other, &(struct other){ uuid, lower }, &upper);
	if (ret)
		return ret < 0 ? ret : end_merge(d, NULL, path);
	lclone_lv_path(&upper, upper_path);
	d->into->path = upper_path;
	ret = lclone_lv_activate(&upper) ?: merge_into_parent(d->into, &none, d->merge);
	return ret && ret != -ENODATA ? ret : end_merge(d, upper_path, path);
}

static void free_found(void)
{
	lclone_layers_free(&layers);
	lclone_named_free(&named);
}

int lclone_may_drop_snapshot(const struct drop *d)
{
	struct lclone_lv lower;
	u32 at;
	int err = lclone_snapshot_find(d->clone, d->snapshot, &named, &layers, &at);

	if (!err)
		err = refuse_needed(at);
	else if (err == -ENOENT)
		err = find_begun(d, &lower);
	free_found();
	return err;
}

int lclone_drop_snapshot(struct drop *d)
{
	struct lclone_lv lower;
	u32 at;
	int err = lclone_snapshot_find(d->clone, d->snapshot, &named, &layers, &at);

	if (err == -ENOENT && !find_begun(d, &lower))
		err = end_begun(d, &lower);
	else if (!err && !at)
		err = refuse_needed(at) ?: flatten_layer(d, layers.layer[0].path);
	else if (!err)
		err = refuse_needed(at) ?:
		      merge_layers(d, layers.layer[at - 1].path, layers.layer[at].path);
	free_found();
	return err;
}
