/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clones as one looks at them side by side: a row for each, with what it lies on and uses.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_OVERVIEW_H
#define LCLONE_OVERVIEW_H

#include "clone/inventory.h"

struct lclone_row {
	/* Of a clone that is active, or in lclonetab(5); "": another delta, or a layer */
	char name[LCLONE_NAME_SIZE];
	bool active;
	char base[PATH_MAX];		/* "-": none; "": not found */
	char delta[PATH_MAX];
	dev_t rdev;			/* of the clone's own device; 0 if it is not active */
	u64 size_bytes;			/* of the disk */
	u64 used_bytes, total_bytes;	/* of the delta's device */
	u32 depth;			/* layers, the delta among them, above the base */
	bool suspended, read_only;
	int open_count;
	struct lclone_status status;	/* of a clone; else 0 */
	/* Of lclone_overview_read_all(): has it found the delta?  If not, all but names is 0. */
	bool has_sb;
	struct lclone_sb sb;
	u64 taken;			/* when it was sealed, but not before what it lies on was */
};

struct lclone_overview {
	struct lclone_row *row;
	size_t count;
	struct lclone_inventory inv;	/* for what could not be looked at */
};

/*
 * The active clones, in order of their names.  The kernel is asked and no device is read, so a
 * clone that stands still holds nothing up.  @o is 0 before; free it in any case.
 */
int lclone_overview_read(struct lclone_overview *o);
/*
 * The same with their superblocks, and, if @inactive, behind them the deltas and layers that are
 * not active, and clones of lclonetab(5) whose deltas are not there: all devices are looked at.
 */
int lclone_overview_read_all(struct lclone_overview *o, bool inactive);
void lclone_overview_free(struct lclone_overview *o);

/*
 * By it layers are in the order in which they were sealed.  Those of one chain are, the lowest first,
 * also if it was in one second, or a clock went wrong, or another host has them in another order.
 */
double lclone_row_taken(const struct lclone_row *row);

/* Part of the delta that is used, in %; 0 if its size is not known */
double lclone_row_percent(const struct lclone_row *row);

/* Part of its merge or flatten that is done, in % */
double lclone_row_task_percent(const struct lclone_row *row);

#endif /* LCLONE_OVERVIEW_H */
