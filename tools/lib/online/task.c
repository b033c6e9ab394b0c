// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "basic/dry.h"
#include "basic/fail.h"
#include "clone/dm-switch.h"
#include "online/switch.h"
#include "online/task.h"

#define POLL_NS		200000000

int lclone_check_rate(const char *rate)
{
	u64 kib;

	if (!strcmp(rate, "auto") || !strcmp(rate, "idle") || !strcmp(rate, "max") ||
	    (!lclone_parse_u64(rate, UINT32_MAX, &kib) && kib))
		return 0;
	return lclone_fail(-ERANGE, "\"%s\" is not a rate: a number of KiB/s, max, auto or idle", rate);
}

int lclone_set_rate(const struct online *o)
{
	char message[64];

	if (!o->rate)
		return 0;
	snprintf(message, sizeof(message), "merge_rate %s", strcmp(o->rate, "max") ? o->rate : "0");
	return lclone_dm_message(o->name, message);
}

static int look(const struct online *o, struct lclone_clone *clone, struct lclone_status *status)
{
	static struct lclone_pending pending;
	int err;

	if (o->asleep) {
		*clone = o->asleep->clone;
		*status = o->asleep->status;
		return 0;
	}
	err = lclone_settle(o->name, &pending);
	if (err >= 0)
		err = lclone_dm_get(o->name, clone);
	if (!err)
		err = lclone_end_resize(clone);
	return err ?: lclone_dm_status(o->name, status);
}

int lclone_look_at_writable(const struct online *o, struct lclone_clone *clone,
			    struct lclone_status *status)
{
	const char *name = o->name;
	int err = look(o, clone, status);

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

int lclone_wait_for_task(struct online *o, const char *done, const char *again)
{
	const struct timespec poll = { .tv_nsec = POLL_NS };
	struct lclone_status s;
	bool first = true;
	u64 is, of;
	int err = lclone_change();	/* a dry run waits for nothing */

	if (err)
		return err;
	for (;; first = false) {
		err = lclone_dm_status(o->name, &s);
		if (err)
			break;
		lclone_task_progress(&s, &is, &of);
		if (o->most && lclone_task_runs(&s) && of > o->most)
			of = o->most > is ? o->most : is;
		o->watch->show(o->ctx, s.task, is, of, first, !lclone_task_runs(&s) || o->detach);
		if (!lclone_task_runs(&s)) {
			err = ended(o, &s, done, again);
			break;
		}
		if (strcmp(s.mode, "rw")) {
			err = lclone_fail(-EROFS, "%s has met an error and is read-only: it will not be %s",
					  o->name, done);
			break;
		}
		if (o->watch->stops(o->ctx) || o->detach) {
			err = lclone_fail(-EINTR, "%s: the kernel goes on with it; \"lclone %s %s\" waits for the end",
					  o->name, again, o->name);
			err = o->detach ? 1 : err;
			break;
		}
		nanosleep(&poll, NULL);
	}
	o->watch->end(o->ctx);
	return err;
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

/* Has a run that was killed stopped it, but for saying so? */
static bool was_stopped(const char *name, const char *task, const char **command)
{
	static struct lclone_pending pending;
	static struct lclone_clone before, after;
	const char *now;
	char target[32];

	if (lclone_dm_settle(name, &pending) != 1 ||
	    lclone_dm_line(pending.before, &before, target) ||
	    lclone_dm_line(pending.after, &after, target) || strcmp(target, LCLONE_TARGET) ||
	    strcmp(before.table.base, after.table.base) ||
	    before.table.parents != after.table.parents ||
	    !find_task(&before.table, task, command) || find_task(&after.table, task, &now))
		return false;
	return lclone_pending_adopt(name, &pending);
}

int lclone_stop_task(const char *name, const char *task, const char **command)
{
	static struct lclone_clone clone;
	const struct online online = { .name = name };
	static struct lclone_table table;
	struct lclone_status status;
	int err;
	bool *on;

	if (was_stopped(name, task, command))
		return 0;
	err = lclone_look_at_writable(&online, &clone, &status);
	if (err)
		return err;
	table = clone.table;
	on = find_task(&table, task, command);
	if (!on)
		return lclone_fail(-ENOENT, "%s: there is no %s under way", name, task);
	*on = false;
	table.features.rebase = false;
	return lclone_change_table(&clone, &table);
}
