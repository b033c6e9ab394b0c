/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Repair: a plan, made reading only, and its execution.
 *
 * What is right stays where it is.  New nodes go to free blocks, then one
 * superblock is written to the slot that was not relied on, then the other: a
 * stop anywhere leaves the old state or the new one, and repair can be run again.
 */
#ifndef LCLONE_REPAIR_H
#define LCLONE_REPAIR_H

#include "check.h"
#include "file.h"
#include "salvage.h"

struct lclone_patch {
	u64 block;
	u8 data[LCLONE_BLOCK_SIZE];
};

struct lclone_repair {
	long findings;			/* 0: nothing to repair, and no patch */
	struct lclone_salvage salvage;	/* valid if there are findings */
	struct lclone_patch *patch;	/* in the order of writing; the last two: superblocks */
	size_t patches;
	char why[LCLONE_WHY_SIZE];
};

/*
 * Checks the delta, with @report called for each finding, and plans.  The plan
 * was checked: with the patches the delta has no damage.  Returns 0, or a negative
 * errno with a sentence in repair->why if there is nothing to repair from or no
 * room. Free it in any case.
 */
int lclone_repair_plan(struct lclone_repair *repair, const struct lclone_dev *dev,
		       lclone_report_fn report, void *ctx);
void lclone_repair_free(struct lclone_repair *repair);

/*
 * The two below return 0 or a negative errno with the sentence in lclone_why().
 * @delta is open with O_RDWR and O_EXCL.
 *
 * Saves what the plan overwrites to a new file @path, durably, then writes.
 */
int lclone_repair_apply(const struct lclone_repair *repair, struct lclone_file *delta,
			const char *path);
/*
 * Puts back what was saved.  -ESTALE if @delta is not as the repair has left it,
 * or as an earlier undo that was interrupted.
 */
int lclone_repair_undo(struct lclone_file *delta, const char *path);

#endif /* LCLONE_REPAIR_H */
