/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Looks at devices, for deltas or for a base, in a process of its own, which is
 * given up where a device does not answer.
 */
#ifndef LCLONE_LOOK_H
#define LCLONE_LOOK_H

#include "format/delta.h"
#include "host/file.h"

#define LCLONE_LOOK_SECONDS	3	/* that a device has to answer */
#define LCLONE_STRIPES_MAX	16	/* that a volume to be looked at has */

/* Where a volume's sectors are: chunk by chunk on each device in turn; on one, in one piece */
struct lclone_stripes {
	u32 count, chunk_sectors;
	struct {
		char path[64];
		u64 start;
	} on[LCLONE_STRIPES_MAX];
};

#define LCLONE_PV_UUID_SIZE	33	/* without the dashes that LVM prints */

enum lclone_seen {
	LCLONE_SEEN_NOTHING,		/* no delta */
	LCLONE_SEEN_DELTA,
	LCLONE_SEEN_DAMAGED,		/* a delta that says not which; or of a newer version */
	LCLONE_SEEN_ERROR,		/* cannot be read: see err */
	LCLONE_SEEN_TIMEOUT,
};

struct lclone_place {
	char path[64];			/* of the device to read ... */
	dev_t rdev;			/* ... which must be this; 0: whatever it is */
	u64 start, sectors;		/* the part of it to look at */
	const struct lclone_stripes *stripes;	/* or NULL: where that is, instead */
	bool fingerprint;		/* ... as a base: only fp and err are set */
	enum lclone_seen seen;
	int err;
	bool volumes;			/* it is a physical volume of LVM ... */
	char pv_uuid[LCLONE_PV_UUID_SIZE];	/* ... with this uuid ... */
	bool partitions;		/* ... below a partition table */
	u64 fp;
	struct lclone_sb sb;
};

/* 0, or a negative errno with the sentence in lclone_why(). */
int lclone_look(struct lclone_place *places, size_t count);

#endif /* LCLONE_LOOK_H */
