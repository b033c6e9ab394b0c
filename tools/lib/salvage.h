/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can still be read of a damaged delta: its exceptions, from the tree, from
 * nodes that nothing leads to any more, and from the log.  Reads only.
 */
#ifndef LCLONE_SALVAGE_H
#define LCLONE_SALVAGE_H

#include "delta.h"
#include "tree.h"

/* A range of the clone, in sectors */
struct lclone_loss {
	u64 sector, sectors;
	bool old;	/* content may be older than what was acknowledged; else it is lost */
};

/* A leaf as the repaired delta will have it */
struct lclone_salvaged {
	u64 first;			/* chunk */
	struct lclone_ref ref;		/* where it is, unless changed */
	u64 age;			/* its checkpoint; 0 of one that may be outdated */
	bool changed;
	u64 exc[LCLONE_LEAF_EXCEPTIONS];
};

struct lclone_salvage {
	struct lclone_delta delta;	/* of the superblock to go on from */
	u64 checkpoint;			/* of the content; sb.checkpoint, or a later one found */
	u64 max_checkpoint, max_incarnation;	/* of all superblocks and log blocks */
	u64 next_commit;
	bool changed;			/* the superblock's tree is not the content */

	struct lclone_salvaged **leaf;	/* in order of their chunks */
	size_t leaves, sorted;		/* sorted: all, but while some are added */
	struct lclone_loss *loss;	/* sorted, in order and without overlaps of one kind */
	size_t losses;
	u8 *busy;			/* bitmap: chunks of the delta that anything refers to */
	u8 *data, *node;		/* of these, what the content has: data, nodes */

	u64 dropped;			/* exceptions that break a rule */
	u64 orphans;			/* leaves that nothing led to any more */
	u64 missing;			/* blocks of commits in the log */

	struct lclone_hole *hole;
	size_t holes;
	struct lclone_found *found;	/* nodes, by a scan of the device */
	size_t founds;
	struct lclone_logged *logged;	/* by chunk, one for each */
	size_t nr_logged;
};

/*
 * Returns 0, or a negative errno with a sentence in salvage->delta.why: what
 * lclone_delta_open_sb() says, -EPROTONOSUPPORT if the delta must not be
 * written, -EUCLEAN if there is too little to go on from.  Free it in any case.
 */
int lclone_salvage(struct lclone_salvage *salvage, const struct lclone_dev *dev);
void lclone_salvage_free(struct lclone_salvage *salvage);

#endif /* LCLONE_SALVAGE_H */
