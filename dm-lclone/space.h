/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Out of space: writes that need a chunk wait for one, as long as the table says.
 */
#ifndef LCLONE_SPACE_H
#define LCLONE_SPACE_H

#include "alloc.h"
#include "commit.h"
#include "freed.h"

/**
 * struct lclone_space - space of a delta
 * @timeout: s, how long writes wait for space; changed in preresume only
 * @low_water_mark: chunks, below which an event is sent; 0: none; changed in preresume only
 * @error: writes do not wait; changed in preresume only
 * @expired: the timeout ran out
 * @below_low_water: that was said; worker only
 * @found: worker only: what the last refill found
 * @deadline: jiffies: when the timeout runs out
 * @timer: ends it
 * @super: the delta's superblock
 * @alloc: has the space
 * @commit: may bring some
 * @freed: may bring some
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
 * lclone_no_space() - a bio could not have a chunk
 * @s: the space
 * @bio: is tried again, waits, or fails, as the table says
 * @room: what the caller was told of free chunks
 *
 * Worker only, behind lclone_look().
 */
void lclone_no_space(struct lclone_space *s, struct bio *bio, enum lclone_room room);

/**
 * lclone_space_refill() - the worker's phase: hands chunks to map()
 * @s: the space
 *
 * Worker only.
 */
void lclone_space_refill(struct lclone_space *s);

/**
 * lclone_space_init() - make the part
 * @s: zeroed, but for its pointers to other parts
 */
void lclone_space_init(struct lclone_space *s);

#endif /* LCLONE_SPACE_H */
