// SPDX-License-Identifier: GPL-2.0-only
/*
 * Merge into the layer below, on a disk in memory that records what is written:
 * whatever a crash leaves, the clone above reads the same, and the merge can be
 * run again; and so does who has had the layer open since before.
 *
 * The Makefile puts the functions named __wrap_ in the place of the library's.
 */
#include "clone/chain.h"
#include "clone/owner.h"
#include "host/machine.h"
#include "offline/check.h"
#include "offline/copy.h"
#include "basic/fail.h"
#include "image.h"
#include "offline/merge-parent.h"
#include "test.h"

/* A write; a flush if it has no sectors */
struct op {
	u64 sector;
	u32 count;
	u8 *data;
};

struct disk {
	struct lclone_file file;	/* what the library has; must be first */
	u8 *data;
	struct op *op;
	size_t ops;
};

enum { BOTTOM, LOWER, UPPER, TOP, LEVELS };

/* A clone, from top to bottom; the base is the lowest one's. */
struct stack {
	struct image img[LEVELS];
	u32 first;			/* of the levels that are there: BOTTOM or LOWER */
	struct disk lower, upper;
	u8 *model;
};

static int disk_read(const struct lclone_dev *dev, void *buf, u64 sector, u32 count)
{
	memcpy(buf, ((const struct disk *)dev)->data + (sector << 9), (size_t)count << 9);
	return 0;
}

/* Of a disk that is 0, or for another time */
static void disk_init(struct disk *disk, const char *path, const u8 *data, u64 sectors)
{
	disk->file.dev = (struct lclone_dev){ .sectors = sectors, .read = disk_read };
	strcpy(disk->file.path, path);
	disk->data = disk->data ?: malloc(sectors << 9);
	memcpy(disk->data, data, sectors << 9);
}

static void forget_ops(struct disk *disk)
{
	while (disk->ops)
		free(disk->op[--disk->ops].data);
}

static void disk_free(struct disk *disk)
{
	forget_ops(disk);
	free(disk->op);
	free(disk->data);
	memset(disk, 0, sizeof(*disk));
}

static void record(struct disk *disk, const void *buf, u64 sector, u32 count)
{
	struct op *op;

	disk->op = reallocarray(disk->op, disk->ops + 1, sizeof(*op));
	op = &disk->op[disk->ops++];
	*op = (struct op){ .sector = sector, .count = count, .data = malloc((count << 9) + 1) };
	memcpy(op->data, buf, count << 9);
}

/* Called after each write and flush */
static void (*after_op)(struct disk *disk);

int __wrap_lclone_file_write(struct lclone_file *file, const void *buf, u64 sector, u32 count);
int __wrap_lclone_file_write(struct lclone_file *file, const void *buf, u64 sector, u32 count)
{
	struct disk *disk = (struct disk *)file;

	assert_true(sector + count <= file->dev.sectors);
	memcpy(disk->data + (sector << 9), buf, count << 9);
	record(disk, buf, sector, count);
	if (after_op)
		after_op(disk);
	return 0;
}

int __wrap_lclone_file_sync(struct lclone_file *file);
int __wrap_lclone_file_sync(struct lclone_file *file)
{
	record((struct disk *)file, "", 0, 0);
	if (after_op)
		after_op((struct disk *)file);
	return 0;
}

/* The copy engine without its ring: a write for each extent */
struct lclone_copy {
	struct lclone_merge *merge;
	struct lclone_copy_extents *extents;
	struct lclone_chain_extent last;
};

int __wrap_lclone_copy_new_extents(struct lclone_copy **copy, struct lclone_merge *merge,
				   struct lclone_copy_extents *extents);
int __wrap_lclone_copy_new_extents(struct lclone_copy **copy, struct lclone_merge *merge,
				   struct lclone_copy_extents *extents)
{
	struct lclone_chain_extent e;
	int ret;

