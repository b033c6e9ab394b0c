// SPDX-License-Identifier: GPL-2.0-only
/* Chains: the disk that all layers make together, and which layers make one. */
#include <fcntl.h>
#include <unistd.h>

#include "clone/chain.h"
#include "basic/fail.h"
#include "image.h"
#include "test.h"

#define LAYERS	4

/* Layers bottom to top; the lowest one's base is the chain's. */
struct stack {
	struct image img[LAYERS];
	struct lclone_delta delta[LAYERS];
	struct lclone_chain chain;
	u8 *model[LAYERS];		/* the disk as of each layer */
};

/* In sectors: a disk may grow. */
static const u64 sizes[LAYERS] = { 20000, 20480, 20480, 30001 };

static void build(struct stack *s, u64 seed)
{
	for (int i = 0; i < LAYERS; i++) {
		struct image_size size = { 65536, 15001, sizes[i], 64 };

		image_init(&s->img[i], &size, seed + i);
		assert_true(image_populate(&s->img[i], i == 2 ? 0 : 150));
		image_link(&s->img[i], i ? &s->img[i - 1] : NULL, i < LAYERS - 1);
		s->model[i] = i ? image_cover(&s->img[i], s->model[i - 1], sizes[i - 1]) :
				  image_cover(&s->img[i], s->img[i].clone, sizes[i]);
		s->chain.delta[LAYERS - 1 - i] = &s->delta[i];
		assert_int_equal(lclone_delta_open(&s->delta[i], &s->img[i].dev.dev), 0);
	}
	s->chain.count = LAYERS;
}

static void destroy(struct stack *s)
{
	for (int i = 0; i < LAYERS; i++) {
		lclone_delta_close(&s->delta[i]);
		image_free(&s->img[i]);
		free(s->model[i]);
	}
}

/* Reads by the extents, which must be in order, without gaps, and as long as possible. */
static void read_disk(struct stack *s, u64 sector, u64 sectors, u8 *buf)
{
	static struct lclone_chain_extents x;
	struct lclone_chain_extent e, last = { .sectors = 0 };
	u64 at = sector, end = sector + sectors;
	const struct lclone_dev *dev;
	int ret, err;

	if (end > s->img[LAYERS - 1].sb.virtual_sectors)
		end = s->img[LAYERS - 1].sb.virtual_sectors;
	lclone_chain_extents_init(&x, &s->chain, LAYERS, sector, sectors);
	while ((ret = lclone_chain_extents_next(&x, &e)) > 0) {
		assert_int_equal(e.sector, at);
		assert_true(e.sectors && e.sectors <= end - at);
		if (last.sectors)
			assert_false(e.source == last.source && e.source != LCLONE_FROM_DELTA);
		last = e;
		at += e.sectors;
		dev = e.source == LCLONE_FROM_DELTA ? s->chain.delta[e.level]->dev :
		      e.source == LCLONE_FROM_BASE ? &s->img[0].base.dev : NULL;
		err = lclone_dev_read_padded(dev, buf + ((e.sector - sector) << 9),
					     e.source == LCLONE_FROM_DELTA ? e.delta_sector :
					     e.sector, e.sectors);
		assert_int_equal(err, 0);
	}
	assert_int_equal(ret, 0);
	assert_int_equal(at, end);
}

static void whole_disk(void **state)
{
	static struct stack s;
	u64 size = sizes[LAYERS - 1];
	u8 *buf = malloc(size << 9);

	(void)state;
	for (u64 seed = 1; seed < 3; seed++) {
		build(&s, 10 * seed);
		read_disk(&s, 0, UINT64_MAX, buf);
		assert_memory_equal(buf, s.model[LAYERS - 1], size << 9);
		for (int i = 0; i < 200; i++) {
			u64 sector = image_random(&s.img[0], size);
			u64 sectors = image_random(&s.img[0], size - sector) + 1;

			read_disk(&s, sector, sectors, buf);
			assert_memory_equal(buf, s.model[LAYERS - 1] + (sector << 9),
					    sectors << 9);
		}
		destroy(&s);
	}
	free(buf);
}

/* What the upper layers have changed, put over the disk as it was, is the disk as it is. */
static void changes(void **state)
{
	static struct lclone_chain_extents x;
	struct lclone_chain_extent e;
	static struct stack s;
	int ret;

	(void)state;
	build(&s, 7);
	for (u32 levels = 1; levels < LAYERS; levels++) {
		u32 old = LAYERS - 1 - levels;
		u8 *disk = calloc(sizes[LAYERS - 1], 512);
		u64 unchanged = 0;

		memcpy(disk, s.model[old], sizes[old] << 9);
		lclone_chain_extents_init(&x, &s.chain, levels, 0, UINT64_MAX);
		x.base_sectors = UINT64_MAX;
		while ((ret = lclone_chain_extents_next(&x, &e)) > 0) {
			if (e.source == LCLONE_FROM_BASE)
				unchanged += e.sectors;
			else
				memcpy(disk + (e.sector << 9),
				       s.model[LAYERS - 1] + (e.sector << 9), e.sectors << 9);
		}
		assert_int_equal(ret, 0);
		assert_true(unchanged);
		assert_memory_equal(disk, s.model[LAYERS - 1], sizes[LAYERS - 1] << 9);
		free(disk);
	}
	destroy(&s);
}

