/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A delta and all layers that it lies on, as a disk; and with its base.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_DISK_H
#define LCLONE_DISK_H

#include "clone/chain.h"
#include "format/moment.h"

/* A delta and all that it lies on, opened and closed together. */
struct disk {
	struct lclone_file file;
	struct lclone_delta delta;
	struct lclone_chain chain;
	struct lclone_moment moment;	/* lclone_open_disk_now(): of an active delta */
};

/* As lclone_open_delta() and lclone_chain_open(): close it in any case. */
int lclone_open_disk(const char *path, int flags, const struct lclone_parents *parents,
		     struct disk *disk);
void lclone_close_disk(struct disk *disk);

/* The same of a delta that is only looked at, and may be active, see active.h */
int lclone_open_disk_now(const char *path, const struct lclone_parents *parents, struct disk *disk);

/* How many levels of the disk lie above the layer on @path; -ESTALE if it is none of its layers. */
int lclone_disk_levels_above(const struct disk *disk, const char *path, u32 *levels);

/* A base and a delta that was made on it, opened and closed together */
struct lclone_pair {
	struct lclone_file base_file, *base;	/* NULL: there is none */
	struct disk disk;
};

/*
 * Opens both to be read; @base is "-" if there is none.  -ESTALE if it is not the delta's.  Close
 * it in any case.
 */
int lclone_open_pair(const char *base, const char *delta, const struct lclone_parents *parents,
		     struct lclone_pair *pair);
/* The same of a delta that is only looked at, and may be active */
int lclone_open_pair_now(const char *base, const char *delta,
			 const struct lclone_parents *parents, struct lclone_pair *pair);
void lclone_close_pair(struct lclone_pair *pair);

#endif /* LCLONE_DISK_H */
