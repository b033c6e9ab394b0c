// SPDX-License-Identifier: GPL-2.0-only
/*
 * The leaf cache: leaves of the tree in RAM, read on demand and evicted by the shrinker.
 *
 * A slot of the directory holds NULL if the leaf is not in RAM, the shared empty leaf if the
 * tree has no leaf there, or the leaf.  Leaves are installed by the worker, or before the
 * first I/O.  They are taken out by the shrinker.
 */
#include <linux/mempool.h>
#include <linux/slab.h>

#include "cache.h"

static struct lclone_dir_page no_page;		/* its slots are all NULL */

static struct lclone_dir_page empty_page;	/* its slots all hold &lclone_empty_leaf */

/* Time to load a leaf with little memory: reads of its nodes, and a grace period of RCU */
#define LOAD_TIME	max_t(unsigned long, HZ / 20, 1)

/*
 * A leaf on its way into the cache.  The worker starts and ends the load; in between it belongs
 * to load_find_work() and to the read that this submits.
 */
struct leaf_load {
	struct list_head list;
	struct lclone_cache *cache;
	u64 index;
	struct lclone_ref ref;
	void *page;			/* for the leaf */
	void *dir_page;			/* see pages_get() */
	struct bio_list waiting;
	struct list_head find;		/* c->super->queue->lock */
	int err;
	bool read;			/* the tree has the leaf, and it was read */
	bool done;
	bool stale;			/* lclone_leaf_get() has installed the leaf since */
	struct bio bio;
	struct bio_vec bvec;
};

static bool page_is_shared(const struct lclone_dir_page *page)
{
	return page == &no_page || page == &empty_page;
}

/* Directory */

static u64 nr_dir_pages(u64 virtual_sectors, u32 chunk_sectors)
{
	u64 leaves = DIV_ROUND_UP(lclone_chunks(virtual_sectors, chunk_sectors),
				  LCLONE_LEAF_EXCEPTIONS);

	return DIV_ROUND_UP(leaves, LCLONE_DIR_SLOTS);
}

static struct lclone_dir *dir_alloc(struct lclone_cache *c, u64 virtual_sectors)
{
	struct lclone_dir_page *fill = c->super->sb.root_block ? &no_page : &empty_page;
	u64 i, nr = nr_dir_pages(virtual_sectors, c->super->sb.chunk_sectors);
	struct lclone_dir *dir = kvzalloc(struct_size(dir, page, nr), GFP_KERNEL | __GFP_NOWARN);

	if (!dir)
		return NULL;
	dir->nr_pages = nr;
	for (i = 0; i < nr; i++)
		RCU_INIT_POINTER(dir->page[i], fill);
	return dir;
}

int lclone_dir_create(struct lclone_cache *c)
{
	struct lclone_dir *dir = dir_alloc(c, c->super->sb.virtual_sectors);

	if (!dir)
		return -ENOMEM;
	spin_lock(&c->lock);	/* the shrinker may look for the directory */
	rcu_assign_pointer(c->dir, dir);
	spin_unlock(&c->lock);
	return 0;
}

int lclone_dir_resize(struct lclone_cache *c, u64 virtual_sectors)
{
	struct lclone_dir *old, *new = dir_alloc(c, virtual_sectors);
	u64 i;

	lockdep_assert_held(&c->super->tree_lock);
	if (!new)
		return -ENOMEM;
	spin_lock(&c->lock);
	old = rcu_dereference_protected(c->dir, lockdep_is_held(&c->lock));
	for (i = 0; i < old->nr_pages; i++)
		RCU_INIT_POINTER(new->page[i], rcu_access_pointer(old->page[i]));
	rcu_assign_pointer(c->dir, new);
	spin_unlock(&c->lock);
	synchronize_rcu();
	kvfree(old);
	return 0;
}

/* Gives a page back; @page may be NULL. */
static void leaf_page_put(struct lclone_cache *c, void *page)
{
	if (page)
		mempool_free(virt_to_page(page), &c->leaf_pool);
}

/* Gives a page back that was evicted.  Bios that wait for one look again. */
static void leaf_page_free(struct lclone_cache *c, void *page)
{
	leaf_page_put(c, page);
	atomic_dec(&c->coming);
	lclone_unpark(c->super->queue, WAIT_MEMORY);
}

static void leaf_free_rcu(struct rcu_head *head)
{
	struct lclone_leaf *leaf = container_of(head, struct lclone_leaf, rcu);

	leaf_page_free(leaf->cache, leaf);
}

