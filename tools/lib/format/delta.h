/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reader of a delta: superblocks, log replay, tree, the clone's content.
 *
 * Works over an abstract device and never writes.  Hostile images are
 * expected: every number is checked before it is used, and nothing is
 * allocated or walked that the device is too small to hold.
 *
 * Functions return 0 (or what they document), or a negative errno with a
 * sentence in lclone_delta.why:
 *
 *   -ENODATA		blank: the first 4 KiB are zero and slot B holds nothing,
 *			or a format was interrupted; may be formatted
 *   -EINVAL		not an lclone delta: holds something else
 *   -EBADMSG, -EUCLEAN	a delta, damaged
 *   -EPROTONOSUPPORT	a delta of a newer version or with unknown features
 *   -ENOSPC		the device is smaller than what the delta has allocated
 *   other		from reading the device
 *
 * Not thread-safe: one lclone_delta has one user at a time.
 */
#ifndef LCLONE_DELTA_H
#define LCLONE_DELTA_H

#include <stdio.h>

#include "format/dev.h"
#include "format/layer.h"
#include "lclone_format.h"

#define LCLONE_LEVELS		8	/* of a tree, more than 2^54 sectors need */

union lclone_node {
	struct lclone_node_disk head;
	struct lclone_leaf_disk leaf;
	struct lclone_index_disk index;
};

/* One of the two superblock slots: 0 is A, 1 is B. */
struct lclone_slot {
	int err;			/* of lclone_sb_unpack(), or of the read */
	struct lclone_fault fault;	/* if err is one of lclone_sb_unpack() */
	bool zero;			/* the whole 4 KiB block is zero */
	struct lclone_sb sb;		/* if !err */
};

struct lclone_entry {
	u64 chunk;
	u64 exc;
};

struct lclone_delta {
	const struct lclone_dev *dev;
	struct lclone_slot slot[2];
	int newest;			/* the slot that sb is from */
	/*
	 * The newest superblock. device_sectors is cut to what the device has;
	 * the value on disk is in slot[newest].sb.
	 */
	struct lclone_sb sb;
	u64 chunks;			/* of the virtual size */
	u32 hwm;			/* sb.hwm, raised by what the log says */

	struct lclone_scan scan;	/* the scan of the log, ended */
	u64 commits;			/* that were replayed */
	struct lclone_entry *log;	/* replayed: sorted, one for each chunk */
	size_t log_count;

	union lclone_node *node[LCLONE_LEVELS];	/* path that was read last ... */
	u64 node_first[LCLONE_LEVELS];	/* ... and the first chunk of each */

	char why[LCLONE_WHY_SIZE];
};

/*
 * Reads superblocks and log of @dev, which must outlive @delta.  Always
 * initializes @delta: lclone_delta_close() it in any case.  A delta with one
 * invalid slot opens: see lclone_delta_damaged_slot().
 */
int lclone_delta_open(struct lclone_delta *delta, const struct lclone_dev *dev);
void lclone_delta_close(struct lclone_delta *delta);

/* The slot that is not valid, or -1 if both are. Such a delta is read-only. */
int lclone_delta_damaged_slot(const struct lclone_delta *delta);

/* The two steps of lclone_delta_open(), for who wants to look in between. */
int lclone_delta_open_sb(struct lclone_delta *delta, const struct lclone_dev *dev);
int lclone_delta_replay(struct lclone_delta *delta);

/* Is the newest superblock still the one that was read? */
bool lclone_delta_unchanged(const struct lclone_delta *delta);

/* After lclone_delta_open_sb(): goes on from this slot, which is valid. */
int lclone_delta_use_slot(struct lclone_delta *delta, int i);

/*
 * The references of the tree, verified: what they lead to lies where nodes may be.  They are to be
 * had from these two only. @ref->block is 0 if there is none. A child of a node of @level that
 * begins with @first; beyond the clone's end there is none.
 */
int lclone_delta_root(struct lclone_delta *delta, struct lclone_ref *ref);
int lclone_delta_child(struct lclone_delta *delta, const union lclone_node *node, u32 level,
		       u64 first, u32 i, struct lclone_ref *ref);

/* Reads and verifies one node of the tree into @node. Does not use the cache. */
int lclone_delta_read_node(struct lclone_delta *delta, struct lclone_ref ref, u32 level,
			   u64 first_chunk, union lclone_node *node);

/* The exception of a chunk, 0 if it has none. Reads what is needed of the tree. */
int lclone_delta_lookup(struct lclone_delta *delta, u64 chunk, u64 *exc);

/* The replayed log's entry of a chunk, or NULL. */
const struct lclone_entry *lclone_delta_logged(const struct lclone_delta *delta, u64 chunk);

/*
 * The non-empty exceptions in order of their chunks, log and tree together:
 *
 *	struct lclone_iter it;
 *
 *	lclone_iter_init(&it, delta, 0);
 *	while ((ret = lclone_iter_next(&it, &chunk, &exc)) > 0)
 *		...
 *
 * Memory is one node for each level; an empty part of the tree costs nothing.
 */
struct lclone_iter {
	struct lclone_delta *delta;
	u64 next;			/* chunk to look at next */
	u64 tree_chunk, tree_exc;	/* next in the tree; tree_chunk >= next if valid */
	bool tree_valid;
	size_t log;			/* index of the next logged entry */
};

/* From @first_chunk on; nothing has to be freed. */
void lclone_iter_init(struct lclone_iter *it, struct lclone_delta *delta, u64 first_chunk);
/* 1: *chunk and *exc were set. 0: no more. Else a negative errno. */
int lclone_iter_next(struct lclone_iter *it, u64 *chunk, u64 *exc);

enum lclone_source {
	LCLONE_FROM_BASE,
	LCLONE_FROM_DELTA,
	LCLONE_FROM_ZERO,		/* a zero bit, or beyond the base's end */
};

/* A range of the clone that has one source, in sectors */
struct lclone_extent {
	u64 sector;
	u64 sectors;
	enum lclone_source source;
	u64 delta_sector;		/* LCLONE_FROM_DELTA: where on the delta */
};

/*
 * The content of a range of the clone as extents: in order, without gaps or
 * overlaps, each as long as possible (neighbours with one source, and on the
 * delta contiguous, are one).  The base ends where the superblock says.
 */
struct lclone_extents {
	struct lclone_iter it;
	u64 sector, end;		/* what is still to be told */
	u64 base_sectors;
	u64 chunk, exc;			/* exception looked at ... */
	bool valid;			/* ... if there is one */
	bool ended;
	struct lclone_extent held;	/* may still grow */
};

/* From @sector on, so many, up to the end of the clone; nothing has to be freed. */
void lclone_extents_init(struct lclone_extents *x, struct lclone_delta *delta, u64 sector,
			 u64 sectors);
/* 1: *extent was set. 0: no more. Else a negative errno. */
int lclone_extents_next(struct lclone_extents *x, struct lclone_extent *extent);

/*
 * Reads the clone.  @base is NULL for a clone of nothing ("-"); what lies
 * beyond its end reads as zeros.  Returns 0, -ENXIO for a range beyond the
 * virtual size, or another negative errno.
 */
int lclone_delta_read(struct lclone_delta *delta, const struct lclone_dev *base, void *buf,
		      u64 sector, u32 count);

/* Compares a base with what @sb records: 0, -ESTALE if it is another, or an error of reading it. */
int lclone_base_verify(const struct lclone_sb *sb, const struct lclone_dev *base,
		       char why[LCLONE_WHY_SIZE]);

#endif /* LCLONE_DELTA_H */
