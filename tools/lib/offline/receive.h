/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A stream of changes becomes a sealed layer: see format/stream.h.
 *
 * The stream is not trusted: nothing is allocated by what it says, and whatever does not fit is
 * refused.  Before its end the layer is half written, see writer.h.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why(): -EMEDIUMTYPE for what
 * is no stream, -EBADMSG for one that is broken or not whole, -ESTALE if it does not belong here.
 */
#ifndef LCLONE_RECEIVE_H
#define LCLONE_RECEIVE_H

#include "basic/watch.h"
#include "clone/inventory.h"

struct lclone_receiving {
	int in;				/* where it comes from */
	const char *layer;		/* the device or file that it goes to */
	struct lclone_parents parents;	/* named; the last is the layer that it will lie on */
	const char *base;		/* or NULL */
	u32 chunk_sectors;		/* 0: that of the layer below, or the default */
	const char *label;		/* or NULL */
	bool force;			/* overwrite what is on the device */
	const struct lclone_watch *watch;

	u64 data, zeros;		/* bytes of the disk that were told as such */
	char from[80], to[80];		/* the names in it; "" of nothing */
};

/* Receives it; -EINTR if progress asked to stop. */
int lclone_receive(struct lclone_receiving *receiving);

#endif /* LCLONE_RECEIVE_H */
