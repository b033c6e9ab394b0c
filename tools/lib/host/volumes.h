/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The volumes of LVM that are not active, and so have no device, and the physical volumes
 * that it uses: asked of LVM's own tool.
 */
#ifndef LCLONE_VOLUMES_H
#define LCLONE_VOLUMES_H

#include <stdlib.h>

#include "host/look.h"

struct lclone_volume {
	char name[300];			/* VG/LV, or who else is meant by @unseen */
	char unseen[128];		/* why it cannot be looked at, as end of a sentence; or "" */
	struct lclone_stripes stripes;	/* else where it begins on physical volumes ... */
	u64 sectors;			/* ... and how much of it is there ... */
	u64 size;			/* ... of all its sectors; 0: not known */
};

struct lclone_volumes {
	struct lclone_volume *volume;
	size_t count;
	struct lclone_pv {
		dev_t rdev;
		char uuid[LCLONE_PV_UUID_SIZE];
	} *used;			/* physical volumes */
	size_t used_count;
	bool asked;			/* LVM has answered, or is not there */
};

/*
 * Without lvm2 there is nothing of all that. A group on a clone is the guest's, and left out.
 * 0, or a negative errno with the sentence in lclone_why().
 */
int lclone_volumes_read(struct lclone_volumes *volumes);
void lclone_volumes_free(struct lclone_volumes *volumes);

/*
 * Does LVM know what is on a physical volume?  What its devices file or filter leaves out it
 * does not, nor all but one of several that have one uuid.
 */
bool lclone_volumes_use(const struct lclone_volumes *volumes, dev_t rdev);

/* Does it use one with this uuid, on whatever device? */
bool lclone_volumes_have(const struct lclone_volumes *volumes, const char *pv_uuid);

#endif /* LCLONE_VOLUMES_H */
