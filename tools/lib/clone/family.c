// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/family.h"
#include "host/find.h"
#include "host/ranges.h"
#include "host/stack.h"

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct lclone_found *)a)->path,
		      ((const struct lclone_found *)b)->path);
}

/* What an active clone has right below it; else its superblock counts. */
static struct member *layer_below(struct family *t, const struct member *n)
{
	dev_t below;
	size_t i;

	if (!lclone_next_with(&t->inv, n->found->rdev, NULL, &below))
		return NULL;
	for (i = 0; i < t->inv.count; i++)
		if (lclone_shows_same(t->inv.found[i].rdev, below))
			return &t->node[i];
	return NULL;
}

static void guess_parent(struct family *t, struct member *n)
{
	const struct lclone_sb *sb = &n->found->sb;
	char why[LCLONE_WHY_SIZE];
	size_t i;

	for (i = 0; i < t->inv.count; i++) {
		const struct lclone_found *found = &t->inv.found[i];

		if (uuid_compare(found->sb.uuid, sb->parent_uuid) ||
		    lclone_left_over_by(&t->inv, &found->sb))
			continue;
		if (!lclone_link_check(sb, &found->sb, why)) {
			n->parent = &t->node[i];
			n->broken[0] = '\0';
			return;
		}
		snprintf(n->broken, sizeof(n->broken), "%s %s", found->path, why);
	}
}

static void find_parent(struct family *t, struct member *n)
{
	const struct lclone_sb *sb = &n->found->sb;
	char uuid[UUID_STR_LEN];

	if (!lclone_has_parent(sb))
		return;
	n->merged_into = lclone_left_over_by(&t->inv, sb);
	if (n->merged_into)
		return;
	n->parent = layer_below(t, n);
	if (n->parent)
		return;
	uuid_unparse(sb->parent_uuid, uuid);
	snprintf(n->broken, sizeof(n->broken), "its parent layer (uuid %s, generation %llu) is missing",
		 uuid, (unsigned long long)sb->parent_generation);
	guess_parent(t, n);
}

/* Superblocks may name anything; who comes to itself on the way down has no place in a tree. */
static void cut_circle(struct family *t, struct member *n)
{
	const struct member *below = n->parent;
	size_t steps;

	for (steps = 0; below && below != n && steps < t->inv.count; steps++)
		below = below->parent;
	if (below != n)
		return;
	snprintf(n->broken, sizeof(n->broken), "its parent layer %s lies on it", n->parent->found->path);
	n->parent = NULL;
}

/* Bases: devices with the same content look the same, but an active clone's table is sure. */

static bool same_base(const struct lclone_sb *a, const struct lclone_sb *b)
{
	return a->base_fp_alg == b->base_fp_alg && a->base_sectors == b->base_sectors &&
	       a->base_fp == b->base_fp;
}

static void ask_base(const struct family *t, struct member *n)
{
	const struct lclone_clone *clone;
	dev_t below;

	if (n->found->sb.base_fp_alg == LCLONE_FP_NONE)
		strcpy(n->base, "-");
	clone = lclone_next_with(&t->inv, n->found->rdev, NULL, &below);
	n->known = clone || n->base[0];
	if (clone)
		lclone_base_name(clone->table.base, n->base);
}

static int guess_base(const struct family *t, struct member *n)
{
	size_t i;

	for (i = 0; i < t->inv.count; i++) {
		const struct member *other = &t->node[i];

		if ((other->known || other < n) && same_base(&other->found->sb, &n->found->sb)) {
			strcpy(n->base, other->base);
			return 0;
		}
	}
	return lclone_likely_base(&n->found->sb, n->base);
}

static int find_bases(struct family *t)
{
	size_t i;
	int err = 0;

	for (i = 0; i < t->inv.count; i++)
		ask_base(t, &t->node[i]);
	for (i = 0; !err && i < t->inv.count; i++)
		if (!t->node[i].known)
			err = guess_base(t, &t->node[i]);
	return err;
}

int lclone_family_read(struct family *t)
{
	size_t i;
	int err;

	err = lclone_inventory_read_all(&t->inv);
	if (err)
		return err;
	t->node = calloc(t->inv.count + 1, sizeof(*t->node));
	if (!t->node)
		return lclone_fail(-ENOMEM, "out of memory");
	if (t->inv.count)
		qsort(t->inv.found, t->inv.count, sizeof(*t->inv.found), by_path);
	for (i = 0; i < t->inv.count; i++) {
		t->node[i].found = &t->inv.found[i];
		t->node[i].clone = lclone_clone_with_delta(&t->inv, t->inv.found[i].rdev);
		find_parent(t, &t->node[i]);
	}
	for (i = 0; i < t->inv.count; i++)
		cut_circle(t, &t->node[i]);
	return find_bases(t);
}

void lclone_family_free(struct family *t)
{
	free(t->node);
	lclone_inventory_free(&t->inv);
}

bool lclone_family_one_base(const struct member *a, const struct member *b)
{
	if (a->base[0] || b->base[0])
		return !strcmp(a->base, b->base);
	return same_base(&a->found->sb, &b->found->sb);
}

bool lclone_family_first_of_base(const struct family *t, size_t i)
{
	size_t k;

	if (t->node[i].parent)
		return false;
	for (k = 0; k < i; k++)
		if (!t->node[k].parent && lclone_family_one_base(&t->node[k], &t->node[i]))
			return false;
	return true;
}

/* Of an active clone the kernel knows it now; else it is that of the last checkpoint. */
u64 lclone_family_used(const struct member *n)
{
	const struct lclone_sb *sb = &n->found->sb;
	struct lclone_status status;

	if (n->clone && !lclone_dm_status(n->clone->name, &status))
		return status.used * status.chunk_sectors;
	return (u64)(sb->hwm - sb->first_chunk - sb->freed) * sb->chunk_sectors;
}
