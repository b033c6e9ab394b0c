// SPDX-License-Identifier: GPL-2.0-only
/* The log of a damaged delta, and a checkpoint whose superblock is lost */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "basic/sort.h"
#include "format/tree.h"
#include "format_user.h"
#include "offline/salvage-leaves.h"
#include "offline/salvage-log.h"
#include "offline/salvage-losses.h"
#include "offline/salvage-nodes.h"
#include "offline/salvage-state.h"

#define PLAUSIBLE	(1ull << 32)	/* no log is further ahead of its superblock */

enum content {
	IS_LOG,				/* what head says */
	IS_UNREADABLE,
	IS_BLANK,			/* no commit of the log was written there */
	IS_DAMAGED,			/* as a torn commit may leave it */
};

struct half {
	struct lclone_log *head;	/* blocks 0: not valid, or not of this log */
	enum content *is;
	bool empty;			/* that nobody has committed to it is known */
	u32 pos, blocks;
};

static enum content read_log_block(struct lclone_salvage *s, u32 pos, struct lclone_log_disk *d,
				   struct lclone_log *log)
{
	const struct lclone_sb *sb = &s->delta.sb;
	const u8 *bytes = (const u8 *)d;
	struct lclone_fault fault;

	if (lclone_dev_read(s->delta.dev, d, (sb->log_start + pos) * LCLONE_BLOCK_SECTORS,
			    LCLONE_BLOCK_SECTORS))
		return IS_UNREADABLE;
	if (!lclone_log_verify(d, sb->uuid, log, &fault))
		return IS_LOG;
	return bytes[0] || memcmp(bytes, bytes + 1, sizeof(*d) - 1) ? IS_DAMAGED : IS_BLANK;
}

