/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A new file that gets its name when it is complete; until then it is FILE.part.
 *
 * What a run that was killed has left as FILE.part is used again: an empty file, or one of
 * ours of the same size, mode 0600 and with no other name.  Any other is somebody else's,
 * and refused; nothing is written through a symbolic link, nor to what another run has locked.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_PART_H
#define LCLONE_PART_H

#include "host/file.h"

struct lclone_part {
	struct lclone_file file;	/* open with O_RDWR, locked, reads as zeros */
	char path[PATH_MAX], part[PATH_MAX];
	u64 sectors;			/* 0: an image */
	bool ours;			/* it was opened, and may be removed ... */
	bool named;			/* ... from @path, which it has got */
};

/*
 * -EEXIST if there is a @path already, or a part that is not ours; -EOPNOTSUPP if it could not
 * get its name on that filesystem without overwriting another file. Close it in any case.
 */
int lclone_part_open(struct lclone_part *part, const char *path, u64 sectors);
/* Gives it its name, durably.  What was written must be durable before. */
int lclone_part_finish(struct lclone_part *part);
void lclone_part_close(struct lclone_part *part);

/*
 * The same for a file of any size, which is empty at first.  One that a run has left is used again
 * if it has the mark that it was given, an extended attribute; any other, which may be somebody else's
 * download of an image, is refused.
 */
int lclone_part_open_image(struct lclone_part *part, const char *path);
/* It is of no use: no part is left, nor what has got its name. */
void lclone_part_abandon(struct lclone_part *part);

/* Makes the entry of @path in its directory durable. */
int lclone_sync_directory(const char *path);

#endif /* LCLONE_PART_H */
