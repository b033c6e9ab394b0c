/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of a damaged delta's clone is lost.
 *
 * Functions return 0 or a negative errno with a sentence in salvage->delta.why.
 */
#ifndef LCLONE_SALVAGE_LOSSES_H
#define LCLONE_SALVAGE_LOSSES_H

#include "offline/salvage-state.h"

/* These subchunks of a chunk are lost. */
int lclone_lose_subchunks(struct lclone_salvage *s, u64 chunk, u32 mask);
/* Chunks, without those that the log has a value of from after @commit */
int lclone_lose_chunks(struct lclone_salvage *s, u64 first, u64 count, bool old, u64 commit);
void lclone_join_losses(struct lclone_salvage *s);

#endif /* LCLONE_SALVAGE_LOSSES_H */
