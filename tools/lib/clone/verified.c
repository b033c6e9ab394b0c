// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fail.h"
#include "basic/signals.h"
#include "clone/seal.h"
#include "clone/verified.h"
#include "host/device.h"
#include "host/dm-task.h"
#include "host/stack.h"
#include "host/verity.h"

#define SAMPLES		16	/* of a tree that is another's none is right */
#define GOES_MS		10000	/* what is below a device that takes longer to go stays in use */
#define NAME		"lclone-verified-"

/* What the device is to be */
struct plan {
	char name[LCLONE_NAME_SIZE], uuid[LCLONE_DM_UUID_SIZE];
	char params[LCLONE_VERITY_PARAMS];
	u64 sectors;
	const char *base, *hashes;	/* for sentences */
	bool own, recorded;		/* for one process; of a delta that has recorded the root hash */
};

/* The tree, by the tags of its volume, which is activated, and *verity, by its superblock */
static int find_tree(const struct lclone_file *base, const u8 *root, struct lclone_verified *v,
		     struct lclone_verity *verity, struct lclone_file *hashes)
{
	char path[LCLONE_LV_PATH_SIZE], wanted[LCLONE_ROOT_TEXT];
	struct lclone_lv tree;
	int ret = lclone_seal_find(base->rdev, &tree, v->root);

	if (ret < 0)
		return ret;
	lclone_root_text(root, wanted);
	if (ret && lclone_root_is_set(root))
		return lclone_fail(-ENOENT, "%s has no verity tree any more, of which the root hash was %s: \"lclone seal-base %s\" makes it anew",
				   base->path, wanted, base->path);
	if (ret)
		return lclone_fail(-ENOENT, "%s has no verity tree: \"lclone seal-base %s\" makes it",
				   base->path, base->path);
	if (lclone_root_is_set(root) && memcmp(root, v->root, LCLONE_ROOT_SIZE))
		return lclone_fail(-ESTALE, "the verity tree on %s/%s has the root hash %s, and the base of this delta had %s: it is another's, or of a base that was changed",
				   tree.vg, tree.lv, tree.root, wanted);
	lclone_lv_path(&tree, path);
	return lclone_lv_activate(&tree) ?: lclone_file_open_ready(hashes, path, O_RDONLY) ?:
	       lclone_verity_read(base, hashes, verity);
}

static void number(dev_t rdev, char text[32])
{
	snprintf(text, 32, "%u:%u", major(rdev), minor(rdev));
}

static void make_plan(const struct lclone_file *base, const struct lclone_file *hashes, bool own,
		      const struct lclone_verity *verity, const u8 *root, struct plan *p)
{
	char data[32], tree[32];

	number(base->rdev, data);
	number(hashes->rdev, tree);
	lclone_verity_params(verity, data, tree, root, p->params);
	snprintf(p->name, sizeof(p->name), NAME "%s", data);
	snprintf(p->uuid, sizeof(p->uuid), LCLONE_VERITY_UUID "%s", data);
	if (own) {
		snprintf(p->name + strlen(p->name), 16, "-%d", getpid());
		snprintf(p->uuid + strlen(p->uuid), 16, "-%d", getpid());
	}
	p->sectors = base->dev.sectors;
	p->own = own;
	p->base = base->path;
	p->hashes = hashes->path;
}

/* Where no udevd runs libdevmapper has removed the node already when the device is to go later. */
static int open_node(const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENXIO)) {
		lclone_dm_simple(DM_DEVICE_MKNODES, name, "have its node", false);
		dm_task_update_nodes();
		fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	}
	return fd;
}

/* True: there is such a device, with that table, and it is open. */
static bool open_existing(const struct plan *p, struct lclone_verified *v)
{
	struct dm_task *dmt = NULL;
	char *type = NULL, *params = NULL;
	uint64_t start, len;
	struct stat st;
	bool same;

	v->fd = open_node(p->name);
	if (v->fd < 0 || fstat(v->fd, &st))
		return false;
	dmt = lclone_dev_table(st.st_rdev);
	if (dmt)
		dm_get_next_target(dmt, NULL, &start, &len, &type, &params);
	same = type && !strcmp(type, LCLONE_VERITY_TARGET) && !strcmp(params, p->params);
	if (dmt)
		dm_task_destroy(dmt);
	v->rdev = st.st_rdev;
	if (same)	/* who has made it may have been killed before saying so */
		return !lclone_dm_remove_later(p->name);
	close(v->fd);
	v->fd = -1;
	return false;
}

