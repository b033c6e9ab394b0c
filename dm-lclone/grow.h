/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Growth of the delta's device, and of the clone.  All functions sleep, and return 0 or -errno.
 */
#ifndef LCLONE_GROW_H
#define LCLONE_GROW_H

#include "lclone.h"
#include "table.h"

/**
 * lclone_delta_take_size() - use the device to its end if it has grown
 * @d: the delta
 */
int lclone_delta_take_size(struct lclone_delta *d);

/**
 * lclone_delta_grow() - do the same while the clone is in use, and let waiting writes go on
 * @d: the delta
 */
int lclone_delta_grow(struct lclone_delta *d);

/**
 * lclone_delta_resize() - make the virtual size larger
 * @t: the active table
 * @virtual_sectors: the new size
 */
int lclone_delta_resize(struct lclone *t, u64 virtual_sectors);

#endif /* LCLONE_GROW_H */
