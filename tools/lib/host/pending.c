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

#include "basic/dry.h"
#include "basic/fail.h"
#include "host/lock.h"
#include "host/pending.h"

#define FIRST_LINE	"lclone pending 2"

/*
 * Whose a note is: whoever has its file locked.  The kernel takes the lock away from a process that
 * ends, and so a note that can be locked is of one that was killed.  What is read may be somebody
 * else's at the next moment: who wants to have it, or take it away, locks it, and looks whether it
 * still says that.
 *
 * Who begins something puts its note in the place of any other.  So that nobody takes away what
 * came there after the look, the names are changed under the lock of the directory.
 */
struct note {
	struct note *next;
	char path[PATH_MAX];
	struct lclone_pending pending;
	int fd;				/* locked as long as this process lives */
};

static struct note *notes;		/* of this process, the latest first */

static void path_of(const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, LCLONE_LOCK_DIR "/pending-%s", name);
}

/* A descriptor, to be closed: others wait for a few calls only. */
static int lock_names(void)
{
	int fd = open(LCLONE_LOCK_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (fd >= 0 && flock(fd, LOCK_EX)) {
		if (errno == EINTR)
			continue;
		close(fd);
		return -1;
	}
	return fd;
}

static int write_all(int fd, const struct lclone_pending *p)
{
	int len = dprintf(fd, FIRST_LINE "\n%s\n%s\n%s\n%s\n", p->before, p->between, p->after,
			  p->uuid);

	return len < 0 ? -errno : 0;
}

static struct note *find_note(const char *path)
{
	struct note *note;

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

/* Puts it in the place of what is there.  A descriptor, or a negative errno */
static int put(const struct note *note)
{
	char temporary[] = LCLONE_LOCK_DIR "/.XXXXXX";
	int fd, names, err;

	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = flock(fd, LOCK_EX) ? -errno : write_all(fd, &note->pending);
	names = err ? -1 : lock_names();
	if (!err && (names < 0 || rename(temporary, note->path)))
		err = -errno;
	if (names >= 0)
		close(names);
	if (!err)
		return fd;
	unlink(temporary);
	close(fd);
	return err;
}

int lclone_pending_begin(const char *name, const char *before, const char *after, const char *uuid)
{
	struct note *note;
	int err = lclone_change();

	if (err)
		return err;
	note = calloc(1, sizeof(*note));
	if (!note)
		return lclone_fail(-ENOMEM, "out of memory");
	path_of(name, note->path);
	fill_note(note, before, after, uuid);
	if (mkdir(LCLONE_LOCK_DIR, 0700) && errno != EEXIST) {
		err = lclone_fail(-errno, LCLONE_LOCK_DIR ": %m");
		free(note);
		return err;
	}
	note->fd = put(note);
	if (note->fd < 0) {
		err = lclone_fail(note->fd, "%s: %s", note->path, strerror(-note->fd));
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

/* Somebody may have taken it away, or put another one there. */
static bool is_there(int fd, const char *path)
{
	struct stat mine, there;

	return !fstat(fd, &mine) && !stat(path, &there) && mine.st_dev == there.st_dev &&
	       mine.st_ino == there.st_ino;
}

/* -EWOULDBLOCK: the process that has made it lives, and is at what may take long. */
static int wait_for_writer(int fd, int kind)
{
	const struct timespec poll = { .tv_nsec = LCLONE_LOCK_POLL_MS * 1000000 };
	unsigned int waited = 0;

	while (flock(fd, kind | LOCK_NB)) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK || waited >= LCLONE_LOCK_MS)
			return -errno;
		nanosleep(&poll, NULL);
		waited += LCLONE_LOCK_POLL_MS;
	}
	return 0;
}

/* -ENOENT: it is not there any more, or says nothing. */
static int read_note(int fd, const char *path, struct lclone_pending *pending)
{
	FILE *f = fdopen(fcntl(fd, F_DUPFD_CLOEXEC, 0), "r");
	char first[64];
	int err = -ENOENT;

	if (!f)
		return -errno;
	if (is_there(fd, path) && line(f, first, sizeof(first)) && !strcmp(first, FIRST_LINE) &&
	    line(f, pending->before, sizeof(pending->before)) &&
	    line(f, pending->between, sizeof(pending->between)) &&
	    line(f, pending->after, sizeof(pending->after)) &&
	    line(f, pending->uuid, sizeof(pending->uuid)))
		err = 0;
	fclose(f);
	return err;
}

int lclone_pending_read(const char *name, struct lclone_pending *pending)
{
	char path[PATH_MAX];
	int fd, err;

	path_of(name, path);
	if (find_note(path))
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* who may not look may do nothing with a clone, and is told that by device-mapper */
	if (fd < 0)
		return errno == ENOENT || errno == EACCES ? -ENOENT :
							    lclone_fail(-errno, "%s: %m", path);
	err = wait_for_writer(fd, LOCK_SH);
	if (!err)
		err = read_note(fd, path, pending);
	else if (err == -EWOULDBLOCK)
		err = -ENOENT;
	if (err && err != -ENOENT)
		lclone_fail(err, "%s: can't be read: %s", path, strerror(-err));
	close(fd);
	return err;
}

static bool is_same(const struct lclone_pending *a, const struct lclone_pending *b)
{
	return !strcmp(a->before, b->before) && !strcmp(a->between, b->between) &&
	       !strcmp(a->after, b->after) && !strcmp(a->uuid, b->uuid);
}

/* A descriptor that has it locked, if it is still nobody's, and says that; or a negative errno */
static int take(const char *path, const struct lclone_pending *pending)
{
	static struct lclone_pending now;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (!wait_for_writer(fd, LOCK_EX) && !read_note(fd, path, &now) && is_same(&now, pending))
		return fd;
	close(fd);
	return -ENOENT;
}

static void take_away(int fd, const char *path)
{
	int names = lock_names();

	if (names >= 0 && is_there(fd, path))
		unlink(path);
	if (names >= 0)
		close(names);
}

bool lclone_pending_adopt(const char *name, const struct lclone_pending *pending)
{
	struct note *note = lclone_is_dry() ? NULL : calloc(1, sizeof(*note));

	if (!note)
		return false;
	path_of(name, note->path);
	note->pending = *pending;
	note->fd = take(note->path, pending);
	if (note->fd < 0) {
		free(note);
		return false;
	}
	note->next = notes;
	notes = note;
	return true;
}

void lclone_pending_drop(const char *name, const struct lclone_pending *pending)
{
	char path[PATH_MAX];
	int fd;

	path_of(name, path);
	fd = lclone_is_dry() ? -1 : take(path, pending);
	if (fd < 0)
		return;
	take_away(fd, path);
	close(fd);
}

static void free_note(struct note *note)
{
	struct note **p = &notes;

	while (*p != note)
		p = &(*p)->next;
	*p = note->next;
	close(note->fd);
	free(note);
}

void lclone_pending_undo(const char *name)
{
	struct note *last, *earlier;
	char path[PATH_MAX];
	int fd;

	path_of(name, path);
	last = find_note(path);
	if (!last)
		return;
	fd = fcntl(last->fd, F_DUPFD_CLOEXEC, 0);
	free_note(last);
	earlier = find_note(path);
	if (!earlier || !is_there(fd, path)) {
		take_away(fd, path);
	} else {
		close(earlier->fd);
		earlier->fd = put(earlier);
		if (earlier->fd < 0)
			take_away(fd, path);
	}
	close(fd);
}

const char *lclone_pending_after(const char *name)
{
	char path[PATH_MAX];
	struct note *note;

	path_of(name, path);
	note = find_note(path);
	return note ? note->pending.after : NULL;
}

void lclone_pending_forget(const char *name)
{
	char path[PATH_MAX];
	struct note *note;

	path_of(name, path);
	while ((note = find_note(path))) {
		take_away(note->fd, path);
		free_note(note);
	}
}

void lclone_pending_end(void)
{
	while (notes) {
		take_away(notes->fd, notes->path);
		free_note(notes);
	}
}