	*copy = malloc(sizeof(**copy));
	**copy = (struct lclone_copy){ .merge = merge, .extents = extents };
	extents->start(extents);
	while ((ret = extents->next(extents, &e)) > 0)
		;
	extents->start(extents);
	return ret;
}

int __wrap_lclone_copy_run(struct lclone_copy *copy, unsigned int ms);
int __wrap_lclone_copy_run(struct lclone_copy *copy, unsigned int ms)
{
	static u8 buf[12345 << 9];
	struct lclone_chain_extent e, *last = &copy->last;
	int ret = copy->extents->next(copy->extents, &e);

	(void)ms;
	if (ret <= 0)
		return ret;
	assert_int_equal(e.source, LCLONE_FROM_DELTA);
	/* what lies together is copied together */
	assert_false(last->sectors && e.sector == last->sector + last->sectors &&
		     e.delta_sector == last->delta_sector + last->sectors);
	*last = e;
	assert_int_equal(lclone_dev_read(copy->merge->chain->delta[e.level]->dev, buf,
					 e.delta_sector, e.sectors), 0);
	return lclone_file_write(copy->merge->target, buf, e.sector, e.sectors) ?: 1;
}

void __wrap_lclone_copy_free(struct lclone_copy *copy);
void __wrap_lclone_copy_free(struct lclone_copy *copy)
{
	free(copy);
}

/* Building */

struct shape {
	u32 chunk_sectors;
	u64 base_sectors;		/* 0: none, and no layer below the lower one */
	bool sealed;			/* the upper one */
};

static const struct shape shapes[] = {
	{ 16, 9001, true }, { 64, 9001, false }, { 16, 0, false }, { 64, 0, true },
};

#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

/* In sectors: a disk may grow. */
static const u64 sizes[LEVELS] = { 12000, 12000, 12345, 12345 };

/* The disks are as they were before a merge. */
static void start_again(struct stack *s)
{
	forget_ops(&s->lower);
	forget_ops(&s->upper);
	disk_init(&s->lower, "lower", s->img[LOWER].data, s->img[LOWER].dev.dev.sectors);
	disk_init(&s->upper, "upper", s->img[UPPER].data, s->img[UPPER].dev.dev.sectors);
}

static void build(struct stack *s, const struct shape *shape, u64 seed)
{
	struct image *below = NULL;
	u8 *model = NULL, *next;

	s->first = shape->base_sectors ? BOTTOM : LOWER;
	for (u32 i = s->first; i < LEVELS; i++) {
		struct image_size size = { i == LOWER ? 6144 : 20000, shape->base_sectors,
					   sizes[i], shape->chunk_sectors, 16 };
		struct image *img = &s->img[i];

		image_init(img, &size, seed + i);
		assert_true(image_populate(img, i == LOWER ? 30 : 40));
		if (i == LOWER)		/* as the kernel seals */
			image_checkpoint(img);
		image_link(img, below, i < UPPER || (i == UPPER && shape->sealed));
		next = image_cover(img, model ?: img->clone,
				   below ? below->sb.virtual_sectors : img->sb.virtual_sectors);
		free(model);
		model = next;
		below = img;
		if (i == UPPER && !shape->sealed)
			break;
	}
	s->model = model;
	start_again(s);
}

static u32 top_of(const struct shape *shape)
{
	return shape->sealed ? TOP : UPPER;
}

static void destroy(struct stack *s, const struct shape *shape)
{
	for (u32 i = s->first; i <= top_of(shape); i++)
		image_free(&s->img[i]);
	disk_free(&s->lower);
	disk_free(&s->upper);
	free(s->model);
}

/* Looking */

