// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "basic/fail.h"
#include "host/device.h"
#include "host/dm.h"
#include "online/boot.h"
#include "online/close.h"
#include "online/follow.h"
#include "online/open.h"

#define TRIES	6	/* a second apart */

/* The layers that @entry names, of which text[] is to be freed */
static int take_parents(const struct lclone_tab_entry *entry, struct lclone_parents *parents,
			char *text[LCLONE_LAYERS_MAX])
{
	char device[PATH_MAX];
	const char *at = NULL;
	int err = 0;
	u32 i;

	while (!err && lclone_tab_parent(entry, &at, device)) {
		i = parents->count;
		err = lclone_add_parent(parents, device);
		if (err)
			break;
		text[i] = strdup(device);
		parents->path[i] = text[i];
		if (!text[i])
			err = lclone_fail(-ENOMEM, "out of memory");
	}
	return err;
}

/* Is it active, and on the delta that the entry has? */
static bool is_active(const struct lclone_tab_entry *entry)
{
	static struct lclone_clone clone;
	const dev_t rdev = lclone_dev_at(entry->delta);

	return !lclone_dm_get(entry->name, &clone) && !clone.suspended && rdev &&
	       lclone_dev_number(clone.table.delta) == rdev;
}

int lclone_start_entry(const struct lclone_tab_entry *entry)
{
	char *text[LCLONE_LAYERS_MAX] = { };
	struct lclone_parents parents = { };
	int err, tries;
	u32 i;

	err = take_parents(entry, &parents, text);
	for (tries = 0; !err; tries++) {
		if (lclone_was_opened(entry->name, entry->base, entry->delta, &entry->features) ||
		    is_active(entry))
			break;
		err = lclone_open_clone(entry->name, entry->base, entry->delta, &parents,
					&entry->features, entry->host);
		if ((err != -ESTALE && err != -EBUSY) || tries == TRIES)
			break;
		if (err == -EBUSY && !entry->features.read_only &&
		    lclone_names_layer(entry->name, entry->delta))
			break;
		err = 0;
		sleep(1);
	}
	for (i = 0; i < parents.count; i++)
		free(text[i]);
	return err;
}

int lclone_stop_name(const char *name)
{
	int err = lclone_close_clone(name);

	return err == -ENXIO ? 0 : err;
}
