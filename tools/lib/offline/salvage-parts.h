/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of salvage have in common.  Functions return 0 or a negative
 * errno with a sentence in salvage->delta.why.
 */
#ifndef LCLONE_SALVAGE_PARTS_H
#define LCLONE_SALVAGE_PARTS_H

#include "offline/salvage.h"

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

struct lclone_found {
	u32 level, csum;
	u64 first, checkpoint, block;
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

/* salvage.c: nodes, found from above or by a scan */

u32 lclone_chunk_of_block(const struct lclone_salvage *s, u64 block);
bool lclone_legal_phys(const struct lclone_salvage *s, u32 phys);

/* A walk through all that a reference leads to, in order of the chunks */
struct lclone_walk {
	/* @checkpoint is not above @max, though the leaf may say so. */
	int (*leaf)(struct lclone_walk *walk, const struct lclone_leaf_disk *node,
		    struct lclone_ref ref, u64 first, u64 checkpoint, u64 max);
	/* There is no valid node; its checkpoint was not above @max. */
	int (*hole)(struct lclone_walk *walk, struct lclone_ref ref, u32 level, u64 first,
		    u64 max);
	struct lclone_salvage *s;
};

int lclone_walk_node(struct lclone_walk *walk, struct lclone_ref ref, u32 level, u64 first,
		     u64 max);
/* Notes all leaves below a reference, and a hole for each node that is not valid. */
int lclone_load_node(struct lclone_salvage *s, struct lclone_ref ref, u32 level, u64 first,
		     u64 max_checkpoint);
/* Notes what a leaf uses, which is of that checkpoint; 0 if it may be outdated. */
void lclone_mark_leaf(struct lclone_salvage *s, const struct lclone_leaf_disk *node, u64 block,
		      u64 checkpoint);
/* Looks at every block of the device for nodes; what cannot be read is none. */
int lclone_find_nodes(struct lclone_salvage *s);
/* Calls @each for each of them, in order of their blocks. */
int lclone_each_found(struct lclone_salvage *s,
		      int (*each)(struct lclone_salvage *s, const struct lclone_found *found,
				  const union lclone_node *node, void *ctx), void *ctx);

/* salvage-leaves.c: the list of leaves */

/* A leaf that is not there so far; it may be found after lclone_leaves_settle() only. */
int lclone_leaf_add(struct lclone_salvage *s, struct lclone_salvaged leaf, u64 checkpoint);
int lclone_leaf_limit_add(struct lclone_salvage *s, u32 place, u64 checkpoint);
int lclone_leaves_settle(struct lclone_salvage *s);
void lclone_leaves_forget(struct lclone_salvage *s);
struct lclone_salvaged *lclone_leaf_find(struct lclone_salvage *s, u64 place);
u64 lclone_leaf_limit(const struct lclone_salvage *s, u64 place);
/* As it is on the device, verified; zeros if it is not there. */
int lclone_leaf_read(struct lclone_salvage *s, const struct lclone_salvaged *leaf,
		     union lclone_node *node);

/*
 * Reads the leaf of that index, and those that follow it in the list and on the device, at once:
 * lclone_leaf_read() has them from there, until lclone_leaf_ahead_end().
 */
void lclone_leaf_ahead(struct lclone_salvage *s, size_t i);
void lclone_leaf_ahead_end(struct lclone_salvage *s);

/* salvage-log.c */

/* Index of the first logged entry at or after @chunk */
size_t lclone_logged_lower_bound(const struct lclone_salvage *s, u64 chunk);
/* Reads the log, and finds out whether there is a checkpoint later than the superblock's. */
int lclone_salvage_log(struct lclone_salvage *s);
/* A leaf for each that the log says something of */
int lclone_leaves_of_log(struct lclone_salvage *s);

/* salvage-rules.c */

/* These subchunks of a chunk are lost. */
int lclone_lose_subchunks(struct lclone_salvage *s, u64 chunk, u32 mask);
/* Chunks, without those that the log has a value of from after @commit */
int lclone_lose_chunks(struct lclone_salvage *s, u64 first, u64 count, bool old, u64 commit);
void lclone_join_losses(struct lclone_salvage *s);
/*
 * Finds out what each leaf is to have: what the log says, without what breaks a rule; and
 * fills in the bitmaps of data and nodes.
 */
int lclone_apply_rules(struct lclone_salvage *s);

#endif /* LCLONE_SALVAGE_PARTS_H */
