// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens when the delta is full: writes that need a chunk wait as long as the table says.
 */
#include "space.h"
#include "trace.h"

static void enter_full(struct lclone_space *s)
{
	WRITE_ONCE(s->alloc->full, true);
	trace_lclone_space(s->super->dev, true);
	s->expired = false;
	DMWARN("%s: the delta is full", s->super->dev->name);
	lclone_event_send(s->super->event);
	if (!s->error && s->timeout) {
		unsigned long left = (unsigned long)s->timeout * HZ;

		WRITE_ONCE(s->deadline, jiffies + left);
		queue_delayed_work(s->super->queue->wq, &s->timer, left);
	}
}

static void leave_full(struct lclone_space *s)
{
	if (!s->alloc->full)
		return;
	s->alloc->full = false;
	trace_lclone_space(s->super->dev, false);
	s->expired = false;
	cancel_delayed_work(&s->timer);
	DMINFO("%s: the delta has space again", s->super->dev->name);
	lclone_event_send(s->super->event);
}

static void check_low_water(struct lclone_space *s)
{
	u32 mark = READ_ONCE(s->low_water_mark);	/* a message may change it */
	bool below = mark && lclone_alloc_available(s->alloc) < mark;

	if (below && !s->below_low_water) {
		DMWARN("%s: fewer than %u free chunks left", s->super->dev->name, mark);
		lclone_event_send(s->super->event);
	}
	s->below_low_water = below;
}

/* Gives a bio back because the clone is being suspended. */
static void give_back_bio(struct lclone_space *s, struct bio *bio)
{
	lclone_end_bio(bio, s->super->queue->noflush ? BLK_STS_DM_REQUEUE : BLK_STS_NOSPC);
}

void lclone_no_space(struct lclone_space *s, struct bio *bio, enum lclone_room room)
{
	struct lclone_queue *q = s->super->queue;

	lclone_assert_worker(q);
	switch (room) {
	case LCLONE_ROOM_OK:
		lclone_defer(q, bio);	/* others have taken what there was: try again */
		return;
	case LCLONE_ROOM_SCAN:
		s->found = room;
		if (q->stopping && q->noflush) {
			give_back_bio(s, bio);
			return;
		}
		break;			/* a suspend with flush waits for the search */
	case LCLONE_ROOM_NONE:
		if (lclone_commit_freeing(s->commit) || lclone_freed_pending(s->freed))
			break;
		if (READ_ONCE(s->alloc->new_leaves)) {
			/* A checkpoint writes the new leaves, for which less is kept back then. */
			lclone_park(q, bio, WAIT_SPACE);
			lclone_commit_want_checkpoint(s->commit);
			return;
		}
		if (!s->alloc->full) {
			/* Try once more: a chunk may have been given back before "full" was set. */
			enter_full(s);
			lclone_defer(q, bio);
			return;
		}
		if (s->error || s->expired) {
			lclone_end_bio(bio, BLK_STS_NOSPC);
			return;
		}
		if (q->stopping) {
			give_back_bio(s, bio);
			return;
		}
	}
	lclone_park(q, bio, WAIT_SPACE);
}

static void space_timeout(struct work_struct *work)
{
	struct lclone_space *s = container_of(to_delayed_work(work), struct lclone_space, timer);
	long left = READ_ONCE(s->deadline) - jiffies;

	if (left > 0) {			/* a timer can't be set for more than some days */
		queue_delayed_work(s->super->queue->wq, &s->timer, left);
		return;
	}
	DMWARN("%s: no space came within %u s, writes that need it fail", s->super->dev->name,
	       s->timeout);
	s->expired = true;
	lclone_unpark(s->super->queue, WAIT_SPACE);
}

void lclone_space_refill(struct lclone_space *s)
{
	bool came;

	lclone_assert_worker(s->super->queue);
	s->found = LCLONE_ROOM_NONE;
	if (READ_ONCE(s->super->mode) != LCLONE_RW)
		return;
	/*
	 * Before the look: what comes during it and is not seen has to wake up those who wait
	 * once more.  They would park again with what was found before it came.
	 */
	came = xchg(&s->alloc->came, false);
	s->found = lclone_alloc_refill(s->alloc);
	check_low_water(s);
	if (!came)
		return;
	if (s->found == LCLONE_ROOM_OK)
		leave_full(s);
	lclone_unpark(s->super->queue, WAIT_SPACE);
}

void lclone_space_set_mark(struct lclone_space *s, u32 chunks)
{
	WRITE_ONCE(s->low_water_mark, chunks);
	lclone_wake(s->super->queue);
}

void lclone_space_init(struct lclone_space *s)
{
	INIT_DELAYED_WORK(&s->timer, space_timeout);
}
