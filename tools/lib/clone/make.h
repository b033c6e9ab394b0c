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
	const u8 *base_root;		/* of the base's verity tree; NULL: it is looked for */
	bool force;
	bool fresh;			/* see below */
	struct lclone_parents parents;	/* the last is the layer that it will lie on */
};

/*
 * Formats @delta as one of @base ("-": of nothing); *sb is what was written.
 *
 * Whether something depends on what is on @delta, and whether the base can be one, takes a look at
 * each device of the host.  That is left out if @args->fresh: the device was made for this delta,
 * and the base, which is locked since, was looked at by lclone_refuse_as_base().
 */
int lclone_format_delta(const char *base, const char *delta, const struct format_arguments *args,
			struct lclone_sb *sb);

#endif /* LCLONE_MAKE_H */
