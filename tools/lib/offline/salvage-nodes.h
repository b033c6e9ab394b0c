/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nodes of a damaged delta, found from above or by a scan.
 *
 * Functions return 0 or a negative errno with a sentence in salvage->delta.why.
 */
#ifndef LCLONE_SALVAGE_NODES_H
#define LCLONE_SALVAGE_NODES_H

#include "offline/salvage-state.h"

/* A node that is somewhere on the device */
struct lclone_found_node {
	u32 level, csum;
	u64 first, checkpoint, block;
};

/* A walk through all that a reference leads to, in order of the chunks */
struct lclone_walk {
	/* @checkpoint is not above @max, though the leaf may say so. */
	int (*leaf)(struct lclone_walk *walk, const struct lclone_leaf_disk *node,
		    struct lclone_ref ref, u64 first, u64 checkpoint, u64 max);
	/* There is no valid node; its checkpoint was not above @max. */
	int (*hole)(struct lclone_walk *walk, struct lclone_ref ref, u32 level, u64 first,
		    u64 max);
	struct lclone_salvage *s;
};

/* Begins with the node that @ref leads to; ends when a callback does not return 0. */
int lclone_walk_node(struct lclone_walk *walk, struct lclone_ref ref, u32 level, u64 first,
		     u64 max);
/* Notes all leaves below a reference, and a hole for each node that is not valid. */
int lclone_load_node(struct lclone_salvage *s, struct lclone_ref ref, u32 level, u64 first,
		     u64 max_checkpoint);

/* Looks at every block of the device for nodes; what cannot be read is none. */
int lclone_find_nodes(struct lclone_salvage *s);
/* Calls @each for each of them, in order of their blocks. */
int lclone_each_found(struct lclone_salvage *s,
		      int (*each)(struct lclone_salvage *s, const struct lclone_found_node *found,
				  const union lclone_node *node, void *ctx), void *ctx);

#endif /* LCLONE_SALVAGE_NODES_H */
