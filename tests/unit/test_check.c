// SPDX-License-Identifier: GPL-2.0-only
/* The checker: silent on good deltas, and names each class of damage at its place. */
#include "offline/check.h"
#include "image.h"
#include "test.h"

static const struct image_size size = { 32768, 8192, 30000, 16 };

struct result {
	long count;
	u32 of[LCLONE_DAMAGE_MARKED + 1];
	struct lclone_finding last[LCLONE_DAMAGE_MARKED + 1];
	char first[LCLONE_WHY_SIZE];
	struct lclone_usage usage;
};

static void note(const struct lclone_finding *f, void *ctx)
{
	struct result *r = ctx;

	assert_true(f->text[0]);
	if (!r->first[0])
		snprintf(r->first, sizeof(r->first), "%s: %s", lclone_damage_name(f->class),
			 f->text);
	r->of[f->class]++;
	r->last[f->class] = *f;
	r->last[f->class].text = NULL;
}

static struct result check(struct image *img)
{
	struct result r = { .count = 0 };
	char why[LCLONE_WHY_SIZE];
	u32 i, sum = 0;

	r.count = lclone_check(&img->dev.dev, img->sb.base_sectors ? &img->base.dev : NULL, note,
			       &r, &r.usage, why);
	for (i = 0; i <= LCLONE_DAMAGE_MARKED; i++)
		sum += r.of[i];
	if (r.count >= 0)
		assert_int_equal(sum, r.count);
	return r;
}

/* Exactly this class is found. */
static struct result expect(struct image *img, enum lclone_damage class, u32 count)
{
	struct result r = check(img);

	if (r.count != (long)count || r.of[class] != count)
		fail_msg("expected %u of %s, got %ld, first \"%s\"", count,
			 lclone_damage_name(class), r.count, r.first);
	return r;
}

static void setup_image(struct image *img)
{
	image_init(img, &size, 17);
	image_populate(img, 400);
	image_checkpoint(img);
	assert_int_equal(check(img).count, 0);
}

static void good_deltas(void **state)
{
	struct image img;
	struct result r;
	u64 seed, i, data, exceptions;

	(void)state;
	for (seed = 0; seed < 20; seed++) {
		image_init(&img, &size, seed);
		if (seed)
			image_populate(&img, seed * 50);
		r = check(&img);
		if (r.count)
			fail_msg("seed %lu: %s", (unsigned long)seed, r.first);
		for (i = data = exceptions = 0; i < img.chunks; i++) {
			data += !!lclone_exc_phys(img.exc[i]);
			exceptions += !!img.exc[i];
		}
		assert_int_equal(r.usage.data_chunks, data);
		assert_int_equal(r.usage.exceptions, exceptions);
		image_free(&img);
	}
}

static void slots(void **state)
{
	u8 *a, *b, saved[LCLONE_BLOCK_SIZE];
	struct image img;

	(void)state;
	setup_image(&img);
	a = image_block(&img, LCLONE_SB_SLOT_A);
	b = image_block(&img, LCLONE_SB_SLOT_B);
	memcpy(saved, a, sizeof(saved));
	a[30] ^= 1;
	image_write_sb(&img);		/* both are new */
	image_write_sb(&img);
	expect(&img, LCLONE_DAMAGE_SLOT, 0);
	a[img.sb.seq % 2 ? 0 : 30] ^= 1;
	b[img.sb.seq % 2 ? 30 : 0] ^= 1;
	expect(&img, LCLONE_DAMAGE_SLOT, 2);
	image_write_sb(&img);
	assert_int_equal(expect(&img, LCLONE_DAMAGE_SLOT, 1).last[LCLONE_DAMAGE_SLOT].block,
			 img.sb.seq % 2 ? LCLONE_SB_SLOT_B : LCLONE_SB_SLOT_A);
	image_write_sb(&img);
	expect(&img, LCLONE_DAMAGE_SLOT, 0);
	img.sb.seq += 2;
	image_write_sb(&img);
	expect(&img, LCLONE_DAMAGE_SLOT, 1);	/* a gap */
	image_free(&img);
}

