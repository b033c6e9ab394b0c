// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "format_user.h"
#include "salvage.h"

#define SCAN_BLOCKS	256u		/* read at a time */
#define PLAUSIBLE	(1ull << 32)	/* a number that runs ahead of its superblock by more is none */

/* A reference that leads to no valid node */
struct lclone_hole {
	u32 level, csum;
	u64 first, checkpoint;		/* the node's is not higher */
};

struct lclone_found {
	u32 level, csum;
	u64 first, checkpoint, block;
};

struct lclone_logged {
	u64 chunk, exc;
	u64 commit;
	bool bad;			/* the record breaks a rule: what it said is lost */
};

static int __attribute__((format(printf, 3, 4)))
why(struct lclone_salvage *s, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(s->delta.why, sizeof(s->delta.why), fmt, args);
	va_end(args);
	return err;
}

/* Room for one more element in an array of @count. */
static void *grow(struct lclone_salvage *s, void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	array = reallocarray(array, count ? 2 * count : 1, size);
	if (!array)
		why(s, -ENOMEM, "out of memory");
	return array;
}

#define GROW(s, array, count)						\
({									\
	void *grown_ = grow(s, array, count, sizeof(*(array)));		\
									\
	if (grown_)							\
		(array) = grown_;					\
	!!grown_;							\
})

/* Losses */

static int add_loss(struct lclone_salvage *s, u64 sector, u64 sectors, bool old)
{
	u64 end = s->delta.sb.virtual_sectors;

	if (sector >= end)
		return 0;
	if (!GROW(s, s->loss, s->losses))
		return -ENOMEM;
	s->loss[s->losses++] = (struct lclone_loss){
		.sector = sector, .sectors = sectors < end - sector ? sectors : end - sector,
		.old = old,
	};
	return 0;
}

/* Subchunks of one chunk */
static int lose_subchunks(struct lclone_salvage *s, u64 chunk, u32 mask)
{
	u32 cs = s->delta.sb.chunk_sectors, sub = cs / LCLONE_SUBCHUNKS, i;
	int err = 0;

	for (i = 0; !err && i < LCLONE_SUBCHUNKS; i++)
		if (mask & 1u << i)
			err = add_loss(s, chunk * cs + i * sub, sub, false);
	return err;
}

static size_t logged_lower_bound(const struct lclone_salvage *s, u64 chunk)
{
	size_t low = 0, high = s->nr_logged;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->logged[mid].chunk < chunk)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Chunks, without those that the log has a value of from after @commit. */
static int lose_chunks(struct lclone_salvage *s, u64 first, u64 count, bool old, u64 commit)
{
	u32 cs = s->delta.sb.chunk_sectors;
	u64 end = count < s->delta.chunks - first ? first + count : s->delta.chunks;
	size_t i;
	int err = 0;

	for (i = logged_lower_bound(s, first); !err && i < s->nr_logged; i++) {
		const struct lclone_logged *l = &s->logged[i];

		if (l->chunk >= end)
			break;
		if (l->commit <= commit)
			continue;
		if (l->chunk > first)
			err = add_loss(s, first * cs, (l->chunk - first) * cs, old);
		first = l->chunk + 1;
	}
	if (!err && first < end)
		err = add_loss(s, first * cs, (end - first) * cs, old);
	return err;
}

static int compare_losses(const void *pa, const void *pb)
{
	const struct lclone_loss *a = pa, *b = pb;

	if (a->old != b->old)
		return a->old ? 1 : -1;
	return a->sector < b->sector ? -1 : a->sector > b->sector;
}

static void join_losses(struct lclone_salvage *s)
{
	struct lclone_loss *last = NULL;
	size_t i, count = 0;

	if (s->losses)
		qsort(s->loss, s->losses, sizeof(*s->loss), compare_losses);
	for (i = 0; i < s->losses; i++) {
		const struct lclone_loss *l = &s->loss[i];

		if (last && last->old == l->old && l->sector <= last->sector + last->sectors) {
			if (l->sector + l->sectors > last->sector + last->sectors)
				last->sectors = l->sector + l->sectors - last->sector;
			continue;
		}
		last = &s->loss[count++];
		*last = *l;
	}
	s->losses = count;
}

/* Tree */

static u32 chunk_of_block(const struct lclone_salvage *s, u64 block)
{
	return block * LCLONE_BLOCK_SECTORS / s->delta.sb.chunk_sectors;
}

