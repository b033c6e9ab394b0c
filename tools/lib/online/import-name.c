// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/base.h"
#include "clone/protect.h"
#include "clone/snapshot.h"
#include "clone/super.h"
#include "clone/users.h"
#include "host/lock.h"
#include "host/lv.h"
#include "host/tab.h"
#include "offline/template.h"
#include "online/deploy.h"
#include "online/import-name.h"

struct layer {
	struct lclone_lv lv;
	char path[LCLONE_LV_PATH_SIZE];
	struct lclone_sb sb;
	bool made;			/* by this run */
};

struct plan {
	const struct lclone_import_name *in;
	struct lclone_image_chain images;
	struct lclone_import import;
	struct lclone_lv template;
	struct lclone_lv kept;		/* the delta, if there is one: a killed run may have made it */
	char base[LCLONE_LV_PATH_SIZE];
	const char *vg;
	struct layer layer[LCLONE_LAYERS_MAX];
	struct lclone_import_below below;	/* these layers, bottom first */
	struct lclone_lv *lvs;
	size_t count;
};

/* Names */

static int refuse_kept(const struct plan *p)
{
	return lclone_fail(-EEXIST, "%s is a clone already: its delta is on %s/%s", p->kept.name,
			   p->kept.vg, p->kept.lv);
}

/*
 * One that a run which was killed has begun is no reason: who makes the clone looks at that.  Nor is
 * one that such a run has kept, and has not come to enter: that is looked at when there are layers.
 */
static int refuse_taken(struct plan *p)
{
	const char *name = p->in->name;
	const struct lclone_lv *lv;
	struct lclone_tab tab;
	bool entered;
	size_t i;
	int err;

	err = lclone_tab_read(&tab, NULL, NULL);
	entered = !err && lclone_tab_find(&tab, name);
	lclone_tab_free(&tab);
	for (i = 0; !err && i < p->count; i++) {
		lv = &p->lvs[i];
		if (lv->kind == LCLONE_LV_DELTA && !strcmp(lv->name, name) && lv->is_new)
			return 0;
		if (lv->kind == LCLONE_LV_DELTA && !strcmp(lv->name, name))
			p->kept = *lv;
	}
	if (entered)
		err = lclone_fail(-EEXIST, "%s is a clone already, in %s", name, lclone_tab_path());
	else if (!err && p->kept.lv[0])
		err = strcmp(p->kept.from, p->template.name) ? refuse_kept(p) : 0;
	else if (!err)
		err = lclone_check_free_name(name);
	return err;
}

static bool is_taken(const struct plan *p, const char *snapshot)
{
	u32 i;

	for (i = 0; i < p->below.layers.count; i++)
		if (!strcmp(p->layer[i].lv.snapshot, snapshot))
			return true;
	return false;
}

/* By the name of its file, if a snapshot can have that name, else by its number */
static int name_layer(const struct plan *p, const struct lclone_image_file *file,
		      struct lclone_lv *lv, char label[LCLONE_LABEL_SIZE])
{
	static const char *const suffixes[] = { ".qcow2", ".vmdk", ".vhd", ".img", ".raw" };
	const char *name = strrchr(file->path, '/') + 1;
	size_t len = strlen(name), i, n;
	char stem[LCLONE_NAME_SIZE];
	int err;

	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		n = strlen(suffixes[i]);
		if (len > n && !strcasecmp(name + len - n, suffixes[i]))
			len -= n;
	}
	snprintf(stem, sizeof(stem), "%.*s", (int)len, name);
	err = lclone_snapshot_label(p->in->name, stem, label);
	if (err || is_taken(p, stem)) {
		snprintf(stem, sizeof(stem), "import%u", p->below.layers.count + 1);
		err = lclone_snapshot_label(p->in->name, stem, label);
	}
	if (err)
		return err;
	snprintf(lv->layer, sizeof(lv->layer), "%s", p->in->name);
	snprintf(lv->snapshot, sizeof(lv->snapshot), "%s", stem);
	return 0;
}