/* One of that uuid has another table: it goes, unless somebody has it open. */
static int create(const struct plan *p, struct lclone_verified *v)
{
	char name[LCLONE_NAME_SIZE];
	sigset_t signals;
	struct stat st;
	int err;

	err = lclone_dm_with_uuid(p->uuid, name);
	if (!err)
		err = lclone_dm_remove(name);
	if (err && err != -ENXIO)
		return err;
	lclone_hold_signals(&signals);
	err = lclone_dm_create_other(p->name, p->uuid, p->sectors, LCLONE_VERITY_TARGET, p->params);
	if (!err) {
		v->fd = open_node(p->name);
		if (v->fd < 0 || fstat(v->fd, &st))
			err = lclone_fail(-EIO, "/dev/mapper/%s cannot be opened: %m", p->name);
		else
			v->rdev = st.st_rdev;
		err = lclone_dm_remove_later(p->name) ?: err;
	}
	lclone_release_signals(&signals);
	return err;
}

static int nothing_right(const struct plan *p)
{
	if (!p->recorded)
		return lclone_fail(-ESTALE, "nothing of %s is as the verity tree on %s says: the base was changed, or the tree is another's or damaged (if the base is right remove the volume of the tree, and \"lclone seal-base %s\" makes it anew)",
				   p->base, p->hashes, p->base);
	return lclone_fail(p->own ? -EUCLEAN : -ESTALE, "nothing of %s is as the verity tree on %s says, whose root hash the delta has recorded: the base was changed, or the tree is another's or damaged",
			   p->base, p->hashes);
}

/*
 * A root hash, or hashes, of another base let nothing be read, nor does a base that was overwritten;
 * rot does only where it is.  To tell them apart some blocks are read.
 */
static int refuse_anothers(const struct plan *p, const struct lclone_verified *v)
{
	void *buf = aligned_alloc(LCLONE_BLOCK_SIZE, LCLONE_BLOCK_SIZE);
	const u64 blocks = p->sectors / LCLONE_BLOCK_SECTORS;
	bool right = false;
	int err = 0;
	ssize_t n;
	u64 i;

	if (!buf)
		return lclone_fail(-ENOMEM, "out of memory");
	for (i = 0; !right && !err && i < SAMPLES; i++) {
		n = pread(v->fd, buf, LCLONE_BLOCK_SIZE, blocks * i / SAMPLES * LCLONE_BLOCK_SIZE);
		right = n == LCLONE_BLOCK_SIZE;
		if (n < 0 && errno != EIO && errno != EILSEQ)
			err = lclone_fail(-errno, "/dev/mapper/%s cannot be read: %m", p->name);
	}
	free(buf);
	return right || err ? err : nothing_right(p);
}

/* True: it is a device of ours.  Its name, and by that whether it exists, and is open. */
static bool look(dev_t holder, char name[LCLONE_NAME_SIZE], struct dm_info *info)
{
	struct dm_task *dmt;
	char uuid[64];

	*info = (struct dm_info){ .exists = 0 };
	if (!lclone_dev_line(holder, "dm/uuid", uuid, sizeof(uuid)) ||
	    strncmp(uuid, LCLONE_VERITY_UUID, strlen(LCLONE_VERITY_UUID)) ||
	    !lclone_dev_line(holder, "dm/name", name, LCLONE_NAME_SIZE))
		return false;
	dmt = lclone_dm_task(DM_DEVICE_INFO, name);
	if (!dmt || !dm_task_run(dmt) || !dm_task_get_info(dmt, info))
		info->exists = 0;
	if (dmt)
		dm_task_destroy(dmt);
	return true;
}