static bool legal_phys(const struct lclone_salvage *s, u32 phys)
{
	return phys >= s->delta.sb.first_chunk && phys < lclone_phys_end(&s->delta.sb);
}

static int add_leaf(struct lclone_salvage *s, const struct lclone_leaf_disk *disk,
		    struct lclone_ref ref, u64 first, u64 age)
{
	struct lclone_salvaged *leaf;
	u32 i, phys;

	if (!GROW(s, s->leaf, s->leaves))
		return -ENOMEM;
	leaf = malloc(sizeof(*leaf));
	if (!leaf)
		return why(s, -ENOMEM, "out of memory");
	leaf->first = first;
	leaf->ref = ref;
	leaf->age = age;
	leaf->changed = false;
	for (i = 0; i < LCLONE_LEAF_EXCEPTIONS; i++) {
		leaf->exc[i] = disk ? le64_to_cpu(disk->exceptions[i]) : 0;
		phys = lclone_exc_phys(leaf->exc[i]);
		if (!legal_phys(s, phys))
			continue;
		lclone_bit_set(s->busy, phys);
		if (age)
			lclone_bit_set(s->data, phys);
	}
	s->leaf[s->leaves++] = leaf;
	return 0;
}

static int add_hole(struct lclone_salvage *s, struct lclone_ref ref, u32 level, u64 first,
		    u64 checkpoint)
{
	if (!GROW(s, s->hole, s->holes))
		return -ENOMEM;
	s->hole[s->holes++] = (struct lclone_hole){ level, ref.csum, first, checkpoint };
	return 0;
}

static int load_node(struct lclone_salvage *s, struct lclone_ref ref, u32 level, u64 first,
		     u64 max_checkpoint)
{
	u64 span = level ? lclone_node_span(level - 1) : 1, checkpoint;
	union lclone_node node;
	struct lclone_ref child;
	int err = 0;
	u32 i;

	if (lclone_delta_read_node(&s->delta, ref, level, first, &node))
		return add_hole(s, ref, level, first, max_checkpoint);
	lclone_bit_set(s->busy, chunk_of_block(s, ref.block));
	checkpoint = le64_to_cpu(node.head.checkpoint);
	if (checkpoint > max_checkpoint) {
		s->changed = true;
		checkpoint = max_checkpoint;
	}
	if (!level)
		return add_leaf(s, &node.leaf, ref, first, checkpoint);
	for (i = 0; !err && i < LCLONE_NODE_REFS; i++) {
		child = lclone_ref_unpack(&node.index.refs[i]);
		if (child.block && first + i * span < s->delta.chunks)
			err = load_node(s, child, level - 1, first + i * span, checkpoint);
		else if (child.block || child.csum || child.flags)
			s->changed = true;
	}
	return err;
}

/* Scan for nodes */

static int compare_found(const void *pa, const void *pb)
{
	const struct lclone_found *a = pa, *b = pb;

	if (a->level != b->level)
		return a->level < b->level ? -1 : 1;
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->checkpoint != b->checkpoint)
		return a->checkpoint > b->checkpoint ? -1 : 1;
	return a->block < b->block ? -1 : a->block > b->block;
}

static int find_node(struct lclone_salvage *s, const struct lclone_node_disk *n, u64 block)
{
	struct lclone_found f = {
		.level = le32_to_cpu(n->level), .csum = le32_to_cpu(n->csum),
		.first = le64_to_cpu(n->first_chunk), .checkpoint = le64_to_cpu(n->checkpoint),
		.block = block,
	};
	struct lclone_fault fault;

	if (lclone_node_verify(n, s->delta.sb.uuid, f.first, f.level, f.csum, UINT64_MAX, &fault))
		return 0;
	if (f.level >= LCLONE_LEVELS || f.first >= s->delta.chunks ||
	    f.first % lclone_node_span(f.level))
		return 0;
	if (!GROW(s, s->found, s->founds))
		return -ENOMEM;
	s->found[s->founds++] = f;
	return 0;
}

