/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All of a base is read, and compared with its verity tree.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_VERIFY_H
#define LCLONE_VERIFY_H

#include <limits.h>

#include "basic/watch.h"
#include "format/verity.h"

/* Does a disk read some of a range? */
enum lclone_reads {
	LCLONE_READS_NOT,		/* all of it is its own, or zero */
	LCLONE_READS,
	LCLONE_MAY_READ,		/* its delta could not be looked at */
};

/* Bytes of the base that are not as the tree says, or cannot be read */
struct lclone_rot {
	u64 start, bytes;
	enum lclone_reads *reads;	/* of each disk */
};

struct lclone_verify {
	char base[PATH_MAX];
	u64 bytes;			/* of the base */
	char root[LCLONE_ROOT_TEXT];
	struct lclone_rot *rot;		/* in ascending order; none is next to another */
	size_t count;
	char (*disk)[PATH_MAX];		/* clones, snapshots, and other deltas of the base, by name */
	size_t disks;
};

/*
 * @word: a template, or the path of a base, or a clone, whose base is meant, and then the root hash
 * counts that its delta has recorded.  Who reads what is rotten is looked for only if something is.
 * To be freed in any case.
 */
int lclone_verify(const char *word, const struct lclone_watch *watch, struct lclone_verify *verify);
void lclone_verify_free(struct lclone_verify *verify);

#endif /* LCLONE_VERIFY_H */
