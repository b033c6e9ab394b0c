/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The log of a damaged delta, and a checkpoint whose superblock is lost.
 *
 * Functions return 0 or a negative errno with a sentence in salvage->delta.why.
 */
#ifndef LCLONE_SALVAGE_LOG_H
#define LCLONE_SALVAGE_LOG_H

#include "offline/salvage-state.h"

/* Reads the log, and finds out whether there is a checkpoint later than the superblock's. */
int lclone_salvage_log(struct lclone_salvage *s);
/* A leaf for each that the log says something of */
int lclone_leaves_of_log(struct lclone_salvage *s);

#endif /* LCLONE_SALVAGE_LOG_H */
