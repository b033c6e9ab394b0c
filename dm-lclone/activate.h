/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A table takes over its delta at resume, and gives it up at suspend.
 */
#ifndef LCLONE_ACTIVATE_H
#define LCLONE_ACTIVATE_H

#include "lclone.h"
#include "table.h"

/**
 * lclone_delta_start() - make a table's features those of its delta, and begin an incarnation
 * @t: the table
 *
 * preresume; sleeps.  If the topmost layer was the delta of the mapped device so far, it is
 * sealed first.  The new incarnation is durable before the first write.
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
 * lclone_delta_flush_base() - flush the base during a merge
 * @d: the delta
 *
 * Sleeps.  Return: 0 or -errno.
 */
int lclone_delta_flush_base(struct lclone_delta *d);

#endif /* LCLONE_ACTIVATE_H */
