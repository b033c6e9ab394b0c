/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a sealed layer has, or what it has changed since another one, to a stream: see
 * format/stream.h.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_SEND_H
#define LCLONE_SEND_H

#include "basic/watch.h"
#include "clone/chain.h"

struct lclone_sending {
	const char *base;		/* "-": there is none; NULL: not known, and looked for if needed */
	const char *layer;
	struct lclone_parents parents;	/* layers below it that are named */
	const char *since;		/* a layer that it lies on, or NULL */
	bool since_base;		/* what is not in the base */
	int out;			/* where it goes */
	const struct lclone_watch *watch;

	u64 data, zeros;		/* bytes of the disk that were told as such */
	char from[80], to[80];		/* the names of both, for who tells of it; "" of nothing */
};

/*
 * Writes the stream.  Without since and since_base it is the whole disk, without what is zero.
 * The last record is written only if all that was read is what it was at the beginning.  A stream
 * that goes to a file or device is durable at the end.
 */
int lclone_send(struct lclone_sending *sending);

#endif /* LCLONE_SEND_H */
