// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "basic/text.h"
#include "format/tree.h"
#include "format_user.h"
#include "offline/check.h"

struct check {
	struct lclone_delta delta;
	lclone_report_fn report;
	void *ctx;
	long findings;
	bool incomplete;		/* part of the tree could not be read */
	const struct lclone_watch *watch;
	bool stopped;			/* who watches wants no more */
	u32 phys_end;			/* bits in the bitmaps */
	u8 *data, *node;		/* chunks of the delta in use */
	u8 *twice;			/* chunks that more than one uses */
	bool naming;			/* second pass: name the users of those */
	struct lclone_usage usage;
};

static const char * const class_names[] = {
	[LCLONE_DAMAGE_SLOT] = "superblock-slot",
	[LCLONE_DAMAGE_SUPER] = "superblock",
	[LCLONE_DAMAGE_LOG] = "log",
	[LCLONE_DAMAGE_NODE] = "node",
	[LCLONE_DAMAGE_REF] = "reference",
	[LCLONE_DAMAGE_MASK] = "mask",
	[LCLONE_DAMAGE_RANGE] = "out-of-range",
	[LCLONE_DAMAGE_DOUBLE] = "double-use",
	[LCLONE_DAMAGE_HWM] = "high-water-mark",
	[LCLONE_DAMAGE_FREED] = "freed-count",
	[LCLONE_DAMAGE_IDENTITY] = "identity",
	[LCLONE_DAMAGE_MARKED] = "needs-check",
	[LCLONE_DAMAGE_PARENT] = "parent",
};

const char *lclone_damage_name(enum lclone_damage class)
{
	return class_names[class];
}

struct place {
	u64 block, chunk, chunks;
};

static const struct place nowhere;

static void __attribute__((format(printf, 4, 5)))
found(struct check *c, enum lclone_damage class, struct place at, const char *fmt, ...)
{
	char text[LCLONE_WHY_SIZE];
	struct lclone_finding finding = {
		.class = class, .block = at.block, .chunk = at.chunk, .chunks = at.chunks,
		.text = text,
	};
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	c->findings++;
	c->report(&finding, c->ctx);
}

/* Superblocks */

static void check_slots(struct check *c)
{
	static const u32 blocks[2] = { LCLONE_SB_SLOT_A, LCLONE_SB_SLOT_B };
	const struct lclone_slot *slot;
	int i;

	for (i = 0; i < 2; i++) {
		struct place at = { .block = blocks[i] };

		slot = &c->delta.slot[i];
		if (slot->err)
			found(c, LCLONE_DAMAGE_SLOT, at, "superblock %c: %s: found 0x%" PRIx64
			      ", expected 0x%" PRIx64, 'A' + i, slot->fault.what,
			      slot->fault.found, slot->fault.expected);
		else if (slot->sb.seq % 2 != !i)
			found(c, LCLONE_DAMAGE_SLOT, at, "superblock %c has sequence number %"
			      PRIu64 ", which belongs into the other slot", 'A' + i,
			      slot->sb.seq);
	}
}

/* The older slot is the newer one's predecessor. */
static void check_succession(struct check *c)
{
	const struct lclone_sb *new = &c->delta.slot[c->delta.newest].sb;
	const struct lclone_sb *old = &c->delta.slot[!c->delta.newest].sb;
	struct place at = { .block = c->delta.newest ? LCLONE_SB_SLOT_A : LCLONE_SB_SLOT_B };

	if (new->seq != old->seq + 1)
		found(c, LCLONE_DAMAGE_SLOT, at, "superblocks have the sequence numbers %" PRIu64
		      " and %" PRIu64 ": one between them is lost", old->seq, new->seq);
	if (old->checkpoint > new->checkpoint || old->incarnation > new->incarnation ||
	    old->log_commit > new->log_commit)
		found(c, LCLONE_DAMAGE_SLOT, at,
		      "the older superblock has later checkpoint, incarnation or commit numbers");
	if (old->chunk_sectors != new->chunk_sectors || old->log_blocks != new->log_blocks ||
	    old->virtual_sectors > new->virtual_sectors)
		found(c, LCLONE_DAMAGE_SLOT, at,
		      "the two superblocks disagree on chunk size, log size or virtual size");
}

