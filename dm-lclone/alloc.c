// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chunks and metadata blocks of the delta.
 *
 * Free space is not stored: above the high-water mark all is free, and what was
 * freed below it is found by a walk of the tree (the scan), made only when the
 * space above gets short.  map() takes chunks from a few slots without a lock;
 * the worker fills these and keeps the reserve that a checkpoint may need out
 * of them.
 */
#include <linux/slab.h>

#include "lclone.h"

#define SLOT_CHUNKS_MAX		1024u

static u64 slot_pack(u32 start, u32 len)
{
	return (u64)start << 32 | len;
}

static u32 slot_start(u64 slot)
{
	return slot >> 32;
}

static u32 slot_len(u64 slot)
{
	return (u32)slot;
}

static u32 blocks_per_chunk(const struct lclone_delta *d)
{
	return d->sb.chunk_sectors / LCLONE_BLOCK_SECTORS;
}

struct lclone_extent *lclone_extent_append(struct list_head *list, struct lclone_extent *new,
					   u64 start, u64 len)
{
	struct lclone_extent *last;

	if (!list_empty(list)) {
		last = list_last_entry(list, struct lclone_extent, list);
		if (last->start + last->len == start) {
			last->len += len;
			return new;
		}
	}
	new->start = start;
	new->len = len;
	list_add_tail(&new->list, list);
	return NULL;
}

/* Slots: any context, no lock */

u32 lclone_alloc_chunks(struct lclone_delta *d, u32 want, u32 *phys)
{
	int cpu = raw_smp_processor_id(), i;

	/* read behind the inflight reference: see lclone_alloc_scan_begin() */
	if (unlikely(READ_ONCE(d->alloc.scanning)))
		return 0;
	for (i = 0; i < LCLONE_SLOTS; i++) {
		atomic64_t *slot = &d->alloc.slot[(cpu + i) % LCLONE_SLOTS];
		s64 old = atomic64_read(slot);

		while (slot_len(old)) {
			u32 len = slot_len(old), n = min(want, len);

			if (!atomic64_try_cmpxchg(slot, &old,
						  slot_pack(slot_start(old) + n, len - n)))
				continue;
			*phys = slot_start(old);
			if (n == len)
				queue_work(d->wq, &d->worker);
			return n;
		}
	}
	return 0;
}

/* Returns false if no slot is empty. */
static bool slot_fill(struct lclone_delta *d, u32 phys, u32 count)
{
	int i;

	for (i = 0; i < LCLONE_SLOTS; i++) {
		s64 old = atomic64_read(&d->alloc.slot[i]);

		if (!slot_len(old) &&
		    atomic64_try_cmpxchg(&d->alloc.slot[i], &old, slot_pack(phys, count)))
			return true;
	}
	return false;
}

void lclone_alloc_lost(struct lclone_delta *d)
{
	WRITE_ONCE(d->alloc.exact, false);
}

void lclone_alloc_giveback(struct lclone_delta *d, u32 phys, u32 count)
{
	if (!slot_fill(d, phys, count))
		lclone_alloc_lost(d);
	else if (unlikely(READ_ONCE(d->full)))
		lclone_space_came(d);
}

/* Free space: alloc.lock */

static u32 tail_free(const struct lclone_delta *d)
{
	return lclone_phys_end(&d->sb) - d->alloc.hwm;
}

static u32 known_free(const struct lclone_delta *d)
{
	return tail_free(d) + (d->alloc.scanned ? d->alloc.freed : 0);
}

/* Chunks that data may not take: the next checkpoint, and the new leaves in it twice. */
static u32 reserve(const struct lclone_delta *d)
{
	return READ_ONCE(d->alloc.reserve) +
	       DIV_ROUND_UP(2 * d->alloc.new_leaves, blocks_per_chunk(d));
}

static bool scan_would_help(const struct lclone_delta *d)
{
	return !d->alloc.scanned && !d->alloc.scan_failed &&
	       (d->alloc.freed || !d->alloc.exact);
}

