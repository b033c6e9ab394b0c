// SPDX-License-Identifier: GPL-2.0-only
/*
 * Repair: damage of each class, injected into deltas whose content is known.
 * Afterwards there is no damage, all content is right but for what was named,
 * and a stop of the repair anywhere loses nothing more.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "offline/check.h"
#include "basic/fail.h"
#include "format_user.h"
#include "image.h"
#include "offline/undo.h"
#include "test.h"

static const struct image_size size = { 36864, 8192, 30000, 16 };

static void setup_image(struct image *img)
{
	image_init(img, &size, 17);
	image_populate(img, 400);
	image_checkpoint(img);
}

static struct lclone_index_disk *root(struct image *img)
{
	return image_block(img, img->sb.root_block);
}

static u64 leaf_block(struct image *img, u64 chunk)
{
	assert_int_equal(img->sb.root_level, 1);
	return lclone_ref_unpack(&root(img)->refs[chunk / LCLONE_LEAF_EXCEPTIONS]).block;
}

static void spoil(struct image *img, u64 block)
{
	((u8 *)image_block(img, block))[777] ^= 1;
}

static void commit_one(struct image *img, u64 chunk)
{
	assert_true(image_commit(img, &chunk, 1));
}

/* What was reported, by sectors of the clone */
struct outcome {
	u8 lost[30000], old[30000];
	u64 lost_sectors, old_sectors;
	u64 dropped, orphans, missing;
	long findings;
	size_t patches;
};

static void ignore(const struct lclone_finding *finding, void *ctx)
{
	(void)finding;
	(void)ctx;
}

static void assert_clean(struct image *img)
{
	struct lclone_usage usage;
	char why[LCLONE_WHY_SIZE];

	assert_int_equal(lclone_check(&img->dev.dev, &img->base.dev, ignore, NULL, &usage, why),
			 0);
}

/* All content is right, but for what is lost or old. */
static void assert_content(struct image *img, const struct outcome *o)
{
	u8 *buf = malloc(size.virtual_sectors << 9);
	struct lclone_delta delta;
	u64 i;

	assert_int_equal(lclone_delta_open(&delta, &img->dev.dev), 0);
	assert_int_equal(lclone_delta_damaged_slot(&delta), -1);
	assert_false(delta.sb.state & LCLONE_STATE_NEEDS_CHECK);
	assert_int_equal(lclone_delta_read(&delta, &img->base.dev, buf, 0, size.virtual_sectors),
			 0);
	for (i = 0; i < size.virtual_sectors; i++)
		if (!o->lost[i] && !o->old[i] &&
		    memcmp(buf + (i << 9), img->clone + (i << 9), 512))
			fail_msg("sector %lu is wrong, and nothing says so", (unsigned long)i);
	lclone_delta_close(&delta);
	free(buf);
}

static void get_patch(struct lclone_repair *r, size_t i, struct lclone_patch *patch)
{
	if (lclone_repair_patch(r, i, patch))
		fail_msg("%s", r->why);
}

/* Blocks that cannot be read until they are written */
static struct {
	u64 block[LCLONE_LOG_BLOCKS];
	size_t count;
} unreadable;

static bool is_unreadable(u64 sector, u32 count)
{
	size_t i;

	for (i = 0; i < unreadable.count; i++)
		if (unreadable.block[i] * LCLONE_BLOCK_SECTORS < sector + count &&
		    (unreadable.block[i] + 1) * LCLONE_BLOCK_SECTORS > sector)
			return true;
	return false;
}

static int faulty_read(const struct lclone_dev *dev, void *buf, u64 sector, u32 count)
{
	const struct lclone_memdev *mem = container_of(dev, struct lclone_memdev, dev);

	if (is_unreadable(sector, count))
		return -EIO;
	memcpy(buf, mem->data + (sector << 9), (size_t)count << 9);
	return 0;
}

static void make_unreadable(struct image *img, u64 block)
{
	img->dev.dev.read = faulty_read;
	assert_true(unreadable.count < sizeof(unreadable.block) / sizeof(unreadable.block[0]));
	unreadable.block[unreadable.count++] = block;
}

static void make_readable(u64 block)
{
	size_t i;

	for (i = 0; i < unreadable.count; i++)
		if (unreadable.block[i] == block)
			unreadable.block[i--] = unreadable.block[--unreadable.count];
}

static void put_patch(struct image *img, struct lclone_repair *r, size_t i)
{
	struct lclone_patch patch;

	get_patch(r, i, &patch);
	make_readable(patch.block);
	memcpy(image_block(img, patch.block), patch.data, LCLONE_BLOCK_SIZE);
}

static void assert_same_loss(const struct lclone_loss *a, const struct lclone_loss *b)
{
	assert_int_equal(a->sector, b->sector);
	assert_int_equal(a->sectors, b->sectors);
	assert_int_equal(a->old, b->old);
}

/* After a stop behind any write the repair can be run again, with the same result. */
static void stop_anywhere(struct image *img, struct lclone_repair *r, const struct outcome *o)
{
	struct lclone_repair again;
	size_t done, i;

	for (done = 0; done < r->patches; done++) {
		assert_int_equal(lclone_repair_plan(&again, &img->dev.dev, ignore, NULL, NULL), 0);
		if (done <= r->tree.nodes) {	/* no superblock yet: the old state */
			assert_int_equal(again.findings, o->findings);
			assert_int_equal(again.salvage.losses, r->salvage.losses);
			for (i = 0; i < r->salvage.losses; i++)
				assert_same_loss(&again.salvage.loss[i], &r->salvage.loss[i]);
		} else {			/* the new one, but for a slot */
			assert_int_equal(again.salvage.losses, 0);
		}
		if (again.findings) {
			struct lclone_patch *saved = calloc(again.patches, sizeof(*saved));
			typeof(unreadable) before = unreadable;

			for (i = 0; i < again.patches; i++) {
				get_patch(&again, i, &saved[i]);
				memcpy(saved[i].data, image_block(img, saved[i].block),
				       LCLONE_BLOCK_SIZE);
				put_patch(img, &again, i);
			}
			assert_clean(img);
			assert_content(img, o);
			while (i--)
				memcpy(image_block(img, saved[i].block), saved[i].data,
				       LCLONE_BLOCK_SIZE);
			unreadable = before;
			free(saved);
		}
		lclone_repair_free(&again);
		put_patch(img, r, done);
	}
}

static struct outcome *repair(struct image *img)
{
	struct outcome *o = calloc(1, sizeof(*o));
	struct lclone_repair r;
	size_t i;
	u64 k;

