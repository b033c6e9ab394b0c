/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tags of volumes that say another thing than the superblocks of the deltas on them: as when LVM's
 * metadata come from a backup, a volume was copied to a new one, or LVM could not be asked while a
 * clone was changed.
 */
#ifndef LCLONE_TAGS_H
#define LCLONE_TAGS_H

#include "host/lv.h"

struct tags_told {
	/* The tags of a volume: as they are, and as they have to be */
	void (*changed)(void *ctx, const struct lclone_lv *was, const struct lclone_lv *now);
	/* It could not be looked at, does not say whose it is, or LVM refuses: ends a sentence. */
	void (*unclear)(void *ctx, const char *path, const char *why);
	void *ctx;
};

/*
 * Gives the volumes of all deltas the tags that their superblocks ask for.  What these do not say
 * stays as it is.  A volume without our tags gets them if it is called as those that are made
 * for clones, and counts as given, which nothing removes.  @dry_run: only tells of it.
 *
 * 0, or a negative errno with the sentence in lclone_why(): some may have been changed.
 */
int lclone_tags_mend(bool dry_run, const struct tags_told *told);

#endif /* LCLONE_TAGS_H */