/* The space above the mark gets short: time to look for freed chunks below it. */
static bool tail_is_short(const struct lclone_delta *d)
{
	u32 total = lclone_phys_end(&d->sb) - d->sb.first_chunk;

	return tail_free(d) < reserve(d) + total / 4;
}

static u32 take_tail(struct lclone_delta *d, u32 want, u32 *phys)
{
	u32 n = min(want, tail_free(d));

	*phys = d->alloc.hwm;
	d->alloc.hwm += n;
	if (d->alloc.used)
		bitmap_set(d->alloc.used, *phys, n);
	return n;
}

static u32 take_freed(struct lclone_delta *d, u32 want, u32 *phys)
{
	struct lclone_alloc *a = &d->alloc;
	u32 start, end, limit = a->hwm;

	if (!a->scanned || !a->freed)
		return 0;
	start = find_next_zero_bit(a->used, limit, max(a->hint, d->sb.first_chunk));
	if (start >= limit)
		start = find_next_zero_bit(a->used, limit, d->sb.first_chunk);
	if (start >= limit)
		return 0;
	end = find_next_bit(a->used, min_t(u64, limit, (u64)start + want), start);
	bitmap_set(a->used, start, end - start);
	a->freed -= end - start;
	a->hint = end;
	*phys = start;
	return end - start;
}

/* Contiguous chunks from anywhere, freed ones once the tail is short. */
static u32 take(struct lclone_delta *d, u32 want, u32 *phys)
{
	u32 n = 0;

	if (tail_is_short(d))
		n = take_freed(d, want, phys);
	if (!n)
		n = take_tail(d, want, phys);
	return n;
}

u32 lclone_alloc_available(struct lclone_delta *d)
{
	u32 free, keep, i;

	spin_lock(&d->alloc.lock);
	free = tail_free(d) + d->alloc.freed;
	keep = reserve(d);
	spin_unlock(&d->alloc.lock);
	free = free > keep ? free - keep : 0;
	for (i = 0; i < LCLONE_SLOTS; i++)
		free += slot_len(atomic64_read(&d->alloc.slot[i]));
	return free;
}

u32 lclone_alloc_used(struct lclone_delta *d)
{
	u32 used, i;

	spin_lock(&d->alloc.lock);
	used = d->alloc.hwm - d->sb.first_chunk - d->alloc.freed;
	spin_unlock(&d->alloc.lock);
	for (i = 0; i < LCLONE_SLOTS; i++)
		used -= min(used, slot_len(atomic64_read(&d->alloc.slot[i])));
	return used;
}

enum lclone_space lclone_alloc_refill(struct lclone_delta *d)
{
	bool empty = true, scan;
	int i;

	spin_lock(&d->alloc.lock);
	if (d->alloc.scanning) {
		spin_unlock(&d->alloc.lock);
		return LCLONE_SPACE_SCAN;
	}
	for (i = 0; i < LCLONE_SLOTS; i++) {
		u32 phys, n, free = known_free(d), keep = reserve(d);

		if (slot_len(atomic64_read(&d->alloc.slot[i]))) {
			empty = false;
			continue;
		}
		if (free <= keep)
			continue;
		n = clamp((free - keep) / (2 * LCLONE_SLOTS), 1u, SLOT_CHUNKS_MAX);
		n = take(d, n, &phys);
		if (n && !slot_fill(d, phys, n))
			lclone_alloc_giveback(d, phys, n);
		empty = empty && !n;
	}
	scan = scan_would_help(d) && tail_is_short(d);
	spin_unlock(&d->alloc.lock);
	if (scan)
		return LCLONE_SPACE_SCAN;
	return empty ? LCLONE_SPACE_NONE : LCLONE_SPACE_OK;
}

