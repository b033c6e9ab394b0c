// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fail.h"
#include "host/lvm.h"
#include "host/program.h"
#include "offline/image.h"

#define PIECE_SECTORS	2048u	/* that are read and written at once */

/* A footer of 512 bytes, at the end, and of all but fixed ones a copy at the start */
#define VHD_COOKIE	"conectix"
#define VHD_TYPE	60	/* a big-endian word of four bytes */
#define VHD_DIFFERENCING 4

static const struct {
	const char *magic, *format;
} formats[] = {
	{ "QFI\xfb", "qcow2" },
	{ "KDMV", "vmdk" },
	{ "COWD", "vmdk" },
	{ "# Disk DescriptorFile", "vmdk" },
	{ "vhdxfile", "vhdx" },
	{ VHD_COOKIE, "vpc" },
};

static const char *format_of(const char start[512])
{
	size_t i;

	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!memcmp(start, formats[i].magic, strlen(formats[i].magic)))
			return formats[i].format;
	return "raw";
}

/*
 * The first and the last 512 bytes of a file tell.  A device is raw: what looks like another format
 * on it may be a guest's doing, who could name any file as what it lies on.  qemu-img reads a
 * differencing VHD without an error, and what its parent has as zeros.
 */
static int look(struct lclone_image *image)
{
	char first[512], last[512];
	struct stat st;
	ssize_t n = pread(image->file.fd, first, sizeof(first), 0);
	off_t end = lseek(image->file.fd, 0, SEEK_END);

	image->format = "raw";
	if (!fstat(image->file.fd, &st) && S_ISBLK(st.st_mode))
		return 0;
	if (n == sizeof(first) && end > (off_t)sizeof(last))
		n = pread(image->file.fd, last, sizeof(last), end - sizeof(last));
	if (n < 0)
		return lclone_fail(-errno, "%s: cannot be read: %m", image->path);
	if (n != sizeof(last))
		return lclone_fail(-EINVAL, "%s is too small to be a disk", image->path);
	image->format = format_of(first);
	if (!strcmp(image->format, "raw") && !memcmp(last, VHD_COOKIE, strlen(VHD_COOKIE)))
		image->format = "vpc";
	if (!strcmp(image->format, "vpc") &&
	    last[VHD_TYPE + 3] == VHD_DIFFERENCING && !memcmp(last, VHD_COOKIE, strlen(VHD_COOKIE)))
		return lclone_fail(-EPROTONOSUPPORT, "%s is a differencing VHD: what its parent has would be missing",
				   image->path);
	return 0;
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

/* A plain file need not have whole sectors before its format is known. */
int lclone_image_open(struct lclone_image *image, const char *path)
{
	int err;

	memset(image, 0, sizeof(*image));
	image->file.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (image->file.fd < 0)
		return lclone_fail(-errno, "%s: %m", path);
	if (!realpath(path, image->path))
		return lclone_fail(-errno, "%s: %m", path);
	err = look(image);
	if (err)
		return err;
	if (strcmp(image->format, "raw"))
		return ask_qemu_img(image);
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

static bool is_zero(const char *buf, size_t size)
{
	return !buf[0] && !memcmp(buf, buf + 1, size - 1);
}

/* What was on the device before is overwritten, where the image has zeros as well. */
static int write_piece(struct lclone_file *to, const char *buf, u64 sector, u32 count)
{
	u64 range[2] = { sector << 9, (u64)count << 9 };

	if (is_zero(buf, (size_t)count << 9) && !ioctl(to->fd, BLKZEROOUT, range))
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

int lclone_image_copy(struct lclone_image *image, const char *device,
		      const struct lclone_watch *watch)
{
	const char *const quiet[] = { "qemu-img", "convert", "-n", "-f", image->format, "-O", "raw",
				      image->path, device, NULL };
	const char *const shows[] = { "qemu-img", "convert", "-p", "-n", "-f", image->format, "-O",
				      "raw", image->path, device, NULL };
	int err;

	if (!strcmp(image->format, "raw"))
		return copy_raw(image, device, watch);
	err = lclone_run_program(isatty(STDERR_FILENO) ? shows : quiet, false);
	return err ?: finish_device(image, device);
}
