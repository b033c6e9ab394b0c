/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Looks at devices, for deltas or for a base, in processes of their own, which are
 * given up where a device does not answer.  One that is slow is waited for, however
 * many reads a look needs.
 */
#ifndef LCLONE_LOOK_H
#define LCLONE_LOOK_H

#include "format/delta.h"
#include "host/file.h"

#define LCLONE_LOOK_SECONDS	3	/* that a device has to answer a read */
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
	LCLONE_SEEN_TIMEOUT,		/* it did not answer; err is -ETIMEDOUT */
};

struct lclone_place {
	char path[64];			/* of the device to read ... */
	dev_t rdev;			/* ... which must be this; 0: whatever it is */
	u64 start, sectors;		/* the part of it to look at */
	const struct lclone_stripes *stripes;	/* or NULL: where that is, instead */
	bool fingerprint;		/* ... as a base: only fp, err and a timeout are set */
	enum lclone_seen seen;
	int err;
	bool volumes;			/* it is a physical volume of LVM ... */
	char pv_uuid[LCLONE_PV_UUID_SIZE];	/* ... with this uuid ... */
	bool partitions;		/* ... below a partition table */
	u64 fp;
	struct lclone_sb sb;
};

/*
 * 0, or a negative errno with the sentence in lclone_why().  Devices that do not answer are waited
 * for together, not one after the other.
 */
int lclone_look(struct lclone_place *places, size_t count);

/* What follows a device's name in the sentence of why it was not seen: err is set. */
void lclone_look_why(const struct lclone_place *place, char *why, size_t size);

#endif /* LCLONE_LOOK_H */