/* Takes back from the slots what lies right below the high-water mark. */
static void slots_to_tail(struct lclone_delta *d)
{
	struct lclone_alloc *a = &d->alloc;
	int i = 0;

	while (i < LCLONE_SLOTS) {
		s64 old = atomic64_read(&a->slot[i]);
		u32 start = slot_start(old), len = slot_len(old);

		if (!len || start + len != a->hwm ||
		    !atomic64_try_cmpxchg(&a->slot[i], &old, 0)) {
			i++;
			continue;
		}
		if (a->used)
			bitmap_clear(a->used, start, len);
		a->hwm = start;
		i = 0;
	}
}

enum lclone_space lclone_alloc_new_leaf(struct lclone_delta *d)
{
	enum lclone_space space = LCLONE_SPACE_OK;

	spin_lock(&d->alloc.lock);
	if (known_free(d) <= reserve(d) && !d->alloc.scanning)
		slots_to_tail(d);
	if (d->alloc.scanning)
		space = LCLONE_SPACE_SCAN;
	else if (known_free(d) > reserve(d))
		d->alloc.new_leaves++;
	else
		space = scan_would_help(d) ? LCLONE_SPACE_SCAN : LCLONE_SPACE_NONE;
	spin_unlock(&d->alloc.lock);
	return space;
}

bool lclone_alloc_reserve_short(struct lclone_delta *d)
{
	bool is_short;

	spin_lock(&d->alloc.lock);
	is_short = known_free(d) < reserve(d) && scan_would_help(d);
	spin_unlock(&d->alloc.lock);
	return is_short;
}

void lclone_alloc_pending(struct lclone_delta *d, u32 phys)
{
	spin_lock(&d->alloc.lock);
	if (d->alloc.used)
		__set_bit(phys, d->alloc.used);
	spin_unlock(&d->alloc.lock);
}

static void free_chunks(struct lclone_delta *d, u32 phys, u32 count)
{
	d->alloc.freed += count;
	if (d->alloc.used)
		bitmap_clear(d->alloc.used, phys, count);
}

void lclone_alloc_free(struct lclone_delta *d, u32 phys, u32 count)
{
	spin_lock(&d->alloc.lock);
	free_chunks(d, phys, count);
	spin_unlock(&d->alloc.lock);
}

/* Metadata blocks */

/* Sorted and merged, so that whole chunks can be told. */
static int nodes_insert(struct lclone_delta *d, u64 block, u64 count)
{
	struct lclone_extent *e, *next, *new;
	struct list_head *pos = &d->alloc.nodes;

	list_for_each_entry(e, &d->alloc.nodes, list) {
		if (e->start > block)
			break;
		pos = &e->list;
	}
	if (pos != &d->alloc.nodes) {
		e = list_entry(pos, struct lclone_extent, list);
		if (e->start + e->len == block) {
			e->len += count;
			goto merge;
		}
	}
	new = kmalloc(sizeof(*new), GFP_NOWAIT | __GFP_NOWARN);
	if (!new)
		return -ENOMEM;
	new->start = block;
	new->len = count;
	list_add(&new->list, pos);
	e = new;
merge:
	d->alloc.nr_nodes += count;
	if (!list_is_last(&e->list, &d->alloc.nodes)) {
		next = list_next_entry(e, list);
		if (e->start + e->len == next->start) {
			e->len += next->len;
			list_del(&next->list);
			kfree(next);
		}
	}
	return 0;
}

static void nodes_add(struct lclone_delta *d, u64 block, u64 count)
{
	if (nodes_insert(d, block, count))
		d->alloc.exact = false;		/* lost until the next scan */
}

/* The first extent that holds @want blocks, or the longest. */
static struct lclone_extent *nodes_find(struct lclone_delta *d, u32 want)
{
	struct lclone_extent *e, *best = NULL;

	list_for_each_entry(e, &d->alloc.nodes, list) {
		if (e->len >= want)
			return e;
		if (!best || e->len > best->len)
			best = e;
	}
	return best;
}

