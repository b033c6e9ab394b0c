// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fail.h"
#include "host/dm-events.h"
#include "host/dm.h"
#include "host/lock.h"
#include "online/grower.h"

#define RETRY_MS	60000	/* between two tries to extend what cannot be */
#define SWEEP_MS	60000	/* between two looks at all, when the kernel tells what is short */
#define POLL_MS		3000	/* ... when it tells only what is full, or has told too early, and at LVM */
#define ROUNDS		20	/* extensions of one delta in a row */

/* A device of device-mapper */
struct watched {
	char name[LCLONE_NAME_SIZE];
	u32 event;			/* the last that was looked at */
	u64 due;			/* when it is looked at whatever happens */
	bool clone;
	bool looked;			/* at least once */
	bool there;			/* in the list that is being read */
	char said[512];			/* why it cannot be extended; "" if it can */
	bool late;			/* LVM is still at it ... */
	u64 had;			/* ... and the delta had so many sectors then; else 0 */
};

struct lclone_grower {
	struct lclone_autoextend how;
	lclone_grower_fn tell;
	void *ctx;
	void (*between)(void);
	int fd, lock;
	bool no_marks;			/* the kernel has no such message */
	struct watched *watched;
	size_t count;
};

static void fail_once(struct lclone_grower *g, struct watched *w)
{
	if (!strncmp(w->said, lclone_why(), sizeof(w->said) - 1))
		return;
	snprintf(w->said, sizeof(w->said), "%s", lclone_why());
	g->tell(LCLONE_NOT_EXTENDED, w->name, lclone_why(), NULL, g->ctx);
}

/*
 * The kernel raises an event when fewer chunks are free than that.  A table that was loaded since
 * has forgotten it, so it is told again with each look.  An older module does not know it: false.
 */
static bool set_mark(struct lclone_grower *g, const struct watched *w,
		     const struct lclone_status *s)
{
	static struct lclone_clone clone;
	struct lclone_status now;
	char message[64];
	int err;

	/* one that is suspended takes no message, and the kernel would log each */
	if (g->no_marks || lclone_dm_get(w->name, &clone) || clone.suspended)
		return false;
	snprintf(message, sizeof(message), "low_water_mark %llu",
		 (unsigned long long)lclone_short_mark(s, &g->how));
	err = lclone_dm_message(w->name, message);
	/* any target without messages says so: it may have become another since */
	g->no_marks = err == -EINVAL && !lclone_dm_status(w->name, &now);
	return !err;
}

/* What LVM was late with has been done when the delta has more than it had. */
static void tell_late(struct lclone_grower *g, struct watched *w, const struct lclone_extended *x)
{
	struct lclone_extended late = *x;

	if (!w->had || x->before <= w->had)
		return;
	late.before = w->had;
	late.now = x->before;
	w->had = 0;
	g->tell(LCLONE_EXTENDED, w->name, NULL, &late, g->ctx);
}

/* As often as it is short: a step may be too small.  It may be extended once only if that failed. */
static void extend(struct lclone_grower *g, struct watched *w, struct lclone_status *status)
{
	struct lclone_extended x = { .before = 0 };
	int ret = 0, round;

	for (round = 0; !ret && round < ROUNDS && lclone_is_short(status, &g->how); round++) {
		g->between();
		ret = lclone_extend(w->name, &g->how, &x);
		tell_late(g, w, &x);
		if (!ret && x.now != x.before)
			g->tell(LCLONE_EXTENDED, w->name, NULL, &x, g->ctx);
		ret = ret ?: lclone_dm_status(w->name, status);
	}
	if (ret == -ENXIO || ret == -ENOTTY || ret == -EAGAIN)
		return;		/* it has gone, or is suspended for a moment */
	w->late = ret == -ETIMEDOUT;
	w->had = w->late ? x.before : 0;
	if (ret < 0)
		fail_once(g, w);
	else
		w->said[0] = '\0';
}

