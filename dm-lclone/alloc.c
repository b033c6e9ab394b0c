// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chunks and metadata blocks of the delta.
 *
 * Free space is not stored on disk: all chunks above the high-water mark are free, and
 * chunks that were freed below it are found by a walk of the tree (the scan), which is made
 * only when the space above the mark gets short.  map() takes chunks from a few slots without
 * a lock.  The worker fills the slots, and never with the reserve that a checkpoint may need.
 */
#include <linux/slab.h>

#include "alloc.h"

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

/* Slots: used in any context and without a lock */

static u32 slots_take(struct lclone_alloc *a, u32 want, u32 *phys)
{
	int cpu = raw_smp_processor_id(), i;

	for (i = 0; i < LCLONE_SLOTS; i++) {
		atomic64_t *slot = &a->slot[(cpu + i) % LCLONE_SLOTS];
		s64 old = atomic64_read(slot);

		while (slot_len(old)) {
			u32 len = slot_len(old), n = min(want, len);

			if (!atomic64_try_cmpxchg(slot, &old,
						  slot_pack(slot_start(old) + n, len - n)))
				continue;
			*phys = slot_start(old);
			if (n == len)
				lclone_wake(a->super->queue);
			return n;
		}
	}
	return 0;
}

u32 lclone_alloc_chunks(struct lclone_alloc *a, u32 want, u32 *phys)
{
	u32 n;

	/* The caller is counted as in flight: see the drain in lclone_alloc_scan_begin(). */
	if (likely(!READ_ONCE(a->scanning)))
		return slots_take(a, want, phys);
	spin_lock(&a->lock);
	n = slots_take(a, want, phys);
	if (n && a->used)
		bitmap_set(a->used, *phys, n);
	spin_unlock(&a->lock);
	return n;
}

/* Puts chunks into an empty slot.  Returns false if there is none. */
static bool slot_fill(struct lclone_alloc *a, u32 phys, u32 count)
{
	int i;

	for (i = 0; i < LCLONE_SLOTS; i++) {
		s64 old = atomic64_read(&a->slot[i]);

		if (!slot_len(old) &&
		    atomic64_try_cmpxchg(&a->slot[i], &old, slot_pack(phys, count)))
			return true;
	}
	return false;
}

/* Free space: the functions below want a->lock */

static void free_chunks(struct lclone_alloc *a, u32 phys, u32 count)
{
	lockdep_assert_held(&a->lock);
	a->freed += count;
	if (a->used)
		bitmap_clear(a->used, phys, count);
}

void lclone_alloc_giveback(struct lclone_alloc *a, u32 phys, u32 count)
{
	if (!slot_fill(a, phys, count)) {
		/* No entry has ever named these chunks: there is no commit to wait for. */
		spin_lock(&a->lock);
		free_chunks(a, phys, count);
		spin_unlock(&a->lock);
	}
	if (unlikely(READ_ONCE(a->full)))
		lclone_space_came(a);
}

static u32 tail_free(const struct lclone_alloc *a)
{
	return a->end - a->hwm;
}

static u32 known_free(const struct lclone_alloc *a)
{
	lockdep_assert_held(&a->lock);
	return tail_free(a) + (a->scanned ? a->freed : 0);
}

/*
 * Chunks that data may not take: the reserve, and two blocks for each leaf that is new, because
 * the tree gets larger by it.
 */
static u32 reserve_chunks(const struct lclone_alloc *a)
{
	return READ_ONCE(a->reserve) +
	       DIV_ROUND_UP(2 * a->new_leaves, lclone_blocks_per_chunk(&a->super->sb));
}

/* May a scan, which is under way or would begin, find free chunks below the mark? */
static bool scan_helps(const struct lclone_alloc *a)
{
	lockdep_assert_held(&a->lock);
	return !a->scanned && !a->scan_failed &&
	       (a->scanning || a->freed || !a->exact);
}

/* Is the space above the mark so short that freed chunks below it should be used? */
static bool tail_is_short(const struct lclone_alloc *a)
{
	u32 total = a->end - a->super->sb.first_chunk;

	return tail_free(a) < reserve_chunks(a) + total / 4;
}

