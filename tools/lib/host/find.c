// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/major.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "basic/fail.h"
#include "format_user.h"
#include "host/device.h"
#include "host/find.h"
#include "host/look.h"
#include "host/ranges.h"
#include "host/stack.h"
#include "host/volumes.h"

/* Both superblocks of a delta are in so many sectors. */
#define LEAST_SECTORS	((LCLONE_SB_SLOT_B + 1) * LCLONE_BLOCK_SECTORS)

/* "/dev/..." for a name in sysfs, which writes cciss!c0d0 */
static void node_of(const char *device, char *path, size_t size)
{
	snprintf(path, size, "/dev/%s", device);
	for (char *slash = path + 5; (slash = strchr(slash, '!')); )
		*slash = '/';
}

static bool number_of(const char *device, dev_t *rdev)
{
	char path[PATH_MAX];
	unsigned int ma, mi;
	bool ok;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/block/%s/dev", device);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fscanf(f, "%u:%u", &ma, &mi) == 2;
	fclose(f);
	*rdev = makedev(ma, mi);
	return ok;
}

/*
 * Floppies and CDs have no delta, and take long to say that they are empty.  What another device is
 * made of is looked at there, and only there: a pool shows what a volume of it was, a member that
 * has failed what the array had.
 */
static bool is_of_interest(dev_t rdev)
{
	return major(rdev) != FLOPPY_MAJOR && major(rdev) != SCSI_CDROM_MAJOR &&
	       !lclone_dev_attribute(rdev, "hidden") && !lclone_dev_is_path(rdev) &&
	       !lclone_dev_is_member(rdev) && !lclone_dev_is_internal(rdev) &&
	       !lclone_dev_is_guests(rdev);
}

int lclone_each_block_device(int (*visit)(const char *path, dev_t rdev, u64 sectors, void *ctx),
			     void *ctx)
{
	DIR *dir = opendir("/sys/class/block");
	char path[PATH_MAX];
	struct dirent *d;
	u64 sectors;
	dev_t rdev;
	int ret = 0;

	if (!dir)
		return lclone_fail(-errno, "/sys/class/block: %m");
	while (!ret && (d = readdir(dir))) {
		if (d->d_name[0] == '.' || !number_of(d->d_name, &rdev))
			continue;
		sectors = lclone_dev_attribute(rdev, "size");
		node_of(d->d_name, path, sizeof(path));
		ret = visit(path, rdev, sectors, ctx);
	}
	closedir(dir);
	return ret;
}

struct filter {
	int (*visit)(const char *path, dev_t rdev, u64 sectors, void *ctx);
	void *ctx;
};

static int visit_if_of_interest(const char *path, dev_t rdev, u64 sectors, void *ctx)
{
	const struct filter *f = ctx;

	if (sectors < LEAST_SECTORS || !is_of_interest(rdev))
		return 0;
	return f->visit(path, rdev, sectors, f->ctx);
}

int lclone_each_device(int (*visit)(const char *path, dev_t rdev, u64 sectors, void *ctx),
		       void *ctx)
{
	struct filter filter = { visit, ctx };

	return lclone_each_block_device(visit_if_of_interest, &filter);
}

/* Deltas */

struct places {
	const struct lclone_finder *finder;
	struct lclone_place *place;
	dev_t *rdev;
	size_t count;
};

static int add_place(struct places *p, const char *path, dev_t rdev, u64 start, u64 sectors)
{
	struct lclone_place *place = reallocarray(p->place, p->count + 1, sizeof(*place));
	dev_t *number = reallocarray(p->rdev, p->count + 1, sizeof(*number));

	p->place = place ?: p->place;
	p->rdev = number ?: p->rdev;
	if (!place || !number)
		return lclone_fail(-ENOMEM, "out of memory");
	place[p->count] = (struct lclone_place){ .start = start, .sectors = sectors };
	snprintf(place[p->count].path, sizeof(place->path), "%s", path);
	place[p->count].rdev = rdev;
	number[p->count++] = rdev;
	return 0;
}