/* The whole clone through these deltas, which are open */
static void same_content(struct stack *s, struct lclone_chain *chain)
{
	static struct lclone_chain_extents x;
	struct lclone_chain_extent e;
	const struct lclone_dev *dev;
	u8 buf[64 * 512];
	u64 at = 0, n;
	int ret;

	lclone_chain_extents_init(&x, chain, chain->count, 0, UINT64_MAX);
	while ((ret = lclone_chain_extents_next(&x, &e)) > 0) {
		dev = e.source == LCLONE_FROM_DELTA ? chain->delta[e.level]->dev :
		      e.source == LCLONE_FROM_BASE ? &s->img[s->first].base.dev : NULL;
		assert_int_equal(e.sector, at);
		for (; e.sectors; at += n, e.delta_sector += n, e.sectors -= n) {
			n = e.sectors < 64 ? e.sectors : 64;
			assert_int_equal(lclone_dev_read_padded(dev, buf,
					 e.source == LCLONE_FROM_DELTA ? e.delta_sector : at, n), 0);
			assert_memory_equal(buf, s->model + (at << 9), n << 9);
		}
	}
	assert_int_equal(ret, 0);
	assert_int_equal(at, chain->delta[0]->sb.virtual_sectors);
}

static void count_finding(const struct lclone_finding *f, void *ctx)
{
	print_message("%s\n", f->text);
	++*(int *)ctx;
}

static bool has_taken_over(struct stack *s, const struct disk *lower)
{
	struct lclone_delta delta;
	bool taken;

	assert_int_equal(lclone_delta_open_sb(&delta, &lower->file.dev), 0);
	taken = !memcmp(delta.sb.uuid, s->img[UPPER].sb.uuid, LCLONE_UUID_SIZE);
	if (taken)
		assert_true(lclone_left_over(&s->img[UPPER].sb, &delta.sb));
	else
		assert_false(lclone_left_over(&s->img[UPPER].sb, &delta.sb));
	/* and a host that opens it does not hide that */
	lclone_owner_note(&delta.sb, "a/0123456789abcdef/01234567", 1);
	assert_int_equal(lclone_left_over(&s->img[UPPER].sb, &delta.sb), taken);
	lclone_delta_close(&delta);
	return taken;
}

/* Without the one above it, it is nothing any more: it says so before that is true. */
static void check_marked(struct stack *s, const struct disk *lower)
{
	const struct image *img = &s->img[LOWER];
	u64 chunks = lclone_phys_sector(&img->sb, img->sb.first_chunk) << 9;
	struct lclone_delta delta;

	if (!memcmp(lower->data + chunks, img->data + chunks,
		    (lower->file.dev.sectors << 9) - chunks))
		return;
	assert_int_equal(lclone_delta_open_sb(&delta, &lower->file.dev), 0);
	assert_true(lclone_half_merged_with(&delta.sb, s->img[UPPER].sb.uuid));
	lclone_delta_close(&delta);
}

/* The clone as it would be activated with this in the lower one's place */
static void activate(struct stack *s, const struct shape *shape, const struct disk *lower)
{
	bool taken = has_taken_over(s, lower);
	struct lclone_chain chain = { .count = 0 };
	struct lclone_delta delta[LEVELS];
	char why[LCLONE_WHY_SIZE];
	struct lclone_usage usage;
	int findings = 0;
	u32 i;

	if (!taken)
		check_marked(s, lower);
	for (i = top_of(shape) + 1; i-- > s->first; ) {
		if (i == UPPER && taken)
			continue;
		chain.delta[chain.count] = &delta[chain.count];
		assert_int_equal(lclone_delta_open(&delta[chain.count], i == LOWER ?
				 &lower->file.dev : i == UPPER ? &s->upper.file.dev :
				 &s->img[i].dev.dev), 0);
		if (chain.count++)
			assert_int_equal(lclone_link_check(&delta[chain.count - 2].sb,
							   &delta[chain.count - 1].sb, why), 0);
	}
	same_content(s, &chain);
	for (i = 0; i < chain.count; i++)
		lclone_delta_close(&delta[i]);
	lclone_check(&lower->file.dev, NULL, count_finding, &findings, &usage, why);
	assert_int_equal(findings, 0);
}

