/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Block devices and plain files: open, size, who uses them, read and write.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_FILE_H
#define LCLONE_FILE_H

#include <limits.h>
#include <sys/types.h>

#include "format/dev.h"
#include "host/device.h"
#include "host/lock.h"

struct lclone_file {
	struct lclone_dev dev;		/* reads bypass the page cache where that is possible */
	int fd;
	bool block;			/* a block device, else a plain file */
	bool direct;
	bool scratch;			/* nobody else's: it may be written in a dry run, see dry.h */
	u32 logical_block;		/* in bytes; of a plain file what O_DIRECT wants */
	dev_t rdev;			/* of a block device */
	char path[PATH_MAX];
	void *bounce;
	struct lclone_lock *lock;	/* see lock.h; NULL: none */
	struct lclone_claim *claim;	/* the same */
	struct lclone_lock *backing_lock;	/* on the file that a loop device shows; NULL: none */
	int backing;			/* that file, open as long as it is locked */
};

/*
 * Opens a block device (also one of LVM's by "vg/lv"), or a plain file of whole sectors.  @flags
 * are those of open(2); O_EXCL means that nobody else may use the device (dm, a mount, ...), and
 * that its lock is exclusive, see lock.h; nor may they use a loop device that shows the same.
 * -EBUSY says by whom it is used; who is about to end, as a killed process whose last I/O is on
 * its way, is waited for.
 * @file is closed by lclone_file_close() also if this fails.
 */
int lclone_file_open(struct lclone_file *file, const char *path, int flags);
void lclone_file_close(struct lclone_file *file);

/*
 * The same, but -EBUSY for a device that is suspended, or lies on one that is: whoever
 * reads it would wait without end.
 */
int lclone_file_open_ready(struct lclone_file *file, const char *path, int flags);

/*
 * Locks what @file, which is open, is on; lclone_file_close() ends that.  Exclusive: also from
 * other hosts, if they share it by LVM, see lv-lock.h. If it is locked
 * already the lock becomes one of @kind. lclone_file_open() with O_EXCL has done it: exclusive.
 */
int lclone_lock(struct lclone_file *file, enum lclone_lock_kind kind);

/*
 * Keeps all but readers of ours from the device, which is open, and whose lock is shared, until
 * it is closed. -EBUSY says who has it, or a loop device that shows the same.
 */
int lclone_file_claim(struct lclone_file *file);

/* It ends before the file is closed. */
void lclone_unlock(struct lclone_file *file);

/* The kernel may have the device from here on; the lock stays until the file is closed. */
void lclone_file_yield(struct lclone_file *file);

/* The logical block of a device, of which a clone's must not be a part; that of a plain file is 512. */
static inline u32 lclone_file_block_size(const struct lclone_file *file)
{
	return file->block ? file->logical_block : 512;
}

/* From now on through the page cache, where any alignment goes. */
int lclone_file_buffered(struct lclone_file *file);

/* -EBUSY if it is smaller now than when it was opened: what could not be read need not be damage. */
int lclone_file_not_shrunk(const struct lclone_file *file);

/* Whole sectors, below the file's size.  Durable after lclone_file_sync(). */
int lclone_file_write(struct lclone_file *file, const void *buf, u64 sector, u32 count);
int lclone_file_sync(struct lclone_file *file);

/* The same of a descriptor; @path is for the sentence. */
int lclone_write_fd(int fd, const void *buf, size_t size, u64 at, const char *path);
int lclone_sync_fd(int fd, const char *path);

/*
 * What to return for an I/O that has failed with @err: -EIO, but for a lack of memory, or of space
 * to write.  What a device says (ENODATA for a bad sector, EINVAL, ENXIO) has a meaning of its
 * own where it is asked what is on it.
 */
int lclone_io_error(int err, bool write);

/* Are they one device, or one file? */
bool lclone_file_same(const struct lclone_file *a, const struct lclone_file *b);

/* -EBUSY if the device is mounted, or something of device-mapper lies on it. */
int lclone_file_not_held(const struct lclone_file *file);

/* -EBUSY if the device is mounted so that it can be written. */
int lclone_file_not_mounted_rw(const struct lclone_file *file);

/* -EEXIST if a signature of something else is on the device. */
int lclone_file_no_signature(const struct lclone_file *file);

/*
 * -EEXIST if a signature of something else is on the device, or its first 4
 * KiB are not zero: formatting it would lose data.
 */
int lclone_file_is_blank(const struct lclone_file *file);

#endif /* LCLONE_FILE_H */
