// SPDX-License-Identifier: GPL-2.0-only
/*
 * A delta in RAM: it is made of its parts, and freed again.
 */
#include <linux/slab.h>

#include "delta.h"
#include "job.h"
#include "miss.h"
#include "part.h"
#include "sweep.h"
#include "worker.h"

void lclone_delta_set_limits(struct lclone_delta *d)
{
	u64 chunks = lclone_chunks(d->super.sb.virtual_sectors, d->super.sb.chunk_sectors);

	WRITE_ONCE(d->geo.total, lclone_phys_end(&d->super.sb) - d->super.sb.first_chunk);
	d->geo.last_leaf = (chunks - 1) / LCLONE_LEAF_EXCEPTIONS;
	lclone_commit_set_limits(&d->commit);
	lclone_alloc_set_limits(&d->alloc);
}

void lclone_delta_destroy(struct lclone_delta *d)
{
	cancel_delayed_work_sync(&d->cache.memory_work);
	if (d->queue.wq)
		destroy_workqueue(d->queue.wq);
	cancel_work_sync(&d->event.work);	/* works that have just ended may have queued it */
	lclone_dir_destroy(&d->cache);
	lclone_tree_exit(&d->tree);
	lclone_alloc_exit(&d->alloc);
	lclone_sweep_exit(d);
	lclone_commit_exit(&d->commit);
	mempool_exit(&d->job_pool);
	mempool_exit(&d->part_pool);
	lclone_cache_exit(&d->cache);
	lclone_drain_exit(&d->drain);
	lclone_super_exit(&d->super);
	kfree(d);
}

/* Sets the pointers from each part to the parts that it knows, and what leads upward. */
static void connect_parts(struct lclone_delta *d)
{
	d->super.dev = &d->dev;
	d->super.queue = &d->queue;
	d->super.event = &d->event;
	d->drain.queue = &d->queue;
	d->drain.dev = &d->dev;
	d->alloc.super = &d->super;
	d->freed.super = &d->super;
	d->freed.alloc = &d->alloc;
	d->freed.geo = &d->geo;
	d->tree.super = &d->super;
	d->tree.alloc = &d->alloc;
	d->cache.super = &d->super;
	d->cache.drain = &d->drain;
	d->cache.alloc = &d->alloc;
	d->cache.tree = &d->tree;
	d->cache.ops = &lclone_miss_ops;
	d->commit.super = &d->super;
	d->commit.checkpoint = &d->checkpoint.work;
	d->checkpoint.commit = &d->commit;
	d->checkpoint.tree = &d->tree;
	d->checkpoint.alloc = &d->alloc;
	d->search.super = &d->super;
	d->search.alloc = &d->alloc;
	d->search.tree = &d->tree;
	d->search.cache = &d->cache;
	d->search.commit = &d->commit;
	d->search.freed = &d->freed;
	d->search.geo = &d->geo;
	d->space.super = &d->super;
	d->space.alloc = &d->alloc;
	d->space.commit = &d->commit;
	d->space.freed = &d->freed;
}

/* Makes all parts, even if one fails, so that lclone_delta_destroy() can free all of them. */
static int init_parts(struct lclone_delta *d)
{
	int err;

	lclone_queue_init(&d->queue, lclone_worker);
	lclone_freed_init(&d->freed);
	lclone_tree_init(&d->tree);
	lclone_checkpoint_init(&d->checkpoint);
	lclone_search_init(&d->search);
	lclone_space_init(&d->space);
	err = lclone_super_init(&d->super);
	err = lclone_drain_init(&d->drain) ?: err;
	err = lclone_cache_init(&d->cache) ?: err;
	err = lclone_commit_init(&d->commit) ?: err;
	err = lclone_job_pool_init(d) ?: err;
	err = lclone_part_pool_init(d) ?: err;
	d->queue.wq = alloc_workqueue("dm-lclone/%s", WQ_UNBOUND | WQ_MEM_RECLAIM, 0, d->dev.name);
	return d->queue.wq ? err : -ENOMEM;
}

struct lclone_delta *lclone_delta_create(struct block_device *bdev, work_func_t event)
{
	struct lclone_delta *d = kzalloc(sizeof(*d), GFP_KERNEL);

	if (!d)
		return NULL;
	d->dev.bdev = bdev;
	snprintf(d->dev.name, sizeof(d->dev.name), "%pg", bdev);
	INIT_WORK(&d->event.work, event);
	INIT_LIST_HEAD(&d->alloc.nodes);
	init_completion(&d->owner.opened);
	init_rwsem(&d->messages);
	connect_parts(d);
	if (init_parts(d)) {
		lclone_delta_destroy(d);
		return NULL;
	}
	return d;
}