static int add_device(const char *path, dev_t rdev, u64 sectors, void *ctx)
{
	struct places *p = ctx;
	char name[PATH_MAX], low[PATH_MAX], why[PATH_MAX + 64];
	dev_t which;

	lclone_dev_name(rdev, name);
	if (lclone_dev_is_idle_member(rdev))
		return p->finder->unseen(name, rdev, "is of an array that does not run (mdadm --run)",
					 p->finder->ctx);
	if (!lclone_dev_suspended(rdev, &which))
		return add_place(p, path, rdev, 0, sectors);
	lclone_dev_name(which, low);
	if (which == rdev)
		snprintf(why, sizeof(why), "is suspended");
	else
		snprintf(why, sizeof(why), "lies on %s, which is suspended", low);
	return p->finder->unseen(name, rdev, why, p->finder->ctx);
}

/* Tells what was seen on a place, which the user knows as @name. */
static int tell(const struct lclone_finder *f, const struct lclone_place *place, const char *name,
		dev_t rdev)
{
	char why[128];

	switch (place->seen) {
	case LCLONE_SEEN_DELTA:
		return f->found(name, rdev, &place->sb, f->ctx);
	case LCLONE_SEEN_DAMAGED:
		snprintf(why, sizeof(why), place->err == -EPROTONOSUPPORT ?
			 "holds a delta that needs a newer lclone" : "holds a damaged delta");
		break;
	case LCLONE_SEEN_ERROR:
	case LCLONE_SEEN_TIMEOUT:
		lclone_look_why(place, why, sizeof(why));
		if (place->err == -ENOENT)
			snprintf(why, sizeof(why), "has no device node, or another's (udevadm trigger)");
		break;
	default:
		return 0;
	}
	return f->unseen(name, rdev, why, f->ctx);
}

/* Where LVM says that they begin */
static int look_at_inactive(const struct lclone_finder *f, const struct lclone_volumes *volumes)
{
	struct places p = { .finder = f };
	size_t i, k = 0;
	int ret = 0;

	for (i = 0; !ret && i < volumes->count; i++) {
		const struct lclone_volume *v = &volumes->volume[i];

		if (v->unseen[0]) {
			ret = f->unseen(v->name, 0, v->unseen, f->ctx);
			continue;
		}
		ret = add_place(&p, "", 0, 0, v->sectors);
		if (!ret)
			p.place[p.count - 1].stripes = &v->stripes;
	}
	if (!ret)
		ret = lclone_look(p.place, p.count);
	for (i = 0; !ret && i < volumes->count; i++)
		if (!volumes->volume[i].unseen[0])
			ret = tell(f, &p.place[k++], volumes->volume[i].name, 0);
	free(p.place);
	free(p.rdev);
	return ret;
}

/*
 * What LVM uses by another device is held by the kernel, and by no process: DRBD does not say what
 * it lies on.
 */
static bool is_below_known(const struct lclone_volumes *volumes, const struct lclone_place *place,
			   dev_t rdev)
{
	char pid[32];
	int fd;

	if (!lclone_volumes_have(volumes, place->pv_uuid))
		return false;
	fd = open(place->path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || errno != EBUSY)
		return false;
	lclone_dev_process(rdev, pid);
	return !pid[0];
}

/* LVM ignores a disk with partitions, whatever it was before; not so what is on a disk. */
static bool is_partitioned(const struct lclone_place *place, dev_t rdev)
{
	dev_t disk;

	return place->partitions && !lclone_dev_disk(rdev, &disk) && !lclone_dev_is_dm(rdev);
}

