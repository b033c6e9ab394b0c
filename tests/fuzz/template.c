// SPDX-License-Identifier: GPL-2.0-only
/* Small deltas in memory, see template.h */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "format/dev.h"
#include "format_user.h"
#include "template.h"

#define CHUNK_SECTORS	16u
#define LOG_BLOCKS	16u
#define FIRST_CHUNK	24u	/* (32 + LOG_BLOCKS) blocks of 4 KiB in chunks of 8 */
#define NODES_AT	100u	/* block; data are in the chunks before */
#define CHECKPOINT	3u

u8 template_base[TEMPLATE_BASE_SECTORS * 512];

static struct template templates[TEMPLATE_KINDS];
static u8 *pristine[TEMPLATE_KINDS];

static u8 *block(const struct template *t, u64 nr)
{
	return t->image + nr * LCLONE_BLOCK_SIZE;
}

static void add_meta(struct template *t, u32 nr)
{
	t->meta[t->nr_meta++] = nr;
}

static void put_sb(struct template *t, const struct lclone_sb *sb, u32 nr)
{
	struct lclone_sb_disk d;

	lclone_sb_pack(sb, &d);
	memcpy(block(t, nr), &d, sizeof(d));
}

/* Adds a node after its children; returns its index. */
static int add_node(struct template *t, struct lclone_sb *sb, u32 level, u64 first)
{
	u32 nr = NODES_AT + t->nr_nodes;

	memset(block(t, nr), 0, LCLONE_BLOCK_SIZE);
	lclone_node_seal((struct lclone_node_disk *)block(t, nr), sb->uuid, CHECKPOINT, first,
			 level, NULL);
	t->node[t->nr_nodes] = (struct template_node){ .block = nr, .parent = -1 };
	add_meta(t, nr);
	sb->root_block = nr;
	sb->root_level = level;
	return t->nr_nodes++;
}

static void put_ref(struct template *t, int parent, u32 slot, int child)
{
	struct lclone_index_disk *index = (void *)block(t, t->node[parent].block);

	t->node[child].parent = parent;
	t->node[child].slot = slot;
	lclone_ref_pack((struct lclone_ref){ t->node[child].block, 0 }, &index->refs[slot]);
}

static void put_exc(struct template *t, int leaf, u32 i, u32 phys, u32 written, u32 zero)
{
	struct lclone_leaf_disk *d = (void *)block(t, t->node[leaf].block);

	d->exceptions[i] = cpu_to_le64(lclone_exc_make(phys, written, zero));
}

/* One block of a commit, with one record */
static void put_log(struct template *t, const struct lclone_sb *sb, u32 pos,
		    struct lclone_log log, u64 chunk, u64 exc)
{
	struct lclone_log_disk *d = (void *)block(t, sb->log_start + pos);

	log.checkpoint = sb->checkpoint;
	log.incarnation = sb->incarnation;
	log.count = 1;
	lclone_record_pack(&d->records[0], chunk, exc);
	lclone_log_seal(d, sb->uuid, &log);
	add_meta(t, sb->log_start + pos);
}

static void put_tree(struct template *t, struct lclone_sb *sb)
{
	int a = add_node(t, sb, 0, 0), b = add_node(t, sb, 0, LCLONE_LEAF_EXCEPTIONS), root;

	put_exc(t, a, 0, FIRST_CHUNK, 0xffff, 0);
	put_exc(t, a, 3, FIRST_CHUNK + 1, 0x00f0, 0x000f);
	put_exc(t, a, 503, FIRST_CHUNK + 2, 0, 0);
	put_exc(t, b, 0, FIRST_CHUNK + 3, 1, 0);
	put_exc(t, b, 9, 0, 0, 0xffff);
	root = add_node(t, sb, 1, 0);
	put_ref(t, root, 0, a);
	put_ref(t, root, 1, b);
}

static void put_deep_tree(struct template *t, struct lclone_sb *sb)
{
	u64 far = LCLONE_LEAF_EXCEPTIONS * LCLONE_NODE_REFS;
	int a = add_node(t, sb, 0, 0), b = add_node(t, sb, 0, far), i, j, root;

	put_exc(t, a, 7, FIRST_CHUNK, 0x8001, 0);
	put_exc(t, b, 1, FIRST_CHUNK + 1, 0xff00, 0x00ff);
	i = add_node(t, sb, 1, 0);
	put_ref(t, i, 0, a);
	j = add_node(t, sb, 1, far);
	put_ref(t, j, 0, b);
	root = add_node(t, sb, 2, 0);
	put_ref(t, root, 0, i);
	put_ref(t, root, 1, j);
}

