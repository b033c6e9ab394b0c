// SPDX-License-Identifier: GPL-2.0-only
/*
 * The checkpoint: writes the leaves and index nodes that have changed, and starts a new log.
 *
 * Nodes are never overwritten in place: a checkpoint writes changed ones to
 * free blocks, then switches the root in the superblock, and only then frees
 * the blocks of the old ones.
 *
 * tree_lock is held all the time.  index_lock is taken for each look at an index node and each
 * change of one, but not while something is written, so that leaves can be loaded meanwhile.
 * That is safe: leaves that are written now are dirty, so that they are in RAM and nobody
 * loads them, and references to other leaves do not change.
 */
#include <linux/slab.h>

#include "checkpoint.h"
#include "trace.h"

#define WRITE_BLOCKS	64		/* of one checkpoint write, if memory can be had */

/* A checkpoint that is being made */
struct checkpoint {
	struct lclone_commit *commit;
	struct lclone_tree *tree;
	struct lclone_alloc *alloc;
	struct lclone_super *super;
	struct list_head leaves;
	struct list_head index[LCLONE_LEVELS];	/* dirty index nodes, by level */
	struct list_head old;		/* blocks that are free once this is durable */
	u32 left;			/* how many nodes at most are still to be written */
	u32 nodes;			/* how many nodes were written */
	struct lclone_ref root;

	void *buf;
	u32 buf_blocks;
	u32 n;				/* blocks in buf that are still to be written */
	u64 run;			/* the block where the first of them goes */
	u32 run_left;			/* free blocks from there on */
};

static int checkpoint_flush_buf(struct checkpoint *cp)
{
	int err = 0;

	if (cp->n)
		err = lclone_meta_write(cp->super->dev, cp->run, cp->buf, cp->n, 0);
	cp->run += cp->n;
	cp->run_left -= cp->n;
	cp->n = 0;
	return err;
}

/* Returns room for one more node in the buffer, for which there is a block on disk. */
static void *checkpoint_next_slot(struct checkpoint *cp)
{
	int err = 0;

	if (cp->n == cp->buf_blocks || cp->n == cp->run_left)
		err = checkpoint_flush_buf(cp);
	if (!err && !cp->run_left) {
		cp->run_left = lclone_alloc_nodes(cp->alloc, cp->left, &cp->run);
		if (!cp->run_left)
			err = -ENOSPC;
	}
	return err ? ERR_PTR(err) : cp->buf + cp->n * LCLONE_BLOCK_SIZE;
}

static struct lclone_ref checkpoint_seal_slot(struct checkpoint *cp, void *slot, u32 level, u64 n)
{
	struct lclone_ref ref = { .block = cp->run + cp->n };

	lclone_node_seal(slot, cp->super->sb.uuid, cp->super->sb.checkpoint + 1,
			 n * lclone_node_span(level), level, &ref.csum);
	cp->n++;
	cp->nodes++;
	cp->left--;
	return ref;
}

static void free_later(struct checkpoint *cp, u64 block)
{
	if (block)
		kfree(lclone_extent_append(&cp->old, lclone_extent_alloc(), block, 1));
}

/* Sets the reference to node @n of @level, in the node above it or as the root. */
static void checkpoint_set_ref(struct checkpoint *cp, u32 level, u64 n, struct lclone_ref ref)
{
	struct lclone_index *above;

	if (level == cp->tree->root_level) {
		cp->root = ref;
		return;
	}
	mutex_lock(&cp->super->index_lock);
	above = lclone_index_find(cp->tree, level + 1, div_u64(n, LCLONE_NODE_REFS));
	lclone_ref_pack(ref, &above->disk->refs[n % LCLONE_NODE_REFS]);
	mutex_unlock(&cp->super->index_lock);
}

static void mark_node(struct checkpoint *cp, struct lclone_index *node, u32 level)
{
	if (list_empty(&node->dirty)) {
		list_add_tail(&node->dirty, &cp->index[level]);
		cp->left++;
	}
}

static int mark_above(struct checkpoint *cp, u64 leaf)
{
	u32 level;
	int err = 0;

	mutex_lock(&cp->super->index_lock);
	for (level = cp->tree->root_level; level; level--) {
		struct lclone_index *node = lclone_index_get(cp->tree, leaf, level, true);

		err = PTR_ERR_OR_ZERO(node);
		if (err)
			break;
		mark_node(cp, node, level);
	}
	mutex_unlock(&cp->super->index_lock);
	return err;
}

