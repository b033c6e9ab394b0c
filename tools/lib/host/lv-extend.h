/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Logical volumes that get larger, where nobody reads LVM's messages.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_LV_EXTEND_H
#define LCLONE_LV_EXTEND_H

#include <stdbool.h>
#include <sys/types.h>

#include "lclone_format.h"

/* Is the device, by its number, a volume of LVM's? */
bool lclone_dev_is_lv(dev_t rdev);

/*
 * The volume, which goes by its path, has so many sectors afterwards, rounded up to extents.  LVM
 * says nothing itself: its first message is in the sentence.  -ETIMEDOUT: it may still be at it.
 */
int lclone_lv_extend(const char *path, u64 sectors);

#endif /* LCLONE_LV_EXTEND_H */
