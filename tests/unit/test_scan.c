// SPDX-License-Identifier: GPL-2.0-only
/* The commit log: what is replayed after which crash, and what is damage. */
#include "image.h"
#include "test.h"

static const struct image_size size = { 32768, 8192, 16384, 16 };

static void setup_image(struct image *img)
{
	image_init(img, &size, 42);
	image_activate(img);
}

static int open_delta(struct image *img, u64 *commits)
{
	struct lclone_delta delta;
	int err = lclone_delta_open(&delta, &img->dev.dev);

	if (commits)
		*commits = delta.commits;
	lclone_delta_close(&delta);
	return err;
}

static u64 exception(struct image *img, u64 chunk)
{
	struct lclone_delta delta;
	u64 exc;

	assert_int_equal(lclone_delta_open(&delta, &img->dev.dev), 0);
	assert_int_equal(lclone_delta_lookup(&delta, chunk, &exc), 0);
	lclone_delta_close(&delta);
	return exc;
}

/* Changes @count chunks from @first on and commits them. */
static void commit(struct image *img, u64 first, u32 count)
{
	u64 chunks[1000];

	for (u32 i = 0; i < count; i++) {
		chunks[i] = first + i;
		image_change(img, first + i);
	}
	assert_true(image_commit(img, chunks, count));
}

static struct lclone_log_disk *log_block(struct image *img, u32 pos)
{
	return image_block(img, img->sb.log_start + pos);
}

/* A block as a kernel would have written it, without any place in the image's history */
static void forge(struct image *img, u32 pos, struct lclone_log log)
{
	struct lclone_log_disk *d = log_block(img, pos);

	memset(d, 0, sizeof(*d));
	lclone_log_seal(d, img->sb.uuid, &log);
}

static void empty_log(void **state)
{
	struct image img;
	u64 commits;

	(void)state;
	setup_image(&img);
	assert_int_equal(open_delta(&img, &commits), 0);
	assert_int_equal(commits, 0);
	image_free(&img);
}

static void later_record_wins(void **state)
{
	struct image img;
	u64 commits, before;

	(void)state;
	setup_image(&img);
	commit(&img, 5, 1);
	before = img.exc[5];
	commit(&img, 5, 1);
	assert_int_not_equal(before, img.exc[5]);
	assert_int_equal(exception(&img, 5), img.exc[5]);
	assert_int_equal(open_delta(&img, &commits), 0);
	assert_int_equal(commits, 2);
	image_free(&img);
}

/* A commit of several blocks of which any one is missing is not replayed at all. */
static void torn_commit(void **state)
{
	struct lclone_log_disk saved;
	struct image img;
	u64 commits, old;
	u32 first, i;

	(void)state;
	setup_image(&img);
	commit(&img, 0, 3);
	old = img.exc[1];
	first = img.log_end;
	commit(&img, 0, 1000);
	assert_int_equal(img.log_end, first + 4);
	for (i = first; i < first + 4; i++) {
		saved = *log_block(&img, i);
		memset(log_block(&img, i), 0, LCLONE_BLOCK_SIZE);
		assert_int_equal(open_delta(&img, &commits), 0);
		assert_int_equal(commits, 1);
		assert_int_equal(exception(&img, 1), old);
		/* torn at a sector: the checksum does not match */
		*log_block(&img, i) = saved;
		memset((u8 *)log_block(&img, i) + 512, 0, 512);
		assert_int_equal(open_delta(&img, &commits), 0);
		assert_int_equal(commits, 1);
		*log_block(&img, i) = saved;
	}
	assert_int_equal(exception(&img, 1), img.exc[1]);
	image_free(&img);
}

/*
 * Commit 2 of incarnation 1 is torn: its last block is on disk, its first is
 * not. Incarnation 2 writes its own commit 2 there. The tail must not be taken
 * for a part of that one, nor for a commit behind it.
 */
static void stale_tail(void **state)
{
	struct lclone_log_disk tail;
	struct image img;
	u64 commits;
	u32 pos;

	(void)state;
	setup_image(&img);
	commit(&img, 0, 1);
	pos = img.log_end;
	commit(&img, 100, 300);		/* two blocks */
	tail = *log_block(&img, pos + 1);
	memset(log_block(&img, pos), 0, LCLONE_BLOCK_SIZE);
	img.log_end = pos;
	img.next_commit--;

	image_activate(&img);
	commit(&img, 400, 300);		/* two blocks again; the second is torn */
	assert_int_equal(open_delta(&img, &commits), 0);
	assert_int_equal(commits, 2);
	*log_block(&img, pos + 1) = tail;
	assert_int_equal(open_delta(&img, &commits), 0);
	assert_int_equal(commits, 1);
	image_free(&img);
}

