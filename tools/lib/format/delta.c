// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

#include "basic/sort.h"
#include "basic/text.h"
#include "basic/zero.h"
#include "format/delta.h"
#include "format_user.h"

#define SCAN_BLOCKS	32	/* log blocks read at a time */

static const u32 slot_block[2] = { LCLONE_SB_SLOT_A, LCLONE_SB_SLOT_B };

static int __attribute__((format(printf, 3, 4)))
why(struct lclone_delta *delta, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(delta->why, sizeof(delta->why), fmt, args);
	va_end(args);
	return err;
}

static int why_fault(struct lclone_delta *delta, int err, const char *where, u64 number,
		     const struct lclone_fault *fault)
{
	return why(delta, err, "%s %" PRIu64 ": %s: found %" PRIu64 " (0x%" PRIx64 "), expected %"
		   PRIu64 " (0x%" PRIx64 ")", where, number, fault->what, fault->found,
		   fault->found, fault->expected, fault->expected);
}

/* Superblocks */

static void read_slot(struct lclone_slot *slot, const struct lclone_dev *dev, u32 block)
{
	union {
		u8 bytes[LCLONE_BLOCK_SIZE];
		struct lclone_sb_disk sb;
	} buf;

	slot->err = lclone_dev_read(dev, &buf, (u64)block * LCLONE_BLOCK_SECTORS,
				    LCLONE_BLOCK_SECTORS);
	if (slot->err) {
		slot->fault = (struct lclone_fault){ .what = "cannot be read" };
		return;
	}
	slot->zero = lclone_is_zero(buf.bytes, sizeof(buf));
	slot->err = lclone_sb_unpack(&buf.sb, &slot->sb, &slot->fault);
}

/* Neither slot is valid: which of the reasons helps the user? */
static int no_superblock(struct lclone_delta *delta)
{
	const struct lclone_slot *a = &delta->slot[0], *b = &delta->slot[1];

	if (a->zero && b->err == -EINVAL)
		return why(delta, -ENODATA, "blank: holds no lclone delta");
	if (a->err == -EINVAL && b->err == -EINVAL)
		return why(delta, -EINVAL, "not an lclone delta");
	if (a->err == -ENXIO || (b->err == -ENXIO && a->err == -EINVAL))
		return why(delta, -EINVAL, "too small to be an lclone delta");
	if (a->err != -EINVAL)
		return why(delta, a->err, "superblock A: %s: found %" PRIu64 ", expected %" PRIu64,
			   a->fault.what, a->fault.found, a->fault.expected);
	return why(delta, b->err, "superblock B: %s: found %" PRIu64 ", expected %" PRIu64,
		   b->fault.what, b->fault.found, b->fault.expected);
}

/* A merge takes over an identity in one write: the slot before it says which. */
static bool takes_over(const struct lclone_sb *old, const struct lclone_sb *new)
{
	return new->seq == old->seq + 1 && lclone_half_merged_with(old, new->uuid);
}

static bool is_one_delta(const struct lclone_sb *a, const struct lclone_sb *b)
{
	return !uuid_compare(a->uuid, b->uuid) || takes_over(a, b) || takes_over(b, a);
}

int lclone_delta_open_sb(struct lclone_delta *delta, const struct lclone_dev *dev)
{
	const struct lclone_slot *slot;
	int i;

	memset(delta, 0, sizeof(*delta));
	delta->dev = dev;
	for (i = 0; i < 2; i++)
		read_slot(&delta->slot[i], dev, slot_block[i]);

	for (i = 0; i < 2; i++) {
		slot = &delta->slot[i];
		if (slot->err == -EPROTONOSUPPORT)
			return why(delta, slot->err, "needs a newer lclone: %s 0x%" PRIx64
				   " (this one knows 0x%" PRIx64 ")", slot->fault.what,
				   slot->fault.found, slot->fault.expected);
	}
	if (delta->slot[0].err && delta->slot[1].err)
		return no_superblock(delta);
	if (delta->slot[0].zero && !delta->slot[1].sb.seq)
		return why(delta, -ENODATA, "blank: a format of it was interrupted");
	if (lclone_delta_damaged_slot(delta) < 0 &&
	    !is_one_delta(&delta->slot[0].sb, &delta->slot[1].sb))
		return why(delta, -EUCLEAN, "superblocks A and B belong to different deltas");

	if (delta->slot[0].err)
		return lclone_delta_use_slot(delta, 1);
	if (delta->slot[1].err)
		return lclone_delta_use_slot(delta, 0);
	/* two of one number are damage: the kernel takes B, too */
	return lclone_delta_use_slot(delta, delta->slot[1].sb.seq >= delta->slot[0].sb.seq);
}

