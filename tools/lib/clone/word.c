// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/snapshot.h"
#include "clone/word.h"

/* device-mapper takes an @ in the name of a clone, too: such a clone is meant first. */
static int find(const char *word, struct lclone_named *named)
{
	static struct lclone_layers layers;
	char clone[LCLONE_NAME_SIZE];
	const char *snapshot = lclone_snapshot_split(word, clone);
	int err = lclone_name_find(word, named);
	u32 at;

	if (!snapshot || err != -ENXIO)
		return err ?: lclone_named_activate(named);
	lclone_named_free(named);
	err = lclone_snapshot_find(clone, snapshot, named, &layers, &at);
	if (!err)
		snprintf(named->delta, sizeof(named->delta), "%s", layers.layer[at].path);
	lclone_layers_free(&layers);
	return err;
}

int lclone_pair_of(const char *name, struct lclone_named *named)
{
	int err = find(name, named);

	if (!err && !named->base[0])
		err = lclone_fail(-ENOENT, "the base of %s is not found: name it, and %s", name,
				  named->delta);
	lclone_named_free(named);
	named->entry = NULL;
	return err;
}

int lclone_delta_path(const char *word, char path[PATH_MAX])
{
	static struct lclone_named named;
	int err;

	snprintf(path, PATH_MAX, "%s", word);
	if (strchr(word, '/') || !access(word, F_OK))
		return 0;
	err = find(word, &named);
	if (!err)
		snprintf(path, PATH_MAX, "%s", named.delta);
	lclone_named_free(&named);
	return err == -ENXIO || err == -EINVAL ? 0 : err;
}
