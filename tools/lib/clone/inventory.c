// SPDX-License-Identifier: GPL-2.0-only
/* The deltas of this host, and who lies on whom. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/inventory.h"
#include "clone/super.h"
#include "host/find.h"
#include "host/ranges.h"
#include "host/stack.h"

static int add_found(const char *path, dev_t rdev, const struct lclone_sb *sb, void *ctx)
{
	struct lclone_inventory *inv = ctx;
	struct lclone_found *bigger;

	bigger = reallocarray(inv->found, inv->count + 1, sizeof(*bigger));
	if (!bigger)
		return lclone_fail(-ENOMEM, "out of memory");
	inv->found = bigger;
	bigger += inv->count;
	*bigger = (struct lclone_found){ .path = strdup(path), .rdev = rdev, .sb = *sb };
	if (!bigger->path)
		return lclone_fail(-ENOMEM, "out of memory");
	inv->count++;
	return 0;
}

static int add_unseen(const char *path, dev_t rdev, const char *why, void *ctx)
{
	struct lclone_inventory *inv = ctx;
	struct lclone_unseen *bigger;

	bigger = reallocarray(inv->unseen, inv->unseen_count + 1, sizeof(*bigger));
	if (!bigger)
		return lclone_fail(-ENOMEM, "out of memory");
	inv->unseen = bigger;
	bigger += inv->unseen_count;
	*bigger = (struct lclone_unseen){ .path = strdup(path), .why = strdup(why), .rdev = rdev };
	inv->unseen_count++;
	return bigger->path && bigger->why ? 0 : lclone_fail(-ENOMEM, "out of memory");
}

/* Which of two devices that show one delta is to be told: the upper one, or else the first */
static bool is_passed_on(const struct lclone_inventory *inv, size_t i)
{
	const struct lclone_found *f = inv->found;
	size_t k;

	for (k = 0; k < inv->count; k++) {
		if (k == i || !f[k].rdev || !f[i].rdev || uuid_compare(f[k].sb.uuid, f[i].sb.uuid))
			continue;
		if (lclone_dev_lies_on(f[k].rdev, f[i].rdev))
			return true;
		if (k < i && !lclone_dev_lies_on(f[i].rdev, f[k].rdev) &&
		    lclone_shows_same(f[k].rdev, f[i].rdev))
			return true;
	}
	return false;
}

static int drop_passed_on(struct lclone_inventory *inv)
{
	bool *drop = calloc(inv->count + 1, sizeof(*drop));
	size_t i, n = 0;

	if (!drop)
		return lclone_fail(-ENOMEM, "out of memory");
	for (i = 0; i < inv->count; i++)
		drop[i] = is_passed_on(inv, i);
	for (i = 0; i < inv->count; i++) {
		if (drop[i])
			free(inv->found[i].path);
		else
			inv->found[n++] = inv->found[i];
	}
	inv->count = n;
	free(drop);
	return 0;
}

int lclone_inventory_read(struct lclone_inventory *inv)
{
	const struct lclone_finder finder = { add_found, add_unseen, inv };
	int err;

	if (inv->read)
		return 0;
	inv->read = true;
	err = lclone_find_deltas(&finder);
	return err ?: drop_passed_on(inv);
}

static int is_dm_device(const char *path, dev_t rdev, u64 sectors, void *ctx)
{
	(void)path;
	(void)sectors;
	(void)ctx;
	return lclone_dev_is_dm(rdev);
}

static int add_unseen_clone(const char *name, const char *why, void *ctx)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	return add_unseen(path, 0, why, ctx);	/* whatever it lies on, it is not itself */
}

int lclone_inventory_ask_clones(struct lclone_inventory *inv)
{
	return lclone_dm_list(&inv->clones, &inv->clone_count, add_unseen_clone, inv);
}

/*
 * Without a device of device-mapper there is no clone, and nothing to ask.  Who is not
 * root may not ask, and works on files.
 */
static int read_clones(struct lclone_inventory *inv)
{
	int ret;

	if (inv->clones || geteuid())
		return 0;
	ret = lclone_each_block_device(is_dm_device, NULL);
	if (ret <= 0)
		return ret;
	return lclone_inventory_ask_clones(inv);
}

int lclone_inventory_read_all(struct lclone_inventory *inv)
{
	return lclone_inventory_read(inv) ?: read_clones(inv);
}