/* Finds or makes the index nodes above the dirty leaves, and lists them as dirty. */
static int mark_index(struct checkpoint *cp)
{
	struct lclone_leaf *leaf;
	u32 level;
	int err;

	lockdep_assert_held(&cp->super->tree_lock);
	list_for_each_entry(leaf, &cp->leaves, dirty) {
		cp->left++;
		err = mark_above(cp, leaf->index);
		if (err)
			return err;
	}
	/* Nodes that lclone_tree_grow() has put above the root on disk have to be written, too. */
	if (cp->left && cp->super->sb.root_block)
		for (level = cp->super->sb.root_level + 1; level <= cp->tree->root_level; level++)
			mark_node(cp, lclone_index_find(cp->tree, level, 0), level);
	return 0;
}

/*
 * Copies a leaf that may change meanwhile.  Entries that were copied count as committed, so
 * DIRTY is taken off them.  Returns true if the leaf has no entries.
 */
static bool capture_leaf(struct lclone_leaf *leaf, struct lclone_leaf_disk *disk)
{
	bool empty = true;
	int i;

	for (i = 0; i < LCLONE_LEAF_EXCEPTIONS; i++) {
		u64 exc = READ_ONCE(leaf->exceptions[i]);

		while (exc & LCLONE_EXC_DIRTY &&
		       !try_cmpxchg64(&leaf->exceptions[i], &exc, exc & ~LCLONE_EXC_DIRTY))
			;
		exc &= ~LCLONE_SPARE_MASK;
		disk->exceptions[i] = cpu_to_le64(exc);
		if (exc)
			empty = false;
	}
	return empty;
}

static int write_leaf(struct checkpoint *cp, struct lclone_leaf *leaf)
{
	struct lclone_ref old, ref = {};
	struct lclone_leaf_disk *slot;
	int err;

	err = lclone_tree_leaf_ref(cp->tree, leaf->index, &old);
	if (err)
		return err;
	slot = checkpoint_next_slot(cp);
	if (IS_ERR(slot))
		return PTR_ERR(slot);
	lclone_commit_take(cp->commit, leaf);	/* the copy has the entries of all groups */
	if (!capture_leaf(leaf, slot))
		ref = checkpoint_seal_slot(cp, slot, 0, leaf->index);
	free_later(cp, old.block);
	checkpoint_set_ref(cp, 0, leaf->index, ref);
	return 0;
}

static int write_index(struct checkpoint *cp, struct lclone_index *node, u32 level)
{
	struct lclone_ref ref = {};
	void *slot;

	free_later(cp, node->block);
	if (memchr_inv(node->disk->refs, 0, sizeof(node->disk->refs))) {
		slot = checkpoint_next_slot(cp);
		if (IS_ERR(slot))
			return PTR_ERR(slot);
		memcpy(slot, node->disk, LCLONE_BLOCK_SIZE);
		ref = checkpoint_seal_slot(cp, slot, level, node->index);
	}
	node->block = ref.block;
	checkpoint_set_ref(cp, level, node->index, ref);
	return 0;
}

static int write_nodes(struct checkpoint *cp)
{
	struct lclone_index *node, *next;
	struct lclone_leaf *leaf;
	u32 level;
	int err;

	err = mark_index(cp);
	if (err)
		return err;
	list_for_each_entry(leaf, &cp->leaves, dirty) {
		err = write_leaf(cp, leaf);
		if (err)
			return err;
	}
	for (level = 1; level <= cp->tree->root_level; level++) {
		list_for_each_entry_safe(node, next, &cp->index[level], dirty) {
			err = write_index(cp, node, level);
			if (err)
				return err;
			list_del_init(&node->dirty);
		}
	}
	return checkpoint_flush_buf(cp);
}

static int switch_root(struct checkpoint *cp)
{
	struct lclone_sb sb = cp->super->sb;

	lockdep_assert_held(&cp->super->tree_lock);
	if (!list_empty(&cp->leaves)) {
		sb.root_block = cp->root.block;
		sb.root_csum = cp->root.csum;
		sb.root_level = cp->root.block ? cp->tree->root_level : 0;
	}
	spin_lock(&cp->alloc->lock);
	sb.hwm = cp->alloc->hwm;
	sb.freed = cp->alloc->freed;
	spin_unlock(&cp->alloc->lock);
	sb.checkpoint++;
	sb.log_pos = sb.log_pos ? 0 : sb.log_blocks / 2;
	sb.log_commit = cp->commit->next_commit;
	return lclone_sb_write(cp->super, &sb);
}

