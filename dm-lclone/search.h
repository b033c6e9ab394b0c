/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The search for free chunks below the high-water mark, in the background.
 */
#ifndef LCLONE_SEARCH_H
#define LCLONE_SEARCH_H

#include "cache.h"
#include "commit.h"
#include "freed.h"

/* The way of a search: the worker's and, where a work is queued, that work's */
enum lclone_search_step {
	SEARCH_NONE,
	SEARCH_MEMORY,			/* the work gets memory for the bitmap */
	SEARCH_READY,			/* the worker is to begin */
	SEARCH_DRAIN,			/* I/O that has taken a chunk before ends */
	SEARCH_WALK,			/* the work looks at all leaves */
};

/**
 * struct lclone_search - the search of a delta
 * @step: where it is
 * @stop: none begins, and the one under way ends
 * @used: the bitmap, until it is the allocator's
 * @bits: in it
 * @work: what takes its time
 * @super: the delta's superblock
 * @alloc: is told what is in use
 * @tree: where the leaves are
 * @cache: leaves in RAM
 * @commit: freed chunks on their way ...
 * @freed: ... and behind that
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
 * lclone_search_begin() - begin a search if one is wanted
 * @s: the search
 *
 * Worker only, with no drain under way.  Return: true: it wants a drain.
 */
bool lclone_search_begin(struct lclone_search *s);

/**
 * lclone_search_drained() - that drain has ended
 * @s: the search
 *
 * Worker only.
 */
void lclone_search_drained(struct lclone_search *s);

/**
 * lclone_search_now() - all of a search, before the first I/O
 * @s: the search
 *
 * May sleep.  Return: 0 or -errno.
 */
int lclone_search_now(struct lclone_search *s);

/**
 * lclone_search_stop() - end the search under way, whose result is lost
 * @s: the search
 *
 * postsuspend; may sleep.
 */
void lclone_search_stop(struct lclone_search *s);

/**
 * lclone_search_start() - a search may begin again
 * @s: the search
 */
void lclone_search_start(struct lclone_search *s);

/**
 * lclone_search_init() - make the part
 * @s: zeroed, but for its pointers to other parts
 */
void lclone_search_init(struct lclone_search *s);

#endif /* LCLONE_SEARCH_H */
