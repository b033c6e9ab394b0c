/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The leaf cache: leaves of the tree in RAM, read on demand and evicted by the shrinker.
 */
#ifndef LCLONE_CACHE_H
#define LCLONE_CACHE_H

#include <linux/mempool.h>

#include "alloc.h"
#include "drain.h"
#include "leaf.h"
#include "tree.h"

/* The directory of leaves has two levels; pages of the lower level are made on demand. */
#define LCLONE_DIR_SLOTS	(PAGE_SIZE / sizeof(void *))

/* How the worker allocates: it never waits for memory, see leaf_page_alloc(). */
#define LCLONE_WORKER_GFP	(GFP_NOWAIT | __GFP_NOWARN)

struct lclone_dir_page {
	struct lclone_leaf __rcu *leaf[LCLONE_DIR_SLOTS];
};

struct lclone_dir {
	u64 nr_pages;
	struct lclone_dir_page __rcu *page[];
};

struct lclone_cache;

/**
 * struct lclone_cache_ops - what the cache tells upward
 * @loaded: a bio for which a leaf was loaded may go on.  Called by the worker of the delta
 *	that has this cache; that delta may be a layer, and the bio be one of a delta above it.
 *	Returns how many layers it may go to before it uses the leaf.
 * @starved: there is no memory for a leaf, no leaf can be evicted, and no page is on its way
 *	from one that was: leaves have to be made clean, and then those unparked who wait for
 *	memory (WAIT_MEMORY).  Called by the worker.
 */
struct lclone_cache_ops {
	unsigned int (*loaded)(struct lclone_cache *c, struct bio *bio);
	void (*starved)(struct lclone_cache *c);
};

/**
 * struct lclone_cache - the leaf cache of a delta
 * @dir: the directory; read under rcu_read_lock_sched(), changed under @lock
 * @lock: protects changes of @dir and of its slots
 * @loads: leaves that are on their way into the cache; worker only
 * @to_find: those of @loads whose place in the tree has to be looked up; queue.lock
 * @nr_leaves: number of leaves in RAM
 * @coming: number of pages that were evicted and are not free yet
 * @evicted: something was evicted since the worker last set @keep_until
 * @keep_until: until then nothing is evicted, in jiffies; written by the worker
 * @clock: page of the directory where eviction goes on, as the hand of a clock; @lock
 * @leaf_pool: pages for leaves and for the directory
 * @load_pool: memory for @loads
 * @memory_work: lets those look again who wait for memory that others have, see ops->starved(), or
 *	that is kept
 * @find_work: looks up where the leaves of @to_find are, and starts to read them
 * @super: the delta's superblock
 * @tree: the delta's tree
 * @alloc: the delta's allocator, which sets aside room for new leaves
 * @drain: the delta's drain, which is told that a leaf was evicted
 * @ops: the way upward; set by delta.c
 */
struct lclone_cache {
	struct lclone_dir __rcu *dir;
	spinlock_t lock;	/* see above */
	struct list_head loads;
	struct list_head to_find;
	atomic_t nr_leaves;
	atomic_t coming;
	bool evicted;
	unsigned long keep_until;
	u64 clock;
	mempool_t leaf_pool;
	mempool_t load_pool;
	struct work_struct find_work;
	struct delayed_work memory_work;
	struct lclone_super *super;
	struct lclone_tree *tree;
	struct lclone_alloc *alloc;
	struct lclone_drain *drain;
	const struct lclone_cache_ops *ops;
};

/**
 * lclone_leaf_lookup() - look for a leaf
 * @c: the cache
 * @index: of the leaf, in the clone
 *
 * Under rcu_read_lock_sched().  Return: the leaf, which may be the shared empty one, or NULL if
 * it is not in RAM.
 */
static inline struct lclone_leaf *lclone_leaf_lookup(const struct lclone_cache *c, u64 index)
{
	struct lclone_dir *dir = rcu_dereference_sched(c->dir);
	struct lclone_dir_page *page = rcu_dereference_sched(dir->page[index / LCLONE_DIR_SLOTS]);

	return rcu_dereference_sched(page->leaf[index % LCLONE_DIR_SLOTS]);
}

