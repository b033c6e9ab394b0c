// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fail.h"
#include "basic/zero.h"
#include "host/lvm.h"
#include "host/program.h"
#include "offline/image-format.h"
#include "offline/image-header.h"
#include "offline/image.h"
#include "offline/vhd-file.h"

#define PIECE_SECTORS	2048u	/* that are read and written at once */

/*
 * A device is raw: what looks like another format on it may be a guest's doing, who could name any
 * file as what it lies on.
 */
static int look(struct lclone_image *image, const char *path, bool other_files)
{
	struct lclone_image_header header;
	struct stat st;
	int err;

	image->format = "raw";
	if (!fstat(image->file.fd, &st) && S_ISBLK(st.st_mode))
		return 0;
	err = lclone_image_format(image->file.fd, path, other_files, &image->format);
	if (!err && !strcmp(image->format, "vhdx"))
		err = lclone_image_header_read(image->file.fd, path, image->format, &header);
	return err;
}

static int ask_qemu_img(struct lclone_image *image)
{
	const char *const argv[] = { "qemu-img", "info", "--output=json", "-f", image->format,
				     image->path, NULL };
	struct json_object *o;
	u64 bytes;
	int err;

	err = lclone_ask_program(argv, &o);
	if (!err && !o)
		return lclone_fail(-ENOENT, "%s is in the format %s, which qemu-img reads: it is not installed (qemu-utils)",
				   image->path, image->format);
	bytes = o ? lclone_json_number(o, "virtual-size") : 0;
	json_object_put(o);
	if (err || !bytes)
		return lclone_fail(-EIO, "%s: qemu-img cannot read this %s image (qemu-img info tells why)",
				   image->path, image->format);
	image->sectors = (bytes + 511) / 512;
	return 0;
}

/* qemu-img does not check it, and takes the footer at its start if there is none at its end. */
static int refuse_damaged_vhd(const struct lclone_image *image)
{
	struct lclone_vhd_file f;
	int err = lclone_vhd_file_open(&f, image->path);

	lclone_vhd_file_close(&f);
	return err;
}

/* As qemu takes it, without what it may name as what it lies on; to be freed */
static char *alone(const char *path, const char *format)
{
	struct json_object *node = json_object_new_object(), *file = json_object_new_object();
	char *name;

	json_object_object_add(node, "driver", json_object_new_string(format));
	json_object_object_add(node, "backing", NULL);
	json_object_object_add(node, "file", file);
	json_object_object_add(file, "driver", json_object_new_string("file"));
	json_object_object_add(file, "filename", json_object_new_string(path));
	if (asprintf(&name, "json:%s", json_object_to_json_string(node)) < 0)
		name = NULL;
	json_object_put(node);
	return name;
}

static int damaged(const char *path, const char *format)
{
	return lclone_fail(-EUCLEAN, "%s is damaged, or not whole (qemu-img check -f %s %s)", path,
			   format, path);
}

