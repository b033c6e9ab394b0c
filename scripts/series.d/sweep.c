// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until a later patch there is no sweep: a table that wants to merge or to flatten is
 * refused.
 */
#include "sweep.h"
#include "flatten.h"
#include "merge.h"

const struct lclone_sweep_ops lclone_merge_ops = { .name = "the merge into the base" };
const struct lclone_sweep_ops lclone_flatten_ops = { .name = "the flatten" };
const struct lclone_sweep_ops lclone_layer_ops = { .name = "the flatten of a layer" };

struct lclone_sweep *lclone_sweep_create(struct lclone_delta *d,
					 const struct lclone_sweep_ops *ops)
{
	DMERR("%s: %s is not supported", d->dev.name, ops->name);
	return NULL;
}

void lclone_sweep_destroy(struct lclone_sweep *s)
{
}

void lclone_sweep_set(struct lclone *t, const struct lclone_sweep_ops *ops)
{
}

void lclone_sweep_start(struct lclone_delta *d)
{
}

void lclone_sweep_stop(struct lclone_delta *d)
{
}

int lclone_sweep_rate(struct lclone_delta *d, const char *arg)
{
	DMERR("%s: message merge_rate: no merge is under way", d->dev.name);
	return -EINVAL;
}

unsigned int lclone_sweep_status(struct lclone_delta *d, char *result, unsigned int maxlen)
{
	return 0;
}

void lclone_sweep_exit(struct lclone_delta *d)
{
}
