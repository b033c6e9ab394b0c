// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registry knows which table has which delta.  A clone may not have as its base what
 * another clone writes, and two clones may not write the same delta; sealed layers are shared.
 * A table owns what it names from the moment when it is loaded, so that no resume has to be
 * refused.
 *
 * No I/O is done with the registry's lock held, because a device below may be suspended.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "registry.h"
#include "blank.h"
#include "delta.h"
#include "note.h"
#include "open.h"
#include "sweep.h"

DEFINE_MUTEX(lclone_registry_lock);	/* protects the lists and each delta's owner part */
LIST_HEAD(lclone_deltas);
static LIST_HEAD(tables);		/* all tables of all clones; registry lock */

/* The work that lclone_event_send() queues */
static void send_event_work(struct work_struct *work)
{
	struct lclone_delta *d = container_of(work, struct lclone_delta, event.work);

	mutex_lock(&lclone_registry_lock);
	if (d->owner.table)
		dm_table_event(d->owner.table);
	mutex_unlock(&lclone_registry_lock);
}

static struct block_device *base_of(const struct lclone *t)
{
	return t->base_dev ? t->base_dev->bdev : NULL;
}

static bool is_base(const struct block_device *bdev)
{
	struct lclone *t;

	lockdep_assert_held(&lclone_registry_lock);
	list_for_each_entry(t, &tables, list)
		if (base_of(t) == bdev)
			return true;
	return false;
}

/* A base into which a delta is merged may have no other clone. */
static int check_base_users(struct lclone *t)
{
	struct mapped_device *md = dm_table_get_md(t->ti->table);
	struct lclone *other;

	lockdep_assert_held(&lclone_registry_lock);
	list_for_each_entry(other, &tables, list) {
		if (!t->base_dev || base_of(other) != base_of(t) ||
		    dm_table_get_md(other->ti->table) == md)
			continue;
		if (other->merge) {
			t->ti->error = "The base is being merged into by another clone";
			return -EBUSY;
		}
		if (t->merge) {
			DMERR("%pg: can't be merged into the base: the clone of %s has it, too",
			      t->delta_dev->bdev, other->delta->dev.name);
			t->ti->error = "The base has another clone: nothing can be merged into it";
			return -EBUSY;
		}
	}
	return 0;
}

static int find_delta(struct lclone *t)
{
	struct block_device *bdev = t->delta_dev->bdev;
	struct block_device *base = base_of(t);
	struct mapped_device *md = dm_table_get_md(t->ti->table);
	struct lclone_delta *d;

	lockdep_assert_held(&lclone_registry_lock);
	if (base == bdev) {
		t->ti->error = "Base and delta are the same device";
		return -EINVAL;
	}
	if (is_base(bdev)) {
		t->ti->error = "The delta is the base of another clone";
		return -EBUSY;
	}
	list_for_each_entry(d, &lclone_deltas, owner.list) {
		if (d->dev.bdev == base) {
			t->ti->error = "The base is the delta of another clone";
			return -EBUSY;
		}
		if (d->dev.bdev == bdev && d->owner.is_layer) {
			t->ti->error = "The delta is a layer below another clone";
			return -EBUSY;
		}
		if (d->dev.bdev == bdev && d->owner.newest == t->ti->table) {
			t->ti->error = "The delta is in the table twice";
			return -EINVAL;
		}
		if (d->dev.bdev == bdev && (d->owner.md != md || d->owner.opening)) {
			t->ti->error = "The delta is in use by another clone";
			return -EBUSY;
		}
		if (d->dev.bdev == bdev && d->owner.changes_base && t->rebase) {
			return lclone_refuse(t, -EBUSY,
				"The delta is being merged into the base: load it without \"merge\" first");
		}
		if (d->dev.bdev == bdev)
			t->delta = d;
	}
	return check_base_users(t);
}

/* Makes a delta and registers it as being opened.  Returns NULL if there is no memory. */
static struct lclone_delta *register_delta(struct block_device *bdev)
{
	/* Reclaim might wait for a clone whose resume waits for the registry lock. */
	unsigned int noio = memalloc_noio_save();
	struct lclone_delta *d = lclone_delta_create(bdev, send_event_work);

	lockdep_assert_held(&lclone_registry_lock);
	memalloc_noio_restore(noio);
	if (!d)
		return NULL;
	d->owner.refs = 1;
	d->owner.opening = true;
	list_add(&d->owner.list, &lclone_deltas);
	return d;
}

static int register_own(struct lclone *t)
{
	struct lclone_delta *d = register_delta(t->delta_dev->bdev);

	if (!d) {
		t->ti->error = "Out of memory";
		return -ENOMEM;
	}
	d->owner.md = dm_table_get_md(t->ti->table);
	d->owner.newest = t->ti->table;
	t->delta = d;
	return 0;
}

static void mark_opened(struct lclone_delta *d)
{
	mutex_lock(&lclone_registry_lock);
	d->owner.opening = false;
	mutex_unlock(&lclone_registry_lock);
}

int lclone_delta_get(struct lclone *t)
{
	bool shared;
	int err;

	mutex_lock(&lclone_registry_lock);
	err = find_delta(t);
	shared = !err && t->delta;
	if (shared) {
		t->delta->owner.refs++;
		t->delta->owner.newest = t->ti->table;
	} else if (!err) {
		err = register_own(t);
	}
	if (!err)
		list_add(&t->list, &tables);
	mutex_unlock(&lclone_registry_lock);
	if (err)
		return err;

	err = shared ? lclone_delta_check(t) : lclone_delta_open(t);
	if (err)
		lclone_delta_release(t);
	else if (!shared)
		mark_opened(t->delta);
	if (err && !t->ti->error)
		t->ti->error = "Can't open the delta";
	return err;
}