void lclone_inventory_free(struct lclone_inventory *inv)
{
	size_t i;

	for (i = 0; i < inv->count; i++)
		free(inv->found[i].path);
	for (i = 0; i < inv->unseen_count; i++) {
		free(inv->unseen[i].path);
		free(inv->unseen[i].why);
	}
	free(inv->found);
	free(inv->unseen);
	free(inv->clones);
}

const struct lclone_lv *lclone_found_volume(const struct lclone_found *found,
					    const struct lclone_lv *lvs, size_t count)
{
	char path[LCLONE_LV_PATH_SIZE];
	size_t i;

	if (found->rdev)
		return lclone_lv_at(lvs, count, found->rdev);
	for (i = 0; i < count; i++) {
		lclone_lv_path(&lvs[i], path);
		if (!strcmp(path + strlen("/dev/"), found->path))
			return &lvs[i];
	}
	return NULL;
}

/* What could not be looked at */

static bool assume_no_others, can_assume;

void lclone_can_assume_no_other_clones(void)
{
	can_assume = true;
}

void lclone_assume_no_other_clones(void)
{
	assume_no_others = true;
}

bool lclone_others_assumed_away(void)
{
	return assume_no_others;
}

int lclone_refuse_unseen(const struct lclone_inventory *inv, const char *what)
{
	struct lclone_names n = { .count = 0 };
	char name[PATH_MAX];
	size_t i;

	for (i = 0; i < inv->unseen_count; i++) {
		snprintf(name, sizeof(name), "%s %s", inv->unseen[i].path, inv->unseen[i].why);
		lclone_add_name(&n, name);
	}
	if (!n.count || assume_no_others)
		return 0;
	return lclone_fail(-EBUSY, "%s may be needed by a delta that could not be looked at (%s): %s",
			   what, can_assume ?
			   "if you know that it is not: --assume-no-other-clones" :
			   "activate, resume or repair what is named here, and run this again",
			   n.text);
}

/* What the tables of active clones say */

static bool is_number(const char *word, dev_t rdev)
{
	return rdev && lclone_dev_number(word) == rdev;
}

const struct lclone_clone *lclone_clone_with_delta(const struct lclone_inventory *inv, dev_t rdev)
{
	size_t i;

	for (i = 0; i < inv->clone_count; i++)
		if (is_number(inv->clones[i].table.delta, rdev))
			return &inv->clones[i];
	return NULL;
}

/* Calls @visit for all that a clone has, top to bottom: its delta, its layers, its base. */
static bool any_part(const struct lclone_clone *clone, bool (*visit)(const char *word, void *ctx),
		     void *ctx)
{
	u32 i;

	if (visit(clone->table.delta, ctx))
		return true;
	for (i = clone->table.parents; i-- > 0;)
		if (visit(lclone_table_parent(&clone->table, i), ctx))
			return true;
	return visit(clone->table.base, ctx);
}

struct step_below {
	dev_t of;
	bool reached;
	dev_t dev;			/* what is right below it; 0: a base "-" */
};

static bool look_below(const char *word, void *ctx)
{
	struct step_below *b = ctx;

	if (!b->reached) {
		b->reached = is_number(word, b->of);
		return false;
	}
	b->dev = lclone_dev_number(word);
	return true;
}

const struct lclone_clone *lclone_next_with(const struct lclone_inventory *inv, dev_t rdev,
					    const struct lclone_clone *after, dev_t *below)
{
	size_t i = after ? after - inv->clones + 1 : 0;

	for (; i < inv->clone_count; i++) {
		const struct lclone_clone *c = &inv->clones[i];
		struct step_below b = { .of = rdev };

		any_part(c, look_below, &b);
		if (b.reached && !is_number(c->table.base, rdev)) {
			*below = b.dev;
			return c;
		}
	}
	return NULL;
}

bool lclone_is_active(const struct lclone_inventory *inv, dev_t rdev)
{
	dev_t below;

	return lclone_next_with(inv, rdev, NULL, &below);
}

/*
 * Who names the uuid depends on it, whatever else does not fit: a layer that was repaired has
 * another generation, and what lies on it can still be put on that.
 */
static bool depends_on(const struct lclone_sb *child, const struct lclone_sb *sb)
{
	return lclone_has_parent(child) && !uuid_compare(child->parent_uuid, sb->uuid);
}

