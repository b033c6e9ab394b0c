// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "basic/dry.h"
#include "basic/fail.h"
#include "host/part.h"

#define MARK	"user.lclone.part"	/* of an image that is not complete: it has any size */

int lclone_sync_directory(const char *path)
{
	char dir[PATH_MAX], *slash;
	int fd, err;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash)
		slash[1] = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = fd < 0 ? lclone_fail(-errno, "%s: cannot flush: %m", slash ? dir : ".") :
		       lclone_sync_fd(fd, slash ? dir : ".");
	if (fd >= 0)
		close(fd);
	return err;
}

/* From one name to another that is free: at once, or where that cannot be by a link. */
static int give_name(const char *from, const char *to)
{
	if (!renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE))
		return 0;
	if (errno == EEXIST || link(from, to))
		return -errno;
	return unlink(from) ? -errno : 0;
}

static void probe_of(const struct lclone_part *part, char probe[PATH_MAX + 16])
{
	snprintf(probe, PATH_MAX + 16, "%s.try", part->part);
}

/* What a run that was killed in try_names() has left is empty. */
static void forget_probe(const struct lclone_part *part)
{
	char probe[PATH_MAX + 16];
	struct stat st;

	probe_of(part, probe);
	if (!lstat(probe, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() && !st.st_size)
		unlink(probe);
}

/* Known before the copy, not at its end. */
static int try_names(struct lclone_part *part)
{
	char probe[PATH_MAX + 16];
	int err;

	probe_of(part, probe);
	err = give_name(part->part, probe);
	if (!err)
		err = give_name(probe, part->part);
	if (err)
		return lclone_fail(-EOPNOTSUPP, "%s: no file can get its name there without overwriting another: %s",
				   part->path, strerror(-err));
	return 0;
}

static bool is_ours(const struct lclone_part *part, const struct stat *st, int fd)
{
	if (!S_ISREG(st->st_mode) || st->st_uid != geteuid() || st->st_nlink != 1)
		return false;
	if (!st->st_size)
		return true;
	if ((st->st_mode & 07777) != 0600)
		return false;
	return part->sectors ? (u64)st->st_size == part->sectors << 9 :
			       fgetxattr(fd, MARK, NULL, 0) >= 0;
}

/* The file that the name still leads to, now that it is locked: else it was another's. */
static int verify(const struct lclone_part *part, const struct lclone_file *file)
{
	struct stat st, named;

	if (fstat(file->fd, &st))
		return lclone_fail(-errno, "%s: %m", part->part);
	if (lstat(part->part, &named) || named.st_dev != st.st_dev || named.st_ino != st.st_ino)
		return lclone_fail(-EBUSY, "%s is in use by another lclone", part->part);
	if (!is_ours(part, &st, file->fd) && !part->sectors)
		return lclone_fail(-EEXIST, "%s exists: remove it if a run that was killed has left it, else rename it",
				   part->part);
	if (!is_ours(part, &st, file->fd))
		return lclone_fail(-EEXIST, "%s exists, and is not what an interrupted copy of this clone has left: remove or rename it",
				   part->part);
	if (!lstat(part->path, &named))
		return lclone_fail(-EEXIST, "%s exists", part->path);
	return 0;
}

/* Under its lock, and only then truncated */
static int prepare(struct lclone_part *part, struct lclone_file *raw)
{
	int err;

	raw->fd = open(part->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (raw->fd < 0 && errno == ELOOP)
		return lclone_fail(-EEXIST, "%s is a symbolic link: remove it", part->part);
	if (raw->fd < 0)
		return lclone_fail(-errno, "%s: %m", part->part);
	snprintf(raw->path, sizeof(raw->path), "%s", part->part);
	err = lclone_lock(raw, LCLONE_LOCK_EXCLUSIVE);
	if (!err)
		forget_probe(part);
	if (!err)
		err = verify(part, raw);
	if (!err && (ftruncate(raw->fd, 0) || fchmod(raw->fd, 0600)))
		err = lclone_fail(-errno, "%s: %m", part->part);
	if (!err && !part->sectors)
		(void)fsetxattr(raw->fd, MARK, "", 0, 0);	/* where that cannot be, it is refused later */
	if (!err)
		err = try_names(part);
	if (!err && ftruncate(raw->fd, part->sectors << 9))
		err = lclone_fail(-errno, "%s: %m", part->part);
	return err;
}

/*
 * The lock has to be on what is written through, so that a dead run keeps it for as long as
 * its writes are in flight.  Who comes between the two locks has it, and we are refused.
 */
static int open_part(struct lclone_part *part, const char *path)
{
	struct lclone_file raw = { .fd = -1 };
	struct stat st;
	char name[64];
	int err;

	part->file.fd = -1;
	if (!path[0] || path[strlen(path) - 1] == '/')
		return lclone_fail(-EISDIR, "\"%s\" is no name for a file", path);
	if (!lstat(path, &st))
		return lclone_fail(-EEXIST, "%s exists", path);
	if (snprintf(part->path, PATH_MAX, "%s", path) >= PATH_MAX ||
	    snprintf(part->part, PATH_MAX, "%s.part", path) >= PATH_MAX)
		return lclone_fail(-ENAMETOOLONG, "%.64s...: the name is too long", path);
	err = lclone_change() ?: prepare(part, &raw);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", raw.fd);
	if (!err)
		err = lclone_file_open(&part->file, name, O_RDWR);
	snprintf(part->file.path, PATH_MAX, "%s", part->part);
	lclone_file_close(&raw);
	if (!err)
		err = lclone_lock(&part->file, LCLONE_LOCK_EXCLUSIVE);
	if (!err)
		err = verify(part, &part->file);
	part->ours = !err;
	return err;
}

int lclone_part_open(struct lclone_part *part, const char *path, u64 sectors)
{
	memset(part, 0, sizeof(*part));
	part->sectors = sectors;
	return open_part(part, path);
}

int lclone_part_open_image(struct lclone_part *part, const char *path)
{
	memset(part, 0, sizeof(*part));
	return open_part(part, path);
}

int lclone_part_finish(struct lclone_part *part)
{
	int err = give_name(part->part, part->path);

	if (!part->sectors)	/* not before: a part without it would be nobody's */
		(void)fremovexattr(part->file.fd, MARK);
	if (err)
		return lclone_fail(err, "%s is complete, but cannot become %s: %s", part->part,
				   part->path, strerror(-err));
	part->named = true;
	return lclone_sync_directory(part->path);
}

void lclone_part_abandon(struct lclone_part *part)
{
	const char *name = part->named ? part->path : part->part;
	struct stat st, named;

	if (part->ours && !fstat(part->file.fd, &st) && !lstat(name, &named) &&
	    named.st_dev == st.st_dev && named.st_ino == st.st_ino)
		unlink(name);
	lclone_part_close(part);
}

void lclone_part_close(struct lclone_part *part)
{
	lclone_file_close(&part->file);
	part->ours = false;
}
