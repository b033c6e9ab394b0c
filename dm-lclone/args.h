/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The features in a table's arguments: they are parsed and printed.
 */
#ifndef LCLONE_ARGS_H
#define LCLONE_ARGS_H

#include "table.h"

/**
 * lclone_parse_features() - parse the features of a table
 * @t: the table
 * @argc: number of words
 * @argv: the words
 *
 * Does not open devices.  Sets ti->error; the caller frees t->parents.  Return: 0 or -errno.
 */
int lclone_parse_features(struct lclone *t, unsigned int argc, char **argv);

/**
 * lclone_emit_features() - print the features that were given, as they are parsed
 * @t: the table
 * @result: gets the text
 * @maxlen: room in it
 *
 * Return: the text's length.
 */
unsigned int lclone_emit_features(struct lclone *t, char *result, unsigned int maxlen);

#endif /* LCLONE_ARGS_H */