int lclone_delta_use_slot(struct lclone_delta *delta, int i)
{
	u64 sectors = delta->dev->sectors;

	delta->newest = i;
	delta->sb = delta->slot[i].sb;
	delta->hwm = delta->sb.hwm;
	delta->chunks = lclone_chunks(delta->sb.virtual_sectors, delta->sb.chunk_sectors);
	if (delta->sb.device_sectors > sectors) {
		delta->sb.device_sectors = sectors;
		if (delta->hwm > lclone_phys_end(&delta->sb))
			return why(delta, -ENOSPC, "the device has %s, but the delta uses %s",
				   LCLONE_SIZE(sectors),
				   LCLONE_SIZE(lclone_phys_sector(&delta->sb, delta->hwm)));
	}
	return 0;
}

bool lclone_delta_unchanged(const struct lclone_delta *delta)
{
	const struct lclone_sb *was = &delta->slot[delta->newest].sb, *is;
	struct lclone_delta now;
	bool same;

	same = !lclone_delta_open_sb(&now, delta->dev);
	is = &now.slot[now.newest].sb;
	same = same && !uuid_compare(is->uuid, was->uuid) && is->generation == was->generation &&
	       is->seq == was->seq;
	lclone_delta_close(&now);
	return same;
}

int lclone_delta_damaged_slot(const struct lclone_delta *delta)
{
	return delta->slot[0].err ? 0 : delta->slot[1].err ? 1 : -1;
}

/* Log */

struct replay {
	struct lclone_delta *delta;
	size_t count, room;		/* entries, also those of a commit still open */
	size_t whole;			/* entries of whole commits */
};

static int replay_block(struct replay *r, u32 pos, const struct lclone_log_disk *d)
{
	struct lclone_delta *delta = r->delta;
	u32 i, count = le32_to_cpu(d->count);
	struct lclone_fault fault;
	struct lclone_entry *e;
	int err;

	if (r->count + count > r->room) {
		r->room = 2 * r->room + LCLONE_LOG_RECORDS;
		e = reallocarray(delta->log, r->room, sizeof(*e));
		if (!e)
			return why(delta, -ENOMEM, "out of memory");
		delta->log = e;
	}
	for (i = 0; i < count; i++) {
		e = &delta->log[r->count++];
		err = lclone_record_unpack(&delta->sb, &d->records[i], &e->chunk, &e->exc, &fault);
		if (err)
			return why_fault(delta, err, "log block", delta->sb.log_start + pos,
					 &fault);
	}
	return 0;
}

static int scan_one(struct replay *r, u32 pos, const struct lclone_log_disk *d)
{
	struct lclone_delta *delta = r->delta;
	u32 next = delta->scan.next_index;
	u64 commit = delta->scan.next_commit;
	struct lclone_fault fault;
	bool whole;
	int err;

	err = lclone_scan_block(&delta->scan, pos, d, &whole, &fault);
	if (err)
		return why_fault(delta, err, "log block", delta->sb.log_start + pos, &fault);
	if (delta->scan.next_index == next && delta->scan.next_commit == commit)
		return 0;	/* not part of the log */

	err = replay_block(r, pos, d);
	if (err)
		return err;
	if (whole) {
		r->whole = r->count;
		delta->commits++;
	}
	return 0;
}

static int scan_range(struct replay *r, struct lclone_log_disk *buf, u32 pos, u32 count)
{
	struct lclone_delta *delta = r->delta;
	u32 i, batch;
	u64 block;
	int err;

	for (; count; pos += batch, count -= batch) {
		batch = count < SCAN_BLOCKS ? count : SCAN_BLOCKS;
		block = delta->sb.log_start + pos;
		err = lclone_dev_read(delta->dev, buf, block * LCLONE_BLOCK_SECTORS,
				      batch * LCLONE_BLOCK_SECTORS);
		if (err)
			return why(delta, err, "log block %" PRIu64 ": cannot be read: %s", block,
				   strerror(-err));
		for (i = 0; i < batch; i++) {
			err = scan_one(r, pos + i, &buf[i]);
			if (err)
				return err;
		}
	}
	return 0;
}

