/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What lies below the delta of a clone that is in use, base and layers, as a
 * disk.  None of it changes while the clone has it.
 */
#ifndef LCLONE_BELOW_H
#define LCLONE_BELOW_H

#include "clone/disk.h"
#include "host/dm.h"

struct below {
	struct disk disk;		/* on top an empty delta, in memory */
	struct lclone_file base_file, *base;	/* base: NULL if there is none */
	char *name[LCLONE_LAYERS_MAX];	/* of the layers */
	struct lclone_parents parents;	/* the same, bottom to top */
	int fd;
};

/* Close it in any case. 0, or a negative errno with the sentence in lclone_why(). */
int lclone_below_open(struct below *below, const struct lclone_clone *clone, u32 chunk_sectors);
void lclone_below_close(struct below *below);

/* Chunks of the clone of which there is anything below, or (@layer) in the layer right below. */
int lclone_below_chunks(struct below *below, bool layer, u64 *chunks);

/* The base and the layers of a table, separated by ", "; "" if there are none. */
void lclone_names_below(const struct lclone_table *table, char *names, size_t size);

#endif /* LCLONE_BELOW_H */