static void dir_page_free_rcu(struct rcu_head *head)
{
	struct page *page = container_of(head, struct page, rcu_head);
	struct lclone_cache *c = (void *)page_private(page);

	set_page_private(page, 0);
	leaf_page_free(c, page_address(page));
}

void lclone_dir_destroy(struct lclone_cache *c)
{
	struct lclone_dir *dir = rcu_dereference_protected(c->dir, true);
	u64 i;
	u32 j;

	rcu_barrier();		/* leaf_free_rcu() must not run after the pool is gone */
	for (i = 0; dir && i < dir->nr_pages; i++) {
		struct lclone_dir_page *page = rcu_dereference_protected(dir->page[i], true);

		if (page_is_shared(page))
			continue;
		for (j = 0; j < LCLONE_DIR_SLOTS; j++) {
			struct lclone_leaf *leaf = rcu_dereference_protected(page->leaf[j], true);

			if (leaf && leaf != &lclone_empty_leaf)
				mempool_free(virt_to_page(leaf), &c->leaf_pool);
		}
		mempool_free(virt_to_page(page), &c->leaf_pool);
	}
	kvfree(dir);
}

/* Cache */

/*
 * A bio has got a leaf, and may need @more of layers before it uses it.  If memory is short others
 * wait to take the leaf's place, and would by then: two could do so to each other without end.
 * Between two such times something has to be evicted, so that the cache does not grow by them.
 */
static void keep(struct lclone_cache *c, unsigned int more)
{
	if (!READ_ONCE(c->evicted) || time_before(jiffies, c->keep_until) ||
	    READ_ONCE(c->leaf_pool.curr_nr) >= c->leaf_pool.min_nr)
		return;
	WRITE_ONCE(c->evicted, false);
	WRITE_ONCE(c->keep_until, jiffies + (1 + more) * LOAD_TIME);
}

/* Gets pages for those who are parked, soon.  Returns false if none will come. */
static bool make_room(struct lclone_cache *c)
{
	unsigned long now = jiffies;

	if (time_before(now, c->keep_until)) {
		mod_delayed_work(c->super->queue->wq, &c->memory_work, c->keep_until - now);
		return true;
	}
	return lclone_cache_evict(c, 64, true) || atomic_read(&c->coming);
}

/*
 * Returns NULL if there is no page at once.  Nobody waits for one here: what sets one free may
 * need the worker, or another work of the queue, which has only one thread while memory is
 * short.  If leaves were evicted, or are made clean, the pages that come of it wake up those
 * who are parked.
 */
static void *leaf_page_alloc(struct lclone_cache *c, gfp_t gfp)
{
	struct page *page = mempool_alloc(&c->leaf_pool, gfp);

	if (page)
		return page_address(page);
	if (!make_room(c))
		c->ops->starved(c);
	return NULL;
}

static struct lclone_dir_page *dir_page_of(struct lclone_cache *c, u64 index)
{
	struct lclone_dir_page *page;

	/* Only the worker replaces pages of the directory, and nobody before the first I/O. */
	rcu_read_lock_sched();
	page = rcu_dereference_sched(rcu_dereference_sched(c->dir)->page[index / LCLONE_DIR_SLOTS]);
	rcu_read_unlock_sched();
	return page;
}

/*
 * Gets what the installation of a leaf takes: a page for it, unless @leaf is NULL, and one for
 * the directory, if that has none of its own there yet.  Returns false if there is no memory.
 */
static bool pages_get(struct lclone_cache *c, u64 index, gfp_t gfp, void **leaf, void **dir_page)
{
	*dir_page = NULL;
	if (page_is_shared(dir_page_of(c, index))) {
		*dir_page = leaf_page_alloc(c, gfp);
		if (!*dir_page)
			return false;
	}
	if (!leaf)
		return true;
	*leaf = leaf_page_alloc(c, gfp);
	if (*leaf)
		return true;
	leaf_page_put(c, *dir_page);
	return false;
}

/*
 * Installs a leaf.  @new becomes the page of the directory, if that is still a shared one.
 * Returns false if there is none: it was given up since pages_get().
 */