/* Every block of the device that may be a node; what cannot be read is none. */
static int find_nodes(struct lclone_salvage *s)
{
	u32 per_chunk = s->delta.sb.chunk_sectors / LCLONE_BLOCK_SECTORS, i, n;
	u64 block = (u64)s->delta.sb.first_chunk * per_chunk;
	u64 end = (u64)lclone_phys_end(&s->delta.sb) * per_chunk;
	union lclone_node *buf;
	int err = 0;

	buf = malloc(SCAN_BLOCKS * sizeof(*buf));
	if (!buf)
		return why(s, -ENOMEM, "out of memory");
	for (; !err && block < end; block += n) {
		n = end - block < SCAN_BLOCKS ? end - block : SCAN_BLOCKS;
		if (lclone_dev_read(s->delta.dev, buf, block * LCLONE_BLOCK_SECTORS,
				    n * LCLONE_BLOCK_SECTORS)) {
			n = 1;		/* one of them: go on block by block */
			if (lclone_dev_read(s->delta.dev, buf, block * LCLONE_BLOCK_SECTORS,
					    LCLONE_BLOCK_SECTORS))
				continue;
		}
		for (i = 0; !err && i < n; i++)
			err = find_node(s, &buf[i].head, block + i);
	}
	free(buf);
	if (s->founds)
		qsort(s->found, s->founds, sizeof(*s->found), compare_found);
	return err;
}

/* The newest leaf of each place in a hole that no reference leads to */
static int fill_from_orphans(struct lclone_salvage *s, const struct lclone_hole *hole,
			     bool *filled)
{
	u64 span = lclone_node_span(hole->level), done = UINT64_MAX;
	union lclone_node node;
	struct lclone_ref ref;
	size_t i;
	int err;

	for (i = 0; i < s->founds && !s->found[i].level; i++) {
		const struct lclone_found *f = &s->found[i];

		if (f->first < hole->first || f->first - hole->first >= span ||
		    f->first == done || f->checkpoint > hole->checkpoint ||
		    lclone_bit(s->data, chunk_of_block(s, f->block)))
			continue;
		ref = (struct lclone_ref){ .block = f->block, .csum = f->csum };
		if (lclone_delta_read_node(&s->delta, ref, 0, f->first, &node))
			continue;
		err = add_leaf(s, &node.leaf, ref, f->first, 0);
		if (err)
			return err;
		done = f->first;
		s->orphans++;
		*filled = true;
	}
	return 0;
}

static int fill_hole(struct lclone_salvage *s, const struct lclone_hole *hole)
{
	bool filled = false;
	size_t i;
	int err;

	/* the very node, elsewhere than the reference says */
	for (i = 0; i < s->founds; i++) {
		const struct lclone_found *f = &s->found[i];

		if (f->level == hole->level && f->first == hole->first && f->csum == hole->csum &&
		    f->checkpoint <= hole->checkpoint)
			return load_node(s, (struct lclone_ref){ f->block, f->csum }, f->level,
					 f->first, hole->checkpoint);
	}
	err = fill_from_orphans(s, hole, &filled);
	if (err)
		return err;
	/* a leaf is known to have been there, what an index led to is not */
	return lose_chunks(s, hole->first, lclone_node_span(hole->level), filled || hole->level,
			   0);
}

static int compare_leaves(const void *pa, const void *pb)
{
	const struct lclone_salvaged *const *a = pa, *const *b = pb;

	return (*a)->first < (*b)->first ? -1 : (*a)->first > (*b)->first;
}

static int fill_holes(struct lclone_salvage *s)
{
	struct lclone_hole hole;
	size_t i;
	int err = 0;

	for (i = 0; !err && i < s->holes; i++) {	/* which may find more of them */
		hole = s->hole[i];
		s->changed = true;
		err = fill_hole(s, &hole);
	}
	if (s->leaves)
		qsort(s->leaf, s->leaves, sizeof(*s->leaf), compare_leaves);
	return err;
}

/* Log */

struct half {
	struct lclone_log_disk *block;
	struct lclone_log *head;	/* blocks 0: not valid, or not of this log */
	u32 blocks;
};

static void free_half(struct half *h)
{
	free(h->block);
	free(h->head);
}

static int read_half(struct lclone_salvage *s, struct half *h, u32 pos)
{
	const struct lclone_sb *sb = &s->delta.sb;
	struct lclone_fault fault;
	struct lclone_log *log;
	u32 i;

	h->blocks = sb->log_blocks / 2;
	h->block = calloc(h->blocks, sizeof(*h->block));
	h->head = calloc(h->blocks, sizeof(*h->head));
	if (!h->block || !h->head)
		return why(s, -ENOMEM, "out of memory");
	for (i = 0; i < h->blocks; i++) {
		log = &h->head[i];
		if (lclone_dev_read(s->delta.dev, &h->block[i],
				    (sb->log_start + pos + i) * LCLONE_BLOCK_SECTORS,
				    LCLONE_BLOCK_SECTORS) ||
		    lclone_log_verify(&h->block[i], sb->uuid, log, &fault)) {
			*log = (struct lclone_log){ .blocks = 0 };
			continue;
		}
		if (log->incarnation > s->max_incarnation)
			s->max_incarnation = log->incarnation;
		if (log->checkpoint > s->max_checkpoint)
			s->max_checkpoint = log->checkpoint;
	}
	return 0;
}

