// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fail.h"
#include "host/device.h"
#include "host/lock.h"
#include "host/lv-lock.h"
#include "host/lvm.h"
#include "host/stack.h"

#define MAPPER		"/dev/mapper/"
#define PATH_SIZE	(2 * LCLONE_NAME_SIZE + 8)
/* It has one of our tags that say what it is for: see lv.c.  Of text LVM compares whole tags only. */
#define OURS		"lv_tags={\"lclone.delta\" || \"lclone.base\" || \"lclone.filling\" || " \
			"\"lclone.target\" || \"lclone.verity\"}"

/* A volume that this run has to do with */
struct had {
	char vg[LCLONE_NAME_SIZE], lv[LCLONE_NAME_SIZE];
	bool alone;			/* it was got so */
	bool gone;			/* it was let go: an earlier run may have got it so */
	bool activated;			/* by this run */
	int lock;			/* which keeps other runs from giving it back; -1: none */
};

static struct had *had;
static size_t count;

/* In names of device-mapper a - stands twice, but for the one between group and volume. */
static void mapper_name(const char *vg, const char *lv, char path[2 * PATH_SIZE])
{
	const char *part[] = { vg, lv }, *at;
	char *to = stpcpy(path, MAPPER);
	int i;

	for (i = 0; i < 2; i++) {
		for (at = part[i]; *at; at++) {
			*to++ = *at;
			if (*at == '-')
				*to++ = '-';
		}
		*to++ = i ? '\0' : '-';
	}
}

/*
 * With locks on the disk the volume that has them is active as long as lvmlockd uses the group;
 * with dlm the kernel has a lockspace.
 */
bool lclone_vg_is_shared(const char *vg)
{
	char path[2 * PATH_SIZE];

	mapper_name(vg, "lvmlock", path);
	if (!access(path, F_OK))
		return true;
	snprintf(path, sizeof(path), "/sys/kernel/dlm/lvm_%s", vg);
	return !access(path, F_OK);
}

int lclone_lv_names(dev_t rdev, char vg[LCLONE_NAME_SIZE], char lv[LCLONE_NAME_SIZE])
{
	char path[PATH_MAX], *part[] = { vg, lv };
	const char *at = path + strlen(MAPPER);
	size_t len;
	int i;

	if (!lclone_dev_is_lv(rdev))
		return -ENXIO;
	lclone_dev_name(rdev, path);
	if (strncmp(path, MAPPER, strlen(MAPPER)))
		return -ENXIO;
	for (i = 0; i < 2; i++) {
		for (len = 0; *at && !(at[0] == '-' && at[1] != '-'); at++) {
			if (len + 1 == LCLONE_NAME_SIZE)
				return -ENXIO;
			at += at[0] == '-';
			part[i][len++] = *at;
		}
		part[i][len] = '\0';
		if (!i && *at++ != '-')
			return -ENXIO;
	}
	return 0;
}

static dev_t device_of(const struct had *h)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "/dev/%s/%s", h->vg, h->lv);
	return lclone_dev_at(path);
}

/* Without memory it stays active, which harms nobody but other hosts. */
static struct had *remember(const char *vg, const char *lv)
{
	struct had *bigger;
	size_t i;

	for (i = 0; i < count; i++)
		if (!strcmp(had[i].vg, vg) && !strcmp(had[i].lv, lv))
			return &had[i];
	bigger = reallocarray(had, count + 1, sizeof(*had));
	if (!bigger)
		return NULL;
	had = bigger;
	had[count] = (struct had){ .lock = -1 };
	snprintf(had[count].vg, LCLONE_NAME_SIZE, "%s", vg);
	snprintf(had[count].lv, LCLONE_NAME_SIZE, "%s", lv);
	return &had[count++];
}

static int lock(const struct had *h, enum lclone_lock_kind kind)
{
	char name[PATH_SIZE];

	snprintf(name, sizeof(name), "%s/%s", h->vg, h->lv);
	return lclone_lock_volume(name, kind);
}

static int activate(const struct had *h, bool alone)
{
	char name[PATH_SIZE], text[1024];
	const char *const argv[] = { "lvchange", "--quiet", "--activate", alone ? "ey" : "sy", name,
				     NULL };
	const char *why;
	int err;

	snprintf(name, sizeof(name), "%s/%s", h->vg, h->lv);
	err = lclone_lvm_ask(argv, text, sizeof(text));
	why = err == -ECHILD ? lclone_lvm_complaint(text) : NULL;
	if (!why)
		return err;
	if (!strstr(why, "locked by other host"))
		return lclone_fail(-EIO, "%s cannot be activated: %s", name, why);
	return lclone_fail(-EBUSY, alone ? "%s is in use on another host, and needed here alone (%s)" :
					   "%s is in use on another host, which has it alone (%s)",
			   name, why);
}