static bool install_leaf(struct lclone_cache *c, u64 index, struct lclone_leaf *leaf, void *new)
{
	struct lclone_dir_page *page = dir_page_of(c, index);
	struct lclone_dir *dir;

	if (page_is_shared(page) && !new)
		return false;
	spin_lock(&c->lock);
	dir = rcu_dereference_protected(c->dir, lockdep_is_held(&c->lock));
	if (page_is_shared(page)) {
		memcpy(new, page, sizeof(*page));
		page = new;
		rcu_assign_pointer(dir->page[index / LCLONE_DIR_SLOTS], page);
		new = NULL;
	}
	rcu_assign_pointer(page->leaf[index % LCLONE_DIR_SLOTS], leaf);
	spin_unlock(&c->lock);
	if (leaf != &lclone_empty_leaf)
		atomic_inc(&c->nr_leaves);
	leaf_page_put(c, new);
	return true;
}

static void init_leaf(struct lclone_cache *c, struct lclone_leaf *leaf, u64 index)
{
	atomic_set(&leaf->pins, 0);
	leaf->flags = BIT(LEAF_FRESH);
	leaf->groups = 0;
	leaf->index = index;
	leaf->cache = c;
	INIT_LIST_HEAD(&leaf->uncommitted);
	INIT_LIST_HEAD(&leaf->dirty);
}

/* Converts a leaf in place: the header of the node on disk becomes the leaf's header in RAM. */
static struct lclone_leaf *leaf_from_disk(struct lclone_cache *c, void *page, u64 index)
{
	struct lclone_leaf *leaf = page;
	u32 i;

	static_assert(offsetof(struct lclone_leaf, exceptions) ==
		      offsetof(struct lclone_leaf_disk, exceptions));
	for (i = 0; i < LCLONE_LEAF_EXCEPTIONS; i++)
		leaf->exceptions[i] = le64_to_cpu((__force __le64)leaf->exceptions[i]);
	init_leaf(c, leaf, index);
	return leaf;
}

/*
 * Returns the leaf, pinned, or the empty leaf, or NULL if it is not in RAM.  Eviction happens
 * under the same lock, so that a leaf which is found can still be pinned.
 */
static struct lclone_leaf *leaf_find(struct lclone_cache *c, u64 index)
{
	struct lclone_leaf *leaf;

	spin_lock(&c->lock);
	rcu_read_lock_sched();
	leaf = lclone_leaf_lookup(c, index);
	if (leaf && leaf != &lclone_empty_leaf)
		WARN_ON_ONCE(!lclone_leaf_pin(leaf));
	rcu_read_unlock_sched();
	spin_unlock(&c->lock);
	return leaf;
}

/* Makes a leaf of a page that has the node, or zeros, and installs it, pinned.  Not for loads. */
static struct lclone_leaf *leaf_new(struct lclone_cache *c, u64 index, void *page, void *dir_page)
{
	struct lclone_leaf *leaf = leaf_from_disk(c, page, index);
	struct leaf_load *load;

	atomic_set(&leaf->pins, 1);
	list_for_each_entry(load, &c->loads, list)
		if (load->index == index)
			load->stale = true;
	install_leaf(c, index, leaf, dir_page);
	return leaf;
}

struct lclone_leaf *lclone_leaf_get(struct lclone_cache *c, u64 index, bool create, gfp_t gfp)
{
	struct lclone_leaf *leaf = leaf_find(c, index);
	struct lclone_ref ref = {};
	void *page, *dir_page;
	bool empty;
	int err = 0;

	if (leaf && !(leaf == &lclone_empty_leaf && create))
		return leaf;
	if (!leaf) {
		err = lclone_tree_leaf_ref(c->tree, index, &ref);
		if (err)
			return ERR_PTR(err);
	}
	empty = !ref.block && !create;
	if (!pages_get(c, index, gfp, empty ? NULL : &page, &dir_page))
		return ERR_PTR(-EAGAIN);
	if (empty) {
		install_leaf(c, index, &lclone_empty_leaf, dir_page);
		return &lclone_empty_leaf;
	}

	if (ref.block) {
		err = lclone_meta_read(c->super->dev, ref.block, page, 1);
		if (!err)
			err = lclone_tree_verify_leaf(c->tree, index, ref, page);
	} else {
		clear_page(page);
	}
	if (err) {
		leaf_page_put(c, dir_page);
		leaf_page_put(c, page);
		return ERR_PTR(err);
	}
	return leaf_new(c, index, page, dir_page);
}

bool lclone_leaf_cached(struct lclone_cache *c, u64 index)
{
	bool cached;

	rcu_read_lock_sched();
	cached = lclone_leaf_lookup(c, index);
	rcu_read_unlock_sched();
	return cached;
}