	if (lclone_repair_plan(&r, &img->dev.dev, ignore, NULL, NULL))
		fail_msg("%s", r.why);
	o->findings = r.findings;
	o->patches = r.patches;
	o->dropped = r.salvage.dropped;
	o->orphans = r.salvage.orphans;
	o->missing = r.salvage.missing;
	for (i = 0; i < r.salvage.losses; i++) {
		const struct lclone_loss *l = &r.salvage.loss[i];

		for (k = l->sector; k < l->sector + l->sectors; k++) {
			assert_true(k < size.virtual_sectors);
			(l->old ? o->old : o->lost)[k] = 1;
		}
		*(l->old ? &o->old_sectors : &o->lost_sectors) += l->sectors;
	}
	stop_anywhere(img, &r, o);
	lclone_repair_free(&r);
	assert_clean(img);
	assert_content(img, o);
	return o;
}

/* Repairs what has damage, and nothing is lost, nor may be old. */
static void repair_without_loss(struct image *img)
{
	struct outcome *o = repair(img);

	assert_true(o->findings > 0);
	assert_int_equal(o->lost_sectors, 0);
	assert_int_equal(o->old_sectors, 0);
	free(o);
}

/* Exactly these subchunks of the chunk are lost, and so many sectors in all. */
static void assert_lost(const struct outcome *o, u64 chunk, u32 mask, u64 sectors)
{
	u32 cs = size.chunk_sectors, i;

	for (i = 0; i < cs && chunk * cs + i < size.virtual_sectors; i++)
		assert_int_equal(o->lost[chunk * cs + i], mask >> i * LCLONE_SUBCHUNKS / cs & 1);
	assert_int_equal(o->lost_sectors, sectors);
}

/* The model of a chunk that the delta has nothing of */
static void show_base(struct image *img, u64 chunk)
{
	u64 sector = chunk * size.chunk_sectors;

	assert_true(sector + size.chunk_sectors <= size.virtual_sectors);
	assert_int_equal(lclone_dev_read_padded(&img->base.dev, img->clone + (sector << 9), sector,
						size.chunk_sectors), 0);
}

static u32 sectors_of(u32 mask)
{
	return __builtin_popcount(mask) * size.chunk_sectors / LCLONE_SUBCHUNKS;
}

static void nothing_to_repair(void **state)
{
	struct image img;
	struct outcome *o;
	u64 seed;

	(void)state;
	for (seed = 0; seed < 8; seed++) {
		image_init(&img, &size, seed);
		image_populate(&img, seed * 40);
		o = repair(&img);
		assert_int_equal(o->findings, 0);
		assert_int_equal(o->patches, 0);
		free(o);
		image_free(&img);
	}
}

static void slots(void **state)
{
	struct image img;
	u32 i;

	(void)state;
	for (i = 0; i < 4; i++) {
		setup_image(&img);
		image_write_sb(&img);
		if (i & 2)
			image_write_sb(&img);
		if (i & 1)
			memset(image_block(&img, LCLONE_SB_SLOT_A), 0, LCLONE_BLOCK_SIZE);
		else
			((u8 *)image_block(&img, LCLONE_SB_SLOT_B))[30] ^= 1;
		repair_without_loss(&img);
		image_free(&img);
	}
	setup_image(&img);
	img.sb.seq += 2;
	image_write_sb(&img);
	repair_without_loss(&img);		/* a gap */
	img.sb.seq += 101;
	image_write_sb(&img);
	img.sb.seq++;
	image_write_sb(&img);			/* the same slot again */
	repair_without_loss(&img);
	image_free(&img);
}

/* Two superblocks of one number: the one that the kernel takes, which is B */
static void slots_of_one_number(void **state)
{
	struct lclone_delta delta;
	struct image img;
	u8 *a, *b;

	(void)state;
	setup_image(&img);
	strcpy(img.sb.label, "first");
	image_write_sb(&img);
	strcpy(img.sb.label, "second");
	img.sb.seq--;
	a = image_block(&img, LCLONE_SB_SLOT_A);
	b = image_block(&img, LCLONE_SB_SLOT_B);
	img.sb.seq++;
	if (img.sb.seq % 2)			/* "first" is in A */
		memcpy(b, a, LCLONE_BLOCK_SIZE);
	lclone_sb_pack(&img.sb, (struct lclone_sb_disk *)a);
	repair_without_loss(&img);
	assert_int_equal(lclone_delta_open(&delta, &img.dev.dev), 0);
	assert_string_equal(delta.sb.label, "first");
	lclone_delta_close(&delta);
	image_free(&img);
}

/* A superblock of another delta in one of the slots */
static void foreign_slot(void **state)
{
	u8 uuid[LCLONE_UUID_SIZE];
	struct image img;

	(void)state;
	setup_image(&img);
	memcpy(uuid, img.sb.uuid, sizeof(uuid));
	img.sb.uuid[3] ^= 1;
	image_write_sb(&img);
	memcpy(img.sb.uuid, uuid, sizeof(uuid));
	repair_without_loss(&img);
	image_free(&img);
}

/* The newest superblock rots behind a checkpoint: its tree and its log are there. */
static void newest_slot_with_its_log(void **state)
{
	struct image img;
	u64 chunk;
	u32 i;

	(void)state;
	for (i = 0; i < 2; i++) {
		image_init(&img, &size, 21);
		image_populate(&img, 300);
		image_activate(&img);
		for (chunk = 0; chunk < 40; chunk++) {
			image_change(&img, chunk * 7);
			commit_one(&img, chunk * 7);
		}
		image_checkpoint(&img);
		for (chunk = 0; i && chunk < 40; chunk++) {
			image_change(&img, chunk * 5);
			commit_one(&img, chunk * 5);
		}
		spoil(&img, img.sb.seq % 2 ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B);
		((u8 *)image_block(&img, img.sb.seq % 2 ? LCLONE_SB_SLOT_A :
				   LCLONE_SB_SLOT_B))[30] ^= 1;
		repair_without_loss(&img);
		image_free(&img);
	}
}

/* As before, and the tree has rotted, too: all but what the log says may be old. */
static void newest_slot_without_its_tree(void **state)
{
	struct image img;
	struct outcome *o;
	u64 chunk;

	(void)state;
	setup_image(&img);
	image_activate(&img);
	image_change(&img, 3);
	commit_one(&img, 3);
	image_change(&img, 4);			/* in the checkpoint only */
	image_checkpoint(&img);
	chunk = 77;
	image_change(&img, chunk);
	commit_one(&img, chunk);
	((u8 *)image_block(&img, img.sb.seq % 2 ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B))[30] ^= 1;
	spoil(&img, img.sb.root_block);
	o = repair(&img);
	assert_int_equal(o->lost_sectors, 0);
	assert_int_equal(o->old_sectors, size.virtual_sectors - size.chunk_sectors);
	assert_false(o->old[chunk * size.chunk_sectors]);
	free(o);
	image_free(&img);
}