static int remove_unused(dev_t holder, void *ctx)
{
	char name[LCLONE_NAME_SIZE];
	struct dm_info info;

	(void)ctx;
	if (look(holder, name, &info) && info.exists && !info.open_count)
		lclone_dm_remove(name);
	return 0;
}

/*
 * 1: the kernel is about to remove it.  From then on what sysfs has of it as a device of
 * device-mapper cannot be read; that goes when the device has let go of what is below it.
 */
static int is_going(dev_t holder, void *ctx)
{
	char name[LCLONE_NAME_SIZE], path[64];
	struct dm_info info;

	(void)ctx;
	if (look(holder, name, &info))
		return !info.exists;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/dm", major(holder), minor(holder));
	return !access(path, F_OK) && !lclone_dev_line(holder, "dm/uuid", name, sizeof(name));
}

/* When a last user is gone the kernel removes the device in a work of its own, a moment later. */
static void tidy(dev_t base)
{
	const struct timespec poll = { .tv_nsec = 5000000 };
	const u64 start = lclone_now_ms();

	lclone_why_hold();
	lclone_dev_each(base, "holders", remove_unused, NULL);
	while (lclone_dev_each(base, "holders", is_going, NULL) && lclone_now_ms() - start < GOES_MS)
		nanosleep(&poll, NULL);
	lclone_why_release();
}

static int lock_devices(dev_t base)
{
	char name[LCLONE_NAME_SIZE];

	snprintf(name, sizeof(name), NAME "%u:%u", major(base), minor(base));
	return lclone_lock_clone(name);
}

void lclone_verified_tidy(dev_t base)
{
	int lock;

	lclone_why_hold();
	lock = lock_devices(base);
	lclone_why_release();
	if (lock < 0)
		return;
	tidy(base);
	close(lock);
}

/* Nobody else makes it, or finds it half made, meanwhile. */
static int open_device(const struct plan *p, dev_t base, struct lclone_verified *v)
{
	int lock = lock_devices(base), err = 0;

	if (lock < 0)
		return lock;
	tidy(base);
	if (!open_existing(p, v))
		err = create(p, v) ?: refuse_anothers(p, v);
	close(lock);
	return err;
}

int lclone_verified_open(const struct lclone_file *base, const u8 root[LCLONE_ROOT_SIZE], bool own,
			 struct lclone_verified *v)
{
	struct lclone_file hashes = { .fd = -1 };
	struct lclone_verity verity;
	struct plan p;
	int err;

	*v = (struct lclone_verified){ .fd = -1, .base = base->rdev };
	err = find_tree(base, root, v, &verity, &hashes);
	if (!err) {
		v->block = verity.data_block;
		make_plan(base, &hashes, own, &verity, v->root, &p);
		p.recorded = lclone_root_is_set(root);
		err = open_device(&p, base->rdev, v);
	}
	lclone_file_close(&hashes);
	return err;
}

void lclone_verified_close(struct lclone_verified *v)
{
	if (v->fd < 0)
		return;
	close(v->fd);
	v->fd = -1;
	lclone_verified_tidy(v->base);
}

enum lclone_base_state lclone_base_state(const char *major_minor)
{
	const dev_t rdev = lclone_dev_number(major_minor);
	enum lclone_base_state state = LCLONE_BASE_PLAIN;
	char *type = NULL, *params = NULL;
	struct dm_task *dmt;
	uint64_t start, len;

	if (!rdev || !lclone_dev_is_dm(rdev))
		return state;
	dmt = lclone_dm_task(DM_DEVICE_STATUS, NULL);
	if (dmt && dm_task_set_major(dmt, major(rdev)) && dm_task_set_minor(dmt, minor(rdev)) &&
	    dm_task_no_flush(dmt) && dm_task_run(dmt)) {
		dm_get_next_target(dmt, NULL, &start, &len, &type, &params);
		if (type && !strcmp(type, LCLONE_VERITY_TARGET))
			state = params[0] == 'C' ? LCLONE_BASE_CORRUPT : LCLONE_BASE_VERIFIED;
	}
	if (dmt)
		dm_task_destroy(dmt);
	return state;
}
