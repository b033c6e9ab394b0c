/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of a damaged delta while it is salvaged, and after that.
 *
 * Functions return 0 or a negative errno with a sentence in salvage->delta.why.
 */
#ifndef LCLONE_SALVAGE_STATE_H
#define LCLONE_SALVAGE_STATE_H

#include "basic/watch.h"
#include "format/delta.h"

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
	u32 *unread;			/* blocks of the log that cannot be read, in order */
	size_t nr_unread;

	/* What is needed to find that out */
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

/* A leaf that is not in its place yet; of several of one place the newest will be */
struct lclone_late {
	struct lclone_salvaged leaf;
	u64 checkpoint;
};

/* No leaf of a place from here on, up to the next limit's, is of a later checkpoint. */
struct lclone_limit {
	u32 place;
	u64 checkpoint;
};

/* A reference that leads to no valid index node.  For a leaf see LCLONE_LEAF_LOST. */
struct lclone_hole {
	u32 level, csum;
	u64 first, checkpoint;		/* the node's is not higher */
	u64 block;			/* the very node was found there, or 0 */
};

struct lclone_logged {
	u64 chunk, exc;
	u64 commit;
	bool bad;			/* the record breaks a rule: what it said is lost */
};

/* A chunk of the delta that several exceptions claim */
struct lclone_contest {
	u64 age;			/* of the latest claim, which is right ... */
	u32 phys;
	bool claimed, tied;		/* ... unless there are two of them */
};

/* Keeps the sentence in delta.why and returns @err. */
int lclone_salvage_why(struct lclone_salvage *s, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Room for one more element in an array of @count */
void *lclone_salvage_grow(struct lclone_salvage *s, void *array, size_t count, size_t size);

#define LCLONE_GROW(s, array, count)						\
({									\
	void *grown_ = lclone_salvage_grow(s, array, count, sizeof(*(array)));		\
									\
	if (grown_)							\
		(array) = grown_;					\
	!!grown_;							\
})

/* The chunk of the delta that a block is in; may a chunk hold data or nodes? */
u32 lclone_chunk_of_block(const struct lclone_salvage *s, u64 block);
bool lclone_legal_phys(const struct lclone_salvage *s, u32 phys);

/* Notes what a leaf uses, which is of that checkpoint; 0 if it may be outdated. */
void lclone_mark_leaf(struct lclone_salvage *s, const struct lclone_leaf_disk *node, u64 block,
		      u64 checkpoint);

/* Index of the first logged entry at or after @chunk */
size_t lclone_logged_lower_bound(const struct lclone_salvage *s, u64 chunk);

#endif /* LCLONE_SALVAGE_STATE_H */
