// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/snapshot.h"
#include "clone/word.h"
#include "host/find.h"

/* device-mapper takes an @ in the name of a clone, too: such a clone is meant first. */
static int find(const char *word, struct lclone_named *named, bool *snapshot)
{
	static struct lclone_layers layers;
	char clone[LCLONE_NAME_SIZE];
	const char *name = lclone_snapshot_split(word, clone);
	int err = lclone_name_find(word, named);
	u32 at;

	*snapshot = name && err == -ENXIO;
	if (!*snapshot)
		return err ?: lclone_named_activate(named);
	lclone_named_free(named);
	err = lclone_snapshot_find(clone, name, named, &layers, &at);
	if (!err)
		snprintf(named->delta, sizeof(named->delta), "%s", layers.layer[at].path);
	lclone_layers_free(&layers);
	return err;
}

int lclone_pair_of(const char *name, struct lclone_named *named)
{
	bool snapshot;
	char next[PATH_MAX + 32];
	int err = find(name, named, &snapshot);

	snprintf(next, sizeof(next), "name it, and %s", named->delta);
	if (!err && !named->base[0])
		err = lclone_no_base(name, &named->may, next);
	lclone_named_free(named);
	named->entry = NULL;
	return err;
}

int lclone_word_find(const char *word, struct lclone_word *meant)
{
	static struct lclone_named named;
	bool file = !access(word, F_OK), snapshot;
	int err;

	meant->base[0] = '\0';
	meant->changes = false;
	snprintf(meant->delta, sizeof(meant->delta), "%s", word);
	if (strchr(word, '/') || (file && !strchr(word, '@')))
		return 0;
	err = find(word, &named, &snapshot);
	if (!err) {
		snprintf(meant->delta, sizeof(meant->delta), "%s", named.delta);
		snprintf(meant->base, sizeof(meant->base), "%s", named.base);
		meant->changes = named.active && !snapshot;
	}
	lclone_named_free(&named);
	if (!file || !err)
		return err;
	if (err == -ENXIO || err == -EINVAL || err == -ENOENT)
		return 0;
	return lclone_fail(err, "%s (./%s is the file)", lclone_why(), word);
}

int lclone_delta_path(const char *word, char path[PATH_MAX])
{
	static struct lclone_word meant;
	int err = lclone_word_find(word, &meant);

	snprintf(path, PATH_MAX, "%s", meant.delta);
	return err == -ENXIO || err == -EINVAL ? 0 : err;
}
