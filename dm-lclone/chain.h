/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The chain of a table: the layers that it names.
 */
#ifndef LCLONE_CHAIN_H
#define LCLONE_CHAIN_H

#include "lclone.h"
#include "table.h"

/**
 * lclone_chain_get() - open a table's parents
 * @t: the table
 *
 * Called before lclone_delta_get().  Sleeps; sets ti->error.  Return: 0 or -errno; the caller
 * calls lclone_chain_put() at the end in both cases.
 */
int lclone_chain_get(struct lclone *t);

/**
 * lclone_chain_put() - undo lclone_chain_get()
 * @t: the table
 */
void lclone_chain_put(struct lclone *t);

#endif /* LCLONE_CHAIN_H */