static int merge(struct stack *s, struct disk *lower)
{
	struct lclone_delta upper, delta;
	struct lclone_chain chain = { 2, { &upper, &delta }, { &s->upper.file, &lower->file } };
	struct lclone_merge m = { .chain = &chain, .target = &lower->file };
	int err;

	assert_int_equal(lclone_delta_open(&upper, &s->upper.file.dev), 0);
	assert_int_equal(lclone_delta_open(&delta, &lower->file.dev), 0);
	err = lclone_merge_into_parent(&m);
	lclone_delta_close(&upper);
	lclone_delta_close(&delta);
	return err;
}

/* It has the identity of the upper one for good, and its state. */
static void check_end(struct stack *s, const struct shape *shape, struct disk *lower)
{
	const struct lclone_sb *upper = &s->img[UPPER].sb;
	struct lclone_delta delta;

	assert_true(has_taken_over(s, lower));
	activate(s, shape, lower);
	assert_int_equal(lclone_delta_open(&delta, &lower->file.dev), 0);
	assert_memory_equal(delta.slot[0].sb.uuid, delta.slot[1].sb.uuid, LCLONE_UUID_SIZE);
	assert_int_equal(delta.sb.generation, upper->generation);
	assert_int_equal(delta.sb.virtual_sectors, upper->virtual_sectors);
	assert_true(delta.sb.checkpoint > upper->checkpoint &&
		    delta.sb.checkpoint > s->img[LOWER].sb.checkpoint);
	assert_int_equal(delta.sb.state, LCLONE_STATE_CLEAN |
			 (shape->sealed ? LCLONE_STATE_SEALED : 0));
	assert_memory_equal(delta.sb.parent_uuid, s->img[LOWER].sb.parent_uuid, LCLONE_UUID_SIZE);
	assert_int_equal(delta.commits, 0);
	lclone_delta_close(&delta);
}

/* As after a crash, or beside a reader */
static void go_on(struct stack *s, const struct shape *shape, struct disk *lower)
{
	if (has_taken_over(s, lower))
		assert_int_equal(lclone_merge_settle(&lower->file), 0);
	else
		assert_int_equal(merge(s, lower), 0);
	check_end(s, shape, lower);
}

/* The tests */

static void merged(void **state)
{
	static struct stack s;

	(void)state;
	for (u32 i = 0; i < SHAPES; i++) {
		for (u64 seed = 1; seed < 5; seed++) {
			build(&s, &shapes[i], 100 * seed);
			activate(&s, &shapes[i], &s.lower);
			assert_int_equal(merge(&s, &s.lower), 0);
			check_end(&s, &shapes[i], &s.lower);
			destroy(&s, &shapes[i]);
		}
	}
}

/* Who has the layers open sees the same at every write: nodes in memory or not. */
static struct {
	struct stack *s;
	struct lclone_delta delta[LEVELS];
	struct lclone_chain chain;
} reader;

static void forget_nodes(struct lclone_delta *delta)
{
	for (u32 i = 0; i < LCLONE_LEVELS; i++) {
		free(delta->node[i]);
		delta->node[i] = NULL;
	}
}

static void reader_looks(struct disk *disk)
{
	(void)disk;
	for (u32 i = 0; i < reader.chain.count; i++)
		forget_nodes(reader.chain.delta[i]);
	same_content(reader.s, &reader.chain);
}

static void beside_a_reader(void **state)
{
	static struct stack s;

	(void)state;
	for (u32 i = 0; i < SHAPES; i++) {
		build(&s, &shapes[i], 7000 + i);
		reader.s = &s;
		reader.chain.count = 0;
		for (u32 k = top_of(&shapes[i]) + 1; k-- > s.first; ) {
			struct lclone_delta *delta = &reader.delta[k];

			assert_int_equal(lclone_delta_open(delta, k == LOWER ? &s.lower.file.dev :
							   &s.img[k].dev.dev), 0);
			reader.chain.delta[reader.chain.count++] = delta;
		}
		after_op = reader_looks;
		assert_int_equal(merge(&s, &s.lower), 0);
		after_op = NULL;
		for (u32 k = 0; k < reader.chain.count; k++)
			lclone_delta_close(reader.chain.delta[k]);
		check_end(&s, &shapes[i], &s.lower);
		destroy(&s, &shapes[i]);
	}
}

