// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: the functions of format.c.
 *
 * The first byte of the input chooses what the rest is: a superblock, a node,
 * a log block (their checksums are made right, else nothing gets past them) or
 * the blocks of a log, of which a second opinion is asked.
 */
#include <string.h>

#include "format_user.h"
#include "lclone_format.h"
#include "must.h"

static const u8 uuid[LCLONE_UUID_SIZE] = "the uuid of all";

static void copy(void *to, size_t room, const u8 *data, size_t size)
{
	memset(to, 0, room);
	memcpy(to, data, size < room ? size : room);
}

/* A note that is there has its one form; any delta that is not sealed can get one, and lose it. */
static void fuzz_owner(struct lclone_sb sb)
{
	static const char note[] = "fuzz/0123456789abcdef/01234567";
	struct lclone_fault fault;
	struct lclone_sb_disk d;
	struct lclone_sb back;

	MUST(!lclone_is_owned(&sb) || lclone_owner_valid(sb.owner));
	if (sb.state & LCLONE_STATE_SEALED)
		return;
	lclone_owner_note(&sb, note, sb.seq);
	lclone_sb_pack(&sb, &d);
	MUST(!lclone_sb_unpack(&d, &back, &fault));
	MUST(lclone_is_owned(&back) && lclone_owner_same(back.owner, note));
	lclone_owner_clear(&sb);
	lclone_sb_pack(&sb, &d);
	MUST(!lclone_sb_unpack(&d, &back, &fault));
	MUST(!lclone_is_owned(&back) && !back.owned_since);
}

/* The end of the log counts for one superblock only. */
static void fuzz_ended(struct lclone_sb sb)
{
	lclone_log_set_ended(&sb);
	sb.seq++;
	MUST(lclone_log_is_ended(&sb) || !(u32)sb.seq);
	sb.seq++;
	MUST(!lclone_log_is_ended(&sb));
}

/* What unpacks, packs to what unpacks, and packs, to the same. */
static void fuzz_sb(const u8 *data, size_t size)
{
	struct lclone_sb sb, again;
	struct lclone_sb_disk d, same;
	struct lclone_fault fault;
	u64 chunks, min;

	memset(&sb, 0, sizeof(sb));
	memset(&again, 0, sizeof(again));
	copy(&d, sizeof(d), data, size);
	memcpy(d.magic, "dmlclone", sizeof(d.magic));
	d.csum = cpu_to_le32(lclone_crc32c((u8 *)&d + 12, sizeof(d) - 12));
	if (lclone_sb_unpack(&d, &sb, &fault)) {
		MUST(fault.what);
		return;
	}
	chunks = lclone_chunks(sb.virtual_sectors, sb.chunk_sectors);
	MUST(sb.first_chunk <= sb.hwm && sb.hwm <= lclone_phys_end(&sb));
	MUST(lclone_node_span(lclone_tree_level(chunks)) >= chunks);
	MUST(lclone_reserve_chunks(&sb) > 0);
	lclone_sb_pack(&sb, &d);
	MUST(!lclone_sb_unpack(&d, &again, &fault));
	lclone_sb_pack(&again, &same);
	MUST(!memcmp(&d, &same, sizeof(d)));
	fuzz_owner(sb);
	fuzz_ended(sb);
	if (!lclone_sb_init(&again, sb.device_sectors, sb.virtual_sectors, sb.chunk_sectors, &min)) {
		lclone_sb_pack(&again, &d);
		MUST(!lclone_sb_unpack(&d, &again, &fault));
	}
}

