// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>

#include "basic/fail.h"
#include "offline/remove.h"
#include "online/by-name.h"
#include "online/close.h"
#include "online/follow.h"
#include "online/open.h"

/* Options that are given go before those of its line in lclonetab. */
static void add_features(struct lclone_features *f, const struct lclone_features *more)
{
	f->read_only |= more->read_only;
	f->error_if_no_space |= more->error_if_no_space;
	f->no_discard_passdown |= more->no_discard_passdown;
	if (!f->no_space_timeout_set && more->no_space_timeout_set) {
		f->no_space_timeout_set = true;
		f->no_space_timeout = more->no_space_timeout;
	}
	f->low_water_mark = f->low_water_mark ?: more->low_water_mark;
	f->commit_interval = f->commit_interval ?: more->commit_interval;
}

static int open_found(struct lclone_named *named, struct lclone_parents *parents,
		      struct lclone_features *features, bool host)
{
	static char layer[LCLONE_LAYERS_MAX][PATH_MAX];
	const char *at = NULL;
	u32 i;
	int err = 0;

	if (named->active)
		return lclone_fail(-EEXIST, "%s is active already", named->name);
	if (!named->base[0])
		return lclone_fail(-ENOENT, "the base of %s is not found: name it (lclone open %s BASE %s)",
				   named->name, named->name, named->delta);
	if (named->entry) {
		add_features(features, &named->entry->features);
		host |= named->entry->host;
		for (i = 0; !err && i < LCLONE_LAYERS_MAX &&
		     lclone_tab_parent(named->entry, &at, layer[i]); i++)
			err = lclone_add_parent(parents, layer[i]);
	}
	err = err ?: lclone_named_activate(named);
	if (err || lclone_was_opened(named->name, named->base, named->delta, features))
		return err;
	err = lclone_open_clone(named->name, named->base, named->delta, parents, features, host);
	if (err == -EBUSY && named->entry && !features->read_only)
		(void)lclone_names_layer(named->name, named->delta);	/* which says it better */
	return err;
}

int lclone_open_name(const char *name, struct lclone_parents *parents,
		     struct lclone_features *features, bool host)
{
	static struct lclone_named named;
	int err;

	err = lclone_name_find(name, &named);
	if (!err)
		err = open_found(&named, parents, features, host);
	lclone_named_free(&named);
	return err;
}

/* Something has changed, which is not what the exit codes of a refusal mean. */
static int closed(const struct lclone_named *named)
{
	return lclone_fail(-ECANCELED, "%s; %s is closed, and not removed", lclone_why(), named->name);
}

int lclone_remove_named(struct lclone_named *named)
{
	const char *name = named->name;
	int err;

	err = named->active ? lclone_close_clone(name) : lclone_named_activate(named);
	if (err)
		return err;
	err = lclone_remove_delta(named->delta);
	if (err == -ENODATA && named->has_lv)	/* made, and not formatted: by a run that was killed */
		err = 0;
	if (err)
		return named->active ? closed(named) : err;
	err = named->entry ? lclone_tab_remove(&name, 1) : 0;
	if (!err && named->has_lv)
		err = lclone_lv_remove(&named->lv);
	return err;
}
