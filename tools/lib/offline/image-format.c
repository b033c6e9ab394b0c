// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "basic/fail.h"
#include "offline/image-format.h"
#include "offline/image-header.h"

#define EDGE	512	/* bytes at the start and at the end of a file that tell what it is */

/* A footer of 512 bytes, at the end, and of all but fixed ones a copy at the start */
#define VHD_COOKIE	"conectix"
#define VHD_TYPE	60	/* a big-endian word of four bytes */
#define VHD_DIFFERENCING 4

#define TEXT_VMDK	"# Disk DescriptorFile"

static const struct {
	const char *magic, *format;
} formats[] = {
	{ "QFI\xfb", "qcow2" },
	{ "KDMV", "vmdk" },
	{ "COWD", "vmdk" },
	{ TEXT_VMDK, "vmdk" },
	{ "vhdxfile", "vhdx" },
	{ VHD_COOKIE, "vpc" },
};

/* No disk begins so */
static const struct {
	unsigned int offset;
	const char *magic, *what;
} others[] = {
	{ 64, "\x7f\x10\xda\xbe", "an image of VirtualBox (VDI)" },
	{ 0, "QED", "a QED image" },
	{ 0, "WithoutFreeSpace", "an image of Parallels" },
	{ 0, "WithouFreSpacExt", "an image of Parallels" },
	{ 0, "\x1f\x8b\x08", "compressed by gzip" },
	{ 0, "\xfd" "7zXZ", "compressed by xz" },
	{ 0, "\x28\xb5\x2f\xfd", "compressed by zstd" },
	{ 0, "BZh", "compressed by bzip2" },
	{ 0, "PK\x03\x04", "a zip archive" },
	{ 257, "ustar", "a tar archive, as .ova files are" },
};

/* What a file is called by, and what it has to be then */
static const struct {
	const char *suffix, *format;
} suffixes[] = {
	{ ".qcow2", "qcow2" },
	{ ".vmdk", "vmdk" },
	{ ".vhd", "vpc" },
	{ ".vhdx", "vhdx" },
	{ ".raw", "raw" },
};

static bool ends_with(const char *path, const char *suffix)
{
	size_t len = strlen(path), n = strlen(suffix);

	return len > n && !strcasecmp(path + len - n, suffix);
}

static int refuse_others(const char *path, const char first[EDGE])
{
	size_t i;

	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!memcmp(first + others[i].offset, others[i].magic, strlen(others[i].magic)))
			return lclone_fail(-EPROTONOSUPPORT, "%s is %s, which is not read: unpack or convert it before",
					   path, others[i].what);
	return 0;
}

static int refuse_misnamed(const char *path, const char *format)
{
	size_t i;

	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (ends_with(path, suffixes[i].suffix) && strcmp(format, suffixes[i].format) &&
		    !ends_with(path, "-flat.vmdk"))	/* the raw part of one */
			return lclone_fail(-EPROTONOSUPPORT, "%s has the content of a %s image, and is called %s: if it is whole, call it by what it is",
					   path, format, suffixes[i].suffix);
	return 0;
}

static const char *format_of(const char first[EDGE], const char last[EDGE])
{
	size_t i;

	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!memcmp(first, formats[i].magic, strlen(formats[i].magic)))
			return formats[i].format;
	return memcmp(last, VHD_COOKIE, strlen(VHD_COOKIE)) ? "raw" : "vpc";
}

/* What else an image names */

static int names(const char *path, const char *what)
{
	return lclone_fail(-EPROTONOSUPPORT, "%s names another file as %s: an image of somebody else's could put any file of this host into the template; if the names are right: --other-files",
			   path, what);
}

static int refuse_files(int fd, const char *path, const char *format)
{
	struct lclone_image_header header;
	int err = lclone_image_header_read(fd, path, format, &header);

	if (err)
		return err;
	if (header.extents)
		return names(path, "its content");
	if (header.overlay)
		return names(path, strcmp(format, "vmdk") ? "its backing file" : "its parent");
	return header.data_file ? names(path, "its data file") : 0;
}

/* qemu-img reads such a one without an error, and what its parent has as zeros. */
static int refuse_differencing(const char *path, const char last[EDGE])
{
	if (memcmp(last, VHD_COOKIE, strlen(VHD_COOKIE)) || last[VHD_TYPE + 3] != VHD_DIFFERENCING)
		return 0;
	return lclone_fail(-EPROTONOSUPPORT, "%s is a differencing VHD: what its parent has would be missing (lclone import makes a clone of it, on a template of its parent)",
			   path);
}

static int read_edges(int fd, const char *path, char first[EDGE], char last[EDGE])
{
	ssize_t n = pread(fd, first, EDGE, 0);
	off_t end = lseek(fd, 0, SEEK_END);

	if (n >= 0 && !memcmp(first, TEXT_VMDK, strlen(TEXT_VMDK)))
		n = EDGE;	/* of any length */
	else if (n == EDGE && end > EDGE)
		n = pread(fd, last, EDGE, end - EDGE);
	if (n < 0)
		return lclone_fail(-errno, "%s: cannot be read: %m", path);
	return n == EDGE ? 0 : lclone_fail(-EINVAL, "%s is too small to be a disk", path);
}

static int tell_format(int fd, const char *path, char first[EDGE], char last[EDGE],
		       const char **format)
{
	int err;

	*format = "raw";
	err = read_edges(fd, path, first, last);
	if (err)
		return err;
	*format = format_of(first, last);
	err = strcmp(*format, "raw") ? 0 : refuse_others(path, first);
	return err ?: refuse_misnamed(path, *format);
}

int lclone_image_format_only(int fd, const char *path, const char **format)
{
	char first[EDGE] = "", last[EDGE] = "";

	return tell_format(fd, path, first, last, format);
}

int lclone_image_format(int fd, const char *path, bool other_files, const char **format)
{
	char first[EDGE] = "", last[EDGE] = "";
	int err = tell_format(fd, path, first, last, format);

	if (!err && !strcmp(*format, "vpc"))
		err = refuse_differencing(path, last);
	if (!err && !other_files)
		err = refuse_files(fd, path, *format);
	return err;
}