int lclone_lv_have(const char *vg, const char *lv, bool alone)
{
	struct had *h = remember(vg, lv);
	bool active;
	int err;

	if (!h)
		return lclone_fail(-ENOMEM, "out of memory");
	if (h->lock < 0)
		h->lock = lock(h, LCLONE_LOCK_SHARED);
	if (h->lock < 0)
		return h->lock;
	active = device_of(h);
	if (h->alone || (active && !alone))
		return 0;
	err = activate(h, alone);
	if (err)
		return err;
	h->activated |= !active;
	h->alone = alone;
	return 0;
}

int lclone_lv_have_path(const char *path, bool alone)
{
	char vg[LCLONE_NAME_SIZE], lv[LCLONE_NAME_SIZE], rest;
	bool is_lv = sscanf(path, "/dev/%127[^/]/%127[^/]%c", vg, lv, &rest) == 2 &&
		     strcmp(vg, "mapper");

	if (is_lv && lclone_vg_is_shared(vg))
		return lclone_lv_have(vg, lv, alone);
	if (lclone_dev_at(path))
		return 0;
	return is_lv ? lclone_fail(-EAGAIN, "%s is not there, and the locks of the group %s are not started on this host (vgchange --lockstart %s)",
				   path, vg, vg) :
		       lclone_fail(-EINVAL, "%s is not there, and is not /dev/GROUP/VOLUME", path);
}

int lclone_lv_have_alone(dev_t rdev)
{
	char vg[LCLONE_NAME_SIZE], lv[LCLONE_NAME_SIZE];

	if (lclone_lv_names(rdev, vg, lv) || !lclone_vg_is_shared(vg))
		return 0;
	return lclone_lv_have(vg, lv, true);
}

bool lclone_lv_is_alone(dev_t rdev)
{
	char vg[LCLONE_NAME_SIZE], lv[LCLONE_NAME_SIZE];
	size_t i;

	if (!count || lclone_lv_names(rdev, vg, lv))
		return false;
	for (i = 0; i < count; i++)
		if (!strcmp(had[i].vg, vg) && !strcmp(had[i].lv, lv))
			return had[i].alone;
	return false;
}

void lclone_lv_made(const char *vg, const char *lv)
{
	struct had *h = lclone_vg_is_shared(vg) ? remember(vg, lv) : NULL;

	if (h)
		h->alone = h->activated = true;
}

void lclone_lv_let_go(dev_t rdev)
{
	char vg[LCLONE_NAME_SIZE], lv[LCLONE_NAME_SIZE];
	struct had *h = NULL;

	if (!lclone_lv_names(rdev, vg, lv) && lclone_vg_is_shared(vg))
		h = remember(vg, lv);
	if (h)
		h->gone = true;
}

/* What lies between, as a device that verifies a base, goes with who has made it. */
static int leave_lower(dev_t lower, void *ctx)
{
	char vg[LCLONE_NAME_SIZE], lv[LCLONE_NAME_SIZE];

	(void)ctx;
	if (lclone_lv_names(lower, vg, lv)) {
		if (lclone_dev_is_dm(lower))
			lclone_lv_leave(lower);
	} else if (lclone_vg_is_shared(vg)) {
		remember(vg, lv);
	}
	return 0;
}

void lclone_lv_leave(dev_t rdev)
{
	lclone_dev_each(rdev, "slaves", leave_lower, NULL);
}

/* Giving back */

enum need { NOT, TOGETHER, ALONE };

/* ALONE, in doubt, too, which ends the walk; or 0 */
static int need_of(dev_t upper, void *ctx)
{
	const dev_t lower = *(const dev_t *)ctx;
	static struct lclone_clone clone;
	char path[PATH_MAX];

	lclone_dev_name(upper, path);
	if (strncmp(path, MAPPER, strlen(MAPPER)) ||
	    lclone_dm_get(path + strlen(MAPPER), &clone) ||
	    lclone_dev_number(clone.table.delta) == lower ||
	    (clone.table.features.merge && lclone_dev_number(clone.table.base) == lower))
		return ALONE;
	return 0;
}

static int any(dev_t upper, void *ctx)
{
	(void)upper;
	(void)ctx;
	return 1;
}

static enum need need(dev_t rdev)
{
	enum need need;

