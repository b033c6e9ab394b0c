// SPDX-License-Identifier: GPL-2.0-only
/* The reader against a naive model: what it reads is what was written. */
#include "image.h"
#include "test.h"

static const struct image_size sizes[] = {
	/* device, base, virtual, chunk */
	{ 32768, 20000, 30000, 16 },	/* three levels of tree, base ends within the clone */
	{ 65536, 81920, 81920, 128 },
	{ 65536, 0, 50001, 64 },	/* no base, a last chunk that is cut */
	{ 131072, 4096, 65536, 2048 },
	{ 32768, 40960, 8192, 32 },	/* a base larger than the clone */
};

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static const struct lclone_dev *base_of(const struct image *img)
{
	return img->base.dev.sectors ? &img->base.dev : NULL;
}

static void open_image(struct lclone_delta *delta, struct image *img)
{
	int err = lclone_delta_open(delta, &img->dev.dev);

	if (err)
		fail_msg("open: %d %s", err, delta->why);
}

static void check_exceptions(struct image *img, struct lclone_delta *delta)
{
	struct lclone_iter it;
	u64 chunk, exc, from = 0, expect;
	int ret;

	for (chunk = 0; chunk < img->chunks; chunk++) {
		assert_int_equal(lclone_delta_lookup(delta, chunk, &exc), 0);
		assert_int_equal(exc, img->exc[chunk]);
	}
	lclone_iter_init(&it, delta, 0);
	while ((ret = lclone_iter_next(&it, &chunk, &exc)) > 0) {
		for (expect = from; !img->exc[expect]; expect++)
			;
		assert_int_equal(chunk, expect);
		assert_int_equal(exc, img->exc[chunk]);
		from = chunk + 1;
	}
	assert_int_equal(ret, 0);
	for (; from < img->chunks; from++)
		assert_int_equal(img->exc[from], 0);
}

static void check_range(struct image *img, struct lclone_delta *delta, u64 sector, u32 count)
{
	u8 *buf = malloc((count << 9) + 1);
	int err;

	buf[count << 9] = 0x5a;
	err = lclone_delta_read(delta, base_of(img), buf, sector, count);
	if (err)
		fail_msg("read: %d %s", err, delta->why);
	assert_memory_equal(buf, img->clone + (sector << 9), (size_t)count << 9);
	assert_int_equal(buf[count << 9], 0x5a);
	free(buf);
}

static void check_content(struct image *img, struct lclone_delta *delta)
{
	u64 size = img->sb.virtual_sectors, sector;
	u32 i, n;

	for (sector = 0; sector < size; sector += n) {
		n = size - sector < 2048 ? size - sector : 2048;
		check_range(img, delta, sector, n);
	}
	for (i = 0; i < 300; i++) {
		sector = image_random(img, size);
		n = 1 + image_random(img, 300);
		check_range(img, delta, sector, n < size - sector ? n : size - sector);
	}
}

/* Extents cover the whole range once, in order, and no neighbours could be one. */
static void check_extents(struct image *img, struct lclone_delta *delta)
{
	struct lclone_extent e, last = { .sectors = 0 };
	struct lclone_extents x;
	u64 at = 0;
	int ret;

	lclone_extents_init(&x, delta, 0, UINT64_MAX);
	while ((ret = lclone_extents_next(&x, &e)) > 0) {
		assert_int_equal(e.sector, at);
		assert_true(e.sectors > 0);
		assert_false(last.sectors && last.source == e.source &&
			     (e.source != LCLONE_FROM_DELTA ||
			      last.delta_sector + last.sectors == e.delta_sector));
		if (e.source == LCLONE_FROM_BASE)
			assert_true(e.sector + e.sectors <= img->sb.base_sectors);
		at += e.sectors;
		last = e;
	}
	assert_int_equal(ret, 0);
	assert_int_equal(at, img->sb.virtual_sectors);
}

/* Random deltas of several geometries read as their model, in every way of reading. */
static void random_deltas(void **state)
{
	struct lclone_delta delta;
	struct image img;
	u32 seed;

	(void)state;
	for (seed = 0; seed < 4 * SIZES; seed++) {
		image_init(&img, &sizes[seed % SIZES], seed);
		image_populate(&img, seed / SIZES * 100);
		open_image(&delta, &img);
		assert_int_equal(lclone_delta_damaged_slot(&delta), -1);
		check_exceptions(&img, &delta);
		check_content(&img, &delta);
		check_extents(&img, &delta);
		lclone_delta_close(&delta);
		image_free(&img);
	}
}