static void put_commits(struct template *t, const struct lclone_sb *sb)
{
	u32 phys = FIRST_CHUNK + 8;

	put_log(t, sb, sb->log_pos, (struct lclone_log){ .commit = sb->log_commit, .blocks = 1 },
		1, lclone_exc_make(phys, 0x3, 0));
	put_log(t, sb, sb->log_pos + 1, (struct lclone_log){
		.commit = sb->log_commit + 1, .index = 0, .blocks = 2 },
		2, lclone_exc_make(phys + 1, 0xffff, 0));
	put_log(t, sb, sb->log_pos + 2, (struct lclone_log){
		.commit = sb->log_commit + 1, .index = 1, .blocks = 2 },
		600, lclone_exc_make(0, 0, 0xf));
	put_log(t, sb, sb->log_pos + 3, (struct lclone_log){
		.commit = sb->log_commit + 2, .blocks = 1 },
		3, lclone_exc_make(phys + 2, 0x00ff, 0x0f00));
}

/* Makes all checksums right: nodes, then what refers to them. */
static void seal(const struct template *t)
{
	static const u32 slots[] = { LCLONE_SB_SLOT_A, LCLONE_SB_SLOT_B };
	u32 i, csum, root_csum = 0, root_block = 0;

	for (i = 0; i < t->nr_nodes; i++) {
		struct lclone_node_disk *n = (void *)block(t, t->node[i].block);
		struct lclone_index_disk *parent;

		csum = lclone_crc32c((u8 *)n + 8, LCLONE_BLOCK_SIZE - 8);
		n->csum = cpu_to_le32(csum);
		if (t->node[i].parent < 0) {
			root_csum = csum;
			root_block = t->node[i].block;
			continue;
		}
		parent = (void *)block(t, t->node[t->node[i].parent].block);
		parent->refs[t->node[i].slot].csum = cpu_to_le32(csum);
	}
	for (i = 0; i < t->nr_meta; i++) {
		struct lclone_log_disk *d = (void *)block(t, t->meta[i]);

		if (t->meta[i] >= LCLONE_LOG_START && t->meta[i] < NODES_AT)
			d->csum = cpu_to_le32(lclone_crc32c((u8 *)d + 8, LCLONE_BLOCK_SIZE - 8));
	}
	for (i = 0; i < 2; i++) {
		struct lclone_sb_disk *d = (void *)block(t, slots[i]);

		if (le64_to_cpu(d->root_block) == root_block)
			d->root_csum = cpu_to_le32(root_csum);
		d->csum = cpu_to_le32(lclone_crc32c((u8 *)d + 12, sizeof(*d) - 12));
	}
}

static void build(struct template *t, enum template_kind kind)
{
	struct lclone_memdev base;
	struct lclone_sb sb;
	u64 min;
	u32 i;

	t->image = aligned_alloc(LCLONE_BLOCK_SIZE, TEMPLATE_BLOCKS * LCLONE_BLOCK_SIZE);
	if (!t->image)
		err(1, "aligned_alloc");
	/* no two sectors are the same */
	for (i = 0; i < TEMPLATE_SECTORS * 512 / sizeof(i); i++)
		((u32 *)t->image)[i] = i;
	memset(t->image, 0, FIRST_CHUNK * CHUNK_SECTORS * 512);

	/* too small by the rules of formatting, which are no rule of the format */
	lclone_sb_init(&sb, TEMPLATE_SECTORS, kind == TEMPLATE_DEEP ? 2100000 : 24000,
		       CHUNK_SECTORS, &min);
	memcpy(sb.uuid, "template's uuid", sizeof(sb.uuid));
	sb.log_blocks = LOG_BLOCKS;
	sb.first_chunk = FIRST_CHUNK;
	sb.hwm = FIRST_CHUNK;
	sb.base_fp_alg = LCLONE_FP_CRC32C_SAMPLES;
	sb.base_sectors = TEMPLATE_BASE_SECTORS;
	lclone_memdev_init(&base, template_base, TEMPLATE_BASE_SECTORS);
	if (lclone_fingerprint(&base.dev, &sb.base_fp))
		errx(1, "fingerprint");
	add_meta(t, LCLONE_SB_SLOT_A);
	add_meta(t, LCLONE_SB_SLOT_B);

	if (kind != TEMPLATE_EMPTY) {
		sb.seq = 6;
		sb.checkpoint = CHECKPOINT;
		sb.incarnation = 2;
		sb.log_commit = 5;
		sb.log_pos = LOG_BLOCKS / 2;
		sb.state = 0;
		sb.hwm = TEMPLATE_SECTORS / CHUNK_SECTORS - 4;
		if (kind == TEMPLATE_DEEP)
			put_deep_tree(t, &sb);
		else
			put_tree(t, &sb);
		put_commits(t, &sb);
	}
	if (kind == TEMPLATE_MERGING) {
		sb.state = LCLONE_STATE_MERGING;
		sb.merge_cursor = 2;
	}
	put_sb(t, &sb, LCLONE_SB_SLOT_B);
	sb.seq++;
	put_sb(t, &sb, LCLONE_SB_SLOT_A);
	seal(t);
}

