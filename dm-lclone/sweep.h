/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A sweep: work on all chunks of a clone while it is in use, in batches.
 */
#ifndef LCLONE_SWEEP_H
#define LCLONE_SWEEP_H

#include "lane.h"
#include "table.h"

/**
 * lclone_sweep_create() - make the sweep that a table wants, while the table is loaded
 * @d: the delta
 * @ops: what the sweep does
 *
 * Return: the sweep, or NULL if there is no memory.
 */
struct lclone_sweep *lclone_sweep_create(struct lclone_delta *d,
					 const struct lclone_sweep_ops *ops);

/**
 * lclone_sweep_destroy() - free a sweep that does not run
 * @s: the sweep; NULL does no harm
 */
void lclone_sweep_destroy(struct lclone_sweep *s);

/**
 * lclone_sweep_set() - make a table's sweep that of its delta, unless it has such a one already
 * @t: the table
 * @ops: what the sweep does; NULL if the table wants none
 *
 * preresume.
 */
void lclone_sweep_set(struct lclone *t, const struct lclone_sweep_ops *ops);

/**
 * lclone_sweep_start() - start the sweep, or go on with it
 * @d: the delta
 */
void lclone_sweep_start(struct lclone_delta *d);

/**
 * lclone_sweep_stop() - let no other batch begin, and wait for those under way
 * @d: the delta
 *
 * postsuspend; sleeps.
 */
void lclone_sweep_stop(struct lclone_delta *d);

/**
 * lclone_sweep_rate() - the message that sets the rate
 * @d: the delta
 * @arg: a number of KiB/s, 0 for no limit; "auto" to work half of the time; or "idle" to work
 *	while the guest does nothing
 *
 * Return: 0 or -EINVAL.
 */
int lclone_sweep_rate(struct lclone_delta *d, const char *arg);

/**
 * lclone_sweep_status() - print what the status line says of the sweep
 * @d: the delta
 * @result: gets the text
 * @maxlen: room in it
 *
 * Return: the text's length.
 */
unsigned int lclone_sweep_status(struct lclone_delta *d, char *result, unsigned int maxlen);

/**
 * lclone_sweep_exit() - free the delta's sweep
 * @d: the delta
 */
void lclone_sweep_exit(struct lclone_delta *d);

/* For struct lclone_sweep_ops: */

/**
 * lclone_lane_take() - take a chunk into the batch
 * @l: the lane
 * @leaf: its leaf, pinned
 * @slot: of its entry, which is made BUSY
 * @sectors: how many sectors are to be copied, roughly
 *
 * Worker only.  Return: false if the entry is BUSY already.
 */
bool lclone_lane_take(struct lclone_lane *l, struct lclone_leaf *leaf, u32 slot, u32 sectors);

/**
 * lclone_lane_full() - has the batch enough chunks?
 * @l: the lane
 */
bool lclone_lane_full(const struct lclone_lane *l);

/**
 * lclone_lane_again() - let a lane gather chunks for a batch once more
 * @l: the lane
 *
 * Any context.
 */
void lclone_lane_again(struct lclone_lane *l);

/**
 * lclone_lane_done() - end a batch
 * @l: the lane
 *
 * Worker only.
 */
void lclone_lane_done(struct lclone_lane *l);

/**
 * lclone_lane_failed() - end a batch that has failed, and the sweep with it
 * @l: the lane, its error set
 *
 * Worker only.
 */
void lclone_lane_failed(struct lclone_lane *l);

#endif /* LCLONE_SWEEP_H */