static void check_super(struct check *c)
{
	const struct lclone_delta *delta = &c->delta;
	const struct lclone_sb *sb = &delta->sb;
	u64 known = delta->slot[delta->newest].sb.device_sectors;

	check_slots(c);
	if (lclone_delta_damaged_slot(delta) < 0)
		check_succession(c);
	if (delta->dev->sectors < known)
		found(c, LCLONE_DAMAGE_SUPER, nowhere, "the device has %s, it had %s",
		      LCLONE_SIZE(delta->dev->sectors), LCLONE_SIZE(known));
	if (sb->state & LCLONE_STATE_NEEDS_CHECK)
		found(c, LCLONE_DAMAGE_MARKED, nowhere,
		      "the kernel met an error in the metadata and asked for this check");
	if (lclone_half_written(sb))
		found(c, LCLONE_DAMAGE_SUPER, nowhere,
		      "half written: what was to be written to it has not come to its end");
	if (sb->merge_cursor && !(sb->state & LCLONE_STATE_MERGING))
		found(c, LCLONE_DAMAGE_SUPER, nowhere, "a merge cursor (%" PRIu64
		      "), but no merge", sb->merge_cursor);
	if (sb->merge_cursor > delta->chunks)
		found(c, LCLONE_DAMAGE_SUPER, nowhere, "merge cursor %" PRIu64
		      " lies beyond the clone's %" PRIu64 " chunks", sb->merge_cursor,
		      delta->chunks);
}

/* Use of the delta's chunks */

/* Does the superblock call any of these blocks free, and does that still hold? */
static bool is_spare(const struct check *c, u64 block, u32 blocks)
{
	const struct lclone_sb *sb = &c->delta.sb;
	int i;

	if (c->delta.commits)	/* not clean any more: what spares there were may be in use */
		return false;
	for (i = 0; i < LCLONE_SPARES; i++)
		if (sb->spare[i].block < block + blocks &&
		    block < sb->spare[i].block + sb->spare[i].count)
			return true;
	return false;
}

static void use_data(struct check *c, u64 chunk, u32 phys)
{
	struct place at = { lclone_phys_sector(&c->delta.sb, phys) / LCLONE_BLOCK_SECTORS,
			    chunk, 1 };

	if (c->naming) {
		if (lclone_bit(c->twice, phys))
			found(c, LCLONE_DAMAGE_DOUBLE, at, "chunk %" PRIu64
			      ": its chunk %u of the delta has another user, too", chunk, phys);
		return;
	}
	if (is_spare(c, at.block, c->delta.sb.chunk_sectors / LCLONE_BLOCK_SECTORS))
		found(c, LCLONE_DAMAGE_DOUBLE, at, "chunk %" PRIu64
		      ": the superblock has free metadata blocks in its chunk %u of the delta",
		      chunk, phys);
	if (lclone_bit(c->data, phys) || lclone_bit(c->node, phys))
		lclone_bit_set(c->twice, phys);
	lclone_bit_set(c->data, phys);
	c->usage.data_chunks++;
}

static void use_node(struct check *c, struct place at, u32 level)
{
	u32 phys = at.block * LCLONE_BLOCK_SECTORS / c->delta.sb.chunk_sectors;

	if (c->naming) {
		if (lclone_bit(c->twice, phys))
			found(c, LCLONE_DAMAGE_DOUBLE, at, "node at block %" PRIu64 " (level %u, chunks %"
			      PRIu64 "-%" PRIu64 "): its chunk %u of the delta has another user, too",
			      at.block, level, at.chunk, at.chunk + at.chunks - 1, phys);
		return;
	}
	if (is_spare(c, at.block, 1))
		found(c, LCLONE_DAMAGE_DOUBLE, at, "node at block %" PRIu64
		      ": the superblock calls that block free", at.block);
	if (lclone_bit(c->data, phys))
		lclone_bit_set(c->twice, phys);
	if (!lclone_bit(c->node, phys))
		c->usage.node_chunks++;
	lclone_bit_set(c->node, phys);
	c->usage.nodes++;
	if (phys >= c->delta.sb.hwm)
		found(c, LCLONE_DAMAGE_HWM, at, "node at block %" PRIu64
		      ": in chunk %u of the delta, the high-water mark is %u", at.block, phys,
		      c->delta.sb.hwm);
}

