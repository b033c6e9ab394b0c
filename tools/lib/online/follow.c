// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/dm-switch.h"
#include "clone/inventory.h"
#include "clone/snapshot.h"
#include "clone/super.h"
#include "host/device.h"
#include "host/lv-lock.h"
#include "host/lv.h"
#include "host/pending.h"
#include "host/stack.h"
#include "online/follow.h"

/* A path for a line: the user's own, if it is one that may be in it, else the one that we know. */
static void path_of(const char *word, const char *device, char path[PATH_MAX])
{
	if (device && !strncmp(device, "/dev/", 5) && !strstr(device, "/.") &&
	    lclone_dev_number(word) == lclone_dev_at(device))
		snprintf(path, PATH_MAX, "%s", device);
	else
		lclone_name_of(word, path);
}

/* The line */

static bool has_parent(const char *device, void *ctx)
{
	const struct lclone_table *table = ctx;
	const dev_t rdev = lclone_dev_at(device);
	u32 i;

	for (i = 0; rdev && i < table->parents; i++)
		if (lclone_dev_number(lclone_table_parent(table, i)) == rdev)
			return true;
	return false;
}

/* Does the line name all layers of before?  Then it names the one that is new, too. */
static bool names_all(const struct lclone_tab_entry *entry, const struct lclone_table *before)
{
	char device[PATH_MAX];
	const char *at = NULL;
	u32 count = 0;

	while (lclone_tab_parent(entry, &at, device))
		count++;
	return count == before->parents;
}

static bool is_shared(const char *number)
{
	char vg[LCLONE_NAME_SIZE], lv[LCLONE_NAME_SIZE];
	const dev_t rdev = lclone_dev_number(number);
	dev_t data;

	return rdev && !lclone_lv_names(lclone_dev_verified(rdev, &data) ? data : rdev, vg, lv) &&
	       lclone_vg_is_shared(vg);
}

/* Is one of its volumes in a group that other hosts use, too? */
static bool has_shared(const struct lclone_table *table)
{
	bool shared = is_shared(table->delta) || is_shared(table->base);
	u32 i;

	for (i = 0; !shared && i < table->parents; i++)
		shared = is_shared(lclone_table_parent(table, i));
	return shared;
}

static int not_followed(const char *name, const struct lclone_tab_entry *entry)
{
	char *line = entry ? lclone_tab_line(entry) : NULL;
	int err;

	if (entry)
		err = lclone_fail(-ECANCELED, "%s is changed, but not its line in %s (%s), which has to be: %s",
				  name, lclone_tab_path(), lclone_why(), line ?: "?");
	else
		err = lclone_fail(-ECANCELED, "%s is no clone any more, but its line is still in %s (%s): take it out",
				  name, lclone_tab_path(), lclone_why());
	free(line);
	return err;
}

static int change_line(const struct lclone_tab_entry *entry, const struct lclone_table *before,
		       const struct lclone_table *now, const char *device)
{
	struct lclone_tab_entry changed = *entry;
	char base[PATH_MAX], delta[PATH_MAX], *options;
	const char *above = NULL;
	int err;

	if (strcmp(before->base, now->base)) {
		path_of(now->base, device, base);
		changed.base = base;
	}
	if (strcmp(before->delta, now->delta)) {
		path_of(now->delta, device, delta);
		changed.delta = delta;
		if (now->parents > before->parents && names_all(entry, before))
			above = entry->delta;
	}
	changed.shared = has_shared(now);
	options = lclone_tab_options(&changed, has_parent, (void *)now, above);
	if (!options)
		return -ENOMEM;
	changed.options = options;
	err = 0;
	if (changed.base != entry->base || changed.delta != entry->delta ||
	    strcmp(options, entry->options))
		err = lclone_tab_replace(&changed) ? not_followed(entry->name, &changed) : 0;
	free(options);
	return err;
}

/* @now: NULL if it is no clone any more */
static int follow_line(const struct lclone_clone *before, const struct lclone_table *now,
		       const char *device, bool *removed)
{
	const struct lclone_tab_entry *entry;
	const char *name = before->name;
	struct lclone_tab tab;
	int err = lclone_tab_read(&tab, NULL, NULL);

	entry = err ? NULL : lclone_tab_find(&tab, name);
	if (entry && lclone_dev_at(entry->delta) != lclone_dev_number(before->table.delta))
		entry = NULL;
	if (err)
		err = lclone_fail(-ECANCELED, "%s is changed, but not its line: %s", name,
				  lclone_why());
	else if (entry && now)
		err = change_line(entry, &before->table, now, device);
	else if (entry && lclone_tab_remove(&name, 1))
		err = not_followed(name, NULL);
	else if (entry && removed)
		*removed = true;
	lclone_tab_free(&tab);
	return err;
}