/* The tail of a torn commit may number itself as the next one: the incarnation tells. */
static void stale_commit_behind(void **state)
{
	struct lclone_log_disk stale;
	struct image img;
	u64 commits;
	u32 pos;

	(void)state;
	setup_image(&img);
	commit(&img, 0, 1);
	pos = img.log_end;
	commit(&img, 1, 1);		/* 2: lost in the crash ... */
	commit(&img, 2, 1);		/* 3: ... while this one, not flushed either, is there */
	stale = *log_block(&img, pos + 1);
	img.log_end = pos;
	img.next_commit -= 2;

	image_activate(&img);
	commit(&img, 3, 1);		/* 2 again, of the second incarnation */
	*log_block(&img, pos + 1) = stale;
	assert_int_equal(open_delta(&img, &commits), 0);
	assert_int_equal(commits, 2);
	assert_int_equal(exception(&img, 2), 0);
	image_free(&img);
}

static void later_commit_is_damage(void **state)
{
	struct image img;

	(void)state;
	setup_image(&img);
	commit(&img, 0, 1);
	commit(&img, 1, 1);
	commit(&img, 2, 1);
	memset(log_block(&img, 1), 0, LCLONE_BLOCK_SIZE);
	assert_int_equal(open_delta(&img, NULL), -EUCLEAN);
	image_free(&img);
}

static void later_checkpoint_is_damage(void **state)
{
	struct image img;
	struct lclone_log log = { .incarnation = 1, .checkpoint = 1, .commit = 2, .blocks = 1 };

	(void)state;
	setup_image(&img);
	commit(&img, 0, 1);
	forge(&img, 256, log);		/* in the other half */
	assert_int_equal(open_delta(&img, NULL), -EUCLEAN);
	log.checkpoint = 0;
	log.commit = 1;
	forge(&img, 256, log);
	assert_int_equal(open_delta(&img, NULL), 0);
	image_free(&img);
}

static void other_delta_ends_log(void **state)
{
	struct lclone_log log = { .incarnation = 1, .checkpoint = 9, .commit = 9, .blocks = 1 };
	struct image img;
	u64 commits;

	(void)state;
	setup_image(&img);
	commit(&img, 0, 1);
	img.sb.uuid[0] ^= 1;
	forge(&img, 1, log);		/* of the delta that was here before */
	img.sb.uuid[0] ^= 1;
	assert_int_equal(open_delta(&img, &commits), 0);
	assert_int_equal(commits, 1);
	image_free(&img);
}

/* A half can be used up to its last block, and the next checkpoint's log is the other half. */
static void halves(void **state)
{
	struct image img;
	u64 commits, chunk = 7;
	int round;
	u32 i;

	(void)state;
	setup_image(&img);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 256; i++)
			commit(&img, i % 900, 1);
		assert_false(image_commit(&img, &chunk, 1));
		assert_int_equal(open_delta(&img, &commits), 0);
		assert_int_equal(commits, 256);
		assert_int_equal(exception(&img, 255), img.exc[255]);
		image_checkpoint(&img);
		assert_int_equal(img.sb.log_pos, round % 2 ? 0 : 256);
		assert_int_equal(open_delta(&img, &commits), 0);
		assert_int_equal(commits, 0);
		assert_int_equal(exception(&img, 255), img.exc[255]);
	}
	image_free(&img);
}

/* The crash between tree and superblock: the old tree with its whole log counts. */
static void checkpoint_without_superblock(void **state)
{
	u8 slots[2][LCLONE_BLOCK_SIZE];
	struct image img;
	u64 commits;

	(void)state;
	setup_image(&img);
	commit(&img, 0, 20);
	memcpy(slots[0], image_block(&img, LCLONE_SB_SLOT_A), sizeof(slots[0]));
	memcpy(slots[1], image_block(&img, LCLONE_SB_SLOT_B), sizeof(slots[1]));
	image_checkpoint(&img);
	memcpy(image_block(&img, LCLONE_SB_SLOT_A), slots[0], sizeof(slots[0]));
	memcpy(image_block(&img, LCLONE_SB_SLOT_B), slots[1], sizeof(slots[1]));
	assert_int_equal(open_delta(&img, &commits), 0);
	assert_int_equal(commits, 1);
	assert_int_equal(exception(&img, 19), img.exc[19]);
	image_free(&img);
}

/* Chunks that only the log mentions raise the high-water mark, freed again or not. */
static void mark_is_raised(void **state)
{
	struct lclone_delta delta;
	struct image img;
	u64 chunk = 3;

	(void)state;
	setup_image(&img);
	commit(&img, 0, 10);
	img.exc[3] = lclone_exc_make(img.sb.first_chunk + 500, 1, 0);
	assert_true(image_commit(&img, &chunk, 1));
	img.exc[3] = 0;
	assert_true(image_commit(&img, &chunk, 1));
	assert_int_equal(lclone_delta_open(&delta, &img.dev.dev), 0);
	assert_int_equal(delta.hwm, img.sb.first_chunk + 501);
	assert_int_equal(delta.sb.hwm, img.sb.first_chunk);
	lclone_delta_close(&delta);
	image_free(&img);
}

