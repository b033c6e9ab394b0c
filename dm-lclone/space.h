/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happens when the delta is full: writes that need a chunk wait as long as the table says.
 */
#ifndef LCLONE_SPACE_H
#define LCLONE_SPACE_H

#include "alloc.h"
#include "commit.h"
#include "freed.h"

/**
 * struct lclone_space - space of a delta
 * @timeout: how many seconds writes wait for space, 0 for ever; changed in preresume only
 * @low_water_mark: an event is sent when fewer chunks than this are free; 0 for none; changed
 *	in preresume, and by a message
 * @error: writes fail at once and do not wait; changed in preresume only
 * @expired: the timeout is over, so that writes fail
 * @below_low_water: that event was sent; worker only
 * @found: what the last refill of the slots found; worker only
 * @deadline: when the timeout is over, in jiffies
 * @timer: ends the timeout
 * @super: the delta's superblock
 * @alloc: the delta's allocator
 * @commit: the delta's commit, which may have chunks on their way to be free
 * @freed: the delta's freed chunks, which are on that way, too
 */
struct lclone_space {
	u32 timeout;
	u32 low_water_mark;
	bool error;
	bool expired;
	bool below_low_water;
	enum lclone_room found;
	unsigned long deadline;
	struct delayed_work timer;
	struct lclone_super *super;
	struct lclone_alloc *alloc;
	struct lclone_commit *commit;
	struct lclone_freed *freed;
};

/**
 * lclone_no_space() - handle a bio that could not get a chunk
 * @s: the space
 * @bio: is deferred, parked or ended with an error, as the table says
 * @room: what the allocator told the caller about free chunks
 *
 * Worker only, after lclone_look().
 */
void lclone_no_space(struct lclone_space *s, struct bio *bio, enum lclone_room room);

/**
 * lclone_space_refill() - a phase of the worker: fill the slots from which map() takes chunks
 * @s: the space
 *
 * Worker only.
 */
void lclone_space_refill(struct lclone_space *s);

/**
 * lclone_space_set_mark() - below how many free chunks an event is sent, from now on
 * @s: the space
 * @chunks: 0: none
 *
 * Any context, also beside the worker, which looks at once: if fewer are free, and it was not
 * said so yet, the event comes now.
 */
void lclone_space_set_mark(struct lclone_space *s, u32 chunks);

/**
 * lclone_space_init() - make the part
 * @s: zeroed by the caller, but for its pointers to other parts
 */
void lclone_space_init(struct lclone_space *s);

#endif /* LCLONE_SPACE_H */