/* A layer that is there */

static bool may_be(const struct plan *p, const struct lclone_sb *sb)
{
	const struct lclone_sb *below = p->below.layers.count ? &p->below.last : NULL;
	const u32 chunk_sectors = p->in->chunk_sectors;

	if (!(sb->state & LCLONE_STATE_SEALED) || lclone_half_written(sb) ||
	    (chunk_sectors && sb->chunk_sectors != chunk_sectors))
		return false;
	return below ? !memcmp(sb->parent_uuid, below->uuid, LCLONE_UUID_SIZE) &&
		       sb->parent_generation == below->generation :
		       !lclone_has_parent(sb);
}

/*
 * 1: it has what file @i has.  What fails of a layer of somebody else's is no reason to fail: then
 * it is not shared, and what is wrong with the file is told by who makes a new one of it.
 */
static int is_shared(struct plan *p, u32 i, struct layer *layer)
{
	int ret;

	if (lclone_lv_activate(&layer->lv) || lclone_sb_of(layer->path, &layer->sb) ||
	    !may_be(p, &layer->sb))
		return 0;
	ret = lclone_import_is_made(&p->import, i, &p->below, layer->path, true, &layer->sb);
	return ret < 0 && ret != -EINTR && ret != -ENOMEM ? 0 : ret;
}

/* 1: *layer is a layer that has what file @i has.  Others may have made some meanwhile. */
static int find_layer(struct plan *p, u32 i, struct layer *layer)
{
	size_t k;
	int ret;

	free(p->lvs);
	ret = lclone_lv_list(&p->lvs, &p->count);
	for (k = 0; !ret && k < p->count; k++) {
		layer->lv = p->lvs[k];
		if (layer->lv.kind != LCLONE_LV_DELTA || !layer->lv.layer[0] ||
		    strcmp(layer->lv.from, p->template.name))
			continue;
		lclone_lv_path(&layer->lv, layer->path);
		ret = is_shared(p, i, layer);
	}
	return ret;
}

/* A new one */

/* By a run that fills it now, or by a clone that lies on it */
static int refuse_used(const char *path)
{
	struct lclone_file file;
	struct lclone_sb sb;
	int err = lclone_file_open_ready(&file, path, O_RDONLY | O_EXCL);

	lclone_file_close(&file);
	if (!err && !lclone_sb_of(path, &sb) && !lclone_half_written(&sb))
		err = lclone_refuse_depended(path, &sb, NULL);
	return err;
}

/* What a run that was killed has made for that name, and is not whole, or not what is wanted */
static int remove_rest(struct plan *p, const struct lclone_lv *wanted)
{
	char path[LCLONE_LV_PATH_SIZE];
	const struct lclone_lv *lv;
	size_t i;
	int err = 0, lock;

	for (i = 0; !err && i < p->count; i++) {
		lv = &p->lvs[i];
		if (!lv->is_new || strcmp(lv->layer, wanted->layer) ||
		    strcmp(lv->snapshot, wanted->snapshot))
			continue;
		lock = lclone_lock_creation(LCLONE_LOCK_EXCLUSIVE);
		if (lock < 0)
			return lock;
		lclone_lv_path(lv, path);
		err = lclone_lv_activate(lv) ?: refuse_used(path) ?: lclone_lv_remove_new(lv);
		close(lock);
	}
	return err;
}

static int new_volume(const struct plan *p, struct layer *layer)
{
	struct lclone_lv *lv = &layer->lv;
	char first[2 * LCLONE_NAME_SIZE];
	int err;

	lv->kind = LCLONE_LV_DELTA;
	strcpy(lv->from, p->template.name);
	uuid_generate(layer->sb.uuid);
	uuid_unparse_lower(layer->sb.uuid, lv->uuid);
	if (snprintf(first, sizeof(first), "%s-%s", lv->layer, lv->snapshot) >= LCLONE_NAME_SIZE)
		snprintf(first, sizeof(first), "%.100s-layer", lv->layer);
	err = lclone_lv_set_vg(lv, p->vg) ?: lclone_lv_free_name(lv->vg, first, lv->lv);
	lclone_lv_path(lv, layer->path);
	return err ?: lclone_lv_create(lv);
}