/**
 * lclone_leaf_get() - load a leaf and wait for it, or make one
 * @c: the cache
 * @index: of the leaf
 * @create: make a leaf where the tree has none; if false, the shared empty leaf is installed
 * @gfp: LCLONE_WORKER_GFP for the worker, GFP_KERNEL before the first I/O
 *
 * Called by the worker, or before the first I/O.  May sleep on I/O.
 *
 * Return: the leaf, pinned; or the empty leaf, which can't be pinned; or an ERR_PTR, -EAGAIN
 * if there is no memory now: WAIT_MEMORY.
 */
struct lclone_leaf *lclone_leaf_get(struct lclone_cache *c, u64 index, bool create, gfp_t gfp);

/**
 * lclone_leaf_make() - make a leaf where the tree has none yet
 * @c: the cache
 * @index: of the leaf
 * @room: gets whether there is room for its node; if there is none the leaf was not made
 *
 * Worker only.  Return: 0 or -errno, -EAGAIN if there is no memory now: WAIT_MEMORY.
 */
int lclone_leaf_make(struct lclone_cache *c, u64 index, enum lclone_room *room);

/**
 * lclone_leaf_cached() - is a leaf in RAM, or known to be empty?
 * @c: the cache
 * @index: of the leaf
 *
 * The answer may be out of date when this returns, for the shrinker evicts leaves.
 */
bool lclone_leaf_cached(struct lclone_cache *c, u64 index);

/**
 * lclone_leaf_load() - load a leaf for a bio
 * @c: the cache
 * @index: of the leaf
 * @bio: is handed to ops->loaded() when the leaf is there, or ended with an error; may be NULL
 *
 * Worker only.  Does not wait for the leaf.
 */
void lclone_leaf_load(struct lclone_cache *c, u64 index, struct bio *bio);

/**
 * lclone_leaf_finish_loads() - install leaves that were loaded, and let their bios go on
 * @c: the cache
 *
 * Worker only.
 */
void lclone_leaf_finish_loads(struct lclone_cache *c);

/**
 * lclone_cache_evict() - evict leaves that are neither dirty nor pinned
 * @c: the cache, which may have no directory yet
 * @want: how many are wanted
 * @all: evict also leaves that were loaded since the last pass, and pages of the directory that
 *	lead to no leaf; worker only
 *
 * Process context.  Makes one pass over the directory at most, and none before @keep_until.
 * Return: how many pages will be free after a grace period of RCU, when WAIT_MEMORY is unparked.
 */
unsigned long lclone_cache_evict(struct lclone_cache *c, unsigned long want, bool all);

/**
 * lclone_dir_create() - make the directory
 * @c: the cache of a delta whose superblock was read
 *
 * Return: 0 or -ENOMEM.
 */
int lclone_dir_create(struct lclone_cache *c);

/**
 * lclone_dir_resize() - replace the directory by one for a new virtual size
 * @c: the cache
 * @virtual_sectors: the new size
 *
 * May sleep; tree_lock.  Return: 0 or -ENOMEM.
 */
int lclone_dir_resize(struct lclone_cache *c, u64 virtual_sectors);

/**
 * lclone_dir_destroy() - free the directory and all leaves
 * @c: the cache, which nobody uses any more
 */
void lclone_dir_destroy(struct lclone_cache *c);

/**
 * lclone_dir_setup() - set up the page that all directories share
 *
 * Called once, before the first delta is made.
 */
void lclone_dir_setup(void);

/**
 * lclone_cache_init() - make a cache
 * @c: zeroed by the caller, but for its pointers to other parts and to the ops
 *
 * Return: 0 or -ENOMEM; lclone_cache_exit() is called in both cases.
 */
int lclone_cache_init(struct lclone_cache *c);

/**
 * lclone_cache_exit() - free what lclone_cache_init() made
 * @c: the cache, whose directory was destroyed
 */
void lclone_cache_exit(struct lclone_cache *c);

#endif /* LCLONE_CACHE_H */
