// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/family.h"
#include "clone/overview.h"
#include "host/device.h"
#include "host/stack.h"
#include "host/tab.h"

static int make_room(struct lclone_overview *o, size_t count)
{
	o->row = calloc(count + 1, sizeof(*o->row));
	return o->row ? 0 : lclone_fail(-ENOMEM, "out of memory");
}

/* A clone that has gone, or become something else, since it was listed is no row. */
static int add_clone(struct lclone_overview *o, const struct lclone_clone *clone)
{
	struct lclone_row *r = &o->row[o->count];
	u64 chunk;
	int err;

	err = lclone_dm_status(clone->name, &r->status);
	if (err)
		return err == -ENXIO || err == -ENOTTY ? 0 : err;
	strcpy(r->name, clone->name);
	r->active = true;
	lclone_base_name(clone->table.base, r->base);
	lclone_name_of(clone->table.delta, r->delta);
	chunk = (u64)r->status.chunk_sectors * 512;
	r->rdev = clone->rdev;
	r->size_bytes = clone->sectors * 512;
	r->used_bytes = r->status.used * chunk;
	r->total_bytes = r->status.total * chunk;
	r->depth = clone->table.parents + 1;
	r->suspended = clone->suspended;
	r->read_only = clone->read_only;
	r->open_count = clone->open_count;
	o->count++;
	return 0;
}

static int add_clones(struct lclone_overview *o, const struct lclone_inventory *inv)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < inv->clone_count; i++)
		err = add_clone(o, &inv->clones[i]);
	return err;
}

int lclone_overview_read(struct lclone_overview *o)
{
	int err;

	err = lclone_inventory_ask_clones(&o->inv);
	if (!err)
		err = make_room(o, o->inv.clone_count);
	return err ?: add_clones(o, &o->inv);
}

static struct lclone_row *row_of(struct lclone_overview *o, const struct lclone_clone *clone)
{
	size_t i;

	for (i = 0; clone && i < o->count; i++)
		if (!strcmp(o->row[i].name, clone->name))
			return &o->row[i];
	return NULL;
}

static void add_sb(struct lclone_row *r, const struct member *n)
{
	r->has_sb = true;
	r->sb = n->found->sb;
	for (; n; n = n->parent)
		if (n->found->sb.sealed_at > r->taken)
			r->taken = n->found->sb.sealed_at;
}

static void add_member(struct lclone_overview *o, const struct member *n)
{
	struct lclone_row *r = &o->row[o->count++];
	const struct member *below;

	strcpy(r->base, n->base);
	snprintf(r->delta, sizeof(r->delta), "%s", n->found->path);
	r->size_bytes = n->found->sb.virtual_sectors * 512;
	r->used_bytes = lclone_family_used(n) * 512;
	r->total_bytes = n->found->sb.device_sectors * 512;
	for (below = n; below; below = below->parent)
		r->depth++;
	add_sb(r, n);
}

/* Is it the row of the delta that lclonetab calls that, which need not be there? */
static bool is_delta(const struct lclone_row *r, const char *delta)
{
	dev_t rdev;

	if (!strcmp(r->delta, delta))
		return true;
	/* a volume that is not active is known as VG/LV */
	if (r->delta[0] != '/')
		return !strncmp(delta, "/dev/", 5) && !strcmp(r->delta, delta + 5);
	rdev = lclone_dev_at(r->delta);
	return rdev && rdev == lclone_dev_at(delta);
}

/* A clone of that name is active, or a row of its delta has it now; or it is a new row. */
static void add_entry(struct lclone_overview *o, const struct lclone_tab_entry *e)
{
	struct lclone_row *r;
	size_t i;

	for (i = 0; i < o->count; i++)
		if (o->row[i].active && !strcmp(o->row[i].name, e->name))
			return;
	for (i = 0; i < o->count; i++)
		if (!o->row[i].active && is_delta(&o->row[i], e->delta))
			break;
	r = &o->row[i];
	snprintf(r->name, sizeof(r->name), "%s", e->name);
	if (i < o->count)
		return;
	snprintf(r->base, sizeof(r->base), "%s", e->base);
	snprintf(r->delta, sizeof(r->delta), "%s", e->delta);
	o->count++;
}

int lclone_overview_read_all(struct lclone_overview *o, bool inactive)
{
	struct family t = { .node = NULL };
	struct lclone_tab tab = { .count = 0 };
	struct lclone_row *row;
	size_t i;
	int err;

	err = inactive ? lclone_tab_read(&tab, NULL, NULL) : 0;
	err = err ?: lclone_family_read(&t);
	if (!err)
		err = make_room(o, t.inv.clone_count + t.inv.count + tab.count);
	if (!err)
		err = add_clones(o, &t.inv);
	for (i = 0; !err && i < t.inv.count; i++) {
		row = row_of(o, t.node[i].clone);
		if (row)
			add_sb(row, &t.node[i]);
		else if (inactive && !t.node[i].clone)
			add_member(o, &t.node[i]);
	}
	for (i = 0; !err && i < tab.count; i++)
		add_entry(o, &tab.entry[i]);
	lclone_tab_free(&tab);
	o->inv = t.inv;		/* what it holds is freed with the overview */
	t.inv = (struct lclone_inventory){ .count = 0 };
	lclone_family_free(&t);
	return err;
}

void lclone_overview_free(struct lclone_overview *o)
{
	free(o->row);
	lclone_inventory_free(&o->inv);
}

double lclone_row_taken(const struct lclone_row *r)
{
	return r->taken + r->depth / (LCLONE_LAYERS_MAX + 1.0);
}

double lclone_row_percent(const struct lclone_row *r)
{
	return r->total_bytes ? 100.0 * r->used_bytes / r->total_bytes : 0;
}

double lclone_row_task_percent(const struct lclone_row *r)
{
	u64 done, total;

	lclone_task_progress(&r->status, &done, &total);
	return total ? 100.0 * done / total : 100;
}
