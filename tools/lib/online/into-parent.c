// SPDX-License-Identifier: GPL-2.0-only
/*
 * Merge of a delta or layer ("upper") into the layer right below ("lower"), also
 * beneath clones that are active: the library merges, then each of these goes on
 * with a table without the upper.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "basic/dry.h"
#include "basic/fail.h"
#include "clone/delta-file.h"
#include "clone/dm-switch.h"
#include "clone/owner.h"
#include "clone/protect.h"
#include "clone/super.h"
#include "offline/merge-parent.h"
#include "offline/merge.h"
#include "online/follow.h"
#include "online/into-parent.h"
#include "online/switch.h"

struct pair {
	const char *upper_path;
	char lower_path[PATH_MAX];
	char upper_number[32], lower_number[32];	/* "major:minor" */
	struct lclone_file upper_file, lower_file;
	struct lclone_delta upper, lower;
	struct lclone_inventory inv;
	struct lclone_clone *clones;	/* all that are active */
	size_t count;
	bool used;			/* the lower one, by active clones that have the upper one */
	bool merged;			/* the lower one has taken over all */
};

/* The clones */

/* What a table has right above a device, which is one of its parents; NULL if it is none. */
static const char *above(const struct lclone_table *table, const char *number)
{
	u32 i;

	for (i = 0; i < table->parents; i++)
		if (!strcmp(lclone_table_parent(table, i), number))
			return i + 1 < table->parents ? lclone_table_parent(table, i + 1) :
							table->delta;
	return NULL;
}

static bool is_user(const struct pair *p, const struct lclone_clone *clone)
{
	return above(&clone->table, p->upper_number);
}

/* A clone may have the lower one below the upper one only, and that below its delta. */
static int check_clone(const struct pair *p, const struct lclone_clone *clone)
{
	const struct lclone_table *table = &clone->table;
	const char *word = above(table, p->lower_number);

	if (!strcmp(table->delta, p->upper_number))
		return lclone_fail(-EBUSY, "%s is active with %s: close it first", clone->name,
				   p->upper_path);
	if (is_user(p, clone) && !(word && !strcmp(word, p->upper_number)))
		return lclone_fail(-EBUSY, "%s lies on %s, but not on %s right below it",
				   clone->name, p->upper_path, p->lower_path);
	if (is_user(p, clone) && clone->suspended)
		return lclone_fail(-EBUSY, "%s is suspended", clone->name);
	if (p->merged || is_user(p, clone))
		return 0;
	if (word || !strcmp(table->delta, p->lower_number))
		return lclone_fail(-EBUSY, "%s has %s without %s above it", clone->name,
				   p->lower_path, p->upper_path);
	return 0;
}

/* What a run that was killed has left half done is ended first, and shows in the list. */
static int settle_clones(const struct pair *p)
{
	static struct lclone_pending pending;
	static struct lclone_clone now;
	size_t i;
	int err = 0;

	for (i = 0; err >= 0 && i < p->count; i++) {
		if (!is_user(p, &p->clones[i]))
			continue;
		err = lclone_settle(p->clones[i].name, &pending);
		if (err >= 0 && !lclone_dm_get(p->clones[i].name, &now))
			err = lclone_end_resize(&now);
	}
	return err < 0 ? err : 0;
}

/* It may have the two, or the lower one alone. */
static int refuse_unseen(const char *name, const char *why, void *ctx)
{
	const struct pair *p = ctx;

	if (lclone_others_assumed_away())
		return 0;
	return lclone_fail(-EBUSY, "%s may be needed by /dev/mapper/%s, which %s (if you know that it is not: --assume-no-other-clones)",
			   p->lower_path, name, why);
}

static int read_clones(struct pair *p)
{
	size_t i;
	int err;

	free(p->clones);
	err = lclone_dm_list(&p->clones, &p->count, refuse_unseen, p);
	if (!err)
		err = settle_clones(p);
	free(p->clones);
	p->clones = NULL;
	if (!err)
		err = lclone_dm_list(&p->clones, &p->count, refuse_unseen, p);
	for (i = 0; !err && i < p->count; i++)
		err = check_clone(p, &p->clones[i]);
	return err;
}

static int refuse_stranger(dev_t holder, void *ctx)
{
	const struct pair *p = ctx;
	char name[PATH_MAX], path[PATH_MAX];
	size_t i;

	lclone_dev_name(holder, name);
	for (i = 0; i < p->count; i++) {
		snprintf(path, sizeof(path), "/dev/mapper/%s", p->clones[i].name);
		if (!strcmp(path, name) && is_user(p, &p->clones[i]))
			return 0;
	}
	return lclone_fail(-EBUSY, "%s is in use by %s", p->lower_path, name);
}

/* Who has the lower one as a part of a chain does not write to it, nor mind that we do. */
static int open_lower(struct pair *p)
{
	size_t i;
	int err;

	for (i = 0; i < p->count; i++)
		p->used |= is_user(p, &p->clones[i]);
	err = lclone_file_open_ready(&p->lower_file, p->lower_path,
				     O_RDWR | (p->used ? 0 : O_EXCL));
	return err ?: lclone_lock(&p->lower_file, LCLONE_LOCK_EXCLUSIVE);
}