/* Exceptions a terabyte apart are found without reading what lies between. */
static u64 reads;

static int counting_read(const struct lclone_dev *dev, void *buf, u64 sector, u32 count)
{
	const struct lclone_memdev *mem = (const struct lclone_memdev *)dev;

	reads++;
	memcpy(buf, mem->data + (sector << 9), (size_t)count << 9);
	return 0;
}

static void huge_clone(void **state)
{
	u64 size = 1ull << 42, chunks = size / 128, far = chunks - 1, block, exc, found[3];
	struct lclone_extents x;
	struct lclone_extent e;
	struct lclone_delta delta;
	struct lclone_ref ref = { 0 };
	struct lclone_leaf_disk *leaf;
	struct lclone_iter it;
	struct image img;
	u32 level, n = 0;
	u64 chunk;

	(void)state;
	image_init(&img, &(struct image_size){ 65536, 8, 65536, 128 }, 1);
	img.sb.virtual_sectors = size;
	img.sb.checkpoint = 1;
	/* one path from the root to the leaf of the last chunk */
	block = (u64)img.sb.first_chunk * 16;
	leaf = image_block(&img, block);
	leaf->exceptions[far % 504] = cpu_to_le64(lclone_exc_make(60, 1, 0));
	lclone_node_seal(&leaf->node, img.sb.uuid, 1, far / 504 * 504, 0, &ref.csum);
	ref.block = block;
	for (level = 1; level <= lclone_tree_level(chunks); level++) {
		struct lclone_index_disk *index = image_block(&img, ++block);
		u64 span = lclone_node_span(level), first = far / span * span;

		lclone_ref_pack(ref, &index->refs[(far - first) / lclone_node_span(level - 1)]);
		lclone_node_seal(&index->node, img.sb.uuid, 1, first, level, &ref.csum);
		ref.block = block;
	}
	img.sb.root_block = ref.block;
	img.sb.root_csum = ref.csum;
	img.sb.root_level = level - 1;
	img.sb.hwm = 61;
	image_write_sb(&img);

	img.dev.dev.read = counting_read;
	open_image(&delta, &img);
	reads = 0;
	lclone_iter_init(&it, &delta, 0);
	while (lclone_iter_next(&it, &chunk, &exc) > 0)
		found[n++ % 3] = chunk;
	assert_int_equal(n, 1);
	assert_int_equal(found[0], far);
	assert_int_equal(reads, level);
	assert_int_equal(lclone_delta_lookup(&delta, 12345, &exc), 0);
	assert_int_equal(exc, 0);

	lclone_extents_init(&x, &delta, 0, UINT64_MAX);
	n = 0;
	while (lclone_extents_next(&x, &e) > 0)
		n++;
	assert_int_equal(n, 4);		/* base, zeros, one subchunk, zeros */
	lclone_delta_close(&delta);
	image_free(&img);
}

static void beyond_the_end(void **state)
{
	struct lclone_delta delta;
	struct image img;
	u8 buf[1024];

	(void)state;
	image_init(&img, &sizes[1], 1);
	open_image(&delta, &img);
	assert_int_equal(lclone_delta_read(&delta, &img.base.dev, buf, 81919, 1), 0);
	assert_int_equal(lclone_delta_read(&delta, &img.base.dev, buf, 81919, 2), -ENXIO);
	assert_int_equal(lclone_delta_read(&delta, &img.base.dev, buf, UINT64_MAX, 2), -ENXIO);
	lclone_delta_close(&delta);
	image_free(&img);
}

/* Superblocks: which slot counts, and what is no delta at all */

static int try_open(struct image *img, int *damaged, u64 *seq)
{
	struct lclone_delta delta;
	int err = lclone_delta_open(&delta, &img->dev.dev);

	if (damaged)
		*damaged = lclone_delta_damaged_slot(&delta);
	if (seq)
		*seq = delta.sb.seq;
	assert_true(!err || delta.why[0]);
	lclone_delta_close(&delta);
	return err;
}

