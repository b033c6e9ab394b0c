// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/inventory.h"
#include "clone/name.h"
#include "clone/super.h"
#include "host/device.h"
#include "host/find.h"
#include "host/stack.h"

/* Each returns 0, 1 if it has none of that name, or a negative errno. */

static int by_table(struct lclone_named *named)
{
	static struct lclone_clone clone;
	int err = lclone_dm_get(named->name, &clone);

	if (err)
		return err == -ENXIO || err == -ENOTTY ? 1 : err;
	named->active = true;
	lclone_base_name(clone.table.base, named->base);
	lclone_name_of(clone.table.delta, named->delta);
	return 0;
}

static int by_tab(struct lclone_named *named)
{
	int err = lclone_tab_read(&named->tab, NULL, NULL);

	if (err)
		return err;
	named->entry = lclone_tab_find(&named->tab, named->name);
	if (!named->entry)
		return 1;
	if (!named->active) {
		snprintf(named->base, sizeof(named->base), "%s", named->entry->base);
		snprintf(named->delta, sizeof(named->delta), "%s", named->entry->delta);
	}
	return 0;
}

/* NULL: there is none, or several have that name */
static const struct lclone_lv *template_of(const struct lclone_named *named)
{
	const struct lclone_lv *lv = lclone_lv_named(named->lvs, named->lv_count, LCLONE_LV_BASE,
						     named->lv.from);

	if (lv && lclone_lv_named(lv + 1, named->lvs + named->lv_count - (lv + 1),
				  LCLONE_LV_BASE, named->lv.from))
		return NULL;
	return lv;
}

static const struct lclone_lv *tree_with(const struct lclone_named *named, const char *root)
{
	const struct lclone_lv *lv, *tree = NULL;

	for (lv = named->lvs; lv < named->lvs + named->lv_count; lv++) {
		if (lv->kind != LCLONE_LV_VERITY || strcmp(lv->root, root))
			continue;
		if (tree)
			return NULL;
		tree = lv;
	}
	return tree;
}

/* The template whose verity tree has the root hash that the delta has recorded, or NULL */
static const struct lclone_lv *sealed_base(const struct lclone_named *named,
					   const struct lclone_sb *sb)
{
	static const u8 none[LCLONE_ROOT_SIZE];
	const struct lclone_lv *tree, *lv;
	char root[LCLONE_ROOT_TEXT];

	lclone_root_text(sb->base_root, root);
	tree = memcmp(sb->base_root, none, LCLONE_ROOT_SIZE) ? tree_with(named, root) : NULL;
	for (lv = named->lvs; tree && lv < named->lvs + named->lv_count; lv++)
		if (lclone_lv_is_base(lv) && !strcmp(lv->id, tree->of) && !strcmp(lv->vg, tree->vg))
			return lv;
	return NULL;
}

static void set_base_of_tags(struct lclone_named *named)
{
	const struct lclone_lv *base = template_of(named);
	char path[LCLONE_LV_PATH_SIZE];

	if (!base)
		return;
	lclone_lv_path(base, path);
	snprintf(named->base, sizeof(named->base), "%s", path);
}

/* Is that the volume that a table, or lclonetab, has named?  Another may have the tag. */
static bool is_device(const struct lclone_lv *lv, const char *device)
{
	char path[LCLONE_LV_PATH_SIZE];
	dev_t rdev;

	lclone_lv_path(lv, path);
	rdev = lclone_dev_at(path);
	return !strcmp(path, device) || (rdev && rdev == lclone_dev_at(device));
}

static int by_tags(struct lclone_named *named)
{
	const bool known = named->delta[0];
	char path[LCLONE_LV_PATH_SIZE];
	const struct lclone_lv *lv;
	int err;

	err = lclone_lv_list(&named->lvs, &named->lv_count);
	for (lv = named->lvs; !err && lv < named->lvs + named->lv_count; lv++) {
		if (lv->kind != LCLONE_LV_DELTA || strcmp(lv->name, named->name) ||
		    (known && !is_device(lv, named->delta)))
			continue;
		if (named->has_lv)
			err = lclone_fail(-ESTALE, "there are two clones %s, as tags have it (lclone scan): on %s/%s and %s/%s",
					  named->name, named->lv.vg, named->lv.lv, lv->vg, lv->lv);
		named->has_lv = true;
		named->lv = *lv;
	}
	if (!err && named->has_lv && !known) {
		lclone_lv_path(&named->lv, path);
		snprintf(named->delta, sizeof(named->delta), "%s", path);
		set_base_of_tags(named);
	}
	return err ?: !named->has_lv;
}

