/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A delta: all its parts.
 *
 * Files on floors below this one (see Kbuild) know one part each, and the parts that it points
 * to.  Files above see the whole, and compose it.  Where a part has to tell something upward,
 * it calls a struct of operations, or queues a work, that delta.c has set.
 */
#ifndef LCLONE_H
#define LCLONE_H

#include <linux/rwsem.h>

#include "below.h"
#include "cache.h"
#include "checkpoint.h"
#include "commit.h"
#include "owner.h"
#include "search.h"
#include "space.h"

struct lclone_sweep;

/**
 * struct lclone_delta - a delta that is in use
 * @geo: sizes
 * @below: what lies below it
 * @cache: leaves in RAM
 * @dev: the device that it is on
 * @drain: I/O in flight to it
 * @super: superblock and mode
 * @alloc: free space
 * @commit: the log
 * @checkpoint: writes the tree
 * @tree: index nodes
 * @freed: chunks on their way to be free
 * @search: for free chunks
 * @space: what happens when it is full
 * @queue: what its worker has to do
 * @event: tells user space that something has changed
 * @owner: which tables have it
 * @sweep: a merge or flatten, or NULL; changed in preresume only
 * @leaf_ahead: index of a leaf that a large write is about to reach; 0 if there is none
 * @job_pool: memory for jobs
 * @part_pool: memory for the parts into which the worker cuts deferred bios
 * @messages: held for reading while a message is handled, so that a stop waits for it
 *
 * There is one for each block device.  The tables of one mapped device share it; a sealed layer
 * is shared by all tables that have it in their chain.
 */
struct lclone_delta {
	/* Every I/O reads the first members of these parts. */
	struct lclone_geometry geo;
	struct lclone_below below;
	struct lclone_cache cache;
	struct lclone_dev dev ____cacheline_aligned_in_smp;
	struct lclone_drain drain;
	struct lclone_super super;

	struct lclone_alloc alloc ____cacheline_aligned_in_smp;
	struct lclone_commit commit;
	struct lclone_checkpoint checkpoint;
	struct lclone_tree tree;
	struct lclone_freed freed;
	struct lclone_search search;
	struct lclone_space space;
	struct lclone_queue queue;
	struct lclone_event event;
	struct lclone_owner owner;

	struct lclone_sweep *sweep;
	u32 leaf_ahead;
	mempool_t job_pool;
	mempool_t part_pool;
	struct rw_semaphore messages;
} __aligned(64);			/* see IO_FLAGS */

static_assert(__alignof__(struct lclone_delta) > IO_FLAGS);

#endif /* LCLONE_H */
