// SPDX-License-Identifier: GPL-2.0-only
/* What is read of a delta while it is written to is what it was at one moment. */
#include "offline/check.h"
#include "image.h"
#include "format/moment.h"
#include "test.h"

#define STATES	200
#define AREA	8u		/* chunks for a tree */

static const struct image_size size = { 32768, 8192, 30000, 16, 128 };

/* A device that is written to between two reads, as by the kernel. */
struct busy {
	struct lclone_dev dev;
	struct image *img;
	u32 reads, from, every;		/* it is written after read @from, then each @every */
	bool torn;			/* a read of the log's end is two, with a change between */
	u64 unreadable;			/* a block, or 0 */
	u32 flaws;			/* so often the root is read wrong, and changes then */
	bool flawed;
	u32 checkpoint;			/* each how many changes there is one */
	u32 changes;
	u32 area, nodes;		/* chunks for two trees, and where the tree is */
	u64 *state[STATES];		/* exceptions, after each change */
	u32 states;
};

static void note_state(struct busy *b)
{
	size_t bytes = b->img->chunks * sizeof(u64);

	assert_true(b->states < STATES);
	b->state[b->states] = malloc(bytes);
	assert_non_null(b->state[b->states]);
	memcpy(b->state[b->states++], b->img->exc, bytes);
}

/* What the tree had before is used for something else at once, and by the next tree. */
static void checkpoint(struct busy *b)
{
	u32 cs = b->img->sb.chunk_sectors, old = b->nodes;

	b->nodes = old == b->area ? b->area + AREA : b->area;
	b->img->node_phys = b->nodes;
	image_checkpoint(b->img);
	assert_true(b->img->node_phys <= b->nodes + AREA);
	memset(image_block(b->img, (u64)old * cs / LCLONE_BLOCK_SECTORS), 0xa5, AREA * cs * 512);
}

static void change(struct busy *b)
{
	u64 chunk = image_random(b->img, b->img->chunks);

	image_change(b->img, chunk);
	if (!(++b->changes % b->checkpoint) || !image_commit(b->img, &chunk, 1))
		checkpoint(b);
	if (b->states < STATES)
		note_state(b);
}

/* The first block that is free is read, then it is written and the one behind it, which is read. */
static void read_torn(struct busy *b, u8 *buf, u64 sector, u32 count)
{
	u64 end = (b->img->sb.log_start + b->img->log_end + 1) * LCLONE_BLOCK_SECTORS;

	if (!b->torn || sector >= end - LCLONE_BLOCK_SECTORS || sector + count <= end)
		return;
	change(b);
	change(b);
	memcpy(buf + ((end - sector) << 9), b->img->data + (end << 9), (sector + count - end) << 9);
}

/* Right after it was seen that the superblocks are still the same, they are not any more. */
static void read_flawed(struct busy *b, u8 *buf, u64 sector)
{
	u64 block = sector / LCLONE_BLOCK_SECTORS;

	if (b->flaws && block == b->img->sb.root_block) {
		b->flaws--;
		b->flawed = true;
		buf[777] ^= 1;
	} else if (b->flawed && block == LCLONE_SB_SLOT_B) {
		b->flawed = false;
		checkpoint(b);
	}
}

static int busy_read(const struct lclone_dev *dev, void *buf, u64 sector, u32 count)
{
	struct busy *b = (struct busy *)dev;
	int err = lclone_dev_read(&b->img->dev.dev, buf, sector, count);

	b->reads++;
	if (b->unreadable && b->unreadable * LCLONE_BLOCK_SECTORS >= sector &&
	    b->unreadable * LCLONE_BLOCK_SECTORS < sector + count)
		return -EIO;
	read_torn(b, buf, sector, count);
	read_flawed(b, buf, sector);
	if (b->reads == b->from || (b->every && b->reads > b->from &&
				    !((b->reads - b->from) % b->every))) {
		change(b);
		change(b);
	}
	return err;
}

