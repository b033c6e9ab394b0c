/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A chain: a delta, the sealed layers that it lies on, and their content as
 * one disk.
 */
#ifndef LCLONE_CHAIN_H
#define LCLONE_CHAIN_H

#include "clone/inventory.h"
#include "format/delta.h"
#include "host/file.h"

#define LCLONE_CHAIN_MAX	(LCLONE_LAYERS_MAX + 1)

struct lclone_chain {
	u32 count;
	struct lclone_delta *delta[LCLONE_CHAIN_MAX];	/* the top one first */
	struct lclone_file *file[LCLONE_CHAIN_MAX];	/* that they are on */
};

/*
 * Makes @top, which is open on @file, and all that it lies on a chain.  Every
 * device in @named must be part of it.  Close it in any case; @top is not
 * closed with it.  Returns 0, or a negative errno with the sentence in
 * lclone_why().
 */
int lclone_chain_open(struct lclone_chain *chain, struct lclone_delta *top,
		      struct lclone_file *file, const struct lclone_parents *named);
void lclone_chain_close(struct lclone_chain *chain);

/*
 * At the end of a long read: -EBUSY if any level is not what it was when it was opened.  Locks
 * prevent that between runs of lclone; nothing prevents it elsewhere.
 */
int lclone_chain_unchanged(const struct lclone_chain *chain);

/*
 * Before extents are read from @file, or written to it: O_DIRECT wants
 * all that is aligned to logical blocks. Subchunks and sizes are, except for a file with larger
 * blocks than the clone's own devices, which then goes through the page cache.
 */
int lclone_chain_match_direct(const struct lclone_chain *chain, struct lclone_file *file);

/* The largest logical block of all that it is on, see lclone_file_block_size() */
u32 lclone_chain_block_size(const struct lclone_chain *chain);

/* A range of the disk that has one source */
struct lclone_chain_extent {
	u64 sector;
	u64 sectors;
	enum lclone_source source;
	u32 level;			/* of the delta that says so */
	u64 delta_sector;		/* LCLONE_FROM_DELTA: where on it */
};

/*
 * The content as extents: as those of lclone_extents_init(), of the topmost
 * @levels.  What they do not know is LCLONE_FROM_BASE up to base_sectors, which
 * may be changed after the init, and zero beyond.
 */
struct lclone_chain_extents {
	struct lclone_chain *chain;
	u32 levels;
	u64 sector, end, base_sectors;
	struct lclone_chain_extent held;
	u32 failed;			/* level that the last error is of */
	struct {
		struct lclone_extents extents;
		struct lclone_extent at;
		bool ended;
	} level[LCLONE_CHAIN_MAX];
};

/* From @sector on, so many; nothing is allocated, and nothing has to be freed. */
void lclone_chain_extents_init(struct lclone_chain_extents *x, struct lclone_chain *chain,
			       u32 levels, u64 sector, u64 sectors);
/* 1: *extent was set. 0: no more. Else a negative errno, see x->failed. */
int lclone_chain_extents_next(struct lclone_chain_extents *x, struct lclone_chain_extent *extent);

/*
 * Reads the clone; @base: NULL if it has none.  0, or a negative errno with the sentence in
 * lclone_why().
 */
int lclone_chain_read(struct lclone_chain *chain, const struct lclone_file *base, void *buf,
		      u64 sector, u32 count);
/* What a level above it would have from below, also behind its end */
int lclone_chain_read_below(struct lclone_chain *chain, const struct lclone_file *base, void *buf,
			    u64 sector, u32 count);

#endif /* LCLONE_CHAIN_H */
