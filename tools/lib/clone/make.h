/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A new, empty delta on a base and layers.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_MAKE_H
#define LCLONE_MAKE_H

#include "clone/inventory.h"

struct format_arguments {
	u64 virtual_sectors;
	u32 chunk_sectors;
	const char *label;
	const u8 *uuid;			/* of the delta; NULL: a new one */
	bool force;
	struct lclone_parents parents;	/* the last is the layer that it will lie on */
};

/*
 * Formats @delta as one of @base ("-": of nothing); *sb is what was written.  @inv is read if need
 * be, and can be used again while the base is locked; NULL: for this only.
 */
int lclone_format_delta(const char *base, const char *delta, const struct format_arguments *args,
			struct lclone_inventory *inv, struct lclone_sb *sb);

#endif /* LCLONE_MAKE_H */
