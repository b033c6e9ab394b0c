// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm-lclone: linked clones.  What device-mapper calls: construction, suspend and resume,
 * status, messages and limits.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "activate.h"
#include "args.h"
#include "basecache.h"
#include "chain.h"
#include "grow.h"
#include "lclone_version.h"
#include "map.h"
#include "registry.h"
#include "shrinker.h"
#include "sweep.h"
#include "worker.h"

static int open_devices(struct lclone *t, const char *base, const char *delta)
{
	blk_mode_t mode = t->read_only ? BLK_OPEN_READ : dm_table_get_mode(t->ti->table);
	u32 i;
	int err;

	err = dm_get_device(t->ti, delta, mode, &t->delta_dev);
	if (err) {
		t->ti->error = err == -EBUSY ? "The delta is in use" : "Can't open the delta";
		return err;
	}
	for (i = 0; i < t->nr_parents; i++) {
		err = dm_get_device(t->ti, t->parents[i].name, BLK_OPEN_READ, &t->parents[i].dev);
		if (err) {
			t->ti->error = err == -EBUSY ? "A parent is in use" : "Can't open a parent";
			return err;
		}
	}
	if (!strcmp(base, "-") && t->merge) {
		t->ti->error = "There is no base to merge into";
		return -EINVAL;
	}
	if (!strcmp(base, "-") && t->flatten && !t->nr_parents) {
		t->ti->error = "There is nothing below the delta to flatten";
		return -EINVAL;
	}
	if (!strcmp(base, "-"))
		return 0;
	err = dm_get_device(t->ti, base, BLK_OPEN_READ | (t->merge ? BLK_OPEN_WRITE : 0),
			    &t->base_dev);
	if (err) {
		t->ti->error = err == -EBUSY ?
			"The base is in use: mounted, or claimed by another driver" :
			"Can't open the base";
		return err;
	}
	if (!t->base_cache)
		return 0;
	t->cache = lclone_base_cache_get(t->base_dev->bdev);
	return t->cache ? 0 : lclone_refuse(t, -ENOMEM, "Out of memory");
}

static void close_devices(struct lclone *t)
{
	u32 i;

	lclone_base_cache_put(t->cache);
	for (i = 0; i < t->nr_parents; i++)
		if (t->parents[i].dev)
			dm_put_device(t->ti, t->parents[i].dev);
	if (t->base_dev)
		dm_put_device(t->ti, t->base_dev);
	if (t->delta_dev)
		dm_put_device(t->ti, t->delta_dev);
}

static void table_free(struct lclone *t)
{
	lclone_chain_put(t);
	close_devices(t);
	kfree(t->parents);
	kfree(t);
}

static void set_target(struct dm_target *ti, bool merge)
{
	ti->flush_supported = true;
	ti->num_flush_bios = merge ? 2 : 1;	/* the second one goes to the base */
	ti->discards_supported = true;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->limit_swap_bios = true;
}

static int lclone_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct lclone *t;
	int err;

	if (argc < 2) {
		ti->error = "Usage: <base|-> <delta> [<#feature args> <args>...]";
		return -EINVAL;
	}
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t) {
		ti->error = "Out of memory";
		return -ENOMEM;
	}
	t->ti = ti;
	ti->error = NULL;
	err = lclone_parse_features(t, argc - 2, argv + 2);
	if (!err)
		err = open_devices(t, argv[0], argv[1]);
	if (!err)
		err = lclone_chain_get(t);
	if (!err)
		err = lclone_delta_get(t);
	if (err) {
		table_free(t);
		return err;
	}
	ti->private = t;
	set_target(ti, t->merge);
	return 0;
}

static void lclone_dtr(struct dm_target *ti)
{
	struct lclone *t = ti->private;

	lclone_delta_release(t);
	table_free(t);
}

static void lclone_presuspend(struct dm_target *ti)
{
	struct lclone *t = ti->private;

	lclone_worker_stop(t->delta, dm_noflush_suspending(ti));
}