bool lclone_lies_on(const struct lclone_inventory *inv, const struct lclone_found *found,
		    dev_t rdev, const struct lclone_sb *sb)
{
	const struct lclone_clone *c = NULL;
	bool known = false;
	dev_t below;

	if (!depends_on(&found->sb, sb))
		return false;
	while ((c = lclone_next_with(inv, found->rdev, c, &below))) {
		if (lclone_shows_same(below, rdev))
			return true;
		known = true;
	}
	return !known || !rdev;
}

/* Superblocks */

const struct lclone_found *lclone_left_over_by(const struct lclone_inventory *inv,
					       const struct lclone_sb *sb)
{
	size_t i;

	for (i = 0; i < inv->count; i++)
		if (lclone_left_over(sb, &inv->found[i].sb))
			return &inv->found[i];
	return NULL;
}

/* Finding parents */

int lclone_add_parent(struct lclone_parents *parents, const char *path)
{
	if (parents->count == LCLONE_LAYERS_MAX)
		return lclone_fail(-ERANGE, "a chain has at most %d layers", LCLONE_LAYERS_MAX);
	parents->path[parents->count++] = path;
	return 0;
}

struct search {
	const char *name;		/* of the child */
	const struct lclone_sb *sb;
	char *path;			/* of the parent, "" as long as there is none ... */
	struct lclone_sb found;		/* ... and its superblock */
	char almost[PATH_MAX + LCLONE_WHY_SIZE];	/* the right uuid, but not the layer */
};

/* 0, or -ESTALE if this is the second. What a merge has left over is none. */
static int try(struct search *s, const char *path, const struct lclone_sb *sb)
{
	char why[LCLONE_WHY_SIZE];

	if (uuid_compare(sb->uuid, s->sb->parent_uuid))
		return 0;
	if (lclone_link_check(s->sb, sb, why)) {
		snprintf(s->almost, sizeof(s->almost), "%s %s", path, why);
		return 0;
	}
	if (s->path[0] && lclone_left_over(sb, &s->found))
		return 0;
	if (s->path[0] && !lclone_left_over(&s->found, sb))
		return lclone_fail(-ESTALE, "%s: %s and %s are both its parent layer: name one of them (--parent)",
				   s->name, s->path, path);
	snprintf(s->path, PATH_MAX, "%s", path);
	s->found = *sb;
	return 0;
}

static int try_named(struct search *s, const char *path)
{
	struct lclone_sb sb;

	return lclone_sb_of(path, &sb) ?: try(s, path, &sb);
}

/* A volume that is not active can be activated. */
static int try_inactive(const struct search *s, const struct lclone_inventory *inv)
{
	char why[LCLONE_WHY_SIZE];
	size_t i;

	for (i = 0; i < inv->count; i++)
		if (!inv->found[i].rdev && !lclone_link_check(s->sb, &inv->found[i].sb, why))
			return lclone_fail(-ESTALE, "%s: its parent layer is on the volume %s, which is not active (lvchange -ay %s)",
					   s->name, inv->found[i].path, inv->found[i].path);
	return 0;
}

static int try_all(struct search *s, struct lclone_inventory *inv)
{
	size_t i;
	int err;

	err = lclone_inventory_read(inv);
	for (i = 0; !err && i < inv->count; i++)
		if (inv->found[i].rdev)
			err = try(s, inv->found[i].path, &inv->found[i].sb);
	return err ?: s->path[0] ? err : try_inactive(s, inv);
}

int lclone_parent_find(const char *name, const struct lclone_sb *sb,
		       const struct lclone_parents *named, struct lclone_inventory *inv,
		       char path[PATH_MAX])
{
	struct search s = { .name = name, .sb = sb, .path = path };
	const struct lclone_found *left;
	char uuid[UUID_STR_LEN];
	u32 i;
	int err = 0;

	path[0] = '\0';
	for (i = 0; !err && i < named->count; i++)
		err = try_named(&s, named->path[i]);
	if (!err && !path[0])
		err = try_all(&s, inv);
	if (err || path[0])
		return err;
	left = lclone_left_over_by(inv, sb);
	if (left)
		return lclone_fail(-ESTALE, "%s was merged into %s, which has its place: it is left over (lclone remove)",
				   name, left->path);
	if (s.almost[0])
		return lclone_fail(-ESTALE, "%s: %s", name, s.almost);
	uuid_unparse(sb->parent_uuid, uuid);
	return lclone_fail(-ESTALE, "%s: its parent layer (uuid %s, generation %" PRIu64
			   ") is on no device that can be read%s%s", name, uuid,
			   sb->parent_generation, inv->unseen_count ? "; not looked at: " : "",
			   inv->unseen_count ? inv->unseen[0].path : "");
}