/*
 * Others who make clones, and would have to be alone for that, need not wait till all is written:
 * the device is locked from before it can be seen as left by a killed run until it is kept.
 */
static int fill_layer(struct plan *p, u32 i, struct layer *layer, const char *label, int *lock)
{
	struct lclone_file file = { .fd = -1 };
	const struct lclone_import_target target = {
		.file = &file, .label = label, .uuid = layer->sb.uuid,
		.chunk_sectors = p->in->chunk_sectors, .sealed = true, .below = &p->below,
	};
	int err = lclone_wipe_recycled(layer->path) ?:
		  lclone_file_open_ready(&file, layer->path, O_RDWR | O_EXCL);

	if (!err) {
		close(*lock);
		err = lclone_import_file(&p->import, i, &target, &layer->sb) ?:
		      lclone_lv_keep(&layer->lv);
		lclone_why_hold();
		*lock = err ? lclone_lock_creation(LCLONE_LOCK_SHARED) : -1;
		lclone_why_release();
	}
	lclone_file_close(&file);
	if (!err)	/* one that can be written is as good */
		(void)lclone_protect_layer(layer->path);
	return err;
}

static int make_layer(struct plan *p, u32 i, struct layer *layer)
{
	char label[LCLONE_LABEL_SIZE];
	int err, lock;

	*layer = (struct layer){ .made = true };
	err = name_layer(p, &p->images.file[i], &layer->lv, label) ?: remove_rest(p, &layer->lv) ?:
	      lclone_import_sectors(&p->import, i, &p->below, p->in->chunk_sectors,
				    &layer->lv.sectors);
	if (err)
		return err;
	lock = lclone_lock_creation(LCLONE_LOCK_SHARED);
	if (lock < 0)
		return lock;
	err = new_volume(p, layer);
	if (!err) {
		err = fill_layer(p, i, layer, label, &lock);
		lclone_why_hold();
		if (err && lock >= 0)	/* else the next run removes it */
			lclone_lv_remove_new(&layer->lv);
		lclone_why_release();
	}
	if (lock >= 0)
		close(lock);
	return err;
}

static int get_layers(struct plan *p, u32 overlays)
{
	struct layer *layer;
	u32 i;
	int ret = 1;

	for (i = overlays - 1; ret > 0 && i > 0; i--) {
		layer = &p->layer[p->below.layers.count];
		ret = find_layer(p, i, layer);
		if (ret > 0 && layer->lv.is_new)	/* that run was killed right before this */
			ret = lclone_lv_keep(&layer->lv) ?: 1;
		if (!ret)
			ret = p->kept.lv[0] ? refuse_kept(p) : make_layer(p, i, layer) ?: 1;
		if (ret < 0)
			return ret;
		p->in->told(p->in->ctx, &p->images.file[i], layer->path, layer->made);
		p->below.layers.path[p->below.layers.count++] = layer->path;
		p->below.last = layer->sb;
	}
	return 0;
}

/*
 * From the topmost on: on those of this run nothing lies, unless somebody was quick.  Nobody puts a
 * clone on one between the look and its end.
 */
static void remove_layers(struct plan *p)
{
	struct layer *layer;
	int lock;

	lclone_why_hold();
	lock = lclone_lock_creation(LCLONE_LOCK_EXCLUSIVE);
	while (lock >= 0 && p->below.layers.count) {
		layer = &p->layer[--p->below.layers.count];
		if (layer->made && !lclone_refuse_depended(layer->path, &layer->sb, NULL))
			(void)lclone_lv_remove(&layer->lv);
	}
	if (lock >= 0)
		close(lock);
	lclone_why_release();
}

