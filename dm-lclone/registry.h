/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registry knows which table has which delta.  All functions may sleep; those that take a
 * table set ti->error.
 */
#ifndef LCLONE_REGISTRY_H
#define LCLONE_REGISTRY_H

#include "lclone.h"
#include "table.h"

/* Protects the lists, and struct lclone_owner of each delta in them */
extern struct mutex lclone_registry_lock;
/* All deltas, by owner.list */
extern struct list_head lclone_deltas;

/**
 * lclone_delta_get() - give a new table its delta, and register which base it has
 * @t: the table, whose chain is open
 *
 * The delta is shared with another table of the mapped device, or else read or formatted.
 *
 * Return: 0 or -errno.
 */
int lclone_delta_get(struct lclone *t);

/**
 * lclone_delta_release() - undo lclone_delta_get()
 * @t: the table
 */
void lclone_delta_release(struct lclone *t);

/**
 * lclone_layer_get() - give a table a layer of its chain, which is shared or read
 * @t: the table
 * @dev: the layer's device
 * @last: it is the topmost layer, which may be the present delta of the mapped device: that
 *	will be sealed when the table takes over
 *
 * Return: the layer, or an ERR_PTR.
 */
struct lclone_delta *lclone_layer_get(struct lclone *t, struct dm_dev *dev, bool last);

/**
 * lclone_delta_put() - drop a table's reference to a delta or layer
 * @d: the delta, which is freed with the last reference
 * @table: the table
 */
void lclone_delta_put(struct lclone_delta *d, struct dm_table *table);

/**
 * lclone_registry_start() - note that a table is the active one from now on
 * @t: the table
 *
 * preresume.
 */
void lclone_registry_start(struct lclone *t);

/**
 * lclone_registry_seal() - note that a delta was sealed and is a layer from now on
 * @d: the delta
 */
void lclone_registry_seal(struct lclone_delta *d);

#endif /* LCLONE_REGISTRY_H */
