// SPDX-License-Identifier: GPL-2.0-only
/*
 * The search (or scan) finds the free chunks below the high-water mark.  It looks at all leaves
 * while the clone is in use.
 *
 * It goes on beside everything else.  The allocator notes which chunks are taken, freed or
 * written meanwhile, so that the search only has to find the chunks that nobody touches while
 * it runs.  See "Free space" in Documentation/design.rst.
 */
#include <linux/slab.h>

#include "search.h"

#define READS		32		/* leaves that are read at a time, if there is memory */
#define LOOK_LEAVES	256		/* leaves that are looked at with tree_lock held once */

struct search_read {
	struct lclone_ref ref;
	u64 index;
	void *page;
	struct completion done;
	struct bio bio;
	struct bio_vec bvec;
};

struct walk {
	struct lclone_search *search;
	u64 next;			/* the leaf that is looked at next */
	u32 nr_reads;
	struct search_read *read[READS];
	u64 phys[LCLONE_LEAF_EXCEPTIONS];
};

static void mark_block(void *arg, u64 block)
{
	struct lclone_search *s = arg;
	u64 phys = block / lclone_blocks_per_chunk(&s->super->sb);

	lclone_alloc_scan_mark(s->alloc, &phys, 1);
}

/* Marks the chunks of a leaf that is in RAM.  Returns false if it is not. */
static bool mark_cached(struct walk *w, u64 index)
{
	struct lclone_leaf *leaf;
	bool cached;
	int i;

	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(w->search->cache, index);
	cached = leaf && leaf != &lclone_empty_leaf;
	for (i = 0; cached && i < LCLONE_LEAF_EXCEPTIONS; i++)
		w->phys[i] = lclone_exc_phys(READ_ONCE(leaf->exceptions[i]));
	rcu_read_unlock_sched();
	if (cached)
		lclone_alloc_scan_mark(w->search->alloc, w->phys, LCLONE_LEAF_EXCEPTIONS);
	return cached;
}

/*
 * Looks at a leaf.  Returns 1 if it has to be read from *@ref.  It is not in RAM then, so that
 * its newest state is on disk; because of tree_lock no checkpoint is writing it elsewhere.
 */
static int look_at_leaf(struct walk *w, u64 index, struct lclone_ref *ref)
{
	struct lclone_search *s = w->search;
	int err;

	lockdep_assert_held(&s->super->tree_lock);
	err = lclone_tree_leaf_ref(s->tree, index, ref);
	if (err)
		return err;
	if (ref->block)
		mark_block(s, ref->block);
	return !mark_cached(w, index) && ref->block;
}

/* Looks for the next leaf that has to be read.  Returns 1, 0 if there is none, or -errno. */
static int look_for_next(struct walk *w, struct search_read *r)
{
	struct lclone_search *s = w->search;
	bool more = true;
	int found = 0, n;

	while (more && !found) {
		mutex_lock(&s->super->tree_lock);
		for (n = 0; n < LOOK_LEAVES && !found; n++) {
			more = w->next <= s->geo->last_leaf;
			if (!more)
				break;
			r->index = w->next++;
			found = look_at_leaf(w, r->index, &r->ref);
		}
		mutex_unlock(&s->super->tree_lock);
		cond_resched();
	}
	return found;
}

static void search_read_endio(struct bio *bio)
{
	struct search_read *r = container_of(bio, struct search_read, bio);

	complete(&r->done);
}

static void search_read_start(struct lclone_search *s, struct search_read *r)
{
	init_completion(&r->done);
	bio_init(&r->bio, s->super->dev->bdev, &r->bvec, 1, REQ_OP_READ | REQ_META);
	r->bio.bi_iter.bi_sector = r->ref.block * LCLONE_BLOCK_SECTORS;
	r->bio.bi_end_io = search_read_endio;
	__bio_add_page(&r->bio, virt_to_page(r->page), LCLONE_BLOCK_SIZE, 0);
	submit_bio_noacct(&r->bio);
}

