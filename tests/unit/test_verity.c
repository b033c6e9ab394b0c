// SPDX-License-Identifier: GPL-2.0-only
/* Superblocks of verity trees as veritysetup writes them, hostile ones, and the target's line. */
#include "test.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fail.h"
#include "dir.h"
#include "host/verity.h"
#include "image.h"
#include "offline/seal-base.h"

/* The hash of a block of the hashes of 128 blocks of 512 zeros */
#define ZEROS_ROOT	"b5a6094fe38e683c02f5314a91efc400fc0ea1cab73ad1a37c47d5f8134df167"

static void put(u8 *p, u64 value, u32 bytes)
{
	while (bytes--) {
		*p++ = value;
		value >>= 8;
	}
}

/* As "veritysetup format --data-block-size=512" writes it, with a salt of two bytes */
static void sample(u8 sb[512])
{
	memset(sb, 0, 512);
	memcpy(sb, "verity", 6);
	put(sb + 8, 1, 4);		/* version */
	put(sb + 12, 1, 4);		/* hash type */
	memset(sb + 16, 0xab, 16);	/* uuid */
	memcpy(sb + 32, "sha256", 6);
	put(sb + 64, 512, 4);		/* data block */
	put(sb + 68, 4096, 4);		/* hash block */
	put(sb + 72, 32768, 8);		/* data blocks */
	put(sb + 80, 2, 2);		/* salt size */
	put(sb + 88, 0x1f0e, 2);	/* salt */
}

static void is_read(void **state)
{
	struct lclone_verity v;
	u8 sb[512];

	(void)state;
	sample(sb);
	assert_int_equal(lclone_verity_unpack(sb, &v), 0);
	assert_int_equal(v.hash_type, 1);
	assert_int_equal(v.data_block, 512);
	assert_int_equal(v.hash_block, 4096);
	assert_int_equal(v.blocks, 32768);
	assert_int_equal(v.salt_size, 2);
	assert_memory_equal(v.salt, "\x0e\x1f", 2);
}

static void hostile_is_refused(void **state)
{
	static const struct {
		u32 at, bytes;
		u64 value;
		int err;
	} change[] = {
		{ 0, 1, 'V', -ENODATA }, { 6, 1, 1, -ENODATA }, { 8, 4, 2, -EPROTONOSUPPORT },
		{ 12, 4, 2, -EPROTONOSUPPORT }, { 35, 1, '5', -EPROTONOSUPPORT },
		{ 38, 1, 'x', -EPROTONOSUPPORT },
		{ 64, 4, 0, -EPROTONOSUPPORT }, { 64, 4, 256, -EPROTONOSUPPORT },
		{ 64, 4, 8192, -EPROTONOSUPPORT }, { 64, 4, 513, -EPROTONOSUPPORT },
		{ 68, 4, 0, -EPROTONOSUPPORT }, { 68, 4, 65536, -EPROTONOSUPPORT },
		{ 72, 8, 0, -EPROTONOSUPPORT }, { 72, 8, UINT64_MAX, -EPROTONOSUPPORT },
		{ 72, 8, 1ull << 55, -EPROTONOSUPPORT }, { 80, 2, 257, -EPROTONOSUPPORT },
		{ 80, 2, 256, 0 }, { 64, 4, 4096, 0 },
	};
	struct lclone_verity v;
	u8 sb[512];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(change) / sizeof(change[0]); i++) {
		sample(sb);
		put(sb + change[i].at, change[i].value, change[i].bytes);
		assert_int_equal(lclone_verity_unpack(sb, &v), change[i].err);
	}
}

/* Figures of veritysetup: hash blocks, and the superblock's */
static void sizes(void **state)
{
	(void)state;
	assert_int_equal(lclone_verity_size(1, 4096), 4096);
	assert_int_equal(lclone_verity_size(2, 4096), 2 * 4096);
	assert_int_equal(lclone_verity_size(128, 4096), 2 * 4096);
	assert_int_equal(lclone_verity_size(129, 4096), (1 + 2 + 1) * 4096);
	assert_int_equal(lclone_verity_size(32768, 4096), (1 + 256 + 2 + 1) * 4096);
	assert_int_equal(lclone_verity_size(129, 512), (1 + 9 + 1) * 512);
}

static void target_line(void **state)
{
	char params[LCLONE_VERITY_PARAMS], device[32];
	u8 root[LCLONE_ROOT_SIZE], sb[512];
	struct lclone_verity v;

	(void)state;
	memset(root, 0x5a, sizeof(root));
	sample(sb);
	assert_int_equal(lclone_verity_unpack(sb, &v), 0);
	lclone_verity_params(&v, "254:3", "254:4", root, params);
	assert_string_equal(params, "1 254:3 254:4 512 4096 32768 1 sha256 "
			    "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a 0e1f");
	assert_true(lclone_verity_data(params, device));
	assert_string_equal(device, "254:3");
	v.salt_size = 0;
	lclone_verity_params(&v, "254:3", "254:4", root, params);
	assert_string_equal(strrchr(params, ' '), " -");
	v.salt_size = sizeof(v.salt);
	lclone_verity_params(&v, "254:3", "254:4", root, params);
	assert_int_equal(strlen(strrchr(params, ' ')), 1 + 2 * sizeof(v.salt));
	assert_false(lclone_verity_data("", device));
}