static void super(void **state)
{
	struct image img;

	(void)state;
	setup_image(&img);
	img.sb.merge_cursor = 1;
	image_write_sb(&img);
	repair_without_loss(&img);
	image_free(&img);
	setup_image(&img);
	img.sb.state |= LCLONE_STATE_MERGING;
	img.sb.merge_cursor = img.chunks + 1;
	image_write_sb(&img);
	repair_without_loss(&img);
	image_free(&img);
	setup_image(&img);
	img.sb.device_sectors += 160;
	image_write_sb(&img);
	repair_without_loss(&img);
	image_free(&img);
}

static void marked(void **state)
{
	struct outcome *o;
	struct image img;

	(void)state;
	setup_image(&img);
	img.sb.state |= LCLONE_STATE_NEEDS_CHECK;
	image_write_sb(&img);
	image_write_sb(&img);
	o = repair(&img);
	assert_int_equal(o->findings, 1);
	assert_int_equal(o->patches, 2);	/* what is right stays where it is */
	free(o);
	image_free(&img);
}

/* Commits behind a hole count; what the hole may have had may be old. */
static void log_hole(void **state)
{
	u64 many[600];
	struct image img;
	struct outcome *o;
	u32 i, pos;

	(void)state;
	setup_image(&img);
	image_activate(&img);
	pos = img.log_end;
	for (i = 0; i < 6; i++) {
		image_change(&img, 10 + i);
		commit_one(&img, 10 + i);
	}
	spoil(&img, img.sb.log_start + pos + 2);
	spoil(&img, img.sb.log_start + pos + 3);
	o = repair(&img);
	assert_int_equal(o->missing, 2);
	assert_int_equal(o->lost_sectors, 0);
	assert_int_equal(o->old_sectors, size.virtual_sectors - 2 * size.chunk_sectors);
	assert_false(o->old[14 * size.chunk_sectors] || o->old[15 * size.chunk_sectors]);
	assert_true(o->old[10 * size.chunk_sectors] && o->old[12 * size.chunk_sectors]);
	free(o);
	image_free(&img);

	/* a block in the middle of a commit, and the very first */
	for (pos = 0; pos < 2; pos++) {
		setup_image(&img);
		image_activate(&img);
		for (i = 0; i < 600; i++) {
			many[i] = i;
			image_change(&img, i);
		}
		assert_true(image_commit(&img, many, 600));
		image_change(&img, 700);
		commit_one(&img, 700);
		spoil(&img, img.sb.log_start + img.sb.log_pos + pos);
		o = repair(&img);
		assert_int_equal(o->missing, 1);
		assert_int_equal(o->old_sectors, size.virtual_sectors - size.chunk_sectors);
		free(o);
		image_free(&img);
	}
}

/* What a power cut leaves is no damage: a torn commit at the end of the log. */
static void torn_commit(void **state)
{
	u64 many[600];
	struct image img;
	struct outcome *o;
	u32 i;

	(void)state;
	setup_image(&img);
	image_activate(&img);
	for (i = 0; i < 600; i++)
		many[i] = i;
	assert_true(image_commit(&img, many, 600));
	spoil(&img, img.sb.log_start + img.sb.log_pos + 1);
	o = repair(&img);
	assert_int_equal(o->findings, 0);
	/* and stays out of a repair for another reason */
	for (i = 0; i < 600; i++)
		img.exc[i] = 0;
	img.sb.state |= LCLONE_STATE_NEEDS_CHECK;
	image_write_sb(&img);
	free(o);
	repair_without_loss(&img);
	image_free(&img);
}

static void log_record(void **state)
{
	struct lclone_log_disk *d;
	struct lclone_log log;
	struct lclone_fault fault;
	struct image img;
	struct outcome *o;
	u64 chunk = 9;

	(void)state;
	setup_image(&img);
	image_activate(&img);
	img.exc[chunk] = lclone_exc_make(lclone_phys_end(&img.sb), 3, 0);
	commit_one(&img, chunk);
	o = repair(&img);
	assert_lost(o, chunk, LCLONE_MASK_ALL, size.chunk_sectors);
	assert_int_equal(o->dropped, 1);
	free(o);
	image_free(&img);

	/* a record for a chunk that the clone has not */
	setup_image(&img);
	image_activate(&img);
	image_change(&img, chunk);
	commit_one(&img, chunk);
	d = image_block(&img, img.sb.log_start + img.sb.log_pos);
	assert_int_equal(lclone_log_verify(d, img.sb.uuid, &log, &fault), 0);
	lclone_record_pack(&d->records[1], img.chunks, 0);
	log.count = 2;
	lclone_log_seal(d, img.sb.uuid, &log);
	repair_without_loss(&img);
	image_free(&img);
}

/* A leaf has rotted: what the log has is there, the rest is old, or lost if no copy is left. */
static void leaf_damage(void **state)
{
	u64 chunk, first = LCLONE_LEAF_EXCEPTIONS, block, i, sectors;
	struct image img;
	struct outcome *o;
	bool copies;

	(void)state;
	sectors = (LCLONE_LEAF_EXCEPTIONS - 1) * size.chunk_sectors;
	for (copies = false; ; copies = true) {
		setup_image(&img);
		image_rewrite(&img);
		chunk = first + 5;
		image_activate(&img);
		image_change(&img, chunk);
		commit_one(&img, chunk);
		block = leaf_block(&img, chunk);
		spoil(&img, block);
		for (i = (u64)img.sb.first_chunk * 2; !copies && i < block; i++) {
			struct lclone_node_disk *n = image_block(&img, i);

			if (!memcmp(n->uuid, img.sb.uuid, LCLONE_UUID_SIZE) &&
			    le64_to_cpu(n->first_chunk) == first)
				spoil(&img, i);
		}
		o = repair(&img);
		assert_int_equal(o->orphans, copies);
		assert_int_equal(copies ? o->old_sectors : o->lost_sectors, sectors);
		assert_int_equal(copies ? o->lost_sectors : o->old_sectors, 0);
		assert_false((copies ? o->old : o->lost)[chunk * size.chunk_sectors]);
		assert_true((copies ? o->old : o->lost)[first * size.chunk_sectors]);
		free(o);
		image_free(&img);
		if (copies)
			break;
	}
}

/*
 * A checkpoint may have been lost with the slot.  What a repair that was stopped has written is
 * none: stop_anywhere() wants the same losses from the next run.
 */