/*
 * Leaves the blocks of one log in order: of @checkpoint, with commit numbers that
 * grow, by no more than there was room for.  What a torn commit of an earlier
 * incarnation has left is not among them.
 */
static void pick_log(struct half *h, u64 checkpoint, u64 first_commit)
{
	const struct lclone_log *last = NULL;
	u64 commit;
	u32 i, at = 0;

	for (i = 0; i < h->blocks; i++) {
		struct lclone_log *log = &h->head[i];
		bool same, later;

		commit = last ? last->commit : first_commit;
		same = last && log->commit == commit && log->incarnation == last->incarnation &&
		       log->blocks == last->blocks && log->index > last->index;
		later = (last ? log->commit > commit && log->incarnation >= last->incarnation :
				log->commit >= commit) && log->commit - commit <= i - at;
		if (log->blocks && log->checkpoint == checkpoint && (same || later)) {
			last = log;
			at = i;
		} else {
			log->blocks = 0;
		}
	}
}

/* Are all blocks there of the commit that the one at @i is of? */
static bool commit_whole(const struct half *h, u32 i)
{
	const struct lclone_log *log = &h->head[i];
	u32 k;

	if (log->index > i || i - log->index + log->blocks > h->blocks)
		return false;
	for (k = 0; k < log->blocks; k++) {
		const struct lclone_log *other = &h->head[i - log->index + k];

		if (!other->blocks || other->commit != log->commit || other->index != k)
			return false;
	}
	return true;
}

static int take_records(struct lclone_salvage *s, const struct lclone_log_disk *d,
			const struct lclone_log *log)
{
	struct lclone_fault fault;
	struct lclone_logged l = { .commit = log->commit };
	u32 i;

	for (i = 0; i < log->count; i++) {
		l.bad = lclone_record_unpack(&s->delta.sb, &d->records[i], &l.chunk, &l.exc,
					     &fault);
		if (l.chunk >= s->delta.chunks) {
			s->dropped++;
			continue;
		}
		if (!GROW(s, s->logged, s->nr_logged))
			return -ENOMEM;
		s->logged[s->nr_logged++] = l;
		if (legal_phys(s, lclone_exc_phys(l.exc))) {
			lclone_bit_set(s->busy, lclone_exc_phys(l.exc));
			lclone_bit_set(s->data, lclone_exc_phys(l.exc));
		}
	}
	return 0;
}

/*
 * Takes what is there of a log.  A commit that is torn is left out if it is the
 * last: it was not acknowledged.  Before a later one it was, and data are durable
 * before any block of the commit that leads to them: each block counts.  *hole is
 * the last commit of which something is missing.
 */
static int take_log(struct lclone_salvage *s, struct half *h, u64 checkpoint, u64 first_commit,
		    u64 *hole)
{
	u32 i, end = h->blocks, next = 0;
	u64 commit = first_commit;
	int err;

	pick_log(h, checkpoint, first_commit);
	while (end && (!h->head[end - 1].blocks || !commit_whole(h, end - 1)))
		end--;
	for (i = 0; i < end; i++) {
		const struct lclone_log *log = &h->head[i];

		if (!log->blocks) {
			s->missing++;
			continue;
		}
		if (i != next || log->commit != commit || !commit_whole(h, i))
			*hole = commit_whole(h, i) ? log->commit - 1 : log->commit;
		err = take_records(s, &h->block[i], log);
		if (err)
			return err;
		next = i + 1;
		commit = log->index + 1 == log->blocks ? log->commit + 1 : log->commit;
	}
	if (commit > s->next_commit)
		s->next_commit = commit;
	return 0;
}

static int compare_logged(const void *pa, const void *pb)
{
	const struct lclone_logged *a = pa, *b = pb;

	if (a->chunk != b->chunk)
		return a->chunk < b->chunk ? -1 : 1;
	return a->commit < b->commit ? -1 : a->commit > b->commit;
}

