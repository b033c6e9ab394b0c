// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
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

#define POLL_MS		20
#define LABEL_SECTORS	4	/* LVM's label is in one of the first */

/* The child's and ours: the child says which place it is at. */
struct shared {
	size_t at;
	struct lclone_place place[];
};

/* Reading */

struct part {
	struct lclone_dev dev;
	const struct lclone_stripes *stripes;
	struct lclone_file file[LCLONE_STRIPES_MAX];
};

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
	}
	return err;
}

static int open_part(struct part *part)
{
	u32 i;
	int err = 0;

	for (i = 0; i < part->stripes->count; i++)
		part->file[i].fd = -1;
	for (i = 0; i < part->stripes->count && !err; i++)
		err = lclone_file_open(&part->file[i], part->stripes->on[i].path,
				       O_RDONLY | O_NONBLOCK);
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

static void look_at(struct lclone_place *place)
{
	struct lclone_stripes whole = { .count = 1, .chunk_sectors = UINT32_MAX };
	static struct part part;

	strcpy(whole.on[0].path, place->path);
	whole.on[0].start = place->start;
	part.dev = (struct lclone_dev){ place->sectors, read_part };
	part.stripes = place->stripes ?: &whole;
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

/* What we have open, and locked, is not for a child that may never end. */
static void child(struct shared *shared, size_t from, size_t count)
{
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0u, 0);
	for (; from < count; from++) {
		__atomic_store_n(&shared->at, from, __ATOMIC_RELEASE);
		look_at(&shared->place[from]);
	}
	__atomic_store_n(&shared->at, count, __ATOMIC_RELEASE);
	_exit(0);
}

/* Waiting */

/* Until the child has ended, or does not get on. */
static void wait_for(int pidfd, const struct shared *shared)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	u64 since = lclone_now_ms();
	size_t at = SIZE_MAX, now;

	while (poll(&p, 1, POLL_MS) <= 0) {
		now = __atomic_load_n(&shared->at, __ATOMIC_ACQUIRE);
		if (now != at)
			since = lclone_now_ms();
		else if (lclone_now_ms() - since >= LCLONE_LOOK_SECONDS * 1000)
			return;
		at = now;
	}
}

/* Returns where it has come to. */
static size_t look_from(struct shared *shared, size_t from, size_t count, int *err)
{
	pid_t pid;
	int fd;

	shared->at = from;
	pid = fork();
	if (!pid)
		child(shared, from, count);
	fd = pid < 0 ? -1 : pidfd_open(pid, 0);
	if (fd < 0) {
		*err = lclone_fail(-errno, "cannot start a process: %m");
		if (pid > 0)
			kill(pid, SIGKILL);
		return count;
	}
	wait_for(fd, shared);
	close(fd);
	kill(pid, SIGKILL);
	from = __atomic_load_n(&shared->at, __ATOMIC_ACQUIRE);
	/* one that waits for its device ends with that, and is init's then */
	waitpid(pid, NULL, from == count ? 0 : WNOHANG);
	return from;
}

int lclone_look(struct lclone_place *places, size_t count)
{
	size_t size = sizeof(struct shared) + count * sizeof(*places), at = 0;
	struct shared *shared;
	int err = 0;

	if (!count)
		return 0;
	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return lclone_fail(-errno, "out of memory");
	memcpy(shared->place, places, count * sizeof(*places));
	while (at < count) {
		at = look_from(shared, at, count, &err);
		if (at < count) {
			shared->place[at].err = -ETIMEDOUT;
			shared->place[at++].seen = LCLONE_SEEN_TIMEOUT;
		}
	}
	memcpy(places, shared->place, count * sizeof(*places));
	munmap(shared, size);
	return err;
}
