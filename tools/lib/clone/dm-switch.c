// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device goes over to another table.  From load to resume this is one thing: signals
 * are held back, others wait, and a note tells the next run what a killed one has begun.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "basic/clock.h"
#include "basic/dry.h"
#include "basic/fail.h"
#include "basic/signals.h"
#include "clone/dm-switch.h"
#include "clone/super.h"
#include "host/dm-task.h"
#include "host/lock.h"

/* The state of a device, and its live table */

struct state {
	struct dm_info info;
	bool foreign;			/* made by LVM, cryptsetup, ... */
	char line[LCLONE_LINE_SIZE];	/* "" without a table */
};

static void print_line(char line[LCLONE_LINE_SIZE], u64 sectors, const char *target,
		       const char *params)
{
	snprintf(line, LCLONE_LINE_SIZE, "0 %llu %.31s %.*s", (unsigned long long)sectors, target,
		 LCLONE_PARAMS_SIZE - 1, params);
}

static int look(const char *name, struct state *state)
{
	struct dm_task *dmt = lclone_dm_task(DM_DEVICE_TABLE, name);
	char *type = NULL, *params = NULL;
	uint64_t start, sectors = 0;
	const char *uuid;
	int err;

	memset(state, 0, sizeof(*state));
	if (!dmt)
		return lclone_dm_no_task(name);
	err = lclone_dm_run(dmt, "look at it", name);
	if (!err && (!dm_task_get_info(dmt, &state->info) || !state->info.exists))
		err = lclone_fail(-ENXIO, "there is no device-mapper device %s", name);
	if (!err) {
		uuid = dm_task_get_uuid(dmt);
		state->foreign = uuid && uuid[0] &&
				 strncmp(uuid, LCLONE_DM_UUID, strlen(LCLONE_DM_UUID));
		dm_get_next_target(dmt, NULL, &start, &sectors, &type, &params);
		if (type)
			print_line(state->line, sectors, type, params);
	}
	dm_task_destroy(dmt);
	return err;
}

/* Steps */

static int load(const char *name, const char *line, bool read_only)
{
	struct dm_task *dmt = lclone_dm_task(DM_DEVICE_RELOAD, name);
	unsigned long long sectors;
	char target[32];
	int err, at = 0;

	if (!dmt)
		return lclone_dm_no_task(name);
	if (sscanf(line, "0 %llu %31s %n", &sectors, target, &at) != 2 || !at)
		err = lclone_fail(-EPROTO, "%s: not a table: %s", name, line);
	else if (!dm_task_add_target(dmt, 0, sectors, target, line + at) ||
		 (read_only && !dm_task_set_ro(dmt)))
		err = lclone_dm_no_task(name);
	else
		err = lclone_dm_run(dmt, "load its table", name);
	dm_task_destroy(dmt);
	return err;
}

static int clear(const char *name)
{
	return lclone_dm_simple(DM_DEVICE_CLEAR, name, "drop the new table", false);
}

static int suspend_noflush(const char *name)
{
	struct dm_task *dmt = lclone_dm_task(DM_DEVICE_SUSPEND, name);
	int err;

	if (!dmt)
		return lclone_dm_no_task(name);
	if (!dm_task_no_flush(dmt) || !dm_task_skip_lockfs(dmt))
		err = lclone_dm_no_task(name);
	else
		err = lclone_dm_run(dmt, "suspend", name);
	dm_task_destroy(dmt);
	return err;
}

/*
 * All but the two calls themselves is done before the first and after the last, and
 * what they need is in memory: it could lie on the device.
 */
static int suspend_resume(const char *name, struct dm_task *resume, uint32_t cookie,
			  double *pause_ms)
{
	double begin;
	int err;

	mlockall(MCL_CURRENT | MCL_FUTURE);	/* if not, it most likely is there anyway */
	begin = lclone_seconds();
	err = suspend_noflush(name);
	if (err)
		dm_udev_complete(cookie);	/* nobody else does: there is no resume */
	else
		err = lclone_dm_run(resume, "resume", name);
	*pause_ms = (lclone_seconds() - begin) * 1e3;
	munlockall();
	return err;
}

/*
 * The new table could not be resumed, or the device not be suspended.  If it stands
 * still with its old table, it only has to be resumed; else that is loaded again, which
 * is whole, unless its delta was sealed already: then the new one is tried once more.
 * 0: it has the new one.  @noted: by a run that was killed; NULL: by this one.
 */
