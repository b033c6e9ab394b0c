// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "basic/fail.h"
#include "host/lock.h"
#include "host/pending.h"

#define FIRST_LINE	"lclone pending 2"

/* The notes of this process: they are locked as long as it lives. */
struct note {
	struct note *next;
	char path[PATH_MAX];
	struct lclone_pending pending;
	int fd;
};

static struct note *notes;

static void path_of(const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, LCLONE_LOCK_DIR "/pending-%s", name);
}

static int write_all(int fd, const struct lclone_pending *p)
{
	int len = dprintf(fd, FIRST_LINE "\n%s\n%s\n%s\n%s\n", p->before, p->between, p->after,
			  p->uuid);

	return len < 0 ? -errno : 0;
}

static const struct note *find_note(const char *path)
{
	const struct note *note;

	for (note = notes; note; note = note->next)
		if (!strcmp(note->path, path))
			return note;
	return NULL;
}

static void fill_note(struct note *note, const char *before, const char *after, const char *uuid)
{
	const struct note *earlier = find_note(note->path);
	struct lclone_pending *p = &note->pending;

	strcpy(p->before, earlier ? earlier->pending.before : before);
	strcpy(p->between, earlier ? before : "");
	strcpy(p->after, after);
	strcpy(p->uuid, earlier ? earlier->pending.uuid : uuid);
}

int lclone_pending_begin(const char *name, const char *before, const char *after, const char *uuid)
{
	char temporary[] = LCLONE_LOCK_DIR "/.XXXXXX";
	struct note *note = calloc(1, sizeof(*note));
	int err;

	if (!note)
		return lclone_fail(-ENOMEM, "out of memory");
	path_of(name, note->path);
	fill_note(note, before, after, uuid);
	if (mkdir(LCLONE_LOCK_DIR, 0700) && errno != EEXIST) {
		err = lclone_fail(-errno, LCLONE_LOCK_DIR ": %m");
		free(note);
		return err;
	}
	note->fd = mkostemp(temporary, O_CLOEXEC);
	if (note->fd < 0) {
		err = lclone_fail(-errno, "%s: %m", temporary);
		free(note);
		return err;
	}
	err = flock(note->fd, LOCK_EX) ? -errno : write_all(note->fd, &note->pending);
	if (!err && rename(temporary, note->path))
		err = -errno;
	if (err) {
		lclone_fail(err, "%s: %s", note->path, strerror(-err));
		unlink(temporary);
		close(note->fd);
		free(note);
		return err;
	}
	note->next = notes;
	notes = note;
	return 0;
}

static bool line(FILE *f, char *text, int size)
{
	if (!fgets(text, size, f) || !strchr(text, '\n'))
		return false;
	text[strcspn(text, "\n")] = '\0';
	return true;
}

/* Somebody may have taken it away, or put another one there, while we waited for the lock. */
static bool is_there(int fd, const char *path)
{
	struct stat mine, there;

	return !fstat(fd, &mine) && !stat(path, &there) && mine.st_ino == there.st_ino;
}

/* -EWOULDBLOCK: the process that has made it lives, and is at what may take long. */
static int wait_for_writer(int fd)
{
	const struct timespec poll = { .tv_nsec = LCLONE_LOCK_POLL_MS * 1000000 };
	unsigned int waited = 0;

	while (flock(fd, LOCK_SH | LOCK_NB)) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK || waited >= LCLONE_LOCK_MS)
			return -errno;
		nanosleep(&poll, NULL);
		waited += LCLONE_LOCK_POLL_MS;
	}
	return 0;
}

int lclone_pending_read(const char *name, struct lclone_pending *pending)
{
	char path[PATH_MAX], first[64];
	int err, locked;
	FILE *f;

	path_of(name, path);
	if (find_note(path))
		return -ENOENT;
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? -ENOENT : lclone_fail(-errno, "%s: %m", path);
	locked = wait_for_writer(fileno(f));
	err = -ENOENT;
	if (locked && locked != -EWOULDBLOCK)
		err = lclone_fail(locked, "%s: can't be locked: %s", path, strerror(-locked));
	else if (!locked && is_there(fileno(f), path) && line(f, first, sizeof(first)) &&
		 !strcmp(first, FIRST_LINE) &&
		 line(f, pending->before, sizeof(pending->before)) &&
		 line(f, pending->between, sizeof(pending->between)) &&
		 line(f, pending->after, sizeof(pending->after)) &&
		 line(f, pending->uuid, sizeof(pending->uuid)))
		err = 0;
	fclose(f);
	return err;
}

void lclone_pending_adopt(const char *name, const struct lclone_pending *pending)
{
	struct note *note = calloc(1, sizeof(*note));

	if (!note) {
		lclone_pending_drop(name);
		return;
	}
	path_of(name, note->path);
	note->pending = *pending;
	note->fd = open(note->path, O_RDONLY | O_CLOEXEC);
	if (note->fd < 0) {		/* another run has said it, too */
		free(note);
		return;
	}
	(void)flock(note->fd, LOCK_EX | LOCK_NB);
	note->next = notes;
	notes = note;
}

void lclone_pending_drop(const char *name)
{
	char path[PATH_MAX];

	path_of(name, path);
	unlink(path);
}

void lclone_pending_end(void)
{
	struct note *note;

	while ((note = notes)) {
		notes = note->next;
		if (is_there(note->fd, note->path))
			unlink(note->path);
		close(note->fd);
		free(note);
	}
}