static void look_at(struct lclone_grower *g, struct watched *w)
{
	u64 now = lclone_now_ms();
	struct lclone_status status;
	int err = lclone_dm_status(w->name, &status);

	w->clone = !err;
	/* a device is told of when it is made, and has a table a moment later */
	w->due = now + (err && !w->looked ? POLL_MS : SWEEP_MS);
	w->looked = true;
	if (err || strcmp(status.mode, "rw"))
		return;
	if (lclone_is_short(&status, &g->how))
		extend(g, w, &status);
	if (w->said[0])
		w->due = lclone_now_ms() + (w->late ? POLL_MS : RETRY_MS);
	else if (!set_mark(g, w, &status) || lclone_is_nearly_short(&status, &g->how))
		w->due = lclone_now_ms() + POLL_MS;
}

static struct watched *find(struct lclone_grower *g, const char *name)
{
	struct watched *bigger;
	size_t i;

	for (i = 0; i < g->count; i++)
		if (!strcmp(g->watched[i].name, name))
			return &g->watched[i];
	bigger = reallocarray(g->watched, g->count + 1, sizeof(*bigger));
	if (!bigger)
		return NULL;
	g->watched = bigger;
	g->watched[g->count] = (struct watched){ };
	strcpy(g->watched[g->count].name, name);
	return &g->watched[g->count++];
}

/* Events of a delta that cannot be extended are no reason to try again before it is time. */
static int visit(const char *name, u32 event, void *ctx)
{
	struct lclone_grower *g = ctx;
	struct watched *w;

	if (strlen(name) >= LCLONE_NAME_SIZE)	/* none of ours */
		return 0;
	w = find(g, name);
	if (!w)
		return lclone_fail(-ENOMEM, "out of memory");
	w->there = true;
	if (w->due > lclone_now_ms() && (event == w->event || w->said[0]))
		return 0;
	w->event = event;
	look_at(g, w);
	return 0;
}

static void forget_gone(struct lclone_grower *g)
{
	size_t i, n = 0;

	for (i = 0; i < g->count; i++)
		if (g->watched[i].there)
			g->watched[n++] = g->watched[i];
	g->count = n;
}

int lclone_grower_look(struct lclone_grower *g, void (*between)(void))
{
	u64 now, next = SWEEP_MS;
	size_t i;
	int err;

	g->between = between;
	for (i = 0; i < g->count; i++)
		g->watched[i].there = false;
	err = lclone_dm_events_arm(g->fd);
	err = err ?: lclone_dm_events_each(g->fd, visit, g);
	if (err)
		return err;
	forget_gone(g);
	now = lclone_now_ms();
	for (i = 0; i < g->count; i++)
		if (g->watched[i].due < now + next)
			next = g->watched[i].due > now ? g->watched[i].due - now : 0;
	return next;
}

int lclone_grower_fd(const struct lclone_grower *g)
{
	return g->fd;
}

size_t lclone_grower_clones(const struct lclone_grower *g)
{
	size_t i, n = 0;

	for (i = 0; i < g->count; i++)
		n += g->watched[i].clone;
	return n;
}

int lclone_grower_start(struct lclone_grower **grower, const struct lclone_autoextend *how,
			lclone_grower_fn tell, void *ctx)
{
	struct lclone_grower *g = calloc(1, sizeof(*g));

	*grower = g;
	if (!g)
		return lclone_fail(-ENOMEM, "out of memory");
	*g = (struct lclone_grower){ .how = *how, .tell = tell, .ctx = ctx, .fd = -1 };
	g->lock = lclone_lock_daemon();
	if (g->lock < 0)
		return g->lock;
	g->fd = lclone_dm_events_open();
	return g->fd < 0 ? g->fd : 0;
}

void lclone_grower_free(struct lclone_grower *g)
{
	if (!g)
		return;
	if (g->fd >= 0)
		close(g->fd);
	if (g->lock >= 0)
		close(g->lock);
	free(g->watched);
	free(g);
}
