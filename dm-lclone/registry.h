/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registry: who has which delta.  All functions may sleep; those that take a table set
 * ti->error.
 */
#ifndef LCLONE_REGISTRY_H
#define LCLONE_REGISTRY_H

#include "lclone.h"
#include "table.h"

/* Of the lists and of what is registered */
extern struct mutex lclone_registry_lock;
/* All deltas, by owner.list */
extern struct list_head lclone_deltas;

/**
 * lclone_delta_get() - find the delta of a new table, or read (or format) it; claim the base
 * @t: the table; its chain is open
 *
 * Return: 0 or -errno.
 */
int lclone_delta_get(struct lclone *t);

/**
 * lclone_delta_release() - the end of lclone_delta_get()
 * @t: the table
 */
void lclone_delta_release(struct lclone *t);

/**
 * lclone_layer_get() - find a layer of a table's chain, or read it
 * @t: the table
 * @dev: the layer's device
 * @last: the topmost one, which may be this mapped device's own delta
 *
 * Return: the layer, or an ERR_PTR.
 */
struct lclone_delta *lclone_layer_get(struct lclone *t, struct dm_dev *dev, bool last);

/**
 * lclone_delta_put() - a table has a delta no more
 * @d: the delta, freed with the last table
 * @table: the table
 */
void lclone_delta_put(struct lclone_delta *d, struct dm_table *table);

/**
 * lclone_registry_start() - a table gets I/O from now on
 * @t: the table
 *
 * preresume.
 */
void lclone_registry_start(struct lclone *t);

/**
 * lclone_registry_seal() - a delta that was just sealed belongs to no mapped device any more
 * @d: the delta
 */
void lclone_registry_seal(struct lclone_delta *d);

#endif /* LCLONE_REGISTRY_H */
