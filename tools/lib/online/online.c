// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "clone/delta-file.h"
#include "clone/dm-switch.h"
#include "clone/super.h"
#include "host/stack.h"
#include "lclone.h"
#include "online/grown.h"
#include "online/online.h"
#include "online/switch.h"
#include "ui/output.h"

#define POLL_NS		200000000

int check_rate(const char *rate)
{
	u64 kib;

	if (!strcmp(rate, "auto") || !strcmp(rate, "idle") || !strcmp(rate, "max") ||
	    (!lclone_parse_u64(rate, UINT32_MAX, &kib) && kib))
		return 0;
	return lclone_fail(-ERANGE, "\"%s\" is not a rate: a number of KiB/s, max, auto or idle", rate);
}

int set_rate(const struct online *o)
{
	char message[64];

	if (!o->rate)
		return 0;
	snprintf(message, sizeof(message), "merge_rate %s", strcmp(o->rate, "max") ? o->rate : "0");
	return lclone_dm_message(o->name, message);
}

int look_at_writable(const char *name, struct lclone_clone *clone, struct lclone_status *status)
{
	static struct lclone_pending pending;
	int err = settle(name, &pending);

	if (err >= 0)
		err = lclone_dm_get(name, clone);
	if (!err)
		err = lclone_dm_status(name, status);
	if (err)
		return err;
	if (clone->suspended)
		return lclone_fail(-EBUSY, "%s is suspended: \"dmsetup resume %s\" lets it go on", name,
				   name);
	if (clone->read_only || clone->table.features.read_only)
		return lclone_fail(-EROFS, "%s is read-only", name);
	if (status->needs_check)
		return lclone_fail(-EUCLEAN, "%s has met damage, and needs a check: see lclone check",
				   name);
	if (strcmp(status->mode, "rw"))
		return lclone_fail(-EROFS, "%s has met an error and is read-only", name);
	return 0;
}

static int ended(const struct online *o, const struct lclone_status *s, const char *done,
		 const char *again)
{
	if (!strcmp(s->task, done))
		return 0;
	if (!s->task[0])
		return lclone_fail(-ECANCELED, "%s: it was stopped before it was %s", o->name,
				   done);
	return lclone_fail(-EIO, "%s: %s: an I/O error%s, see the kernel's log; the clone goes on, and nothing is lost: mend that and run \"lclone %s %s\" again",
			   o->name, s->task, strcmp(s->task, "merge_failed") ? ", or a full delta" : "",
			   again, o->name);
}

int wait_for_task(struct online *o, const char *done, const char *again)
{
	const struct timespec poll = { .tv_nsec = POLL_NS };
	struct lclone_status s;
	bool first = true;
	u64 is, of;
	int err;

	for (;; first = false) {
		err = lclone_dm_status(o->name, &s);
		if (err)
			break;
		lclone_task_progress(&s, &is, &of);
		if (o->most && lclone_task_runs(&s) && of > o->most)
			of = o->most > is ? o->most : is;
		if (first)
			meter_start(&o->meter, is);
		meter_show(&o->meter, s.task, is, of, !lclone_task_runs(&s) || o->detach);
		if (!lclone_task_runs(&s)) {
			err = ended(o, &s, done, again);
			break;
		}
		if (strcmp(s.mode, "rw")) {
			err = lclone_fail(-EROFS, "%s has met an error and is read-only: it will not be %s",
					  o->name, done);
			break;
		}
		if (interrupted() || o->detach) {
			err = lclone_fail(-EINTR, "%s: the kernel goes on with it; \"lclone %s %s\" waits for the end",
					  o->name, again, o->name);
			if (o->detach && !o->meter.json)
				puts(lclone_why());
			err = o->detach ? 1 : err;
			break;
		}
		nanosleep(&poll, NULL);
	}
	meter_end(&o->meter);
	return err;
}

/* Merge */

