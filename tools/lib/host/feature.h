/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Features of the target as people write them: options of a command, without the --, and of
 * lclonetab(5).
 */
#ifndef LCLONE_FEATURE_H
#define LCLONE_FEATURE_H

#include "host/target.h"

/*
 * Sets what @word ("read-only", "commit-interval", ...) with @value, NULL for none, stands for.
 * 1 if it is a feature, 0 if it is not, or -ERANGE with the sentence in lclone_why().
 */
int lclone_feature_set(struct lclone_features *features, const char *word, const char *value);

#define LCLONE_FEATURE_WORDS	256

/* The same back: words with a comma between, or "". @size is LCLONE_FEATURE_WORDS, or more. */
void lclone_feature_words(const struct lclone_features *features, char *words, size_t size);

#endif /* LCLONE_FEATURE_H */
