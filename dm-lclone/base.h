/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The identity of a base: its size and its fingerprint.
 */
#ifndef LCLONE_BASE_H
#define LCLONE_BASE_H

#include "lclone.h"
#include "table.h"

/**
 * lclone_base_sectors() - get the size of a table's base
 * @t: the table
 *
 * Return: the size, or 0 if the table has no base.
 */
u64 lclone_base_sectors(const struct lclone *t);

/**
 * lclone_base_fingerprint() - read the fingerprint of a table's base
 * @t: the table, which has a base; its base_fp and base_fp_sectors are set
 *
 * Sleeps; sets ti->error.  Return: 0 or -errno.
 */
int lclone_base_fingerprint(struct lclone *t);

/**
 * lclone_base_check() - is it the base that the delta was made with?
 * @t: the table
 * @sb: the delta's superblock
 *
 * Sleeps; sets ti->error.  Return: 0 or -errno.
 */
int lclone_base_check(struct lclone *t, const struct lclone_sb *sb);

#endif /* LCLONE_BASE_H */
