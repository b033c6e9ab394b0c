// SPDX-License-Identifier: GPL-2.0-only
/*
 * A delta in RAM: made of its parts, and taken apart again.
 */
#include <linux/slab.h>

#include "lclone.h"

/* What follows from the sizes of device and clone */
void lclone_delta_set_limits(struct lclone_delta *d)
{
	u64 chunks = lclone_chunks(d->sb.virtual_sectors, d->sb.chunk_sectors);

	WRITE_ONCE(d->total, lclone_phys_end(&d->sb) - d->sb.first_chunk);
	d->last_leaf = (chunks - 1) / LCLONE_LEAF_EXCEPTIONS;
	lclone_commit_set_limits(d);
	lclone_alloc_set_limits(d);
}

void lclone_delta_destroy(struct lclone_delta *d)
{
	if (d->wq)
		destroy_workqueue(d->wq);
	cancel_work_sync(&d->event_work);	/* queued by what ran there */
	lclone_dir_destroy(d);
	lclone_tree_exit(d);
	lclone_alloc_destroy(d);
	lclone_sweep_exit(d);
	lclone_commit_exit(d);
	mempool_exit(&d->job_pool);
	bioset_exit(&d->bios);
	lclone_leaf_exit(d);
	lclone_drain_destroy(d);
	kfree(d);
}

struct lclone_delta *lclone_delta_create(struct block_device *bdev)
{
	struct lclone_delta *d = kzalloc(sizeof(*d), GFP_KERNEL);
	int err;

	if (!d)
		return NULL;
	d->bdev = bdev;
	snprintf(d->name, sizeof(d->name), "%pg", bdev);
	d->mode = LCLONE_READ_ONLY;
	INIT_LIST_HEAD(&d->alloc.nodes);
	init_completion(&d->opened);
	init_rwsem(&d->messages);
	lclone_io_init(d);
	INIT_WORK(&d->event_work, lclone_event_work);
	lclone_super_init(d);
	/* first what can't fail: lclone_delta_destroy() undoes whatever was done */
	lclone_commit_init(d);
	lclone_tree_init(d);
	lclone_checkpoint_init(d);
	lclone_search_init(d);
	err = lclone_drain_init(d);
	err = err ?: lclone_leaf_init(d);
	err = err ?: lclone_commit_alloc(d);
	err = err ?: lclone_tree_alloc(d);
	err = err ?: lclone_job_pool_init(d);
	err = err ?: bioset_init(&d->bios, 1, 0, 0);
	if (!err) {
		d->wq = alloc_workqueue("dm-lclone/%s", WQ_UNBOUND | WQ_MEM_RECLAIM, 0, d->name);
		if (!d->wq)
			err = -ENOMEM;
	}
	if (err) {
		lclone_delta_destroy(d);
		return NULL;
	}
	return d;
}