/* @logged: one in the tree that the log overrides: legal, but nothing it says counts. */
static void check_exception(struct check *c, u64 chunk, u64 exc, u64 block, u32 hwm, bool logged)
{
	struct place at = { block, chunk, 1 };
	u32 phys = lclone_exc_phys(exc);
	struct lclone_fault fault;

	if (!exc)
		return;
	if (lclone_exc_verify(&c->delta.sb, chunk, exc, &fault)) {
		bool range = chunk >= c->delta.chunks ||
			     (phys && (phys < c->delta.sb.first_chunk || phys >= c->phys_end));

		if (!c->naming)
			found(c, range ? LCLONE_DAMAGE_RANGE : LCLONE_DAMAGE_MASK, at,
			      "chunk %" PRIu64 " (exception 0x%016" PRIx64 " in block %" PRIu64
			      "): %s: found %" PRIu64 ", expected %" PRIu64, chunk, exc, block,
			      fault.what, fault.found, fault.expected);
		return;
	}
	if (phys && !logged)
		use_data(c, chunk, phys);
	if (c->naming)
		return;
	if (phys >= hwm)
		found(c, LCLONE_DAMAGE_HWM, at, "chunk %" PRIu64
		      ": its chunk of the delta is %u, the high-water mark is %u", chunk, phys,
		      hwm);
	if (logged)
		return;
	c->usage.exceptions++;
	c->usage.written += __builtin_popcount(lclone_exc_written(exc));
	c->usage.zero += __builtin_popcount(lclone_exc_zero(exc));
}

/* Tree */

static void check_node(struct check *c, struct lclone_ref ref, u32 level, u64 first,
		       u64 max_checkpoint);

static void check_leaf(struct check *c, const struct lclone_leaf_disk *leaf, u64 block, u64 first)
{
	u32 i;

	for (i = 0; i < LCLONE_LEAF_EXCEPTIONS; i++)
		check_exception(c, first + i, le64_to_cpu(leaf->exceptions[i]), block,
				c->delta.sb.hwm, lclone_delta_logged(&c->delta, first + i));
}

static void check_refs(struct check *c, const struct lclone_index_disk *index, u32 level,
		       u64 block, u64 first, u64 checkpoint)
{
	u64 span = lclone_node_span(level - 1);
	struct lclone_ref ref;
	u32 i;

	for (i = 0; i < LCLONE_NODE_REFS; i++) {
		struct place at = { block, first + i * span, span };

		ref = lclone_ref_unpack(&index->refs[i]);
		if (!c->naming && !ref.block && (ref.csum || ref.flags))
			found(c, LCLONE_DAMAGE_REF, at, "reference %u in block %" PRIu64
			      ": leads nowhere, but has checksum 0x%x and flags 0x%x", i, block,
			      ref.csum, ref.flags);
		if (!ref.block)
			continue;
		if (at.chunk < c->delta.chunks)
			check_node(c, ref, level - 1, at.chunk, checkpoint);
		else if (!c->naming)
			found(c, LCLONE_DAMAGE_REF, at, "reference %u in block %" PRIu64
			      " is for chunk %" PRIu64 ", the clone has %" PRIu64, i, block,
			      at.chunk, c->delta.chunks);
	}
}

static void check_node(struct check *c, struct lclone_ref ref, u32 level, u64 first,
		       u64 max_checkpoint)
{
	struct place at = { ref.block, first, lclone_node_span(level) };
	struct lclone_delta *delta = &c->delta;
	struct lclone_fault fault;
	union lclone_node node;
	u64 checkpoint;

	c->stopped = c->stopped || lclone_watch_stops(c->watch, "checking",
						      (first * delta->sb.chunk_sectors) << 9,
						      delta->sb.virtual_sectors << 9);
	if (c->stopped)
		return;
	if (at.chunks > delta->chunks - first)
		at.chunks = delta->chunks - first;
	if (lclone_ref_verify(&delta->sb, ref, &fault)) {
		c->incomplete = true;
		if (!c->naming)
			found(c, LCLONE_DAMAGE_REF, at, "chunks %" PRIu64 "-%" PRIu64
			      ", reference to block %" PRIu64 ": %s: found %" PRIu64 ", expected %"
			      PRIu64, first, first + at.chunks - 1, ref.block, fault.what,
			      fault.found, fault.expected);
		return;
	}
	if (lclone_delta_read_node(delta, ref, level, first, &node)) {
		c->incomplete = true;
		if (!c->naming)
			found(c, LCLONE_DAMAGE_NODE, at, "%s (level %u, chunks %" PRIu64 "-%"
			      PRIu64 ")", delta->why, level, first, first + at.chunks - 1);
		return;
	}
	checkpoint = le64_to_cpu(node.head.checkpoint);
	if (checkpoint > max_checkpoint && !c->naming)
		found(c, LCLONE_DAMAGE_NODE, at, "node at block %" PRIu64
		      ": of checkpoint %" PRIu64 ", but what refers to it is of %" PRIu64,
		      ref.block, checkpoint, max_checkpoint);
	use_node(c, at, level);
	if (level)
		check_refs(c, &node.index, level, ref.block, first, checkpoint);
	else
		check_leaf(c, &node.leaf, ref.block, first);
}