/* What it has said, into the file @said */
static bool is_locked(int said)
{
	char text[4096];
	ssize_t n = pread(said, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return strstr(text, " lock\n");
}

enum { NOT_OPENED = 1, LEAKS = 3, NOT_CHECKED = 63 };

/* Its exit status, or a negative errno; -EBUSY: somebody writes to it. */
static int check(const char *path, const char *format)
{
	char *name = alone(path, format);
	const char *const argv[] = { "qemu-img", "check", "-q", name, NULL };
	struct lclone_program program = { .argv = argv, .in = -1, .out = -1, .apart = true,
					  .plain = true };
	int status = lclone_fail(-ENOMEM, "out of memory");
	pid_t pid;

	program.err = memfd_create("qemu-img", MFD_CLOEXEC);
	if (name && program.err >= 0) {
		pid = lclone_program_start(&program);
		status = pid < 0 ? pid : lclone_program_status(pid, argv[0]);
	}
	if (status == NOT_OPENED && is_locked(program.err))
		status = lclone_fail(-EBUSY, "%s is in use, as by a virtual machine that runs",
				     path);
	if (program.err >= 0)
		close(program.err);
	free(name);
	return status;
}

/* What it cannot open otherwise may be one that is read here all the same. */
int lclone_image_refuse_used(const char *path, const char *format)
{
	return check(path, format) == -EBUSY ? -EBUSY : 0;
}

/*
 * qemu-img reads zeros where an image that was cut off has nothing any more, and calls that a
 * success.  It cannot check all formats.
 */
int lclone_image_refuse_damaged(const char *path, const char *format)
{
	int status = check(path, format);

	if (status == -ENOENT)
		return lclone_fail(status, "%s is in the format %s, which qemu-img reads: it is not installed (qemu-utils)",
				   path, format);
	if (status <= 0 || status == LEAKS || status == NOT_CHECKED)
		return status < 0 ? status : 0;
	return damaged(path, format);
}

/* A plain file need not have whole sectors before its format is known. */
int lclone_image_open(struct lclone_image *image, const char *path, bool other_files)
{
	int err;

	memset(image, 0, sizeof(*image));
	image->file.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (image->file.fd < 0)
		return lclone_fail(-errno, "%s: %m", path);
	if (!realpath(path, image->path))
		return lclone_fail(-errno, "%s: %m", path);
	err = look(image, path, other_files);
	if (err)
		return err;
	if (!strcmp(image->format, "vpc"))
		return refuse_damaged_vhd(image) ?: ask_qemu_img(image);
	if (strcmp(image->format, "raw"))
		return ask_qemu_img(image) ?:
		       lclone_image_refuse_damaged(image->path, image->format);
	close(image->file.fd);
	err = lclone_file_open_ready(&image->file, image->path, O_RDONLY);
	if (!err && image->file.block)
		err = lclone_file_not_mounted_rw(&image->file);
	image->sectors = image->file.dev.sectors;
	return err;
}

void lclone_image_close(struct lclone_image *image)
{
	if (image->file.fd >= 0)
		lclone_file_close(&image->file);
	image->file.fd = -1;
}

/* What was on the device before is overwritten, where the image has zeros as well. */
static int write_piece(struct lclone_file *to, const char *buf, u64 sector, u32 count)
{
	u64 range[2] = { sector << 9, (u64)count << 9 };

	if (lclone_is_zero(buf, (size_t)count << 9) && !ioctl(to->fd, BLKZEROOUT, range))
		return 0;
	return lclone_file_write(to, buf, sector, count);
}

/* LVM rounds sizes up: the end of the volume may have what was on the disk before. */
static int zero_rest(const struct lclone_image *image, struct lclone_file *to)
{
	static const u8 zeros[LCLONE_BLOCK_SIZE];
	const u64 end = image->sectors, total = to->dev.sectors;
	u64 from = (end + LCLONE_BLOCK_SECTORS - 1) / LCLONE_BLOCK_SECTORS * LCLONE_BLOCK_SECTORS;
	u64 range[2];
	int err = 0;

	if (from > total)
		from = total;
	if (from > end)
		err = lclone_file_write(to, zeros, end, from - end);
	range[0] = from << 9;
	range[1] = (total - from) << 9;
	if (!err && range[1] && ioctl(to->fd, BLKZEROOUT, range))
		err = lclone_fail(-errno, "%s: its end cannot be zeroed: %m", to->path);
	return err;
}

static int copy_raw(struct lclone_image *image, const char *device,
		    const struct lclone_watch *watch)
{
	char *buf = aligned_alloc(LCLONE_BLOCK_SIZE, PIECE_SECTORS << 9);
	u64 sector = 0, total = image->sectors;
	struct lclone_file to;
	u32 count;
	int err;

	err = lclone_file_open(&to, device, O_RDWR | O_EXCL);
	if (!err && !buf)
		err = lclone_fail(-ENOMEM, "out of memory");
	for (; !err && sector < total; sector += count) {
		count = total - sector < PIECE_SECTORS ? total - sector : PIECE_SECTORS;
		if (lclone_watch_stops(watch, "copying", sector << 9, total << 9)) {
			err = lclone_fail(-EINTR, "interrupted");
			break;
		}
		err = lclone_dev_read(&image->file.dev, buf, sector, count);
		if (err)
			err = lclone_fail(err, "%s: cannot be read: %s", image->path,
					  strerror(-err));
		else
			err = write_piece(&to, buf, sector, count);
	}
	if (!err)
		err = zero_rest(image, &to) ?: lclone_file_sync(&to);
	if (!err)
		lclone_watch_stops(watch, "copying", total << 9, total << 9);
	lclone_file_close(&to);
	free(buf);
	return err;
}

static int finish_device(const struct lclone_image *image, const char *device)
{
	struct lclone_file to;
	int err;

	err = lclone_file_open(&to, device, O_RDWR | O_EXCL);
	if (!err)
		err = zero_rest(image, &to) ?: lclone_file_sync(&to);
	lclone_file_close(&to);
	return err;
}

/* The last of what qemu-img says of how far it is: "(12.34/100%)" */
static void read_percent(const char *text, double *percent)
{
	const char *at = strrchr(text, '(');
	double value;

	if (at && sscanf(at, "(%lf/100%%)", &value) == 1)
		*percent = value;
}

/* Till it ends, or is told to */
static int follow(const struct lclone_image *image, int fd, pid_t pid,
		  const struct lclone_watch *watch)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	const u64 total = image->sectors << 9;
	double percent = 0;
	char text[256];
	ssize_t n = 1;
	int err;

	while (n > 0) {
		if (lclone_watch_stops(watch, "copying", total / 100.0 * percent, total)) {
			kill(pid, SIGTERM);
			lclone_program_wait(pid, "qemu-img");
			return lclone_fail(-EINTR, "interrupted");
		}
		if (poll(&p, 1, 200) <= 0)
			continue;
		n = read(fd, text, sizeof(text) - 1);
		if (n > 0) {
			text[n] = '\0';
			read_percent(text, &percent);
		}
	}
	err = lclone_program_wait(pid, "qemu-img");
	if (lclone_watch_stops(watch, "copying", total / 100.0 * percent, total))
		err = lclone_fail(-EINTR, "interrupted");	/* a Ctrl-C has ended both */
	return err;
}

static int convert(const struct lclone_image *image, const char *device,
		   const struct lclone_watch *watch)
{
	const char *const argv[] = { "qemu-img", "convert", "-p", "-n", "-f", image->format, "-O",
				     "raw", image->path, device, NULL };
	struct lclone_program program = { .argv = argv, .in = -1, .err = STDERR_FILENO };
	int fd[2], err;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC))
		return lclone_fail(-errno, "cannot start qemu-img: %m");
	program.out = fd[1];
	pid = lclone_program_start(&program);
	close(fd[1]);
	err = pid < 0 ? pid : follow(image, fd[0], pid, watch);
	close(fd[0]);
	return err;
}

int lclone_image_copy(struct lclone_image *image, const char *device,
		      const struct lclone_watch *watch)
{
	if (!strcmp(image->format, "raw"))
		return copy_raw(image, device, watch);
	return convert(image, device, watch) ?: finish_device(image, device);
}
