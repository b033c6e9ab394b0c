/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A base that was enlarged since the delta was made on it. What it had must be
 * unchanged, and what is new zero as far as the clone reaches.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_GROWN_H
#define LCLONE_GROWN_H

#include "host/dm.h"
#include "host/file.h"

/* Are they the same, but for that?  0, -ESTALE with a sentence, or an error of reading it. */
int same_but_larger(struct lclone_file *base, const struct lclone_sb *sb);
bool base_has_grown(const struct lclone_file *base, const struct lclone_sb *sb);
/* This is the base, as it is now. */
int set_base_of(struct lclone_sb *sb, const struct lclone_file *base);
/* Records it in a delta that is not active; nothing is done if the size is the same. */
int accept_base(const char *delta_path, const char *base_path);
/* ... of a clone that is; @clone is read again. @base is NULL if it is not open. */
int accept_base_online(struct lclone_clone *clone, struct lclone_file *base);

#endif /* LCLONE_GROWN_H */