int lclone_leaf_make(struct lclone_cache *c, u64 index, enum lclone_room *room)
{
	struct lclone_leaf *leaf = lclone_leaf_get(c, index, false, LCLONE_WORKER_GFP);
	void *page, *dir_page;

	lclone_assert_worker(c->super->queue);
	*room = LCLONE_ROOM_OK;
	if (IS_ERR(leaf))
		return PTR_ERR(leaf);
	if (leaf == &lclone_empty_leaf) {
		if (!pages_get(c, index, LCLONE_WORKER_GFP, &page, &dir_page))
			return -EAGAIN;
		*room = lclone_alloc_new_leaf(c->alloc);
		if (*room != LCLONE_ROOM_OK) {
			leaf_page_put(c, page);
			leaf_page_put(c, dir_page);
			return 0;
		}
		clear_page(page);
		leaf = leaf_new(c, index, page, dir_page);
	}
	lclone_leaf_unpin(leaf);
	return 0;
}

/* Loads */

static struct leaf_load *load_find(struct lclone_cache *c, u64 index)
{
	struct leaf_load *load;

	list_for_each_entry(load, &c->loads, list)
		if (load->index == index)
			return load;
	return NULL;
}

/* If a pool is empty, then what it had is on its way back, and wakes who is parked. */
static struct leaf_load *load_alloc(struct lclone_cache *c, u64 index)
{
	struct leaf_load *load = mempool_alloc(&c->load_pool, LCLONE_WORKER_GFP);

	if (load && !pages_get(c, index, LCLONE_WORKER_GFP, &load->page, &load->dir_page)) {
		mempool_free(load, &c->load_pool);
		load = NULL;
	}
	return load;
}

void lclone_leaf_load(struct lclone_cache *c, u64 index, struct bio *bio)
{
	struct leaf_load *load;
	unsigned int more;

	lclone_assert_worker(c->super->queue);
	if (lclone_leaf_cached(c, index)) {
		more = bio ? c->ops->loaded(c, bio) : 0;
		if (more)
			keep(c, more);
		return;
	}
	load = load_find(c, index);
	if (load) {
		if (bio)
			bio_list_add(&load->waiting, bio);
		return;
	}
	load = load_alloc(c, index);
	if (!load) {
		if (bio)
			lclone_park(c->super->queue, bio, WAIT_MEMORY);
		return;
	}
	load->cache = c;
	load->index = index;
	load->read = false;
	load->done = false;
	load->stale = false;
	load->err = 0;
	bio_list_init(&load->waiting);
	if (bio)
		bio_list_add(&load->waiting, bio);
	list_add(&load->list, &c->loads);

	/* A look-up in the tree may have to read index nodes, for which the worker can't wait. */
	spin_lock_irq(&c->super->queue->lock);
	list_add_tail(&load->find, &c->to_find);
	spin_unlock_irq(&c->super->queue->lock);
	queue_work(c->super->queue->wq, &c->find_work);
}

static void load_done(struct leaf_load *load)
{
	struct lclone_cache *c = load->cache;
	unsigned long flags;

	/*
	 * The lock keeps the delta: once "done" is set the worker may free the load and end its
	 * bios, and after the last bio the delta may be destroyed, but not without this lock.
	 */
	spin_lock_irqsave(&c->super->queue->lock, flags);
	smp_store_release(&load->done, true);	/* for lclone_leaf_finish_loads() */
	lclone_wake(c->super->queue);
	spin_unlock_irqrestore(&c->super->queue->lock, flags);
}

static void load_endio(struct bio *bio)
{
	struct leaf_load *load = container_of(bio, struct leaf_load, bio);

	load->err = blk_status_to_errno(bio->bi_status);
	if (load->err)
		DMERR_LIMIT("%s: can't read the leaf at block %llu: error %d",
			    load->cache->super->dev->name, load->ref.block, load->err);
	load_done(load);
}

static void load_read(struct leaf_load *load)
{
	struct lclone_cache *c = load->cache;

	load->read = true;
	bio_init(&load->bio, c->super->dev->bdev, &load->bvec, 1, REQ_OP_READ | REQ_META);
	load->bio.bi_iter.bi_sector = load->ref.block * LCLONE_BLOCK_SECTORS;
	load->bio.bi_end_io = load_endio;
	__bio_add_page(&load->bio, virt_to_page(load->page), LCLONE_BLOCK_SIZE, 0);
	submit_bio_noacct(&load->bio);
}

