// SPDX-License-Identifier: GPL-2.0-only
/* VHDs of all types are read as they are, and what is damaged, cut off or hostile is refused. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/fail.h"
#include "dir.h"
#include "makevhd.h"
#include "offline/image.h"
#include "offline/vhd.h"
#include "test.h"

static struct lclone_memdev device;

static int open_it(struct lclone_vhd *vhd, const struct vhd_image *image)
{
	lclone_memdev_init(&device, image->data, image->size >> 9);
	return lclone_vhd_open(vhd, &device.dev, "disk.vhd");
}

/* What it has itself is told, to the sector, and only that; and lies where it says. */
static void same(struct lclone_vhd *vhd, const struct vhd_image *image)
{
	const u64 total = image->wish.sectors;
	u64 sector = 0, sectors, at, i;
	int ret;

	assert_int_equal(vhd->sectors, total);
	for (; sector < total; sector += sectors) {
		ret = lclone_vhd_extent(vhd, sector, &sectors, &at);
		assert_in_range(ret, 0, 1);
		assert_in_range(sectors, 1, total - sector);
		for (i = sector; vhd->type == LCLONE_VHD_DIFFERENCING && i < sector + sectors; i++)
			assert_int_equal(ret, image->own[i]);
		for (i = sector; !ret && i < sector + sectors; i++)
			assert_false(image->own[i]);
		for (i = 0; ret && i < sectors; i++)
			if (image->own[sector + i])
				assert_memory_equal(image->data + ((at + i) << 9),
						    image->disk + ((sector + i) << 9), 512);
	}
	assert_int_equal(sector, total);
}

static void one(const struct vhd_wish *wish)
{
	struct vhd_image image;
	struct lclone_vhd vhd;

	vhd_make(&image, wish);
	assert_int_equal(open_it(&vhd, &image), 0);
	same(&vhd, &image);
	lclone_vhd_close(&vhd);
	vhd_free(&image);
}

static const u32 block_sizes[] = { 512, 4096, 32768, 65536, 2097152, 4194304 };

static void all_types(void **state)
{
	struct vhd_image parent;
	u64 sectors;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(block_sizes) / sizeof(block_sizes[0]); i++)
		for (sectors = 1; sectors < 30000; sectors = sectors * 5 + 1) {
			vhd_make(&parent, &(struct vhd_wish){ .type = 3, .sectors = sectors,
				 .block_size = 4096, .changes = 5, .seed = 1 });
			one(&(struct vhd_wish){ .type = 2, .sectors = sectors, .changes = 9,
				.seed = sectors });
			one(&(struct vhd_wish){ .type = 3, .sectors = sectors, .changes = 9,
				.block_size = block_sizes[i], .seed = sectors });
			one(&(struct vhd_wish){ .type = 4, .sectors = sectors, .changes = 9,
				.block_size = block_sizes[i], .seed = sectors, .parent = &parent });
			vhd_free(&parent);
		}
}

static struct vhd_image parent, image;

static void make_both(const char *parent_name)
{
	vhd_make(&parent, &(struct vhd_wish){ .type = 2, .sectors = 4001, .changes = 20,
		 .seed = 3 });
	vhd_make(&image, &(struct vhd_wish){ .type = 4, .sectors = 4001, .changes = 20,
		 .block_size = 65536, .seed = 4, .parent = &parent, .parent_name = parent_name });
}

static void free_both(void)
{
	vhd_free(&parent);
	vhd_free(&image);
}

static void knows_parent(void **state)
{
	static const bool there[LCLONE_VHD_NAMES] = { true, true, true, [8] = true };
	char name[NAME_MAX + 1];
	struct lclone_vhd vhd;
	u32 i;

	(void)state;
	make_both("a folder/base.vhd");
	assert_int_equal(open_it(&vhd, &image), 0);
	assert_memory_equal(vhd.parent_uuid, vhd_footer(&parent) + 68, 16);
	assert_int_equal(vhd.parent_time, 800000003);
	for (i = 0; i < LCLONE_VHD_NAMES; i++) {
		assert_int_equal(lclone_vhd_parent_name(&vhd, i, name), there[i]);
		if (there[i])
			assert_string_equal(name, "base.vhd");
	}
	lclone_vhd_close(&vhd);
	free_both();
}

/* @name, as a relative path of Windows, is the name of no file, or (@wanted) that one. */
static void named(const void *name, size_t size, const char *wanted)
{
	u8 *locator = vhd_header(&image) + 576;
	char found[NAME_MAX + 1];
	struct lclone_vhd vhd;

	memcpy(image.data + image.locators, name, size);
	vhd_put32(locator + 8, size);
	vhd_seal(&image);
	assert_int_equal(open_it(&vhd, &image), 0);
	assert_int_equal(lclone_vhd_parent_name(&vhd, 0, found), wanted ? 1 : 0);
	if (wanted)
		assert_string_equal(found, wanted);
	lclone_vhd_close(&vhd);
}