/* Nobody can come to use it as long as @base, which is opened here, is locked. */
static int refuse_base(struct lclone_file *base, const char *path, const struct lclone_clone *clone,
		       bool yes)
{
	char delta[PATH_MAX];
	struct lclone_sb sb;
	int err, ro = 0;

	name_of(clone->table.delta, delta);
	err = lclone_file_open_ready(base, path, O_RDONLY);
	if (!err && ioctl(base->fd, BLKROGET, &ro))
		err = lclone_fail(-errno, "%s: %m", path);
	if (!err && ro)
		err = lclone_fail(-EROFS, "the base %s is read-only: make it writable first (lvchange --permission rw, blockdev --setrw)",
				  path);
	if (!err && base->dev.sectors < clone->sectors)
		err = lclone_fail(-EFBIG, "the base %s has %llu sectors, too few for the clone's %llu",
				  path, (unsigned long long)base->dev.sectors,
				  (unsigned long long)clone->sectors);
	/* only the kernel changes it, and not the part that is used here */
	if (!err)
		err = lclone_sb_of(delta, &sb);
	if (!err)
		err = yes ? 0 : confirm_merge_into_base(base, &sb, lclone_dev_number(clone->table.delta), clone->name);
	if (!err)
		err = lclone_lock(base, LCLONE_LOCK_EXCLUSIVE);
	if (!err)
		err = may_merge_into_base(base, &sb, lclone_dev_number(clone->table.delta), clone->name);
	return err;
}

static int start_merge(struct lclone_clone *clone, bool yes)
{
	static struct lclone_table table;
	struct lclone_file base_file;
	char base[PATH_MAX];
	int err;

	table = clone->table;
	if (lclone_flattens(&table.features))
		return lclone_fail(-EBUSY, "%s is being flattened: end that first (lclone flatten %s)",
				   clone->name, clone->name);
	if (table.parents)
		return lclone_fail(-EBUSY, "%s lies on %u layers: only a delta right above its base can be merged into it; \"lclone flatten --layer %s\" makes the chain shorter",
				   clone->name, table.parents, clone->name);
	if (!strcmp(table.base, "-"))
		return lclone_fail(-ENOENT, "%s has no base that it could be merged into",
				   clone->name);
	name_of(table.base, base);
	err = refuse_base(&base_file, base, clone, yes);
	if (!err)
		err = accept_base_online(clone, &base_file);
	table = clone->table;
	table.features.merge = true;
	table.features.rebase = false;		/* it has had its effect */
	if (!err)
		err = change_table(clone, &table);
	lclone_file_close(&base_file);
	return err;
}

/*
 * All that the delta had is in the base: nothing is lost with it. No delta, or not that of the
 * @uuid, if there is one: it was wiped.
 */
static int wipe_empty(const char *path, const char *uuid)
{
	struct lclone_file file;
	struct lclone_delta delta;
	struct lclone_iter it;
	u64 chunk, exc;
	char now[37];
	int ret;

	ret = open_delta(path, O_RDWR, &file, &delta);
	if (!ret)
		uuid_unparse_lower(delta.sb.uuid, now);
	if (ret == -EMEDIUMTYPE || ret == -ENODATA || (!ret && uuid && strcmp(now, uuid))) {
		close_delta(&file, &delta);
		return 0;
	}
	if (!ret) {
		lclone_iter_init(&it, &delta, 0);
		ret = lclone_iter_next(&it, &chunk, &exc);
		if (ret < 0)
			ret = lclone_fail(ret, "%s: %s", path, delta.why);
		if (ret > 0)
			ret = lclone_fail(-EUCLEAN, "%s still holds data of the clone: it was not wiped",
					  path);
	}
	if (!ret)
		ret = lclone_super_wipe(&file);
	close_delta(&file, &delta);
	return ret;
}