static struct stack *both;

/* The superblock that the upper one has on its disk; it is durable. */
static void upper_super(struct lclone_sb *sb)
{
	struct lclone_delta delta;

	assert_int_equal(lclone_delta_open_sb(&delta, &both->upper.file.dev), 0);
	*sb = delta.sb;
	lclone_delta_close(&delta);
	assert_true(!both->upper.ops || !both->upper.op[both->upper.ops - 1].count);
}

static void check_host(struct disk *disk)
{
	char owner[LCLONE_OWNER_SIZE];
	struct lclone_sb sb;

	if (disk != &both->lower)
		return;
	upper_super(&sb);
	assert_int_equal(lclone_is_owned(&sb),
			 !(sb.state & LCLONE_STATE_SEALED) && lclone_this_host(owner));
}

/*
 * Before anything else is written, a delta says that this host has it, if it has a name; a layer is
 * not changed.
 */
static void noted(void **state)
{
	char owner[LCLONE_OWNER_SIZE];
	static struct stack s;

	(void)state;
	both = &s;
	for (u32 i = 0; i < SHAPES; i++) {
		build(&s, &shapes[i], 500 + i);
		after_op = check_host;
		assert_int_equal(merge(&s, &s.lower), 0);
		after_op = NULL;
		assert_int_equal(!s.upper.ops, shapes[i].sealed || !lclone_this_host(owner));
		check_end(&s, &shapes[i], &s.lower);
		destroy(&s, &shapes[i]);
	}
}

static size_t taken_at;

/* Another host opens the delta behind a write to the lower one. */
static void take_over(struct disk *disk)
{
	struct lclone_sb sb;

	if (disk != &both->lower || disk->ops != taken_at)
		return;
	upper_super(&sb);
	sb.seq++;
	sb.incarnation++;
	lclone_owner_note(&sb, "far/0123456789abcdee/01234567", 1);
	lclone_sb_pack(&sb, (struct lclone_sb_disk *)(both->upper.data + (sb.seq % 2 ?
		LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B) * LCLONE_BLOCK_SIZE));
}

/* Whoever has it goes on with it: nothing else gets its name. */
static void taken_over(void **state)
{
	const struct shape *shape = &shapes[1];
	static struct stack s;
	size_t ops;

	(void)state;
	both = &s;
	build(&s, shape, 600);
	assert_int_equal(merge(&s, &s.lower), 0);
	ops = s.lower.ops;
	/* the last four are two superblocks, each with a flush */
	for (taken_at = 1; taken_at <= ops - 4; taken_at++) {
		start_again(&s);
		after_op = take_over;
		assert_int_equal(merge(&s, &s.lower), -EBUSY);
		after_op = NULL;
		assert_true(s.lower.ops <= ops - 4);
		assert_false(has_taken_over(&s, &s.lower));
		activate(&s, shape, &s.lower);
		assert_int_equal(merge(&s, &s.lower), -LCLONE_OWNED);
	}
	destroy(&s, shape);
}

/* All sectors of a write, or (@random) some */
static void apply(struct disk *disk, const struct op *op, struct image *random)
{
	for (u32 i = 0; i < op->count; i++)
		if (!random || image_random(random, 2))
			memcpy(disk->data + ((op->sector + i) << 9), op->data + (i << 9), 512);
}

enum { ALL, LAST, ALL_BUT, SOME, TORN, HOWS };

/*
 * A state that a crash behind the write @end can leave: all that was flushed
 * before, and of the rest what @how says.
 */
