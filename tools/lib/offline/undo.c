// SPDX-License-Identifier: GPL-2.0-only
/* Execution of a repair's plan, and the file that can put back what it changed */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fail.h"
#include "format_user.h"
#include "host/part.h"
#include "offline/repair.h"
#include "offline/undo.h"

#define UNDO_MAGIC	"dmlclone undo 1"

/* What the file begins with; @count entries follow. */
struct undo_disk {
	u8 magic[16];
	u8 uuid[LCLONE_UUID_SIZE];	/* of the delta */
	__le64 count;
	__le32 csum;			/* of the entries */
	__le32 reserved;
};

struct undo_entry {
	__le64 block;
	__le32 new_csum;		/* of what the repair has written */
	__le32 gone;			/* 1: what was there is unknown, and must not be taken for zeros */
	u8 old[LCLONE_BLOCK_SIZE];
};

static_assert(sizeof(struct undo_disk) == 48, "header of a saved file");
static_assert(sizeof(struct undo_entry) == 16 + LCLONE_BLOCK_SIZE, "entry of a saved file");

struct undo {
	const char *path;
	int fd;
	u64 count;
	u8 uuid[LCLONE_UUID_SIZE];
};

static off_t entry_at(u64 i)
{
	return sizeof(struct undo_disk) + i * sizeof(struct undo_entry);
}

static int read_block(struct lclone_file *delta, u64 block, void *buf)
{
	int err = lclone_dev_read(&delta->dev, buf, block * LCLONE_BLOCK_SECTORS,
				  LCLONE_BLOCK_SECTORS);

	if (err)
		return lclone_fail(err, "%s: block %" PRIu64 " cannot be read: %s", delta->path,
				   block, strerror(-err));
	return 0;
}

static int write_block(struct lclone_file *delta, u64 block, const void *data)
{
	return lclone_file_write(delta, data, block * LCLONE_BLOCK_SECTORS,
				 LCLONE_BLOCK_SECTORS);
}

static int interrupted(const struct lclone_repair *r, const char *phase, u64 i)
{
	if (lclone_watch_stops(r->salvage.watch, phase, i * LCLONE_BLOCK_SIZE,
			       (u64)r->patches * LCLONE_BLOCK_SIZE))
		return lclone_fail(-EINTR, "interrupted: nothing was repaired");
	return 0;
}

static int get_patch(struct lclone_repair *r, size_t i, struct lclone_patch *patch)
{
	int err = lclone_repair_patch(r, i, patch);

	return err ? lclone_fail(err, "%s", r->why) : 0;
}

static int save_entries(struct lclone_repair *r, struct lclone_file *delta, int fd,
			const char *path, u32 *csum)
{
	struct lclone_patch patch;
	struct undo_entry entry;
	size_t i;
	int err;

	for (i = 0; i < r->patches; i++) {
		err = interrupted(r, "saving", i);
		if (!err)
			err = get_patch(r, i, &patch);
		if (err)
			return err;
		entry = (struct undo_entry){
			.block = cpu_to_le64(patch.block),
			.new_csum = cpu_to_le32(lclone_crc32c(patch.data, LCLONE_BLOCK_SIZE)),
		};
		/* what cannot be read has nothing to save: zeros stand for it, but in the log */
		if (lclone_dev_read(&delta->dev, entry.old, patch.block * LCLONE_BLOCK_SECTORS,
				    LCLONE_BLOCK_SECTORS)) {
			memset(entry.old, 0, LCLONE_BLOCK_SIZE);
			entry.gone = cpu_to_le32(i >= r->tree.nodes + 2);
		}
		*csum = lclone_crc32c_more(*csum, &entry, sizeof(entry));
		err = lclone_write_fd(fd, &entry, sizeof(entry), entry_at(i), path);
		if (err)
			return err;
	}
	return 0;
}

static int save(struct lclone_repair *r, struct lclone_file *delta, const char *path)
{
	struct undo_disk undo = { .count = cpu_to_le64(r->patches) };
	u32 csum = 0;
	int err, fd;

	memcpy(undo.magic, UNDO_MAGIC, sizeof(undo.magic));
	memcpy(undo.uuid, r->salvage.delta.sb.uuid, LCLONE_UUID_SIZE);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return lclone_fail(-errno, "%s: %m", path);
	err = save_entries(r, delta, fd, path, &csum);
	undo.csum = cpu_to_le32(csum);
	if (!err)
		err = lclone_write_fd(fd, &undo, sizeof(undo), 0, path);
	if (!err)
		err = lclone_sync_fd(fd, path);
	close(fd);
	if (!err)
		err = lclone_sync_directory(path);
	if (err)
		unlink(path);
	return err;
}

/* The plan took a while, and another host may have opened the delta since. */
static int refuse_changed(const struct lclone_repair *r, const struct lclone_file *delta)
{
	const struct lclone_slot *was = r->salvage.delta.slot;
	struct lclone_delta now;
	bool same = true;
	int i;

	lclone_delta_open_sb(&now, &delta->dev);	/* it is damaged, but both slots were read */
	for (i = 0; i < 2; i++)
		same &= now.slot[i].err == was[i].err &&
			(was[i].err || (now.slot[i].sb.seq == was[i].sb.seq &&
					!memcmp(now.slot[i].sb.uuid, was[i].sb.uuid, LCLONE_UUID_SIZE)));
	lclone_delta_close(&now);
	return same ? 0 : lclone_fail(-EBUSY, "%s was changed meanwhile, maybe by another host: nothing was repaired",
				      delta->path);
}