static void super(void **state)
{
	struct image img;

	(void)state;
	setup_image(&img);
	img.sb.merge_cursor = 1;
	image_write_sb(&img);
	expect(&img, LCLONE_DAMAGE_SUPER, 1);
	img.sb.state |= LCLONE_STATE_MERGING;
	image_write_sb(&img);
	expect(&img, LCLONE_DAMAGE_SUPER, 0);
	img.sb.merge_cursor = img.chunks + 1;
	image_write_sb(&img);
	expect(&img, LCLONE_DAMAGE_SUPER, 1);
	img.sb.merge_cursor = 0;
	img.sb.state |= LCLONE_STATE_NEEDS_CHECK;
	image_write_sb(&img);
	expect(&img, LCLONE_DAMAGE_MARKED, 1);
	img.sb.state &= ~LCLONE_STATE_NEEDS_CHECK;
	image_write_sb(&img);
	img.dev.dev.sectors -= 16;
	expect(&img, LCLONE_DAMAGE_SUPER, 1);
	image_free(&img);
}

static void log_damage(void **state)
{
	struct image img;
	u64 chunk;
	u32 i, pos;

	(void)state;
	setup_image(&img);
	pos = img.log_end;
	for (i = 0; i < 3; i++) {
		chunk = i;
		image_change(&img, chunk);
		assert_true(image_commit(&img, &chunk, 1));
	}
	((u8 *)image_block(&img, img.sb.log_start + pos + 1))[999] ^= 1;
	expect(&img, LCLONE_DAMAGE_LOG, 1);
	image_free(&img);
}

static void node_damage(void **state)
{
	struct result r;
	struct image img;

	(void)state;
	setup_image(&img);
	img.exc[0] = lclone_exc_make(0, 0, 1);	/* so that there is a first leaf */
	image_rewrite(&img);
	assert_true(img.sb.root_level > 0);
	((u8 *)image_block(&img, img.sb.root_block - 1))[777] ^= 1;	/* the last of the leaves */
	r = expect(&img, LCLONE_DAMAGE_NODE, 1);
	assert_int_equal(r.last[LCLONE_DAMAGE_NODE].block, img.sb.root_block - 1);
	assert_true(r.last[LCLONE_DAMAGE_NODE].chunks > 0);
	((u8 *)image_block(&img, img.sb.root_block))[777] ^= 1;
	r = expect(&img, LCLONE_DAMAGE_NODE, 1);
	assert_int_equal(r.last[LCLONE_DAMAGE_NODE].chunks, img.chunks);
	image_free(&img);
}

/* Changes the root's reference @i and seals the root again. */
static void forge_ref(struct image *img, u32 i, u64 block, u32 csum, u32 flags)
{
	struct lclone_index_disk *root = image_block(img, img->sb.root_block);

	lclone_ref_pack((struct lclone_ref){ .block = block, .csum = csum, .flags = flags },
			&root->refs[i]);
	lclone_node_seal(&root->node, img->sb.uuid, img->sb.checkpoint, 0, img->sb.root_level,
			 &img->sb.root_csum);
	image_write_sb(img);
}

static void ref_damage(void **state)
{
	struct lclone_ref ref;
	struct image img;

	(void)state;
	setup_image(&img);
	image_rewrite(&img);
	assert_int_equal(img.sb.root_level, 1);
	ref = lclone_ref_unpack(&((struct lclone_index_disk *)
				  image_block(&img, img.sb.root_block))->refs[0]);
	forge_ref(&img, 0, 40, ref.csum, 0);		/* in the log */
	expect(&img, LCLONE_DAMAGE_REF, 1);
	forge_ref(&img, 0, UINT64_MAX, ref.csum, 0);
	expect(&img, LCLONE_DAMAGE_REF, 1);
	forge_ref(&img, 0, ref.block, ref.csum, 1);	/* a flag of the future */
	expect(&img, LCLONE_DAMAGE_REF, 1);
	forge_ref(&img, 0, ref.block, ref.csum, 0);
	expect(&img, LCLONE_DAMAGE_REF, 0);
	forge_ref(&img, 0, ref.block, ref.csum ^ 1, 0);
	expect(&img, LCLONE_DAMAGE_NODE, 1);
	forge_ref(&img, 0, ref.block, ref.csum, 0);
	forge_ref(&img, 200, ref.block, ref.csum, 0);	/* beyond the clone's end */
	expect(&img, LCLONE_DAMAGE_REF, 1);
	forge_ref(&img, 200, 0, 0, 0);
	forge_ref(&img, 1, ref.block, ref.csum, 0);	/* another place's leaf */
	expect(&img, LCLONE_DAMAGE_NODE, 1);
	/* a cycle */
	forge_ref(&img, 1, img.sb.root_block, img.sb.root_csum, 0);
	expect(&img, LCLONE_DAMAGE_NODE, 1);
	image_free(&img);
}