static u32 take_tail(struct lclone_alloc *a, u32 want, u32 *phys)
{
	u32 n = min(want, tail_free(a));

	if (a->used && WARN_ON_ONCE(a->hwm + n > a->nr_used))
		return 0;
	*phys = a->hwm;
	a->hwm += n;
	if (a->used)
		bitmap_set(a->used, *phys, n);
	return n;
}

static u32 take_freed(struct lclone_alloc *a, u32 want, u32 *phys)
{
	u32 start, end, limit = a->hwm;

	if (!a->scanned || !a->freed)
		return 0;
	start = find_next_zero_bit(a->used, limit, max(a->hint, a->super->sb.first_chunk));
	if (start >= limit)
		start = find_next_zero_bit(a->used, limit, a->super->sb.first_chunk);
	if (start >= limit)
		return 0;
	end = find_next_bit(a->used, min_t(u64, limit, (u64)start + want), start);
	bitmap_set(a->used, start, end - start);
	a->freed -= end - start;
	a->hint = end;
	*phys = start;
	return end - start;
}

/* Takes contiguous chunks: from the tail, or freed ones once the tail is short. */
static u32 take_chunks(struct lclone_alloc *a, u32 want, u32 *phys)
{
	u32 n = 0;

	lockdep_assert_held(&a->lock);
	if (tail_is_short(a))
		n = take_freed(a, want, phys);
	if (!n)
		n = take_tail(a, want, phys);
	return n;
}

u32 lclone_alloc_available(struct lclone_alloc *a)
{
	u32 free, keep, i;

	spin_lock(&a->lock);
	free = tail_free(a) + a->freed;
	keep = reserve_chunks(a);
	spin_unlock(&a->lock);
	free = free > keep ? free - keep : 0;
	for (i = 0; i < LCLONE_SLOTS; i++)
		free += slot_len(atomic64_read(&a->slot[i]));
	return free;
}

u32 lclone_alloc_used(struct lclone_alloc *a)
{
	u32 used, i;

	spin_lock(&a->lock);
	used = a->hwm - a->super->sb.first_chunk - a->freed;
	spin_unlock(&a->lock);
	for (i = 0; i < LCLONE_SLOTS; i++)
		used -= min(used, slot_len(atomic64_read(&a->slot[i])));
	return used;
}

enum lclone_room lclone_alloc_refill(struct lclone_alloc *a)
{
	bool empty = true, scan;
	int i;

	lclone_assert_worker(a->super->queue);
	spin_lock(&a->lock);
	for (i = 0; i < LCLONE_SLOTS; i++) {
		u32 phys, n, free = known_free(a), keep = reserve_chunks(a);

		if (slot_len(atomic64_read(&a->slot[i]))) {
			empty = false;
			continue;
		}
		if (free <= keep)
			continue;
		n = clamp((free - keep) / (2 * LCLONE_SLOTS), 1u, SLOT_CHUNKS_MAX);
		n = take_chunks(a, n, &phys);
		if (n && !slot_fill(a, phys, n))
			free_chunks(a, phys, n);	/* a giveback has filled the slot */
		empty = empty && !n;
	}
	scan = scan_helps(a);
	spin_unlock(&a->lock);
	if (!empty)
		return LCLONE_ROOM_OK;
	return scan ? LCLONE_ROOM_SCAN : LCLONE_ROOM_NONE;
}

