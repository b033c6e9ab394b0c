/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Logical blocks: a clone is of whole ones, and they never get larger under its users.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_BLOCKS_H
#define LCLONE_BLOCKS_H

#include "lclone_format.h"

/* Logical blocks of @path, or a size, that the active clone @name cannot have are refused. */
int lclone_blocks_fit_clone(const char *path, const char *name);
int lclone_size_fits_clone(u64 sectors, const char *name);

#endif /* LCLONE_BLOCKS_H */
