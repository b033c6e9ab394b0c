/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of salvage have in common.  Functions return 0 or a negative
 * errno with a sentence in salvage->delta.why.
 */
#ifndef LCLONE_SALVAGE_PARTS_H
#define LCLONE_SALVAGE_PARTS_H

#include "salvage.h"

/* A reference that leads to no valid node */
struct lclone_hole {
	u32 level, csum;
	u64 first, checkpoint;		/* the node's is not higher */
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

/* salvage.c: tree and nodes */

u32 lclone_chunk_of_block(const struct lclone_salvage *s, u64 block);
bool lclone_legal_phys(const struct lclone_salvage *s, u32 phys);
/* Adds all leaves below a reference, and a hole for each node that is not valid. */
int lclone_load_node(struct lclone_salvage *s, struct lclone_ref ref, u32 level, u64 first,
		     u64 max_checkpoint);
/* Every block of the device that may be a node; what cannot be read is none. */
int lclone_find_nodes(struct lclone_salvage *s);
/*
 * The leaf of a chunk, a new one if there is none; NULL: no memory.  To be called in order of the
 * chunks, and lclone_salvage_sort() at the end.
 */
struct lclone_salvaged *lclone_salvage_leaf(struct lclone_salvage *s, u64 chunk);
void lclone_salvage_sort(struct lclone_salvage *s);
void lclone_salvage_set(struct lclone_salvage *s, struct lclone_salvaged *leaf, u64 chunk,
			u64 exc);

/* salvage-log.c */

/* Index of the first logged entry at or after @chunk */
size_t lclone_logged_lower_bound(const struct lclone_salvage *s, u64 chunk);
/* Reads the log, and finds out whether there is a checkpoint later than the superblock's. */
int lclone_salvage_log(struct lclone_salvage *s);
/* Puts what the log says over the leaves. */
int lclone_apply_log(struct lclone_salvage *s);

/* salvage-rules.c */

/* These subchunks of a chunk are lost. */
int lclone_lose_subchunks(struct lclone_salvage *s, u64 chunk, u32 mask);
/* Chunks, without those that the log has a value of from after @commit */
int lclone_lose_chunks(struct lclone_salvage *s, u64 first, u64 count, bool old, u64 commit);
void lclone_join_losses(struct lclone_salvage *s);
/* Drops what breaks a rule, and fills in the bitmaps of data and nodes. */
int lclone_apply_rules(struct lclone_salvage *s);

#endif /* LCLONE_SALVAGE_PARTS_H */
