// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/fail.h"
#include "format_user.h"
#include "host/look.h"

#define POLL_MS		50
#define LOOKERS_MAX	128	/* processes at once */
#define LABEL_SECTORS	4	/* LVM's label is in one of the first */

/* The lookers' and ours: a looker takes the next place, and says what it has seen. */
struct shared {
	size_t next, count;
	u32 answers[LOOKERS_MAX];	/* that each looker has had from its devices */
	struct looked {
		bool done;		/* set last: the place is complete */
		struct lclone_place place;
	} looked[];
};

/* Reading */

struct part {
	struct lclone_dev dev;
	const struct lclone_stripes *stripes;
	u32 *answers;
	struct lclone_file file[LCLONE_STRIPES_MAX];
};

static void answered(const struct part *part)
{
	__atomic_add_fetch(part->answers, 1, __ATOMIC_RELAXED);
}

static int read_part(const struct lclone_dev *dev, void *buf, u64 sector, u32 count)
{
	const struct part *part = container_of(dev, struct part, dev);
	const struct lclone_stripes *s = part->stripes;
	u64 chunk;
	u32 in, n, k;
	int err = 0;

	for (; count && !err; count -= n, sector += n, buf = (u8 *)buf + n * 512) {
		chunk = sector / s->chunk_sectors;
		in = sector % s->chunk_sectors;
		n = min_u64(count, s->chunk_sectors - in);
		k = chunk % s->count;
		err = lclone_dev_read(&part->file[k].dev, buf, s->on[k].start +
				      chunk / s->count * s->chunk_sectors + in, n);
		answered(part);
	}
	return err;
}

static int open_part(struct part *part)
{
	u32 i;
	int err = 0;

	for (i = 0; i < part->stripes->count; i++)
		part->file[i].fd = -1;
	for (i = 0; i < part->stripes->count && !err; i++) {
		err = lclone_file_open(&part->file[i], part->stripes->on[i].path,
				       O_RDONLY | O_NONBLOCK);
		answered(part);
	}
	return err;
}

static void close_part(struct part *part)
{
	u32 i;

	for (i = 0; i < part->stripes->count; i++)
		lclone_file_close(&part->file[i]);
}

/* An MBR that has partitions; a boot sector of something else has code in its place. */
static bool has_partitions(const u8 *sector)
{
	const u8 *entry;

	if (sector[510] != 0x55 || sector[511] != 0xaa)
		return false;
	for (entry = sector + 446; entry < sector + 510; entry += 16)
		if (entry[0] & 0x7f)		/* no partition table: a boot sector's code */
			return false;
	for (entry = sector + 446; entry < sector + 510; entry += 16)
		if (memcmp(entry + 12, "\0\0\0", 4))	/* its size */
			return true;
	return false;
}

/* What LVM has written to a sector: where its header is, which begins with its uuid */
static void read_label(struct lclone_place *place, const u8 *sector)
{
	u32 at = sector[20] | sector[21] << 8;

	place->volumes = true;
	if (at <= 512 - (sizeof(place->pv_uuid) - 1))
		memcpy(place->pv_uuid, sector + at, sizeof(place->pv_uuid) - 1);
}

static void look_for_label(struct lclone_place *place, const struct lclone_dev *dev)
{
	u8 block[LABEL_SECTORS * 512];
	u32 i;

	if (lclone_dev_read(dev, block, 0, LABEL_SECTORS))
		return;
	for (i = 0; i < LABEL_SECTORS && !place->volumes; i++)
		if (!memcmp(block + i * 512, "LABELONE", 8))
			read_label(place, block + i * 512);
	place->partitions = place->volumes && has_partitions(block);
}

static enum lclone_seen judge(int err)
{
	switch (err) {
	case 0:
	case -ENOSPC:			/* its device has become smaller */
		return LCLONE_SEEN_DELTA;
	case -EINVAL:
	case -ENODATA:
		return LCLONE_SEEN_NOTHING;
	case -EBADMSG:
	case -EUCLEAN:
	case -EPROTONOSUPPORT:
		return LCLONE_SEEN_DAMAGED;
	default:
		return LCLONE_SEEN_ERROR;
	}
}

static void look_for_delta(struct lclone_place *place, const struct lclone_dev *dev)
{
	struct lclone_delta delta;

	place->err = lclone_delta_open_sb(&delta, dev);
	place->sb = delta.sb;
	place->seen = judge(place->err);
	lclone_delta_close(&delta);
	if (place->seen == LCLONE_SEEN_NOTHING)
		look_for_label(place, dev);
}

static void look_at(struct lclone_place *place, u32 *answers)
{
	struct lclone_stripes whole = { .count = 1, .chunk_sectors = UINT32_MAX };
	static struct part part;

	strcpy(whole.on[0].path, place->path);
	whole.on[0].start = place->start;
	part.dev = (struct lclone_dev){ place->sectors, read_part };
	part.stripes = place->stripes ?: &whole;
	part.answers = answers;
	place->err = open_part(&part);
	if (!place->err && place->rdev && part.file[0].rdev != place->rdev)
		place->err = -ENOENT;		/* the name is another device's */
	if (!place->err && place->fingerprint) {
		place->err = lclone_fingerprint(&part.dev, &place->fp);
	} else if (!place->err) {
		look_for_delta(place, &part.dev);
	} else if (place->err == -ENOMEDIUM || place->err == -ENXIO || place->err == -EOPNOTSUPP) {
		place->seen = LCLONE_SEEN_NOTHING;	/* empty, or its blocks are too large */
	} else {
		place->seen = LCLONE_SEEN_ERROR;
	}
	close_part(&part);
}