static int go_back(int err, const char *name, const char *before,
		   const struct lclone_pending *noted)
{
	static struct state now;
	bool is_new, seen;
	const char *why;
	int again = 0;

	lclone_why_hold();
	seen = !look(name, &now);
	lclone_why_release();
	if (!seen)
		return err;
	lclone_why_hold();
	is_new = before[0] && strcmp(now.line, before);
	if (now.info.inactive_table)
		clear(name);
	if (now.info.suspended) {
		if (is_new && !load(name, before, now.info.read_only))
			is_new = false;
		again = lclone_dm_simple(DM_DEVICE_RESUME, name, "resume", true);
	}
	why = lclone_why_release();
	if (again)
		return lclone_fail(err, "%s; it is suspended, and could not be resumed: %s",
				   lclone_why(), why);
	if (now.info.suspended && is_new)
		return 0;
	lclone_why_hold();
	if (noted)
		lclone_pending_drop(name, noted);
	else
		lclone_pending_undo(name);
	lclone_why_release();
	return err;
}

/*
 * Programs that heed such locks, udev among them, keep off while it changes.  Who has it locked
 * already, as mkfs may for long, is not waited for: it is not what keeps us apart.  A descriptor.
 */
static int lock_node(const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dm_dir(), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return lclone_fail(-errno, "%s: %m", path);
	(void)flock(fd, LOCK_EX | LOCK_NB);
	return fd;
}

/* -ECANCELED if its table is another now */
static int is_still(const char *name, const char *before)
{
	static struct state now;
	int err = look(name, &now);

	if (!err && strcmp(now.line, before))
		err = lclone_fail(-ECANCELED, "%s: somebody else has changed it meanwhile", name);
	return err;
}

static bool has_same_size(const char *a, const char *b)
{
	return strtoull(a + strlen("0 "), NULL, 10) == strtoull(b + strlen("0 "), NULL, 10);
}

/*
 * Till now nothing has changed for the users of the device; but where it grows, no table of the old
 * size can be loaded any more.
 */
static int load_and_note(const struct lclone_clone *old, const char *before, const char *after,
			 const char *uuid)
{
	int err = lclone_pending_begin(old->name, before, after, uuid);

	if (err)
		return err;
	err = load(old->name, after, old->read_only);
	if (!err && has_same_size(before, after) && lclone_asked_to_end()) {
		clear(old->name);
		err = lclone_fail(-EINTR, "%s: interrupted: it goes on as it was", old->name);
	}
	if (err)
		lclone_pending_undo(old->name);
	return err;
}

static int switch_locked(const struct lclone_clone *old, const char *before, const char *after,
			 const char *uuid, double *pause_ms)
{
	struct dm_task *resume = lclone_dm_task(DM_DEVICE_RESUME, old->name);
	uint32_t cookie = 0;
	sigset_t signals;
	int err;

	if (!resume)
		return lclone_dm_no_task(old->name);
	if (!dm_task_set_cookie(resume, &cookie, 0)) {
		dm_task_destroy(resume);
		return lclone_fail(-EIO, "%s: %s", old->name, lclone_dm_complaint());
	}
	lclone_hold_signals(&signals);
	err = load_and_note(old, before, after, uuid);
	if (err) {
		dm_udev_complete(cookie);
	} else {
		err = suspend_resume(old->name, resume, cookie, pause_ms);
		if (err)
			err = go_back(err, old->name, before, NULL);
	}
	lclone_release_signals(&signals);
	dm_udev_wait(cookie);
	dm_task_destroy(resume);
	return err;
}

static int uuid_of_delta(const struct lclone_clone *clone, char uuid[37])
{
	char path[PATH_MAX];
	struct lclone_sb sb;
	int err;

	lclone_dev_name(lclone_dev_number(clone->table.delta), path);
	err = lclone_sb_of(path, &sb);
	uuid_unparse_lower(sb.uuid, uuid);
	return err;
}

/*
 * Always told: what a run that was killed has told still holds.  A module that does not know of
 * labels has none to forget.
 */
static int tell_label(const char *name, const char *label)
{
	char message[LCLONE_LABEL_SIZE + 16];
	int err;

	snprintf(message, sizeof(message), label[0] ? "layer_label %s" : "layer_label", label);
	err = lclone_dm_message(name, message);
	return err == -EINVAL && !label[0] ? 0 : err;
}

/* @label: of the delta, which becomes a layer; NULL: it does not */
static int switch_as(const struct lclone_clone *old, const char *target, u64 sectors,
		     const char *params, const char *label, double *pause_ms)
{
	static char before[LCLONE_LINE_SIZE], after[LCLONE_LINE_SIZE];
	int err, lock, node;
	char uuid[37];

	err = lclone_change() ?: uuid_of_delta(old, uuid);
	if (err)
		return err;
	print_line(before, old->sectors, LCLONE_TARGET, old->params);
	print_line(after, sectors, target, params);
	lock = lclone_lock_clone(old->name);
	if (lock < 0)
		return lock;
	node = lock_node(old->name);
	err = node < 0 ? node : is_still(old->name, before);
	if (!err && label)
		err = tell_label(old->name, label);
	if (!err)
		err = switch_locked(old, before, after, uuid, pause_ms);
	if (node >= 0)
		close(node);
	close(lock);
	return err;
}

