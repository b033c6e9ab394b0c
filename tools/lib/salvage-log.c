// SPDX-License-Identifier: GPL-2.0-only
/* The log of a damaged delta, and a checkpoint whose superblock is lost */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format_user.h"
#include "salvage-parts.h"

#define PLAUSIBLE	(1ull << 32)	/* no log is further ahead of its superblock */

size_t lclone_logged_lower_bound(const struct lclone_salvage *s, u64 chunk)
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
		return lclone_salvage_why(s, -ENOMEM, "out of memory");
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
		if (!LCLONE_GROW(s, s->logged, s->nr_logged))
			return -ENOMEM;
		s->logged[s->nr_logged++] = l;
		if (lclone_legal_phys(s, lclone_exc_phys(l.exc))) {
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

int lclone_apply_log(struct lclone_salvage *s)
{
	struct lclone_salvaged *leaf;
	size_t i;
	int err = 0;

	for (i = 0; !err && i < s->nr_logged; i++) {
		const struct lclone_logged *l = &s->logged[i];

		leaf = lclone_salvage_leaf(s, l->chunk);
		if (!leaf)
			return -ENOMEM;
		lclone_salvage_set(s, leaf, l->chunk, l->bad ? 0 : l->exc);
		if (l->bad) {
			s->dropped++;
			err = lclone_lose_subchunks(s, l->chunk, LCLONE_MASK_ALL);
		}
	}
	lclone_salvage_sort(s);
	return err;
}

/* A later checkpoint than the superblock's */

static u64 exception_of(struct lclone_salvage *s, struct lclone_salvaged **leaf, size_t leaves,
			u64 first, u32 i)
{
	size_t low = 0, high = leaves;
	size_t l = lclone_logged_lower_bound(s, first + i);

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
				err = lclone_lose_chunks(s, first + i, 1, true, UINT64_MAX);
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
	err = lclone_load_node(s, (struct lclone_ref){ root->block, root->csum }, root->level, 0,
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

int lclone_salvage_log(struct lclone_salvage *s)
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
		err = lclone_salvage_why(s, -EUCLEAN, "the log has a block of checkpoint %" PRIu64
					 ", the superblock is of %" PRIu64 ": not plausible, no repair is possible",
					 s->max_checkpoint, checkpoint);
	if (!err && (s->holes || later || slot_may_be_later(&s->delta)))
		err = lclone_find_nodes(s);
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
		err = lclone_lose_chunks(s, 0, s->delta.chunks, true, hole);
	free_half(&ours);
	free_half(&other);
	return err;
}

