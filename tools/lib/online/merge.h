/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel merges a clone that is in use into its base, which then is the disk.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why(); -EINTR if the user
 * does not want to wait, and the kernel goes on.
 */
#ifndef LCLONE_ONLINE_MERGE_H
#define LCLONE_ONLINE_MERGE_H

#include <limits.h>

#include "clone/users.h"
#include "host/lv.h"
#include "online/task.h"

struct online_merge {
	struct online *online;
	lclone_ask_fn ask;		/* before it is begun; NULL: it need not be asked */

	/* What has become of it, or in a dry run, if it is not under way, would become */
	char disk[PATH_MAX];		/* the base, that is */
	char free[PATH_MAX];		/* the delta; "": that was so before, and it is not known */
	char left[PATH_MAX];		/* what may have been the delta then, and was not wiped, or "" */
	char tree[LCLONE_LV_PATH_SIZE];	/* the volume of the base's verity tree, which went, or "" */
	bool line_removed;		/* from lclonetab(5): it is no clone any more */
	double pause_ms;		/* that the clone stood still */
};

/*
 * Merges the clone into its base, or goes on with that.  When it has ended the
 * clone is a linear device on the base, and the delta none any more.  1: it is not waited for,
 * see lclone_wait_for_task().
 */
int lclone_merge_online(struct online_merge *merge);

/*
 * Is @device ("major:minor") the base, or disk, to which a killed command has led the clone?  Then
 * *before is what the clone was.
 */
bool lclone_was_led_to(const struct online *o, const char *device, struct lclone_clone *before);

#endif /* LCLONE_ONLINE_MERGE_H */
