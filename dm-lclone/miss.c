// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bios that wait for a leaf of their delta, or of a layer below it, which is not in RAM.
 *
 * A bio that needs a layer's leaf is deferred to the layer, whose worker loads it.  Meanwhile
 * the bio's state has the address of its own delta, so that it finds back.
 */
#include "miss.h"

/* Where there are layers a bio goes to their workers, and comes back, before it has all leaves. */
static unsigned int defer_loaded_bio(struct lclone_cache *c, struct bio *bio)
{
	struct lclone_delta *d = container_of(c, struct lclone_delta, cache);
	u64 state = lclone_io_state(bio);
	unsigned int layers;

	if (d->owner.is_layer) {
		d = (struct lclone_delta *)(state & ~IO_FLAGS);
		lclone_io_set(bio, state & IO_FLAGS);
	}
	/* before it is gone, and the delta with it */
	layers = d->below.chain ? d->below.chain->nr : 0;
	lclone_defer(&d->queue, bio);
	return layers;
}

/*
 * Leaves that are dirty can be evicted when a checkpoint has written them.  Where none is made,
 * in a delta that is read-only, dirty leaves stay, and memory has to come from others.  Nobody
 * tells when it does, so that bios look again a second later.
 */
static void cache_starved(struct lclone_cache *c)
{
	struct lclone_delta *d = container_of(c, struct lclone_delta, cache);

	if (READ_ONCE(d->super.mode) == LCLONE_RW)
		lclone_commit_want_checkpoint(&d->commit);
	else
		queue_delayed_work(d->queue.wq, &c->memory_work, HZ);
}

const struct lclone_cache_ops lclone_miss_ops = {
	.loaded = defer_loaded_bio,
	.starved = cache_starved,
};

void lclone_load_for(struct lclone_delta *d, struct lclone_delta *missing, struct bio *bio)
{
	if (missing == d) {
		lclone_leaf_load(&d->cache,
				 lclone_bio_chunk(&d->geo, bio) / LCLONE_LEAF_EXCEPTIONS, bio);
		return;
	}
	lclone_io_set(bio, lclone_io_state(bio) | (u64)d);
	lclone_defer(&missing->queue, bio);
}
