/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the commands of lclone share.
 */
#ifndef LCLONE_TOOL_H
#define LCLONE_TOOL_H

#include "clone/chain.h"

/* What format does after looking at its arguments; create does it, too. */
struct format_arguments {
	u64 virtual_sectors;
	u32 chunk_sectors;
	const char *label;
	bool force;
	struct lclone_parents parents;	/* the last is the layer that it will lie on */
};

/*
 * -EADDRINUSE if something is on the device that would be lost, unless @force;
 * -EBUSY if it is a layer that others depend on.
 * @inv is read if need be, here and below, and can be used again; NULL: for this only.
 */
int may_overwrite(const struct lclone_file *file, bool force, struct lclone_inventory *inv);

int format_delta(const char *base, const char *delta, const struct format_arguments *args);

/*
 * -EBUSY, with their names, if others than the delta @ours, on the device @delta, can
 * have been made on @base, or on what has sectors in common with it; or if
 * other devices than @clone (or NULL) are built on it; or if there is
 * what could not be looked at.  @base is locked.
 */
int may_merge_into_base(const struct lclone_file *base, const struct lclone_sb *ours, dev_t delta,
			const char *clone);

/*
 * The same before that, and then the user is asked, who may take long: @base is not locked.
 * Who goes on with a merge has answered, if this can be seen to be the same base.
 */
int confirm_merge_into_base(struct lclone_file *base, const struct lclone_sb *ours, dev_t delta,
			    const char *clone);

/*
 * -EBUSY if others than those of @chain (or NULL) can have been made on a device that is going
 * to be overwritten.  What could not be looked at matters unless it is @blank.
 */
int refuse_base_of_others(const struct lclone_file *file, const struct lclone_chain *chain,
			  bool blank, struct lclone_inventory *inv);

/*
 * -EADDRINUSE for a delta or layer, -EBUSY for what is, or may be, half merged; @option ends
 * the sentence about that which may be wrong.
 */
int refuse_as_base(const struct lclone_file *base, const char *option,
		   struct lclone_inventory *inv);

int refuse_common_sectors(const struct lclone_file *a, const struct lclone_file *b);

#endif /* LCLONE_TOOL_H */