static void lclone_presuspend_undo(struct dm_target *ti)
{
	struct lclone *t = ti->private;

	lclone_worker_start(t->delta);
	lclone_sweep_start(t->delta);
}

/*
 * Messages are kept out, which device-mapper does not do: a checkpoint after the last
 * superblock would write other counts of free space, and leave them marked as exact.
 */
static void lclone_postsuspend(struct dm_target *ti)
{
	struct lclone *t = ti->private;

	down_write(&t->delta->messages);
	lclone_delta_stop(t->delta);
	up_write(&t->delta->messages);
}

static int lclone_preresume(struct dm_target *ti)
{
	return lclone_delta_start(ti->private);
}

static void lclone_resume(struct dm_target *ti)
{
	struct lclone *t = ti->private;

	lclone_worker_start(t->delta);
	lclone_sweep_start(t->delta);
}

static void lclone_status(struct dm_target *ti, status_type_t type, unsigned int status_flags,
			  char *result, unsigned int maxlen)
{
	struct lclone *t = ti->private;
	struct lclone_delta *d = t->delta;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		DMEMIT("%s %u %u/%u %d %u %llu %llu %s %s",
		       READ_ONCE(d->super.mode) == LCLONE_RW ? "rw" : "ro",
		       lclone_chunk_len(&d->geo),
		       lclone_alloc_used(&d->alloc), READ_ONCE(d->geo.total),
		       atomic_read(&d->cache.nr_leaves), READ_ONCE(d->commit.nr_dirty),
		       READ_ONCE(d->commit.commits), READ_ONCE(d->commit.checkpoints),
		       READ_ONCE(d->super.needs_check) ? "needs_check" : "-",
		       READ_ONCE(d->alloc.full) ? "full" : "-");
		/* Only for the active table: preresume may be freeing the sweep of another one. */
		if ((t->merge || t->flatten || t->flatten_layer) &&
		    READ_ONCE(d->owner.table) == ti->table)
			sz += lclone_sweep_status(d, result + sz, maxlen - sz);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s %s", t->base_dev ? t->base_dev->name : "-", t->delta_dev->name);
		sz += lclone_emit_features(t, result + sz, maxlen - sz);
		break;
	case STATUSTYPE_IMA:
		*result = '\0';
		break;
	}
}

/* The name of a snapshot is known before it is taken, and recorded with the seal. */
static int set_layer_label(struct lclone_super *s, const char *label)
{
	if (strlen(label) >= LCLONE_LABEL_SIZE) {
		DMERR("%s: message layer_label: at most %d bytes", s->dev->name,
		      LCLONE_LABEL_SIZE - 1);
		return -ENAMETOOLONG;
	}
	mutex_lock(&s->tree_lock);
	memset(s->layer_label, 0, sizeof(s->layer_label));
	strscpy(s->layer_label, label, sizeof(s->layer_label));
	mutex_unlock(&s->tree_lock);
	return 0;
}

static int handle_message(struct lclone *t, unsigned int argc, char **argv)
{
	struct lclone_delta *d = t->delta;
	u64 sectors;
	u32 chunks;

	if (READ_ONCE(d->super.mode) != LCLONE_RW) {
		DMERR("%s: message %s: the delta is not writable", d->dev.name, argv[0]);
		return -EROFS;
	}
	if (!READ_ONCE(d->super.activated)) {
		DMERR("%s: message %s: the clone is suspended", d->dev.name, argv[0]);
		return -EAGAIN;
	}
	if (argc == 1 && !strcmp(argv[0], "commit"))
		return lclone_delta_flush_base(d) ?: lclone_commit_sync(&d->commit, false);
	if (argc == 1 && !strcmp(argv[0], "checkpoint"))
		return lclone_delta_flush_base(d) ?: lclone_commit_sync(&d->commit, true);
	if (argc == 1 && !strcmp(argv[0], "grow"))
		return lclone_delta_grow(d);
	if (argc == 2 && !strcmp(argv[0], "low_water_mark") && !kstrtou32(argv[1], 10, &chunks) &&
	    chunks <= LCLONE_PHYS_MASK) {
		lclone_space_set_mark(&d->space, chunks);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[0], "merge_rate"))
		return lclone_sweep_rate(d, argv[1]);
	if (argc <= 2 && !strcmp(argv[0], "layer_label"))
		return set_layer_label(&d->super, argc == 2 ? argv[1] : "");
	if (argc == 2 && !strcmp(argv[0], "resize") && !kstrtou64(argv[1], 10, &sectors))
		return lclone_delta_resize(t, sectors);

	DMERR("%s: unknown message, or wrong arguments: %s", d->dev.name, argv[0]);
	return -EINVAL;
}

