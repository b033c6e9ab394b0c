/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who else has a base that is going to be changed, or may have it.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_USERS_H
#define LCLONE_USERS_H

#include "clone/chain.h"

/*
 * -EBUSY, with their names, if others than the delta @ours, on the device @delta, can
 * have been made on @base, or on what has sectors in common with it; or if
 * other devices than @clone (or NULL) are built on it; or if there is
 * what could not be looked at.  @base is locked.
 */
int lclone_may_merge_into_base(const struct lclone_file *base, const struct lclone_sb *ours,
			       dev_t delta, const char *clone);

/*
 * Asks the user whether @base, of which @inv has no other clone, may be written to.  0, or a
 * negative errno.  @begun: a merge was begun, and in which base is not recorded.
 */
typedef int (*lclone_ask_fn)(const char *base, const struct lclone_inventory *inv, bool begun);

/*
 * The same before that, and then the user is asked, who may take long: @base is not locked.
 * Who goes on with a merge has answered, if this can be seen to be the same base.
 */
int lclone_confirm_merge_into_base(struct lclone_file *base, const struct lclone_sb *ours,
				   dev_t delta, const char *clone, lclone_ask_fn ask);

/*
 * -EBUSY if others than those of @chain (or NULL) can have been made on a device that is going
 * to be overwritten.  What could not be looked at matters unless it is @blank.
 * @inv is read if need be, here and below, and can be used again; NULL: for this only.
 */
int lclone_refuse_base_of_others(const struct lclone_file *file, const struct lclone_chain *chain,
				 bool blank, struct lclone_inventory *inv);

/*
 * -EADDRINUSE for a delta or layer, -EBUSY for what is, or may be, half merged; @option ends
 * the sentence about that which may be wrong.
 */
int lclone_refuse_as_base(const struct lclone_file *base, const char *option,
			  struct lclone_inventory *inv);

/* -EBUSY if they have sectors in common, as far as is known. */
int lclone_refuse_common_sectors(const struct lclone_file *a, const struct lclone_file *b);

#endif /* LCLONE_USERS_H */