/* The tags */

/* The volume of the clone's delta, with or (@named) only if with its name; NULL: none of ours */
static const struct lclone_lv *volume_at(const struct lclone_lv *lvs, size_t count, dev_t rdev,
					 const char *named)
{
	const struct lclone_lv *lv = lclone_lv_at(lvs, count, rdev);

	return lv && lv->kind == LCLONE_LV_DELTA && (!named || !strcmp(lv->name, named)) ? lv :
											    NULL;
}

/* It is the clone's from here on; what was made for it is not in question any more. */
static int name_new(const struct lclone_clone *before, const struct lclone_table *now,
		    const struct lclone_lv *was, const struct lclone_lv *is)
{
	struct lclone_lv tags = is ? *is : *was;
	char delta[PATH_MAX];
	struct lclone_sb sb;
	int err;

	lclone_name_of(now->delta, delta);
	err = lclone_sb_of(delta, &sb);
	if (err)
		return err;
	uuid_unparse_lower(sb.uuid, tags.uuid);
	snprintf(tags.name, sizeof(tags.name), "%s", before->name);
	if (was)
		strcpy(tags.from, was->from);
	if (strcmp(before->table.base, now->base))
		tags.from[0] = '\0';
	tags.layer[0] = '\0';
	tags.snapshot[0] = '\0';
	tags.is_new = false;
	tags.read_only = false;
	if (is)
		return lclone_lv_retag(is, &tags);
	tags.given = true;
	return lclone_lv_add_tags(&tags, delta);
}

/* A layer of a snapshot, or (without one) nobody's */
static int unname_old(const struct lclone_clone *before, const struct lclone_table *now,
		      const struct lclone_lv *was)
{
	struct lclone_lv tags = *was;
	char delta[PATH_MAX];
	const char *snapshot;
	struct lclone_sb sb;
	int err = 0;

	tags.name[0] = '\0';
	if (now->parents > before->table.parents) {
		lclone_name_of(before->table.delta, delta);
		err = lclone_sb_of(delta, &sb);
		snapshot = err ? NULL : lclone_snapshot_name(&sb);
		snprintf(tags.layer, sizeof(tags.layer), "%s", before->name);
		snprintf(tags.snapshot, sizeof(tags.snapshot), "%s", snapshot ?: "");
		tags.read_only = true;
	}
	return err ?: lclone_lv_retag(was, &tags);
}

static int follow_volumes(const struct lclone_clone *before, const struct lclone_table *now,
			  const struct lclone_lv *was, const struct lclone_lv *is)
{
	struct lclone_lv tags;

	if (strcmp(before->table.delta, now->delta)) {
		if (!was && !(is && is->is_new))
			return 0;
		return (is || lclone_dev_is_lv(lclone_dev_number(now->delta)) ?
			name_new(before, now, was, is) : 0) ?:
		       (was ? unname_old(before, now, was) : 0);
	}
	if (!was || !strcmp(before->table.base, now->base))
		return 0;
	tags = *was;
	tags.from[0] = '\0';
	return lclone_lv_retag(was, &tags);
}

static int follow_tags(const struct lclone_clone *before, const struct lclone_table *now)
{
	const dev_t old = lclone_dev_number(before->table.delta), new = lclone_dev_number(now->delta);
	struct lclone_lv *lvs = NULL;
	size_t count = 0;
	int err;

	if ((!lclone_dev_is_lv(old) && !lclone_dev_is_lv(new)) ||
	    (!strcmp(before->table.base, now->base) && !strcmp(before->table.delta, now->delta)))
		return 0;
	err = lclone_lv_list(&lvs, &count) ?:
	      follow_volumes(before, now, volume_at(lvs, count, old, before->name),
			     volume_at(lvs, count, new, NULL));
	free(lvs);
	if (err)
		err = lclone_fail(-ECANCELED, "%s is changed, but not the tags of its volumes, which \"lclone scan\" puts right: %s",
				  before->name, lclone_why());
	return err;
}