static u32 nodes_take(struct lclone_delta *d, struct lclone_extent *e, u32 want, u64 *block)
{
	u32 n = min_t(u64, want, e->len);

	*block = e->start;
	e->start += n;
	e->len -= n;
	d->alloc.nr_nodes -= n;
	if (!e->len) {
		list_del(&e->list);
		kfree(e);
	}
	return n;
}

u32 lclone_alloc_nodes(struct lclone_delta *d, u32 want, u64 *block)
{
	u32 bpc = blocks_per_chunk(d), chunks = DIV_ROUND_UP(want, bpc), phys, n = 0;
	struct lclone_extent *e;

	spin_lock(&d->alloc.lock);
	e = nodes_find(d, want);
	if (e && (e->len >= want || known_free(d) <= reserve(d) + chunks)) {
		n = nodes_take(d, e, want, block);
		goto unlock;
	}
	n = take(d, chunks, &phys) * bpc;
	if (n) {
		*block = (u64)phys * bpc;
		if (n > want) {
			nodes_add(d, *block + want, n - want);
			n = want;
		}
	}
unlock:
	spin_unlock(&d->alloc.lock);
	return n;
}

/* Gives whole free chunks back while more than @keep free blocks are left. */
static void nodes_trim(struct lclone_delta *d, u64 keep)
{
	u32 bpc = blocks_per_chunk(d);
	struct lclone_extent *e, *next;

	list_for_each_entry_safe(e, next, &d->alloc.nodes, list) {
		u64 first = DIV_ROUND_UP(e->start, bpc), end = (e->start + e->len) / bpc;
		u64 head = first * bpc - e->start, tail = e->start + e->len - end * bpc;

		if (end <= first || d->alloc.nr_nodes < keep + (end - first) * bpc)
			continue;
		free_chunks(d, first, end - first);
		d->alloc.nr_nodes -= e->len;
		list_del(&e->list);
		if (head)
			nodes_add(d, e->start, head);
		if (tail)
			nodes_add(d, end * bpc, tail);
		kfree(e);
	}
}

void lclone_free_nodes(struct lclone_delta *d, u64 block, u32 count)
{
	spin_lock(&d->alloc.lock);
	if (d->alloc.used)
		__set_bit(block / blocks_per_chunk(d), d->alloc.used);
	nodes_add(d, block, count);
	nodes_trim(d, 2 * lclone_dirty_max(&d->sb));
	spin_unlock(&d->alloc.lock);
}

/* Scan */

static void scan_mark(struct lclone_delta *d, u64 phys)
{
	if (phys < d->alloc.nr_used)
		__set_bit(phys, d->alloc.used);
}

static void scan_node(struct lclone_delta *d, u64 block)
{
	scan_mark(d, block / blocks_per_chunk(d));
}

static void scan_exception(struct lclone_delta *d, u64 exc)
{
	scan_mark(d, lclone_exc_phys(exc));
}

void lclone_alloc_scan_begin(struct lclone_delta *d)
{
	spin_lock(&d->alloc.lock);
	d->alloc.scanning = true;
	spin_unlock(&d->alloc.lock);
}

static void scan_mark_extents(struct lclone_delta *d, struct list_head *list, u32 per_chunk)
{
	struct lclone_extent *e;
	u64 i;

	list_for_each_entry(e, list, list)
		for (i = e->start / per_chunk; i <= (e->start + e->len - 1) / per_chunk; i++)
			scan_mark(d, i);
}

