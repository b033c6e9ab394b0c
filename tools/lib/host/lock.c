// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "basic/fail.h"
#include "host/lock.h"

#define SWITCH_MS	30000	/* the switch of a table waits for I/O */

struct lclone_lock {
	struct lclone_lock *next;	/* of those that this process has */
	dev_t dev;			/* of a device its number, and no inode */
	ino_t ino;
	enum lclone_lock_kind kind;
	int fd;				/* of a device; -1: a plain file's own */
};

struct lclone_claim {
	int device, lock;		/* descriptors */
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

static int name_what(const struct lclone_locked *what, struct lclone_lock *lock)
{
	struct stat st;

	if (fstat(what->fd, &st))
		return lclone_fail(-errno, "%s: %m", what->path);
	lock->dev = what->block ? st.st_rdev : st.st_dev;
	lock->ino = what->block ? 0 : st.st_ino;
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

static int new_lock(const struct lclone_locked *what, enum lclone_lock_kind kind,
		    struct lclone_lock **new)
{
	struct lclone_lock wanted = { .kind = kind, .fd = -1 }, *lock;
	const struct lclone_lock *ours;
	char name[32];
	int err;

	err = name_what(what, &wanted);
	if (err)
		return err;
	ours = find_held(&wanted);
	if (ours && kind == LCLONE_LOCK_EXCLUSIVE && ours->kind != LCLONE_LOCK_EXCLUSIVE)
		return lclone_fail(-EBUSY, "%s is read by this very command, which cannot write to it, too: name another one",
				   what->path);
	if (ours)
		return 0;
	if (what->block) {
		snprintf(name, sizeof(name), "%u:%u", major(wanted.dev), minor(wanted.dev));
		wanted.fd = open_lock(name, what->path);
		if (wanted.fd < 0)
			return wanted.fd;
	}
	err = wait_for(what->block ? wanted.fd : what->fd, kind, LCLONE_LOCK_MS, what->path);
	lock = err ? NULL : malloc(sizeof(*lock));
	if (!lock) {
		if (what->block)
			close(wanted.fd);
		return err ?: lclone_fail(-ENOMEM, "out of memory");
	}
	*lock = wanted;
	lock->next = held;
	held = lock;
	*new = lock;
	return 0;
}

int lclone_lock_take(struct lclone_lock **lock, const struct lclone_locked *what,
		     enum lclone_lock_kind kind)
{
	int err;

	if (!*lock)
		return new_lock(what, kind, lock);
	err = wait_for(what->block ? (*lock)->fd : what->fd, kind, LCLONE_LOCK_MS, what->path);
	if (!err)
		(*lock)->kind = kind;
	return err;
}

void lclone_lock_drop(struct lclone_lock **lock)
{
	struct lclone_lock **p;

	if (!*lock)
		return;
	for (p = &held; *p != *lock; p = &(*p)->next)
		;
	*p = (*lock)->next;
	if ((*lock)->fd >= 0)
		close((*lock)->fd);
	free(*lock);
	*lock = NULL;
}

/* Whoever has a lock that is no device's is waited for, but not for ever. */
static int lock_named(const char *file, enum lclone_lock_kind kind, const char *what,
		      unsigned int ms)
{
	int fd, err;

	fd = open_lock(file, what);
	if (fd < 0)
		return fd;
	err = wait_for(fd, kind, ms, what);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static int open_claim(dev_t dev, const char *what)
{
	char name[32];

	snprintf(name, sizeof(name), "%u:%u-read", major(dev), minor(dev));
	return open_lock(name, what);
}

bool lclone_claim_is_taken(dev_t dev)
{
	int fd = open_claim(dev, "a device");
	bool taken;

	if (fd < 0)
		return false;
	taken = flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
	close(fd);
	return taken;
}

/* Who cannot get it at once, but sees no lock, comes while another one gets it, or lets it go. */
int lclone_claim_take(struct lclone_claim **claim, const struct lclone_locked *what)
{
	struct lclone_claim new;
	struct lclone_lock lock;
	char path[32];
	int err;

	err = name_what(what, &lock);
	if (err)
		return err;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", what->fd);
	new.device = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	if (new.device < 0 && errno == EBUSY)
		return lclone_claim_is_taken(lock.dev) ? 0 : -EBUSY;
	if (new.device < 0)
		return lclone_fail(-errno, "%s: %m", what->path);
	new.lock = open_claim(lock.dev, what->path);
	err = new.lock < 0 ? new.lock :
			     wait_for(new.lock, LCLONE_LOCK_EXCLUSIVE, LCLONE_LOCK_MS, what->path);
	*claim = err ? NULL : malloc(sizeof(**claim));
	if (*claim) {
		**claim = new;
		return 0;
	}
	if (new.lock >= 0)
		close(new.lock);
	close(new.device);
	return err ?: lclone_fail(-ENOMEM, "out of memory");
}

void lclone_claim_drop(struct lclone_claim **claim)
{
	if (!*claim)
		return;
	close((*claim)->lock);
	close((*claim)->device);
	free(*claim);
	*claim = NULL;
}

int lclone_lock_clone(const char *name)
{
	char file[NAME_MAX + 1];

	snprintf(file, sizeof(file), "clone-%s", name);
	return lock_named(file, LCLONE_LOCK_EXCLUSIVE, name, SWITCH_MS);
}

int lclone_lock_volume(const char *volume, enum lclone_lock_kind kind)
{
	char file[NAME_MAX + 1], *slash;

	snprintf(file, sizeof(file), "volume-%s", volume);
	slash = strchr(file, '/');
	if (slash)
		*slash = ':';		/* which is in no name of LVM's */
	/* who gives it back is at it for a moment, who uses it maybe for hours, and gives it back itself */
	return lock_named(file, kind, volume, kind == LCLONE_LOCK_SHARED ? SWITCH_MS : 0);
}

int lclone_lock_creation(enum lclone_lock_kind kind)
{
	return lock_named("creation", kind, "the making of clones", SWITCH_MS);
}

int lclone_lock_receive(void)
{
	return lock_named("receive", LCLONE_LOCK_EXCLUSIVE, "what is received", SWITCH_MS);
}

int lclone_lock_tab(const char *path)
{
	return lock_named("tab", LCLONE_LOCK_EXCLUSIVE, path, SWITCH_MS);
}

int lclone_lock_daemon(void)
{
	int fd = lock_named("daemon", LCLONE_LOCK_EXCLUSIVE, "lcloned", LCLONE_LOCK_MS);

	return fd == -EBUSY ? lclone_fail(fd, "there is an lcloned on this host already") : fd;
}
