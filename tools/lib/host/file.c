// SPDX-License-Identifier: GPL-2.0-only
#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "basic/dry.h"
#include "basic/fail.h"
#include "format_user.h"
#include "host/file.h"
#include "host/lv-lock.h"
#include "host/stack.h"

#define BOUNCE_SIZE	(256u << 10)
#define BOUNCE_ALIGN	LCLONE_BLOCK_SIZE	/* no logical block is larger */

static const struct timespec poll = { .tv_nsec = LCLONE_LOCK_POLL_MS * 1000000 };

static int keep_name(dev_t holder, void *ctx)
{
	lclone_dev_name(holder, ctx);
	return 1;
}

int lclone_file_not_held(const struct lclone_file *file)
{
	char who[PATH_MAX];

	lclone_dev_mount(file->rdev, false, who);
	if (who[0])
		return lclone_fail(-EBUSY, "%s is mounted on %s", file->path, who);
	if (lclone_dev_each(file->rdev, "holders", keep_name, who))
		return lclone_fail(-EBUSY, "%s is in use by %s", file->path, who);
	return 0;
}

/* -EAGAIN if nobody is seen who uses it: it may be free in a moment. */
static int busy(const struct lclone_file *file)
{
	return lclone_file_not_held(file) ?: lclone_fail(-EAGAIN, "%s is in use", file->path);
}

int lclone_file_not_mounted_rw(const struct lclone_file *file)
{
	char where[PATH_MAX];

	if (!file->block)
		return 0;
	lclone_dev_mount(file->rdev, true, where);
	if (where[0])
		return lclone_fail(-EBUSY, "%s is mounted writable on %s", file->path, where);
	return 0;
}

int lclone_io_error(int err, bool write)
{
	return err == -ENOMEM || (write && err == -ENOSPC) ? err : -EIO;
}

/* Into the bounce buffer; a part of it only, as some filesystems give it, is gone on with. */
static int read_whole(const struct lclone_file *file, u64 size, u64 at)
{
	u8 *buf = file->bounce;
	ssize_t ret;
	u64 got = 0;

	while (got < size) {
		ret = pread(file->fd, buf + got, size - got, at + got);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)		/* 0: it has become shorter */
			return lclone_io_error(ret ? -errno : -EIO, false);
		got += ret;
	}
	return 0;
}

static int file_read(const struct lclone_dev *dev, void *buf, u64 sector, u32 count)
{
	const struct lclone_file *file = container_of(dev, struct lclone_file, dev);
	u64 from = sector << 9, to = from + ((u64)count << 9);
	u64 align = file->direct ? file->logical_block : 512, start, end;
	int err;

	while (from < to) {
		start = from / align * align;
		end = (to + align - 1) / align * align;
		if (end - start > BOUNCE_SIZE)
			end = start + BOUNCE_SIZE;
		err = read_whole(file, end - start, start);
		if (err)
			return err;
		if (end > to)
			end = to;
		memcpy(buf, (u8 *)file->bounce + (from - start), end - from);
		buf = (u8 *)buf + (end - from);
		from = end;
	}
	return 0;
}

static int file_size(struct lclone_file *file)
{
	struct stat st;
	u64 bytes;

	if (file->block) {
		if (ioctl(file->fd, BLKGETSIZE64, &bytes))
			return lclone_fail(-errno, "%s: cannot get its size: %m", file->path);
	} else {
		if (fstat(file->fd, &st))
			return lclone_fail(-errno, "%s: cannot get its size: %m", file->path);
		bytes = st.st_size;
	}
	file->dev.sectors = bytes >> 9;
	return 0;
}

int lclone_file_not_shrunk(const struct lclone_file *file)
{
	struct lclone_file now = *file;
	int err = file_size(&now);

	if (!err && now.dev.sectors < file->dev.sectors)
		err = lclone_fail(-EBUSY, "%s has become smaller meanwhile", file->path);
	return err;
}

int lclone_file_buffered(struct lclone_file *file)
{
	int flags = fcntl(file->fd, F_GETFL);

	if (flags < 0 || fcntl(file->fd, F_SETFL, flags & ~O_DIRECT))
		return lclone_fail(-errno, "%s: %m", file->path);
	file->direct = false;
	return 0;
}

