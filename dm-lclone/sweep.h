/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A sweep: work on all chunks of a clone while it is in use, in batches.
 */
#ifndef LCLONE_SWEEP_H
#define LCLONE_SWEEP_H

#include "lane.h"
#include "table.h"

/**
 * lclone_sweep_create() - what a table wants, made when it is loaded
 * @d: the delta
 * @ops: what it does
 *
 * Return: the sweep, or NULL: no memory.
 */
struct lclone_sweep *lclone_sweep_create(struct lclone_delta *d,
					 const struct lclone_sweep_ops *ops);

/**
 * lclone_sweep_destroy() - free a sweep that does not run
 * @s: the sweep; NULL does no harm
 */
void lclone_sweep_destroy(struct lclone_sweep *s);

/**
 * lclone_sweep_set() - take a table's sweep, unless the same is there already
 * @t: the table
 * @ops: what it wants; NULL: none
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
 * lclone_sweep_stop() - wait for the batches under way; no other begins
 * @d: the delta
 *
 * postsuspend; sleeps.
 */
void lclone_sweep_stop(struct lclone_delta *d);

/**
 * lclone_sweep_rate() - the message that sets the rate
 * @d: the delta
 * @arg: at most so many KiB per second, 0: no limit; "auto": half of the time; "idle"
 *
 * Return: 0 or -EINVAL.
 */
int lclone_sweep_rate(struct lclone_delta *d, const char *arg);

/**
 * lclone_sweep_status() - what the status line of a table with a sweep says of it
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

/* For the ops */

/**
 * lclone_lane_take() - take a chunk into the batch
 * @l: the lane
 * @leaf: its leaf, pinned
 * @slot: of its entry, which is made BUSY
 * @sectors: that are to be copied, roughly
 *
 * Worker only.  Return: false: another has it.
 */
bool lclone_lane_take(struct lclone_lane *l, struct lclone_leaf *leaf, u32 slot, u32 sectors);

/**
 * lclone_lane_full() - has the batch enough?
 * @l: the lane
 */
bool lclone_lane_full(const struct lclone_lane *l);

/**
 * lclone_lane_again() - gather once more
 * @l: the lane
 *
 * Any context.
 */
void lclone_lane_again(struct lclone_lane *l);

/**
 * lclone_lane_done() - the batch has ended
 * @l: the lane
 *
 * Worker only.
 */
void lclone_lane_done(struct lclone_lane *l);

/**
 * lclone_lane_failed() - the batch has failed, and the sweep with it
 * @l: the lane, its error set
 *
 * Worker only.
 */
void lclone_lane_failed(struct lclone_lane *l);

#endif /* LCLONE_SWEEP_H */
