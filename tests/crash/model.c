// SPDX-License-Identifier: GPL-2.0-only
/*
 * model BUG SEED LOG: a log as recorder writes it, of a clone that never was.
 *
 * The simplest writer of the format that keeps the rules of the crash argument,
 * one operation at a time, one leaf, no lives; or that breaks the one which BUG
 * names.  It tests the checker, in a second and without a machine: what it
 * cannot find here it need not be sent to look for in the module.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format_user.h"
#include "image.h"
#include "lclone_format.h"

#define CHUNKS	64u		/* of the clone in the scenario below */
#define SCENARIO "mixed"
#define PHYS	96u

static const char * const bugs[] = {
	"none", "no-flush-before-record", "record-before-data", "node-in-place", "early-reuse",
	"superblock-before-nodes", "log-wraps-early", "wrong-chunk", "ended-in-use",
	"ended-with-a-log",
};
enum bug {
	BUG_NONE, NO_FLUSH_BEFORE_RECORD, RECORD_BEFORE_DATA, NODE_IN_PLACE, EARLY_REUSE,
	SUPERBLOCK_BEFORE_NODES, LOG_WRAPS_EARLY, WRONG_CHUNK, ENDED_IN_USE,
	ENDED_WITH_A_LOG,
};

static enum bug bug;
static struct crash_params params;
static struct crash_rng rng;
static FILE *out;
static u32 next_request, next_op = CRASH_ID_FIRST;

static struct lclone_sb sb;
static u64 exc[CHUNKS];
static bool dirty[CHUNKS];
static bool used[PHYS];		/* chunks of the delta */
static u32 freed[PHYS], nr_freed;	/* by entries that are not durable yet */
static u32 log_tail;
static u64 next_commit;

static void event(u32 type, u32 id, u64 sector, u32 count, const void *data, u32 bytes)
{
	struct crash_event ev = {
		.type = type, .id = id, .sector = sector, .count = count, .bytes = bytes,
	};

	if (fwrite(&ev, sizeof(ev), 1, out) != 1 || (bytes && fwrite(data, bytes, 1, out) != 1))
		err(1, "the log");
}

static u32 start_write(u64 sector, u32 count, const void *data)
{
	event(EV_WRITE, next_request, sector, count, data, count * SECTOR);
	return next_request++;
}

static void end_request(u32 id)
{
	event(EV_END, id, 0, 0, NULL, 0);
}

static void write_blocks(u64 block, const void *data, u32 blocks)
{
	end_request(start_write(block * LCLONE_BLOCK_SECTORS, blocks * LCLONE_BLOCK_SECTORS,
				data));
}

static void flush(void)
{
	event(EV_FLUSH, next_request, 0, 0, NULL, 0);
	end_request(next_request++);
}

static void put_mark(u32 type, u32 op, u32 id, u64 sector, u32 count)
{
	struct crash_mark mark = {
		.type = type, .op = op, .id = id, .sector = sector, .count = count,
	};

	event(EV_MARK, 0, 0, 0, &mark, sizeof(mark));
}

static u32 alloc_chunk(void)
{
	u32 phys;

	for (phys = sb.first_chunk; phys < PHYS; phys++)
		if (!used[phys])
			break;
	if (phys == PHYS)
		errx(1, "the model's delta is full");
	used[phys] = true;
	if (phys >= sb.hwm)
		sb.hwm = phys + 1;
	return phys;
}

static void put_sb(void)
{
	u8 block[LCLONE_BLOCK_SIZE] = { 0 };

	sb.seq++;
	lclone_sb_pack(&sb, (struct lclone_sb_disk *)block);
	write_blocks(sb.seq % 2 ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B, block, 1);
	flush();
}

static void all_durable(void)
{
	memset(dirty, 0, sizeof(dirty));
	while (nr_freed)
		used[freed[--nr_freed]] = false;
}

static void checkpoint(void)
{
	struct lclone_leaf_disk leaf = { 0 };
	u32 old = sb.root_block * LCLONE_BLOCK_SECTORS / sb.chunk_sectors, i;
	u64 block;

	for (i = 0; i < CHUNKS; i++)
		leaf.exceptions[i] = cpu_to_le64(exc[i]);
	block = bug == NODE_IN_PLACE && sb.root_block ? sb.root_block :
		(u64)alloc_chunk() * sb.chunk_sectors / LCLONE_BLOCK_SECTORS;
	sb.checkpoint++;
	lclone_node_seal(&leaf.node, sb.uuid, sb.checkpoint, 0, 0, &sb.root_csum);
	if (bug != SUPERBLOCK_BEFORE_NODES)
		write_blocks(block, &leaf, 1);
	flush();
	if (old && block != sb.root_block)
		freed[nr_freed++] = old;
	sb.root_block = block;
	sb.log_pos = sb.log_pos ? 0 : sb.log_blocks / 2;
	sb.log_commit = next_commit;
	put_sb();
	if (bug == SUPERBLOCK_BEFORE_NODES)
		write_blocks(block, &leaf, 1);
	flush();
	log_tail = sb.log_pos;
	all_durable();
}

