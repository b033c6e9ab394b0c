// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <uuid/uuid.h>

#include "basic/dry.h"
#include "basic/fail.h"
#include "clone/super.h"
#include "host/device.h"
#include "host/file.h"
#include "host/find.h"
#include "host/pending.h"
#include "offline/remove.h"
#include "online/by-name.h"
#include "online/close.h"
#include "online/follow.h"
#include "online/open.h"
#include "online/volume.h"

/* Options that are given go before those of its line in lclonetab. */
static void add_features(struct lclone_features *f, const struct lclone_features *more)
{
	f->read_only |= more->read_only;
	f->error_if_no_space |= more->error_if_no_space;
	f->no_discard_passdown |= more->no_discard_passdown;
	f->base_cache |= more->base_cache;
	f->verify |= more->verify;
	if (!f->no_space_timeout_set && more->no_space_timeout_set) {
		f->no_space_timeout_set = true;
		f->no_space_timeout = more->no_space_timeout;
	}
	f->low_water_mark = f->low_water_mark ?: more->low_water_mark;
	f->commit_interval = f->commit_interval ?: more->commit_interval;
}

/* Its line in lclonetab is the user's own; tags were made when something else may have been there. */
static int refuse_others_volume(const struct lclone_named *named)
{
	struct lclone_sb sb;
	char uuid[37];

	if (named->entry || !named->has_lv || lclone_sb_of(named->delta, &sb))
		return 0;		/* none, or damaged: who opens it says so */
	uuid_unparse_lower(sb.uuid, uuid);
	if (!named->lv.uuid[0] || !strcmp(uuid, named->lv.uuid) || !strcmp(sb.label, named->name))
		return 0;
	return lclone_fail(-ESTALE, "%s has the tags of %s, but another delta is on it: \"lclone scan\" puts tags right",
			   named->delta, named->name);
}

static int open_as_found(const struct lclone_named *named, struct lclone_parents *parents,
			 const struct lclone_features *features, bool host)
{
	const u32 given = parents->count;
	struct lclone_tab_entry late;
	int err;

	err = named->entry ? lclone_entry_parents(named->entry, parents) : 0;
	err = err ?: lclone_open_clone(named->name, named->base, named->delta, parents, features,
				       host);
	if (err != -ESTALE || !named->entry || !lclone_follow_late(named->entry, &late))
		return err;
	parents->count = given;
	return lclone_entry_parents(&late, parents) ?:
	       lclone_open_clone(named->name, late.base, named->delta, parents, features, host);
}

static int open_found(struct lclone_named *named, struct lclone_parents *parents,
		      struct lclone_features *features, bool host, bool writes_base)
{
	char next[2 * LCLONE_NAME_SIZE + PATH_MAX];
	int err;

	if (named->active)
		return lclone_fail(-EEXIST, "%s is active already", named->name);
	if (named->entry) {
		add_features(features, &named->entry->features);
		host |= named->entry->host;
	}
	if (writes_base)
		features->verify = false;
	err = lclone_named_activate(named) ?: refuse_others_volume(named);
	snprintf(next, sizeof(next), "name it (lclone open %s BASE %s)", named->name, named->delta);
	if (!err && !named->base[0])
		err = lclone_no_base(named->name, &named->may, next);
	if (err || lclone_was_opened(named->name, named->base, named->delta, features))
		return err;
	err = open_as_found(named, parents, features, host);
	if (err == -EBUSY && (named->entry || named->has_lv) && !features->read_only)
		(void)lclone_names_layer(named->name, named->delta, !named->entry);	/* says it better */
	return err;
}

static int open_name(const char *name, struct lclone_parents *parents,
		     struct lclone_features *features, bool host, bool writes_base)
{
	static struct lclone_named named;
	int err;

	err = lclone_name_find(name, &named);
	if (!err)
		err = open_found(&named, parents, features, host, writes_base);
	lclone_named_free(&named);
	return err;
}

int lclone_open_name(const char *name, struct lclone_parents *parents,
		     struct lclone_features *features, bool host)
{
	return open_name(name, parents, features, host, false);
}

static int open_meanwhile(const char *name, bool writes_base, bool *opened)
{
	struct lclone_features features = { .read_only = false };
	struct lclone_parents parents = { .count = 0 };
	static struct lclone_clone clone;
	int err;

	*opened = false;
	if (lclone_dm_get(name, &clone) != -ENXIO)
		return 0;		/* whatever else it is: who works with it says so */
	err = open_name(name, &parents, &features, false, writes_base);
	if (err)
		return err;
	*opened = true;
	lclone_pending_forget(name);	/* what comes now is not the end of that */
	return 0;
}

int lclone_open_meanwhile(const char *name, bool *opened)
{
	return open_meanwhile(name, false, opened);
}

static void to_number(const char *path, char word[PATH_MAX])
{
	const dev_t rdev = lclone_dev_at(path);

	if (rdev)
		snprintf(word, PATH_MAX, "%u:%u", major(rdev), minor(rdev));
	else
		snprintf(word, PATH_MAX, "%s", path);
}