/* What is on such a physical volume nobody says. One that is on a volume of LVM is a guest's. */
static int tell_left_out(const struct places *p, const struct lclone_volumes *volumes)
{
	const struct lclone_finder *f = p->finder;
	char name[PATH_MAX];
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < p->count; i++) {
		if (!p->place[i].volumes || lclone_dev_is_lv_or_part(p->rdev[i]) ||
		    lclone_volumes_use(volumes, p->rdev[i]) ||
		    is_partitioned(&p->place[i], p->rdev[i]) ||
		    is_below_known(volumes, &p->place[i], p->rdev[i]))
			continue;
		lclone_dev_name(p->rdev[i], name);
		ret = f->unseen(name, p->rdev[i], LCLONE_LEFT_OUT, f->ctx);
	}
	return ret;
}

/* What LVM knows of the physical volumes among the devices that were looked at */
static int look_at_volumes(const struct places *p)
{
	struct lclone_volumes volumes;
	int ret;

	ret = lclone_volumes_read(&volumes);
	if (!ret && volumes.asked)
		ret = tell_left_out(p, &volumes);
	if (!ret)
		ret = look_at_inactive(p->finder, &volumes);
	lclone_volumes_free(&volumes);
	return ret;
}

int lclone_find_deltas(const struct lclone_finder *finder)
{
	struct places p = { .finder = finder };
	bool volumes = false;
	char name[PATH_MAX];
	size_t i;
	int ret;

	ret = lclone_each_device(add_device, &p);
	if (!ret)
		ret = lclone_look(p.place, p.count);
	for (i = 0; !ret && i < p.count; i++) {
		volumes |= p.place[i].volumes;
		lclone_dev_name(p.rdev[i], name);
		ret = tell(finder, &p.place[i], name, p.rdev[i]);
	}
	if (!ret && volumes)
		ret = look_at_volumes(&p);
	free(p.place);
	free(p.rdev);
	return ret;
}

/* Bases */

struct base_search {
	const struct lclone_sb *sb;
	struct places exact, larger;
	struct lclone_names *unseen;	/* what is of that size, and could not be looked at, or NULL */
};

static void add_unseen(struct base_search *search, const char *name, const char *why)
{
	char text[PATH_MAX + 32];

	if (!search->unseen)
		return;
	snprintf(text, sizeof(text), "%s (%s)", name, why);
	lclone_add_name(search->unseen, text);
}

static int add_candidate(const char *path, dev_t rdev, u64 sectors, void *ctx)
{
	struct base_search *search = ctx;
	u64 wanted = search->sb->base_sectors;
	struct places *p = sectors == wanted ? &search->exact : &search->larger;
	char name[PATH_MAX];
	dev_t which;
	int err;

	if (sectors < wanted)
		return 0;
	if (lclone_dev_suspended(rdev, &which)) {
		lclone_dev_name(rdev, name);
		if (sectors == wanted)
			add_unseen(search, name, "suspended");
		return 0;
	}
	err = add_place(p, path, rdev, 0, wanted);
	if (!err)
		p->place[p->count - 1].fingerprint = true;
	return err;
}

/* Only one that is whole in its first segment can be looked at. */
static int add_volumes(struct base_search *search, const struct lclone_volumes *volumes)
{
	const u64 wanted = search->sb->base_sectors;
	struct places *p = &search->exact;
	size_t i;
	int err = 0;

	for (i = 0; !err && i < volumes->count; i++) {
		const struct lclone_volume *v = &volumes->volume[i];

		if (v->unseen[0] || v->sectors < wanted) {
			if (!v->size || v->size == wanted)
				add_unseen(search, v->name, "not active");
			continue;
		}
		err = add_place(p, v->name, 0, 0, wanted);
		if (err)
			break;
		p->place[p->count - 1].stripes = &v->stripes;
		p->place[p->count - 1].fingerprint = true;
	}
	return err;
}

static void free_places(struct places *p)
{
	free(p->place);
	free(p->rdev);
}

/* A drive that is empty, and the like, holds no base. */
static bool may_hold(const struct places *p, size_t i, u64 wanted)
{
	const int err = p->place[i].err;

	return err && err != -ENOMEDIUM && err != -ENXIO && p->rdev[i] &&
	       lclone_dev_attribute(p->rdev[i], "size") == wanted;
}