/* If somebody has closed it right behind the change, it has had what it was given. */
static int get_table(const char *name, struct lclone_clone *now)
{
	const char *line = lclone_pending_after(name);
	int err = lclone_dm_get(name, now);
	char target[32];

	if (err != -ENXIO || !line || lclone_dm_line(line, now, target))
		return err;
	return strcmp(target, LCLONE_TARGET) ? -ENOTTY : 0;
}

int lclone_follow(const struct lclone_clone *before, const char *device, bool *removed)
{
	static struct lclone_clone now;
	int err = get_table(before->name, &now);
	const bool linear = err == -ENOTTY;

	if (err && !linear)
		return err;
	err = follow_line(before, linear ? NULL : &now.table, device, removed);
	if (!err && !linear)
		err = follow_tags(before, &now.table);
	if (err)	/* once is enough to say it: else no command could do anything any more */
		lclone_pending_forget(before->name);
	return err;
}

int lclone_follow_base(const char *delta, const char *base)
{
	struct lclone_tab_entry changed;
	char number[32], path[PATH_MAX];
	struct lclone_tab tab;
	size_t i;
	int err = lclone_tab_read(&tab, NULL, NULL);

	snprintf(number, sizeof(number), "%u:%u", major(lclone_dev_at(base)), minor(lclone_dev_at(base)));
	path_of(number, base, path);
	for (i = 0; !err && i < tab.count; i++) {
		changed = tab.entry[i];
		if (!lclone_dev_at(delta) || lclone_dev_at(changed.delta) != lclone_dev_at(delta) ||
		    lclone_dev_at(changed.base) == lclone_dev_at(base))
			continue;
		changed.base = path;
		err = lclone_tab_replace(&changed) ? not_followed(changed.name, &changed) : 0;
	}
	lclone_tab_free(&tab);
	return err;
}

/* Merges of layers, which no table tells of */

static bool is_another(const char *device, void *ctx)
{
	return lclone_dev_at(device) != *(dev_t *)ctx;
}

static bool names_parent(const struct lclone_tab_entry *entry, dev_t rdev)
{
	char device[PATH_MAX];
	const char *at = NULL;

	while (lclone_tab_parent(entry, &at, device))
		if (lclone_dev_at(device) == rdev)
			return true;
	return false;
}

/* Who had both has the lower one; whose delta was the upper one has that as its delta. */
static int leave_upper(const struct lclone_tab_entry *entry, dev_t upper, const char *lower)
{
	const bool is_delta = lclone_dev_at(entry->delta) == upper;
	struct lclone_tab_entry changed = *entry;
	dev_t gone = is_delta ? lclone_dev_at(lower) : upper;
	char path[PATH_MAX], number[32], *options = NULL;
	int err;

	if (!is_delta && !names_parent(entry, gone))
		return 0;
	if (is_delta) {
		snprintf(number, sizeof(number), "%u:%u", major(gone), minor(gone));
		path_of(number, lower, path);
		changed.delta = path;
	}
	if (names_parent(entry, gone)) {
		options = lclone_tab_options(entry, is_another, &gone, NULL);
		if (!options)
			return -ENOMEM;
		changed.options = options;
	}
	err = lclone_tab_replace(&changed) ? not_followed(entry->name, &changed) : 0;
	free(options);
	return err;
}

int lclone_follow_merged(const char *upper, const char *lower)
{
	const dev_t rdev = lclone_dev_at(upper);
	struct lclone_tab tab;
	size_t i;
	int err = lclone_tab_read(&tab, NULL, NULL);

	for (i = 0; !err && rdev && i < tab.count; i++)
		err = leave_upper(&tab.entry[i], rdev, lower);
	lclone_tab_free(&tab);
	return err;
}

/* @above: the upper one's volume, or NULL */
static int merge_tags(const struct lclone_lv *above, const struct lclone_lv *was, const char *lower)
{
	struct lclone_lv now = *was, unnamed;
	const char *snapshot;
	struct lclone_sb sb;
	int err = lclone_sb_of(lower, &sb);

	if (err)
		return err;
	uuid_unparse_lower(sb.uuid, now.uuid);
	snapshot = lclone_snapshot_name(&sb);
	snprintf(now.snapshot, sizeof(now.snapshot), "%s", snapshot ?: "");
	now.read_only = sb.state & LCLONE_STATE_SEALED;
	if (above && above->name[0]) {
		strcpy(now.name, above->name);
		now.layer[0] = '\0';
	}
	err = lclone_lv_retag(was, &now);
	if (err || !above || !above->name[0])
		return err;
	unnamed = *above;
	unnamed.name[0] = '\0';
	return lclone_lv_retag(above, &unnamed);
}