static void crash(struct stack *s, size_t end, int how, struct disk *state)
{
	const struct disk *disk = &s->lower;
	struct image *random = &s->img[UPPER];
	size_t flushed = 0, i;

	for (i = 0; i < end; i++)
		if (!disk->op[i].count)
			flushed = i;
	disk_init(state, "lower", s->img[LOWER].data, disk->file.dev.sectors);
	for (i = 0; i < flushed; i++)
		apply(state, &disk->op[i], NULL);
	for (; i < end; i++) {
		if (how == ALL || (how == LAST && i + 1 == end) || (how == ALL_BUT && i + 2 != end))
			apply(state, &disk->op[i], NULL);
		else if (how == SOME && image_random(random, 2))
			apply(state, &disk->op[i], NULL);
		else if (how == TORN)
			apply(state, &disk->op[i], random);
	}
}

static void cut(void **state)
{
	static struct disk crashed;
	static struct stack s;
	u32 states = 0;

	(void)state;
	for (u32 i = 0; i < SHAPES; i++) {
		build(&s, &shapes[i], 300 + i);
		assert_int_equal(merge(&s, &s.lower), 0);
		for (size_t end = 0; end <= s.lower.ops; end++) {
			for (int how = 0; how < HOWS; how++, states++) {
				crash(&s, end, how, &crashed);
				activate(&s, &shapes[i], &crashed);
				go_on(&s, &shapes[i], &crashed);
				forget_ops(&crashed);
			}
		}
		disk_free(&crashed);
		destroy(&s, &shapes[i]);
	}
	print_message("# %u states\n", states);
}

/* What is refused changes nothing. */
static void no_room(void **state)
{
	const struct shape *shape = &shapes[0];
	struct lclone_merge_space space;
	struct lclone_delta upper, lower;
	struct lclone_chain chain = { 2, { &upper, &lower }, { NULL } };
	struct lclone_merge m = { .chain = &chain };
	static struct stack s;
	u64 full;

	(void)state;
	build(&s, shape, 42);
	full = s.lower.file.dev.sectors;
	for (int fits = 0; fits < 2; fits++) {
		assert_int_equal(lclone_delta_open(&upper, &s.img[UPPER].dev.dev), 0);
		assert_int_equal(lclone_delta_open(&lower, &s.lower.file.dev), 0);
		assert_int_equal(lclone_merge_measure(&m, &space), 0);
		lclone_delta_close(&upper);
		lclone_delta_close(&lower);
		assert_true(space.needed && space.available >= space.needed);
		if (fits)
			break;
		/* one chunk less than it takes */
		s.lower.file.dev.sectors -= (space.available - space.needed + 1) *
					    shape->chunk_sectors;
		assert_int_equal(merge(&s, &s.lower), -EFBIG);
		assert_int_equal(s.lower.ops, 0);
		s.lower.file.dev.sectors += shape->chunk_sectors;
	}
	assert_int_equal(space.needed, space.available);
	assert_int_equal(merge(&s, &s.lower), 0);
	check_end(&s, shape, &s.lower);
	assert_true(s.lower.file.dev.sectors < full);
	destroy(&s, shape);
}

/* A smaller disk on a larger one does not say what is beyond its end. */
static void smaller(void **state)
{
	struct lclone_file file = { .path = "upper" };
	struct lclone_delta upper, lower;
	static struct stack s;
	struct lclone_chain chain = { 2, { &upper, &lower }, { &file, &s.lower.file } };
	struct lclone_merge m = { .chain = &chain, .target = &s.lower.file };

	(void)state;
	build(&s, &shapes[0], 43);
	assert_int_equal(lclone_delta_open(&upper, &s.img[UPPER].dev.dev), 0);
	assert_int_equal(lclone_delta_open(&lower, &s.lower.file.dev), 0);
	upper.sb.virtual_sectors = lower.sb.virtual_sectors - 8;
	assert_int_equal(lclone_merge_into_parent(&m), -EFBIG);
	assert_int_equal(s.lower.ops, 0);
	lclone_delta_close(&upper);
	lclone_delta_close(&lower);
	destroy(&s, &shapes[0]);
}

