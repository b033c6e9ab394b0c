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

#include "offline/salvage-state.h"

/*
 * Returns 0, or a negative errno with a sentence in salvage->delta.why: what
 * lclone_delta_open_sb() says, -EPROTONOSUPPORT if the delta must not be
 * written, -EUCLEAN if there is too little to go on from, -EINTR if @watch wants so.
 * Free it in any case.  @dev is read again later, and @watch called.
 */
int lclone_salvage(struct lclone_salvage *salvage, const struct lclone_dev *dev,
		   const struct lclone_watch *watch);
void lclone_salvage_free(struct lclone_salvage *salvage);

#endif /* LCLONE_SALVAGE_H */
