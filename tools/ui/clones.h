/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clones as a table: what list, status and top show of a struct lclone_row.
 */
#ifndef LCLONE_UI_CLONES_H
#define LCLONE_UI_CLONES_H

#include "clone/overview.h"
#include "ui/table.h"

/* Columns: their text and value take a struct lclone_row. */
extern const struct column clone_columns[];
/* Those that list and status show */
#define CLONE_COLUMNS	"name,base,size,written,delta,use,chain,state"

/* Those of snapshots, the oldest first */
#define SNAPSHOT_COLUMNS	"snapshot,taken,size,written,delta,base"

enum clones_shown {
	CLONES_ACTIVE,
	CLONES_ALL,			/* and deltas and layers that are not */
	CLONES_SNAPSHOTS,		/* layers that have names */
};

/* The table, on the standard output.  0, or a negative errno. */
int print_clones(const struct table *t, enum clones_shown shown);

/* Only rows of snapshots stay. */
void keep_snapshots(struct lclone_overview *o);

/* "rw", or all else that there is to say of it, with commas */
void clone_state(const struct lclone_row *row, char *text, size_t size);

/* Bytes as texts of sizes are: columns of other tables, too */
void clone_size_text(u64 bytes, char *text, size_t size);

#endif /* LCLONE_UI_CLONES_H */
