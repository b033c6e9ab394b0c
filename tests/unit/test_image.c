// SPDX-License-Identifier: GPL-2.0-only
/* What an image is, and what it names, by its first and last bytes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "basic/fail.h"
#include "dir.h"
#include "offline/image-format.h"
#include "test.h"

#define SIZE	32768

static char data[SIZE];

static void put(size_t at, const void *bytes, size_t size)
{
	memcpy(data + at, bytes, size);
}

static int format_of(const char *name, bool other_files, const char **format)
{
	int fd = open(path_of(name), O_RDWR | O_CREAT | O_TRUNC, 0600), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, SIZE), SIZE);
	err = lclone_image_format(fd, name, other_files, format);
	close(fd);
	return err;
}

static void is(const char *name, const char *wanted)
{
	const char *format;

	assert_int_equal(format_of(name, false, &format), 0);
	assert_string_equal(format, wanted);
	memset(data, 0, SIZE);
}

/* @allowed: --other-files takes it all the same. */
static void refused(const char *name, const char *why, bool allowed)
{
	const char *format;

	assert_int_equal(format_of(name, false, &format), -EPROTONOSUPPORT);
	assert_non_null(strstr(lclone_why(), why));
	assert_int_equal(format_of(name, true, &format), allowed ? 0 : -EPROTONOSUPPORT);
	memset(data, 0, SIZE);
}

static void qcow2(void **state)
{
	(void)state;
	put(0, "QFI\xfb\0\0\0\3", 8);
	is("disk.img", "qcow2");
	put(0, "QFI\xfb\0\0\0\3", 8);
	put(72, "\0\0\0\0\0\0\0\1", 8);		/* it was not closed: of no matter */
	is("disk.QCOW2", "qcow2");
	put(0, "QFI\xfb\0\0\0\3\0\0\0\0\0\0\1\0\0\0\0\4", 20);
	put(100, "\0\0\0\x68", 4);
	put(256, "base", 4);
	refused("disk.qcow2", "its backing file", true);
	put(0, "QFI\xfb\0\0\0\3\0\0\0\0\0\0\1\0", 16);	/* without a name */
	refused("disk.qcow2", "its header is damaged", true);
	put(0, "QFI\xfb\0\0\0\3", 8);
	put(72, "\0\0\0\0\0\0\0\5", 8);
	refused("disk.qcow2", "its data file", true);
	/* there are no such features in version 2 */
	put(0, "QFI\xfb\0\0\0\2", 8);
	put(72, "\0\0\0\0\0\0\0\4", 8);
	is("disk.qcow2", "qcow2");
}

static void vmdk(void **state)
{
	const char text[] = "# Disk DescriptorFile\nparentFileNameHint=\"/etc/shadow\"\n";

	(void)state;
	put(0, "# Disk DescriptorFile\nRW 8 FLAT \"/etc/shadow\" 0\n", 49);
	refused("disk.vmdk", "its content", true);
	put(0, "KDMV", 4);
	put(12, "\0\010\0\0\0\0\0\0", 8);
	put(28, "\1\0\0\0\0\0\0\0", 8);
	put(512, "# Disk DescriptorFile\n", 22);
	is("disk.vmdk", "vmdk");
	put(0, "KDMV", 4);
	put(12, "\0\010\0\0\0\0\0\0", 8);
	put(28, "\1\0\0\0\0\0\0\0", 8);
	put(512 + 3000, text, sizeof(text));
	refused("disk.vmdk", "its parent", true);
	put(0, "KDMV", 4);		/* a size of 0: the text inside counts */
	put(28, "\1\0\0\0\0\0\0\0", 8);
	refused("disk.vmdk", "its content", true);
	put(0, "COWD", 4);
	put(2048, text, sizeof(text));
	refused("disk.vmdk", "its parent", true);
	is("disk-flat.vmdk", "raw");
}

static void others(void **state)
{
	(void)state;
	is("disk.img", "raw");
	is("disk", "raw");
	put(SIZE - 512, "conectix", 8);
	is("disk.vhd", "vpc");
	put(SIZE - 512, "conectix", 8);
	data[SIZE - 512 + 63] = 4;
	refused("disk.vhd", "differencing", false);
	put(0, "vhdxfile", 8);
	is("disk.vhdx", "vhdx");
	put(64, "\x7f\x10\xda\xbe", 4);
	refused("disk.img", "VirtualBox", false);
	put(0, "\x1f\x8b\x08", 3);
	refused("disk.img", "gzip", false);
	put(257, "ustar", 5);
	refused("disk.ova", "tar", false);
	refused("disk.qcow2", "is called .qcow2", false);
	put(0, "QFI\xfb\0\0\0\3", 8);
	refused("disk.raw", "is called .raw", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(qcow2),
		cmocka_unit_test(vmdk),
		cmocka_unit_test(others),
	};

	return cmocka_run_group_tests_name("image", tests, make_dir, remove_dir);
}
