/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The base of a clone.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_BASE_H
#define LCLONE_BASE_H

#include "format/delta.h"
#include "host/file.h"

/* The base: NULL in *base for "-", else @file, opened read-only. */
int lclone_open_base(const char *path, struct lclone_file *file, struct lclone_file **base);
void lclone_close_base(struct lclone_file *base);

/* -ESTALE, with a sentence, if @base is not the base of the delta, or can't be told to be. */
int lclone_verify_base(struct lclone_delta *delta, struct lclone_file *base);

/*
 * The same for who asks, in doubt, or goes on with a merge: 1 if what is merged already says that
 * it is the base, 0 if it can be.
 */
int lclone_verify_base_of_merge(struct lclone_delta *delta, struct lclone_file *base);

/*
 * A base that was enlarged since the delta was made on it. What it had must be
 * unchanged, and what is new zero as far as the clone reaches.
 *
 * Are they the same, but for that?  0, -ESTALE with a sentence, or an error of reading it.
 */
int lclone_same_but_larger(struct lclone_file *base, const struct lclone_sb *sb);
bool lclone_base_has_grown(const struct lclone_file *base, const struct lclone_sb *sb);
/* This is the base, as it is now. */
int lclone_set_base_of(struct lclone_sb *sb, const struct lclone_file *base);

#endif /* LCLONE_BASE_H */
