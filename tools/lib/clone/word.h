/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a user means by a word: a path, the name of a clone, or CLONE@SNAPSHOT.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_WORD_H
#define LCLONE_WORD_H

#include "clone/name.h"

/*
 * A clone, or (with the layer as its delta) one of its snapshots, whose base must be known; its
 * volumes are activated: for who works on a base and a delta.  Nothing is to be freed.
 */
int lclone_pair_of(const char *name, struct lclone_named *named);

/*
 * The delta that is meant: @word as it is if it is a path, or there is no clone of that name;
 * else that clone's, or the layer of its snapshot.
 */
int lclone_delta_path(const char *word, char path[PATH_MAX]);

#endif /* LCLONE_WORD_H */