/* By chunk; of one chunk the later record, which is further on in memory, last. */
static int compare_entries(const void *pa, const void *pb)
{
	const struct lclone_entry *const *a = pa, *const *b = pb;

	if ((*a)->chunk != (*b)->chunk)
		return (*a)->chunk < (*b)->chunk ? -1 : 1;
	return *a < *b ? -1 : *a > *b;
}

/* Sorts the log by chunk and keeps the last record of each. */
static int sort_log(struct lclone_delta *delta, size_t count)
{
	struct lclone_entry **order, *log;
	size_t i, kept = 0;

	if (!count)
		return 0;
	order = calloc(count, sizeof(*order));
	log = calloc(count, sizeof(*log));
	if (!order || !log) {
		free(order);
		free(log);
		return why(delta, -ENOMEM, "out of memory");
	}
	for (i = 0; i < count; i++)
		order[i] = &delta->log[i];
	qsort(order, count, sizeof(*order), compare_entries);
	for (i = 0; i < count; i++)
		if (i + 1 == count || order[i + 1]->chunk != order[i]->chunk)
			log[kept++] = *order[i];
	free(order);
	free(delta->log);
	delta->log = log;
	delta->log_count = kept;
	return 0;
}

int lclone_delta_replay(struct lclone_delta *delta)
{
	u32 half = delta->sb.log_blocks / 2, pos = delta->sb.log_pos;
	struct replay r = { .delta = delta };
	struct lclone_log_disk *buf;
	size_t i;
	int err;

	buf = calloc(SCAN_BLOCKS, sizeof(*buf));
	if (!buf)
		return why(delta, -ENOMEM, "out of memory");
	lclone_scan_init(&delta->scan, &delta->sb);
	err = scan_range(&r, buf, pos, half);
	if (!err)
		err = scan_range(&r, buf, half - pos, half);
	free(buf);
	if (err)
		return err;

	/* what was allocated and freed again in the log is below the mark, too */
	for (i = 0; i < r.whole; i++)
		if (lclone_exc_phys(delta->log[i].exc) >= delta->hwm)
			delta->hwm = lclone_exc_phys(delta->log[i].exc) + 1;
	return sort_log(delta, r.whole);
}

int lclone_delta_open(struct lclone_delta *delta, const struct lclone_dev *dev)
{
	int err = lclone_delta_open_sb(delta, dev);

	return err ?: lclone_delta_replay(delta);
}

void lclone_delta_close(struct lclone_delta *delta)
{
	int i;

	free(delta->log);
	for (i = 0; i < LCLONE_LEVELS; i++)
		free(delta->node[i]);
	memset(delta, 0, sizeof(*delta));
}

static u64 chunk_of(const void *entry)
{
	return ((const struct lclone_entry *)entry)->chunk;
}

/* Index of the first logged entry at or after @chunk */
static size_t log_lower_bound(const struct lclone_delta *delta, u64 chunk)
{
	return lclone_lower_bound(delta->log, delta->log_count, sizeof(*delta->log), chunk,
				  chunk_of);
}

const struct lclone_entry *lclone_delta_logged(const struct lclone_delta *delta, u64 chunk)
{
	size_t i = delta->log_count ? log_lower_bound(delta, chunk) : 0;

	return i < delta->log_count && delta->log[i].chunk == chunk ? &delta->log[i] : NULL;
}

/* Tree */

static int verify_ref(struct lclone_delta *delta, u64 first, struct lclone_ref *ref)
{
	struct lclone_fault fault;
	int err = ref->block ? lclone_ref_verify(&delta->sb, *ref, &fault) : 0;

	if (err)
		ref->block = 0;
	return err ? why_fault(delta, err, "node of chunk", first, &fault) : 0;
}

int lclone_delta_root(struct lclone_delta *delta, struct lclone_ref *ref)
{
	*ref = (struct lclone_ref){ .block = delta->sb.root_block, .csum = delta->sb.root_csum };
	return verify_ref(delta, 0, ref);
}

int lclone_delta_child(struct lclone_delta *delta, const union lclone_node *node, u32 level,
		       u64 first, u32 i, struct lclone_ref *ref)
{
	*ref = lclone_ref_unpack(&node->index.refs[i]);
	first += i * lclone_node_span(level - 1);
	if (ref->block && first >= delta->chunks)
		return why(delta, -EUCLEAN, "a reference is for chunk %" PRIu64 ", the clone has %"
			   PRIu64, first, delta->chunks);
	return verify_ref(delta, first, ref);
}

