/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file that is written as a whole or not at all: who reads it never sees a part.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_UI_SAVE_H
#define LCLONE_UI_SAVE_H

#include <limits.h>
#include <stdio.h>

struct save {
	FILE *f;			/* to print to */
	char path[PATH_MAX];		/* what it will be */
	char temporary[PATH_MAX];	/* what it is meanwhile, beside that */
};

/* -EEXIST if @path is something else than a file: that would be replaced, too. */
int save_begin(struct save *save, const char *path);
/* It takes the place of the old one; with @err, which is returned, it goes. */
int save_end(struct save *save, int err);

#endif /* LCLONE_UI_SAVE_H */