static void print_switched(const struct online *o, const char *base, const char *delta,
			   double pause_ms)
{
	struct json_object *all;

	if (!o->meter.json) {
		printf("%s: %s is the disk now, by a linear table; %s is free; the clone stood still for %.1f ms\n",
		       o->name, base, delta, pause_ms);
		return;
	}
	all = json_object_new_object();
	json_object_object_add(all, "state", json_object_new_string("switched"));
	json_object_object_add(all, "disk", json_object_new_string(base));
	json_object_object_add(all, "free", json_object_new_string(delta));
	json_object_object_add(all, "pause_ms", json_object_new_double(pause_ms));
	put_json(all, JSON_C_TO_STRING_SPACED);
}

/*
 * The delta is empty: until the linear table is there, and also after a crash
 * before the wipe, a clone of it and the base equals the base, whatever is
 * written to that meanwhile.  The wipe is what keeps it from being used beside
 * the disk.
 */
static int switch_to_linear(struct online *o)
{
	char base[PATH_MAX], delta[PATH_MAX], params[64];
	static struct lclone_clone clone;
	double pause_ms;
	int err;

	err = lclone_dm_get(o->name, &clone);
	if (err)
		return err;
	name_of(clone.table.base, base);
	name_of(clone.table.delta, delta);
	snprintf(params, sizeof(params), "%.40s 0", clone.table.base);
	err = lclone_dm_switch(&clone, "linear", clone.sectors, params, &pause_ms);
	if (!err)
		err = wipe_empty(delta, NULL);
	if (!err)
		print_switched(o, base, delta, pause_ms);
	return err;
}

/* A run that was killed has switched to the base: what is left is to wipe the delta. 1: so it was */
static int end_merge(const struct online *o)
{
	static struct lclone_pending pending;
	static struct lclone_clone before, after;
	char base[PATH_MAX], delta[PATH_MAX], target[32];
	int ret = lclone_dm_settle(o->name, &pending);

	if (ret != 1)
		return ret < 0 ? ret : 0;
	if (lclone_dm_line(pending.before, &before, target) || strcmp(target, LCLONE_TARGET) ||
	    lclone_dm_line(pending.after, &after, target) || strcmp(target, "linear"))
		return 0;
	after.params[strcspn(after.params, " ")] = '\0';
	name_of(after.params, base);
	name_of(before.table.delta, delta);
	ret = wipe_empty(delta, pending.uuid);
	if (ret == -EUCLEAN)		/* it is not what was merged, nor will be */
		lclone_pending_drop(o->name);
	if (ret)
		return ret;
	print_switched(o, base, delta, 0);
	lclone_pending_drop(o->name);
	return 1;
}

bool was_led_to(const struct online *o, const char *device)
{
	static struct lclone_pending pending;
	static struct lclone_clone clone;
	char target[32];
	int ret = lclone_dm_settle(o->name, &pending);

	if (ret <= 0 || lclone_dm_line(ret == 1 ? pending.after : pending.between, &clone, target))
		return false;
	clone.params[strcspn(clone.params, " ")] = '\0';
	return !strcmp(clone.params, device) &&
	       (!strcmp(target, "linear") || clone.table.features.rebase);
}

/* An empty delta of a merge: the last that was left of a clone of @sectors on that base */
static bool is_remnant(const struct lclone_inventory *inv, const struct lclone_found *found,
		       u64 sectors)
{
	const struct lclone_sb *sb = &found->sb;

	return found->rdev && lclone_merges_into_base(sb) &&
	       !lclone_has_parent(sb) && sb->virtual_sectors == sectors &&
	       !lclone_is_active(inv, found->rdev);
}

static void print_merged(const struct online *o, const char *base, const char *left)
{
	struct json_object *all;

	if (!o->meter.json) {
		printf("%s: is merged, %s is the disk%s%s%s\n", o->name, base, left ? "; " : "",
		       left ?: "", left ? ", which may have been its delta, was not wiped" : "");
		return;
	}
	all = json_object_new_object();
	json_object_object_add(all, "state", json_object_new_string("switched"));
	json_object_object_add(all, "disk", json_object_new_string(base));
	put_json(all, JSON_C_TO_STRING_SPACED);
}

