/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Repair: a plan, made reading only, and its execution.
 *
 * What is right stays where it is.  New nodes go to free blocks, then one
 * superblock is written to the slot that was not relied on, then the other: a
 * stop anywhere leaves the old state or the new one, and repair can be run again.
 * Last, blocks of the log that cannot be read are overwritten with zeros: before, these would
 * pass for the end of the old log.
 *
 * The plan has the places of the new nodes and their checksums. What is in them is made
 * from the old ones again, which stay, whenever it is wanted.
 */
#ifndef LCLONE_REPAIR_H
#define LCLONE_REPAIR_H

#include "offline/check.h"
#include "offline/repair-tree.h"

/*
 * Checks the delta, with @report called for each finding, and plans.  The plan
 * was checked: with the patches the delta has no damage.  Returns 0, or a negative
 * errno with a sentence in repair->why if there is nothing to repair from or no
 * room, or -EINTR if @watch, which may be NULL, wants so. Free it in any case.
 */
int lclone_repair_plan(struct lclone_repair *repair, const struct lclone_dev *dev,
		       lclone_report_fn report, void *ctx, const struct lclone_watch *watch);
void lclone_repair_free(struct lclone_repair *repair);

/* The patch of that number, made from what is on @dev.  Else an errno with a sentence in why. */
int lclone_repair_patch(struct lclone_repair *repair, size_t i, struct lclone_patch *patch);

#endif /* LCLONE_REPAIR_H */
