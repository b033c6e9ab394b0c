/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Formats a blank device as a delta, and makes it blank again if it was never used.
 */
#ifndef LCLONE_BLANK_H
#define LCLONE_BLANK_H

#include "lclone.h"
#include "table.h"

/**
 * lclone_new_sb() - make the superblock of a new delta, without what names its base
 * @t: the table
 * @sb: gets it
 *
 * Sets ti->error.  Return: 0 or -errno.
 */
int lclone_new_sb(struct lclone *t, struct lclone_sb *sb);

/**
 * lclone_delta_format() - format a blank device
 * @t: the table
 *
 * Refuses a device that holds something else.  Sleeps; sets ti->error.  Return: 0 or -errno.
 */
int lclone_delta_format(struct lclone *t);

/**
 * lclone_delta_unformat() - make a delta blank again
 * @d: a delta that was formatted for tables which are gone, and was never used
 *
 * Leaves it as it is if somebody else has written a superblock meanwhile.  Sleeps.
 */
void lclone_delta_unformat(struct lclone_delta *d);

#endif /* LCLONE_BLANK_H */