static int read_half(struct lclone_salvage *s, struct half *h, u32 pos)
{
	struct lclone_log_disk block;
	struct lclone_log *log;
	u32 i;

	h->pos = pos;
	h->blocks = s->delta.sb.log_blocks / 2;
	h->head = calloc(h->blocks, sizeof(*h->head));
	h->is = calloc(h->blocks, sizeof(*h->is));
	if (!h->head || !h->is)
		return lclone_salvage_why(s, -ENOMEM, "out of memory");
	for (i = 0; i < h->blocks; i++) {
		log = &h->head[i];
		h->is[i] = read_log_block(s, pos + i, &block, log);
		if (h->is[i] == IS_UNREADABLE) {
			if (!LCLONE_GROW(s, s->unread, s->nr_unread))
				return -ENOMEM;
			s->unread[s->nr_unread++] = pos + i;
		}
		if (h->is[i] != IS_LOG) {
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
			if (log->blocks && log->checkpoint < checkpoint)
				h->is[i] = IS_BLANK;
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

/*
 * Can an acknowledged commit of the log have been in a block that cannot be read, behind those
 * that are whole, which end at @end?  Commits follow each other without a gap, and each waits
 * for the one before: the first block that none was written to ends what was acknowledged.
 */
static bool may_hide_commit(const struct half *h, u32 end)
{
	u32 i;

	for (i = end; !h->empty && i < h->blocks && h->is[i] != IS_BLANK; i++)
		if (h->is[i] == IS_UNREADABLE)
			return true;
	return false;
}

/* A superblock that is CLEAN, and surely the newest: whoever commits has replaced it before. */
static bool log_is_empty(const struct lclone_delta *delta)
{
	return delta->sb.state & LCLONE_STATE_CLEAN && !delta->slot[!delta->newest].err;
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
	struct lclone_log_disk block;
	u64 commit = first_commit;
	struct lclone_log again;
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
		if (read_log_block(s, h->pos + i, &block, &again) != IS_LOG ||
		    again.commit != log->commit || again.index != log->index)
			return lclone_salvage_why(s, -EIO, "log block %" PRIu64
						  " cannot be read any more",
						  s->delta.sb.log_start + h->pos + i);
		err = take_records(s, &block, log);
		if (err)
			return err;
		next = i + 1;
		commit = log->index + 1 == log->blocks ? log->commit + 1 : log->commit;
	}
	if (commit > s->next_commit)
		s->next_commit = commit;
	if (may_hide_commit(h, end))
		*hole = UINT64_MAX;
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
	lclone_sort(s->logged, s->nr_logged, sizeof(*s->logged), compare_logged);
	for (i = 0; i < s->nr_logged; i++)
		if (i + 1 == s->nr_logged || s->logged[i + 1].chunk != s->logged[i].chunk)
			s->logged[kept++] = s->logged[i];
	s->nr_logged = kept;
}

int lclone_leaves_of_log(struct lclone_salvage *s)
{
	u64 place, last = UINT64_MAX;
	int err = 0;
	size_t i;

	for (i = 0; !err && i < s->nr_logged; i++) {
		place = s->logged[i].chunk / LCLONE_LEAF_EXCEPTIONS;
		if (place == last)
			continue;
		last = place;
		if (!lclone_leaf_find(s, place))
			err = lclone_leaf_add(s, (struct lclone_salvaged){ .place = place },
					      s->checkpoint);
	}
	return err ?: lclone_leaves_settle(s);
}

/* A later checkpoint than the superblock's */

struct later {
	struct lclone_walk walk;
	size_t at;			/* the older tree's leaf to be looked at next */
	u64 holes;
};

/* Where the later leaf, or none, has another value than the older one, or none, with the log */
static int differences(struct lclone_salvage *s, const struct lclone_salvaged *leaf,
		       const struct lclone_leaf_disk *later, u64 first)
{
	union lclone_node node;
	int err = 0;
	size_t l;
	u64 exc;
	u32 i;

	memset(&node, 0, sizeof(node));
	if (leaf)
		err = lclone_leaf_read(s, leaf, &node);
	l = lclone_logged_lower_bound(s, first);
	for (i = 0; !err && i < LCLONE_LEAF_EXCEPTIONS; i++) {
		exc = le64_to_cpu(node.leaf.exceptions[i]);
		if (l < s->nr_logged && s->logged[l].chunk == first + i)
			exc = s->logged[l++].exc;
		if (exc != (later ? le64_to_cpu(later->exceptions[i]) : 0))
			err = lclone_lose_chunks(s, first + i, 1, true, UINT64_MAX);
	}
	return err;
}

/* The older tree's leaves before a place, which the later one has not */
static int differences_before(struct later *later, u64 place)
{
	struct lclone_salvage *s = later->walk.s;
	const struct lclone_salvaged *leaf;
	int err = 0;

	while (!err && later->at < s->leaves && s->leaf[later->at].place < place) {
		leaf = &s->leaf[later->at++];
		if (!(leaf->flags & LCLONE_LEAF_LOST))
			err = differences(s, leaf, NULL,
					  (u64)leaf->place * LCLONE_LEAF_EXCEPTIONS);
	}
	return err;
}

static int compare_leaf(struct lclone_walk *walk, const struct lclone_leaf_disk *node,
			struct lclone_ref ref, u64 first, u64 checkpoint, u64 max)
{
	struct later *later = container_of(walk, struct later, walk);
	u64 place = first / LCLONE_LEAF_EXCEPTIONS;
	const struct lclone_salvaged *leaf = NULL;
	struct lclone_salvage *s = walk->s;
	int err;

	(void)ref;
	(void)checkpoint;
	(void)max;
	err = differences_before(later, place);
	if (!err && later->at < s->leaves && s->leaf[later->at].place == place)
		leaf = &s->leaf[later->at++];
	if (leaf && leaf->flags & LCLONE_LEAF_LOST)
		leaf = NULL;
	return err ?: differences(s, leaf, node, first);
}

static int mark_leaf(struct lclone_walk *walk, const struct lclone_leaf_disk *node,
		     struct lclone_ref ref, u64 first, u64 checkpoint, u64 max)
{
	(void)first;
	(void)max;
	lclone_mark_leaf(walk->s, node, ref.block, checkpoint);
	return 0;
}

static int count_hole(struct lclone_walk *walk, struct lclone_ref ref, u32 level, u64 first,
		      u64 max)
{
	(void)ref;
	(void)level;
	(void)first;
	(void)max;
	container_of(walk, struct later, walk)->holes++;
	return 0;
}

struct wanted {
	u64 checkpoint;
	struct lclone_found_node root;	/* block 0: not found so far */
};

/* The root that a checkpoint has written: it covers the whole clone. */
static int is_root(struct lclone_salvage *s, const struct lclone_found_node *f,
		   const union lclone_node *node, void *ctx)
{
	struct wanted *wanted = ctx;

	(void)node;
	if (f->checkpoint == wanted->checkpoint && !f->first &&
	    f->level >= lclone_tree_level(s->delta.chunks) &&
	    (!wanted->root.block || f->level < wanted->root.level))
		wanted->root = *f;
	return 0;
}

/*
 * Loads the tree of @checkpoint if all of it is there; *whole says so.  Else
 * nothing is changed.  A log of that checkpoint (@durable) says that its superblock
 * was written; else it may as well be a checkpoint that was not completed, and
 * the older tree with its log is what is known to be durable.
 */
static int load_later(struct lclone_salvage *s, u64 checkpoint, bool durable, bool *whole)
{
	struct later later = { { mark_leaf, count_hole, s } };
	struct wanted wanted = { .checkpoint = checkpoint };
	u64 saved = s->delta.sb.checkpoint;
	bool changed = s->changed;
	struct lclone_ref ref;
	u32 level;
	int err;

	*whole = false;
	err = lclone_each_found(s, is_root, &wanted);
	if (err || !wanted.root.block)
		return err;
	ref = (struct lclone_ref){ wanted.root.block, wanted.root.csum };
	level = wanted.root.level;
	s->delta.sb.checkpoint = checkpoint;
	err = lclone_walk_node(&later.walk, ref, level, 0, checkpoint);
	*whole = !err && !later.holes;
	if (*whole && durable) {
		lclone_leaves_forget(s);
		s->holes = 0;
		s->changed = true;
		err = lclone_load_node(s, ref, level, 0, checkpoint);
		return err ?: lclone_leaves_settle(s);
	}
	if (*whole) {
		later.walk.leaf = compare_leaf;
		err = lclone_walk_node(&later.walk, ref, level, 0, checkpoint);
		if (!err)
			err = differences_before(&later, UINT64_MAX);
		if (!err && later.holes)
			err = lclone_salvage_why(s, -EIO, "%" PRIu64
						 " nodes cannot be read any more", later.holes);
	}
	s->changed = changed;
	s->delta.sb.checkpoint = saved;
	return err;
}

static bool has_holes(const struct lclone_salvage *s)
{
	return s->holes || s->lost_leaves;
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

	err = read_half(s, sb->log_pos ? &other : &ours, 0);
	if (!err)
		err = read_half(s, sb->log_pos ? &ours : &other, sb->log_blocks / 2);
	for (i = 0; !err && i < other.blocks; i++)
		if (other.head[i].blocks && other.head[i].checkpoint > checkpoint &&
		    other.head[i].checkpoint > later)
			later = other.head[i].checkpoint;
	ours.empty = log_is_empty(&s->delta) && !later;
	/* the repaired delta is of a later one than all of these */
	if (!err && (s->max_checkpoint - checkpoint > PLAUSIBLE || s->max_checkpoint > UINT64_MAX - 2))
		err = lclone_salvage_why(s, -EUCLEAN, "a superblock or the log is of checkpoint %" PRIu64
					 ", the superblock is of %" PRIu64 ": not plausible, no repair is possible",
					 s->max_checkpoint, checkpoint);
	if (!err && (has_holes(s) || later || slot_may_be_later(&s->delta)))
		err = lclone_find_nodes(s);
	if (!err && later) {
		err = load_later(s, later, true, &whole);
	} else if (!err && has_holes(s) && slot_may_be_later(&s->delta)) {
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
		/* what an older log has there, its successor has not written over */
		pick_log(&other, checkpoint + 1, s->next_commit);
		if (may_hide_commit(&other, 0))
			hole = UINT64_MAX;
	}
	if (!err && hole)
		err = lclone_lose_chunks(s, 0, s->delta.chunks, true, hole);
	free(ours.head);
	free(ours.is);
	free(other.head);
	free(other.is);
	return err;
}