/* Of each chunk the last. A commit has one record of a chunk. */
static void sort_logged(struct lclone_salvage *s)
{
	size_t i, kept = 0;

	if (!s->nr_logged)
		return;
	qsort(s->logged, s->nr_logged, sizeof(*s->logged), compare_logged);
	for (i = 0; i < s->nr_logged; i++)
		if (i + 1 == s->nr_logged || s->logged[i + 1].chunk != s->logged[i].chunk)
			s->logged[kept++] = s->logged[i];
	s->nr_logged = kept;
}

static size_t leaf_lower_bound(const struct lclone_salvage *s, u64 first)
{
	size_t low = 0, high = s->leaves;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->leaf[mid]->first < first)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct lclone_salvaged *get_leaf(struct lclone_salvage *s, u64 chunk)
{
	u64 first = chunk - chunk % LCLONE_LEAF_EXCEPTIONS;
	size_t at = leaf_lower_bound(s, first);
	struct lclone_salvaged *leaf;

	if (at < s->leaves && s->leaf[at]->first == first)
		return s->leaf[at];
	if (add_leaf(s, NULL, (struct lclone_ref){ 0 }, first, s->checkpoint))
		return NULL;
	leaf = s->leaf[s->leaves - 1];
	memmove(&s->leaf[at + 1], &s->leaf[at], (s->leaves - 1 - at) * sizeof(*s->leaf));
	s->leaf[at] = leaf;
	return leaf;
}

static void set_exception(struct lclone_salvage *s, struct lclone_salvaged *leaf, u64 chunk,
			  u64 exc)
{
	u64 *old = &leaf->exc[chunk % LCLONE_LEAF_EXCEPTIONS];

	if (*old == exc)
		return;
	*old = exc;
	leaf->changed = true;
	s->changed = true;
}

static int apply_log(struct lclone_salvage *s)
{
	struct lclone_salvaged *leaf;
	size_t i;
	int err = 0;

	for (i = 0; !err && i < s->nr_logged; i++) {
		const struct lclone_logged *l = &s->logged[i];

		leaf = get_leaf(s, l->chunk);
		if (!leaf)
			return -ENOMEM;
		set_exception(s, leaf, l->chunk, l->bad ? 0 : l->exc);
		if (l->bad) {
			s->dropped++;
			err = lose_subchunks(s, l->chunk, LCLONE_MASK_ALL);
		}
	}
	return err;
}

/* A later checkpoint than the superblock's */

static u64 exception_of(struct lclone_salvage *s, struct lclone_salvaged **leaf, size_t leaves,
			u64 first, u32 i)
{
	size_t low = 0, high = leaves;
	size_t l = logged_lower_bound(s, first + i);

	if (l < s->nr_logged && s->logged[l].chunk == first + i)
		return s->logged[l].exc;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (leaf[mid]->first < first)
			low = mid + 1;
		else
			high = mid;
	}
	return low < leaves && leaf[low]->first == first ? leaf[low]->exc[i] : 0;
}

/* Where the later tree has another value than the older one with its log */
static int differences(struct lclone_salvage *s, struct lclone_salvaged **leaf, size_t leaves,
		       struct lclone_salvaged **later, size_t laters)
{
	size_t a = 0, b = 0;
	u64 first;
	int err = 0;
	u32 i;

	while (!err && (a < leaves || b < laters)) {
		bool in_a = a < leaves && (b >= laters || leaf[a]->first <= later[b]->first);
		bool in_b = b < laters && (a >= leaves || later[b]->first <= leaf[a]->first);

		first = in_a ? leaf[a]->first : later[b]->first;
		for (i = 0; !err && i < LCLONE_LEAF_EXCEPTIONS; i++)
			if ((in_b ? later[b]->exc[i] : 0) !=
			    exception_of(s, leaf, leaves, first, i))
				err = lose_chunks(s, first + i, 1, true, UINT64_MAX);
		a += in_a;
		b += in_b;
	}
	return err;
}

/* The root that a checkpoint has written: it covers the whole clone. */
static const struct lclone_found *find_root(const struct lclone_salvage *s, u64 checkpoint)
{
	const struct lclone_found *root = NULL;
	size_t i;

	for (i = 0; i < s->founds; i++)
		if (s->found[i].checkpoint == checkpoint && !s->found[i].first &&
		    s->found[i].level >= lclone_tree_level(s->delta.chunks))
			root = &s->found[i];
	return root;
}

/*
 * Loads the tree of @checkpoint if all of it is there; *whole says so.  Else
 * nothing is changed.  A log of that checkpoint (@durable) says that its superblock
 * was written; else it may as well be a checkpoint that was not completed, and
 * the older tree with its log is what is known to be durable.
 */
