// SPDX-License-Identifier: GPL-2.0-only
/* Who else has a base that is going to be changed, or may have it */
#include <blkid/blkid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/super.h"
#include "clone/users.h"
#include "host/find.h"
#include "host/look.h"
#include "host/ranges.h"
#include "host/stack.h"

/*
 * Whatever a delta can have been made on, if that is to be changed: the base, its
 * partitions, and all devices that have sectors in common with it.
 */
struct views {
	const struct lclone_file *base;
	struct lclone_ranges ranges;	/* of the base */
	struct lclone_place *place;	/* to be read */
	size_t count;
	struct lclone_inventory *inv;	/* what cannot be read is noted there */
	const struct lclone_chain *chain;	/* of the clone that is asked for, or NULL */
	bool blank;			/* as far as was looked */
};

static int add_view(struct views *v, const char *path, u64 start, u64 sectors)
{
	struct lclone_place *bigger = reallocarray(v->place, v->count + 1, sizeof(*bigger));

	if (!bigger)
		return lclone_fail(-ENOMEM, "out of memory");
	v->place = bigger;
	bigger[v->count] = (struct lclone_place){
		.start = start, .sectors = sectors, .fingerprint = true,
	};
	if (snprintf(bigger[v->count].path, sizeof(bigger->path), "%s", path) >=
	    (int)sizeof(bigger->path))
		return lclone_fail(-ENAMETOOLONG, "%s: the name is too long", path);
	v->count++;
	return 0;
}

static int add_if_overlapping(const char *path, dev_t rdev, u64 sectors, void *ctx)
{
	struct views *v = ctx;
	struct lclone_ranges ranges;
	int err = 0;

	if (v->base->block && rdev == v->base->rdev)
		return 0;
	err = lclone_ranges_of_dev(rdev, sectors, &ranges);
	if (!err && lclone_ranges_overlap(&ranges, &v->ranges))
		err = add_view(v, path, 0, sectors);
	lclone_ranges_free(&ranges);
	return err;
}

/* Nobody may have made devices of the partitions that are in it. */
static int add_partitions(struct views *v, const char *path)
{
	blkid_probe probe = blkid_new_probe_from_filename(v->base->path);
	blkid_partlist list;
	blkid_partition part;
	int i, err = 0;

	if (!probe)
		return lclone_fail(-EIO, "%s: cannot be probed for partitions", v->base->path);
	list = blkid_probe_get_partitions(probe);
	for (i = 0; list && !err && i < blkid_partlist_numof_partitions(list); i++) {
		part = blkid_partlist_get_partition(list, i);
		err = add_view(v, path, blkid_partition_get_start(part),
			       blkid_partition_get_size(part));
	}
	blkid_free_probe(probe);
	return err;
}

static int read_views(struct views *v, const struct lclone_file *base)
{
	char path[64];
	int err;

	v->base = base;
	err = lclone_ranges_of(base, &v->ranges);
	/* our own descriptor: its name may be long, or not be its name any more */
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), base->fd);
	if (!err)
		err = add_view(v, path, 0, base->dev.sectors);
	if (!err)
		err = add_partitions(v, path);
	return err ?: lclone_each_device(add_if_overlapping, v);
}

static void free_views(struct views *v)
{
	free(v->place);
	lclone_ranges_free(&v->ranges);
}

/* The base and its partitions are read by our descriptor, whose name says nothing. */
static int fail_unread(const struct views *v, const struct lclone_place *place)
{
	bool base = !strcmp(place->path, v->place[0].path);
	char why[128];

	lclone_look_why(place, why, sizeof(why));
	return lclone_fail(place->err, "%s %s", base ? v->base->path : place->path, why);
}

/* Is one of them what @sb has recorded?  1, 0, or a negative errno. */
static int matches(const struct views *v, const struct lclone_sb *sb)
{
	struct lclone_place *place = calloc(v->count, sizeof(*place));
	const struct lclone_dev nothing = { .sectors = 0 };
	size_t i, n = 0;
	u64 zeros;
	int ret;

	if (!place)
		return lclone_fail(-ENOMEM, "out of memory");
	lclone_fingerprint(&nothing, &zeros);
	for (i = 0; i < v->count; i++) {
		if (v->place[i].sectors < sb->base_sectors)
			continue;
		place[n] = v->place[i];
		place[n++].sectors = sb->base_sectors;	/* one that has grown since is the same */
	}
	ret = lclone_look(place, n);
	for (i = 0; !ret && i < n; i++) {
		if (place[i].err)
			ret = fail_unread(v, &place[i]);
		else
			/* a base of zeros is like all that is not used yet */
			ret = place[i].fp == sb->base_fp && !(v->blank && sb->base_fp == zeros);
	}
	free(place);
	return ret;
}