/* The base is the disk already.  Which delta was its own is not known: none is wiped. */
static int end_merged(const struct online *o, const char *base, u64 sectors)
{
	struct lclone_inventory inv = { .count = 0 };
	const char *left = NULL;
	size_t i;
	int err;

	err = lclone_inventory_read_all(&inv);
	for (i = 0; !err && !left && i < inv.count; i++)
		if (is_remnant(&inv, &inv.found[i], sectors))
			left = inv.found[i].path;
	if (!err)
		print_merged(o, base, left);
	lclone_inventory_free(&inv);
	return err;
}

static int merge_again(const struct online *o)
{
	char path[PATH_MAX], base[PATH_MAX];
	struct stat st;
	dev_t lower;

	snprintf(path, sizeof(path), "/dev/mapper/%s", o->name);
	if (stat(path, &st) || !lclone_dev_linear(st.st_rdev, &lower))
		return lclone_fail(-ENOTTY, "%s is not a linked clone", o->name);
	lclone_dev_name(lower, base);
	return end_merged(o, base, lclone_dev_attribute(st.st_rdev, "size"));
}

int merge_online(struct online *o)
{
	static struct lclone_clone clone;
	struct lclone_status status;
	int ret;

	ret = end_merge(o);
	if (ret)
		return ret < 0 ? ret : 0;
	ret = look_at_writable(o->name, &clone, &status);
	if (ret == -ENOTTY)
		return merge_again(o);
	if (!ret && (!clone.table.features.merge || !strcmp(status.task, "merge_failed")))
		ret = start_merge(&clone, o->yes);
	if (!ret)
		ret = set_rate(o);
	if (!ret)
		ret = wait_for_task(o, "merged", "merge");
	if (ret)
		return ret < 0 ? ret : 0;
	return switch_to_linear(o);
}

/* The word of the table for it, and, if that is another, of the command. NULL: it is not there. */
static bool *find_task(struct lclone_table *table, const char *task, const char **command)
{
	struct lclone_features *f = &table->features;

	*command = task;
	if (!strcmp(task, "merge"))
		return f->merge ? &f->merge : NULL;
	if (f->flatten)
		return &f->flatten;
	*command = "flatten --layer";
	return f->flatten_layer ? &f->flatten_layer : NULL;
}

static void say_stopped(const char *name, const char *task, const char *command)
{
	printf("%s: the clone goes on without the %s; \"lclone %s %s\" takes it up again\n", name,
	       task, command, name);
}

/* Has a run that was killed stopped it, but for saying so? Then it is said. */
static bool was_stopped(const char *name, const char *task)
{
	static struct lclone_pending pending;
	static struct lclone_clone before, after;
	const char *command, *now;
	char target[32];

	if (lclone_dm_settle(name, &pending) != 1 ||
	    lclone_dm_line(pending.before, &before, target) ||
	    lclone_dm_line(pending.after, &after, target) || strcmp(target, LCLONE_TARGET) ||
	    strcmp(before.table.base, after.table.base) ||
	    before.table.parents != after.table.parents ||
	    !find_task(&before.table, task, &command) || find_task(&after.table, task, &now))
		return false;
	say_stopped(name, task, command);
	lclone_pending_drop(name);
	return true;
}

int stop_task(const char *name, const char *task)
{
	static struct lclone_clone clone;
	static struct lclone_table table;
	struct lclone_status status;
	const char *command;
	int err;
	bool *on;

	if (was_stopped(name, task))
		return 0;
	err = look_at_writable(name, &clone, &status);
	if (err)
		return err;
	table = clone.table;
	on = find_task(&table, task, &command);
	if (!on)
		return lclone_fail(-ENOENT, "%s: there is no %s under way", name, task);
	*on = false;
	table.features.rebase = false;
	err = change_table(&clone, &table);
	if (!err)
		say_stopped(name, task, command);
	return err;
}
