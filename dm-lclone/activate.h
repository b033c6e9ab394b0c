/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table takes over and gives up its delta.
 */
#ifndef LCLONE_ACTIVATE_H
#define LCLONE_ACTIVATE_H

#include "lclone.h"
#include "table.h"

/**
 * lclone_delta_start() - take over a table's features, and make a new incarnation durable
 * @t: the table
 *
 * preresume.  Seals the topmost layer if it has just been a delta that was written.  Sleeps.
 * Return: 0 or -errno.
 */
int lclone_delta_start(struct lclone *t);

/**
 * lclone_delta_stop() - write a checkpoint and mark the delta clean
 * @d: the delta, all I/O to which has ended
 *
 * postsuspend; sleeps.
 */
void lclone_delta_stop(struct lclone_delta *d);

/**
 * lclone_delta_flush_base() - during a merge, make durable what the base got
 * @d: the delta
 *
 * Sleeps.  Return: 0 or -errno.
 */
int lclone_delta_flush_base(struct lclone_delta *d);

#endif /* LCLONE_ACTIVATE_H */
