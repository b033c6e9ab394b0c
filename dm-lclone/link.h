/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The links between layers: each layer names the one that it lies on.  Functions that take a
 * table and return an error set ti->error.
 */
#ifndef LCLONE_LINK_H
#define LCLONE_LINK_H

#include "lclone.h"
#include "table.h"

/**
 * lclone_is_half_merged() - has user space begun to merge a layer into this one, and not ended?
 * @sb: superblock of the lower layer
 */
bool lclone_is_half_merged(const struct lclone_sb *sb);

/**
 * lclone_merges_with() - is this the layer that was being merged into a half merged one?
 * @half: superblock of the layer that is half merged
 * @above: superblock of the layer above it
 */
bool lclone_merges_with(const struct lclone_sb *half, const struct lclone_sb *above);

/**
 * lclone_chain_top() - get the layer right below a table's delta
 * @t: the table
 *
 * Return: the layer, or NULL if there is none.
 */
struct lclone_delta *lclone_chain_top(const struct lclone *t);

/**
 * lclone_link_check() - does a delta or layer lie on a certain layer, or on the base?
 * @t: the table
 * @name: of the upper one, for messages
 * @sb: superblock of the upper one
 * @below: the lower one; NULL for the base
 *
 * Return: 0 or -errno.
 */
int lclone_link_check(struct lclone *t, const char *name, const struct lclone_sb *sb,
		      const struct lclone_delta *below);

/**
 * lclone_chain_check() - does a table's delta lie on the topmost layer, or may it be put there?
 * @t: the table; only a rebase puts the delta on another layer
 * @sb: superblock of the delta
 *
 * Return: 0 or -errno.
 */
int lclone_chain_check(struct lclone *t, const struct lclone_sb *sb);

/**
 * lclone_chain_name() - note in a superblock which layer lies below the delta
 * @t: the table
 * @sb: superblock of a delta that is being formatted, or that gets a new parent
 */
void lclone_chain_name(struct lclone *t, struct lclone_sb *sb);

#endif /* LCLONE_LINK_H */