/* Its log ends where another batch of blocks begins to be read. */
static void busy_init(struct busy *b, struct image *img)
{
	u64 chunk;
	u32 i;

	memset(b, 0, sizeof(*b));
	image_init(img, &size, 21);
	image_populate(img, 300);
	b->dev = (struct lclone_dev){ img->dev.dev.sectors, busy_read };
	b->img = img;
	b->checkpoint = 3;
	b->area = img->next_phys;
	b->nodes = b->area + AREA;
	img->next_phys += 2 * AREA;
	checkpoint(b);
	for (i = 0; i < 31; i++) {
		chunk = image_random(img, img->chunks);
		image_change(img, chunk);
		assert_true(image_commit(img, &chunk, 1));
	}
	note_state(b);
}

static void busy_free(struct busy *b)
{
	while (b->states)
		free(b->state[--b->states]);
	image_free(b->img);
}

static void no_finding(const struct lclone_finding *f, void *ctx)
{
	fail_msg("read %u: %s: %s", ((struct busy *)ctx)->from, lclone_damage_name(f->class),
		 f->text);
}

static bool is_state(struct lclone_moment *m, const struct busy *b, u32 state)
{
	struct lclone_delta delta;
	bool same = true;
	u64 chunk, exc;

	assert_int_equal(lclone_delta_open(&delta, &m->dev), 0);
	for (chunk = 0; same && chunk < b->img->chunks; chunk++) {
		assert_int_equal(lclone_delta_lookup(&delta, chunk, &exc), 0);
		same = exc == b->state[state][chunk];
	}
	lclone_delta_close(&delta);
	return same;
}

/* Of all that the tree has ever had in memory only the nodes that it has now are left. */
static void check_memory(struct lclone_moment *m, struct busy *b, u64 nodes)
{
	u32 per_chunk = b->img->sb.chunk_sectors / LCLONE_BLOCK_SECTORS, i, reads;
	u8 buf[LCLONE_BLOCK_SIZE];
	u64 kept = 0;

	b->from = UINT32_MAX;
	for (i = 0; i < 2 * AREA * per_chunk; i++) {
		reads = b->reads;
		assert_int_equal(lclone_dev_read(&m->dev, buf,
						 ((u64)b->area * per_chunk + i) * LCLONE_BLOCK_SECTORS,
						 LCLONE_BLOCK_SECTORS), 0);
		kept += b->reads == reads;
	}
	assert_int_equal(kept, nodes);
}

static void check_moment(struct lclone_moment *m, struct busy *b)
{
	struct lclone_usage usage;
	char why[LCLONE_WHY_SIZE];
	u32 i, reads = b->reads;

	assert_int_equal(lclone_check(&m->dev, NULL, no_finding, b, &usage, why), 0);
	for (i = 0; i < b->states && !is_state(m, b, i); i++)
		;
	if (i == b->states)
		fail_msg("a change after read %u: it never was what was read", b->from);
	assert_int_equal(b->reads, reads);	/* all of it is in memory */
	check_memory(m, b, usage.nodes);
}

/* Changes begin at any read, of any kind. */
static void change_meanwhile(u32 every, u32 checkpoint)
{
	struct lclone_moment m;
	u32 from, reads = 1;
	struct image img;
	struct busy b;

	for (from = 1; from <= reads; from++) {
		busy_init(&b, &img);
		b.from = from;
		b.every = every;
		b.checkpoint = checkpoint;
		assert_int_equal(lclone_moment_read(&m, &b.dev), 0);
		reads = b.reads < 40 ? b.reads : 40;
		check_moment(&m, &b);
		lclone_moment_free(&m);
		busy_free(&b);
	}
}

static void changed_meanwhile(void **state)
{
	u32 every;

	(void)state;
	change_meanwhile(0, 1);
	for (every = 20; every < 60; every += 9) {
		change_meanwhile(every, 1);
		change_meanwhile(every / 3, 3);
	}
	change_meanwhile(2, 1000);		/* no checkpoint until the log is full */
}

