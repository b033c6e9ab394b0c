// SPDX-License-Identifier: GPL-2.0-only
/* Execution of a repair's plan, and the file that can put back what it changed */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fail.h"
#include "format_user.h"
#include "part.h"
#include "repair.h"

#define UNDO_MAGIC	"dmlclone undo 1"

struct undo_disk {
	u8 magic[16];
	u8 uuid[LCLONE_UUID_SIZE];	/* of the delta */
	__le64 count;
	__le32 csum;			/* of the entries */
	__le32 reserved;
	struct undo_entry {
		__le64 block;
		__le32 new_csum;	/* of what the repair has written */
		__le32 reserved;
		u8 old[LCLONE_BLOCK_SIZE];
	} entry[];
};

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

static int write_all(int fd, const void *data, size_t size, const char *path)
{
	ssize_t ret;

	for (; size; data = (const u8 *)data + ret, size -= ret) {
		ret = write(fd, data, size);
		if (ret < 0)
			return lclone_fail(-errno, "%s: write error: %m", path);
	}
	if (fsync(fd))
		return lclone_fail(-errno, "%s: cannot flush: %m", path);
	return lclone_sync_directory(path);
}

static int save(const struct lclone_repair *r, struct lclone_file *delta, const char *path)
{
	size_t size = r->patches * sizeof(struct undo_entry), i;
	struct undo_disk *undo;
	int err = 0, fd;

	undo = calloc(1, sizeof(*undo) + size);
	if (!undo)
		return lclone_fail(-ENOMEM, "out of memory");
	memcpy(undo->magic, UNDO_MAGIC, sizeof(undo->magic));
	memcpy(undo->uuid, r->salvage.delta.sb.uuid, LCLONE_UUID_SIZE);
	undo->count = cpu_to_le64(r->patches);
	for (i = 0; i < r->patches; i++) {
		undo->entry[i].block = cpu_to_le64(r->patch[i].block);
		undo->entry[i].new_csum = cpu_to_le32(lclone_crc32c(r->patch[i].data,
								    LCLONE_BLOCK_SIZE));
		/* what cannot be read has nothing to save: zeros stand for it */
		if (lclone_dev_read(&delta->dev, undo->entry[i].old,
				    r->patch[i].block * LCLONE_BLOCK_SECTORS,
				    LCLONE_BLOCK_SECTORS))
			memset(undo->entry[i].old, 0, LCLONE_BLOCK_SIZE);
	}
	undo->csum = cpu_to_le32(lclone_crc32c(undo->entry, size));
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		err = lclone_fail(-errno, "%s: %m", path);
		goto out;
	}
	err = write_all(fd, undo, sizeof(*undo) + size, path);
	close(fd);
out:
	free(undo);
	return err;
}

int lclone_repair_apply(const struct lclone_repair *r, struct lclone_file *delta, const char *path)
{
	size_t i;
	int err;

	err = save(r, delta, path);
	for (i = 0; !err && i < r->patches; i++) {
		/* all nodes before the first superblock, that before the second */
		if (i + 2 >= r->patches)
			err = lclone_file_sync(delta);
		if (!err)
			err = write_block(delta, r->patch[i].block, r->patch[i].data);
	}
	return err ?: lclone_file_sync(delta);
}

static int load(const char *path, struct undo_disk **out)
{
	struct undo_disk *undo = NULL;
	struct stat st;
	u64 entries = 0;
	int fd, err = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		err = lclone_fail(-errno, "%s: %m", path);
		goto out;
	}
	undo = malloc(st.st_size + sizeof(*undo));
	if (!undo) {
		err = lclone_fail(-ENOMEM, "out of memory");
		goto out;
	}
	if (st.st_size >= (off_t)sizeof(*undo))
		entries = (st.st_size - sizeof(*undo)) / sizeof(struct undo_entry);
	if (!entries || pread(fd, undo, st.st_size, 0) != st.st_size ||
	    memcmp(undo->magic, UNDO_MAGIC, sizeof(undo->magic)) ||
	    le64_to_cpu(undo->count) != entries ||
	    le32_to_cpu(undo->csum) != lclone_crc32c(undo->entry,
						     entries * sizeof(struct undo_entry)))
		err = lclone_fail(-EINVAL, "%s is no file that lclone repair has saved, or not whole",
				  path);
out:
	if (fd >= 0)
		close(fd);
	if (err)
		free(undo);
	else
		*out = undo;
	return err;
}

/* A copy of the delta has the same uuid, and the same blocks; another delta has not. */
static int same_delta(struct lclone_file *file, const struct undo_disk *undo)
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
static int unchanged_since(struct lclone_file *delta, const struct undo_disk *undo)
{
	u8 block[LCLONE_BLOCK_SIZE];
	u64 i;
	int err;

	for (i = 0; i < le64_to_cpu(undo->count); i++) {
		const struct undo_entry *e = &undo->entry[i];

		err = read_block(delta, le64_to_cpu(e->block), block);
		if (err)
			return err;
		if (memcmp(block, e->old, sizeof(block)) &&
		    lclone_crc32c(block, sizeof(block)) != le32_to_cpu(e->new_csum))
			return lclone_fail(-ESTALE, "%s was changed since that repair, or is another delta: block %"
					   PRIu64 " is not as it was left", delta->path,
					   le64_to_cpu(e->block));
	}
	return 0;
}

int lclone_repair_undo(struct lclone_file *delta, const char *path)
{
	struct undo_disk *undo;
	u64 i, count;
	int err;

	err = load(path, &undo);
	if (err)
		return err;
	err = same_delta(delta, undo);
	if (!err)
		err = unchanged_since(delta, undo);
	count = le64_to_cpu(undo->count);
	/* the other way round: both superblocks, then what only the new ones lead to */
	for (i = count; !err && i-- > 0; ) {
		err = write_block(delta, le64_to_cpu(undo->entry[i].block), undo->entry[i].old);
		if (!err && i + 2 >= count)
			err = lclone_file_sync(delta);
	}
	free(undo);
	return err ?: lclone_file_sync(delta);
}