static void mask_damage(void **state)
{
	struct image img;
	struct result r;
	u64 chunk;

	(void)state;
	setup_image(&img);
	chunk = image_used_chunk(&img);
	img.exc[chunk] |= 1ull << LCLONE_WRITTEN_SHIFT | 1ull << LCLONE_ZERO_SHIFT;
	image_rewrite(&img);
	r = expect(&img, LCLONE_DAMAGE_MASK, 1);
	assert_int_equal(r.last[LCLONE_DAMAGE_MASK].chunk, chunk);
	img.exc[chunk] = lclone_exc_make(0, 1, 0);
	image_rewrite(&img);
	expect(&img, LCLONE_DAMAGE_MASK, 1);
	img.exc[chunk] = 1ull << 31;
	image_rewrite(&img);
	expect(&img, LCLONE_DAMAGE_MASK, 1);
	image_free(&img);
}

static void range_damage(void **state)
{
	struct image img;
	u64 chunk;

	(void)state;
	setup_image(&img);
	chunk = image_used_chunk(&img);
	img.exc[chunk] = lclone_exc_make(lclone_phys_end(&img.sb), 1, 0);
	image_rewrite(&img);
	assert_int_equal(expect(&img, LCLONE_DAMAGE_RANGE, 1).last[LCLONE_DAMAGE_RANGE].chunk,
			 chunk);
	img.exc[chunk] = lclone_exc_make(img.sb.first_chunk - 1, 1, 0);
	image_rewrite(&img);
	expect(&img, LCLONE_DAMAGE_RANGE, 1);
	image_free(&img);
}

static void double_use(void **state)
{
	struct image img;
	u64 one, other;
	u32 node_phys;

	(void)state;
	setup_image(&img);
	one = image_used_chunk(&img);
	do {
		other = image_used_chunk(&img);
	} while (one == other);
	img.exc[other] = img.exc[one];
	image_rewrite(&img);
	expect(&img, LCLONE_DAMAGE_DOUBLE, 2);		/* both are named */

	/* data where a node is: only the log can say so without moving the node */
	img.exc[other] = 0;
	image_rewrite(&img);
	node_phys = img.sb.root_block * LCLONE_BLOCK_SECTORS / img.sb.chunk_sectors;
	img.exc[other] = lclone_exc_make(node_phys, 1, 0);
	assert_true(image_commit(&img, &other, 1));
	assert_true(check(&img).of[LCLONE_DAMAGE_DOUBLE] >= 2);

	/* a chunk that the log moves from one exception to another has one user only */
	img.exc[other] = 0;
	image_rewrite(&img);
	img.exc[other] = img.exc[one];
	img.exc[one] = 0;
	assert_true(image_commit(&img, (u64[]){ one, other }, 2));
	expect(&img, LCLONE_DAMAGE_DOUBLE, 0);
	image_free(&img);
}

static void high_water_mark(void **state)
{
	struct image img;

	(void)state;
	setup_image(&img);
	img.sb.state &= ~LCLONE_STATE_CLEAN;
	img.sb.freed = 0;
	img.sb.hwm = img.sb.root_block * LCLONE_BLOCK_SECTORS / img.sb.chunk_sectors;
	image_write_sb(&img);
	assert_true(check(&img).of[LCLONE_DAMAGE_HWM] >= 1);
	image_free(&img);
}