static void bad_record_is_damage(void **state)
{
	struct image img;
	u64 chunk = 3;

	(void)state;
	setup_image(&img);
	img.exc[3] = lclone_exc_make(lclone_phys_end(&img.sb), 1, 0);
	assert_true(image_commit(&img, &chunk, 1));
	assert_int_equal(open_delta(&img, NULL), -EUCLEAN);
	image_free(&img);
}

/* The end of the log counts for the superblock that says it, whatever a later one has in its place. */
static void end_counts_once(void **state)
{
	struct lclone_sb sb = { .seq = 4 };

	(void)state;
	assert_false(lclone_log_is_ended(&sb));
	lclone_log_set_ended(&sb);
	assert_false(lclone_log_is_ended(&sb));
	sb.seq++;
	assert_true(lclone_log_is_ended(&sb));
	sb.seq++;
	assert_false(lclone_log_is_ended(&sb));
	sb.seq += 1ULL << 32;
	assert_false(lclone_log_is_ended(&sb));
	sb = (struct lclone_sb){ .seq = UINT32_MAX };
	lclone_log_set_ended(&sb);
	sb.seq++;
	assert_false(lclone_log_is_ended(&sb));	/* of this number nothing can be said */
}

/* What the kernel looks at if the superblock says that the log has ended */
static bool looks_later(struct image *img)
{
	u32 half = img->sb.log_blocks / 2, pos;

	for (pos = 0; pos < half; pos = lclone_probe_next(pos))
		if (lclone_log_is_later(&img->sb, log_block(img, pos)) ||
		    lclone_log_is_later(&img->sb, log_block(img, half + pos)))
			return true;
	return false;
}

/*
 * All superblocks behind the end were lost, and the first blocks that were written to a half of the
 * log, too: what is left is noticed if it is more than half as long as what was lost.
 */
static void samples_find_what_is_later(void **state)
{
	u32 half, lost, left, pos, from;
	struct image img;

	(void)state;
	setup_image(&img);
	half = img.sb.log_blocks / 2;
	for (from = 0; from <= half; from += half) {
		for (lost = 0; lost < half; lost++) {
			left = lost ? (lost - 1) / 2 + 1 : 1;
			if (lost + left > half)
				break;
			memset(log_block(&img, 0), 0, 2 * half * LCLONE_BLOCK_SIZE);
			for (pos = lost; pos < lost + left; pos++)
				forge(&img, from + pos, (struct lclone_log){
					.incarnation = img.sb.incarnation, .blocks = 1,
					.checkpoint = img.sb.checkpoint + (from != img.sb.log_pos),
					.commit = img.sb.log_commit + pos });
			assert_true(looks_later(&img));
		}
	}
	assert_true(lost > half / 2);
	image_free(&img);
}

/* Of what may be in the log of old nothing looks later; of what can't be, everything. */
static void what_is_later(void **state)
{
	const struct lclone_log base = { .incarnation = 3, .checkpoint = 5, .commit = 7,
					 .blocks = 1 };
	struct image img;
	struct lclone_log log;
	u32 pos = 0, count = 0;

	(void)state;
	setup_image(&img);
	for (; lclone_probe_next(pos) < LCLONE_LOG_BLOCKS_MAX / 2; pos = lclone_probe_next(pos))
		count++;
	assert_int_equal(count + 1, LCLONE_PROBES_MAX);
	img.sb.incarnation = 4;
	img.sb.checkpoint = 6;
	img.sb.log_commit = 8;
	forge(&img, 0, base);
	assert_false(looks_later(&img));
	log = base;
	log.checkpoint = 6;		/* but no commit of it: of an activation before */
	forge(&img, 0, log);
	assert_false(looks_later(&img));
	log.commit = 8;
	forge(&img, 0, log);
	assert_true(looks_later(&img));
	log_block(&img, 0)->csum ^= 1;
	assert_false(looks_later(&img));
	log = base;
	log.checkpoint = 7;
	forge(&img, 0, log);
	assert_true(looks_later(&img));
	log_block(&img, 0)->uuid[0] ^= 1;
	assert_false(looks_later(&img));
	log = base;
	log.incarnation = 5;
	forge(&img, 0, log);
	assert_true(looks_later(&img));
	image_free(&img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_log),
		cmocka_unit_test(later_record_wins),
		cmocka_unit_test(torn_commit),
		cmocka_unit_test(stale_tail),
		cmocka_unit_test(stale_commit_behind),
		cmocka_unit_test(later_commit_is_damage),
		cmocka_unit_test(later_checkpoint_is_damage),
		cmocka_unit_test(other_delta_ends_log),
		cmocka_unit_test(halves),
		cmocka_unit_test(checkpoint_without_superblock),
		cmocka_unit_test(mark_is_raised),
		cmocka_unit_test(bad_record_is_damage),
		cmocka_unit_test(end_counts_once),
		cmocka_unit_test(samples_find_what_is_later),
		cmocka_unit_test(what_is_later),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
