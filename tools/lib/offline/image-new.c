// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fail.h"
#include "format_user.h"
#include "host/program.h"
#include "offline/image-new.h"

#define SUBCLUSTERS	32		/* of a cluster of qcow2 with extended_l2 */
#define CLUSTER_MIN	(16u << 10)	/* with that */
#define CLUSTER_MAX	(2u << 20)

int lclone_image_new_open(struct lclone_image_new *image, const char *path, const char *format)
{
	memset(image, 0, sizeof(*image));
	image->part.file.fd = -1;
	image->format = format;
	return lclone_part_open_image(&image->part, path);
}

/*
 * What a descriptor of VMDK calls the file is the name that qemu-img was given: it is given the one
 * that the file will have, in a directory of its own.  That is called after the part, so that the
 * next run, which uses the part again, removes what one that was killed has left of it.
 */
struct alias {
	char dir[64], path[PATH_MAX + 64];
};

static int make_directory(struct alias *alias, int fd)
{
	struct stat st, dir;
	int err;

	if (fstat(fd, &st))
		return lclone_fail(-errno, "the image: %m");
	snprintf(alias->dir, sizeof(alias->dir), "/tmp/lclone-export-%jx-%jx", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	if (!mkdir(alias->dir, 0700))
		return 0;
	if (errno == EEXIST && !lstat(alias->dir, &dir) && S_ISDIR(dir.st_mode) &&
	    dir.st_uid == geteuid() && !(dir.st_mode & 077))
		return 0;
	err = lclone_fail(-errno, "%s: %m", alias->dir);
	alias->dir[0] = '\0';
	return err;
}

static int make_alias(struct alias *alias, const char *path, int fd)
{
	const char *name = strrchr(path, '/');
	char to[64];
	int err;

	name = name ? name + 1 : path;
	if (strpbrk(name, "\"\n"))
		return lclone_fail(-EINVAL, "no VMDK can be called %s", path);
	err = make_directory(alias, fd);
	if (err)
		return err;
	snprintf(alias->path, sizeof(alias->path), "%s/%s", alias->dir, name);
	snprintf(to, sizeof(to), "/proc/%d/fd/%d", getpid(), fd);
	unlink(alias->path);
	return symlink(to, alias->path) ? lclone_fail(-errno, "%s: %m", alias->path) : 0;
}

static void remove_alias(const struct alias *alias)
{
	if (!alias->dir[0])
		return;
	unlink(alias->path);
	rmdir(alias->dir);
}

static u32 cluster_size(const struct lclone_image_options *o)
{
	u32 size = o->unit_sectors * 512 * SUBCLUSTERS;

	return size < CLUSTER_MIN ? CLUSTER_MIN : size > CLUSTER_MAX ? CLUSTER_MAX : size;
}

/* Not by the name of the part: who has put another file there is not to be obeyed. */
static int create(struct lclone_image_new *image, const struct lclone_image_options *o,
		  const char *path)
{
	const char *argv[16] = { "qemu-img", "create", "-q", "-f", image->format };
	const struct lclone_program program = { .argv = argv, .in = -1, .out = -1,
						.err = STDERR_FILENO };
	char options[64], size[32];
	int n = 5, err;
	pid_t pid;

	if (o->unit_sectors) {
		snprintf(options, sizeof(options), "extended_l2=on,cluster_size=%u",
			 cluster_size(o));
		argv[n++] = "-o";
		argv[n++] = options;
	}
	if (o->backing) {
		argv[n++] = "-u";	/* it need not be there yet */
		argv[n++] = "-b";
		argv[n++] = o->backing;
		argv[n++] = "-F";
		argv[n++] = o->backing_format;
	}
	snprintf(size, sizeof(size), "%" PRIu64, o->sectors << 9);
	argv[n++] = path;
	argv[n++] = size;
	pid = lclone_program_start(&program);
	err = pid < 0 ? pid : lclone_program_wait(pid, argv[0]);
	if (err == -ENOENT)
		return lclone_fail(err, "this needs the program qemu-img, which is not installed (qemu-utils)");
	return err ? lclone_fail(err, "%s: qemu-img cannot create this image", image->part.path) : 0;
}

static int create_file(struct lclone_image_new *image, const struct lclone_image_options *o)
{
	struct alias alias = { .dir = "" };
	char fd[64];
	int err = 0;

	snprintf(fd, sizeof(fd), "/proc/%d/fd/%d", getpid(), image->part.file.fd);
	if (!strcmp(image->format, "vmdk"))
		err = make_alias(&alias, image->part.path, image->part.file.fd);
	if (!err)
		err = create(image, o, alias.dir[0] ? alias.path : fd);
	remove_alias(&alias);
	return err;
}

/*
 * What is written, by the engine of copies: it may begin the next write when one has ended, but
 * libnbd lets nothing begin where it tells of that.
 */

static void ended(struct lclone_nbd_io *io, int err)
{
	struct lclone_image_io *mine = container_of(io, struct lclone_image_io, io);
	struct lclone_image_new *image = io->ctx;

	mine->ended = true;
	mine->err = err;
	image->ended++;
}

static int start(struct lclone_copy_sink *sink, unsigned int slot, const void *buf, u64 at,
		 u64 bytes)
{
	struct lclone_image_new *image = container_of(sink, struct lclone_image_new, sink);
	struct lclone_nbd_io *io = &image->io[slot].io;

	io->ended = ended;
	io->ctx = image;
	return buf ? lclone_nbd_write(image->nbd, io, buf, at, bytes) :
		     lclone_nbd_zero(image->nbd, io, at, bytes);
}

static bool poll_for(struct lclone_copy_sink *sink, struct pollfd *p)
{
	struct lclone_image_new *image = container_of(sink, struct lclone_image_new, sink);

	lclone_nbd_poll_for(image->nbd, p);
	return !image->ended;
}

static int polled(struct lclone_copy_sink *sink, const struct pollfd *p)
{
	struct lclone_image_new *image = container_of(sink, struct lclone_image_new, sink);
	int err = lclone_nbd_polled(image->nbd, p);
	unsigned int i;

	for (i = 0; image->ended && i < LCLONE_COPY_SLOTS; i++) {
		if (!image->io[i].ended)
			continue;
		image->io[i].ended = false;
		image->ended--;
		lclone_copy_ended(sink->copy, i, image->io[i].err);
	}
	return err;
}

static void stop_sink(struct lclone_copy_sink *sink)
{
	lclone_nbd_kill(container_of(sink, struct lclone_image_new, sink)->nbd);
}

int lclone_image_new_begin(struct lclone_image_new *image, const struct lclone_image_options *o)
{
	const struct lclone_nbd_image file = {
		.path = image->part.part,
		.format = image->format,
		.fd = image->part.file.fd,
		.no_flush = true,	/* it is of no use before the end, when all of it is */
		.stop = o->stop,
		.ctx = o->ctx,
	};

	image->sink.start = start;
	image->sink.poll_for = poll_for;
	image->sink.polled = polled;
	image->sink.stop = stop_sink;
	return lclone_file_buffered(&image->part.file) ?: create_file(image, o) ?:
	       lclone_nbd_open(&image->nbd, &file, true);
}

int lclone_image_new_written(struct lclone_image_new *image)
{
	int err = lclone_nbd_flush(image->nbd);

	lclone_nbd_close(image->nbd);
	image->nbd = NULL;
	return err ?: lclone_file_sync(&image->part.file);
}

int lclone_image_new_finish(struct lclone_image_new *images, u32 count)
{
	int err = 0;
	u32 i;

	for (i = count; !err && i--;)
		err = lclone_part_finish(&images[i].part);
	if (err && count > 1)
		return lclone_fail(err, "%s cannot get its name: %s; the whole chain is removed again",
				   images[i].part.path, strerror(-err));
	for (i = 0; i < count; i++)
		lclone_part_close(&images[i].part);
	return err;
}

void lclone_image_new_close(struct lclone_image_new *image)
{
	if (image->nbd)
		lclone_nbd_kill(image->nbd);
	lclone_nbd_close(image->nbd);
	image->nbd = NULL;
	lclone_part_abandon(&image->part);
}
