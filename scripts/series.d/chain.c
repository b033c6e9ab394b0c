// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until the next patch there are no layers.
 */
#include "chain.h"

int lclone_chain_get(struct lclone *t)
{
	if (!t->nr_parents)
		return 0;
	t->ti->error = "Parent layers are not supported";
	return -EINVAL;
}

void lclone_chain_put(struct lclone *t)
{
}