static void odd_names(void **state)
{
	char name[NAME_MAX + 1], lengthy[1024];
	struct lclone_vhd vhd;

	(void)state;
	make_both("base.vhd");
	named(".\0.\0/\0x\0", 8, "x");
	named(".\0.\0\\\0.\0.\0", 10, NULL);
	named("x\0\\\0", 4, NULL);
	named("a\0\0\0b\0", 6, "a");
	named("\xe4\0\xac\x20\x3d\xd8\x00\xde", 8, "ä€😀");
	named("\x3d\xd8", 2, NULL);
	named("\x3d\xd8x\0", 4, NULL);
	named("\x00\xdex\0", 4, NULL);
	memset(lengthy, 'x', sizeof(lengthy));
	for (size_t i = 1; i < sizeof(lengthy); i += 2)
		lengthy[i] = 0;
	named(lengthy, sizeof(lengthy), NULL);
	memset(name, 'x', NAME_MAX);
	name[NAME_MAX] = '\0';
	named(lengthy, NAME_MAX * 2, name);
	free_both();

	make_both("base.vhd");
	vhd_put64(vhd_header(&image) + 576 + 16, UINT64_MAX - 5);
	vhd_put32(vhd_header(&image) + 576 + 24 + 8, UINT32_MAX);
	vhd_put64(vhd_header(&image) + 576 + 48 + 16, image.size - 3);
	vhd_seal(&image);
	assert_int_equal(open_it(&vhd, &image), 0);
	assert_int_equal(lclone_vhd_parent_name(&vhd, 0, name), -EUCLEAN);
	assert_int_equal(lclone_vhd_parent_name(&vhd, 1, name), 0);
	assert_int_equal(lclone_vhd_parent_name(&vhd, 2, name), -EUCLEAN);
	lclone_vhd_close(&vhd);
	free_both();
}

static void refused(int err, const char *why)
{
	struct lclone_vhd vhd;

	vhd_seal(&image);
	assert_int_equal(open_it(&vhd, &image), err);
	if (!strstr(lclone_why(), why))
		fail_msg("\"%s\" is not in \"%s\"", why, lclone_why());
	lclone_vhd_close(&vhd);
	free_both();
	make_both("base.vhd");
}

static void broken(void **state)
{
	struct lclone_vhd vhd;
	u8 *header;
	u64 size;

	(void)state;
	make_both("base.vhd");
	/* cut off anywhere */
	for (size = 0; size < image.size; size += 512 * 7) {
		lclone_memdev_init(&device, image.data, size >> 9);
		assert_int_equal(lclone_vhd_open(&vhd, &device.dev, "x"), -EUCLEAN);
		lclone_vhd_close(&vhd);
	}
	vhd_footer(&image)[100]++;
	assert_int_equal(open_it(&vhd, &image), -EUCLEAN);
	assert_non_null(strstr(lclone_why(), "checksum"));
	vhd_header(&image)[900]++;
	vhd_footer(&image)[100]--;
	assert_int_equal(open_it(&vhd, &image), -EUCLEAN);
	assert_non_null(strstr(lclone_why(), "checksum"));
	free_both();

	make_both("base.vhd");
	vhd_put32(vhd_footer(&image) + 12, 0x20000);
	refused(-EPROTONOSUPPORT, "version");
	vhd_put32(vhd_footer(&image) + 60, 5);
	refused(-EPROTONOSUPPORT, "type 5");
	vhd_put32(vhd_footer(&image) + 60, 2);
	refused(-EUCLEAN, "smaller than the disk");
	memcpy(vhd_footer(&image) + 28, "tap\0\0\0\0\1", 8);
	refused(-EPROTONOSUPPORT, "tapdisk");
	vhd_put64(vhd_footer(&image) + 48, 0);
	refused(-EUCLEAN, "size of the disk");
	vhd_put64(vhd_footer(&image) + 48, 4001 * 512 + 1);
	refused(-EUCLEAN, "size of the disk");
	vhd_put64(vhd_footer(&image) + 48, UINT64_MAX - 511);
	refused(-EPROTONOSUPPORT, "too many blocks");
	vhd_put64(vhd_footer(&image) + 48, 4001 * 1024);
	refused(-EUCLEAN, "table is too small");
	vhd_put64(vhd_footer(&image) + 16, 513);
	refused(-EUCLEAN, "between sectors");
	vhd_put64(vhd_footer(&image) + 16, UINT64_MAX << 9);
	refused(-EUCLEAN, "ends before");
	vhd_put64(vhd_footer(&image) + 16, 0);
	refused(-EUCLEAN, "no header");
	header = vhd_header(&image);
	vhd_put32(header + 24, 0x20000);
	refused(-EPROTONOSUPPORT, "version");
	vhd_put64(vhd_header(&image) + 16, image.size);
	refused(-EUCLEAN, "beyond its end");
	vhd_put64(vhd_header(&image) + 16, UINT64_MAX << 9);
	refused(-EUCLEAN, "beyond its end");
	vhd_put64(vhd_header(&image) + 16, 1537);
	refused(-EUCLEAN, "between sectors");
	vhd_put32(vhd_header(&image) + 32, 0);
	refused(-EUCLEAN, "size of its blocks");
	vhd_put32(vhd_header(&image) + 32, 3 * 4096);
	refused(-EUCLEAN, "size of its blocks");
	/* blocks that are elsewhere */
	vhd_put32(image.data + image.table, image.size >> 9);
	refused(-EUCLEAN, "beyond its end");
	vhd_put32(image.data + image.table, UINT32_MAX - 1);
	refused(-EUCLEAN, "beyond its end");
	vhd_put32(image.data + image.table, (image.size >> 9) - 129);
	refused(-EUCLEAN, "beyond its end");
	vhd_put32(image.data + image.table, 0);
	refused(-EUCLEAN, "something else");
	vhd_put32(image.data + image.table, image.table >> 9);
	refused(-EUCLEAN, "something else");
	vhd_put32(image.data + image.table, 2);
	refused(-EUCLEAN, "something else");
	memcpy(image.data + image.table, image.data + image.table + 4, 4);
	refused(-EUCLEAN, "one place");
	free_both();
}

