/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device that shows a base, and verifies what is read of it (dm-verity).  It is one for all clones
 * of that base on this host that want it; it comes with the first and goes with the last, for the
 * kernel removes it at its last use.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_VERIFIED_H
#define LCLONE_VERIFIED_H

#include "format/verity.h"
#include "host/file.h"

struct lclone_verified {
	int fd;				/* the device stays as long as this is open, or a clone has it */
	dev_t rdev, base;
	u32 block;			/* bytes that are verified at once */
	u8 root[LCLONE_ROOT_SIZE];
};

/*
 * @base is open, and locked; @root is what is recorded of it, or all zeros: what its tree says,
 * which is looked for among LVM's volumes.  @own: one of its own for this process, which has read
 * nothing yet.  -ENOENT: it has no tree; -ESTALE: it is another's.  -EUCLEAN, of @own: nothing is as
 * the tree says whose root hash was recorded.  To be closed in any case, when the base is free of it
 * unless others use it.
 */
int lclone_verified_open(const struct lclone_file *base, const u8 root[LCLONE_ROOT_SIZE], bool own,
			 struct lclone_verified *verified);
void lclone_verified_close(struct lclone_verified *verified);

/*
 * Devices on the base that nobody has open go: those that a run that was killed has left between
 * making one and having it removed at its last use, and those that the kernel is about to remove.
 * The base is free of them when this returns.
 */
void lclone_verified_tidy(dev_t base);

enum lclone_base_state {
	LCLONE_BASE_PLAIN,		/* what is read of it is not verified */
	LCLONE_BASE_VERIFIED,
	LCLONE_BASE_CORRUPT,		/* it is, and something was not as the tree says, as long as it is there */
};

/* Of a clone's base, as its table has it */
enum lclone_base_state lclone_base_state(const char *major_minor);

#endif /* LCLONE_VERIFIED_H */