/* Of many clones of one base only the first is looked for. */
struct verdicts {
	struct verdict {
		u64 sectors, fp;
		int match;
	} *of;
	size_t count;
};

static int matches_once(struct verdicts *known, const struct views *v, const struct lclone_sb *sb)
{
	struct verdict *bigger;
	size_t i;
	int ret;

	for (i = 0; i < known->count; i++)
		if (known->of[i].sectors == sb->base_sectors && known->of[i].fp == sb->base_fp)
			return known->of[i].match;
	ret = matches(v, sb);
	if (ret < 0)
		return ret;
	bigger = reallocarray(known->of, known->count + 1, sizeof(*bigger));
	if (!bigger)
		return lclone_fail(-ENOMEM, "out of memory");
	known->of = bigger;
	bigger[known->count++] = (struct verdict){ sb->base_sectors, sb->base_fp, ret };
	return ret;
}

static bool overlaps(const struct views *v, dev_t rdev)
{
	struct lclone_ranges ranges = { .count = 0 };
	bool ret;

	ret = rdev && !lclone_ranges_of_dev(rdev, lclone_dev_attribute(rdev, "size"), &ranges) &&
	      lclone_ranges_overlap(&ranges, &v->ranges);
	lclone_ranges_free(&ranges);
	return ret;
}

/* Active clones whose delta was not found: their table has the base, or what is on it. */
static void add_active(struct lclone_names *n, const struct views *v, const char *but)
{
	const struct lclone_inventory *inv = v->inv;
	char name[PATH_MAX];
	size_t i, k;

	for (i = 0; i < inv->clone_count; i++) {
		const struct lclone_clone *c = &inv->clones[i];
		dev_t delta = lclone_dev_number(c->table.delta);

		for (k = 0; k < inv->count && inv->found[k].rdev != delta; k++)
			;
		if (k < inv->count || (but && !strcmp(c->name, but)))
			continue;
		snprintf(name, sizeof(name), "/dev/mapper/%s", c->name);
		if (overlaps(v, lclone_dev_number(c->table.base)) || overlaps(v, delta))
			lclone_add_name(n, name);
	}
}

/* Has a clone with this delta or layer, as its table says, the base? */
static bool has_active(const struct views *v, dev_t rdev)
{
	const struct lclone_clone *c = NULL;
	bool found = false;
	dev_t below;

	while (!found && (c = lclone_next_with(v->inv, rdev, c, &below)))
		found = overlaps(v, lclone_dev_number(c->table.base));
	return found;
}

/* Is it a delta of a base that is to be changed?  1, 0, or a negative errno. */
static int is_user(const struct views *v, const struct lclone_found *found,
		   const struct lclone_sb *ours, struct verdicts *known)
{
	const struct lclone_sb *sb = &found->sb;

	if (overlaps(v, found->rdev))		/* the delta itself is on it */
		return 1;
	if (lclone_is_active(v->inv, found->rdev))
		return has_active(v, found->rdev);
	if (sb->base_fp_alg == LCLONE_FP_NONE)
		return 0;
	/* as it was when ours was made */
	if (ours && sb->base_fp_alg == ours->base_fp_alg &&
	    sb->base_sectors == ours->base_sectors && sb->base_fp == ours->base_fp)
		return 1;
	return matches_once(known, v, sb);
}

static bool is_of_chain(const struct lclone_chain *chain, dev_t rdev)
{
	u32 i;

	for (i = 0; chain && i < chain->count; i++)
		if (lclone_shows_same(rdev, chain->file[i]->rdev))
			return true;
	return false;
}

