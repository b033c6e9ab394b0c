/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Snapshots of a clone that have names: layers below its delta, with the label CLONE@SNAPSHOT.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_SNAPSHOT_H
#define LCLONE_SNAPSHOT_H

#include "clone/inventory.h"
#include "clone/name.h"

/* A layer of a chain */
struct lclone_layer {
	char *path;
	struct lclone_sb sb;
};

/* All layers below a delta, the topmost first */
struct lclone_layers {
	u32 count;
	struct lclone_layer layer[LCLONE_LAYERS_MAX];
};

/* Free them in any case. */
int lclone_layers_read(const char *delta, struct lclone_layers *layers);
void lclone_layers_free(struct lclone_layers *layers);

/* The label of a snapshot; -ERANGE or -ENAMETOOLONG if it cannot have that name. */
int lclone_snapshot_label(const char *clone, const char *snapshot, char label[LCLONE_LABEL_SIZE]);

/* The name behind the @ in the label of a sealed layer that is a snapshot, else NULL. */
const char *lclone_snapshot_name(const struct lclone_sb *sb);

/* Of "CLONE@SNAPSHOT" the first part goes to @clone; the second is returned, NULL without an @. */
const char *lclone_snapshot_split(const char *word, char clone[LCLONE_NAME_SIZE]);

/* The layer that is that snapshot of the clone; layers->count if there is none. */
u32 lclone_snapshot_at(const struct lclone_layers *layers, const char *clone, const char *snapshot);

/*
 * Looks for the clone, and for that snapshot of it, layers->layer[*at], and activates volumes of
 * LVM that have them.  -ENOENT: it has no such snapshot, and what it has is told.  @named and
 * @layers are to be freed in any case.
 */
int lclone_snapshot_find(const char *clone, const char *snapshot, struct lclone_named *named,
			 struct lclone_layers *layers, u32 *at);

#endif /* LCLONE_SNAPSHOT_H */
