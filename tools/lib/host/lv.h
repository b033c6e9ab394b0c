/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Logical volumes, made and removed by LVM's own programs, whose messages tell the user what is
 * wrong.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_LV_H
#define LCLONE_LV_H

#include "lclone_format.h"

/* A new volume; its start is zeroed.  A tag says that it is new, until it is kept. */
int lclone_lv_create(const char *vg, const char *lv, u64 sectors);
int lclone_lv_keep(const char *vg, const char *lv);

/* The volume is gone; the second: if it was there, and still new. */
int lclone_lv_remove(const char *vg, const char *lv);
int lclone_lv_remove_new(const char *vg, const char *lv);

#endif /* LCLONE_LV_H */