static void leaf_and_slot(void **state)
{
	struct image img;
	struct outcome *o;

	(void)state;
	setup_image(&img);
	image_activate(&img);
	((u8 *)image_block(&img, img.sb.seq % 2 ? LCLONE_SB_SLOT_B : LCLONE_SB_SLOT_A))[30] ^= 1;
	spoil(&img, leaf_block(&img, image_used_chunk(&img)));
	o = repair(&img);
	assert_true(o->lost_sectors + o->old_sectors > 0);
	free(o);
	image_free(&img);
}

/* What lies on a layer sees that it has lost something, and only then. */
static void sealed_layer(void **state)
{
	struct image img;
	u64 generation;

	(void)state;
	for (int lose = 0; lose < 2; lose++) {
		struct lclone_delta delta;

		setup_image(&img);
		image_link(&img, NULL, true);
		generation = img.sb.generation;
		if (lose)
			spoil(&img, leaf_block(&img, image_used_chunk(&img)));
		else
			spoil(&img, LCLONE_SB_SLOT_A);
		free(repair(&img));
		assert_int_equal(lclone_delta_open(&delta, &img.dev.dev), 0);
		assert_int_equal(delta.sb.generation, generation + lose);
		assert_true(delta.sb.state & LCLONE_STATE_SEALED);
		lclone_delta_close(&delta);
		image_free(&img);
	}
}

static void index_damage(void **state)
{
	struct image img;
	struct outcome *o;
	struct lclone_delta delta;
	u64 chunk, exc, leaves = 0;

	(void)state;
	setup_image(&img);
	image_rewrite(&img);
	for (chunk = 0; chunk < img.chunks; chunk += LCLONE_LEAF_EXCEPTIONS)
		leaves += !!leaf_block(&img, chunk);
	spoil(&img, img.sb.root_block);
	o = repair(&img);
	assert_int_equal(o->orphans, leaves);
	assert_int_equal(o->lost_sectors, 0);
	assert_int_equal(o->old_sectors, size.virtual_sectors);
	assert_int_equal(lclone_delta_open(&delta, &img.dev.dev), 0);
	for (chunk = 0; chunk < img.chunks; chunk++) {	/* they were the last */
		assert_int_equal(lclone_delta_lookup(&delta, chunk, &exc), 0);
		assert_int_equal(exc, img.exc[chunk]);
	}
	lclone_delta_close(&delta);
	free(o);
	image_free(&img);
}

/* Changes the root's reference @i and seals the root again. */
static void forge_ref(struct image *img, u32 i, u64 block, u32 csum, u32 flags)
{
	lclone_ref_pack((struct lclone_ref){ .block = block, .csum = csum, .flags = flags },
			&root(img)->refs[i]);
	lclone_node_seal(&root(img)->node, img->sb.uuid, img->sb.checkpoint, 0, 1,
			 &img->sb.root_csum);
	image_write_sb(img);
	image_write_sb(img);
}

/* A reference that leads astray still has the checksum of the node that is meant. */
static void ref_damage(void **state)
{
	struct lclone_ref ref;
	struct image img;
	u32 i;

	(void)state;
	for (i = 0; i < 6; i++) {
		setup_image(&img);
		image_rewrite(&img);
		ref = lclone_ref_unpack(&root(&img)->refs[0]);
		switch (i) {
		case 0:
			forge_ref(&img, 0, 40, ref.csum, 0);	/* in the log */
			break;
		case 1:
			forge_ref(&img, 0, UINT64_MAX, ref.csum, 0);
			break;
		case 2:
			forge_ref(&img, 0, ref.block, ref.csum, 1);
			break;
		case 3:
			forge_ref(&img, 0, img.sb.root_block, ref.csum, 0);
			break;
		case 4:
			forge_ref(&img, 200, ref.block, ref.csum, 0);	/* beyond the end */
			break;
		case 5:
			forge_ref(&img, 200, 0, ref.csum, 0);
			break;
		}
		repair_without_loss(&img);
		image_free(&img);
	}
}

static void mask_damage(void **state)
{
	struct image img;
	struct outcome *o;
	u64 chunk;
	u32 i, mask;

	(void)state;
	for (i = 0; i < 3; i++) {
		setup_image(&img);
		chunk = image_used_chunk(&img);
		switch (i) {
		case 0:
			img.exc[chunk] |= 1ull << LCLONE_WRITTEN_SHIFT | 1ull << LCLONE_ZERO_SHIFT;
			break;
		case 1:
			img.exc[chunk] = lclone_exc_make(0, 1, 0x30);
			break;
		case 2:
			img.exc[chunk] |= 1ull << 31;
			break;
		}
		mask = lclone_exc_written(img.exc[chunk]) | lclone_exc_zero(img.exc[chunk]);
		image_rewrite(&img);
		if (i == 1)
			show_base(&img, chunk);
		o = repair(&img);
		assert_lost(o, chunk, mask, sectors_of(mask));
		assert_int_equal(o->dropped, 1);
		free(o);
		image_free(&img);
	}
}

/* The data are lost; which subchunks were zeros is still known. */
static void range_damage(void **state)
{
	struct image img;
	struct outcome *o;
	u32 i, written;
	u64 chunk;

	(void)state;
	for (i = 0; i < 2; i++) {
		setup_image(&img);
		chunk = image_used_chunk(&img);
		written = lclone_exc_written(img.exc[chunk]);
		img.exc[chunk] = lclone_exc_make(i ? img.sb.first_chunk - 1 :
						     lclone_phys_end(&img.sb),
						 written, lclone_exc_zero(img.exc[chunk]));
		image_rewrite(&img);
		o = repair(&img);
		assert_lost(o, chunk, written, sectors_of(written));
		free(o);
		image_free(&img);
	}
}