/* The clone */

static int fill(void *ctx, struct lclone_file *file, const struct format_arguments *format)
{
	struct plan *p = ctx;
	const struct lclone_import_target target = {
		.file = file, .label = format->label, .uuid = format->uuid,
		.chunk_sectors = p->in->chunk_sectors, .below = &p->below,
	};
	struct lclone_sb sb;

	return lclone_import_file(&p->import, 0, &target, &sb);
}

static void told(void *ctx, const char *name, const struct lclone_lv *lv, const char *why)
{
	const struct plan *p = ctx;

	if (!why)
		p->in->opened(p->in->ctx, name, lv);
}

/* What it has may be somebody's, or of another image; of which it was made is not written down. */
static int verify_kept(struct plan *p)
{
	char path[LCLONE_LV_PATH_SIZE];
	struct lclone_sb sb;
	int ret = lclone_lv_activate(&p->kept);

	if (ret)
		return ret;
	lclone_lv_path(&p->kept, path);
	ret = lclone_import_is_made(&p->import, 0, &p->below, path, false, &sb);
	if (ret == -EINTR || ret == -ENOMEM)
		return ret;
	return ret > 0 && (!p->in->chunk_sectors || sb.chunk_sectors == p->in->chunk_sectors) ? 0 :
	       refuse_kept(p);
}

static int make_clone(struct plan *p)
{
	struct format_arguments format = { .chunk_sectors = p->in->chunk_sectors };
	const struct creation creation = {
		.format = &format, .features = p->in->features, .host = p->in->host,
	};
	struct deployment d = {
		.from = p->in->template, .vg = p->vg, .delta_sectors = p->in->delta_sectors,
		.creation = &creation, .layers = &p->below.layers, .fill = fill, .told = told, .ctx = p,
	};
	struct lclone_names failed;
	u64 needed;
	int err = 0;

	if (p->kept.lv[0]) {
		d.filled = true;
		d.vg = p->kept.vg;
		err = verify_kept(p);
	} else if (!d.delta_sectors) {
		err = lclone_import_sectors(&p->import, 0, &p->below, p->in->chunk_sectors, &needed);
		d.delta_sectors = needed + lclone_small_delta(p->template.sectors);
	}
	return err ?: lclone_deploy(&p->in->name, 1, &d, &failed);
}

static int import_all(struct plan *p, u32 overlays)
{
	int err;

	p->vg = p->in->vg ?: p->template.vg;
	err = lclone_lv_list(&p->lvs, &p->count) ?: refuse_taken(p);
	if (!err && !p->in->from->trust_base)
		err = lclone_import_verify(&p->import);
	if (!err)
		err = get_layers(p, overlays) ?: make_clone(p);
	if (err)
		remove_layers(p);
	return err;
}

int lclone_import_by_name(const struct lclone_import_name *import)
{
	struct lclone_file base = { .fd = -1 };
	struct plan *p = calloc(1, sizeof(*p));
	u32 overlays;
	int err;

	if (!p)
		return lclone_fail(-ENOMEM, "out of memory");
	p->in = import;
	p->import = (struct lclone_import){ .images = &p->images, .watch = import->watch };
	err = lclone_lv_check_name("a clone with a volume of its own", import->name) ?:
	      lclone_import_look(import->from, &p->images, &overlays);
	if (!err)
		err = lclone_template_find(import->template, &p->template) ?:
		      lclone_lv_activate(&p->template);
	if (!err) {
		lclone_lv_path(&p->template, p->base);
		err = lclone_open_base(p->base, &base, &p->import.base);
	}
	err = err ?: import_all(p, overlays);
	lclone_close_base(p->import.base);
	lclone_image_chain_close(&p->images);
	free(p->lvs);
	free(p);
	return err;
}