int lclone_dm_switch(const struct lclone_clone *old, const char *target, u64 sectors,
		     const char *params, double *pause_ms)
{
	return switch_as(old, target, sectors, params, NULL, pause_ms);
}

int lclone_dm_seal(const struct lclone_clone *old, const char *params, const char *label,
		   double *pause_ms)
{
	return switch_as(old, LCLONE_TARGET, old->sectors, params, label, pause_ms);
}

int lclone_change_table(const struct lclone_clone *clone, const struct lclone_table *table)
{
	static char params[LCLONE_PARAMS_SIZE];
	double pause_ms;

	if (lclone_table_print(table, params, sizeof(params)))
		return lclone_fail(-E2BIG, "the table's line is too long");
	return lclone_dm_switch(clone, LCLONE_TARGET, clone->sectors, params, &pause_ms);
}

/* After a command that was killed */

/* Is that table one that the noted command has found, or loaded? */
static bool is_ours(const char *line, const struct lclone_pending *noted)
{
	return !strcmp(line, noted->before) || !strcmp(line, noted->after) ||
	       (noted->between[0] && !strcmp(line, noted->between));
}

/*
 * One that was suspended by hand is none of ours: it has the last table that we gave it, and
 * none to go over to.
 */
static int end_half(const char *name, const struct state *now, const struct lclone_pending *noted)
{
	sigset_t signals;
	int err;

	if (!is_ours(now->line, noted))
		return 0;
	if (!now->info.suspended)
		return now->info.inactive_table ? clear(name) : 0;
	if (!now->info.inactive_table && !strcmp(now->line, noted->after))
		return 0;
	lclone_hold_signals(&signals);
	err = lclone_dm_simple(DM_DEVICE_RESUME, name, "resume", true);
	if (err)
		err = go_back(err, name, noted->before, noted);
	lclone_release_signals(&signals);
	return err;
}

/* Made, but for its table: nobody can use it yet. */
static bool is_half_made(const struct state *now, const struct lclone_pending *noted)
{
	return !noted->before[0] && !now->info.live_table && !now->info.open_count &&
	       !now->foreign;
}

static int settle_locked(const char *name, struct state *now, const struct lclone_pending *noted)
{
	int lock, err;

	lock = lclone_lock_clone(name);
	if (lock < 0)
		return lock;
	err = look(name, now);
	if (!err)
		err = end_half(name, now, noted);
	close(lock);
	return err ?: look(name, now);
}

int lclone_dm_settle(const char *name, struct lclone_pending *pending)
{
	static struct state now;
	int err;

	err = lclone_pending_read(name, pending);
	if (err)
		return err == -ENOENT ? 0 : err;
	err = look(name, &now);
	if (!err && is_half_made(&now, pending)) {
		err = lclone_dm_remove(name);
		now.line[0] = '\0';
	} else if (!err && now.info.live_table) {
		err = settle_locked(name, &now, pending);
	}
	if (err && err != -ENXIO)
		return err;
	if (!strcmp(now.line, pending->after))
		return 1;
	if (pending->between[0] && !strcmp(now.line, pending->between))
		return 2;
	lclone_pending_drop(name, pending);
	return 0;
}

bool lclone_dm_is_disk(const char *name, int *open_count)
{
	static struct state now;
	unsigned long long sectors;
	unsigned int ma, mi;
	int end = 0;

	if (look(name, &now) || now.foreign || now.info.target_count != 1)
		return false;
	*open_count = now.info.open_count;
	return sscanf(now.line, "0 %llu linear %u:%u 0%n", &sectors, &ma, &mi, &end) == 3 && end &&
	       !now.line[end];
}

int lclone_dm_begin(const char *name, u64 sectors, const char *params, bool opens)
{
	char line[LCLONE_LINE_SIZE];

	print_line(line, sectors, LCLONE_TARGET, params);
	return lclone_pending_begin(name, opens ? "" : line, opens ? line : "", "");
}

int lclone_dm_line(const char *line, struct lclone_clone *clone, char target[32])
{
	unsigned long long sectors;
	int at = 0;

	memset(clone, 0, sizeof(*clone));
	if (sscanf(line, "0 %llu %31s %n", &sectors, target, &at) != 2 || !at)
		return -EPROTO;
	clone->sectors = sectors;
	snprintf(clone->params, sizeof(clone->params), "%.*s", LCLONE_PARAMS_SIZE - 1, line + at);
	return strcmp(target, LCLONE_TARGET) ? 0 : lclone_table_parse(clone->params, &clone->table);
}