static void error_names_the_level(void **state)
{
	static struct lclone_chain_extents x;
	struct lclone_chain_extent e;
	static struct stack s;
	u32 level = LAYERS - 2;		/* the second lowest */
	int ret;

	(void)state;
	build(&s, 3);
	image_checkpoint(&s.img[1]);
	memset(image_block(&s.img[1], s.img[1].sb.root_block), 0x5a, LCLONE_BLOCK_SIZE);
	lclone_delta_close(&s.delta[1]);
	assert_int_equal(lclone_delta_open(&s.delta[1], &s.img[1].dev.dev), 0);
	lclone_chain_extents_init(&x, &s.chain, LAYERS, 0, UINT64_MAX);
	while ((ret = lclone_chain_extents_next(&x, &e)) > 0)
		;
	assert_true(ret < 0);
	assert_int_equal(x.failed, level);
	destroy(&s);
}

static void links(void **state)
{
	char why[LCLONE_WHY_SIZE];
	static struct stack s;
	struct lclone_sb sb;

	(void)state;
	build(&s, 5);
	assert_int_equal(lclone_link_check(&s.img[1].sb, &s.img[0].sb, why), 0);
	assert_int_equal(lclone_link_check(&s.img[2].sb, &s.img[0].sb, why), -ESTALE);
	assert_int_equal(lclone_link_check(&s.img[0].sb, &s.img[1].sb, why), -ESTALE);
	assert_false(lclone_has_parent(&s.img[0].sb));
	sb = s.img[0].sb;
	sb.generation++;
	assert_int_equal(lclone_link_check(&s.img[1].sb, &sb, why), -ESTALE);
	assert_non_null(strstr(why, "generation"));
	sb = s.img[0].sb;
	sb.state &= ~LCLONE_STATE_SEALED;
	assert_int_equal(lclone_link_check(&s.img[1].sb, &sb, why), -ESTALE);
	assert_non_null(strstr(why, "not sealed"));
	sb = s.img[0].sb;
	sb.chunk_sectors *= 2;
	assert_int_equal(lclone_link_check(&s.img[1].sb, &sb, why), -ESTALE);
	assert_non_null(strstr(why, "chunk size"));
	destroy(&s);
}

/* Opening: on files, as a user names them */

static char dir[] = "/tmp/lclone-test-XXXXXX";
static char path[LAYERS][64];

static void write_files(const struct stack *s)
{
	for (int i = 0; i < LAYERS; i++) {
		int fd;

		snprintf(path[i], sizeof(path[i]), "%s/%d", dir, i);
		fd = open(path[i], O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, s->img[i].data, 65536 << 9), 65536 << 9);
		close(fd);
	}
}

static int open_top(const struct lclone_parents *named, u32 *count)
{
	static struct lclone_chain chain;
	struct lclone_delta delta;
	struct lclone_file file;
	int err;

	assert_int_equal(lclone_file_open(&file, path[LAYERS - 1], O_RDONLY), 0);
	assert_int_equal(lclone_delta_open(&delta, &file.dev), 0);
	err = lclone_chain_open(&chain, &delta, &file, named);
	*count = chain.count;
	lclone_chain_close(&chain);
	lclone_delta_close(&delta);
	lclone_file_close(&file);
	return err;
}

static void opening(void **state)
{
	struct lclone_parents named = { LAYERS - 1, { path[1], path[0], path[2] } };
	static struct stack s;
	u32 count;

	(void)state;
	build(&s, 9);
	write_files(&s);
	assert_int_equal(open_top(&named, &count), 0);
	assert_int_equal(count, LAYERS);
	/* one that is not below, one that nobody has */
	named.path[named.count++] = path[LAYERS - 1];
	assert_int_equal(open_top(&named, &count), -ESTALE);
	assert_non_null(strstr(lclone_why(), "does not lie on"));
	named.count = 2;
	assert_int_equal(open_top(&named, &count), -ESTALE);
	assert_non_null(strstr(lclone_why(), "on no device"));
	/* changed since */
	named.count = LAYERS - 1;
	s.img[1].sb.generation++;
	image_link(&s.img[1], &s.img[0], false);
	write_files(&s);
	assert_int_equal(open_top(&named, &count), -ESTALE);
	assert_non_null(strstr(lclone_why(), "generation"));
	destroy(&s);
	for (int i = 0; i < LAYERS; i++)
		unlink(path[i]);
}

/* What O_DIRECT wants of a plain file is no block of the disk: else sizes would be refused. */
static void block_size(void **state)
{
	struct lclone_file plain = { .logical_block = 4096 };
	struct lclone_file small = { .block = true, .logical_block = 512 };
	struct lclone_file large = { .block = true, .logical_block = 4096 };
	struct lclone_chain chain = { .count = 2, .file = { &plain, &plain } };

	(void)state;
	assert_int_equal(lclone_chain_block_size(&chain), 512);
	chain.file[1] = &small;
	assert_int_equal(lclone_chain_block_size(&chain), 512);
	chain.file[0] = &large;
	assert_int_equal(lclone_chain_block_size(&chain), 4096);
	chain.file[0] = &small;
	chain.file[1] = &large;
	assert_int_equal(lclone_chain_block_size(&chain), 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_disk),
		cmocka_unit_test(changes),
		cmocka_unit_test(error_names_the_level),
		cmocka_unit_test(links),
		cmocka_unit_test(opening),
		cmocka_unit_test(block_size),
	};
	int ret;

	if (!mkdtemp(dir))
		return 1;
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return ret;
}