static void load_find_work(struct work_struct *work)
{
	struct lclone_cache *c = container_of(work, struct lclone_cache, find_work);
	struct leaf_load *load, *next;
	LIST_HEAD(loads);

	spin_lock_irq(&c->super->queue->lock);
	list_splice_init(&c->to_find, &loads);
	spin_unlock_irq(&c->super->queue->lock);
	list_for_each_entry_safe(load, next, &loads, find) {
		load->err = lclone_tree_leaf_ref(c->tree, load->index, &load->ref);
		if (!load->err && load->ref.block)
			load_read(load);
		else
			load_done(load);
	}
}

static void memory_work(struct work_struct *work)
{
	struct lclone_cache *c = container_of(to_delayed_work(work), struct lclone_cache,
					      memory_work);

	lclone_unpark(c->super->queue, WAIT_MEMORY);
}

/* Returns the leaf that was loaded, or the empty one, or NULL with load->err if it is damaged. */
static struct lclone_leaf *loaded_leaf(struct leaf_load *load)
{
	struct lclone_cache *c = load->cache;
	void *page = load->page;

	if (!load->read)
		return &lclone_empty_leaf;
	load->err = lclone_tree_verify_leaf(c->tree, load->index, load->ref, page);
	if (load->err)
		return NULL;
	load->page = NULL;
	return leaf_from_disk(c, page, load->index);
}

static void load_finish(struct leaf_load *load)
{
	struct lclone_cache *c = load->cache;
	struct lclone_leaf *leaf = NULL;
	unsigned int more = 0;
	struct bio *bio;
	int err;

	if (load->read)
		bio_uninit(&load->bio);
	/*
	 * lclone_leaf_get() may have installed the leaf meanwhile.  What was read does not count
	 * then: the leaf may have been written elsewhere since, and its old block reused.
	 */
	if (load->stale || lclone_leaf_cached(c, load->index))
		load->err = 0;
	else if (!load->err)
		leaf = loaded_leaf(load);
	err = load->err;
	/* If that fails the bios find that the leaf is not there, and wait for another load. */
	if (leaf && install_leaf(c, load->index, leaf, load->dir_page))
		load->dir_page = NULL;
	else if (leaf && leaf != &lclone_empty_leaf)
		load->page = leaf;
	leaf_page_put(c, load->page);
	leaf_page_put(c, load->dir_page);
	while ((bio = bio_list_pop(&load->waiting))) {
		if (err)
			lclone_end_bio(bio, BLK_STS_IOERR);
		else
			more = max(more, c->ops->loaded(c, bio));
	}
	if (more && lclone_leaf_cached(c, load->index))
		keep(c, more);
	list_del(&load->list);
	mempool_free(load, &c->load_pool);
	/* Behind the bios above, which need the leaf: who is let go on here may evict it. */
	lclone_unpark(c->super->queue, WAIT_MEMORY);
}

void lclone_leaf_finish_loads(struct lclone_cache *c)
{
	struct leaf_load *load, *next;

	lclone_assert_worker(c->super->queue);
	list_for_each_entry_safe(load, next, &c->loads, list)
		if (smp_load_acquire(&load->done))	/* pairs with load_done() */
			load_finish(load);
}

/* Eviction */

#define PASS_PAGES	512		/* of the directory, passed over with the lock held */

static bool evict_one(struct lclone_cache *c, struct lclone_dir_page *page, u32 slot,
		      bool fresh_too)
{
	struct lclone_leaf *leaf = rcu_dereference_protected(page->leaf[slot],
							     lockdep_is_held(&c->lock));

	if (!leaf || leaf == &lclone_empty_leaf)
		return false;
	if (test_and_clear_bit(LEAF_FRESH, &leaf->flags) && !fresh_too)
		return false;
	if (test_bit(LEAF_DIRTY, &leaf->flags) || atomic_cmpxchg(&leaf->pins, 0, LCLONE_LEAF_DEAD))
		return false;
	/* Only who has pinned the leaf makes it dirty, and nobody can pin it any more. */
	if (test_bit(LEAF_DIRTY, &leaf->flags)) {
		atomic_set(&leaf->pins, 0);
		return false;
	}
	rcu_assign_pointer(page->leaf[slot], NULL);
	/*
	 * Whoever loads the leaf anew takes the lock, and so sees this flag.  A drain that sees
	 * it begins with a grace period, after which nobody uses the evicted leaf.  See
	 * lclone_drain_start().
	 */
	smp_store_release(&c->drain->evicted, true);
	atomic_dec(&c->nr_leaves);
	atomic_inc(&c->coming);
	WRITE_ONCE(c->evicted, true);
	call_rcu_hurry(&leaf->rcu, leaf_free_rcu);	/* a bio may wait for it */
	return true;
}

