// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "clone/snapshot.h"
#include "clone/super.h"
#include "format/layer.h"

static int add_layer(struct lclone_layers *layers, const char *path)
{
	struct lclone_layer *layer = &layers->layer[layers->count];
	int err = lclone_sb_of(path, &layer->sb);

	if (err)
		return err;
	layer->path = strdup(path);
	if (!layer->path)
		return lclone_fail(-ENOMEM, "out of memory");
	layers->count++;
	return 0;
}

int lclone_layers_read(const char *delta, struct lclone_layers *layers)
{
	const struct lclone_parents none = { .count = 0 };
	struct lclone_inventory inv = { .count = 0 };
	char path[PATH_MAX], below[PATH_MAX];
	struct lclone_sb sb;
	int err;

	layers->count = 0;
	snprintf(path, sizeof(path), "%s", delta);
	err = lclone_sb_of(path, &sb);
	while (!err && lclone_has_parent(&sb)) {
		if (layers->count == LCLONE_LAYERS_MAX) {
			err = lclone_fail(-EUCLEAN, "%s lies on more than %d layers", delta,
					  LCLONE_LAYERS_MAX);
			break;
		}
		err = lclone_parent_find(path, &sb, &none, &inv, below) ?:
		      add_layer(layers, below);
		if (!err) {
			sb = layers->layer[layers->count - 1].sb;
			strcpy(path, below);
		}
	}
	lclone_inventory_free(&inv);
	return err;
}

void lclone_layers_free(struct lclone_layers *layers)
{
	while (layers->count)
		free(layers->layer[--layers->count].path);
}

int lclone_snapshot_label(const char *clone, const char *snapshot, char label[LCLONE_LABEL_SIZE])
{
	int err = lclone_lv_check_name("a snapshot", snapshot);

	if (err)
		return err;
	if (snprintf(label, LCLONE_LABEL_SIZE, "%s@%s", clone, snapshot) >= LCLONE_LABEL_SIZE)
		return lclone_fail(-ENAMETOOLONG, "%s@%s is too long a name: it has at most %d characters",
				   clone, snapshot, LCLONE_LABEL_SIZE - 1);
	return 0;
}

const char *lclone_snapshot_name(const struct lclone_sb *sb)
{
	const char *at = strrchr(sb->label, '@');

	if (!(sb->state & LCLONE_STATE_SEALED) || lclone_half_written(sb))
		return NULL;
	return at && at > sb->label && at[1] ? at + 1 : NULL;
}

const char *lclone_snapshot_split(const char *word, char clone[LCLONE_NAME_SIZE])
{
	const char *at = strrchr(word, '@');

	if (!at)
		return NULL;
	snprintf(clone, LCLONE_NAME_SIZE, "%.*s", (int)(at - word), word);
	return at + 1;
}

u32 lclone_snapshot_at(const struct lclone_layers *layers, const char *clone, const char *snapshot)
{
	const size_t len = strlen(clone);
	const char *name, *label;
	u32 i;

	for (i = 0; i < layers->count; i++) {
		label = layers->layer[i].sb.label;
		name = lclone_snapshot_name(&layers->layer[i].sb);
		if (name && !strcmp(name, snapshot) && name - label == (ptrdiff_t)len + 1 &&
		    !strncmp(label, clone, len))
			break;
	}
	return i;
}

static int no_snapshot(const char *clone, const char *snapshot, const struct lclone_layers *layers)
{
	struct lclone_names n = { .count = 0 };
	u32 i;

	for (i = 0; i < layers->count; i++)
		if (lclone_snapshot_name(&layers->layer[i].sb))
			lclone_add_name(&n, layers->layer[i].sb.label);
	return lclone_fail(-ENOENT, "%s has no snapshot %s%s%s", clone, snapshot,
			   n.count ? "; it lies on " : "", n.count ? n.text : "");
}

int lclone_snapshot_find(const char *clone, const char *snapshot, struct lclone_named *named,
			 struct lclone_layers *layers, u32 *at)
{
	int err;

	layers->count = 0;
	err = lclone_name_find(clone, named) ?: lclone_named_activate(named) ?:
	      lclone_layers_read(named->delta, layers);
	if (err)	/* a device that is not there is another thing than no such snapshot */
		return err == -ENOENT ? -ESTALE : err;
	*at = lclone_snapshot_at(layers, clone, snapshot);
	return *at < layers->count ? 0 : no_snapshot(clone, snapshot, layers);
}
