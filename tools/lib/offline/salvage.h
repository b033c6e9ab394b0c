/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can still be read of a damaged delta: its exceptions, from the tree, from
 * nodes that nothing leads to any more, and from the log.  Reads only.
 *
 * Memory is 16 bytes for each leaf, and a few bits for each chunk of the delta: what a leaf
 * has in it is read from the device again, and verified again, whenever it is wanted.  To
 * that come 32 bytes for each record in the log, and 24 for each range of the clone that is lost
 * or may be old: up to four times as much while they are found, because those that touch are
 * joined once in a while only.
 */
#ifndef LCLONE_SALVAGE_H
#define LCLONE_SALVAGE_H

#include "format/delta.h"
#include "format/tree.h"
#include "basic/watch.h"

/* A range of the clone, in sectors */
struct lclone_loss {
	u64 sector, sectors;
	bool old;	/* content may be older than what was acknowledged; else it is lost */
};

enum lclone_leaf_flag {
	LCLONE_LEAF_LOST = 1,		/* a reference leads here, but to no valid leaf */
	LCLONE_LEAF_LIMITED = 2,	/* lclone_leaf_limit() has what its age cannot exceed */
	LCLONE_LEAF_ORPHAN = 4,		/* nothing leads to it: it may be outdated */
	LCLONE_LEAF_CHANGED = 8,	/* not to be as it is on the device */
	LCLONE_LEAF_EMPTY = 16,		/* without an exception: not needed */
	LCLONE_LEAF_CONTESTED = 32,	/* has a chunk of the delta that others claim, too */
	LCLONE_LEAF_PLANNED = 64,	/* csum is that of the leaf as it will be */
};

/* A leaf of the repaired delta */
struct lclone_salvaged {
	u32 place;			/* its first chunk / LCLONE_LEAF_EXCEPTIONS */
	u32 csum;
	u64 block : 43;			/* where it is on the device; 0: only the log has it */
	u64 flags : 21;
};

struct lclone_salvage {
	struct lclone_delta delta;	/* of the superblock to go on from */
	const struct lclone_watch *watch;	/* or NULL */
	u64 checkpoint;			/* of the content; sb.checkpoint, or a later one found */
	u64 max_checkpoint, max_incarnation;	/* of all superblocks and log blocks */
	u64 next_commit;
	bool changed;			/* the superblock's tree is not the content */

	struct lclone_salvaged *leaf;	/* in order of their places */
	size_t leaves;
	struct lclone_loss *loss;	/* sorted, in order and without overlaps of one kind */
	size_t losses;
	/* Bitmaps of the delta's chunks */
	u8 *busy;			/* anything refers to it, or did */
	u8 *data;			/* what the content has */
	u8 *node;			/* leaves were found there: it has no data */

	u64 dropped;			/* exceptions that break a rule */
	u64 orphans;			/* leaves that nothing led to any more */
	u64 missing;			/* blocks of commits in the log */

	/* What is needed to find that out, see salvage-parts.h */
	size_t leaf_room;
	struct lclone_late *late;
	size_t nr_late, late_room;
	struct lclone_limit *limit;
	size_t limits;
	size_t lost_leaves;
	struct lclone_hole *hole;
	size_t holes;
	u8 *found;
	struct lclone_logged *logged;
	size_t nr_logged;
	struct lclone_contest *contest;
	size_t contests;
	bool judged;
	size_t joined;
	union lclone_node *ahead;
	u64 ahead_block;
	u32 ahead_blocks;
};

/*
 * Returns 0, or a negative errno with a sentence in salvage->delta.why: what
 * lclone_delta_open_sb() says, -EPROTONOSUPPORT if the delta must not be
 * written, -EUCLEAN if there is too little to go on from, -EINTR if @watch wants so.
 * Free it in any case.  @dev is read again later, and @watch called.
 */
int lclone_salvage(struct lclone_salvage *salvage, const struct lclone_dev *dev,
		   const struct lclone_watch *watch);
void lclone_salvage_free(struct lclone_salvage *salvage);

/*
 * What is wanted in a leaf, in place of what the device has: in @node, without a header.  Reads,
 * and returns a negative errno with a sentence if what was there is not any more.
 */
int lclone_salvage_content(struct lclone_salvage *salvage, struct lclone_salvaged *leaf,
			   struct lclone_leaf_disk *node);

/* Index of the first leaf at or behind a place */
size_t lclone_leaf_lower_bound(const struct lclone_salvage *salvage, u64 place);

#endif /* LCLONE_SALVAGE_H */