static void newest_slot_wins(void **state)
{
	struct image img;
	int i, damaged;
	u64 seq;

	(void)state;
	image_init(&img, &sizes[1], 1);
	for (i = 0; i < 5; i++) {
		assert_int_equal(try_open(&img, &damaged, &seq), 0);
		assert_int_equal(damaged, -1);
		assert_int_equal(seq, img.sb.seq);
		image_write_sb(&img);
	}
	image_free(&img);
}

static void one_slot_damaged(void **state)
{
	struct image img;
	int damaged;
	u64 seq;

	(void)state;
	image_init(&img, &sizes[1], 1);
	image_write_sb(&img);	/* B, 2 */
	*(u8 *)image_block(&img, LCLONE_SB_SLOT_A) ^= 1;
	assert_int_equal(try_open(&img, &damaged, &seq), 0);
	assert_int_equal(damaged, 0);
	assert_int_equal(seq, 2);
	*(u8 *)image_block(&img, LCLONE_SB_SLOT_A) ^= 1;
	((u8 *)image_block(&img, LCLONE_SB_SLOT_B))[300] ^= 1;
	assert_int_equal(try_open(&img, &damaged, &seq), 0);
	assert_int_equal(damaged, 1);
	assert_int_equal(seq, 1);
	((u8 *)image_block(&img, LCLONE_SB_SLOT_A))[300] ^= 1;
	assert_int_equal(try_open(&img, NULL, NULL), -EBADMSG);
	image_free(&img);
}

/* The newest superblock rots: an older one must not silently bring old data back. */
static void no_silent_rollback(void **state)
{
	u64 chunks[1] = { 3 };
	struct image img;

	(void)state;
	image_init(&img, &sizes[1], 1);
	image_activate(&img);
	image_change(&img, 3);
	image_checkpoint(&img);
	image_change(&img, 3);
	assert_true(image_commit(&img, chunks, 1));
	((u8 *)image_block(&img, img.sb.seq % 2 ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B))[99] ^= 1;
	assert_int_equal(try_open(&img, NULL, NULL), -EUCLEAN);
	image_free(&img);
}

static void not_a_delta(void **state)
{
	static u8 nothing[1 << 20];
	struct lclone_memdev mem;
	struct lclone_delta delta;
	struct image img;

	(void)state;
	lclone_memdev_init(&mem, nothing, sizeof(nothing) >> 9);
	assert_int_equal(lclone_delta_open(&delta, &mem.dev), -ENODATA);
	lclone_delta_close(&delta);
	nothing[4095] = 1;
	assert_int_equal(lclone_delta_open(&delta, &mem.dev), -EINVAL);
	lclone_delta_close(&delta);
	lclone_memdev_init(&mem, nothing, 4);
	assert_int_equal(lclone_delta_open(&delta, &mem.dev), -EINVAL);
	lclone_delta_close(&delta);

	/* a format that was interrupted may start again; a recycled volume may not */
	image_init(&img, &sizes[1], 1);
	memset(image_block(&img, LCLONE_SB_SLOT_A), 0, LCLONE_BLOCK_SIZE);
	assert_int_equal(try_open(&img, NULL, NULL), -ENODATA);
	image_write_sb(&img);
	memset(image_block(&img, LCLONE_SB_SLOT_A), 0, LCLONE_BLOCK_SIZE);
	assert_int_equal(try_open(&img, NULL, NULL), 0);
	image_free(&img);
}

static void two_deltas(void **state)
{
	struct image img;

	(void)state;
	image_init(&img, &sizes[1], 1);
	img.sb.uuid[3] ^= 1;
	image_write_sb(&img);
	assert_int_equal(try_open(&img, NULL, NULL), -EUCLEAN);
	image_free(&img);
}

static void newer_version(void **state)
{
	struct image img;

	(void)state;
	image_init(&img, &sizes[1], 1);
	img.sb.incompat = 4;
	image_write_sb(&img);
	assert_int_equal(try_open(&img, NULL, NULL), -EPROTONOSUPPORT);
	image_free(&img);
}

