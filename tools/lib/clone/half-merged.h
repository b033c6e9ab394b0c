/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The base of a delta whose merge into it has begun.  Its content is not what was recorded any
 * more, but in part the delta's.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_HALF_MERGED_H
#define LCLONE_HALF_MERGED_H

#include "format/delta.h"
#include "host/file.h"

/*
 * Was the merge of @delta, which this side of it has begun, begun in @base?  1 if what is merged
 * already is in it, -ESTALE if it is not, 0 if there is nothing to tell by: the kernel does not
 * record how far it is, and what it has merged the delta does not have any more.
 */
int lclone_merge_begun_in(struct lclone_delta *delta, const struct lclone_file *base);

/*
 * If there is nothing to tell by: -ESTALE for a base that is larger than what was recorded, and
 * shows nothing of that, neither half of the fingerprint nor what the delta has.
 */
int lclone_refuse_doubtful(struct lclone_delta *delta, struct lclone_file *base);

#endif /* LCLONE_HALF_MERGED_H */
