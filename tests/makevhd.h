/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes VHDs in memory, fixed, dynamic and differencing, together with a model of what a guest must
 * read: independent of the library's reader.
 */
#ifndef LCLONE_MAKEVHD_H
#define LCLONE_MAKEVHD_H

#include "lclone_format.h"

struct vhd_wish {
	u32 type;			/* 2: fixed, 3: dynamic, 4: differencing */
	u64 sectors;			/* of the disk: any number */
	u32 block_size;			/* of all but fixed ones, in bytes */
	u32 changes;			/* so many pieces at random are written */
	u64 seed;
	const struct vhd_image *parent;	/* of a differencing one */
	const char *parent_name;	/* as its locators have it: letters and / */
};

struct vhd_image {
	u8 *data;			/* the file */
	u64 size;
	u8 *disk;			/* what the guest reads, wish.sectors * 512 bytes */
	u8 *own;			/* a byte for each sector: has the file it itself? */
	struct vhd_wish wish;
	u64 table, locators;		/* their places, in bytes */
};

void vhd_make(struct vhd_image *vhd, const struct vhd_wish *wish);
void vhd_free(struct vhd_image *vhd);

/* Footer, its copy, and header, after any of them was changed */
void vhd_seal(struct vhd_image *vhd);

u8 *vhd_footer(struct vhd_image *vhd);		/* the one at the end */
u8 *vhd_header(struct vhd_image *vhd);

void vhd_put32(u8 *at, u32 value);
void vhd_put64(u8 *at, u64 value);

#endif /* LCLONE_MAKEVHD_H */
