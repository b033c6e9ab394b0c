// SPDX-License-Identifier: GPL-2.0-only
/*
 * Repair of a delta with many leaves: memory is a few bytes for each of them, whatever the
 * damage is, and what is taken of them is right.  The device is made up as it is read: the
 * newest leaves and an older copy of each lie on it in another order than that of the clone.
 */
#include <time.h>

#include "image.h"
#include "offline/repair.h"
#include "test.h"

/* Of the address sanitizer, which has no header for it with every compiler */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *p, size_t),
					      void (*on_free)(const volatile void *p));
size_t __sanitizer_get_allocated_size(const volatile void *p);

#define LEAVES		60000u			/* the most */
#define STEP		7919u			/* from one leaf to the next, on the device */
#define PER_LEAF	64			/* bytes in memory, with what a realloc() takes */
#define FIXED		(3u << 20)		/* buffers, index nodes, the bitmaps of chunks */
#define EXCEPTION	5			/* the one of each leaf that has a chunk */

struct large {
	struct lclone_dev dev;
	struct lclone_sb sb;
	u32 leaves;
	u64 first_leaf, first_older, first_index;
	union lclone_node index[LEAVES / LCLONE_NODE_REFS + 2];	/* the last is the root */
	bool lost[LEAVES], shared[LEAVES];	/* shared: claims the chunk of the one before */
	u64 reads;
};

static struct large large;

static u32 indexes(void)
{
	return large.leaves / LCLONE_NODE_REFS + 1;
}

static void make_leaf(u32 place, bool older, union lclone_node *node, u32 *csum)
{
	u32 phys = large.sb.first_chunk + place - large.shared[place];

	memset(node, 0, sizeof(*node));
	node->leaf.exceptions[EXCEPTION] =
		cpu_to_le64(lclone_exc_make(older ? 0 : phys, older ? 0 : 0xf, 0x30));
	node->leaf.exceptions[EXCEPTION + 1] = cpu_to_le64(lclone_exc_make(0, 0, 0x30));
	lclone_node_seal(&node->head, large.sb.uuid, older ? 3 : 5,
			 (u64)place * LCLONE_LEAF_EXCEPTIONS, 0, csum);
}

static u64 leaf_at(u32 place)
{
	return large.first_leaf + (u64)place * STEP % large.leaves;
}

/* The place whose leaf lies there */
static u32 place_at[LEAVES];

static void read_block(u64 block, union lclone_node *out)
{
	struct lclone_sb sb = large.sb;
	u32 csum;

	memset(out, 0, sizeof(*out));
	large.reads++;
	if (block == LCLONE_SB_SLOT_A || block == LCLONE_SB_SLOT_B) {
		sb.seq = block == LCLONE_SB_SLOT_A ? 1 : 2;
		lclone_sb_pack(&sb, (struct lclone_sb_disk *)out);
	} else if (block - large.first_leaf < large.leaves) {
		make_leaf(place_at[block - large.first_leaf], false, out, &csum);
		if (large.lost[place_at[block - large.first_leaf]])
			((u8 *)out)[777] ^= 1;
	} else if (block - large.first_older < large.leaves) {
		make_leaf(place_at[block - large.first_older], true, out, &csum);
	} else if (block - large.first_index <= indexes()) {
		*out = large.index[block - large.first_index];
	}
}

static int read_large(const struct lclone_dev *dev, void *buf, u64 sector, u32 count)
{
	union lclone_node *node = buf;
	u32 i;

	(void)dev;
	assert_int_equal(sector % LCLONE_BLOCK_SECTORS, 0);
	assert_int_equal(count % LCLONE_BLOCK_SECTORS, 0);
	for (i = 0; i < count / LCLONE_BLOCK_SECTORS; i++)
		read_block(sector / LCLONE_BLOCK_SECTORS + i, &node[i]);
	return 0;
}

static void make_large(u32 leaves, u32 lose_each, u32 share_each)
{
	union lclone_node node;
	u64 min, blocks;
	u32 i, csum;

	memset(&large, 0, sizeof(large));
	large.leaves = leaves;
	large.dev = (struct lclone_dev){ (1000 + large.leaves * 3) * 16ull, read_large };
	assert_int_equal(lclone_sb_init(&large.sb, large.dev.sectors,
					16ull * large.leaves * LCLONE_LEAF_EXCEPTIONS, 16, &min), 0);
	memset(large.sb.uuid, 7, LCLONE_UUID_SIZE);
	large.sb.checkpoint = 5;
	large.sb.seq = 2;
	blocks = (large.sb.first_chunk + large.leaves) * 2ull;
	large.first_leaf = blocks;
	large.first_older = blocks + large.leaves;
	large.first_index = blocks + 2 * large.leaves;
	large.sb.hwm = (large.first_index + indexes()) / 2 + 1;
	for (i = 0; i < large.leaves; i++) {
		place_at[leaf_at(i) - large.first_leaf] = i;
		large.lost[i] = lose_each && i % lose_each == 1;
		large.shared[i] = share_each && i % share_each == 1;
	}
	for (i = 0; i < large.leaves; i++) {
		make_leaf(i, false, &node, &csum);
		lclone_ref_pack((struct lclone_ref){ leaf_at(i), csum },
				&large.index[i / LCLONE_NODE_REFS].index.refs[i %
									      LCLONE_NODE_REFS]);
	}
	for (i = 0; i < indexes(); i++) {
		lclone_node_seal(&large.index[i].head, large.sb.uuid, 5,
				 i * lclone_node_span(1), 1, &csum);
		lclone_ref_pack((struct lclone_ref){ large.first_index + i, csum },
				&large.index[indexes()].index.refs[i]);
	}
	lclone_node_seal(&large.index[indexes()].head, large.sb.uuid, 5, 0, 2,
			 &large.sb.root_csum);
	large.sb.root_block = large.first_index + indexes();
	large.sb.root_level = 2;
}