static int add_deltas(struct lclone_names *n, const struct views *v, const struct lclone_sb *ours,
		      dev_t but)
{
	struct verdicts known = { .count = 0 };
	size_t i;
	int ret = 0;

	for (i = 0; ret >= 0 && i < v->inv->count; i++) {
		const struct lclone_found *found = &v->inv->found[i];

		/* the device, whatever is on it */
		if (lclone_shows_same(found->rdev, but) || is_of_chain(v->chain, found->rdev))
			continue;
		ret = is_user(v, found, ours, &known);
		if (ret > 0)
			lclone_add_name(n, found->path);
	}
	free(known.of);
	return ret < 0 ? ret : 0;
}

struct holders {
	struct lclone_names *names;
	char but[PATH_MAX];		/* the clone that is going to change the base */
};

static int add_holder(dev_t holder, void *ctx)
{
	struct holders *h = ctx;
	char name[PATH_MAX];

	lclone_dev_name(holder, name);
	if (strcmp(name, h->but))
		lclone_add_name(h->names, name);
	return 0;
}

static int refuse_holders(const struct lclone_file *base, const char *clone)
{
	struct lclone_names n = { .count = 0 };
	struct holders h = { .names = &n };

	if (!base->block)
		return 0;
	if (clone)
		snprintf(h.but, sizeof(h.but), "/dev/mapper/%s", clone);
	lclone_dev_each(base->rdev, "holders", add_holder, &h);
	return n.count ? lclone_fail(-EBUSY, "%s is in use by others, too: %s", base->path, n.text) :
			 0;
}

static int find_base_users(struct views *v, const struct lclone_file *base,
			   const struct lclone_sb *ours, dev_t delta, const char *clone,
			   struct lclone_names *names)
{
	int err;

	err = lclone_inventory_read_all(v->inv) ?: read_views(v, base);
	if (!err) {
		add_active(names, v, clone);
		err = add_deltas(names, v, ours, delta);
	}
	free_views(v);
	return err;
}

/*
 * That a device itself cannot be read, or is a damaged delta, says nothing of others; nor does what
 * is in it, as partitions of a guest's disk.  A base may have been a guest's disk with LVM's
 * volumes (@base); where all is overwritten deltas on such volumes would be lost.
 */
static void drop_unseen(struct lclone_inventory *inv, dev_t rdev, bool base)
{
	size_t i, n = 0;

	for (i = 0; i < inv->unseen_count; i++) {
		if ((base || strcmp(inv->unseen[i].why, LCLONE_LEFT_OUT)) &&
		    (lclone_shows_same(inv->unseen[i].rdev, rdev) ||
		     (inv->unseen[i].rdev && lclone_dev_lies_on(inv->unseen[i].rdev, rdev)))) {
			free(inv->unseen[i].path);
			free(inv->unseen[i].why);
		} else {
			inv->unseen[n++] = inv->unseen[i];
		}
	}
	inv->unseen_count = n;
}

static int refuse_users(const struct lclone_file *base, const struct lclone_sb *ours, dev_t delta,
			const char *clone, struct lclone_inventory *inv)
{
	struct lclone_names n = { .count = 0 };
	struct views v = { .inv = inv };
	int err;

	err = find_base_users(&v, base, ours, delta, clone, &n);
	if (!err && n.count)
		err = lclone_fail(-EBUSY, "%s is the base of other deltas, too, which would be lost: %s",
				  base->path, n.text);
	if (!err)
		err = refuse_holders(base, clone);
	drop_unseen(inv, base->rdev, true);
	/* what lies on a file can be in files only, which nobody can look for */
	return err || !base->block ? err : lclone_refuse_unseen(inv, base->path);
}

int lclone_may_merge_into_base(const struct lclone_file *base, const struct lclone_sb *ours,
			       dev_t delta, const char *clone)
{
	struct lclone_inventory inv = { .count = 0 };
	int err;

	err = refuse_users(base, ours, delta, clone, &inv);
	lclone_inventory_free(&inv);
	return err;
}

/* What has begun was confirmed then, but for the base that it has.  1, 0, or a negative errno */
static int was_confirmed(struct lclone_file *base, const struct lclone_sb *ours)
{
	const u64 sectors = base->dev.sectors;
	u64 fp;
	int err;

	if (!(ours->state & LCLONE_STATE_MERGING) || sectors < ours->base_sectors)
		return 0;
	base->dev.sectors = ours->base_sectors;
	err = lclone_fingerprint(&base->dev, &fp);
	base->dev.sectors = sectors;
	return err ? lclone_fail(err, "%s: cannot be read: %s", base->path, strerror(-err)) :
		     fp == ours->base_fp;
}

