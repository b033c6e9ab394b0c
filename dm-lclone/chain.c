// SPDX-License-Identifier: GPL-2.0-only
/*
 * The chain of a table: opens the layers that it names, and checks that each lies on the next.
 */
#include <linux/slab.h>

#include "chain.h"
#include "link.h"
#include "registry.h"

int lclone_chain_get(struct lclone *t)
{
	struct lclone_delta *layer, *below = NULL;
	u32 i;
	int err;

	if (!t->nr_parents)
		return 0;
	t->chain = kzalloc(struct_size(t->chain, layer, t->nr_parents), GFP_KERNEL);
	if (!t->chain) {
		t->ti->error = "Out of memory";
		return -ENOMEM;
	}
	t->chain->nr = t->nr_parents;
	for (i = 0; i < t->nr_parents; i++) {
		layer = lclone_layer_get(t, t->parents[i].dev, i == t->nr_parents - 1);
		if (IS_ERR(layer))
			return PTR_ERR(layer);
		t->chain->layer[t->nr_parents - 1 - i] = layer;
		err = lclone_link_check(t, layer->dev.name, &layer->super.sb, below);
		if (err)
			return err;
		below = layer;
	}
	return 0;
}

void lclone_chain_put(struct lclone *t)
{
	u32 i;

	for (i = 0; t->chain && i < t->chain->nr; i++)
		if (t->chain->layer[i])
			lclone_delta_put(t->chain->layer[i], t->ti->table);
	kfree(t->chain);
}