int lclone_repair_apply(struct lclone_repair *r, struct lclone_file *delta, const char *path)
{
	struct lclone_patch patch;
	size_t i;
	int err;

	err = lclone_file_not_shrunk(delta) ?: save(r, delta, path);
	if (!err) {
		err = refuse_changed(r, delta);
		if (err)
			unlink(path);
	}
	for (i = 0; !err && i < r->patches; i++) {
		/* all nodes before the first superblock, that before the second, both before the log */
		if (i >= r->tree.nodes && i <= r->tree.nodes + 2)
			err = lclone_file_sync(delta);
		else if (i < r->tree.nodes)
			err = interrupted(r, "writing", i);
		if (!err)
			err = get_patch(r, i, &patch);
		if (!err)
			err = write_block(delta, patch.block, patch.data);
		if (err == -EINTR && i < r->tree.nodes)	/* only free blocks have changed */
			unlink(path);
	}
	return err ?: lclone_file_sync(delta);
}

static int read_entry(const struct undo *undo, u64 i, struct undo_entry *entry)
{
	ssize_t ret = pread(undo->fd, entry, sizeof(*entry), entry_at(i));

	if (ret < 0)
		return lclone_fail(-errno, "%s: read error: %m", undo->path);
	return ret == sizeof(*entry) ? 0 :
	       lclone_fail(-EINVAL, "%s: has become shorter", undo->path);
}

static int load(const char *path, struct undo *undo)
{
	struct undo_disk head;
	struct undo_entry entry;
	u32 csum = 0;
	struct stat st;
	u64 i;
	int err = 0;

	undo->path = path;
	undo->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (undo->fd < 0 || fstat(undo->fd, &st))
		return lclone_fail(-errno, "%s: %m", path);
	undo->count = 0;
	if (S_ISREG(st.st_mode) && st.st_size >= (off_t)sizeof(head))
		undo->count = (st.st_size - sizeof(head)) / sizeof(entry);
	if (!undo->count || pread(undo->fd, &head, sizeof(head), 0) != sizeof(head) ||
	    memcmp(head.magic, UNDO_MAGIC, sizeof(head.magic)) ||
	    le64_to_cpu(head.count) != undo->count)
		goto not_whole;
	memcpy(undo->uuid, head.uuid, sizeof(undo->uuid));
	for (i = 0; !err && i < undo->count; i++) {
		err = read_entry(undo, i, &entry);
		csum = lclone_crc32c_more(csum, &entry, sizeof(entry));
	}
	if (err || csum == le32_to_cpu(head.csum))
		return err;
not_whole:
	return lclone_fail(-EINVAL, "%s is no file that lclone repair has saved, or not whole",
			   path);
}

/* A copy of the delta has the same uuid, and the same blocks; another delta has not. */
static int same_delta(struct lclone_file *file, const struct undo *undo)
{
	struct lclone_delta delta;
	int i, readable = 0, same = 0;

	lclone_delta_open_sb(&delta, &file->dev);	/* it may be damaged anew */
	for (i = 0; i < 2; i++) {
		if (delta.slot[i].err)
			continue;
		readable++;
		same += !memcmp(delta.slot[i].sb.uuid, undo->uuid, LCLONE_UUID_SIZE);
	}
	lclone_delta_close(&delta);
	return !readable || same ? 0 :
	       lclone_fail(-ESTALE, "%s is another delta than the one that was repaired", file->path);
}

/* Each block is as the repair has written it, or as it was before. */
static int unchanged_since(struct lclone_file *delta, const struct undo *undo)
{
	u8 block[LCLONE_BLOCK_SIZE];
	struct undo_entry e;
	u64 i;
	int err;

	for (i = 0; i < undo->count; i++) {
		err = read_entry(undo, i, &e);
		if (!err && e.gone)
			err = lclone_fail(-ESTALE, "%s: block %" PRIu64
					  " of the log could not be read before that repair: the delta cannot be made again what it was, without pretending that nothing was there",
					  delta->path, le64_to_cpu(e.block));
		if (!err)
			err = read_block(delta, le64_to_cpu(e.block), block);
		if (err)
			return err;
		if (memcmp(block, e.old, sizeof(block)) &&
		    lclone_crc32c(block, sizeof(block)) != le32_to_cpu(e.new_csum))
			return lclone_fail(-ESTALE, "%s was changed since that repair, or is another delta: block %"
					   PRIu64 " is not as it was left", delta->path,
					   le64_to_cpu(e.block));
	}
	return 0;
}

/* What is written before a superblock is durable before it, and it before what comes then. */
static int put_back(struct lclone_file *delta, u64 block, const void *old)
{
	if (block != LCLONE_SB_SLOT_A && block != LCLONE_SB_SLOT_B)
		return write_block(delta, block, old);
	return lclone_file_sync(delta) ?: write_block(delta, block, old) ?:
	       lclone_file_sync(delta);
}

int lclone_repair_undo(struct lclone_file *delta, const char *path)
{
	struct undo undo = { .count = 0 };
	struct undo_entry e;
	int err;
	u64 i;

	err = load(path, &undo);
	if (!err)
		err = same_delta(delta, &undo);
	if (!err)
		err = unchanged_since(delta, &undo);
	/* the other way round: the log, a superblock, the other, then what only the new ones lead to */
	for (i = undo.count; !err && i-- > 0; ) {
		err = read_entry(&undo, i, &e);
		if (!err)
			err = put_back(delta, le64_to_cpu(e.block), e.old);
	}
	if (undo.fd >= 0)
		close(undo.fd);
	return err ?: lclone_file_sync(delta);
}