/* Blocks that the superblock calls free are used by nobody. */
static void spare_blocks(void **state)
{
	struct image img;

	(void)state;
	setup_image(&img);
	img.sb.spare[2].block = img.sb.root_block;
	img.sb.spare[2].count = 1;
	image_write_sb(&img);
	expect(&img, LCLONE_DAMAGE_DOUBLE, 1);
	img.sb.spare[2].block = lclone_exc_phys(img.exc[image_used_chunk(&img)]) * 2 + 1;
	image_write_sb(&img);
	expect(&img, LCLONE_DAMAGE_DOUBLE, 1);
	image_free(&img);
}

static void freed_count(void **state)
{
	struct image img;

	(void)state;
	setup_image(&img);
	assert_true(img.sb.freed > 0);
	img.sb.freed--;
	image_write_sb(&img);
	expect(&img, LCLONE_DAMAGE_FREED, 1);
	img.sb.state &= ~LCLONE_STATE_CLEAN;
	image_write_sb(&img);
	expect(&img, LCLONE_DAMAGE_FREED, 0);
	image_free(&img);
}

static void identity(void **state)
{
	struct image img;

	(void)state;
	setup_image(&img);
	img.base_data[3] ^= 1;
	expect(&img, LCLONE_DAMAGE_IDENTITY, 1);
	image_free(&img);
}

static void nothing_to_check(void **state)
{
	struct lclone_usage usage;
	char why[LCLONE_WHY_SIZE];
	struct result r = { .count = 0 };
	struct image img;

	(void)state;
	setup_image(&img);
	img.sb.incompat = 1;
	image_write_sb(&img);
	assert_int_equal(lclone_check(&img.dev.dev, NULL, note, &r, &usage, why),
			 -EPROTONOSUPPORT);
	memset(image_block(&img, LCLONE_SB_SLOT_A), 0, LCLONE_BLOCK_SIZE);
	memset(image_block(&img, LCLONE_SB_SLOT_B), 0, LCLONE_BLOCK_SIZE);
	assert_int_equal(lclone_check(&img.dev.dev, NULL, note, &r, &usage, why), -ENODATA);
	image_free(&img);
}

/* Damage of any kind, checksums made good again: nothing worse than findings. */
static void hostile(void **state)
{
	struct lclone_index_disk *root;
	struct lclone_sb saved;
	struct image img;
	u32 i, found = 0;

	(void)state;
	setup_image(&img);
	image_rewrite(&img);
	root = image_block(&img, img.sb.root_block);
	saved = img.sb;
	for (i = 0; i < 2000; i++) {
		struct lclone_index_disk keep = *root;
		u8 *p = image_random(&img, 2) ? (u8 *)root->refs :
			(u8 *)&img.sb.log_start;
		u32 len = p == (u8 *)root->refs ? 64 : 80;

		p[image_random(&img, len)] ^= 1 << image_random(&img, 8);
		lclone_node_seal(&root->node, img.sb.uuid, img.sb.checkpoint, 0, 1,
				 &img.sb.root_csum);
		image_write_sb(&img);
		image_write_sb(&img);
		found += check(&img).count != 0;
		*root = keep;
		saved.seq = img.sb.seq;
		img.sb = saved;
	}
	assert_true(found > 1000);
	image_free(&img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_deltas),
		cmocka_unit_test(slots),
		cmocka_unit_test(super),
		cmocka_unit_test(log_damage),
		cmocka_unit_test(node_damage),
		cmocka_unit_test(ref_damage),
		cmocka_unit_test(mask_damage),
		cmocka_unit_test(range_damage),
		cmocka_unit_test(double_use),
		cmocka_unit_test(high_water_mark),
		cmocka_unit_test(spare_blocks),
		cmocka_unit_test(freed_count),
		cmocka_unit_test(identity),
		cmocka_unit_test(nothing_to_check),
		cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
