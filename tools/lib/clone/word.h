/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a user means by a word: a path, the name of a clone, or CLONE@SNAPSHOT.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_WORD_H
#define LCLONE_WORD_H

#include "clone/name.h"

struct lclone_word {
	char delta[PATH_MAX];
	char base[PATH_MAX];		/* "-": it has none; "": not known, as with a path */
	bool changes;			/* it is that of a clone that is active, and no snapshot */
};

/*
 * The delta that is meant, whose volumes are activated.  A word with a slash is a path. Another is
 * a file of the current directory, else the name of a clone. One with an @ is a snapshot of that
 * name, if there is one, before it is a file, which may just have been made: by
 * "lclone send web1@monday >web1@monday". -ENXIO or -EINVAL: neither is there.
 */
int lclone_word_find(const char *word, struct lclone_word *meant);

/*
 * A clone, or (with the layer as its delta) one of its snapshots, whose base must be known; its
 * volumes are activated: for who works on a base and a delta.  Nothing is to be freed.
 */
int lclone_pair_of(const char *name, struct lclone_named *named);

/* The same, for who needs no more; @word as it is if there is no such clone or file. */
int lclone_delta_path(const char *word, char path[PATH_MAX]);

#endif /* LCLONE_WORD_H */