/* Others may have the file that a loop device shows by its name, or by another loop device. */
static int lock_backing(struct lclone_file *file, enum lclone_lock_kind kind)
{
	struct lclone_locked what = { .path = file->path };
	struct lclone_backing backing;
	int err;

	if (file->backing_lock)
		what.fd = file->backing;
	else if (lclone_dev_backing(file->rdev, &backing) && !backing.offset)
		what.fd = lclone_dev_open_backing(file->rdev, &backing);
	else
		return 0;
	if (what.fd < 0)	/* it has another name now, or none */
		return 0;
	err = lclone_lock_take(&file->backing_lock, &what, kind);
	if (file->backing_lock)
		file->backing = what.fd;
	else
		close(what.fd);
	return err;
}

int lclone_lock(struct lclone_file *file, enum lclone_lock_kind kind)
{
	const struct lclone_locked what = { file->fd, file->block, file->path };
	int err = lclone_lock_take(&file->lock, &what, kind);

	if (!err && file->block && kind == LCLONE_LOCK_EXCLUSIVE)
		err = lclone_lv_have_alone(file->rdev);
	return err || !file->block ? err : lock_backing(file, kind);
}

void lclone_unlock(struct lclone_file *file)
{
	lclone_lock_drop(&file->lock);
	if (file->backing_lock)
		close(file->backing);
	lclone_lock_drop(&file->backing_lock);
}

struct others {
	const struct lclone_file *file;
	bool readers;			/* of ours may have it */
};

static int refuse_other(dev_t dev, void *ctx)
{
	const struct others *o = ctx;
	const struct lclone_file *file = o->file;
	char name[PATH_MAX], who[PATH_MAX];
	int fd;

	if (file->block && dev == file->rdev)
		return 0;
	lclone_dev_name(dev, name);
	lclone_dev_mount(dev, false, who);
	if (who[0])
		return lclone_fail(-EBUSY, "%s is in use: %s, which shows the same, is mounted on %s",
				   file->path, name, who);
	if (lclone_dev_each(dev, "holders", keep_name, who))
		return lclone_fail(-EBUSY, "%s is in use: %s, which shows the same, is used by %s",
				   file->path, name, who);
	fd = open(name, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || errno != EBUSY || (o->readers && lclone_claim_is_taken(dev)))
		return 0;
	return lclone_fail(-EBUSY, "%s is in use: %s, which shows the same, is in use", file->path,
			   name);
}

/* The kernel, which knows no locks, may have it by another loop device. */
static int refuse_others(const struct lclone_file *file, bool readers)
{
	struct others others = { file, readers };
	struct lclone_backing backing = { .offset = 0 };
	struct stat st;

	if (file->block && !lclone_dev_backing(file->rdev, &backing))
		return 0;
	if (!file->block) {
		if (fstat(file->fd, &st))
			return lclone_fail(-errno, "%s: %m", file->path);
		backing.fs = st.st_dev;
		backing.inode = st.st_ino;
		backing.bytes = st.st_size;
	}
	return lclone_each_showing(&backing, refuse_other, &others);
}

static int claim_device(struct lclone_file *file)
{
	const struct lclone_locked what = { file->fd, file->block, file->path };
	unsigned int waited = 0;
	int err;

	for (;;) {
		err = lclone_claim_take(&file->claim, &what);
		if (err == -EBUSY)
			err = busy(file);
		if (err != -EAGAIN || waited >= LCLONE_LOCK_MS)
			return err == -EAGAIN ? -EBUSY : err;
		nanosleep(&poll, NULL);
		waited += LCLONE_LOCK_POLL_MS;
	}
}

int lclone_file_claim(struct lclone_file *file)
{
	int err = file->block ? claim_device(file) : 0;

	return err ?: refuse_others(file, true);
}

/* O_DIRECT, but not every filesystem has it */
static int try_open(struct lclone_file *file, int flags)
{
	file->fd = open(file->path, flags | O_DIRECT | O_CLOEXEC);
	file->direct = file->fd >= 0;
	if (file->fd < 0 && errno == EINVAL)
		file->fd = open(file->path, flags | O_CLOEXEC);
	if (file->fd >= 0)
		return 0;
	return errno == EBUSY ? busy(file) : lclone_fail(-errno, "%s: %m", file->path);
}