int lclone_delta_read_node(struct lclone_delta *delta, struct lclone_ref ref, u32 level,
			   u64 first_chunk, union lclone_node *node)
{
	struct lclone_fault fault;
	int err;

	err = lclone_ref_verify(&delta->sb, ref, &fault);
	if (err)
		return why_fault(delta, err, "node of chunk", first_chunk, &fault);
	err = lclone_dev_read(delta->dev, node, ref.block * LCLONE_BLOCK_SECTORS,
			      LCLONE_BLOCK_SECTORS);
	if (err)
		return why(delta, err, "node at block %" PRIu64 ": cannot be read: %s", ref.block,
			   strerror(-err));
	err = lclone_node_verify(&node->head, delta->sb.uuid, first_chunk, level, ref.csum,
				 delta->sb.checkpoint, &fault);
	if (err)	/* the reference was good: what is there is damaged, whatever it is */
		return why_fault(delta, err == -EINVAL ? -EBADMSG : err, "node at block",
				 ref.block, &fault);
	return 0;
}

/* A leaf's exceptions are verified once, when it is read. */
static int verify_leaf(struct lclone_delta *delta, u64 first, const struct lclone_leaf_disk *leaf)
{
	struct lclone_fault fault;
	u32 i;
	int err;

	for (i = 0; i < LCLONE_LEAF_EXCEPTIONS; i++) {
		err = lclone_exc_verify(&delta->sb, first + i, le64_to_cpu(leaf->exceptions[i]),
					&fault);
		if (err)
			return why_fault(delta, err, "exception of chunk", first + i, &fault);
	}
	return 0;
}

/* The node of @level at @ref: from the cache if it is on the path that was read last. */
static int get_node(struct lclone_delta *delta, struct lclone_ref ref, u32 level, u64 first,
		    const union lclone_node **out)
{
	union lclone_node *node = delta->node[level];
	int err;

	*out = node;
	if (node && delta->node_first[level] == first)
		return 0;

	delta->node[level] = NULL;	/* not valid while it is read */
	if (!node)
		node = malloc(sizeof(*node));
	if (!node)
		return why(delta, -ENOMEM, "out of memory");
	err = lclone_delta_read_node(delta, ref, level, first, node);
	if (!err && !level)
		err = verify_leaf(delta, first, &node->leaf);
	if (err) {
		free(node);
		return err;
	}
	delta->node[level] = node;
	delta->node_first[level] = first;
	*out = node;
	return 0;
}

/*
 * The leaf of chunk *from or, if there is none, the next one: *leaf is NULL if
 * no more follows, and *from is raised to what the leaf covers.
 */
static int seek_leaf(struct lclone_delta *delta, u64 *from, const struct lclone_leaf_disk **leaf)
{
	u32 level = delta->sb.root_level, i;
	const union lclone_node *node;
	struct lclone_ref root, ref;
	u64 span, first;
	int err;

	first = *from / LCLONE_LEAF_EXCEPTIONS * LCLONE_LEAF_EXCEPTIONS;
	if (delta->node[0] && delta->node_first[0] == first) {
		*leaf = &delta->node[0]->leaf;
		return 0;
	}
	*leaf = NULL;
	err = lclone_delta_root(delta, &root);
	if (err || !root.block || *from >= lclone_node_span(level))
		return err;
	ref = root;
	for (;;) {
		span = lclone_node_span(level);
		first = *from / span * span;
		err = get_node(delta, ref, level, first, &node);
		if (err)
			return err;
		if (!level) {
			*leaf = &node->leaf;
			return 0;
		}

		span = lclone_node_span(level - 1);
		for (i = (*from - first) / span; i < LCLONE_NODE_REFS; i++) {
			err = lclone_delta_child(delta, node, level, first, i, &ref);
			if (err)
				return err;
			if (ref.block)
				break;
			*from = first + (i + 1) * span;
		}
		if (*from >= delta->chunks)
			return 0;
		if (i < LCLONE_NODE_REFS) {
			level--;
			continue;
		}
		/* nothing more below this node: from the root again, behind it */
		level = delta->sb.root_level;
		ref = root;
		if (*from >= lclone_node_span(level))
			return 0;
	}
}

/* The next non-empty exception of the tree at or after @from: 1, 0 or an error. */
static int tree_next(struct lclone_delta *delta, u64 from, u64 *chunk, u64 *exc)
{
	const struct lclone_leaf_disk *leaf;
	u32 i;
	int err;

	while (from < delta->chunks) {
		err = seek_leaf(delta, &from, &leaf);
		if (err || !leaf)
			return err;
		for (i = from % LCLONE_LEAF_EXCEPTIONS; i < LCLONE_LEAF_EXCEPTIONS; i++, from++) {
			if (!leaf->exceptions[i])
				continue;
			*chunk = from;
			*exc = le64_to_cpu(leaf->exceptions[i]);
			return 1;
		}
	}
	return 0;
}

