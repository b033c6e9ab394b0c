/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Execution of a repair's plan, and the file that can put back what it changed.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 * @delta is open with O_RDWR and O_EXCL.
 */
#ifndef LCLONE_UNDO_H
#define LCLONE_UNDO_H

#include "host/file.h"
#include "offline/repair.h"

/*
 * Saves what the plan overwrites to a new file @path, durably, then writes.  -EINTR if the
 * plan's watch wants so, as long as the delta is as it was; -EBUSY, and nothing is written, if
 * its superblocks are not those that the plan was made from.
 */
int lclone_repair_apply(struct lclone_repair *repair, struct lclone_file *delta,
			const char *path);
/*
 * Puts back what was saved.  -ESTALE if @delta is not as the repair has left it,
 * or as an earlier undo that was interrupted, or if the log was not readable whole: with zeros in
 * it the old delta would have lost commits that nobody tells of.
 */
int lclone_repair_undo(struct lclone_file *delta, const char *path);

#endif /* LCLONE_UNDO_H */