/* "vg/lv", as LVM's programs take it, is /dev/vg/lv; one that is not active has no node. */
static int find_path(struct lclone_file *file, struct stat *st)
{
	char dev[PATH_MAX], vg[128], lv[128], rest;
	int err;

	if (!stat(file->path, st))
		return 0;
	err = -errno;
	if (err == -ENOENT && sscanf(file->path, "%127[^/]/%127[^/]%c", vg, lv, &rest) == 2 &&
	    vg[0] != '.') {
		snprintf(dev, sizeof(dev), "/dev/%s/%s", vg, lv);
		if (!stat(dev, st)) {
			strcpy(file->path, dev);
			return 0;
		}
	} else if (err != -ENOENT ||
		   sscanf(file->path, "/dev/%127[^/]/%127[^/]%c", vg, lv, &rest) != 2 ||
		   !strcmp(vg, "mapper")) {
		return lclone_fail(err, "%s: %s", file->path, strerror(-err));
	}
	return lclone_fail(err, "%s: %s (if it is a logical volume that is not active: lvchange -ay %s/%s)",
			   file->path, strerror(-err), vg, lv);
}

/* O_EXCL is not for plain files. */
static int open_fd(struct lclone_file *file, int flags)
{
	unsigned int waited = 0;
	struct stat st;
	int err;

	err = find_path(file, &st);
	if (err)
		return err;
	file->block = S_ISBLK(st.st_mode);
	if (!file->block && !S_ISREG(st.st_mode))
		return lclone_fail(-ENOTBLK, "%s is neither a block device nor a file",
				   file->path);
	file->rdev = st.st_rdev;

	if (!file->block)
		flags &= ~O_EXCL;
	while ((err = try_open(file, flags)) == -EAGAIN && waited < LCLONE_LOCK_MS) {
		nanosleep(&poll, NULL);
		waited += LCLONE_LOCK_POLL_MS;
	}
	if (err == -EAGAIN && lclone_claim_is_taken(file->rdev))
		return lclone_fail(-EBUSY, "%s is in use by another lclone", file->path);
	return err == -EAGAIN ? -EBUSY : err;
}

void lclone_file_yield(struct lclone_file *file)
{
	if (!file->block || file->fd < 0)
		return;
	close(file->fd);
	file->fd = -1;
}

int lclone_file_open_ready(struct lclone_file *file, const char *path, int flags)
{
	int err = lclone_file_open(file, path, flags);	/* which reads nothing */

	return err || !file->block ? err : lclone_refuse_suspended(file->rdev, file->path);
}

int lclone_file_open(struct lclone_file *file, const char *path, int flags)
{
	int err, lbs;

	memset(file, 0, sizeof(*file));
	file->fd = -1;
	file->logical_block = 512;
	file->dev.read = file_read;
	if (snprintf(file->path, sizeof(file->path), "%s", path) >= (int)sizeof(file->path))
		return lclone_fail(-ENAMETOOLONG, "%.64s...: the name is too long", path);

	err = open_fd(file, flags);
	if (err)
		return err;
	if (flags & O_EXCL)
		err = lclone_lock(file, LCLONE_LOCK_EXCLUSIVE) ?: refuse_others(file, false);
	if (!err)
		err = file_size(file);
	if (err)
		return err;
	if (file->block) {
		if (ioctl(file->fd, BLKSSZGET, &lbs))
			return lclone_fail(-errno, "%s: cannot get its block size: %m", path);
		if (lbs > LCLONE_BLOCK_SIZE)
			return lclone_fail(-EOPNOTSUPP,
					   "%s has a logical block size of %d, more than %d",
					   path, lbs, LCLONE_BLOCK_SIZE);
		file->logical_block = lbs;
	} else {
		struct stat st;

		if (fstat(file->fd, &st))
			return lclone_fail(-errno, "%s: %m", path);
		if (st.st_size % 512)
			return lclone_fail(-EINVAL, "%s: its size is not a multiple of 512", path);
		/* what O_DIRECT on a file wants is the filesystem's matter */
		if (file->dev.sectors % LCLONE_BLOCK_SECTORS) {
			err = lclone_file_buffered(file);
			if (err)
				return err;
		}
		if (file->direct)
			file->logical_block = LCLONE_BLOCK_SIZE;
	}
	if (posix_memalign(&file->bounce, BOUNCE_ALIGN, BOUNCE_SIZE))
		return lclone_fail(-ENOMEM, "out of memory");
	return 0;
}