/* The base that a delta has recorded, or that it has none */
static int set_base_of_delta(struct lclone_named *named, const struct lclone_sb *sb, bool activate)
{
	const struct lclone_lv *sealed = sealed_base(named, sb);
	char path[LCLONE_LV_PATH_SIZE], text[LCLONE_LV_PATH_SIZE + 16];
	int err = 0;

	if (sb->base_fp_alg == LCLONE_FP_NONE) {
		snprintf(named->base, sizeof(named->base), "-");
		return 0;
	}
	if (!sealed)
		return lclone_find_base(sb, named->base, &named->may);
	lclone_lv_path(sealed, path);
	if (activate)
		err = lclone_lv_activate(sealed);
	if (!err && lclone_dev_at(path)) {
		snprintf(named->base, sizeof(named->base), "%s", path);
	} else if (!err) {
		snprintf(text, sizeof(text), "%s (not active)", path);
		lclone_add_name(&named->may, text);
	}
	return err;
}

static int by_label(struct lclone_named *named)
{
	struct lclone_inventory inv = { .count = 0 };
	const struct lclone_found *found = NULL;
	size_t i;
	int err;

	err = lclone_inventory_read(&inv);
	for (i = 0; !err && i < inv.count; i++) {
		if (strcmp(inv.found[i].sb.label, named->name) ||
		    inv.found[i].sb.state & LCLONE_STATE_SEALED)
			continue;
		if (found)
			err = lclone_fail(-ESTALE, "there are two deltas with the label %s: %s and %s",
					  named->name, found->path, inv.found[i].path);
		found = &inv.found[i];
	}
	if (!err && found) {
		snprintf(named->delta, sizeof(named->delta), "%s", found->path);
		err = set_base_of_delta(named, &found->sb, false);
	}
	lclone_inventory_free(&inv);
	return err ?: !found;
}

int lclone_name_find(const char *name, struct lclone_named *named)
{
	int table, tab, tags;

	memset(named, 0, sizeof(*named));
	snprintf(named->name, sizeof(named->name), "%s", name);
	if (lclone_dm_check_name(name))
		return -EINVAL;
	table = by_table(named);
	tab = table < 0 ? table : by_tab(named);
	tags = tab < 0 ? tab : by_tags(named);
	if (tags < 0 || !table || !tab || !tags)
		return tags < 0 ? tags : 0;
	tags = by_label(named);
	if (tags == 1)
		return lclone_fail(-ENXIO, "there is no clone %s", name);
	return tags;
}

void lclone_named_free(struct lclone_named *named)
{
	lclone_tab_free(&named->tab);
	free(named->lvs);
	named->lvs = NULL;
	named->lv_count = 0;
}

/* The layers of what is on the volume, as far as these are volumes that were made for deltas */
static int activate_layers(const struct lclone_named *named)
{
	const struct lclone_lv *delta = &named->lv;
	char path[LCLONE_LV_PATH_SIZE], uuid[37];
	struct lclone_sb sb;
	size_t i = 0, depth;
	int err = 0;

	for (depth = 0; !err && depth < LCLONE_LAYERS_MAX && i < named->lv_count; depth++) {
		lclone_lv_path(delta, path);
		if (lclone_sb_of(path, &sb) || uuid_is_null(sb.parent_uuid))
			break;		/* whatever is wrong with it: who opens it says so */
		uuid_unparse_lower(sb.parent_uuid, uuid);
		for (i = 0; i < named->lv_count; i++)
			if (named->lvs[i].kind == LCLONE_LV_DELTA &&
			    !strcmp(named->lvs[i].uuid, uuid))
				break;
		if (i < named->lv_count) {
			delta = &named->lvs[i];
			err = lclone_lv_activate(delta);
		}
	}
	return err;
}

/* Of two templates that have one name it is the one that lclonetab names, or none. */
static const struct lclone_lv *template_to_activate(const struct lclone_named *named)
{
	const struct lclone_lv *lv;

	if (!named->base[0])
		return template_of(named);
	for (lv = named->lvs; lv < named->lvs + named->lv_count; lv++)
		if (lv->kind == LCLONE_LV_BASE && is_device(lv, named->base))
			return lv;
	return NULL;
}

int lclone_named_activate(struct lclone_named *named)
{
	const struct lclone_lv *base = template_to_activate(named);
	struct lclone_sb sb;
	int err;

	if (!named->has_lv)
		return 0;
	err = lclone_lv_activate_alone(&named->lv) ?: (base ? lclone_lv_activate(base) : 0) ?:
	      activate_layers(named);
	/* Tags name no base but a template; a delta that is damaged is no matter of this */
	if (!err && !named->base[0] && !lclone_sb_of(named->delta, &sb))
		err = set_base_of_delta(named, &sb, true);
	return err;
}

int lclone_entry_parents(const struct lclone_tab_entry *entry, struct lclone_parents *parents)
{
	static char layer[LCLONE_LAYERS_MAX][PATH_MAX];
	const char *at = NULL;
	u32 i;
	int err = 0;

	for (i = 0; !err && i < LCLONE_LAYERS_MAX && lclone_tab_parent(entry, &at, layer[i]); i++)
		err = lclone_add_parent(parents, layer[i]);
	return err;
}
