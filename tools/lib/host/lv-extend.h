/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Logical volumes that get larger, where nobody reads LVM's messages.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_LV_EXTEND_H
#define LCLONE_LV_EXTEND_H

#include <sys/types.h>

#include "lclone_format.h"

/*
 * The volume @rdev, which goes by its path, has so many sectors afterwards, rounded up to extents.
 * LVM says nothing itself: its first message is in the sentence.  -ETIMEDOUT: it is still at it
 * after some seconds; as long as it is, this is all that is said of volumes of the same group.
 */
int lclone_lv_extend(dev_t rdev, const char *path, u64 sectors);

#endif /* LCLONE_LV_EXTEND_H */