/* Blocks of one read need not be of one time: no commit is missed that a later one follows. */
static void torn_log(void **state)
{
	struct lclone_moment m;
	struct image img;
	struct busy b;
	u32 i;

	(void)state;
	busy_init(&b, &img);
	b.from = UINT32_MAX;
	b.checkpoint = 1000;
	for (i = 0; i < 5; i++)
		change(&b);
	b.torn = true;
	assert_int_equal(lclone_moment_read(&m, &b.dev), 0);
	assert_true(b.states > 6);
	b.torn = false;
	check_moment(&m, &b);
	lclone_moment_free(&m);
	busy_free(&b);
}

/* What looks like damage in one state, and then in another, need not be damage in either. */
static void doubts_of_one_state(void **state)
{
	struct lclone_moment m;
	struct image img;
	struct busy b;

	(void)state;
	busy_init(&b, &img);
	b.from = UINT32_MAX;
	b.flaws = 5;
	assert_int_equal(lclone_moment_read(&m, &b.dev), 0);
	assert_int_equal(b.flaws, 0);
	check_moment(&m, &b);
	lclone_moment_free(&m);
	busy_free(&b);
}

/* One block of the log cannot be read: the others are there. */
static void unreadable_log(void **state)
{
	u8 buf[LCLONE_BLOCK_SIZE];
	struct lclone_moment m;
	struct image img;
	struct busy b;
	u32 i;

	(void)state;
	busy_init(&b, &img);
	b.from = UINT32_MAX;
	b.unreadable = img.sb.log_start + 5;
	assert_int_equal(lclone_moment_read(&m, &b.dev), 0);
	for (i = 0; i < img.sb.log_blocks; i++)
		assert_int_equal(lclone_dev_read(&m.dev, buf,
						 (img.sb.log_start + i) * LCLONE_BLOCK_SECTORS,
						 LCLONE_BLOCK_SECTORS), i == 5 ? -EIO : 0);
	lclone_moment_free(&m);
	busy_free(&b);
}

static void too_busy(void **state)
{
	struct lclone_moment m;
	struct image img;
	struct busy b;

	(void)state;
	busy_init(&b, &img);
	b.from = b.every = b.checkpoint = 1;
	b.states = STATES;		/* they do not matter */
	assert_int_equal(lclone_moment_read(&m, &b.dev), -EBUSY);
	lclone_moment_free(&m);
	b.states = 1;
	busy_free(&b);
}

static void count(const struct lclone_finding *f, void *ctx)
{
	u32 *of = ctx;

	of[f->class]++;
}

/* Damage is damage, also here */
static void damage_counts(void **state)
{
	u32 of[LCLONE_DAMAGE_PARENT + 1] = { 0 };
	struct lclone_moment m;
	struct lclone_usage usage;
	char why[LCLONE_WHY_SIZE];
	struct image img;
	struct busy b;

	(void)state;
	busy_init(&b, &img);
	b.from = UINT32_MAX;
	*(u8 *)image_block(&img, img.sb.root_block) ^= 1;
	assert_int_equal(lclone_moment_read(&m, &b.dev), 0);
	assert_int_equal(lclone_check(&m.dev, NULL, count, of, &usage, why), 1);
	assert_int_equal(of[LCLONE_DAMAGE_NODE], 1);
	assert_true(b.reads < 2 * img.sb.log_blocks);	/* the log is not read block by block */
	lclone_moment_free(&m);
	/* ... and what is no delta is none */
	memset(img.data, 0xa5, 17 * LCLONE_BLOCK_SIZE);
	assert_int_equal(lclone_moment_read(&m, &b.dev), 0);
	assert_int_equal(lclone_check(&m.dev, NULL, count, of, &usage, why), -EINVAL);
	lclone_moment_free(&m);
	busy_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changed_meanwhile),
		cmocka_unit_test(torn_log),
		cmocka_unit_test(doubts_of_one_state),
		cmocka_unit_test(unreadable_log),
		cmocka_unit_test(too_busy),
		cmocka_unit_test(damage_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