/* The table that it would have */
static int table_of(const struct lclone_named *named, const struct lclone_parents *parents,
		    const struct lclone_features *features, struct lclone_clone *clone)
{
	static char params[LCLONE_PARAMS_SIZE];
	static struct lclone_table line;
	struct lclone_table *table = &clone->table;
	char word[PATH_MAX];
	u32 i;
	int err;

	err = lclone_open_line(named->base, named->delta, parents, features, &clone->sectors,
			       params) ?: lclone_table_parse(params, &line);
	if (err)
		return err;
	*table = line;
	table->parents = 0;
	to_number(line.base, table->base);
	to_number(line.delta, table->delta);
	for (i = 0; !err && i < line.parents; i++) {
		to_number(lclone_table_parent(&line, i), word);
		err = lclone_table_add_parent(table, word);
	}
	snprintf(clone->name, sizeof(clone->name), "%s", named->name);
	return err;
}

static int status_of(const char *delta, struct lclone_status *status)
{
	struct lclone_sb sb;
	int err = lclone_sb_of(delta, &sb);

	*status = (struct lclone_status){ .mode = "rw" };
	status->chunk_sectors = sb.chunk_sectors;
	status->used = sb.hwm - sb.first_chunk - sb.freed;
	status->total = lclone_phys_end(&sb) - sb.first_chunk;
	status->needs_check = sb.state & LCLONE_STATE_NEEDS_CHECK;
	return err;
}

/* All that opening it looks at is looked at. */
static int look_asleep(const char *name, bool writes_base, struct asleep *asleep)
{
	struct lclone_features features = { .read_only = false };
	struct lclone_parents parents = { .count = 0 };
	static struct lclone_named named;
	int err;

	err = lclone_name_find(name, &named) ?: open_found(&named, &parents, &features, false,
						      writes_base);
	if (err == -LCLONE_DRY)
		err = table_of(&named, &parents, &features, &asleep->clone) ?:
		      status_of(named.delta, &asleep->status);
	lclone_named_free(&named);
	return err;
}

int lclone_open_for(struct online *o, bool *opened)
{
	static struct lclone_clone clone;
	static struct asleep asleep;
	int err;

	if (!lclone_is_dry())
		return open_meanwhile(o->name, o->writes_base, opened);
	*opened = false;
	if (lclone_dm_get(o->name, &clone) != -ENXIO)
		return 0;
	err = look_asleep(o->name, o->writes_base, &asleep);
	o->asleep = &asleep;
	return err;
}

int lclone_close_again(const char *name, bool opened, int err)
{
	if (!opened)
		return err;
	if (!err)
		return lclone_close_clone(name);
	lclone_why_hold();
	lclone_close_clone(name);
	lclone_why_release();
	return err;
}

/* Something has changed, which is not what the exit codes of a refusal mean. */
static int closed(const struct lclone_named *named)
{
	return lclone_fail(-ECANCELED, "%s; %s is closed, and not removed", lclone_why(), named->name);
}

static int is_another(const struct lclone_named *named, const char *what, const char *is)
{
	return lclone_fail(-ESTALE, "%s has another clone's delta now, with the %s %s: \"lclone remove %s\" if that is meant",
			   named->delta, what, is, named->delta);
}

/*
 * A line of lclonetab and a tag are notes: the volume may have got another use since, or the
 * device another name.  The superblock says whose a delta is.
 */
static int refuse_others_delta(const struct lclone_named *named)
{
	struct lclone_sb sb;
	struct stat a, b;
	char uuid[37];

	if (named->active && named->entry && !stat(named->entry->delta, &a) &&
	    !stat(named->delta, &b) && a.st_rdev != b.st_rdev)
		return lclone_fail(-ESTALE, "%s is active with the delta %s, and lclonetab has %s: close it, and remove the one that is meant",
				   named->name, named->delta, named->entry->delta);
	if (lclone_sb_of(named->delta, &sb))
		return 0;		/* none, or damaged: who removes it says so */
	uuid_unparse_lower(sb.uuid, uuid);
	if (sb.label[0] && strcmp(sb.label, named->name))
		return is_another(named, "label", sb.label);
	if (!sb.label[0] && named->has_lv && named->lv.uuid[0] && strcmp(uuid, named->lv.uuid))
		return is_another(named, "uuid", uuid);
	return 0;
}

int lclone_wipe_named(struct lclone_named *named)
{
	int err;

	err = named->active ? 0 : lclone_named_activate(named);
	if (!err && named->has_lv && !named->lv.given)
		err = lclone_lv_refuse_origin(&named->lv);
	err = err ?: refuse_others_delta(named);
	if (!err && named->active)
		err = lclone_close_clone(named->name);
	if (err)
		return err;
	err = lclone_remove_delta(named->delta);
	/* blank: made and not formatted, or wiped, by a run that was killed */
	if (err == -ENODATA && (named->has_lv || named->entry))
		err = lclone_refuse_data(named->delta);
	return err && named->active ? closed(named) : err;
}

int lclone_forget_named(const struct lclone_named *named)
{
	const char *name = named->name;
	int err = named->entry ? lclone_tab_remove(&name, 1) : 0;

	if (err || !named->has_lv)
		return err;
	return named->lv.given ? lclone_lv_drop_tags(&named->lv) : lclone_lv_remove(&named->lv);
}