int lclone_confirm_merge_into_base(struct lclone_file *base, const struct lclone_sb *ours,
				   dev_t delta, const char *clone, lclone_ask_fn ask)
{
	struct lclone_inventory inv = { .count = 0 };
	int ret;

	ret = refuse_users(base, ours, delta, clone, &inv) ?: was_confirmed(base, ours);
	if (!ret)
		ret = ask(base->path, &inv, ours->state & LCLONE_STATE_MERGING);
	lclone_inventory_free(&inv);
	return ret < 0 ? ret : 0;
}

/* What is no base */

int lclone_refuse_base_of_others(const struct lclone_file *file, const struct lclone_chain *chain,
				 bool blank, struct lclone_inventory *inv)
{
	struct lclone_inventory own = { .count = 0 };
	struct lclone_names n = { .count = 0 };
	struct views v = { .inv = inv ?: &own, .chain = chain, .blank = blank };
	int err;

	err = find_base_users(&v, file, NULL, file->rdev, NULL, &n);
	if (!err && n.count)
		err = lclone_fail(-EBUSY, "%s is the base of deltas, which would be lost: %s",
				  file->path, n.text);
	drop_unseen(v.inv, file->rdev, false);
	if (!err && file->block && !blank)
		err = lclone_refuse_unseen(v.inv, file->path);
	lclone_inventory_free(&own);
	return err;
}

/* Is it in one of them?  Which base a merge was begun in is not recorded, but what it needs. */
static bool can_be_in(const struct views *v, const struct lclone_sb *sb)
{
	size_t i;

	for (i = 0; i < v->count; i++)
		if (v->place[i].sectors >= sb->base_sectors)
			return true;
	return false;
}

/* A merge that was interrupted leaves a mixture. */
static int refuse_half_merged(const struct lclone_file *base, const char *option,
			      struct lclone_inventory *inv)
{
	struct lclone_inventory own = { .count = 0 };
	struct views v = { .inv = inv ?: &own };
	size_t i;
	int err;

	inv = v.inv;
	err = lclone_inventory_read_all(inv) ?: read_views(&v, base);
	for (i = 0; !err && i < inv->clone_count; i++)
		if (inv->clones[i].table.features.merge &&
		    overlaps(&v, lclone_dev_number(inv->clones[i].table.base)))
			err = lclone_fail(-EBUSY, "%s is being merged into %s", inv->clones[i].name,
					  base->path);
	for (i = 0; !err && i < inv->count; i++)
		if (lclone_merges_into_base(&inv->found[i].sb) &&
		    !lclone_is_active(inv, inv->found[i].rdev) && !lclone_others_assumed_away() &&
		    can_be_in(&v, &inv->found[i].sb))
			err = lclone_fail(-EBUSY, "%s may be half merged with %s: end that first (lclone merge --into-base)%s",
					  base->path, inv->found[i].path, option);
	free_views(&v);
	lclone_inventory_free(&own);
	return err;
}

int lclone_refuse_as_base(const struct lclone_file *base, const char *option,
			  struct lclone_inventory *inv)
{
	struct lclone_delta delta;
	int err = lclone_delta_open_sb(&delta, &base->dev);
	int unread = lclone_refuse_unread(base->path, &delta, err);

	lclone_delta_close(&delta);
	if (unread)
		return unread;
	if (err != -EINVAL && err != -ENODATA)
		return lclone_fail(-EADDRINUSE, "%s holds an lclone delta: it can be no base", base->path);
	return base->block ? refuse_half_merged(base, option, inv) : 0;
}

int lclone_refuse_common_sectors(const struct lclone_file *a, const struct lclone_file *b)
{
	struct lclone_ranges ra, rb = { .count = 0 };
	int err;

	err = lclone_ranges_of(a, &ra) ?: lclone_ranges_of(b, &rb);
	if (!err && lclone_ranges_overlap(&ra, &rb))
		err = lclone_fail(-EBUSY, "%s and %s have sectors in common", a->path, b->path);
	lclone_ranges_free(&ra);
	lclone_ranges_free(&rb);
	return err;
}