void lclone_file_close(struct lclone_file *file)
{
	lclone_claim_drop(&file->claim);
	lclone_unlock(file);
	if (file->fd >= 0)
		close(file->fd);
	free(file->bounce);
	file->fd = -1;
	file->bounce = NULL;
}

int lclone_file_write(struct lclone_file *file, const void *buf, u64 sector, u32 count)
{
	size_t left = (size_t)count << 9;
	u64 at = sector << 9;
	size_t len;
	int err = file->scratch ? 0 : lclone_change();

	while (!err && left) {
		len = left < BOUNCE_SIZE ? left : BOUNCE_SIZE;
		memcpy(file->bounce, buf, len);
		err = lclone_write_fd(file->fd, file->bounce, len, at, file->path);
		buf = (const u8 *)buf + len;
		at += len;
		left -= len;
	}
	return err;
}

int lclone_write_fd(int fd, const void *buf, size_t size, u64 at, const char *path)
{
	ssize_t ret;

	while (size) {
		ret = pwrite(fd, buf, size, at);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return lclone_fail(lclone_io_error(ret ? -errno : -EIO, true),
					   "%s: write error at byte %" PRIu64 ": %s", path, at,
					   strerror(ret ? errno : EIO));
		buf = (const u8 *)buf + ret;
		at += ret;
		size -= ret;
	}
	return 0;
}

int lclone_file_sync(struct lclone_file *file)
{
	return lclone_sync_fd(file->fd, file->path);
}

int lclone_sync_fd(int fd, const char *path)
{
	int ret;

	do {
		ret = fsync(fd);
	} while (ret && errno == EINTR);
	return ret ? lclone_fail(lclone_io_error(-errno, true), "%s: cannot flush: %m", path) : 0;
}

bool lclone_file_same(const struct lclone_file *a, const struct lclone_file *b)
{
	struct stat sa, sb;

	if (a->block && b->block)
		return a->rdev == b->rdev;
	return !fstat(a->fd, &sa) && !fstat(b->fd, &sb) && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

int lclone_file_no_signature(const struct lclone_file *file)
{
	const char *type = NULL;
	blkid_probe probe;
	int ret;

	/* opens it again: libblkid does not read with O_DIRECT */
	probe = blkid_new_probe_from_filename(file->path);
	if (!probe)
		return lclone_fail(-EIO, "%s: cannot be probed for signatures", file->path);
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE);
	blkid_probe_enable_partitions(probe, 1);
	ret = blkid_do_fullprobe(probe);
	if (!ret && blkid_probe_lookup_value(probe, "TYPE", &type, NULL))
		blkid_probe_lookup_value(probe, "PTTYPE", &type, NULL);
	if (!ret)
		ret = lclone_fail(-EEXIST, "%s holds a signature of %s", file->path,
				  type ? type : "something else");
	else if (ret == 1)
		ret = 0;	/* nothing found */
	else
		ret = lclone_fail(-EIO, "%s: cannot be probed for signatures", file->path);
	blkid_free_probe(probe);
	return ret;
}

int lclone_file_is_blank(const struct lclone_file *file)
{
	u8 block[LCLONE_BLOCK_SIZE];
	int err;

	err = lclone_file_no_signature(file);
	if (err)
		return err;
	err = lclone_dev_read(&file->dev, block, 0, LCLONE_BLOCK_SECTORS);
	if (err)
		return lclone_fail(err, "%s: cannot be read: %s", file->path, strerror(-err));
	if (block[0] || memcmp(block, block + 1, sizeof(block) - 1))
		return lclone_fail(-EEXIST, "%s is not blank: its first 4 KiB are not zero",
				   file->path);
	return 0;
}