static int lclone_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			  unsigned int maxlen)
{
	struct lclone *t = ti->private;
	int err;

	down_read(&t->delta->messages);
	err = handle_message(t, argc, argv);
	up_read(&t->delta->messages);
	return err;
}

/*
 * Returns a device's size in whole logical blocks of the clone, as device-mapper wants it.  A
 * base with smaller blocks may end within a block of the clone.
 */
static sector_t usable_sectors(const struct lclone *t, struct dm_dev *dev)
{
	return round_down(bdev_nr_sectors(dev->bdev), (sector_t)t->block_size >> SECTOR_SHIFT);
}

/* Names each device with its own size, because the base may be smaller than the clone. */
static int lclone_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct lclone *t = ti->private;
	int r = 0;
	u32 i;

	if (t->base_dev)
		r = fn(ti, t->base_dev, 0, usable_sectors(t, t->base_dev), data);
	for (i = 0; !r && i < t->nr_parents; i++)
		r = fn(ti, t->parents[i].dev, 0, usable_sectors(t, t->parents[i].dev), data);
	if (!r)
		r = fn(ti, t->delta_dev, 0, usable_sectors(t, t->delta_dev), data);
	return r;
}

static void lclone_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	struct lclone *t = ti->private;
	u32 chunk = 1u << (t->delta->geo.chunk_shift + SECTOR_SHIFT);
	u32 sub = chunk / LCLONE_SUBCHUNKS;

	limits->physical_block_size = max(limits->logical_block_size, min(sub, 4096u));
	limits->io_min = sub;
	limits->io_opt = chunk;
	limits->discard_granularity = sub;
	limits->max_hw_discard_sectors = UINT_MAX >> SECTOR_SHIFT;
	limits->max_discard_sectors = UINT_MAX >> SECTOR_SHIFT;
#ifndef HAVE_DM_POLL
	/*
	 * dm core of Linux 7.3 has polled a bio that was freed, once in a few runs, when polled
	 * bios were cut.  So clones can't be polled there.
	 */
	limits->features &= ~BLK_FEAT_POLL;
#endif
}

static struct target_type lclone_target = {
	.name = "lclone",
	.version = { 1, 0, 0 },
	.features = DM_TARGET_NOWAIT,
	.module = THIS_MODULE,
	.ctr = lclone_ctr,
	.dtr = lclone_dtr,
	.map = lclone_map,
	.end_io = lclone_end_io,
	.presuspend = lclone_presuspend,
	.presuspend_undo = lclone_presuspend_undo,
	.postsuspend = lclone_postsuspend,
	.preresume = lclone_preresume,
	.resume = lclone_resume,
	.status = lclone_status,
	.message = lclone_message,
	.iterate_devices = lclone_iterate_devices,
	.io_hints = lclone_io_hints,
};

static int __init lclone_init(void)
{
	int err;

	lclone_dir_setup();
	err = lclone_shrinker_init();
	if (err)
		return err;
	err = dm_register_target(&lclone_target);
	if (err)
		lclone_shrinker_exit();
	return err;
}

static void __exit lclone_exit(void)
{
	dm_unregister_target(&lclone_target);
	lclone_shrinker_exit();
}

module_init(lclone_init);
module_exit(lclone_exit);

MODULE_DESCRIPTION(DM_NAME " linked clones");
MODULE_AUTHOR("The dm-lclone maintainers");
MODULE_VERSION(LCLONE_RELEASE);
MODULE_LICENSE("GPL");
