/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The search for free chunks below the high-water mark, which goes on in the background.
 */
#ifndef LCLONE_SEARCH_H
#define LCLONE_SEARCH_H

#include "cache.h"
#include "commit.h"
#include "freed.h"

/*
 * The steps of a search.  The search belongs to its work in SEARCH_MEMORY and SEARCH_WALK, and to
 * the worker in the others.
 */
enum lclone_search_step {
	SEARCH_NONE,
	SEARCH_MEMORY,			/* the work allocates the bitmap */
	SEARCH_READY,			/* the bitmap is there, and the worker can begin the scan */
	SEARCH_DRAIN,			/* a drain waits for I/O that took chunks before the scan */
	SEARCH_WALK,			/* the work looks at all leaves */
};

/**
 * struct lclone_search - the search of a delta
 * @step: the step that it is in
 * @stop: no search begins, and the one under way ends
 * @used: the bitmap, until the allocator owns it
 * @bits: number of bits in @used
 * @work: does what takes long
 * @super: the delta's superblock
 * @alloc: the delta's allocator, which is told what is in use
 * @tree: the delta's tree, which tells where leaves are on disk
 * @cache: the delta's leaves in RAM
 * @commit: the delta's commit, which has freed chunks on their way
 * @freed: the delta's freed chunks after their commit
 * @geo: the delta's geometry
 */
struct lclone_search {
	enum lclone_search_step step;
	bool stop;
	unsigned long *used;
	u32 bits;
	struct delayed_work work;
	struct lclone_super *super;
	struct lclone_alloc *alloc;
	struct lclone_tree *tree;
	struct lclone_cache *cache;
	struct lclone_commit *commit;
	struct lclone_freed *freed;
	const struct lclone_geometry *geo;
};

/**
 * lclone_search_begin() - begin a search if one is wanted, or go on to its next step
 * @s: the search
 *
 * Worker only, with no drain under way.  Return: true if the caller has to start a drain.
 */
bool lclone_search_begin(struct lclone_search *s);

/**
 * lclone_search_drained() - go on after the drain that lclone_search_begin() wanted
 * @s: the search
 *
 * Worker only.
 */
void lclone_search_drained(struct lclone_search *s);

/**
 * lclone_search_now() - make a whole search before the first I/O
 * @s: the search
 *
 * May sleep.  Return: 0 or -errno.
 */
int lclone_search_now(struct lclone_search *s);

/**
 * lclone_search_stop() - give up the search under way
 * @s: the search
 *
 * postsuspend; may sleep.
 */
void lclone_search_stop(struct lclone_search *s);

/**
 * lclone_search_start() - let searches begin again
 * @s: the search
 */
void lclone_search_start(struct lclone_search *s);

/**
 * lclone_search_init() - make the part
 * @s: zeroed by the caller, but for its pointers to other parts
 */
void lclone_search_init(struct lclone_search *s);

#endif /* LCLONE_SEARCH_H */
