// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clone/name.h"
#include "host/device.h"
#include "host/dm.h"
#include "host/lv-lock.h"
#include "online/boot.h"
#include "online/close.h"
#include "online/follow.h"
#include "online/open.h"

#define TRIES	6	/* a second apart */

/* Is it active, and on the delta that the entry has? */
static bool is_active(const struct lclone_tab_entry *entry)
{
	static struct lclone_clone clone;
	const dev_t rdev = lclone_dev_at(entry->delta);

	return !lclone_dm_get(entry->name, &clone) && !clone.suspended && rdev &&
	       lclone_dev_number(clone.table.delta) == rdev;
}

/* In a group that hosts share LVM activates nothing by itself; not all need to be in such a one. */
static int have_volumes(const struct lclone_tab_entry *entry, const struct lclone_parents *parents)
{
	int err = strcmp(entry->base, "-") ? lclone_lv_have_path(entry->base, false) : 0;
	u32 i;

	for (i = 0; !err && i < parents->count; i++)
		err = lclone_lv_have_path(parents->path[i], false);
	return err ?: lclone_lv_have_path(entry->delta, true);
}

int lclone_start_entry(const struct lclone_tab_entry *entry)
{
	struct lclone_parents parents = { };
	struct lclone_tab_entry late;
	int err, tries;

	err = lclone_entry_parents(entry, &parents);
	if (!err && entry->shared)
		err = have_volumes(entry, &parents);
	for (tries = 0; !err; tries++) {
		if (lclone_was_opened(entry->name, entry->base, entry->delta, &entry->features) ||
		    is_active(entry))
			break;
		err = lclone_open_clone(entry->name, entry->base, entry->delta, &parents,
					&entry->features, entry->host);
		if (err == -ESTALE && lclone_follow_late(entry, &late))
			return lclone_start_entry(&late);
		if ((err != -ESTALE && err != -EBUSY) || tries == TRIES)
			break;
		if (err == -EBUSY && !entry->features.read_only &&
		    lclone_names_layer(entry->name, entry->delta, false))
			break;
		err = 0;
		sleep(1);
	}
	return err;
}

int lclone_stop_name(const char *name)
{
	int err = lclone_close_clone(name);

	return err == -ENXIO ? 0 : err;
}