/* The whole content: the tree, except where the log has something newer, and the log. */
static void check_content(struct check *c)
{
	struct lclone_delta *delta = &c->delta;
	struct lclone_ref root = { .block = delta->sb.root_block, .csum = delta->sb.root_csum };
	size_t i;

	if (root.block)
		check_node(c, root, delta->sb.root_level, 0, delta->sb.checkpoint);
	for (i = 0; i < delta->log_count; i++)
		check_exception(c, delta->log[i].chunk, delta->log[i].exc, delta->sb.log_start,
				delta->hwm, false);
}

/*
 * The count is exact in a delta that was shut down cleanly and not used since.
 * Chunks that only spare blocks are left of are not free: they are kept for nodes.
 */
static void check_freed(struct check *c)
{
	const struct lclone_sb *sb = &c->delta.sb;
	u64 used = c->usage.data_chunks + c->usage.node_chunks, freed;
	u32 i, per_chunk = sb->chunk_sectors / LCLONE_BLOCK_SECTORS;
	u64 block, end;

	for (i = 0; i < LCLONE_SPARES; i++) {
		block = sb->spare[i].block;
		end = block + sb->spare[i].count;
		for (; block < end; block += per_chunk - block % per_chunk) {
			if (lclone_bit(c->node, block / per_chunk))
				continue;
			lclone_bit_set(c->node, block / per_chunk);
			used++;
		}
	}
	freed = sb->hwm - sb->first_chunk - used;
	if (!(sb->state & LCLONE_STATE_CLEAN) || c->delta.commits || c->findings)
		return;
	if (freed != sb->freed)
		found(c, LCLONE_DAMAGE_FREED, nowhere, "the superblock counts %u freed chunks, %"
		      PRIu64 " below the high-water mark are free", sb->freed, freed);
}

static int check_delta(struct check *c)
{
	size_t size;
	int err;

	err = lclone_delta_replay(&c->delta);
	if (err == -ENOMEM)
		return err;
	if (err) {
		struct place at = { .block = c->delta.sb.log_start };

		found(c, LCLONE_DAMAGE_LOG, at, "%s", c->delta.why);
	}

	c->phys_end = lclone_phys_end(&c->delta.sb);
	size = c->phys_end / 8 + 1;
	c->data = calloc(3, size);
	if (!c->data) {
		snprintf(c->delta.why, sizeof(c->delta.why), "out of memory");
		return -ENOMEM;
	}
	c->node = c->data + size;
	c->twice = c->node + size;

	check_content(c);
	for (size_t i = 0; i < size; i++) {
		if (c->twice[i]) {
			c->naming = true;
			check_content(c);
			break;
		}
	}
	if (!c->incomplete && !c->stopped)
		check_freed(c);
	free(c->data);
	if (!c->stopped)
		return 0;
	snprintf(c->delta.why, sizeof(c->delta.why), "interrupted");
	return -EINTR;
}

long lclone_check_watched(const struct lclone_dev *dev, const struct lclone_dev *base,
			  lclone_report_fn report, void *ctx, struct lclone_usage *usage,
			  char why[LCLONE_WHY_SIZE], const struct lclone_watch *watch)
{
	struct check c = { .report = report, .ctx = ctx, .watch = watch };
	char text[LCLONE_WHY_SIZE];
	long ret;

	ret = lclone_delta_open_sb(&c.delta, dev);
	if (ret == -EUCLEAN || ret == -EBADMSG) {	/* no superblock to go on with */
		check_slots(&c);
		if (!c.findings)
			found(&c, LCLONE_DAMAGE_SLOT, nowhere, "%s", c.delta.why);
		ret = 0;
	} else if (ret == -ENOSPC) {
		found(&c, LCLONE_DAMAGE_SUPER, nowhere, "%s", c.delta.why);
		ret = 0;
	} else if (!ret) {
		check_super(&c);
		ret = check_delta(&c);
		if (!ret && base && lclone_base_verify(&c.delta.sb, base, text))
			found(&c, LCLONE_DAMAGE_IDENTITY, nowhere, "%s", text);
	}
	*usage = c.usage;
	snprintf(why, LCLONE_WHY_SIZE, "%s", c.delta.why);
	lclone_delta_close(&c.delta);
	return ret ?: c.findings;
}

long lclone_check(const struct lclone_dev *dev, const struct lclone_dev *base,
		  lclone_report_fn report, void *ctx, struct lclone_usage *usage,
		  char why[LCLONE_WHY_SIZE])
{
	return lclone_check_watched(dev, base, report, ctx, usage, why, NULL);
}