static void commit(void)
{
	struct lclone_log_disk log = { 0 };
	struct lclone_log head = {
		.incarnation = sb.incarnation, .checkpoint = sb.checkpoint, .commit = next_commit,
		.blocks = 1,
	};
	u32 i;

	if (log_tail == sb.log_pos + sb.log_blocks / 2) {
		if (bug != LOG_WRAPS_EARLY) {
			checkpoint();
			return;
		}
		log_tail = sb.log_pos;
	}
	for (i = 0; i < CHUNKS; i++)
		if (dirty[i])
			lclone_record_pack(&log.records[head.count++], i, exc[i]);
	lclone_log_seal(&log, sb.uuid, &head);
	if (bug != NO_FLUSH_BEFORE_RECORD)
		flush();
	write_blocks(sb.log_start + log_tail++, &log, 1);
	flush();
	next_commit++;
	all_durable();
}

/* A suspend, with whose superblock the log ends, and the activation that follows */
static void stop_and_start(void)
{
	if (bug != ENDED_WITH_A_LOG)
		checkpoint();
	lclone_log_set_ended(&sb);
	put_sb();
	sb.incarnation++;
	if (bug == ENDED_IN_USE)
		lclone_log_set_ended(&sb);
	put_sb();
}

static void change(u32 chunk, u32 phys, u32 written, u32 zero)
{
	exc[chunk] = lclone_exc_make(phys, written, zero);
	dirty[chunk] = true;
}

/* Whole subchunks of one chunk */
static void op_write(u32 id, u32 chunk, u32 first, u32 count)
{
	u32 sub = sb.chunk_sectors / LCLONE_SUBCHUNKS, mask = ((1u << count) - 1) << first, i, wid;
	u64 sector = chunk * sb.chunk_sectors + first * sub;
	u32 phys = lclone_exc_phys(exc[chunk]), to;
	u8 data[CHUNKS * 2 * SECTOR];

	if (!phys)
		phys = alloc_chunk();
	for (i = 0; i < count * sub; i++)
		crash_stamp(data + i * SECTOR, CRASH_OWNER_CLONE, sector + i, id);
	to = bug == WRONG_CHUNK && !crash_rand(&rng, 50) ? phys ^ 1 : phys;
	wid = start_write((u64)to * sb.chunk_sectors + first * sub, count * sub, data);
	change(chunk, phys, lclone_exc_written(exc[chunk]) | mask,
	       lclone_exc_zero(exc[chunk]) & ~mask);
	if (bug == RECORD_BEFORE_DATA && !crash_rand(&rng, 8))
		commit();
	end_request(wid);
}

static void op_discard(u32 chunk)
{
	u32 phys = lclone_exc_phys(exc[chunk]);
	bool below = chunk * sb.chunk_sectors < sb.base_sectors;
	u64 left = below ? sb.base_sectors - chunk * sb.chunk_sectors : 0;
	u32 sub = sb.chunk_sectors / LCLONE_SUBCHUNKS, subs = (left + sub - 1) / sub;

	change(chunk, 0, 0, subs >= LCLONE_SUBCHUNKS ? LCLONE_MASK_ALL : (1u << subs) - 1);
	if (!phys)
		return;
	if (bug == EARLY_REUSE)
		used[phys] = false;
	else
		freed[nr_freed++] = phys;
}

static void one_op(void)
{
	u32 chunk = crash_rand(&rng, CHUNKS), first = crash_rand(&rng, LCLONE_SUBCHUNKS);
	u32 count = 1 + crash_rand(&rng, LCLONE_SUBCHUNKS - first), sub = sb.chunk_sectors / 16;
	u32 id = next_op++, what = crash_rand(&rng, 8);

	if (what == 0) {
		put_mark(MARK_ISSUE, OP_FLUSH, id, 0, 0);
		if (crash_rand(&rng, 8))
			commit();
		else if (crash_rand(&rng, 2))
			checkpoint();
		else
			stop_and_start();
		put_mark(MARK_END, OP_FLUSH, id, 0, 0);
	} else if (what < 4) {
		put_mark(MARK_ISSUE, OP_ZEROES, id, chunk * sb.chunk_sectors, sb.chunk_sectors);
		op_discard(chunk);
		put_mark(MARK_END, OP_ZEROES, id, chunk * sb.chunk_sectors, sb.chunk_sectors);
	} else {
		u64 sector = chunk * sb.chunk_sectors + first * sub;

		put_mark(MARK_ISSUE, OP_WRITE, id, sector, count * sub);
		op_write(id, chunk, first, count);
		put_mark(MARK_END, OP_WRITE, id, sector, count * sub);
	}
}

int main(int argc, char **argv)
{
	struct lclone_fault fault;
	u32 i;

	if (argc != 4)
		errx(1, "usage: model BUG SEED LOG");
	for (i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++)
		if (!strcmp(argv[1], bugs[i]))
			break;
	if (i == sizeof(bugs) / sizeof(bugs[0]))
		errx(1, "no bug '%s'", argv[1]);
	bug = i;
	crash_scenario(SCENARIO, strtoull(argv[2], NULL, 0), &params);
	rng.state = params.seed;
	out = fopen(argv[3], "w");
	if (!out || fwrite(&params, sizeof(params), 1, out) != 1)
		err(1, "%s", argv[3]);

	if (lclone_sb_unpack((struct lclone_sb_disk *)image_create(&params), &sb, &fault))
		errx(1, "the delta: %s", fault.what);
	next_commit = sb.log_commit;
	log_tail = sb.log_pos;
	sb.incarnation++;
	sb.state = 0;
	put_sb();
	for (i = 0; i < 600; i++)
		one_op();
	if (fclose(out))
		err(1, "%s", argv[3]);
	return 0;
}