static int load_later(struct lclone_salvage *s, u64 checkpoint, bool durable, bool *whole)
{
	const struct lclone_found *root = find_root(s, checkpoint);
	struct lclone_salvaged **leaf = s->leaf;
	struct lclone_hole *hole = s->hole;
	size_t leaves = s->leaves, holes = s->holes, i;
	u64 saved = s->delta.sb.checkpoint;
	bool changed = s->changed;
	int err;

	*whole = false;
	if (!root)
		return 0;
	s->leaf = NULL;
	s->hole = NULL;
	s->leaves = s->holes = 0;
	s->delta.sb.checkpoint = checkpoint;
	err = load_node(s, (struct lclone_ref){ root->block, root->csum }, root->level, 0,
			checkpoint);
	*whole = !err && !s->holes;
	if (*whole && !durable)
		err = differences(s, leaf, leaves, s->leaf, s->leaves);
	if (err || !*whole || !durable) {
		struct lclone_salvaged **other = s->leaf;

		for (i = 0; i < s->leaves; i++)
			free(other[i]);
		free(other);
		free(s->hole);
		s->leaf = leaf;
		s->leaves = leaves;
		s->hole = hole;
		s->holes = holes;
		s->changed = changed;
		s->delta.sb.checkpoint = saved;
		return err;
	}
	for (i = 0; i < leaves; i++)
		free(leaf[i]);
	free(leaf);
	free(hole);
	s->changed = true;
	return 0;
}

static bool slot_may_be_later(const struct lclone_delta *delta)
{
	const struct lclone_slot *other = &delta->slot[!delta->newest];

	return other->err && !(delta->sb.state & LCLONE_STATE_CLEAN);
}

static int salvage_log(struct lclone_salvage *s)
{
	const struct lclone_sb *sb = &s->delta.sb;
	u64 later = 0, hole = 0, checkpoint = sb->checkpoint, first;
	struct half ours = { .blocks = 0 }, other = { .blocks = 0 };
	bool whole = false;
	u32 i;
	int err;

	err = read_half(s, &ours, sb->log_pos);
	if (!err)
		err = read_half(s, &other, sb->log_blocks / 2 - sb->log_pos);
	for (i = 0; !err && i < other.blocks; i++)
		if (other.head[i].blocks && other.head[i].checkpoint > checkpoint &&
		    other.head[i].checkpoint > later)
			later = other.head[i].checkpoint;
	if (!err && s->max_checkpoint - checkpoint > PLAUSIBLE)
		err = why(s, -EUCLEAN, "the log has a block of checkpoint %" PRIu64
			  ", the superblock is of %" PRIu64 ": not plausible, no repair is possible",
			  s->max_checkpoint, checkpoint);
	if (!err && (s->holes || later || slot_may_be_later(&s->delta)))
		err = find_nodes(s);
	if (!err && later) {
		err = load_later(s, later, true, &whole);
	} else if (!err && s->holes && slot_may_be_later(&s->delta)) {
		/* what this superblock leads to was used anew, so the other one was written */
		err = load_later(s, checkpoint + 1, true, &whole);
		later = whole ? checkpoint + 1 : 0;
	}
	if (!err && !whole)
		err = take_log(s, &ours, checkpoint, sb->log_commit, &hole);
	sort_logged(s);
	if (!err && later) {
		first = other.head[0].blocks && other.head[0].checkpoint == later ?
			other.head[0].commit : s->next_commit;
		if (!whole)
			hole = first - 1;	/* what the checkpoint itself has committed */
		s->checkpoint = later;
		err = take_log(s, &other, later, first, &hole);
		sort_logged(s);
	} else if (!err && slot_may_be_later(&s->delta)) {
		err = load_later(s, checkpoint + 1, false, &whole);
	}
	if (!err && hole)
		err = lose_chunks(s, 0, s->delta.chunks, true, hole);
	free_half(&ours);
	free_half(&other);
	return err;
}

/* Rules */

static int drop(struct lclone_salvage *s, struct lclone_salvaged *leaf, u32 i, u32 lost, u32 zero)
{
	set_exception(s, leaf, leaf->first + i, lclone_exc_make(0, 0, zero));
	s->dropped++;
	return lose_subchunks(s, leaf->first + i, lost);
}