void template_init(void)
{
	size_t size = TEMPLATE_BLOCKS * LCLONE_BLOCK_SIZE;
	u32 i;

	for (i = 0; i < sizeof(template_base); i++)
		template_base[i] = i / 512;
	for (i = 0; i < TEMPLATE_KINDS; i++) {
		build(&templates[i], i);
		pristine[i] = malloc(size);
		if (!pristine[i])
			err(1, "malloc");
		memcpy(pristine[i], templates[i].image, size);
	}
}

const struct template *template_get(enum template_kind kind)
{
	return &templates[kind];
}

static void apply(const struct template *t, const struct template_edit *e)
{
	u8 *b = block(t, t->meta[e->meta % t->nr_meta]), *at;
	u64 value = e->value, old;

	at = b + e->offset % (LCLONE_BLOCK_SIZE - sizeof(u64) + 1);
	switch ((e->how & ~EDIT_UNSEALED) % EDIT_HOWS) {
	case EDIT_SET8:
		memcpy(at, &value, 1);
		break;
	case EDIT_SET16:
		memcpy(at, &value, 2);
		break;
	case EDIT_SET32:
		memcpy(at, &value, 4);
		break;
	case EDIT_SET64:
		memcpy(at, &value, 8);
		break;
	case EDIT_ADD64:
		memcpy(&old, at, 8);
		value += old;
		memcpy(at, &value, 8);
		break;
	case EDIT_FLIP:
		*at ^= 1 << value % 8;
		break;
	case EDIT_COPY:
		memmove(b, block(t, t->meta[value % t->nr_meta]), LCLONE_BLOCK_SIZE);
		break;
	case EDIT_CLEAR:
		memset(b, 0, LCLONE_BLOCK_SIZE);
		break;
	}
}

void template_edit(const struct template *t, const struct template_edit *edit, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (!(edit[i].how & EDIT_UNSEALED))
			apply(t, &edit[i]);
	seal(t);
	for (i = 0; i < nr; i++)
		if (edit[i].how & EDIT_UNSEALED)
			apply(t, &edit[i]);
}

void template_rename(const struct template *t)
{
	u32 i;

	for (i = 0; i < t->nr_meta; i++) {
		void *at = block(t, t->meta[i]);

		if (t->meta[i] < LCLONE_LOG_START)
			((struct lclone_sb_disk *)at)->uuid[0] ^= 1;
		else if (t->meta[i] < NODES_AT)
			((struct lclone_log_disk *)at)->uuid[0] ^= 1;
		else
			((struct lclone_node_disk *)at)->uuid[0] ^= 1;
	}
	seal(t);
}

void template_restore(const struct template *t)
{
	const u8 *from = pristine[t - templates];
	u32 i;

	for (i = 0; i < t->nr_meta; i++) {
		u64 at = (u64)t->meta[i] * LCLONE_BLOCK_SIZE;

		memcpy(t->image + at, from + at, LCLONE_BLOCK_SIZE);
	}
}

/* Edits that know where fields are and what may be found in them */

u32 template_choose(u64 *random, u32 below)
{
	*random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (*random >> 33) % below;
}

static u16 choose_offset(u64 *random)
{
	switch (template_choose(random, 4)) {
	case 0:			/* a superblock's fields */
		return 8 + 4 * template_choose(random, 70);
	case 1:			/* a node's or log block's header */
		return 4 * template_choose(random, 16);
	case 2:			/* the first exceptions, references or records */
		return 64 + 4 * template_choose(random, 40);
	default:
		return 8 * template_choose(random, 512);
	}
}

static u64 choose_value(const struct template *t, u64 *random)
{
	static const u64 edges[] = {
		0, 1, 7, 8, 15, 16, 23, 24, 31, 32, 63, 64, 127, 128, 252, 503, 504, 505,
		0xffff, 0xffffffff, 1ULL << 30, (1ULL << 30) - 1, 1ULL << 54, 1ULL << 56,
		1ULL << 63, ~0ULL,
	};
	u64 value, block;

	if (template_choose(random, 2))
		return edges[template_choose(random, sizeof(edges) / sizeof(edges[0]))];
	/* what stands elsewhere, or beside it */
	block = t->meta[template_choose(random, t->nr_meta)];
	memcpy(&value, t->image + block * LCLONE_BLOCK_SIZE + choose_offset(random),
	       sizeof(value));
	return value + template_choose(random, 3) - 1;
}

void template_random_edit(const struct template *t, u64 *random, struct template_edit *edit)
{
	*edit = (struct template_edit){
		.meta = template_choose(random, t->nr_meta),
		.how = template_choose(random, EDIT_HOWS) |
		       (template_choose(random, 16) ? 0 : EDIT_UNSEALED),
		.offset = choose_offset(random),
		.value = choose_value(t, random),
	};
}
