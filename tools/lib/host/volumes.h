/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The volumes of LVM that are not active, and so have no device: asked of LVM's own tool.
 */
#ifndef LCLONE_VOLUMES_H
#define LCLONE_VOLUMES_H

#include <stdlib.h>

#include "lclone_format.h"

struct lclone_volume {
	char name[300];			/* VG/LV, or who else is meant by @unseen */
	char unseen[128];		/* why it cannot be looked at, as end of a sentence; or "" */
	char path[64];			/* else the physical volume that it begins on ... */
	u64 start, sectors;		/* ... and where */
};

struct lclone_volumes {
	struct lclone_volume *volume;
	size_t count;
};

/*
 * Without lvm2 there are none. A group on a clone is the guest's, and left out.
 * 0, or a negative errno with the sentence in lclone_why().
 */
int lclone_volumes_read(struct lclone_volumes *volumes);
void lclone_volumes_free(struct lclone_volumes *volumes);

#endif /* LCLONE_VOLUMES_H */