/* Memory in use, and the most that was */

static size_t used, most;

static void on_malloc(const volatile void *p, size_t size)
{
	(void)p;
	used += size;
	if (used > most)
		most = used;
}

static void on_free(const volatile void *p)
{
	if (p)
		used -= __sanitizer_get_allocated_size(p);
}

static void ignore(const struct lclone_finding *finding, void *ctx)
{
	(void)finding;
	(void)ctx;
}

static void plan(struct lclone_repair *r)
{
	size_t before = used;
	int err;

	most = used;
	large.reads = 0;
	err = lclone_repair_plan(r, &large.dev, ignore, NULL, NULL);
	if (err)
		fail_msg("%s", r->why);
	assert_true(r->findings > 0);
	if (most - before > large.leaves * PER_LEAF + FIXED)
		fail_msg("%zu bytes of memory for %u leaves", most - before, large.leaves);
	if (large.reads > 16ull * large.dev.sectors / LCLONE_BLOCK_SECTORS)
		fail_msg("%lu blocks were read", (unsigned long)large.reads);
}

static u64 sectors(const struct lclone_repair *r, bool old)
{
	u64 sum = 0;
	size_t i;

	for (i = 0; i < r->salvage.losses; i++)
		sum += r->salvage.loss[i].old == old ? r->salvage.loss[i].sectors : 0;
	return sum;
}

/* Each leaf is there: the newest, or the older copy of one that is lost. */
static void assert_leaves(const struct lclone_repair *r)
{
	u32 i;

	assert_int_equal(r->salvage.leaves, large.leaves);
	for (i = 0; i < large.leaves; i++) {
		assert_int_equal(r->salvage.leaf[i].place, i);
		assert_int_equal(r->salvage.leaf[i].block, leaf_at(i) +
				 (large.lost[i] ? large.leaves : 0));
	}
}

static void root_lost(void **state)
{
	struct lclone_repair r;

	(void)state;
	make_large(LEAVES, 10, 0);
	((u8 *)&large.index[indexes()])[777] ^= 1;
	plan(&r);
	assert_int_equal(r.salvage.orphans, large.leaves);
	assert_int_equal(sectors(&r, false), 0);
	assert_int_equal(sectors(&r, true), large.sb.virtual_sectors);
	assert_leaves(&r);
	assert_int_equal(r.patches, indexes() + 3);
	lclone_repair_free(&r);
}

static void leaves_lost(void **state)
{
	struct lclone_repair r;

	(void)state;
	make_large(LEAVES, 10, 0);
	plan(&r);
	assert_int_equal(r.findings, large.leaves / 10);
	assert_int_equal(r.salvage.orphans, large.leaves / 10);
	assert_int_equal(sectors(&r, false), 0);
	assert_int_equal(sectors(&r, true), large.leaves / 10 * 16ull * LCLONE_LEAF_EXCEPTIONS);
	assert_leaves(&r);
	lclone_repair_free(&r);
}

/* Nobody knows whose a chunk is: the leaves of both are made anew. */
static void chunks_shared(void **state)
{
	union lclone_node node;
	struct lclone_repair r;
	u64 block;
	size_t i;

	(void)state;
	make_large(LEAVES, 0, 10);
	plan(&r);
	assert_int_equal(r.salvage.dropped, large.leaves / 5);
	assert_int_equal(sectors(&r, false), large.leaves / 5 * 4);
	assert_int_equal(sectors(&r, true), 0);
	assert_leaves(&r);
	assert_int_equal(r.tree.leaves, large.leaves / 5);
	for (i = 0; i < r.tree.leaves; i++) {
		assert_int_equal(lclone_new_tree_node(&r, i, &block, &node), 0);
		assert_int_equal(le64_to_cpu(node.head.first_chunk),
				 (i / 2 * 10 + i % 2) * LCLONE_LEAF_EXCEPTIONS);
		assert_true(le64_to_cpu(node.leaf.exceptions[EXCEPTION]) ==
			    lclone_exc_make(0, 0, 0x30));
	}
	lclone_repair_free(&r);
}

/* Of this process alone: what else the machine does counts little */
static double seconds(u32 leaves)
{
	clock_t before = clock();
	struct lclone_repair r;

	make_large(leaves, 3, 0);
	((u8 *)&large.index[indexes()])[777] ^= 1;
	plan(&r);
	lclone_repair_free(&r);
	return (double)(clock() - before) / CLOCKS_PER_SEC;
}

/* Four times as many leaves take four times as long; nothing is looked for one by one. */
static void time_grows_with_leaves(void **state)
{
	double few = seconds(LEAVES / 4), many = seconds(LEAVES);

	(void)state;
	if (many > 7 * few)
		fail_msg("%.2f s for %u leaves, %.2f s for %u", few, LEAVES / 4, many, LEAVES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_lost),
		cmocka_unit_test(leaves_lost),
		cmocka_unit_test(chunks_shared),
		cmocka_unit_test(time_grows_with_leaves),
	};

	__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
	return cmocka_run_group_tests_name("large", tests, NULL, NULL);
}
