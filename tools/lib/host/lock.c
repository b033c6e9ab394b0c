// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "basic/fail.h"
#include "host/file.h"
#include "host/lock.h"

#define SWITCH_MS	30000	/* the switch of a table waits for I/O */

struct lclone_lock {
	struct lclone_lock *next;	/* of those that this process has */
	dev_t dev;			/* of a device its number, and no inode */
	ino_t ino;
	enum lclone_lock_kind kind;
	int fd;				/* of a device; -1: a plain file's own */
};

static struct lclone_lock *held;

/* Waits at most @ms; -EBUSY says that @what is in use. */
static int wait_for(int fd, enum lclone_lock_kind kind, unsigned int ms, const char *what)
{
	const struct timespec poll = { .tv_nsec = LCLONE_LOCK_POLL_MS * 1000000 };
	int op = (kind == LCLONE_LOCK_EXCLUSIVE ? LOCK_EX : LOCK_SH) | LOCK_NB;
	unsigned int waited = 0;

	while (flock(fd, op)) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return lclone_fail(-errno, "%s: cannot be locked: %m", what);
		if (waited >= ms)
			return lclone_fail(-EBUSY, "%s is in use by another lclone", what);
		nanosleep(&poll, NULL);
		waited += LCLONE_LOCK_POLL_MS;
	}
	return 0;
}

/* A file of ours to lock, or a negative errno */
static int open_lock(const char *name, const char *what)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), LCLONE_LOCK_DIR "/%s", name);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == ENOENT && (!mkdir(LCLONE_LOCK_DIR, 0700) || errno == EEXIST))
		fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd >= 0 ? fd : lclone_fail(-errno, "%s: cannot be locked: %s: %m", what, path);
}

static int name_what(const struct lclone_file *file, struct lclone_lock *lock)
{
	struct stat st;

	if (fstat(file->fd, &st))
		return lclone_fail(-errno, "%s: %m", file->path);
	lock->dev = file->block ? st.st_rdev : st.st_dev;
	lock->ino = file->block ? 0 : st.st_ino;
	return 0;
}

static const struct lclone_lock *find_held(const struct lclone_lock *wanted)
{
	const struct lclone_lock *lock;

	for (lock = held; lock; lock = lock->next)
		if (lock->dev == wanted->dev && lock->ino == wanted->ino)
			return lock;
	return NULL;
}

static int new_lock(struct lclone_file *file, enum lclone_lock_kind kind)
{
	struct lclone_lock wanted = { .kind = kind, .fd = -1 }, *lock;
	const struct lclone_lock *ours;
	char name[32];
	int err;

	err = name_what(file, &wanted);
	if (err)
		return err;
	ours = find_held(&wanted);
	if (ours && kind == LCLONE_LOCK_EXCLUSIVE && ours->kind != LCLONE_LOCK_EXCLUSIVE)
		return lclone_fail(-EBUSY, "%s is read by this very command, which cannot write to it, too: name another one",
				   file->path);
	if (ours)
		return 0;
	if (file->block) {
		snprintf(name, sizeof(name), "%u:%u", major(wanted.dev), minor(wanted.dev));
		wanted.fd = open_lock(name, file->path);
		if (wanted.fd < 0)
			return wanted.fd;
	}
	err = wait_for(file->block ? wanted.fd : file->fd, kind, LCLONE_LOCK_MS, file->path);
	lock = err ? NULL : malloc(sizeof(*lock));
	if (!lock) {
		if (file->block)
			close(wanted.fd);
		return err ?: lclone_fail(-ENOMEM, "out of memory");
	}
	*lock = wanted;
	lock->next = held;
	held = lock;
	file->lock = lock;
	return 0;
}

int lclone_lock(struct lclone_file *file, enum lclone_lock_kind kind)
{
	int err;

	if (!file->lock)
		return new_lock(file, kind);
	err = wait_for(file->block ? file->lock->fd : file->fd, kind, LCLONE_LOCK_MS, file->path);
	if (!err)
		file->lock->kind = kind;
	return err;
}

void lclone_unlock(struct lclone_file *file)
{
	struct lclone_lock **p;

	if (!file->lock)
		return;
	for (p = &held; *p != file->lock; p = &(*p)->next)
		;
	*p = file->lock->next;
	if (file->lock->fd >= 0)
		close(file->lock->fd);
	free(file->lock);
	file->lock = NULL;
}

int lclone_lock_clone(const char *name)
{
	char file[NAME_MAX + 1];
	int fd, err;

	snprintf(file, sizeof(file), "clone-%s", name);
	fd = open_lock(file, name);
	if (fd < 0)
		return fd;
	err = wait_for(fd, LCLONE_LOCK_EXCLUSIVE, SWITCH_MS, name);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}
