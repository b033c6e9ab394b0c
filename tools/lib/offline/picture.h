/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A clone's disk as a picture: which layer each part of it comes from.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_PICTURE_H
#define LCLONE_PICTURE_H

#include "clone/chain.h"

#define LCLONE_SOURCES_MAX	(LCLONE_CHAIN_MAX + 2)

/*
 * Where a part of the disk comes from: the delta is number 0, the layers below it follow, then,
 * as the last two, the base and zeros.
 */
struct lclone_part {
	char path[PATH_MAX];		/* "" for zeros, and for a base that is not known */
	char label[LCLONE_LABEL_SIZE + 1];
	u64 bytes;			/* of the disk */
	u64 pieces;			/* ... in so many, each in one place there */
};

/* A range of the disk */
struct lclone_cell {
	u16 source;			/* that most of it comes from */
	bool mixed;			/* that is the base or zeros, and a little was written */
};

struct lclone_picture {
	char name[PATH_MAX];		/* of the clone, or the delta */
	u64 size_bytes;			/* of the disk */
	u64 cell_bytes;			/* of all cells but the last */
	u32 cells, sources;
	struct lclone_cell *cell;
	struct lclone_part *part;	/* one for each source */
	u64 zeroed_bytes;		/* that the delta itself has as zeros */
	u64 pieces;			/* in which the disk is read from its start to its end */
};

static inline u32 lclone_picture_base(const struct lclone_picture *p)
{
	return p->sources - 2;
}

static inline u32 lclone_picture_zeros(const struct lclone_picture *p)
{
	return p->sources - 1;
}

/*
 * Of @what, the name of a clone that is active or in lclonetab(5), or a delta, which may be
 * active, as of one moment; in at most @cells cells.  Layers that are not among @parents are looked for.  @p is 0 before; free it in
 * any case.
 */
int lclone_picture_read(const char *what, const struct lclone_parents *parents, u32 cells,
			struct lclone_picture *p);
void lclone_picture_free(struct lclone_picture *p);

/* The same of a chain that is open */
int lclone_picture_of_chain(struct lclone_chain *chain, u32 cells, struct lclone_picture *p);

/* Bytes that the delta has as data: what a merge into what lies below copies. */
u64 lclone_picture_merge_bytes(const struct lclone_picture *p);
/* Bytes that come from below it: what a flatten copies. */
u64 lclone_picture_flatten_bytes(const struct lclone_picture *p);

#endif /* LCLONE_PICTURE_H */