/* Leaves that nobody has changed since they were copied are clean now. */
static void checkpoint_clean(struct checkpoint *cp)
{
	struct lclone_commit *c = cp->commit;
	struct lclone_leaf *leaf, *next;

	spin_lock_irq(&c->lock);
	list_for_each_entry_safe(leaf, next, &cp->leaves, dirty) {
		/* Whoever was about to change the leaf has set this flag, under the lock. */
		if (test_bit(LEAF_UNCOMMITTED, &leaf->flags)) {
			list_move_tail(&leaf->dirty, &c->dirty);
		} else {
			clear_bit(LEAF_DIRTY, &leaf->flags);
			list_del_init(&leaf->dirty);
			c->nr_dirty--;
		}
	}
	spin_unlock_irq(&c->lock);
}

static void checkpoint_finish(struct checkpoint *cp, int err)
{
	struct lclone_extent *e, *next;

	lockdep_assert_held(&cp->super->tree_lock);
	if (cp->run_left && !err)
		lclone_free_nodes(cp->alloc, cp->run, cp->run_left);
	list_for_each_entry_safe(e, next, &cp->old, list) {
		if (!err)
			lclone_free_nodes(cp->alloc, e->start, e->len);
		kfree(e);
	}
	if (err) {
		/* The tree on disk is the old one: these leaves still differ from it. */
		spin_lock_irq(&cp->commit->lock);
		list_splice_tail(&cp->leaves, &cp->commit->dirty);
		spin_unlock_irq(&cp->commit->lock);
		lclone_metadata_failed(cp->super, "write a checkpoint", err);
		return;
	}
	cp->commit->log_tail = cp->super->sb.log_pos;
	cp->commit->checkpoints++;
	checkpoint_clean(cp);
}

static void checkpoint_buf(struct checkpoint *cp)
{
	u32 blocks;

	for (blocks = WRITE_BLOCKS; blocks > 1; blocks /= 2) {
		cp->buf = (void *)__get_free_pages(GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN,
						   get_order(blocks * LCLONE_BLOCK_SIZE));
		if (cp->buf)
			break;
	}
	if (!cp->buf)
		cp->buf = cp->super->bounce;
	cp->buf_blocks = blocks;
}

static void checkpoint_work(struct work_struct *work)
{
	struct lclone_checkpoint *checkpoint = container_of(work, struct lclone_checkpoint, work);
	struct lclone_super *super = checkpoint->commit->super;
	struct checkpoint cp = {
		.commit = checkpoint->commit,
		.tree = checkpoint->tree,
		.alloc = checkpoint->alloc,
		.super = super,
	};
	int i, err;

	INIT_LIST_HEAD(&cp.leaves);
	INIT_LIST_HEAD(&cp.old);
	for (i = 0; i < LCLONE_LEVELS; i++)
		INIT_LIST_HEAD(&cp.index[i]);
	checkpoint_buf(&cp);

	mutex_lock(&super->tree_lock);
	lclone_commit_begin_checkpoint(cp.commit, &cp.leaves);
	spin_lock(&cp.alloc->lock);
	cp.alloc->new_leaves = 0;
	spin_unlock(&cp.alloc->lock);

	err = write_nodes(&cp);
	if (!err)
		err = switch_root(&cp);
	checkpoint_finish(&cp, err);
	trace_lclone_checkpoint(super->dev, super->sb.checkpoint, cp.nodes, err);
	mutex_unlock(&super->tree_lock);

	if (cp.buf != super->bounce)
		free_pages((unsigned long)cp.buf, get_order(cp.buf_blocks * LCLONE_BLOCK_SIZE));
	lclone_commit_end(cp.commit, errno_to_blk_status(err));
	lclone_unpark(super->queue, WAIT_CHECKPOINT);
	lclone_unpark(super->queue, WAIT_MEMORY);	/* leaves that are clean can be evicted */
	/* Blocks of old nodes are free, and no leaf is new any more, which lowers the reserve. */
	lclone_space_came(cp.alloc);
}

void lclone_checkpoint_init(struct lclone_checkpoint *checkpoint)
{
	INIT_WORK(&checkpoint->work, checkpoint_work);
}
