/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What clones are doing: rates, by what the kernel had counted at two moments.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_LOAD_H
#define LCLONE_LOAD_H

#include "clone/overview.h"

/* Of a block device, since it is there */
struct lclone_counters {
	u64 reads, read_sectors, writes, write_sectors;
	u64 busy_ms;			/* in which it had something to do */
};

struct lclone_busy {
	struct lclone_row row;		/* first: what shows a row can show this */
	struct lclone_counters counters;
	/* For each second; 0 if it was not there before */
	double reads, read_bytes, writes, write_bytes;
	double growth_bytes;		/* of the delta's use; below 0 if it became less */
	double busy;			/* part of the time, in % */
};

struct lclone_load {
	struct lclone_busy *clone;	/* in order of their names */
	size_t count;
	size_t unseen;			/* devices that could not be looked at */
	double seconds;			/* when it was taken, see lclone_seconds() */
};

/* A line of sysfs' file "stat" of a device.  0, or -EPROTO. */
int lclone_counters_parse(const char *line, struct lclone_counters *counters);

/*
 * As it is now, with rates since @before, or without if that is 0 or NULL. No device is read: a clone
 * that stands still holds nothing up.  Free it in any case.
 */
int lclone_load_read(struct lclone_load *load, const struct lclone_load *before);
void lclone_load_free(struct lclone_load *load);

/* The rates of @load, whose counters are there, since @before */
void lclone_load_rates(struct lclone_load *load, const struct lclone_load *before);

#endif /* LCLONE_LOAD_H */