int lclone_delta_lookup(struct lclone_delta *delta, u64 chunk, u64 *exc)
{
	const struct lclone_entry *logged = lclone_delta_logged(delta, chunk);
	const struct lclone_leaf_disk *leaf;
	u64 at = chunk;
	int err;

	*exc = 0;
	if (logged) {
		*exc = logged->exc;
		return 0;
	}
	if (chunk >= delta->chunks)
		return 0;
	err = seek_leaf(delta, &at, &leaf);
	if (!err && leaf && at == chunk)
		*exc = le64_to_cpu(leaf->exceptions[chunk % LCLONE_LEAF_EXCEPTIONS]);
	return err;
}

/* Iterators */

void lclone_iter_init(struct lclone_iter *it, struct lclone_delta *delta, u64 first_chunk)
{
	*it = (struct lclone_iter){
		.delta = delta,
		.next = first_chunk,
		.log = log_lower_bound(delta, first_chunk),
	};
}

int lclone_iter_next(struct lclone_iter *it, u64 *chunk, u64 *exc)
{
	struct lclone_delta *delta = it->delta;
	const struct lclone_entry *e;
	int ret;

	for (;;) {
		if (!it->tree_valid) {
			ret = tree_next(delta, it->next, &it->tree_chunk, &it->tree_exc);
			if (ret < 0)
				return ret;
			if (!ret)
				it->tree_chunk = UINT64_MAX;
			it->tree_valid = true;
		}
		e = it->log < delta->log_count ? &delta->log[it->log] : NULL;
		if (!e || it->tree_chunk < e->chunk) {
			if (it->tree_chunk == UINT64_MAX)
				return 0;
			*chunk = it->tree_chunk;
			*exc = it->tree_exc;
		} else {
			it->log++;
			*chunk = e->chunk;
			*exc = e->exc;
		}
		it->next = *chunk + 1;
		if (it->tree_chunk == *chunk)
			it->tree_valid = false;
		if (*exc)
			return 1;
	}
}

void lclone_extents_init(struct lclone_extents *x, struct lclone_delta *delta, u64 sector,
			 u64 sectors)
{
	u64 size = delta->sb.virtual_sectors;

	memset(x, 0, sizeof(*x));
	x->sector = sector < size ? sector : size;
	x->end = sectors < size - x->sector ? x->sector + sectors : size;
	x->base_sectors = delta->sb.base_fp_alg == LCLONE_FP_NONE ? 0 : delta->sb.base_sectors;
	lclone_iter_init(&x->it, delta, x->sector / delta->sb.chunk_sectors);
}

/* What lies below the delta, from x->sector up to @end */
static void below_extent(const struct lclone_extents *x, u64 end, struct lclone_extent *e)
{
	e->source = x->sector < x->base_sectors ? LCLONE_FROM_BASE : LCLONE_FROM_ZERO;
	if (e->source == LCLONE_FROM_BASE)
		end = min_u64(end, x->base_sectors);
	e->sectors = end - x->sector;
}

/* Where the subchunks end that are, from @i on, all as @i is */
static u32 run_end(u32 written, u32 zero, u32 i)
{
	u32 differ = (written & 1u << i ? ~written : written) | (zero & 1u << i ? ~zero : zero);

	return __builtin_ctz(differ >> i << i | 1u << LCLONE_SUBCHUNKS);
}