static void double_use(void **state)
{
	struct image img;
	struct outcome *o;
	u32 one_mask, other_mask, i;
	u64 one, other;

	(void)state;
	/* nobody knows whose it is: no one may see another's data */
	setup_image(&img);
	one = image_used_chunk(&img);
	do {
		other = image_used_chunk(&img);
	} while (one == other);
	one_mask = lclone_exc_written(img.exc[one]);
	other_mask = lclone_exc_written(img.exc[other]);
	img.exc[other] = lclone_exc_make(lclone_exc_phys(img.exc[one]), other_mask,
					 lclone_exc_zero(img.exc[other]));
	image_rewrite(&img);
	o = repair(&img);
	assert_lost(o, one, one_mask, sectors_of(one_mask) + sectors_of(other_mask));
	assert_lost(o, other, other_mask, sectors_of(one_mask) + sectors_of(other_mask));
	assert_int_equal(o->dropped, 2);
	free(o);
	image_free(&img);

	/* the log is later than the tree: it got the chunk after the other had lost it */
	setup_image(&img);
	image_rewrite(&img);
	one = image_used_chunk(&img);
	one_mask = lclone_exc_written(img.exc[one]);
	do {
		other = image_used_chunk(&img);
	} while (one == other);
	image_activate(&img);
	img.exc[other] = lclone_exc_make(lclone_exc_phys(img.exc[one]), LCLONE_MASK_ALL, 0);
	memcpy(img.clone + (other * size.chunk_sectors << 9),
	       img.data + (lclone_phys_sector(&img.sb, lclone_exc_phys(img.exc[one])) << 9),
	       (size_t)size.chunk_sectors << 9);
	commit_one(&img, other);
	o = repair(&img);
	assert_lost(o, one, one_mask, sectors_of(one_mask));
	for (i = 0; i < size.chunk_sectors; i++)
		assert_true(o->old[other * size.chunk_sectors + i]);
	assert_int_equal(o->old_sectors, size.chunk_sectors);
	free(o);
	image_free(&img);

	/* data where nodes are: those verify, so they are not data */
	setup_image(&img);
	image_rewrite(&img);
	one = image_used_chunk(&img);
	image_activate(&img);
	img.exc[one] = lclone_exc_make(leaf_block(&img, 0) / 2, 3, 0);
	show_base(&img, one);
	commit_one(&img, one);
	o = repair(&img);
	assert_int_equal(o->lost[one * size.chunk_sectors], 1);
	assert_int_equal(o->lost_sectors, sectors_of(3));
	free(o);
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
	repair_without_loss(&img);
	image_free(&img);
}

static void counts(void **state)
{
	struct image img;

	(void)state;
	setup_image(&img);
	img.sb.freed--;
	image_write_sb(&img);
	repair_without_loss(&img);
	image_free(&img);
	setup_image(&img);
	img.sb.spare[2].block = img.sb.root_block;
	img.sb.spare[2].count = 1;
	image_write_sb(&img);
	repair_without_loss(&img);
	image_free(&img);
}

static int plan_error(struct image *img)
{
	struct lclone_repair r;
	int err = lclone_repair_plan(&r, &img->dev.dev, ignore, NULL, NULL);

	if (err)
		assert_true(r.why[0]);
	lclone_repair_free(&r);
	return err;
}

static void refused(void **state)
{
	struct lclone_log log = { .checkpoint = UINT64_MAX, .commit = 1, .blocks = 1 };
	struct image img;

	(void)state;
	setup_image(&img);
	image_activate(&img);
	lclone_log_seal(image_block(&img, LCLONE_LOG_START + 300), img.sb.uuid, &log);
	assert_int_equal(plan_error(&img), -EUCLEAN);
	memset(image_block(&img, LCLONE_LOG_START + 300), 0, LCLONE_BLOCK_SIZE);
	img.sb.ro_compat = 2;
	img.sb.state |= LCLONE_STATE_NEEDS_CHECK;
	image_write_sb(&img);
	assert_int_equal(plan_error(&img), -EPROTONOSUPPORT);
	img.sb.ro_compat = 0;
	image_write_sb(&img);
	image_write_sb(&img);
	img.dev.dev.sectors = (u64)img.sb.hwm * img.sb.chunk_sectors - 1;
	assert_int_equal(plan_error(&img), -ENOSPC);
	img.dev.dev.sectors = size.device_sectors;
	img.sb.incompat = 1;
	image_write_sb(&img);
	assert_int_equal(plan_error(&img), -EPROTONOSUPPORT);
	memset(image_block(&img, LCLONE_SB_SLOT_A), 1, LCLONE_BLOCK_SIZE);
	memset(image_block(&img, LCLONE_SB_SLOT_B), 1, LCLONE_BLOCK_SIZE);
	assert_int_equal(plan_error(&img), -EINVAL);
	memset(image_block(&img, LCLONE_SB_SLOT_A), 0, LCLONE_BLOCK_SIZE);
	memset(image_block(&img, LCLONE_SB_SLOT_B), 0, LCLONE_BLOCK_SIZE);
	assert_int_equal(plan_error(&img), -ENODATA);
	image_free(&img);

	/* both superblocks */
	setup_image(&img);
	((u8 *)image_block(&img, LCLONE_SB_SLOT_A))[30] ^= 1;
	((u8 *)image_block(&img, LCLONE_SB_SLOT_B))[30] ^= 1;
	assert_int_equal(plan_error(&img), -EBADMSG);
	image_free(&img);
}

/* A delta with no free chunk takes no new tree; all but the tree can be repaired. */
static void no_room(void **state)
{
	static const struct image_size small = { 12288, 8192, 30000, 16 };
	struct image img;
	u64 chunk = 0;
	u32 end;

	(void)state;
	image_init(&img, &small, 17);
	end = lclone_phys_end(&img.sb);
	image_activate(&img);
	while (img.next_phys < end - 3) {	/* one leaf, an index and a half */
		img.exc[chunk++] = lclone_exc_make(img.next_phys++, 1, 0);
		assert_true(chunk < LCLONE_LEAF_EXCEPTIONS);
	}
	img.exc[chunk] = lclone_exc_make(end - 1, 1, 0);
	img.exc[chunk + 1] = lclone_exc_make(end - 2, 1, 0);
	image_rewrite(&img);
	img.sb.hwm = end;
	img.sb.freed = 0;
	img.sb.state |= LCLONE_STATE_NEEDS_CHECK;
	image_write_sb(&img);
	image_write_sb(&img);
	assert_int_equal(plan_error(&img), 0);
	image_activate(&img);
	img.exc[chunk] = 0;
	commit_one(&img, chunk);		/* which wants a new leaf */
	assert_int_equal(plan_error(&img), -ENOSPC);
	image_free(&img);
}

/* All that the repair overwrites, but for the superblock that it goes on from */
static void make_target_unreadable(struct image *img)
{
	struct lclone_patch patch;
	struct lclone_repair r;
	size_t i;

	assert_int_equal(lclone_repair_plan(&r, &img->dev.dev, ignore, NULL, NULL), 0);
	assert_true(r.patches > 2);
	for (i = 0; i < r.patches; i++) {
		get_patch(&r, i, &patch);
		if (patch.block != (r.salvage.delta.newest ? LCLONE_SB_SLOT_B : LCLONE_SB_SLOT_A))
			make_unreadable(img, patch.block);
	}
	lclone_repair_free(&r);
}