	lclone_why_hold();
	need = lclone_dev_each(rdev, "holders", need_of, &rdev);
	lclone_why_release();
	if (need)
		return need;
	return lclone_dev_each(rdev, "holders", any, NULL) ? TOGETHER : NOT;
}

/* The first words of a command, and as many volumes behind them as there are */
static const char **words(const char *const first[], size_t n)
{
	const char **argv = calloc(n + count + 1, sizeof(*argv));

	if (argv)
		memcpy(argv, first, n * sizeof(*argv));
	return argv;
}

static char *name_of(const struct had *h)
{
	char *name;

	return asprintf(&name, "%s/%s", h->vg, h->lv) < 0 ? NULL : name;
}

static void free_words(const char **argv, size_t n)
{
	for (; argv && argv[n]; n++)
		free((char *)argv[n]);
	free(argv);
}

/* All for which it is told so, by one command; @which of them, by their tags, LVM looks itself. */
static int change(const char *how, const char *which, const enum need needs[],
		  bool (*is)(const struct had *h, enum need))
{
	const char *const first[] = { "lvchange", "--quiet", "--activate", how, "--select", which };
	const size_t n = which ? 6 : 4;
	const char **argv = words(first, n), *why;
	char text[1024];
	size_t i, at = n;
	int err = 0;

	for (i = 0; argv && i < count; i++)
		if (is(&had[i], needs[i]))
			argv[at++] = name_of(&had[i]);
	if (at > n)
		err = lclone_lvm_ask(argv, text, sizeof(text));
	why = err == -ECHILD ? lclone_lvm_complaint(text) : NULL;
	if (why)
		err = lclone_fail(err, "not all volumes could be given back to other hosts: %s", why);
	free_words(argv, n);
	return err;
}

static bool goes(const struct had *h, enum need need)
{
	return need == NOT && h->activated;
}

/* ... if it is ours */
static bool may_go(const struct had *h, enum need need)
{
	return need == NOT && !h->activated;
}

static bool is_read(const struct had *h, enum need need)
{
	return need == TOGETHER && (h->alone || h->gone);
}

/*
 * What is known here of a volume that another run has locked, for who gives it back in the end: the
 * size of the lock's file.
 */
enum { NOTE_SHARE = 1, NOTE_ACTIVATED = 2 };

static void leave_note(const struct had *h)
{
	const off_t note = (h->alone || h->gone ? NOTE_SHARE : 0) |
			   (h->activated ? NOTE_ACTIVATED : 0);
	int fd = note ? lock(h, LCLONE_LOCK_SHARED) : -1;
	struct stat st;

	if (fd < 0)
		return;
	/* without it the volume stays as it is, which harms nobody but other hosts */
	if (fstat(fd, &st) || ftruncate(fd, st.st_size | note))
		lclone_fail(-errno, "%s/%s: %m", h->vg, h->lv);
	close(fd);
}

static void take_note(struct had *h)
{
	struct stat st;

	if (fstat(h->lock, &st) || !st.st_size || ftruncate(h->lock, 0))
		return;
	h->gone |= st.st_size & NOTE_SHARE;
	h->activated |= st.st_size & NOTE_ACTIVATED;
}

/* Who is about to use it has it locked, and gives it back in its turn: it counts as needed. */
static enum need need_now(struct had *h)
{
	const dev_t rdev = device_of(h);

	if (h->lock >= 0)
		close(h->lock);
	lclone_why_hold();
	h->lock = lock(h, LCLONE_LOCK_EXCLUSIVE);
	if (h->lock < 0 && rdev) {
		leave_note(h);
		h->lock = lock(h, LCLONE_LOCK_EXCLUSIVE);	/* it may have ended before that */
	}
	lclone_why_release();
	if (h->lock < 0)
		return ALONE;
	take_note(h);
	return rdev ? need(rdev) : ALONE;	/* it is gone, or not active */
}

int lclone_lv_give_back(void)
{
	enum need *needs = calloc(count ?: 1, sizeof(*needs));
	size_t i;
	int err, err2, err3;

	if (!needs)
		return lclone_fail(-ENOMEM, "out of memory");
	for (i = 0; i < count; i++)
		needs[i] = need_now(&had[i]);
	err = change("n", NULL, needs, goes);
	err2 = change("n", OURS, needs, may_go);
	err3 = change("sy", NULL, needs, is_read);
	for (i = 0; i < count; i++)
		if (had[i].lock >= 0)
			close(had[i].lock);
	free(had);
	had = NULL;
	count = 0;
	free(needs);
	return err ?: err2 ?: err3;
}