static int search_read_end(struct search_read *r)
{
	int err;

	wait_for_completion(&r->done);
	err = blk_status_to_errno(r->bio.bi_status);
	bio_uninit(&r->bio);
	return err;
}

/*
 * Waits for a leaf and marks its chunks.  If the tree has the leaf elsewhere by now, the block
 * that was read may hold something else, and the leaf is looked at again.
 */
static int finish_read(struct walk *w, struct search_read *r)
{
	const struct lclone_leaf_disk *disk = r->page;
	struct lclone_search *s = w->search;
	struct lclone_ref now;
	int err, again, i;

	for (;;) {
		err = search_read_end(r);
		mutex_lock(&s->super->tree_lock);
		again = look_at_leaf(w, r->index, &now);
		mutex_unlock(&s->super->tree_lock);
		if (again <= 0)
			return again;		/* it is in RAM by now, or there is none */
		if (now.block == r->ref.block && now.csum == r->ref.csum)
			break;
		r->ref = now;
		search_read_start(s, r);
	}
	if (err) {
		DMERR_LIMIT("%s: can't read the leaf at block %llu: error %d",
			    s->super->dev->name, r->ref.block, err);
		return err;
	}
	err = lclone_tree_verify_leaf(s->tree, r->index, r->ref, disk);
	if (err)
		return err;
	for (i = 0; i < LCLONE_LEAF_EXCEPTIONS; i++)
		w->phys[i] = lclone_exc_phys(le64_to_cpu(disk->exceptions[i]));
	lclone_alloc_scan_mark(s->alloc, w->phys, LCLONE_LEAF_EXCEPTIONS);
	return 0;
}

/* Looks at all leaves.  The reads form a ring: when it is full the oldest is waited for. */
static int walk_leaves(struct walk *w)
{
	struct lclone_search *s = w->search;
	u32 started = 0, ended = 0;
	int err = 0, found = 1;

	while (found > 0 || ended < started) {
		struct search_read *r = w->read[started % w->nr_reads];

		if (found > 0 && started - ended < w->nr_reads) {
			found = err || READ_ONCE(s->stop) ? -EINTR : look_for_next(w, r);
			if (found > 0) {
				search_read_start(s, r);
				started++;
			}
			if (found < 0 && !err)
				err = found;
			continue;
		}
		r = w->read[ended++ % w->nr_reads];
		if (err)
			search_read_end(r);
		else
			err = finish_read(w, r);
	}
	return err;
}

static struct search_read *search_read_alloc(void)
{
	gfp_t gfp = GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN;
	struct search_read *r = kmalloc(sizeof(*r), gfp);

	if (!r)
		return NULL;
	r->page = (void *)__get_free_page(gfp);
	if (!r->page) {
		kfree(r);
		return NULL;
	}
	return r;
}

static void walk_free(struct walk *w)
{
	u32 i;

	for (i = 0; i < w->nr_reads; i++) {
		free_page((unsigned long)w->read[i]->page);
		kfree(w->read[i]);
	}
	kvfree(w);
}

static struct walk *walk_alloc(struct lclone_search *s)
{
	struct walk *w = kvzalloc(sizeof(*w), GFP_NOIO | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);

	if (!w)
		return NULL;
	w->search = s;
	for (; w->nr_reads < READS; w->nr_reads++) {
		w->read[w->nr_reads] = search_read_alloc();
		if (!w->read[w->nr_reads])
			break;
	}
	if (!w->nr_reads) {
		walk_free(w);
		return NULL;
	}
	return w;
}

static int walk_tree(struct lclone_search *s)
{
	struct walk *w = walk_alloc(s);
	int err;

	if (!w)
		return -ENOMEM;
	err = walk_leaves(w);
	walk_free(w);
	if (err)
		return err;
	/* All index nodes are in RAM by now.  New ones are marked when they are written. */
	mutex_lock(&s->super->tree_lock);
	lclone_tree_each_index(s->tree, mark_block, s);
	lclone_alloc_scan_end(s->alloc);
	mutex_unlock(&s->super->tree_lock);
	return 0;
}

