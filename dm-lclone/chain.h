/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The chain of a table.
 */
#ifndef LCLONE_CHAIN_H
#define LCLONE_CHAIN_H

#include "lclone.h"
#include "table.h"

/**
 * lclone_chain_get() - open a table's parents
 * @t: the table
 *
 * Before lclone_delta_get().  Sleeps; sets ti->error.  Return: 0 or -errno;
 * lclone_chain_put() is called in both cases.
 */
int lclone_chain_get(struct lclone *t);

/**
 * lclone_chain_put() - the end of lclone_chain_get()
 * @t: the table
 */
void lclone_chain_put(struct lclone *t);

#endif /* LCLONE_CHAIN_H */
