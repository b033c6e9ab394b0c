/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copy-up of a subchunk.
 */
#ifndef LCLONE_COPYUP_H
#define LCLONE_COPYUP_H

#include "lclone.h"

/**
 * lclone_copyup() - copy up a subchunk, and end the bio or defer it again when that is done
 * @d: the delta
 * @bio: the bio that wants to write a part of it for the first time
 * @chunk: the chunk
 * @sub: the subchunk
 *
 * Worker only, after lclone_look().
 */
void lclone_copyup(struct lclone_delta *d, struct bio *bio, u64 chunk, u32 sub);

#endif /* LCLONE_COPYUP_H */