/* A layer in the middle of a merge is nothing by itself: merged further down, its mark is lost. */
static void half_merged_upper(void **state)
{
	struct lclone_file file = { .path = "upper" };
	struct lclone_delta upper, lower;
	static struct stack s;
	struct lclone_chain chain = { 2, { &upper, &lower }, { &file, &s.lower.file } };
	struct lclone_merge m = { .chain = &chain, .target = &s.lower.file };

	(void)state;
	build(&s, &shapes[0], 44);
	assert_int_equal(lclone_delta_open(&upper, &s.img[UPPER].dev.dev), 0);
	assert_int_equal(lclone_delta_open(&lower, &s.lower.file.dev), 0);
	upper.sb.state |= LCLONE_STATE_SEALED | LCLONE_STATE_MERGING;
	lclone_owner_set(&upper.sb, s.img[TOP].sb.uuid);
	assert_int_equal(lclone_merge_into_parent(&m), -EBUSY);
	assert_int_equal(s.lower.ops, 0);
	lclone_delta_close(&upper);
	lclone_delta_close(&lower);
	destroy(&s, &shapes[0]);
}

/* Nothing is written on the word of a reference that was not verified (with ASan). */
static void hostile_reference(void **state)
{
	struct lclone_index_disk *node;
	struct lclone_merge_space space;
	struct lclone_delta upper, lower;
	struct lclone_chain chain = { 2, { &upper, &lower }, { NULL } };
	struct lclone_merge m = { .chain = &chain };
	struct lclone_file file = { .path = "lower" };
	static const struct image_size size = { 65536, 0, LCLONE_LEAF_EXCEPTIONS * 16 * 3, 16 };
	static const u64 blocks[] = { 1, 1ull << 32, 65536 / 8, UINT32_MAX };
	struct image low, up;
	u8 *saved;
	u32 csum;

	(void)state;
	chain.file[0] = chain.file[1] = &file;
	image_init(&low, &size, 1);
	image_init(&up, &size, 2);
	image_activate(&low);
	for (u64 i = 0; i < low.chunks; i += 7)
		image_change(&low, i);
	do {
		image_checkpoint(&low);
	} while (low.sb.root_level != 1);
	node = image_block(&low, low.sb.root_block);
	saved = malloc(LCLONE_BLOCK_SIZE);
	memcpy(saved, node, LCLONE_BLOCK_SIZE);
	for (u32 i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		for (u32 at = 1; at < LCLONE_NODE_REFS; at += 100) {
			memcpy(node, saved, LCLONE_BLOCK_SIZE);
			lclone_ref_pack((struct lclone_ref){ .block = blocks[i], .csum = 1 },
					&node->refs[at]);
			lclone_node_seal((void *)node, low.sb.uuid, low.sb.checkpoint, 0, 1, &csum);
			low.sb.root_csum = csum;
			image_link(&low, NULL, true);
			image_link(&up, &low, false);
			assert_int_equal(lclone_delta_open(&upper, &up.dev.dev), 0);
			assert_int_equal(lclone_delta_open(&lower, &low.dev.dev), 0);
			assert_int_equal(lclone_merge_measure(&m, &space), -EUCLEAN);
			lclone_delta_close(&upper);
			lclone_delta_close(&lower);
		}
	}
	free(saved);
	image_free(&low);
	image_free(&up);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merged),
		cmocka_unit_test(beside_a_reader),
		cmocka_unit_test(noted),
		cmocka_unit_test(taken_over),
		cmocka_unit_test(cut),
		cmocka_unit_test(no_room),
		cmocka_unit_test(smaller),
		cmocka_unit_test(half_merged_upper),
		cmocka_unit_test(hostile_reference),
	};

	return cmocka_run_group_tests_name("merge into the layer below", tests, NULL, NULL);
}