/* Takes chunks back from the slots, and lowers the mark, where they lie right below it. */
static void slots_to_tail(struct lclone_alloc *a)
{
	int i = 0;

	lockdep_assert_held(&a->lock);
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

enum lclone_room lclone_alloc_new_leaf(struct lclone_alloc *a)
{
	enum lclone_room space = LCLONE_ROOM_OK;

	lclone_assert_worker(a->super->queue);
	spin_lock(&a->lock);
	if (known_free(a) <= reserve_chunks(a))
		slots_to_tail(a);
	if (known_free(a) > reserve_chunks(a))
		a->new_leaves++;
	else
		space = scan_helps(a) ? LCLONE_ROOM_SCAN : LCLONE_ROOM_NONE;
	spin_unlock(&a->lock);
	return space;
}

bool lclone_alloc_reserve_short(struct lclone_alloc *a)
{
	bool is_short;

	spin_lock(&a->lock);
	is_short = known_free(a) < reserve_chunks(a) && scan_helps(a);
	spin_unlock(&a->lock);
	return is_short;
}

void lclone_alloc_pending(struct lclone_alloc *a, u32 phys)
{
	lclone_assert_worker(a->super->queue);
	spin_lock(&a->lock);
	if (a->used)
		__set_bit(phys, a->used);
	spin_unlock(&a->lock);
}

void lclone_alloc_free(struct lclone_alloc *a, u32 phys, u32 count)
{
	struct lclone_extent *e = lclone_extent_alloc();

	spin_lock(&a->lock);
	free_chunks(a, phys, count);
	/* The scan may have marked them, or read an older leaf that still names them. */
	if (a->scanning)
		e = lclone_extent_append(&a->freed_in_scan, e, phys, count);
	spin_unlock(&a->lock);
	kfree(e);
}

void lclone_space_came(struct lclone_alloc *a)
{
	WRITE_ONCE(a->came, true);
	lclone_wake(a->super->queue);
}

/* Metadata blocks */

/*
 * Adds free blocks to a->nodes, which is kept sorted and merged so that nodes_trim() finds
 * chunks that are free as a whole.  Returns @new if it was not used, else NULL.
 */
static struct lclone_extent *nodes_add(struct lclone_alloc *a, struct lclone_extent *new,
				       u64 block, u64 count)
{
	struct lclone_extent *e, *next;
	struct list_head *pos = &a->nodes;

	lockdep_assert_held(&a->lock);
	list_for_each_entry(e, &a->nodes, list) {
		if (e->start > block)
			break;
		pos = &e->list;
	}
	if (pos != &a->nodes) {
		e = list_entry(pos, struct lclone_extent, list);
		if (e->start + e->len == block) {
			e->len += count;
			goto merge;
		}
	}
	new->start = block;
	new->len = count;
	list_add(&new->list, pos);
	e = new;
	new = NULL;
merge:
	a->nr_nodes += count;
	if (!list_is_last(&e->list, &a->nodes)) {
		next = list_next_entry(e, list);
		if (e->start + e->len == next->start) {
			e->len += next->len;
			list_del(&next->list);
			kfree(next);
		}
	}
	return new;
}

/* Returns the first extent that holds @want blocks, or the longest one if none does. */
static struct lclone_extent *nodes_find(struct lclone_alloc *a, u32 want)
{
	struct lclone_extent *e, *best = NULL;

	list_for_each_entry(e, &a->nodes, list) {
		if (e->len >= want)
			return e;
		if (!best || e->len > best->len)
			best = e;
	}
	return best;
}

static u32 nodes_take(struct lclone_alloc *a, struct lclone_extent *e, u32 want, u64 *block)
{
	u32 n = min_t(u64, want, e->len);

	lockdep_assert_held(&a->lock);
	*block = e->start;
	e->start += n;
	e->len -= n;
	a->nr_nodes -= n;
	if (!e->len) {
		list_del(&e->list);
		kfree(e);
	}
	return n;
}

u32 lclone_alloc_nodes(struct lclone_alloc *a, u32 want, u64 *block)
{
	u32 bpc = lclone_blocks_per_chunk(&a->super->sb), chunks = DIV_ROUND_UP(want, bpc);
	u32 phys, n = 0;
	struct lclone_extent *e, *new = lclone_extent_alloc();

	lockdep_assert_held(&a->super->tree_lock);
	spin_lock(&a->lock);
	e = nodes_find(a, want);
	if (e && (e->len >= want || known_free(a) <= reserve_chunks(a) + chunks)) {
		n = nodes_take(a, e, want, block);
		goto unlock;
	}
	n = take_chunks(a, chunks, &phys) * bpc;
	if (n) {
		*block = (u64)phys * bpc;
		if (n > want) {
			new = nodes_add(a, new, *block + want, n - want);
			n = want;
		}
	}
unlock:
	spin_unlock(&a->lock);
	kfree(new);
	return n;
}

/*
 * Gives whole free chunks back to data while more than @keep free blocks are left.  Where
 * such chunks lie in the middle of an extent, @new becomes the part behind them.  Returns
 * @new if it was not used, else NULL.
 */
static struct lclone_extent *nodes_trim(struct lclone_alloc *a, u64 keep, struct lclone_extent *new)
{
	u32 bpc = lclone_blocks_per_chunk(&a->super->sb);
	struct lclone_extent *e, *next;

	lockdep_assert_held(&a->lock);
	if (a->scanning)
		return new;		/* the scan may still mark an old node's chunk */

	list_for_each_entry_safe(e, next, &a->nodes, list) {
		u64 first = DIV_ROUND_UP(e->start, bpc), end = (e->start + e->len) / bpc;
		u64 head = first * bpc - e->start, tail = e->start + e->len - end * bpc;

		if (end <= first || a->nr_nodes < keep + (end - first) * bpc)
			continue;
		if (head && tail && !new)
			continue;
		free_chunks(a, first, end - first);
		a->nr_nodes -= (u64)(end - first) * bpc;
		if (head && tail) {
			new->start = end * bpc;
			new->len = tail;
			list_add(&new->list, &e->list);
			new = NULL;
		}
		if (head) {
			e->len = head;
		} else if (tail) {
			e->start = end * bpc;
			e->len = tail;
		} else {
			list_del(&e->list);
			kfree(e);
		}
	}
	return new;
}

/* Marks the chunks in which these metadata blocks lie. */
static void mark_blocks(struct lclone_alloc *a, u64 block, u64 count)
{
	u32 bpc = lclone_blocks_per_chunk(&a->super->sb), phys = block / bpc;

	lockdep_assert_held(&a->lock);
	bitmap_set(a->used, phys, (block + count - 1) / bpc + 1 - phys);
}

void lclone_free_nodes(struct lclone_alloc *a, u64 block, u32 count)
{
	struct lclone_extent *new = lclone_extent_alloc(), *spare = lclone_extent_alloc();

	lockdep_assert_held(&a->super->tree_lock);
	spin_lock(&a->lock);
	if (a->used)
		mark_blocks(a, block, count);
	new = nodes_add(a, new, block, count);
	spare = nodes_trim(a, 2 * lclone_dirty_max(&a->super->sb), spare);
	spin_unlock(&a->lock);
	kfree(new);
	kfree(spare);
}

/* Scan */

unsigned long *lclone_alloc_bitmap(struct lclone_alloc *a, u32 *bits)
{
	*bits = READ_ONCE(a->end);
	return kvcalloc(BITS_TO_LONGS(*bits), sizeof(long),
			GFP_NOIO | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
}

bool lclone_alloc_scan_begin(struct lclone_alloc *a, unsigned long *used, u32 bits)
{
	struct lclone_extent *e;
	bool fits;

	spin_lock(&a->lock);
	fits = bits == a->end;
	if (fits) {
		WRITE_ONCE(a->scanning, true);
		a->used = used;
		a->nr_used = bits;
		list_for_each_entry(e, &a->nodes, list)
			mark_blocks(a, e->start, e->len);
	}
	spin_unlock(&a->lock);
	return fits;
}

void lclone_alloc_scan_mark(struct lclone_alloc *a, const u64 *phys, u32 nr)
{
	u32 i;

	spin_lock(&a->lock);
	for (i = 0; i < nr; i++)
		if (phys[i] < a->nr_used)
			__set_bit(phys[i], a->used);
	spin_unlock(&a->lock);
}

static void forget_scan(struct lclone_alloc *a, struct list_head *freed)
{
	lockdep_assert_held(&a->lock);
	list_splice_init(&a->freed_in_scan, freed);
	WRITE_ONCE(a->scanning, false);
}

void lclone_alloc_scan_end(struct lclone_alloc *a)
{
	u32 first = a->super->sb.first_chunk;
	struct lclone_extent *e;
	LIST_HEAD(freed);
	int i;

	lockdep_assert_held(&a->super->tree_lock);
	spin_lock(&a->lock);
	for (i = 0; i < LCLONE_SLOTS; i++) {
		u64 slot = atomic64_read(&a->slot[i]);

		bitmap_set(a->used, slot_start(slot), slot_len(slot));
	}
	/* Freed chunks were not given to anybody during the scan, so that they still are free. */
	list_for_each_entry(e, &a->freed_in_scan, list)
		bitmap_clear(a->used, e->start, e->len);
	a->freed = a->hwm - first -
		   (bitmap_weight(a->used, a->hwm) - bitmap_weight(a->used, first));
	a->scanned = true;
	a->exact = true;
	forget_scan(a, &freed);
	spin_unlock(&a->lock);
	lclone_extents_free(&freed);
}

void lclone_alloc_scan_abort(struct lclone_alloc *a, bool failed)
{
	unsigned long *used;
	LIST_HEAD(freed);

	spin_lock(&a->lock);
	used = a->used;
	a->used = NULL;
	a->scan_failed = failed;
	forget_scan(a, &freed);
	spin_unlock(&a->lock);
	kvfree(used);
	lclone_extents_free(&freed);
}

bool lclone_alloc_wants_scan(struct lclone_alloc *a)
{
	bool wants;

	spin_lock(&a->lock);
	wants = !a->scanning && scan_helps(a) && tail_is_short(a);
	spin_unlock(&a->lock);
	return wants;
}

/* Life */

/*
 * Gives back all whole free chunks.  nodes_trim() may need a new extent, which can't be
 * allocated under the lock: it is called again until it did not use the one it got.
 */
static void trim_all(struct lclone_alloc *a)
{
	struct lclone_extent *new;

	do {
		new = lclone_extent_alloc();
		spin_lock(&a->lock);
		new = nodes_trim(a, 0, new);
		spin_unlock(&a->lock);
	} while (!new);
	kfree(new);
}

void lclone_alloc_settle(struct lclone_alloc *a, struct lclone_sb *sb)
{
	bool exact = a->exact;
	struct lclone_extent *e;
	int i, n = 0;

	trim_all(a);
	spin_lock(&a->lock);
	slots_to_tail(a);
	for (i = 0; i < LCLONE_SLOTS; i++) {
		u64 slot = atomic64_xchg(&a->slot[i], 0);

		if (slot_len(slot))
			free_chunks(a, slot_start(slot), slot_len(slot));
	}
	memset(sb->spare, 0, sizeof(sb->spare));
	list_for_each_entry(e, &a->nodes, list) {
		if (n == LCLONE_SPARES) {
			exact = false;	/* after the next start a scan has to find the others */
			break;
		}
		sb->spare[n].block = e->start;
		sb->spare[n++].count = e->len;
	}
	sb->hwm = a->hwm;
	sb->freed = a->freed;
	if (exact)
		sb->state |= LCLONE_STATE_CLEAN;
	spin_unlock(&a->lock);
}

void lclone_alloc_set_limits(struct lclone_alloc *a)
{
	WRITE_ONCE(a->reserve, lclone_reserve_chunks(&a->super->sb));
}

void lclone_alloc_grow(struct lclone_alloc *a)
{
	u32 end = lclone_phys_end(&a->super->sb);
	unsigned long *used, *old;
	bool taken;

	lockdep_assert_held(&a->super->tree_lock);
	if (end <= a->end)
		return;
	used = kvcalloc(BITS_TO_LONGS(end), sizeof(long),
			GFP_NOIO | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);

	spin_lock(&a->lock);
	old = a->used;
	taken = !old || used;
	if (old && used) {
		bitmap_copy(used, old, a->nr_used);
		a->used = used;
		a->nr_used = end;
		used = old;
	}
	if (taken)
		a->end = end;
	a->scan_failed = false;
	spin_unlock(&a->lock);
	kvfree(used);
	if (!taken)
		DMERR("%s: no memory to use what the delta has grown by: let it grow once more",
		      a->super->dev->name);
}

static void note_spare(struct lclone_alloc *a, u64 block, u32 count)
{
	struct lclone_extent *new = lclone_extent_alloc();

	spin_lock(&a->lock);
	new = nodes_add(a, new, block, count);
	spin_unlock(&a->lock);
	kfree(new);
}

void lclone_alloc_init(struct lclone_alloc *a)
{
	int i;

	spin_lock_init(&a->lock);
	INIT_LIST_HEAD(&a->nodes);
	INIT_LIST_HEAD(&a->freed_in_scan);
	a->end = lclone_phys_end(&a->super->sb);
	a->hwm = a->super->sb.hwm;
	a->exact = a->super->sb.state & LCLONE_STATE_CLEAN;
	if (!a->exact)
		return;
	a->freed = a->super->sb.freed;
	for (i = 0; i < LCLONE_SPARES; i++)
		if (a->super->sb.spare[i].count)
			note_spare(a, a->super->sb.spare[i].block, a->super->sb.spare[i].count);
}

void lclone_alloc_exit(struct lclone_alloc *a)
{
	lclone_extents_free(&a->nodes);
	kvfree(a->used);
}