int lclone_follow_merged_tags(const char *upper, const char *lower)
{
	struct lclone_lv was, above;
	int ret, of_upper = 1;

	ret = lclone_lv_of(lclone_dev_at(lower), &was);
	if (ret > 0 || (!ret && was.kind != LCLONE_LV_DELTA))
		return 0;		/* it has none of ours */
	if (!ret && upper)
		of_upper = lclone_lv_of(lclone_dev_at(upper), &above);
	ret = ret ?: of_upper < 0 ? of_upper : merge_tags(of_upper ? NULL : &above, &was, lower);
	return ret ? lclone_fail(-ECANCELED, "%s has what was merged into it, but not the tags, which \"lclone scan\" puts right: %s",
				 lower, lclone_why()) : 0;
}

/* A line that has not followed */

/* The only one that lies on it; NULL: none, or not the only one */
static const struct lclone_found *only_child(const struct lclone_inventory *inv,
					     const struct lclone_sb *sb, dev_t rdev)
{
	const struct lclone_found *child = NULL;
	size_t i;

	for (i = 0; i < inv->count; i++) {
		if (!lclone_lies_on(inv, &inv->found[i], rdev, sb))
			continue;
		if (child)
			return NULL;
		child = &inv->found[i];
	}
	return child;
}

bool lclone_names_layer(const char *name, const char *delta, bool by_tag)
{
	const char *note = by_tag ? "lclone scan" : lclone_tab_path();
	struct lclone_inventory inv = { .count = 0 };
	const struct lclone_found *top = NULL;
	struct lclone_sb sb;
	int depth;

	lclone_why_hold();
	if (lclone_sb_of(delta, &sb) || !(sb.state & LCLONE_STATE_SEALED)) {
		lclone_why_release();
		return false;
	}
	if (!lclone_inventory_read(&inv))
		top = only_child(&inv, &sb, lclone_dev_at(delta));
	for (depth = 0; top && top->sb.state & LCLONE_STATE_SEALED; depth++)
		top = depth < LCLONE_LAYERS_MAX ? only_child(&inv, &top->sb, top->rdev) : NULL;
	lclone_why_release();
	if (top)
		lclone_fail(-EBUSY, "%s, which is named as the delta of %s, is a sealed layer; the only delta above it is %s: if that is what %s has now, name it (%s)",
			    delta, name, top->path, name, note);
	else
		lclone_fail(-EBUSY, "%s, which is named as the delta of %s, is a sealed layer; which delta %s has now cannot be told (lclone tree)",
			    delta, name, name);
	lclone_inventory_free(&inv);
	return true;
}

static bool is_layer(const char *device, void *ctx)
{
	const struct lclone_layers *layers = ctx;
	u32 i;

	for (i = 0; i < layers->count; i++)
		if (lclone_dev_at(device) == lclone_dev_at(layers->layer[i].path))
			return true;
	return false;
}

bool lclone_follow_late(const struct lclone_tab_entry *entry, struct lclone_tab_entry *now)
{
	static struct lclone_layers layers;
	static char *last;		/* @entry may be what the call before gave, and have it */
	char *options = NULL;
	struct lclone_sb sb;
	bool late;

	*now = *entry;
	lclone_why_hold();
	if (!lclone_sb_of(entry->delta, &sb) && !strcmp(sb.label, entry->name) &&
	    !lclone_layers_read(entry->delta, &layers)) {
		if (sb.base_fp_alg == LCLONE_FP_NONE)
			now->base = "-";
		options = lclone_tab_options(entry, is_layer, &layers, NULL);
	}
	lclone_layers_free(&layers);
	late = options && (strcmp(now->base, entry->base) || strcmp(options, entry->options));
	if (late) {
		now->options = options;
		(void)lclone_tab_replace(now);	/* early in the boot it cannot be written */
		free(last);
		last = options;
	} else {
		free(options);
	}
	lclone_why_release();
	return late;
}