/* An exception that breaks a rule of its own. Zeros are kept if only the chunk is wrong. */
static int verify_leaf(struct lclone_salvage *s, struct lclone_salvaged *leaf)
{
	struct lclone_fault fault;
	u32 i, written, zero;
	int err = 0;

	for (i = 0; !err && i < LCLONE_LEAF_EXCEPTIONS; i++) {
		u64 exc = leaf->exc[i];
		u32 phys = lclone_exc_phys(exc);

		written = lclone_exc_written(exc);
		zero = lclone_exc_zero(exc);
		if (!lclone_exc_verify(&s->delta.sb, leaf->first + i, exc, &fault)) {
			/* a chunk with nothing in it is no loss */
			if (phys && lclone_bit(s->node, phys))
				err = drop(s, leaf, i, written, zero);
			continue;
		}
		if (leaf->first + i >= s->delta.chunks || exc & LCLONE_SPARE_MASK ||
		    written & zero || (written && !phys))
			err = drop(s, leaf, i, written | zero, 0);
		else
			err = drop(s, leaf, i, written, zero);
	}
	return err;
}

struct user {
	u32 phys;
	u64 age;		/* the later a claim was made, the better it is */
	struct lclone_salvaged *leaf;
	u32 i;
};

static int compare_users(const void *pa, const void *pb)
{
	const struct user *a = pa, *b = pb;

	if (a->phys != b->phys)
		return a->phys < b->phys ? -1 : 1;
	return a->age > b->age ? -1 : a->age < b->age;
}

static u64 age_of(const struct lclone_salvage *s, const struct lclone_salvaged *leaf, u32 i)
{
	size_t l = logged_lower_bound(s, leaf->first + i);

	if (l < s->nr_logged && s->logged[l].chunk == leaf->first + i)
		return (1ull << 63) + s->logged[l].commit;
	return leaf->age;
}

/* Of several users of a chunk the last to claim it may be right, the others are wrong. */
static int judge_users(struct lclone_salvage *s, struct user *user, size_t count)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < count; i++) {
		u64 exc = user[i].leaf->exc[user[i].i];
		bool first = !i || user[i].phys != user[i - 1].phys;
		bool tie = i + 1 < count && user[i + 1].phys == user[i].phys &&
			   user[i + 1].age == user[i].age;

		if (first && !tie)
			err = lose_chunks(s, user[i].leaf->first + user[i].i, 1, true,
					  UINT64_MAX);
		else
			err = drop(s, user[i].leaf, user[i].i, lclone_exc_written(exc),
				   lclone_exc_zero(exc));
	}
	return err;
}

static int resolve_double_use(struct lclone_salvage *s)
{
	size_t size = lclone_phys_end(&s->delta.sb) / 8 + 1, i, users = 0;
	u8 *twice = calloc(1, size);
	struct user *user = NULL;
	bool any = false;
	u32 k, phys;
	int err = 0;

	if (!twice)
		return why(s, -ENOMEM, "out of memory");
	for (i = 0; i < s->leaves; i++) {
		for (k = 0; k < LCLONE_LEAF_EXCEPTIONS; k++) {
			phys = lclone_exc_phys(s->leaf[i]->exc[k]);
			if (phys && lclone_bit(s->data, phys)) {
				lclone_bit_set(twice, phys);
				any = true;
			}
			if (phys)
				lclone_bit_set(s->data, phys);
		}
	}
	for (i = 0; any && i < s->leaves; i++) {
		for (k = 0; k < LCLONE_LEAF_EXCEPTIONS; k++) {
			phys = lclone_exc_phys(s->leaf[i]->exc[k]);
			if (!phys || !lclone_bit(twice, phys))
				continue;
			if (!GROW(s, user, users)) {
				err = -ENOMEM;
				goto out;
			}
			user[users++] = (struct user){ phys, age_of(s, s->leaf[i], k),
						       s->leaf[i], k };
		}
	}
	if (users)
		qsort(user, users, sizeof(*user), compare_users);
	err = judge_users(s, user, users);
out:
	free(user);
	free(twice);
	return err;
}

static int apply_rules(struct lclone_salvage *s)
{
	size_t size = lclone_phys_end(&s->delta.sb) / 8 + 1, i;
	int err = 0;
	u32 k;

	memset(s->data, 0, size);
	for (i = 0; i < s->leaves; i++)
		if (s->leaf[i]->ref.block)
			lclone_bit_set(s->node, chunk_of_block(s, s->leaf[i]->ref.block));
	for (i = 0; !err && i < s->leaves; i++)
		err = verify_leaf(s, s->leaf[i]);
	if (!err)
		err = resolve_double_use(s);
	/* what is left */
	memset(s->data, 0, size);
	for (i = 0; i < s->leaves; i++)
		for (k = 0; k < LCLONE_LEAF_EXCEPTIONS; k++)
			if (lclone_exc_phys(s->leaf[i]->exc[k]))
				lclone_bit_set(s->data, lclone_exc_phys(s->leaf[i]->exc[k]));
	return err;
}