static void name_of(const struct places *p, size_t i, char name[PATH_MAX])
{
	const struct lclone_stripes *at = p->place[i].stripes;

	if (p->rdev[i])
		lclone_dev_name(p->rdev[i], name);
	else
		snprintf(name, PATH_MAX, "%s (not active)",
			 container_of(at, struct lclone_volume, stripes)->name);
}

/* Keeps those that may be the base, each once. */
static int keep_bases(struct base_search *search)
{
	struct places *p = &search->exact;
	char name[PATH_MAX];
	size_t i, k, n = 0;
	int err = lclone_look(p->place, p->count);

	for (i = 0; !err && i < p->count; i++) {
		if (may_hold(p, i, search->sb->base_sectors)) {
			name_of(p, i, name);
			add_unseen(search, name, "cannot be read");
		}
		if (p->place[i].err || p->place[i].fp != search->sb->base_fp)
			continue;
		for (k = 0; k < n && !lclone_shows_same(p->rdev[k], p->rdev[i]); k++)
			;
		if (k < n)
			continue;
		p->place[n] = p->place[i];
		p->rdev[n++] = p->rdev[i];
	}
	p->count = n;
	return err;
}

/* One of the size that is recorded goes before one that is larger. */
static int add_larger(struct base_search *search)
{
	struct places *p = &search->exact;
	size_t i;
	int err = 0;

	for (i = 0; !err && i < search->larger.count; i++) {
		err = add_place(p, search->larger.place[i].path, search->larger.rdev[i], 0,
				search->sb->base_sectors);
		if (!err)
			p->place[p->count - 1] = search->larger.place[i];
	}
	return err;
}

/* Those of LVM that are not active are looked at if @volumes are given.  @unseen: see above. */
static int find_bases(const struct lclone_sb *sb, const struct lclone_volumes *volumes,
		      struct places *found, struct lclone_names *unseen)
{
	struct base_search search = { .sb = sb, .unseen = unseen };
	int err = lclone_each_device(add_candidate, &search);

	err = err ?: add_larger(&search);
	if (!err && volumes)
		err = add_volumes(&search, volumes);
	err = err ?: keep_bases(&search);
	free_places(&search.larger);
	*found = search.exact;
	return err;
}

int lclone_find_base(const struct lclone_sb *sb, char path[PATH_MAX], struct lclone_names *may)
{
	struct lclone_volumes volumes;
	struct places found = { .count = 0 };
	char name[PATH_MAX];
	size_t i;
	int err;

	path[0] = '\0';
	*may = (struct lclone_names){ .count = 0 };
	err = lclone_volumes_read(&volumes) ?: find_bases(sb, &volumes, &found, may);
	for (i = 0; !err && i < found.count; i++) {
		name_of(&found, i, name);
		lclone_add_name(may, name);
	}
	if (!err && may->count == 1 && found.count == 1 && found.rdev[0])
		lclone_dev_name(found.rdev[0], path);
	free_places(&found);
	lclone_volumes_free(&volumes);
	return err;
}

int lclone_no_base(const char *whose, const struct lclone_names *may, const char *next)
{
	if (!may->count)
		return lclone_fail(-ENOENT, "the base of %s is not found: %s", whose, next);
	if (may->count == 1)
		return lclone_fail(-ENOENT, "the base of %s may be %s: activate that, or %s", whose,
				   may->text, next);
	return lclone_fail(-ESTALE, "the base of %s may be any of %s, which its fingerprint does not tell apart: %s",
			   whose, may->text, next);
}

int lclone_likely_base(const struct lclone_sb *sb, char path[PATH_MAX])
{
	struct places found = { .count = 0 };
	int err = find_bases(sb, NULL, &found, NULL);

	path[0] = '\0';
	if (!err && found.count)
		lclone_dev_name(found.rdev[0], path);
	free_places(&found);
	return err;
}