/* Who depends on a layer */

/* 0 if it is not known */
static dev_t number_of(const char *path)
{
	struct lclone_file file;
	dev_t rdev;

	rdev = lclone_file_open(&file, path, O_RDONLY) ? 0 : file.rdev;
	lclone_file_close(&file);
	return rdev;
}

static int depended(const char *path, const struct lclone_names *n)
{
	return n->count ? lclone_fail(-EBUSY, "%s is a layer that others depend on: %s", path,
				      n->text) : 0;
}

/* Others can depend on a layer, and one that this is being merged into on what has a parent. */
static bool may_be_depended(const struct lclone_inventory *inv, const struct lclone_sb *sb)
{
	char why[LCLONE_WHY_SIZE];
	size_t i;

	if (sb->state & LCLONE_STATE_SEALED)
		return true;
	for (i = 0; i < inv->count; i++)
		if (!lclone_link_check(sb, &inv->found[i].sb, why))
			return false;
	return lclone_has_parent(sb);
}

int lclone_refuse_depended(const char *path, const struct lclone_sb *sb,
			   struct lclone_inventory *inv)
{
	struct lclone_inventory own = { .count = 0 };
	struct lclone_names n = { .count = 0 };
	size_t i;
	dev_t rdev;
	int err;

	inv = inv ?: &own;
	rdev = number_of(path);
	err = lclone_inventory_read_all(inv);
	if (err || lclone_left_over_by(inv, sb))
		goto out;
	for (i = 0; !err && i < inv->count; i++) {
		if (lclone_half_merged_with(&inv->found[i].sb, sb->uuid))
			err = lclone_fail(-EBUSY, "%s is being merged into %s, which is nothing without it: end that with lclone merge --into-parent",
					  path, inv->found[i].path);
		else if (lclone_lies_on(inv, &inv->found[i], rdev, sb))
			lclone_add_name(&n, inv->found[i].path);
	}
	if (!err)
		err = depended(path, &n);
	if (!err && may_be_depended(inv, sb))
		err = lclone_refuse_unseen(inv, path);
out:
	lclone_inventory_free(&own);
	return err;
}

int lclone_refuse_loss(const char *path, const struct lclone_delta *delta, int err,
		       struct lclone_inventory *inv)
{
	int i;

	switch (-err) {
	case 0:
	case ENOSPC:	/* the device was shrunk: what it is is known all the same */
		if (lclone_merges_into_base(&delta->sb))
			return lclone_fail(-EBUSY, "%s is being merged into its base, which is nothing without it: end that with lclone merge --into-base",
					   path);
		return lclone_refuse_depended(path, &delta->sb, inv);
	case EUCLEAN:	/* it may be either */
		for (i = 0, err = 0; !err && i < 2; i++)
			if (!delta->slot[i].err)
				err = lclone_refuse_depended(path, &delta->slot[i].sb, inv);
		return err;
	default:
		return 0;
	}
}

int lclone_refuse_others(struct lclone_inventory *inv, const char *path,
			 const struct lclone_sb *sb, const struct lclone_sb *child, dev_t rdev)
{
	struct lclone_names n = { .count = 0 };
	dev_t lower = number_of(path);
	size_t i;
	int err;

	err = lclone_inventory_read_all(inv);
	for (i = 0; !err && i < inv->count; i++) {
		const struct lclone_found *found = &inv->found[i];

		if (lclone_shows_same(found->rdev, rdev))
			continue;
		if (!uuid_compare(found->sb.uuid, child->uuid))
			return lclone_fail(-ESTALE, "%s has the same identity as the layer to be merged: one of them must go first",
					   found->path);
		if (lclone_lies_on(inv, found, lower, sb))
			lclone_add_name(&n, found->path);
	}
	return err ?: depended(path, &n) ?: lclone_refuse_unseen(inv, path);
}
