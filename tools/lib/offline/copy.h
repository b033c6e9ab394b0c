/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The copy engine of merge: extents of a clone to a target, through io_uring.
 */
#ifndef LCLONE_COPY_H
#define LCLONE_COPY_H

#include "clone/chain.h"

struct lclone_copy;
struct pollfd;

/* That a sink is given at a time, each of up to 512 KiB: qemu-nbd takes no more requests than that. */
#define LCLONE_COPY_SLOTS	16

/*
 * What is written to if that is no file, nor a device.  Zeros are told apart from data exactly as
 * the extents have them.
 */
struct lclone_copy_sink {
	/*
	 * Begins to write, or (@buf: NULL) to zero; each slot has one at a time.  At its end polled()
	 * tells lclone_copy_ended(), unless this fails, with the sentence in lclone_why().
	 */
	int (*start)(struct lclone_copy_sink *sink, unsigned int slot, const void *buf, u64 at,
		     u64 bytes);
	/* What to poll for; false: something has ended already, and there is nothing to wait for. */
	bool (*poll_for)(struct lclone_copy_sink *sink, struct pollfd *p);
	/* What to do then, also after a time without any event; if it fails all that was begun has ended. */
	int (*polled)(struct lclone_copy_sink *sink, const struct pollfd *p);
	/* Nothing of it is wanted any more: all that was begun is to end now. */
	void (*stop)(struct lclone_copy_sink *sink);
	struct lclone_copy *copy;	/* set by us */
};

/*
 * @err is 0, or a negative errno with the sentence in lclone_why().  The slot may be given the next
 * write in here.
 */
void lclone_copy_ended(struct lclone_copy *copy, unsigned int slot, int err);

/* What is to be written where: the whole clone, or what of it has its place elsewhere */
struct lclone_merge {
	struct lclone_chain *chain;	/* the clone's delta and its layers */
	struct lclone_file *base;	/* NULL if the clone has none */
	struct lclone_file *target;	/* open with O_RDWR; of a merge into the base: the base */
	struct lclone_copy_sink *sink;	/* instead of @target, if not NULL */
	bool share;			/* into the parent: see lclone_merge_into_parent() */
	u64 first;			/* sector that a copy begins with */
	bool target_is_zero;		/* reads as zeros: zeros need not be written ... */
	bool sparse;			/* ... nor are blocks of data that are all zero */

	/* Called about ten times a second, and at the end. Not 0: stop, at a safe point. */
	int (*progress)(struct lclone_merge *merge, u64 done, u64 total);
	void *ctx;
};

/*
 * What is to be copied, if that is not the clone: extents with their place on
 * the target as sector.
 */
struct lclone_copy_extents {
	/* From the first on */
	void (*start)(struct lclone_copy_extents *extents);
	/* 1: *extent was set. 0: no more. Else a negative errno, the sentence in lclone_why(). */
	int (*next)(struct lclone_copy_extents *extents, struct lclone_chain_extent *extent);
};

/* Copies these; @merge and @extents must outlive it. Free it with lclone_copy_free(). */
int lclone_copy_new_extents(struct lclone_copy **copy, struct lclone_merge *merge,
			    struct lclone_copy_extents *extents);

/*
 * Copies from @sector to the clone's end.  With @skip_base, what comes from the
 * base is left out: it is there.  Free it with lclone_copy_free().
 */
int lclone_copy_new(struct lclone_copy **copy, struct lclone_merge *merge, u64 sector,
		    bool skip_base);
void lclone_copy_free(struct lclone_copy *copy);

/*
 * Goes on for about @ms milliseconds, then waits for all that is in flight.
 * Returns 1 if there is more to do, 0 at the end, or a negative errno.  What
 * lies below lclone_copy_sector() is then written, but not yet durable.
 */
int lclone_copy_run(struct lclone_copy *copy, unsigned int ms);
u64 lclone_copy_sector(const struct lclone_copy *copy);

#endif /* LCLONE_COPY_H */
