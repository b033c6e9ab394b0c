// SPDX-License-Identifier: GPL-2.0-only
/*
 * Out of space: writes that need a chunk wait for one, as long as the table says.
 */
#include "lclone.h"

static void enter_full(struct lclone_delta *d)
{
	WRITE_ONCE(d->full, true);
	d->space_expired = false;
	DMWARN("%s: the delta is full", d->name);
	lclone_event(d);
	if (!d->error_if_no_space && d->no_space_timeout) {
		unsigned long left = (unsigned long)d->no_space_timeout * HZ;

		WRITE_ONCE(d->space_deadline, jiffies + left);
		queue_delayed_work(d->wq, &d->space_timer, left);
	}
}

static void leave_full(struct lclone_delta *d)
{
	if (!d->full)
		return;
	d->full = false;
	d->space_expired = false;
	cancel_delayed_work(&d->space_timer);
	DMINFO("%s: the delta has space again", d->name);
	lclone_event(d);
}

static void check_low_water(struct lclone_delta *d)
{
	bool below = d->low_water_mark && lclone_alloc_available(d) < d->low_water_mark;

	if (below && !d->below_low_water) {
		DMWARN("%s: fewer than %u free chunks left", d->name, d->low_water_mark);
		lclone_event(d);
	}
	d->below_low_water = below;
}

/* The clone is being suspended. */
static void give_back(struct lclone_delta *d, struct bio *bio)
{
	lclone_end_bio(bio, d->noflush ? BLK_STS_DM_REQUEUE : BLK_STS_NOSPC);
}

void lclone_no_space(struct lclone_delta *d, struct bio *bio, enum lclone_space space)
{
	switch (space) {
	case LCLONE_SPACE_OK:
		lclone_defer(d, bio);	/* others were faster */
		return;
	case LCLONE_SPACE_SCAN:
		d->space = space;
		if (d->stopping && d->noflush) {
			give_back(d, bio);
			return;
		}
		break;			/* a suspend that flushes waits for the scan */
	case LCLONE_SPACE_NONE:
		if (lclone_commit_freeing(d) || lclone_freed_pending(d))
			break;
		if (READ_ONCE(d->alloc.new_leaves)) {
			/* once written they need less of the reserve */
			lclone_park(d, bio, WAIT_SPACE);
			lclone_commit_want_checkpoint(d);
			return;
		}
		if (!d->full) {
			/* tried once more: a chunk may have been given back unseen */
			enter_full(d);
			lclone_defer(d, bio);
			return;
		}
		if (d->error_if_no_space || d->space_expired) {
			lclone_end_bio(bio, BLK_STS_NOSPC);
			return;
		}
		if (d->stopping) {
			give_back(d, bio);
			return;
		}
	}
	lclone_park(d, bio, WAIT_SPACE);
}

static void space_timeout(struct work_struct *work)
{
	struct lclone_delta *d = container_of(to_delayed_work(work), struct lclone_delta,
					      space_timer);
	long left = READ_ONCE(d->space_deadline) - jiffies;

	if (left > 0) {			/* a timer is good for some days only */
		queue_delayed_work(d->wq, &d->space_timer, left);
		return;
	}
	DMWARN("%s: no space came within %u s, writes that need it fail", d->name,
	       d->no_space_timeout);
	d->space_expired = true;
	lclone_unpark(d, WAIT_SPACE);
}

void lclone_space_refill(struct lclone_delta *d)
{
	d->space = LCLONE_SPACE_NONE;
	if (READ_ONCE(d->mode) != LCLONE_RW)
		return;
	d->space = lclone_alloc_refill(d);
	check_low_water(d);
	if (!xchg(&d->space_came, false))
		return;
	if (d->space == LCLONE_SPACE_OK)
		leave_full(d);
	lclone_unpark(d, WAIT_SPACE);
}

void lclone_space_init(struct lclone_delta *d)
{
	INIT_DELAYED_WORK(&d->space_timer, space_timeout);
}