/* Who lies on the lower one: looked at when it is locked, so that nobody comes behind the look. */
static int refuse_siblings(struct pair *p)
{
	int err;

	lclone_inventory_free(&p->inv);
	memset(&p->inv, 0, sizeof(p->inv));
	err = lclone_inventory_read(&p->inv);
	if (!err)
		err = lclone_refuse_others(&p->inv, p->lower_path, &p->lower.sb, &p->upper.sb,
					   p->upper_file.rdev);
	if (!err)
		err = read_clones(p);
	if (!err && p->used)
		err = lclone_dev_each(p->lower_file.rdev, "holders", refuse_stranger, p);
	return err;
}

/* If it is no layer it may be in use: then the kernel has written both superblocks anew. */
static int open_merged(struct pair *p)
{
	struct lclone_sb sb;
	bool sealed;
	int err;

	err = lclone_sb_of(p->lower_path, &sb);
	sealed = sb.state & LCLONE_STATE_SEALED;
	if (!err)
		err = lclone_file_open_ready(&p->lower_file, p->lower_path,
					     O_RDWR | (sealed ? 0 : O_EXCL));
	if (err == -EBUSY && !sealed && !lclone_claim_is_taken(p->lower_file.rdev))
		return 0;
	return err ?: lclone_lock(&p->lower_file, LCLONE_LOCK_EXCLUSIVE);
}

/* Each clone has the upper one's content from the lower one now. */
static int switch_clone(const struct pair *p, const struct lclone_clone *clone, double *pause_ms)
{
	static char params[LCLONE_PARAMS_SIZE];
	static struct lclone_table table;
	const char *number;
	u32 i;

	table = clone->table;
	table.parents = 0;
	for (i = 0; i < clone->table.parents; i++) {
		number = lclone_table_parent(&clone->table, i);
		if (strcmp(number, p->upper_number))
			lclone_table_add_parent(&table, number);
	}
	if (lclone_table_print(&table, params, sizeof(params)))
		return lclone_fail(-E2BIG, "the table's line is too long");
	return lclone_dm_switch(clone, LCLONE_TARGET, clone->sectors, params, pause_ms);
}

/* The end */

static int switch_clones(struct pair *p, const struct into_parent *into)
{
	double pause_ms;
	size_t i;
	int err;

	err = read_clones(p);	/* one may have come, or gone */
	for (i = 0; !err && i < p->count; i++) {
		if (!is_user(p, &p->clones[i]))
			continue;
		err = switch_clone(p, &p->clones[i], &pause_ms);
		if (!err)
			into->goes_on(into->ctx, p->clones[i].name, pause_ms);
	}
	return err;
}

/* Of those that were switched here; each of them, whatever becomes of the others. */
static int follow_clones(const struct pair *p)
{
	size_t i;
	int err = 0, one;

	for (i = 0; i < p->count; i++) {
		one = is_user(p, &p->clones[i]) ? lclone_follow(&p->clones[i], NULL, NULL) : 0;
		err = one ?: err;
	}
	return err;
}

/* Nobody has opened it since it was looked at, or was noted as this host's. */
static int wipe_upper(struct pair *p)
{
	const u64 seq = p->upper.slot[p->upper.newest].sb.seq;
	struct lclone_delta delta;
	struct lclone_file file;
	struct lclone_sb sb;
	int err;

	lclone_close_delta(&p->upper_file, &p->upper);
	err = lclone_open_delta(p->upper_path, O_RDWR, &file, &delta);
	if (!err)
		err = lclone_sb_of(p->lower_path, &sb);
	if (!err)
		err = lclone_refuse_owned(p->upper_path, &delta.sb);
	if (!err && (!lclone_left_over(&delta.sb, &sb) ||
		     delta.slot[delta.newest].sb.seq != seq))
		err = lclone_fail(-ESTALE, "%s is not what was merged: it was not wiped",
				  p->upper_path);
	if (!err)
		err = lclone_make_writable(&file) ?: lclone_super_wipe(&file);
	lclone_close_delta(&file, &delta);
	return err;
}

static int finish(struct pair *p, const struct into_parent *into)
{
	int err;

	p->merged = true;
	err = p->lower_file.fd < 0 ? 0 : lclone_make_writable(&p->lower_file) ?:
					 lclone_merge_settle(&p->lower_file);
	if (!err)
		err = switch_clones(p, into);
	/* before the wipe: a run after it finds nobody any more who had that layer */
	err = err ?: follow_clones(p) ?: lclone_follow_merged(p->upper_path, p->lower_path);
	return err ?: wipe_upper(p);
}

/* Who would be switched: a dry run */
static void tell_users(const struct pair *p, const struct into_parent *into)
{
	size_t i;

	for (i = 0; i < p->count; i++)
		if (is_user(p, &p->clones[i]))
			into->goes_on(into->ctx, p->clones[i].name, 0);
}

/* Preparation */

