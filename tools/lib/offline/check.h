/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checker: every invariant of the format.  Reads only.
 */
#ifndef LCLONE_CHECK_H
#define LCLONE_CHECK_H

#include "format/delta.h"
#include "basic/watch.h"

enum lclone_damage {
	LCLONE_DAMAGE_SLOT,		/* a superblock slot */
	LCLONE_DAMAGE_SUPER,		/* what the superblock says */
	LCLONE_DAMAGE_LOG,		/* a log block or record */
	LCLONE_DAMAGE_NODE,		/* a node of the tree */
	LCLONE_DAMAGE_REF,		/* a reference to a node */
	LCLONE_DAMAGE_MASK,		/* bits of an exception */
	LCLONE_DAMAGE_RANGE,		/* an exception's chunk is out of range */
	LCLONE_DAMAGE_DOUBLE,		/* a chunk of the delta has two users */
	LCLONE_DAMAGE_HWM,		/* in use above the high-water mark */
	LCLONE_DAMAGE_FREED,		/* count of freed chunks */
	LCLONE_DAMAGE_IDENTITY,		/* wrong base */
	LCLONE_DAMAGE_MARKED,		/* the kernel asked for a check */
	LCLONE_DAMAGE_PARENT,		/* the layers below (not looked at by lclone_check()) */
};

/* The word for it, as commands print it */
const char *lclone_damage_name(enum lclone_damage class);

struct lclone_finding {
	enum lclone_damage class;
	u64 block;			/* of the delta, where it was found; 0 is slot A, or nowhere */
	u64 chunk, chunks;		/* of the clone, that are concerned; chunks may be 0 */
	const char *text;		/* a sentence, with all of the above in words */
};

struct lclone_usage {
	u64 exceptions;			/* not empty */
	u64 data_chunks;		/* of the delta, that exceptions have */
	u64 node_chunks;		/* of the delta, that hold nodes */
	u64 nodes;
	u64 written, zero;		/* subchunks */
};

typedef void (*lclone_report_fn)(const struct lclone_finding *finding, void *ctx);

/*
 * Checks the delta on @dev and, if @base is not NULL, that it is its base.
 * @report is called for each finding.  Returns the number of findings, or a
 * negative errno with a sentence in @why if there is nothing to be checked:
 * blank, not a delta, a newer version, out of memory.
 */
long lclone_check(const struct lclone_dev *dev, const struct lclone_dev *base,
		  lclone_report_fn report, void *ctx, struct lclone_usage *usage,
		  char why[LCLONE_WHY_SIZE]);

/* The same; -EINTR if @watch, which may be NULL, wants to stop. */
long lclone_check_watched(const struct lclone_dev *dev, const struct lclone_dev *base,
			  lclone_report_fn report, void *ctx, struct lclone_usage *usage,
			  char why[LCLONE_WHY_SIZE], const struct lclone_watch *watch);

#endif /* LCLONE_CHECK_H */