/*
 * Gives up a page of the directory that leads to no leaf.  Where the tree has no leaf, that is
 * found out again.  Returns false if the page leads to one.
 */
static bool evict_dir_page(struct lclone_cache *c, struct lclone_dir *dir, u64 i)
{
	struct lclone_dir_page *page = rcu_dereference_protected(dir->page[i],
								 lockdep_is_held(&c->lock));
	u32 slot;

	for (slot = 0; slot < LCLONE_DIR_SLOTS; slot++) {
		struct lclone_leaf *leaf = rcu_access_pointer(page->leaf[slot]);

		if (leaf && leaf != &lclone_empty_leaf)
			return false;
	}
	rcu_assign_pointer(dir->page[i], &no_page);
	set_page_private(virt_to_page(page), (unsigned long)c);
	atomic_inc(&c->coming);
	WRITE_ONCE(c->evicted, true);
	call_rcu_hurry(&virt_to_page(page)->rcu_head, dir_page_free_rcu);
	return true;
}

/*
 * Evicts leaves of the first page, from the clock's hand on, that has any.  Looks at *@left
 * pages at most, and at a bounded number in one call, because the lock is held meanwhile.
 */
static unsigned long evict_some(struct lclone_cache *c, u64 *left, bool all)
{
	u32 passed = 0, slot;
	struct lclone_dir_page *page = NULL;
	unsigned long evicted = 0;
	struct lclone_dir *dir;

	spin_lock(&c->lock);
	dir = rcu_dereference_protected(c->dir, lockdep_is_held(&c->lock));
	if (!dir)
		*left = 0;
	while (*left && passed++ < PASS_PAGES) {
		if (c->clock >= dir->nr_pages)
			c->clock = 0;
		page = rcu_dereference_protected(dir->page[c->clock++],
						 lockdep_is_held(&c->lock));
		--*left;
		if (!page_is_shared(page))
			break;
	}
	if (page && !page_is_shared(page)) {
		for (slot = 0; slot < LCLONE_DIR_SLOTS; slot++)
			evicted += evict_one(c, page, slot, all);
		if (all)
			evicted += evict_dir_page(c, dir, c->clock - 1);
	}
	spin_unlock(&c->lock);
	return evicted;
}

static u64 dir_nr_pages(struct lclone_cache *c)
{
	struct lclone_dir *dir;
	u64 nr = 0;

	rcu_read_lock_sched();
	dir = rcu_dereference_sched(c->dir);
	if (dir)
		nr = dir->nr_pages;
	rcu_read_unlock_sched();
	return nr;
}

unsigned long lclone_cache_evict(struct lclone_cache *c, unsigned long want, bool all)
{
	unsigned long evicted = 0;
	u64 left = dir_nr_pages(c);

	if (time_before(jiffies, READ_ONCE(c->keep_until)))
		return 0;
	while (left && evicted < want)
		evicted += evict_some(c, &left, all);
	return evicted;
}

/* Life */

void lclone_dir_setup(void)
{
	u32 i;

	for (i = 0; i < LCLONE_DIR_SLOTS; i++)
		RCU_INIT_POINTER(empty_page.leaf[i], &lclone_empty_leaf);
}

int lclone_cache_init(struct lclone_cache *c)
{
	int err;

	spin_lock_init(&c->lock);
	INIT_LIST_HEAD(&c->loads);
	INIT_LIST_HEAD(&c->to_find);
	INIT_WORK(&c->find_work, load_find_work);
	INIT_DELAYED_WORK(&c->memory_work, memory_work);
	c->keep_until = jiffies;
	/* a leaf, and a page of the directory: see pages_get() */
	err = mempool_init_page_pool(&c->leaf_pool, 2, 0);
	if (!err)
		err = mempool_init_kmalloc_pool(&c->load_pool, 1, sizeof(struct leaf_load));
	return err;
}

void lclone_cache_exit(struct lclone_cache *c)
{
	mempool_exit(&c->load_pool);
	mempool_exit(&c->leaf_pool);
}