/* What is overwritten need not be readable: a superblock, and where the new nodes go. */
static void unreadable_target(void **state)
{
	struct outcome *of[2];
	struct image img;
	u32 i;

	(void)state;
	for (i = 0; i < 2; i++) {
		setup_image(&img);
		make_unreadable(&img, i ? LCLONE_SB_SLOT_B : LCLONE_SB_SLOT_A);
		repair_without_loss(&img);
		assert_int_equal(unreadable.count, 0);
		image_free(&img);
	}
	for (i = 0; i < 2; i++) {
		setup_image(&img);
		image_rewrite(&img);
		spoil(&img, leaf_block(&img, LCLONE_LEAF_EXCEPTIONS));
		if (i)
			make_target_unreadable(&img);
		of[i] = repair(&img);
		assert_int_equal(unreadable.count, 0);
		image_free(&img);
	}
	assert_memory_equal(of[0]->lost, of[1]->lost, sizeof(of[0]->lost));
	assert_memory_equal(of[0]->old, of[1]->old, sizeof(of[0]->old));
	free(of[0]);
	free(of[1]);
}

/* What cannot be read, and is not overwritten, is lost as if it were damaged. */
static void unreadable_content(void **state)
{
	struct outcome *of[2];
	struct image img;
	u32 i, k;
	u64 block;

	(void)state;
	for (k = 0; k < 2; k++) {		/* a leaf, the root */
		for (i = 0; i < 2; i++) {
			setup_image(&img);
			image_rewrite(&img);
			block = k ? img.sb.root_block : leaf_block(&img, LCLONE_LEAF_EXCEPTIONS);
			if (i)
				make_unreadable(&img, block);
			else
				spoil(&img, block);
			of[i] = repair(&img);
			make_readable(block);
			image_free(&img);
		}
		assert_true(of[1]->lost_sectors + of[1]->old_sectors > 0);
		assert_memory_equal(of[0]->lost, of[1]->lost, sizeof(of[0]->lost));
		assert_memory_equal(of[0]->old, of[1]->old, sizeof(of[0]->old));
		free(of[0]);
		free(of[1]);
	}
}

/* Four commits, of one chunk each, behind a checkpoint */
static void setup_log(struct image *img)
{
	u64 chunk;

	setup_image(img);
	image_activate(img);
	for (chunk = 0; chunk < 4; chunk++) {
		image_change(img, chunk);
		commit_one(img, chunk);
	}
}

/* Repairs it, and so many sectors may be old. */
static struct outcome *repair_log(struct image *img, u64 sectors)
{
	struct outcome *o = repair(img);

	assert_int_equal(unreadable.count, 0);
	assert_int_equal(o->lost_sectors, 0);
	assert_int_equal(o->old_sectors, sectors);
	return o;
}

/* A commit that cannot be read was acknowledged, unless something proves that none was there. */
static void unreadable_log(void **state)
{
	static const struct { int at; bool old; } of[] = {
		{ -1, true },			/* the last commit */
		{ 0, true },			/* where the next one goes */
		{ 1, false },			/* behind a block that none was written to */
	};
	struct image img;
	struct outcome *o;
	u32 i, half;

	(void)state;
	for (i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		setup_log(&img);
		memset(image_block(&img, img.sb.log_start + img.log_end), 0, LCLONE_BLOCK_SIZE);
		make_unreadable(&img, img.sb.log_start + img.log_end + of[i].at);
		free(repair_log(&img, of[i].old ? size.virtual_sectors : 0));
		image_free(&img);
	}

	/* a hole before a commit that can be read */
	setup_log(&img);
	memset(image_block(&img, img.sb.log_start + img.log_end), 0, LCLONE_BLOCK_SIZE);
	make_unreadable(&img, img.sb.log_start + img.log_end - 2);
	o = repair_log(&img, size.virtual_sectors - size.chunk_sectors);
	assert_false(o->old[3 * size.chunk_sectors]);
	assert_int_equal(o->missing, 1);
	free(o);
	image_free(&img);

	/* an older log behind the end says that nothing was written over it */
	setup_log(&img);
	image_checkpoint(&img);
	image_checkpoint(&img);
	image_activate(&img);
	make_unreadable(&img, img.sb.log_start + img.log_end + 1);
	free(repair_log(&img, 0));
	image_free(&img);

	/* nobody has committed to what was closed, and to the half that is not in use */
	for (i = 0; i < 2; i++) {
		setup_log(&img);
		if (i)
			image_checkpoint(&img);
		half = img.sb.log_pos ? 0 : img.sb.log_blocks / 2;
		make_unreadable(&img, img.sb.log_start + (i ? img.sb.log_pos : half));
		memset(image_block(&img, img.sb.log_start + img.log_end + i), 0, LCLONE_BLOCK_SIZE);
		free(repair_log(&img, 0));
		image_free(&img);
	}

	/* the older superblock was lost: that half begins with an older log, and so with no later one */
	setup_log(&img);
	half = img.sb.log_pos;
	image_checkpoint(&img);
	image_activate(&img);
	image_change(&img, 5);
	commit_one(&img, 5);
	memset(image_block(&img, img.sb.log_start + img.log_end), 0, LCLONE_BLOCK_SIZE);
	make_unreadable(&img, img.sb.log_start + half + 2);
	make_unreadable(&img, img.sb.seq % 2 ? LCLONE_SB_SLOT_B : LCLONE_SB_SLOT_A);
	free(repair_log(&img, 0));
	image_free(&img);

	/* the newest superblock was lost, too: maybe its log was in that half, and maybe not */
	for (i = 0; i < 2; i++) {
		setup_log(&img);
		memset(image_block(&img, img.sb.log_start + img.log_end), 0, LCLONE_BLOCK_SIZE);
		half = img.sb.log_pos ? 0 : img.sb.log_blocks / 2;
		memset(image_block(&img, img.sb.log_start + half), 0, LCLONE_BLOCK_SIZE);
		make_unreadable(&img, img.sb.log_start + half + i);
		make_unreadable(&img, img.sb.seq % 2 ? LCLONE_SB_SLOT_B : LCLONE_SB_SLOT_A);
		free(repair_log(&img, i ? 0 : size.virtual_sectors));
		image_free(&img);
	}
}

/* All of it: nothing is known but the checkpoint. */
static void unreadable_whole_log(void **state)
{
	struct lclone_repair r;
	struct image img;
	size_t i;
	u32 pos;

	(void)state;
	setup_log(&img);
	for (pos = 0; pos < img.sb.log_blocks; pos++)
		make_unreadable(&img, img.sb.log_start + pos);
	assert_int_equal(lclone_repair_plan(&r, &img.dev.dev, ignore, NULL, NULL), 0);
	assert_int_equal(r.salvage.nr_unread, img.sb.log_blocks);
	assert_int_equal(r.salvage.losses, 1);
	assert_int_equal(r.salvage.loss[0].sectors, size.virtual_sectors);
	assert_true(r.salvage.loss[0].old);
	for (i = 0; i < r.patches; i++)
		put_patch(&img, &r, i);
	lclone_repair_free(&r);
	assert_int_equal(unreadable.count, 0);
	assert_clean(&img);
	image_free(&img);
}