static void number_of(const struct lclone_file *file, char number[32])
{
	snprintf(number, 32, "%u:%u", major(file->rdev), minor(file->rdev));
}

/* Has the merge ended, but for what comes behind it? Then its place is noted. */
static int find_merged(struct pair *p, const struct lclone_parents *named)
{
	const struct lclone_found *found;
	struct lclone_sb sb;
	u32 i;
	int err = 0;

	for (i = 0; !err && !p->merged && i < named->count; i++) {
		err = lclone_sb_of(named->path[i], &sb);
		p->merged = !err && lclone_left_over(&p->upper.sb, &sb);
		if (p->merged)
			snprintf(p->lower_path, sizeof(p->lower_path), "%s", named->path[i]);
	}
	if (!err && !p->merged)
		err = lclone_inventory_read(&p->inv);
	found = err || p->merged ? NULL : lclone_left_over_by(&p->inv, &p->upper.sb);
	if (found) {
		snprintf(p->lower_path, sizeof(p->lower_path), "%s", found->path);
		p->merged = true;
	}
	return err;
}

static int refuse_slot(const struct lclone_file *file, const struct lclone_delta *delta)
{
	int damaged = lclone_delta_damaged_slot(delta);

	return damaged < 0 ? 0 : lclone_fail(-EUCLEAN, "%s: superblock %c is damaged, it can only be read",
					     file->path, 'A' + damaged);
}

static int check_lower(struct pair *p)
{
	char why[LCLONE_WHY_SIZE];
	int err;

	err = lclone_delta_open(&p->lower, &p->lower_file.dev);
	if (err)
		return lclone_fail(err == -EINVAL ? -EMEDIUMTYPE : err, "%s: %s", p->lower_path,
				   p->lower.why);
	err = lclone_link_check(&p->upper.sb, &p->lower.sb, why);
	if (err)
		return lclone_fail(err, "%s: %s %s", p->upper_path, p->lower_path, why);
	err = refuse_slot(&p->lower_file, &p->lower);
	if (!err)
		err = lclone_refuse_damaged(&p->lower_file);
	return err;
}

static int find_lower(struct pair *p, const struct lclone_parents *named)
{
	struct lclone_file file;
	int err;

	err = find_merged(p, named);
	if (!err && !p->merged && !lclone_has_parent(&p->upper.sb))
		err = lclone_fail(-ENOENT, "%s lies on no other layer: merge it into its base (--into-base)",
				  p->upper_path);
	if (!err && !p->merged)
		err = lclone_parent_find(p->upper_path, &p->upper.sb, named, &p->inv,
					 p->lower_path);
	if (err)
		return err;
	err = lclone_file_open(&file, p->lower_path, O_RDONLY);
	number_of(&file, p->lower_number);
	number_of(&p->upper_file, p->upper_number);
	lclone_file_close(&file);
	return err;
}

static int merge_pair(struct pair *p, struct lclone_merge *merge)
{
	struct lclone_chain chain = {
		2, { &p->upper, &p->lower }, { &p->upper_file, &p->lower_file },
	};
	int err;

	merge->chain = &chain;
	merge->target = &p->lower_file;
	merge->share = p->used;
	err = check_lower(p);
	if (!err)
		err = refuse_slot(&p->upper_file, &p->upper);
	if (!err)
		err = lclone_refuse_damaged(&p->upper_file);
	if (!err)
		err = refuse_siblings(p);
	return err ?: lclone_make_writable(&p->lower_file) ?: lclone_merge_into_parent(merge);
}

/* It is written if it is no layer, that its host is noted. */
static int open_upper(struct pair *p)
{
	int err = lclone_open_delta(p->upper_path, O_RDONLY | O_EXCL, &p->upper_file, &p->upper);

	if (err || p->upper.sb.state & LCLONE_STATE_SEALED)
		return err;
	lclone_close_delta(&p->upper_file, &p->upper);
	return lclone_open_delta(p->upper_path, O_RDWR, &p->upper_file, &p->upper);
}

int merge_into_parent(struct into_parent *into, const struct lclone_parents *named,
		      struct lclone_merge *merge)
{
	static struct pair p;
	int err;

	p = (struct pair){ .upper_path = into->path, .lower_file.fd = -1 };
	err = open_upper(&p);
	if (!err)
		err = find_lower(&p, named);
	if (!err)
		err = read_clones(&p);
	if (!err)
		err = p.merged ? open_merged(&p) : open_lower(&p);
	if (!err && !p.merged)
		err = merge_pair(&p, merge);
	if (err == -LCLONE_DRY)
		tell_users(&p, into);
	if (!err)
		err = finish(&p, into);
	strcpy(into->layer, p.lower_path);
	lclone_close_delta(&p.lower_file, &p.lower);
	lclone_close_delta(&p.upper_file, &p.upper);
	if (err && p.lower_path[0]) {	/* else it follows with the tags */
		lclone_why_hold();
		(void)lclone_protect_layer(p.lower_path);
		lclone_why_release();
	}
	lclone_inventory_free(&p.inv);
	free(p.clones);
	return err;
}
