/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All deltas of this host, and who lies on which layer and which base.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_FAMILY_H
#define LCLONE_FAMILY_H

#include "clone/inventory.h"

/* A delta or layer, and its place among the others */
struct member {
	const struct lclone_found *found;
	const struct lclone_clone *clone;	/* the active one that writes it, or NULL */
	struct member *parent;			/* NULL: the base, or a layer that is missing */
	char broken[PATH_MAX + LCLONE_WHY_SIZE];	/* why the layer is missing, or "" */
	const struct lclone_found *merged_into;	/* it is left over from that, or NULL */
	char base[PATH_MAX];			/* "-": none; "": not found */
	bool known;				/* ... by the table of an active clone */
};

struct family {
	struct lclone_inventory inv;
	struct member *node;		/* as many as inv.count, in order of their devices */
};

/* Looks for them on all devices. @family is 0 before; free it in any case. */
int lclone_family_read(struct family *family);
void lclone_family_free(struct family *family);

/* Do two that lie on no layer lie on one base? */
bool lclone_family_one_base(const struct member *a, const struct member *b);
/* Is it the first of those that lie right on its base? */
bool lclone_family_first_of_base(const struct family *family, size_t i);

/*
 * Sectors of its device that it takes: of an active clone the kernel knows it now; else it is
 * that of the last checkpoint.
 */
u64 lclone_family_used(const struct member *member);

#endif /* LCLONE_FAMILY_H */