static void fuzz_exceptions(const u8 *data, size_t size)
{
	struct lclone_sb sb;
	struct lclone_record_disk d, again;
	struct lclone_fault fault;
	u64 chunk, exc, min;
	u32 phys;

	lclone_sb_init(&sb, 1 << 20, 1 << 20, 128, &min);
	for (; size >= sizeof(d); data += sizeof(d), size -= sizeof(d)) {
		memcpy(&d, data, sizeof(d));
		d.key &= cpu_to_le64(0xff0000000000ffffULL);
		if (lclone_record_unpack(&sb, &d, &chunk, &exc, &fault))
			continue;
		phys = lclone_exc_phys(exc);
		MUST(!(lclone_exc_written(exc) & lclone_exc_zero(exc)));
		MUST(phys || !lclone_exc_written(exc));
		MUST(!phys || (phys >= sb.first_chunk && phys < lclone_phys_end(&sb)));
		MUST(exc == lclone_exc_make(phys, lclone_exc_written(exc), lclone_exc_zero(exc)));
		lclone_record_pack(&again, chunk, exc);
		MUST(!memcmp(&d, &again, sizeof(d)));
	}
}

static void fuzz_node(const u8 *data, size_t size)
{
	static union {
		struct lclone_node_disk head;
		u8 bytes[LCLONE_BLOCK_SIZE];
	} node;
	struct lclone_fault fault;
	u32 csum, level;
	u64 first;

	copy(&node, sizeof(node), data, size);
	level = le32_to_cpu(node.head.level);
	first = le64_to_cpu(node.head.first_chunk);
	lclone_node_seal(&node.head, uuid, 7, first, level, &csum);
	MUST(!lclone_node_verify(&node.head, uuid, first, level, csum, 7, &fault));
	MUST(lclone_node_verify(&node.head, uuid, first + 1, level, csum, 7, &fault));
	MUST(lclone_node_verify(&node.head, uuid, first, level + 1, csum, 7, &fault));
	MUST(lclone_node_verify(&node.head, uuid, first, level, csum + 1, 7, &fault));
	MUST(lclone_node_verify(&node.head, uuid, first, level, csum, 6, &fault));
	if (size) {	/* no single byte may change unseen */
		node.bytes[data[0] * 16 % LCLONE_BLOCK_SIZE] ^= data[size - 1] | 1;
		MUST(lclone_node_verify(&node.head, uuid, first, level, csum, 7, &fault));
	}
}

static void fuzz_log_block(const u8 *data, size_t size)
{
	static union {
		struct lclone_log_disk log;
		u8 bytes[LCLONE_BLOCK_SIZE];
	} block;
	struct lclone_log log;
	struct lclone_fault fault;

	copy(&block, sizeof(block), data, size);
	log = (struct lclone_log){
		.incarnation = le64_to_cpu(block.log.incarnation),
		.checkpoint = le64_to_cpu(block.log.checkpoint),
		.commit = le64_to_cpu(block.log.commit),
		.index = le16_to_cpu(block.log.index),
		.blocks = le16_to_cpu(block.log.blocks),
		.count = le32_to_cpu(block.log.count),
	};
	lclone_log_seal(&block.log, uuid, &log);
	if (lclone_log_verify(&block.log, uuid, &log, &fault))
		return;
	MUST(log.index < log.blocks && log.count <= LCLONE_LOG_RECORDS);
	if (size) {
		block.bytes[data[0] * 16 % LCLONE_BLOCK_SIZE] ^= data[size - 1] | 1;
		MUST(lclone_log_verify(&block.log, uuid, &log, &fault));
	}
}

/* The scan of a log, against what design.rst says about it in other words */

#define LOG_BLOCKS	16u

struct desc {
	bool valid;
	struct lclone_log log;
};

struct verdict {
	bool damaged;
	u64 next_commit;
	u32 end;
};

static bool belongs(const struct lclone_sb *sb, const struct desc *d, u64 commit, u32 index,
		    u64 incarnation, u32 blocks)
{
	return d->valid && d->log.checkpoint == sb->checkpoint && d->log.commit == commit &&
	       d->log.index == index && d->log.incarnation == incarnation &&
	       d->log.blocks == blocks;
}

