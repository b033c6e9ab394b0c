/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who wants to know how far a long walk through a delta is.
 */
#ifndef LCLONE_WATCH_H
#define LCLONE_WATCH_H

#include "lclone_format.h"

struct lclone_watch {
	/*
	 * Called often, with the bytes of what @phase, a word, walks through.  Not 0: stop, at a
	 * safe point; the walk returns -EINTR.
	 */
	int (*progress)(void *ctx, const char *phase, u64 done, u64 total);
	void *ctx;
};

/* @watch may be NULL. */
static inline bool lclone_watch_stops(const struct lclone_watch *watch, const char *phase,
				      u64 done, u64 total)
{
	return watch && watch->progress(watch->ctx, phase, done < total ? done : total, total);
}

#endif /* LCLONE_WATCH_H */
