/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The links between layers: each names the one that it lies on.  Functions that take a
 * table set ti->error.
 */
#ifndef LCLONE_LINK_H
#define LCLONE_LINK_H

#include "lclone.h"
#include "table.h"

/**
 * lclone_is_half_merged() - did an interrupted merge of layers, by user space, leave this?
 * @sb: of the layer below
 */
bool lclone_is_half_merged(const struct lclone_sb *sb);

/**
 * lclone_merges_with() - is this the layer with which that merge goes on?
 * @half: of the layer that is half merged
 * @above: of the other one
 */
bool lclone_merges_with(const struct lclone_sb *half, const struct lclone_sb *above);

/**
 * lclone_chain_top() - the layer right below a table's delta
 * @t: the table
 *
 * Return: NULL: there is none.
 */
struct lclone_delta *lclone_chain_top(const struct lclone *t);

/**
 * lclone_link_check() - does a delta or layer lie on another?
 * @t: the table
 * @name: of the upper one
 * @sb: of the upper one
 * @below: the lower one, or NULL: the base
 *
 * Return: 0 or -errno.
 */
int lclone_link_check(struct lclone *t, const char *name, const struct lclone_sb *sb,
		      const struct lclone_delta *below);

/**
 * lclone_chain_check() - does a table's delta lie on the topmost layer, or is it a rebase?
 * @t: the table
 * @sb: of the delta
 *
 * Return: 0 or -errno.
 */
int lclone_chain_check(struct lclone *t, const struct lclone_sb *sb);

/**
 * lclone_chain_name() - note the layer below a delta
 * @t: the table
 * @sb: of a delta that is to be formatted, or that gets a new parent
 */
void lclone_chain_name(struct lclone *t, struct lclone_sb *sb);

#endif /* LCLONE_LINK_H */