/* Allocates the bitmap. */
static int search_get_bitmap(struct lclone_search *s)
{
	kvfree(s->used);
	s->used = lclone_alloc_bitmap(s->alloc, &s->bits);
	return s->used ? 0 : -ENOMEM;
}

static int run_search(struct lclone_search *s)
{
	int err = walk_tree(s);

	/* After a lack of memory, and after a suspend, there will be another search. */
	if (err)
		lclone_alloc_scan_abort(s->alloc, err != -ENOMEM && err != -EINTR);
	return err;
}

static void no_memory(struct lclone_search *s)
{
	DMERR_LIMIT("%s: no memory to look for freed chunks", s->super->dev->name);
	s->step = SEARCH_MEMORY;
	queue_delayed_work(s->super->queue->wq, &s->work, HZ);
}

static void search_work(struct work_struct *work)
{
	struct lclone_search *s = container_of(to_delayed_work(work), struct lclone_search, work);
	bool begun = s->step == SEARCH_WALK;
	int err;

	if (READ_ONCE(s->stop))
		return;
	err = begun ? run_search(s) : search_get_bitmap(s);
	if (err == -ENOMEM) {
		no_memory(s);
		return;
	}
	/* pairs with lclone_search_begin() */
	smp_store_release(&s->step, begun ? SEARCH_NONE : SEARCH_READY);
	lclone_space_came(s->alloc);
}

bool lclone_search_begin(struct lclone_search *s)
{
	lclone_assert_worker(s->super->queue);
	if (READ_ONCE(s->stop) || READ_ONCE(s->super->mode) != LCLONE_RW)
		return false;
	switch (smp_load_acquire(&s->step)) {	/* pairs with search_work() */
	case SEARCH_NONE:
		if (!lclone_alloc_wants_scan(s->alloc))
			return false;
		s->step = SEARCH_MEMORY;
		queue_delayed_work(s->super->queue->wq, &s->work, 0);
		return false;
	case SEARCH_READY:
		break;
	default:
		return false;
	}
	/* Chunks that are on their way to be free stay there: only the worker ends that way. */
	lclone_commit_mark_freed(s->commit, s->used);
	lclone_freed_mark(s->freed, s->used);
	if (!lclone_alloc_scan_begin(s->alloc, s->used, s->bits)) {
		/* The delta has grown: a larger bitmap is needed. */
		s->step = SEARCH_MEMORY;
		queue_delayed_work(s->super->queue->wq, &s->work, 0);
		return false;
	}
	s->used = NULL;
	s->step = SEARCH_DRAIN;
	return true;
}

void lclone_search_drained(struct lclone_search *s)
{
	lclone_assert_worker(s->super->queue);
	if (s->step != SEARCH_DRAIN)
		return;
	s->step = SEARCH_WALK;
	queue_delayed_work(s->super->queue->wq, &s->work, 0);
}

void lclone_search_start(struct lclone_search *s)
{
	WRITE_ONCE(s->stop, false);
}

int lclone_search_now(struct lclone_search *s)
{
	int err;

	lclone_search_start(s);
	do {
		err = search_get_bitmap(s);
		if (err)
			return err;
		/* If the delta has grown meanwhile a larger bitmap is needed. */
	} while (!lclone_alloc_scan_begin(s->alloc, s->used, s->bits));
	s->used = NULL;
	return run_search(s);
}

void lclone_search_stop(struct lclone_search *s)
{
	WRITE_ONCE(s->stop, true);
	cancel_delayed_work_sync(&s->work);
	if (s->step == SEARCH_DRAIN || s->step == SEARCH_WALK)
		lclone_alloc_scan_abort(s->alloc, false);
	s->step = SEARCH_NONE;
	kvfree(s->used);
	s->used = NULL;
}

void lclone_search_init(struct lclone_search *s)
{
	INIT_DELAYED_WORK(&s->work, search_work);
}
