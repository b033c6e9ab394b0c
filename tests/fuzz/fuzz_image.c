// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: what the header of an image says of other files.
 *
 * The first byte of the input chooses with what it begins; the rest is a file in memory.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "basic/fail.h"
#include "must.h"
#include "offline/image-format.h"
#include "offline/image-header.h"

static const struct {
	const char *format, *begin;
	size_t size;
} kinds[] = {
	{ "qcow2", "QFI\xfb\0\0\0\3\0\0\0\0\0\0\0\x70\0\0\0\x8", 20 },
	{ "vmdk", "# Disk DescriptorFile\n", 22 },
	{ "vmdk", "KDMV\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 36 },
	{ "vmdk", "COWD", 4 },
	{ "vhdx", "vhdxfile", 8 },
};

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct lclone_image_header header;
	size_t kind = size ? data[0] % (sizeof(kinds) / sizeof(kinds[0])) : 0;
	const char *format;
	static int fd = -1;
	int err;

	if (!size)
		return 0;
	if (fd < 0)
		fd = memfd_create("image", 0);
	MUST(!ftruncate(fd, 0));
	MUST(pwrite(fd, data + 1, size - 1, kinds[kind].size) == (ssize_t)size - 1);
	MUST(pwrite(fd, kinds[kind].begin, kinds[kind].size, 0) == (ssize_t)kinds[kind].size);
	MUST(!ftruncate(fd, 4096));
	err = lclone_image_header_read(fd, "/nowhere/image", kinds[kind].format, &header);
	MUST(!err || lclone_why()[0]);
	MUST(memchr(header.backing, 0, sizeof(header.backing)));
	MUST(memchr(header.backing_format, 0, sizeof(header.backing_format)));
	MUST(err || header.overlay || !header.backing[0]);
	err = lclone_image_format_only(fd, "/nowhere/image", &format);
	MUST(err || format);
	return 0;
}