static void root_hashes(void **state)
{
	u8 root[LCLONE_ROOT_SIZE] = { 0 }, again[LCLONE_ROOT_SIZE];
	char text[LCLONE_ROOT_TEXT];

	(void)state;
	assert_false(lclone_root_is_set(root));
	lclone_root_text(root, text);
	assert_int_equal(lclone_root_parse(text, again), -EINVAL);
	root[0] = 0xf0;
	root[31] = 1;
	assert_true(lclone_root_is_set(root));
	lclone_root_text(root, text);
	assert_int_equal(lclone_root_parse(text, again), 0);
	assert_memory_equal(root, again, sizeof(root));
	text[63] = 'x';
	assert_int_equal(lclone_root_parse(text, again), -EINVAL);
	text[63] = '\0';
	assert_int_equal(lclone_root_parse(text, again), -EINVAL);
	assert_int_equal(lclone_root_parse("", again), -EINVAL);
}

static void make_file(const char *name, off_t size)
{
	int fd = open(path_of(name), O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(close(fd), 0);
}

/* What libcryptsetup makes is what is read, the same every time, and hashes with SHA-256. */
static void tree(void **state)
{
	struct lclone_file data, hashes;
	struct lclone_verity v;
	u8 root[LCLONE_ROOT_SIZE];
	char text[LCLONE_ROOT_TEXT];

	(void)state;
	make_file("data", 65536);
	make_file("hashes", 8192);
	assert_int_equal(lclone_file_open(&data, path_of("data"), O_RDONLY), 0);
	assert_int_equal(lclone_file_open(&hashes, path_of("hashes"), O_RDWR), 0);
	assert_int_equal(lclone_verity_read(&data, &hashes, &v), -ENODATA);
	data.logical_block = 512;	/* whatever the filesystem has */
	assert_int_equal(lclone_verity_make(&data, &hashes, NULL, root), 0);
	lclone_root_text(root, text);
	assert_string_equal(text, ZEROS_ROOT);
	assert_int_equal(lclone_verity_read(&data, &hashes, &v), 0);
	assert_int_equal(v.data_block, 512);
	assert_int_equal(v.salt_size, 0);
	hashes.dev.sectors = 15;
	assert_int_equal(lclone_verity_read(&data, &hashes, &v), -ESTALE);
	assert_non_null(strstr(lclone_why(), "is too short for its verity tree: it has 7680 bytes"));
	hashes.dev.sectors = 16;
	data.dev.sectors = 120;
	assert_int_equal(lclone_verity_read(&data, &hashes, &v), -ESTALE);
	assert_non_null(strstr(lclone_why(), "verity tree of a base of "));
	lclone_file_close(&data);
	lclone_file_close(&hashes);
}

static int stops(void *ctx, const char *phase, u64 done, u64 total)
{
	(void)ctx;
	(void)phase;
	(void)done;
	(void)total;
	return 1;
}

/* It is made by a process of its own, which is not waited for when nobody wants it any more. */
static void is_stopped(void **state)
{
	const struct lclone_watch watch = { .progress = stops };
	struct lclone_file data, hashes;
	u8 root[LCLONE_ROOT_SIZE];

	(void)state;
	make_file("data", 1ull << 34);
	make_file("hashes", 1ull << 31);
	assert_int_equal(lclone_file_open(&data, path_of("data"), O_RDONLY), 0);
	assert_int_equal(lclone_file_open(&hashes, path_of("hashes"), O_RDWR), 0);
	assert_int_equal(lclone_verity_make(&data, &hashes, &watch, root), -EINTR);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	lclone_file_close(&data);
	lclone_file_close(&hashes);
}

/* What holds a delta is no base, before it is asked where its tree would lie. */
static void delta_is_no_base(void **state)
{
	const struct image_size size = {
		.device_sectors = 8192, .base_sectors = 1024, .virtual_sectors = 1024, .chunk_sectors = 8,
	};
	struct lclone_lv base, tree;
	struct image img;
	bool already;
	FILE *f;

	(void)state;
	image_init(&img, &size, 1);
	f = fopen(path_of("delta"), "w");
	assert_non_null(f);
	assert_int_equal(fwrite(img.data, 512, 8192, f), 8192);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(lclone_seal_base(path_of("delta"), NULL, &base, &tree, &already), -EADDRINUSE);
	make_file("data", 65536);
	assert_int_equal(lclone_seal_base(path_of("data"), NULL, &base, &tree, &already), -ENOTBLK);
	image_free(&img);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_read),
		cmocka_unit_test(hostile_is_refused),
		cmocka_unit_test(sizes),
		cmocka_unit_test(target_line),
		cmocka_unit_test(root_hashes),
		cmocka_unit_test(tree),
		cmocka_unit_test(is_stopped),
		cmocka_unit_test(delta_is_no_base),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