static int (*file_read)(const struct lclone_dev *dev, void *buf, u64 sector, u32 count);

static int faulty_file_read(const struct lclone_dev *dev, void *buf, u64 sector, u32 count)
{
	return is_unreadable(sector, count) ? -EIO : file_read(dev, buf, sector, count);
}

/* On a file: what was changed is put back, byte by byte, unless it was used since. */
static void undo(void **state)
{
	char dir[] = "/tmp/lclone-test-XXXXXX", path[64], saved[64];
	static const u32 slots[] = { LCLONE_SB_SLOT_A, LCLONE_SB_SLOT_B };
	size_t bytes = size.device_sectors << 9;
	struct lclone_sb_disk sb;
	struct lclone_sb taken;
	struct lclone_file file;
	struct lclone_repair r;
	struct image img;
	u8 *now = malloc(bytes), other = 0xff;
	int fd, i;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/delta", dir);
	snprintf(saved, sizeof(saved), "%s/saved", dir);
	setup_image(&img);
	image_rewrite(&img);
	spoil(&img, leaf_block(&img, 0));
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, img.data, bytes), bytes);

	assert_int_equal(lclone_file_open(&file, path, O_RDWR | O_EXCL), 0);
	assert_int_equal(lclone_repair_plan(&r, &file.dev, ignore, NULL, NULL), 0);
	/* what has been cut off is not damaged */
	assert_int_equal(ftruncate(fd, bytes / 2), 0);
	assert_int_equal(lclone_repair_apply(&r, &file, saved), -EBUSY);
	assert_int_equal(access(saved, F_OK), -1);
	assert_int_equal(pwrite(fd, img.data, bytes, 0), bytes);
	/* nor is what another host has opened meanwhile */
	taken = img.sb;
	taken.seq++;
	lclone_sb_pack(&taken, &sb);
	i = taken.seq % 2 ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B;
	assert_int_equal(pwrite(fd, &sb, sizeof(sb), i * LCLONE_BLOCK_SIZE), sizeof(sb));
	assert_int_equal(lclone_repair_apply(&r, &file, saved), -EBUSY);
	assert_int_equal(access(saved, F_OK), -1);
	assert_int_equal(pwrite(fd, img.data, bytes, 0), bytes);
	assert_int_equal(lclone_repair_apply(&r, &file, saved), 0);
	assert_true(lclone_repair_apply(&r, &file, saved) < 0);	/* never over a saved file */
	lclone_repair_free(&r);
	assert_int_equal(lclone_repair_plan(&r, &file.dev, ignore, NULL, NULL), 0);
	assert_int_equal(r.findings, 0);
	lclone_repair_free(&r);

	/* a superblock of later use */
	assert_int_equal(pread(fd, now, 512, 0), 512);
	assert_int_equal(pwrite(fd, &other, 1, 300), 1);
	assert_int_equal(lclone_repair_undo(&file, saved), -ESTALE);
	assert_int_equal(pwrite(fd, now, 512, 0), 512);

	/* another delta is told by its uuid, before any block is compared */
	assert_int_equal(pread(fd, now, bytes, 0), bytes);
	img.sb.uuid[0] ^= 1;
	for (i = 0; i < 2; i++) {
		lclone_sb_pack(&img.sb, &sb);
		assert_int_equal(pwrite(fd, &sb, sizeof(sb), slots[i] * LCLONE_BLOCK_SIZE),
				 sizeof(sb));
	}
	assert_int_equal(lclone_repair_undo(&file, saved), -ESTALE);
	assert_non_null(strstr(lclone_why(), "is another delta than"));
	assert_int_equal(pwrite(fd, now, bytes, 0), bytes);

	assert_int_equal(lclone_repair_undo(&file, saved), 0);
	assert_int_equal(pread(fd, now, bytes, 0), bytes);
	assert_memory_equal(now, img.data, bytes);
	assert_int_equal(lclone_repair_undo(&file, saved), 0);	/* again, as after a stop */

	assert_int_equal(truncate(saved, 6000), 0);
	assert_int_equal(lclone_repair_undo(&file, saved), -EINVAL);

	/* nor is a pipe waited for */
	unlink(saved);
	assert_int_equal(mkfifo(saved, 0600), 0);
	assert_int_equal(lclone_repair_undo(&file, saved), -EINVAL);

	/* a log that was unreadable must not become one that has ended */
	unlink(saved);
	make_unreadable(&img, img.sb.log_start);
	file_read = file.dev.read;
	file.dev.read = faulty_file_read;
	assert_int_equal(lclone_repair_plan(&r, &file.dev, ignore, NULL, NULL), 0);
	assert_int_equal(lclone_repair_apply(&r, &file, saved), 0);
	lclone_repair_free(&r);
	make_readable(img.sb.log_start);
	assert_int_equal(lclone_repair_plan(&r, &file.dev, ignore, NULL, NULL), 0);
	assert_int_equal(r.findings, 0);
	lclone_repair_free(&r);
	assert_int_equal(pread(fd, now, bytes, 0), bytes);
	assert_int_equal(lclone_repair_undo(&file, saved), -ESTALE);
	assert_non_null(strstr(lclone_why(), "of the log could not be read"));
	assert_int_equal(pread(fd, img.data, bytes, 0), bytes);
	assert_memory_equal(now, img.data, bytes);
	lclone_file_close(&file);
	close(fd);
	unlink(path);
	unlink(saved);
	rmdir(dir);
	free(now);
	image_free(&img);
}

/* The order of what is written, one letter each, and of what makes it durable */
static char order[64];

static void called(char what)
{
	const size_t len = strlen(order);

	if ((!len || order[len - 1] != what) && len + 1 < sizeof(order))
		order[len] = what;
}

int __real_lclone_file_write(struct lclone_file *file, const void *buf, u64 sector, u32 count);
int __wrap_lclone_file_write(struct lclone_file *file, const void *buf, u64 sector, u32 count);
int __wrap_lclone_file_sync(struct lclone_file *file);
int __wrap_lclone_sync_directory(const char *path);
int __wrap_fsync(int fd);

static u64 first_of_log, end_of_log;

int __wrap_lclone_file_write(struct lclone_file *file, const void *buf, u64 sector, u32 count)
{
	const u64 block = sector / LCLONE_BLOCK_SECTORS;

	called(block == LCLONE_SB_SLOT_A || block == LCLONE_SB_SLOT_B ? 's' :
	       block >= first_of_log && block < end_of_log ? 'l' : 'n');
	return __real_lclone_file_write(file, buf, sector, count);
}

int __wrap_lclone_file_sync(struct lclone_file *file)
{
	(void)file;
	called('.');
	return 0;
}