/* The next piece that has one source in one chunk, or that no exception covers. */
static int next_piece(struct lclone_extents *x, struct lclone_extent *e)
{
	const struct lclone_sb *sb = &x->it.delta->sb;
	u32 cs = sb->chunk_sectors, sub = cs / LCLONE_SUBCHUNKS;
	u64 start, offset, end;
	u32 i, bit;
	int ret;

	if (x->sector >= x->end)
		return 0;
	if (x->valid && (x->chunk + 1) * cs <= x->sector)
		x->valid = false;
	if (!x->valid && !x->ended) {
		ret = lclone_iter_next(&x->it, &x->chunk, &x->exc);
		if (ret < 0)
			return ret;
		x->valid = ret;
		x->ended = !ret;
	}

	*e = (struct lclone_extent){ .sector = x->sector };
	start = x->chunk * cs;
	if (!x->valid || start > x->sector) {
		below_extent(x, x->valid ? min_u64(x->end, start) : x->end, e);
	} else {
		u32 written = lclone_exc_written(x->exc), zero = lclone_exc_zero(x->exc);

		offset = x->sector - start;
		i = offset / sub;
		bit = 1u << i;
		end = min_u64(start + run_end(written, zero, i) * sub, x->end);
		e->sectors = end - x->sector;
		if (written & bit) {
			e->source = LCLONE_FROM_DELTA;
			e->delta_sector = lclone_phys_sector(sb, lclone_exc_phys(x->exc)) + offset;
		} else if (zero & bit) {
			e->source = LCLONE_FROM_ZERO;
		} else {
			below_extent(x, end, e);
		}
	}
	x->sector += e->sectors;
	return 1;
}

int lclone_extents_next(struct lclone_extents *x, struct lclone_extent *extent)
{
	struct lclone_extent e;
	int ret;

	for (;;) {
		ret = next_piece(x, &e);
		if (ret < 0)
			return ret;
		if (ret && x->held.sectors && e.source == x->held.source &&
		    (e.source != LCLONE_FROM_DELTA ||
		     e.delta_sector == x->held.delta_sector + x->held.sectors)) {
			x->held.sectors += e.sectors;
			continue;
		}
		if (ret && !x->held.sectors) {
			x->held = e;
			continue;
		}
		if (!x->held.sectors)
			return 0;
		*extent = x->held;
		x->held = ret ? e : (struct lclone_extent){ 0 };
		return 1;
	}
}

int lclone_delta_read(struct lclone_delta *delta, const struct lclone_dev *base, void *buf,
		      u64 sector, u32 count)
{
	u64 size = delta->sb.virtual_sectors;
	struct lclone_extents x;
	struct lclone_extent e;
	int ret, err;
	u8 *to;

	if (sector > size || count > size - sector)
		return why(delta, -ENXIO, "sector %" PRIu64 " lies beyond the clone's end",
			   sector + count);
	lclone_extents_init(&x, delta, sector, count);
	while ((ret = lclone_extents_next(&x, &e)) > 0) {
		to = (u8 *)buf + ((size_t)(e.sector - sector) << 9);
		if (e.source == LCLONE_FROM_DELTA)
			err = lclone_dev_read(delta->dev, to, e.delta_sector, e.sectors);
		else
			err = lclone_dev_read_padded(e.source == LCLONE_FROM_BASE ? base : NULL,
						     to, e.sector, e.sectors);
		if (err)
			return why(delta, err, "sector %" PRIu64 " cannot be read: %s", e.sector,
				   strerror(-err));
	}
	return ret;
}

int lclone_base_verify(const struct lclone_sb *sb, const struct lclone_dev *base,
		       char why[LCLONE_WHY_SIZE])
{
	u64 fp;
	int err;

	if (sb->base_fp_alg == LCLONE_FP_NONE) {
		if (!base)
			return 0;
		snprintf(why, LCLONE_WHY_SIZE, "the delta has no base (\"-\")");
		return -ESTALE;
	}
	if (!base) {
		snprintf(why, LCLONE_WHY_SIZE, "the delta needs its base");
		return -ESTALE;
	}
	/* what is beyond the recorded end is none of the clone's, as a merge has made sure */
	if (sb->state & LCLONE_STATE_MERGING && base->sectors > sb->base_sectors &&
	    sb->base_sectors >= sb->virtual_sectors)
		return 0;
	if (base->sectors != sb->base_sectors) {
		snprintf(why, LCLONE_WHY_SIZE, "wrong base: it has %s, the delta's base has %s",
			 LCLONE_SIZE(base->sectors), LCLONE_SIZE(sb->base_sectors));
		return -ESTALE;
	}
	if (sb->state & LCLONE_STATE_MERGING)
		return 0;	/* its content is changing into the clone's */
	err = lclone_fingerprint(base, &fp);
	if (err) {
		snprintf(why, LCLONE_WHY_SIZE, "the base cannot be read: %s", strerror(-err));
		return err;
	}
	if (fp != sb->base_fp) {
		snprintf(why, LCLONE_WHY_SIZE, "wrong base, or its content was changed: fingerprint %"
			 PRIx64 ", the delta's base has %" PRIx64, fp, sb->base_fp);
		return -ESTALE;
	}
	return 0;
}