/* Finds a layer that is registered.  Returns NULL if nobody has it, or an ERR_PTR. */
static struct lclone_delta *find_layer(struct lclone *t, struct block_device *bdev, bool last)
{
	struct lclone_delta *d, *found = NULL;

	lockdep_assert_held(&lclone_registry_lock);
	if (t->base_dev && t->base_dev->bdev == bdev) {
		t->ti->error = "Base and parent are the same device";
		return ERR_PTR(-EINVAL);
	}
	if (is_base(bdev)) {
		t->ti->error = "A parent is the base of another clone";
		return ERR_PTR(-EBUSY);
	}
	list_for_each_entry(d, &lclone_deltas, owner.list)
		if (d->dev.bdev == bdev && !d->owner.replaced)
			found = d;
	if (!found || found->owner.is_layer)
		return found;
	if (found->owner.opening || !last || found->owner.md != dm_table_get_md(t->ti->table)) {
		t->ti->error = "A parent is in use by another clone";
		return ERR_PTR(-EBUSY);
	}
	if (found->owner.changes_base) {
		t->ti->error =
			"A parent is being merged into the base: load it without \"merge\" first";
		return ERR_PTR(-EBUSY);
	}
	/* This delta will be sealed when the table takes over. */
	if (READ_ONCE(found->super.mode) != LCLONE_RW &&
	    !(found->super.sb.state & LCLONE_STATE_SEALED)) {
		t->ti->error = "A parent is not writable: it can't be sealed";
		return ERR_PTR(-EROFS);
	}
	return found;
}

static void mark_replaced(struct lclone_delta *d)
{
	mutex_lock(&lclone_registry_lock);
	d->owner.replaced = true;
	mutex_unlock(&lclone_registry_lock);
}

/*
 * Waits for another table that is opening the layer.  Returns 0 if the layer can be shared, 1 if
 * another superblock is on disk by now, or -errno.
 */
static int share_layer(struct lclone_delta *d)
{
	wait_for_completion(&d->owner.opened);
	return READ_ONCE(d->owner.opening) ? -EIO : lclone_super_changed(&d->super);
}

struct lclone_delta *lclone_layer_get(struct lclone *t, struct dm_dev *dev, bool last)
{
	struct lclone_delta *d;
	bool shared;
	int err;

again:
	err = 0;
	mutex_lock(&lclone_registry_lock);
	d = find_layer(t, dev->bdev, last);
	shared = d;
	if (!IS_ERR_OR_NULL(d)) {
		d->owner.refs++;
	} else if (!d) {
		d = register_delta(dev->bdev);
		if (d)
			d->owner.is_layer = true;
	}
	mutex_unlock(&lclone_registry_lock);
	if (!d) {
		t->ti->error = "Out of memory";
		return ERR_PTR(-ENOMEM);
	}
	if (IS_ERR(d))
		return d;

	if (!shared) {
		err = lclone_delta_open_layer(t, d, dev);
		if (!err)
			mark_opened(d);
		complete_all(&d->owner.opened);
	} else if (d->owner.is_layer) {
		err = share_layer(d);
	}
	if (err > 0) {
		mark_replaced(d);
		lclone_delta_put(d, t->ti->table);
		goto again;
	}
	if (err) {
		if (!t->ti->error)
			t->ti->error = "Can't open a parent";
		lclone_delta_put(d, t->ti->table);
		return ERR_PTR(err);
	}
	return d;
}

void lclone_delta_put(struct lclone_delta *d, struct dm_table *table)
{
	bool last;

	mutex_lock(&lclone_registry_lock);
	if (d->owner.table == table)
		d->owner.table = NULL;
	if (d->owner.newest == table)
		d->owner.newest = NULL;
	if (d->owner.refs == 1 && (d->owner.fresh || READ_ONCE(d->super.noted))) {
		d->owner.opening = true;	/* no table may have it before this has ended */
		mutex_unlock(&lclone_registry_lock);
		if (d->owner.fresh)
			lclone_delta_unformat(d);
		else
			lclone_note_drop(d);
		mutex_lock(&lclone_registry_lock);
	}
	last = !--d->owner.refs;
	if (last)
		list_del(&d->owner.list);
	mutex_unlock(&lclone_registry_lock);
	if (last)
		lclone_delta_destroy(d);
}

void lclone_delta_release(struct lclone *t)
{
	mutex_lock(&lclone_registry_lock);
	list_del(&t->list);
	mutex_unlock(&lclone_registry_lock);
	lclone_sweep_destroy(t->sweep);
	lclone_delta_put(t->delta, t->ti->table);
}

void lclone_registry_start(struct lclone *t)
{
	struct lclone_delta *d = t->delta;

	mutex_lock(&lclone_registry_lock);
	d->owner.table = t->ti->table;
	d->below.base = base_of(t);
	d->owner.changes_base = t->merge;
	mutex_unlock(&lclone_registry_lock);
}

void lclone_registry_seal(struct lclone_delta *d)
{
	mutex_lock(&lclone_registry_lock);
	d->owner.is_layer = true;
	d->owner.md = NULL;
	d->below.base = NULL;
	mutex_unlock(&lclone_registry_lock);
	complete_all(&d->owner.opened);
}