int __wrap_fsync(int fd)
{
	(void)fd;
	called('F');
	return 0;
}

int __wrap_lclone_sync_directory(const char *path)
{
	(void)path;
	called('D');
	return 0;
}

/*
 * What was saved is durable before anything is written; and none of log, superblocks and nodes
 * can be there after a power cut without what has to be there before it.  The log could be read
 * when it was saved, and not before.
 */
static void writes_in_order(void **state)
{
	char dir[] = "/tmp/lclone-test-XXXXXX", path[64], saved[64];
	size_t bytes = size.device_sectors << 9;
	struct lclone_file file;
	struct lclone_repair r;
	struct image img;
	int fd, i;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/delta", dir);
	snprintf(saved, sizeof(saved), "%s/saved", dir);
	setup_image(&img);
	image_rewrite(&img);
	spoil(&img, leaf_block(&img, 0));
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, img.data, bytes), bytes);
	close(fd);
	assert_int_equal(lclone_file_open(&file, path, O_RDWR | O_EXCL), 0);
	first_of_log = img.sb.log_start;
	end_of_log = img.sb.log_start + img.sb.log_blocks;
	for (i = 0; i < 4; i++)
		make_unreadable(&img, img.sb.log_start + i);
	file_read = file.dev.read;
	file.dev.read = faulty_file_read;
	assert_int_equal(lclone_repair_plan(&r, &file.dev, ignore, NULL, NULL), 0);
	for (i = 0; i < 4; i++)
		make_readable(img.sb.log_start + i);
	memset(order, 0, sizeof(order));
	assert_int_equal(lclone_repair_apply(&r, &file, saved), 0);
	assert_string_equal(order, "FDn.s.s.l.");
	lclone_repair_free(&r);
	memset(order, 0, sizeof(order));
	assert_int_equal(lclone_repair_undo(&file, saved), 0);
	assert_string_equal(order, "l.s.s.n.");
	lclone_file_close(&file);
	unlink(path);
	unlink(saved);
	rmdir(dir);
	image_free(&img);
}

/*
 * The root is lost, and each leaf is found, and stays where it is: no new node goes there.
 * One of its chunks is all that is left, and others of an older tree lie below.
 */
static void orphans_stay(void **state)
{
	static const struct { u32 chunk, leaves; bool older; } of[] = {
		{ 16, 3, false }, { 128, 3, false }, { 128, 40, false }, { 128, 3, true },
		{ 16, 3, true },
	};
	char why[LCLONE_WHY_SIZE];
	struct lclone_usage usage;
	struct lclone_repair r;
	struct image img;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		u64 chunks = (u64)LCLONE_LEAF_EXCEPTIONS * of[i].leaves;
		struct image_size s = { 600000, 0, chunks * of[i].chunk, of[i].chunk };

		image_init(&img, &s, i + 1);
		image_activate(&img);
		for (u64 c = 0; c < chunks; c += of[i].leaves > 10 ? 97 : 3)
			image_change(&img, c);
		if (of[i].older) {
			image_checkpoint(&img);
			image_activate(&img);
			image_change(&img, 1);
		}
		do {
			image_checkpoint(&img);
		} while (img.sb.root_level != 1);
		memset(root(&img), 0x5a, LCLONE_BLOCK_SIZE);
		assert_int_equal(lclone_repair_plan(&r, &img.dev.dev, ignore, NULL, NULL), 0);
		assert_int_equal(r.salvage.orphans, of[i].leaves);
		for (k = 0; k < r.patches; k++)
			put_patch(&img, &r, k);
		assert_int_equal(lclone_check(&img.dev.dev, NULL, ignore, NULL, &usage, why), 0);
		lclone_repair_free(&r);
		image_free(&img);
	}
}

/* Any damage, checksums made good again: repaired so that nothing is left, or refused. */
static void hostile(void **state)
{
	u32 i, repaired = 0, refused = 0;
	struct lclone_leaf_disk *leaf;
	struct lclone_sb saved;
	struct image img;

	(void)state;
	setup_image(&img);
	image_rewrite(&img);
	leaf = image_block(&img, leaf_block(&img, 0));
	saved = img.sb;
	for (i = 0; i < 200; i++) {
		struct lclone_index_disk keep = *root(&img);
		struct lclone_leaf_disk keep_leaf = *leaf;
		u8 bit = 1 << image_random(&img, 8);
		struct lclone_repair r;
		u32 csum;

		if (image_random(&img, 2)) {
			((u8 *)leaf->exceptions)[image_random(&img, 64)] ^= bit;
			lclone_node_seal(&leaf->node, img.sb.uuid, img.sb.checkpoint, 0, 0, &csum);
			forge_ref(&img, 0, leaf_block(&img, 0), csum, 0);
		} else {
			((u8 *)root(&img)->refs)[image_random(&img, 64)] ^= bit;
			forge_ref(&img, 9, 0, 0, 0);
		}
		if (!lclone_repair_plan(&r, &img.dev.dev, ignore, NULL, NULL))
			repaired += !!r.patches;
		else
			refused++;
		lclone_repair_free(&r);
		*leaf = keep_leaf;
		*root(&img) = keep;
		saved.seq = img.sb.seq;
		img.sb = saved;
	}
	assert_true(repaired > 100);
	assert_int_equal(refused, 0);
	image_free(&img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_to_repair),
		cmocka_unit_test(slots),
		cmocka_unit_test(slots_of_one_number),
		cmocka_unit_test(foreign_slot),
		cmocka_unit_test(newest_slot_with_its_log),
		cmocka_unit_test(newest_slot_without_its_tree),
		cmocka_unit_test(super),
		cmocka_unit_test(marked),
		cmocka_unit_test(log_hole),
		cmocka_unit_test(torn_commit),
		cmocka_unit_test(log_record),
		cmocka_unit_test(leaf_damage),
		cmocka_unit_test(leaf_and_slot),
		cmocka_unit_test(sealed_layer),
		cmocka_unit_test(index_damage),
		cmocka_unit_test(ref_damage),
		cmocka_unit_test(mask_damage),
		cmocka_unit_test(range_damage),
		cmocka_unit_test(double_use),
		cmocka_unit_test(high_water_mark),
		cmocka_unit_test(counts),
		cmocka_unit_test(refused),
		cmocka_unit_test(no_room),
		cmocka_unit_test(unreadable_target),
		cmocka_unit_test(unreadable_content),
		cmocka_unit_test(unreadable_log),
		cmocka_unit_test(unreadable_whole_log),
		cmocka_unit_test(undo),
		cmocka_unit_test(writes_in_order),
		cmocka_unit_test(orphans_stay),
		cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests_name("repair", tests, NULL, NULL);
}