int lclone_alloc_scan(struct lclone_delta *d)
{
	struct lclone_alloc *a = &d->alloc;
	u32 end = lclone_phys_end(&d->sb);
	unsigned long *used;
	int err, i;

	if (a->scanned) {
		WRITE_ONCE(a->scanning, false);
		return 0;
	}
	used = kvcalloc(BITS_TO_LONGS(end), sizeof(long), GFP_NOIO | __GFP_NOWARN);
	if (!used) {
		/* tried again: the worker still finds that it would help */
		DMERR_LIMIT("%s: no memory to look for freed chunks", d->name);
		WRITE_ONCE(a->scanning, false);
		return -ENOMEM;
	}

	mutex_lock(&d->tree_lock);
	spin_lock(&a->lock);
	a->used = used;
	a->nr_used = end;
	scan_mark_extents(d, &a->nodes, blocks_per_chunk(d));
	/* nobody takes chunks any more: what is left here is in no entry */
	for (i = 0; i < LCLONE_SLOTS; i++)
		atomic64_set(&a->slot[i], 0);
	spin_unlock(&a->lock);

	/* freed, but not reusable yet */
	spin_lock_irq(&d->commit.lock);
	scan_mark_extents(d, &d->commit.freed, 1);
	scan_mark_extents(d, &d->commit.freeing, 1);
	scan_mark_extents(d, &d->commit.free, 1);
	spin_unlock_irq(&d->commit.lock);

	err = lclone_tree_walk(d, scan_node, scan_exception);

	spin_lock(&a->lock);
	if (err) {
		a->used = NULL;
		a->scan_failed = true;
	} else {
		a->freed = a->hwm - d->sb.first_chunk -
			   (bitmap_weight(used, a->hwm) - bitmap_weight(used, d->sb.first_chunk));
		a->scanned = true;
		a->exact = true;
	}
	WRITE_ONCE(a->scanning, false);
	spin_unlock(&a->lock);
	mutex_unlock(&d->tree_lock);
	if (err)
		kvfree(used);
	return err;
}

/* Life */

void lclone_alloc_settle(struct lclone_delta *d, struct lclone_sb *sb)
{
	struct lclone_extent *e;
	int i, n = 0;

	spin_lock(&d->alloc.lock);
	nodes_trim(d, 0);
	slots_to_tail(d);
	for (i = 0; i < LCLONE_SLOTS; i++) {
		u64 slot = atomic64_xchg(&d->alloc.slot[i], 0);

		if (slot_len(slot))
			free_chunks(d, slot_start(slot), slot_len(slot));
	}
	memset(sb->spare, 0, sizeof(sb->spare));
	list_for_each_entry(e, &d->alloc.nodes, list) {
		if (n == LCLONE_SPARES) {
			lclone_alloc_lost(d);
			break;
		}
		sb->spare[n].block = e->start;
		sb->spare[n++].count = e->len;
	}
	sb->hwm = d->alloc.hwm;
	sb->freed = d->alloc.freed;
	if (d->alloc.exact)
		sb->state |= LCLONE_STATE_CLEAN;
	spin_unlock(&d->alloc.lock);
}

void lclone_alloc_set_limits(struct lclone_delta *d)
{
	WRITE_ONCE(d->alloc.reserve, lclone_reserve_chunks(&d->sb));
}

void lclone_alloc_grown(struct lclone_delta *d)
{
	unsigned long *used;

	spin_lock(&d->alloc.lock);
	used = d->alloc.used;
	d->alloc.used = NULL;
	d->alloc.scanned = false;
	d->alloc.scan_failed = false;
	spin_unlock(&d->alloc.lock);
	kvfree(used);
}

void lclone_alloc_init(struct lclone_delta *d)
{
	int i;

	spin_lock_init(&d->alloc.lock);
	INIT_LIST_HEAD(&d->alloc.nodes);
	d->alloc.hwm = d->sb.hwm;
	d->alloc.exact = d->sb.state & LCLONE_STATE_CLEAN;
	if (!d->alloc.exact)
		return;
	d->alloc.freed = d->sb.freed;
	for (i = 0; i < LCLONE_SPARES; i++)
		if (d->sb.spare[i].count)
			nodes_add(d, d->sb.spare[i].block, d->sb.spare[i].count);
}

void lclone_alloc_destroy(struct lclone_delta *d)
{
	struct lclone_extent *e, *next;

	list_for_each_entry_safe(e, next, &d->alloc.nodes, list)
		kfree(e);
	kvfree(d->alloc.used);
}