/* @d in order of the scan: the half at log_pos, then the other. */
static struct verdict second_opinion(const struct lclone_sb *sb, const struct desc *d)
{
	struct verdict v = { .next_commit = sb->log_commit };
	u64 incarnation = 0;
	u32 pos = 0, i;

	while (pos < LOG_BLOCKS / 2 && d[pos].valid && d[pos].log.incarnation >= incarnation) {
		u32 blocks = d[pos].log.blocks;

		if (pos + blocks > LOG_BLOCKS / 2)
			break;
		for (i = 0; i < blocks; i++)
			if (!belongs(sb, &d[pos + i], v.next_commit, i, d[pos].log.incarnation,
				     blocks))
				break;
		if (i < blocks)
			break;
		incarnation = d[pos].log.incarnation;
		v.next_commit++;
		pos += blocks;
	}
	v.end = sb->log_pos + pos;
	for (i = pos; i < LOG_BLOCKS; i++)
		if (d[i].valid && (d[i].log.checkpoint > sb->checkpoint ||
				   (d[i].log.checkpoint == sb->checkpoint &&
				    d[i].log.commit > v.next_commit)))
			v.damaged = true;
	return v;
}

static void fuzz_scan(const u8 *data, size_t size)
{
	static struct lclone_log_disk block;
	struct lclone_sb sb = {
		.log_blocks = LOG_BLOCKS, .checkpoint = 2, .log_commit = 2,
		.log_pos = size && data[0] & 1 ? LOG_BLOCKS / 2 : 0,
	};
	struct desc d[LOG_BLOCKS] = { 0 };
	struct verdict v;
	struct lclone_scan scan;
	struct lclone_fault fault;
	bool whole, damaged = false;
	u64 commit;
	u32 i, pos;

	memcpy(sb.uuid, uuid, sizeof(uuid));
	for (i = 0; i < LOG_BLOCKS && 2 * i + 2 < size; i++) {
		u8 a = data[2 * i + 1], b = data[2 * i + 2];

		d[i].log = (struct lclone_log){
			.checkpoint = 1 + a % 3, .commit = 1 + a / 4 % 8, .incarnation = 1 + a / 64,
			.blocks = 1 + b % 4, .index = b / 4 % 4 % (1 + b % 4),
		};
		d[i].valid = b < 224;
	}
	v = second_opinion(&sb, d);

	lclone_scan_init(&scan, &sb);
	for (i = 0; i < LOG_BLOCKS && !damaged; i++) {
		pos = (sb.log_pos + i) % LOG_BLOCKS;
		memset(&block, 0, sizeof(block));
		if (d[i].valid)
			lclone_log_seal(&block, uuid, &d[i].log);
		commit = scan.next_commit;
		damaged = lclone_scan_block(&scan, pos, &block, &whole, &fault);
		/* whoever believes in an empty log has to see that it is not */
		MUST((!damaged && scan.next_commit == commit) || lclone_log_is_later(&sb, &block));
	}
	MUST(damaged == v.damaged);
	if (!damaged) {
		MUST(scan.next_commit == v.next_commit);
		MUST(scan.end == v.end);
	}
}

static void fuzz_fingerprint(const u8 *data, size_t size)
{
	u64 sectors = 0;
	u32 i;

	memcpy(&sectors, data, size < 7 ? size : 7);
	for (i = 0; i < LCLONE_FP_SAMPLES / 2; i++)
		MUST(lclone_fp_sample(sectors, i) == i * LCLONE_BLOCK_SECTORS);
	for (; i < LCLONE_FP_SAMPLES; i++)
		MUST(!sectors || lclone_fp_sample(sectors, i) < sectors);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static void (*const target[])(const u8 *, size_t) = {
		fuzz_sb, fuzz_exceptions, fuzz_node, fuzz_log_block, fuzz_scan, fuzz_fingerprint,
	};

	if (size)
		target[data[0] % (sizeof(target) / sizeof(target[0]))](data + 1, size - 1);
	return 0;
}