/* What we have open, and locked, is not for a looker that may never end. */
static void look_at_next(struct shared *shared, u32 *answers)
{
	int null = open("/dev/null", O_RDWR);
	struct looked *looked;
	size_t i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0u, 0);
	while ((i = __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED)) < shared->count) {
		looked = &shared->looked[i];
		look_at(&looked->place, answers);
		__atomic_store_n(&looked->done, true, __ATOMIC_RELEASE);	/* see take_over() */
	}
	_exit(0);
}

/* Waiting */

struct lookers {
	struct shared *shared;
	u32 count;			/* that are at it */
	struct looker {
		pid_t pid;		/* 0: none */
		int fd;
		u32 answers;		/* so many when we looked last ... */
		u64 since;		/* ... and since then */
	} of[LOOKERS_MAX];
};

static int start_looker(struct lookers *l)
{
	struct looker *looker = l->of;
	int err;

	while (looker->pid)
		looker++;
	looker->pid = fork();
	if (!looker->pid)
		look_at_next(l->shared, &l->shared->answers[looker - l->of]);
	looker->fd = looker->pid < 0 ? -1 : pidfd_open(looker->pid, 0);
	if (looker->fd < 0) {
		err = lclone_fail(-errno, "cannot start a process: %m");
		if (looker->pid > 0)
			kill(looker->pid, SIGKILL);
		looker->pid = 0;
		return err;
	}
	looker->answers = __atomic_load_n(&l->shared->answers[looker - l->of], __ATOMIC_RELAXED);
	looker->since = lclone_now_ms();
	l->count++;
	return 0;
}

/* One that has not @ended waits for its device, ends with that, and is init's then. */
static void let_go(struct lookers *l, struct looker *looker, bool ended)
{
	close(looker->fd);
	if (!ended)
		kill(looker->pid, SIGKILL);
	waitpid(looker->pid, NULL, ended ? 0 : WNOHANG);
	looker->pid = 0;
	l->count--;
}

/* Lets go who has ended, or has had no answer for too long.  Has any got on meanwhile? */
static bool wait_for(struct lookers *l)
{
	struct pollfd p[LOOKERS_MAX];
	bool any = false;
	u32 i, answers;

	for (i = 0; i < LOOKERS_MAX; i++)
		p[i] = (struct pollfd){ .fd = l->of[i].pid ? l->of[i].fd : -1, .events = POLLIN };
	poll(p, LOOKERS_MAX, POLL_MS);
	for (i = 0; i < LOOKERS_MAX; i++) {
		struct looker *looker = &l->of[i];

		if (!looker->pid)
			continue;
		answers = __atomic_load_n(&l->shared->answers[i], __ATOMIC_RELAXED);
		if (p[i].revents) {
			let_go(l, looker, true);
			any = true;
		} else if (answers != looker->answers) {
			looker->answers = answers;
			looker->since = lclone_now_ms();
			any = true;
		} else if (lclone_now_ms() - looker->since >= LCLONE_LOOK_SECONDS * 1000) {
			let_go(l, looker, false);
		}
	}
	return any;
}

/*
 * How many lookers to have: one does for devices that answer at once; where all wait there are
 * soon twice as many.  So all devices that do not answer are given up at about the same time.
 */
static u32 wanted(const struct lookers *l, bool any_got_on)
{
	size_t next = __atomic_load_n(&l->shared->next, __ATOMIC_RELAXED);
	u32 n = any_got_on ? 0 : l->count;	/* more */

	if (next >= l->shared->count)
		return 0;
	n = min_u64(n, l->shared->count - next);
	return min_u64(l->count + n, LOOKERS_MAX) ?: 1;
}

static int look_at_all(struct shared *shared)
{
	struct lookers l = { .shared = shared };
	u32 n = 1;
	int err = 0;

	do {
		while (!err && l.count < n)
			err = start_looker(&l);
		if (!l.count)		/* of many, some will do */
			return err;
		err = 0;
		n = wanted(&l, wait_for(&l));
	} while (l.count || n);
	return 0;
}

/* What nobody has done did not answer. */
static void take_over(const struct shared *shared, struct lclone_place *places)
{
	size_t i;

	for (i = 0; i < shared->count; i++) {
		/* pairs with the release in look_at_next() */
		if (__atomic_load_n(&shared->looked[i].done, __ATOMIC_ACQUIRE)) {
			places[i] = shared->looked[i].place;
		} else {
			places[i].err = -ETIMEDOUT;
			places[i].seen = LCLONE_SEEN_TIMEOUT;
		}
	}
}

int lclone_look(struct lclone_place *places, size_t count)
{
	size_t size = sizeof(struct shared) + count * sizeof(struct looked), i;
	struct shared *shared;
	int err;

	if (!count)
		return 0;
	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return lclone_fail(-errno, "out of memory");
	shared->count = count;
	for (i = 0; i < count; i++)
		shared->looked[i].place = places[i];
	err = look_at_all(shared);
	take_over(shared, places);
	munmap(shared, size);
	return err;
}

void lclone_look_why(const struct lclone_place *place, char *why, size_t size)
{
	if (place->seen == LCLONE_SEEN_TIMEOUT)
		snprintf(why, size, "did not answer within %d seconds", LCLONE_LOOK_SECONDS);
	else
		snprintf(why, size, "cannot be read: %s", strerror(-place->err));
}