/* A device that lost its end: fine as long as nothing in use was there. */
static void shrunk_device(void **state)
{
	struct image img;

	(void)state;
	image_init(&img, &sizes[1], 1);
	image_populate(&img, 100);
	image_checkpoint(&img);
	img.dev.dev.sectors = lclone_phys_sector(&img.sb, img.sb.hwm);
	assert_int_equal(try_open(&img, NULL, NULL), 0);
	img.dev.dev.sectors--;
	assert_int_equal(try_open(&img, NULL, NULL), -ENOSPC);
	img.dev.dev.sectors = 8;
	assert_int_equal(try_open(&img, NULL, NULL), -ENOSPC);
	image_free(&img);
}

/* Base identity */

static void right_and_wrong_base(void **state)
{
	char why[LCLONE_WHY_SIZE];
	struct lclone_memdev other;
	struct image img;

	(void)state;
	image_init(&img, &sizes[1], 1);
	assert_int_equal(lclone_base_verify(&img.sb, &img.base.dev, why), 0);
	assert_int_equal(lclone_base_verify(&img.sb, NULL, why), -ESTALE);
	lclone_memdev_init(&other, img.base_data, sizes[1].base_sectors - 8);
	assert_int_equal(lclone_base_verify(&img.sb, &other.dev, why), -ESTALE);
	img.base_data[5] ^= 1;
	assert_int_equal(lclone_base_verify(&img.sb, &img.base.dev, why), -ESTALE);
	image_free(&img);

	image_init(&img, &sizes[2], 1);
	assert_int_equal(lclone_base_verify(&img.sb, NULL, why), 0);
	assert_int_equal(lclone_base_verify(&img.sb, &img.dev.dev, why), -ESTALE);
	image_free(&img);
}

static int read_all_exceptions(struct image *img)
{
	struct lclone_delta delta;
	struct lclone_iter it;
	u64 chunk, exc;
	int ret;

	ret = lclone_delta_open(&delta, &img->dev.dev);
	if (!ret) {
		lclone_iter_init(&it, &delta, 0);
		do {
			ret = lclone_iter_next(&it, &chunk, &exc);
		} while (ret > 0);
	}
	lclone_delta_close(&delta);
	return ret;
}

/*
 * No flipped bit in a live node, or in a log block with a commit behind it, goes
 * unnoticed. (The log's last commit may always be one that a crash has torn.)
 */
static void any_byte_flipped(void **state)
{
	u64 block, live = 0, last;
	struct image img;
	u32 i;

	(void)state;
	image_init(&img, &sizes[0], 4);
	image_populate(&img, 300);
	image_checkpoint(&img);
	for (i = 0; i < 20; i++) {
		u64 chunk = image_random(&img, img.chunks);

		image_change(&img, chunk);
		assert_true(image_commit(&img, &chunk, 1));
	}
	last = LCLONE_LOG_START + img.log_end - 1;
	for (block = LCLONE_LOG_START; block < img.sb.hwm * 2u; block++) {
		struct lclone_node_disk *node = image_block(&img, block);
		bool is_log = block >= LCLONE_LOG_START + img.sb.log_pos && block < last;
		bool is_node = block >= img.sb.first_chunk * 2u &&
			       !memcmp(&node->magic, "lnde", 4) &&
			       le64_to_cpu(node->checkpoint) == img.sb.checkpoint;

		if (!is_log && !is_node)
			continue;
		live++;
		for (i = 0; i < 30; i++) {
			u8 *p = (u8 *)node + image_random(&img, LCLONE_BLOCK_SIZE);
			u8 mask = 1 << image_random(&img, 8);

			*p ^= mask;
			assert_true(read_all_exceptions(&img) < 0);
			*p ^= mask;
		}
	}
	assert_true(live > 20);
	assert_int_equal(read_all_exceptions(&img), 0);
	image_free(&img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_deltas),
		cmocka_unit_test(huge_clone),
		cmocka_unit_test(beyond_the_end),
		cmocka_unit_test(newest_slot_wins),
		cmocka_unit_test(one_slot_damaged),
		cmocka_unit_test(no_silent_rollback),
		cmocka_unit_test(not_a_delta),
		cmocka_unit_test(two_deltas),
		cmocka_unit_test(newer_version),
		cmocka_unit_test(shrunk_device),
		cmocka_unit_test(right_and_wrong_base),
		cmocka_unit_test(any_byte_flipped),
	};

	return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