static const char *image_file(const char *name, u64 size)
{
	int fd = open(path_of(name), O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, image.data, size), size);
	close(fd);
	return path_of(name);
}

/* A foreign judge, if it is here, takes them for what they are meant to be. */
static void others_read_them(void **state)
{
	char command[2048];

	(void)state;
	if (system("command -v vhdiinfo >/dev/null")) {
		print_message("# vhdiinfo (libvhdi-utils) is not installed\n");
		skip();
	}
	make_both("base.vhd");
	snprintf(command, sizeof(command),
		 "t=$(vhdiinfo %s) && for w in Differential '2048512 bytes' ': base.vhd' 43434343-4343-4343-4343-434343434343; do case $t in *\"$w\"*) ;; *) echo \"# $w\"; exit 1; esac; done",
		 image_file("child.vhd", image.size));
	assert_int_equal(system(command), 0);
	free_both();
}

/* A template has all of its image: one that was cut off is seen, also if qemu-img sees nothing. */
static void template_of_cut_off(void **state)
{
	static struct lclone_image template;

	(void)state;
	vhd_make(&image, &(struct vhd_wish){ .type = 3, .sectors = 4001, .changes = 20,
		 .block_size = 65536, .seed = 4 });
	assert_int_equal(lclone_image_open(&template, image_file("whole.vhd", image.size), false), 0);
	assert_int_equal(template.sectors, 4001);
	lclone_image_close(&template);
	assert_int_equal(lclone_image_open(&template, image_file("cut.vhd", image.size - 512),
					   false), -EUCLEAN);
	assert_non_null(strstr(lclone_why(), "cut off"));
	lclone_image_close(&template);
	vhd_free(&image);
}

/* What qemu makes is read, too. */
static void of_qemu(void **state)
{
	static const char *const subformats[] = { "dynamic", "fixed" };
	static struct lclone_image template;
	char command[1024];
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		snprintf(command, sizeof(command),
			 "head -c 3000000 /dev/urandom >%s && qemu-img convert -f raw -O vpc -o subformat=%s,force_size=on %s %s",
			 path_of("raw"), subformats[i], path_of("raw"), path_of("qemu.vhd"));
		assert_int_equal(system(command), 0);
		assert_int_equal(lclone_image_open(&template, path_of("qemu.vhd"), false), 0);
		lclone_image_close(&template);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_types),
		cmocka_unit_test(knows_parent),
		cmocka_unit_test(odd_names),
		cmocka_unit_test(broken),
		cmocka_unit_test(others_read_them),
		cmocka_unit_test(template_of_cut_off),
		cmocka_unit_test(of_qemu),
	};

	return cmocka_run_group_tests_name("vhd", tests, make_dir, remove_dir);
}