/* Is there anything on the device that has the superblock's uuid? */
static bool slot_has_blocks(struct lclone_salvage *s)
{
	const struct lclone_sb *sb = &s->delta.sb;
	struct lclone_ref root = { .block = sb->root_block, .csum = sb->root_csum };
	struct lclone_log_disk block;
	struct lclone_fault fault;
	union lclone_node node;
	struct lclone_log log;
	u32 i;

	if (root.block && !lclone_delta_read_node(&s->delta, root, sb->root_level, 0, &node))
		return true;
	for (i = 0; i < sb->log_blocks; i++)
		if (!lclone_dev_read(s->delta.dev, &block, (sb->log_start + i) * LCLONE_BLOCK_SECTORS,
				     LCLONE_BLOCK_SECTORS) &&
		    !lclone_log_verify(&block, sb->uuid, &log, &fault))
			return true;
	return false;
}

/* The superblocks are of two deltas: one was written here by mistake. */
static int choose_slot(struct lclone_salvage *s)
{
	struct lclone_delta *delta = &s->delta;
	bool ours[2];
	int i;

	for (i = 0; i < 2; i++)
		ours[i] = !lclone_delta_use_slot(delta, i) && slot_has_blocks(s);
	if (ours[0] == ours[1])
		return why(s, -EUCLEAN,
			   "superblocks A and B belong to different deltas, and it is not plain which is right");
	delta->slot[ours[0]].err = -EUCLEAN;
	return lclone_delta_use_slot(delta, ours[1]);
}

static int open_best(struct lclone_salvage *s, const struct lclone_dev *dev)
{
	struct lclone_delta *delta = &s->delta;
	const struct lclone_slot *other;
	size_t size;
	u64 unknown;
	int err;

	err = lclone_delta_open_sb(delta, dev);
	if (err == -EUCLEAN && !delta->slot[0].err && !delta->slot[1].err)
		err = choose_slot(s);
	if (err)
		return err;
	unknown = delta->sb.ro_compat & ~LCLONE_FEATURE_RO_COMPAT;
	if (unknown)
		return why(s, -EPROTONOSUPPORT,
			   "has features of a newer lclone (0x%" PRIx64 "), it can only be read",
			   unknown);
	other = &delta->slot[!delta->newest];
	s->checkpoint = s->max_checkpoint = delta->sb.checkpoint;
	s->max_incarnation = delta->sb.incarnation;
	s->next_commit = delta->sb.log_commit;
	if (!other->err && other->sb.checkpoint > s->max_checkpoint)
		s->max_checkpoint = other->sb.checkpoint;
	if (!other->err && other->sb.incarnation > s->max_incarnation)
		s->max_incarnation = other->sb.incarnation;
	if (!other->err && other->sb.log_commit > s->next_commit)
		s->next_commit = other->sb.log_commit;

	size = lclone_phys_end(&delta->sb) / 8 + 1;
	s->busy = calloc(3, size);
	if (!s->busy)
		return why(s, -ENOMEM, "out of memory");
	s->data = s->busy + size;
	s->node = s->data + size;
	return 0;
}

int lclone_salvage(struct lclone_salvage *s, const struct lclone_dev *dev)
{
	struct lclone_ref root;
	int err;

	memset(s, 0, sizeof(*s));
	err = open_best(s, dev);
	if (err)
		return err;
	root = (struct lclone_ref){ .block = s->delta.sb.root_block,
				    .csum = s->delta.sb.root_csum };
	if (root.block)
		err = load_node(s, root, s->delta.sb.root_level, 0, s->delta.sb.checkpoint);
	if (!err)
		err = salvage_log(s);
	if (!err)
		err = fill_holes(s);
	if (!err)
		err = apply_log(s);
	if (!err)
		err = apply_rules(s);
	join_losses(s);
	return err;
}

void lclone_salvage_free(struct lclone_salvage *s)
{
	while (s->leaves)
		free(s->leaf[--s->leaves]);
	free(s->leaf);
	free(s->loss);
	free(s->busy);
	free(s->hole);
	free(s->found);
	free(s->logged);
	lclone_delta_close(&s->delta);
	memset(s, 0, sizeof(*s));
}
