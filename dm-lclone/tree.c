// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tree on disk: its index nodes, which stay in RAM once they were read, and the way from
 * the root to a leaf.
 */
#include <linux/slab.h>

#include "tree.h"

static unsigned long index_key(u32 level, u64 n)
{
	return n * LCLONE_LEVELS + level;
}

static int read_node(struct lclone_tree *tree, struct lclone_ref ref, u32 level, u64 n, void *buf)
{
	u64 first = n * lclone_node_span(level);
	struct lclone_fault fault;
	int err;

	err = lclone_ref_verify(&tree->super->sb, ref, &fault);
	if (!err) {
		err = lclone_meta_read(tree->super->dev, ref.block, buf, 1);
		if (err) {
			DMERR_LIMIT("%s: can't read the node at block %llu: error %d",
				    tree->super->dev->name, ref.block, err);
			return err;
		}
		err = lclone_node_verify(buf, tree->super->sb.uuid, first, level, ref.csum,
					 tree->super->sb.checkpoint, &fault);
	}
	if (err) {
		lclone_report_fault(tree->super->dev, "node", ref.block, &fault);
		lclone_metadata_damaged(tree->super, "read the tree", err);
	}
	return err;
}

static struct lclone_index *index_new(u64 n)
{
	struct lclone_index *node = kzalloc(sizeof(*node), GFP_NOIO | __GFP_NOFAIL);

	node->disk = (void *)get_zeroed_page(GFP_NOIO | __GFP_NOFAIL);
	node->index = n;
	INIT_LIST_HEAD(&node->dirty);
	return node;
}

static void index_free(struct lclone_index *node)
{
	free_page((unsigned long)node->disk);
	kfree(node);
}

struct lclone_index *lclone_index_find(struct lclone_tree *tree, u32 level, u64 n)
{
	return xa_load(&tree->index, index_key(level, n));
}

static int index_store(struct lclone_tree *tree, u32 level, struct lclone_index *node)
{
	return xa_err(xa_store(&tree->index, index_key(level, node->index), node,
			       GFP_NOIO | __GFP_NOFAIL));
}

static struct lclone_ref sb_root(const struct lclone_tree *tree)
{
	return (struct lclone_ref){ tree->super->sb.root_block, tree->super->sb.root_csum };
}

struct lclone_index *lclone_index_get(struct lclone_tree *tree, u64 leaf, u32 want, bool create)
{
	struct lclone_ref ref = sb_root(tree);
	struct lclone_index *node = NULL;
	u32 level;
	int err;

	lockdep_assert_held(&tree->super->index_lock);
	for (level = tree->root_level; level >= want; level--) {
		u64 n = div64_u64(leaf * LCLONE_LEAF_EXCEPTIONS, lclone_node_span(level));

		if (node)
			ref = lclone_ref_unpack(&node->disk->refs[n % LCLONE_NODE_REFS]);
		node = lclone_index_find(tree, level, n);
		if (node)
			continue;
		if (!ref.block && !create)
			return NULL;
		node = index_new(n);
		err = ref.block ? read_node(tree, ref, level, n, node->disk) : 0;
		if (!err)
			err = index_store(tree, level, node);
		if (err) {
			index_free(node);
			return ERR_PTR(err);
		}
		node->block = ref.block;
	}
	return node;
}

static int find_leaf_ref(struct lclone_tree *tree, u64 index, struct lclone_ref *ref)
{
	struct lclone_index *node;
	struct lclone_fault fault;
	int err;

	lockdep_assert_held(&tree->super->index_lock);
	if (index * LCLONE_LEAF_EXCEPTIONS >=
	    lclone_chunks(tree->super->sb.virtual_sectors, tree->super->sb.chunk_sectors)) {
		/* A layer may be smaller than the clone, and then has no leaves for its end. */
		*ref = (struct lclone_ref){};
		return 0;
	}
	*ref = sb_root(tree);
	if (tree->root_level) {
		node = lclone_index_get(tree, index, 1, false);
		if (IS_ERR(node))
			return PTR_ERR(node);
		*ref = (struct lclone_ref){};
		if (node)
			*ref = lclone_ref_unpack(&node->disk->refs[index % LCLONE_NODE_REFS]);
	}
	err = lclone_ref_verify(&tree->super->sb, *ref, &fault);
	if (err) {
		lclone_report_fault(tree->super->dev, "reference to leaf", index, &fault);
		lclone_metadata_damaged(tree->super, "read the tree", err);
	}
	return err;
}

int lclone_tree_leaf_ref(struct lclone_tree *tree, u64 index, struct lclone_ref *ref)
{
	int err;

	mutex_lock(&tree->super->index_lock);
	err = find_leaf_ref(tree, index, ref);
	mutex_unlock(&tree->super->index_lock);
	return err;
}

int lclone_tree_verify_leaf(struct lclone_tree *tree, u64 index, struct lclone_ref ref,
			    const struct lclone_leaf_disk *disk)
{
	u64 first = index * LCLONE_LEAF_EXCEPTIONS;
	struct lclone_fault fault;
	int err, i;

	err = lclone_node_verify(&disk->node, tree->super->sb.uuid, first, 0, ref.csum,
				 tree->super->sb.checkpoint, &fault);
	for (i = 0; !err && i < LCLONE_LEAF_EXCEPTIONS; i++) {
		u64 exc = le64_to_cpu(disk->exceptions[i]);

		err = lclone_exc_verify(&tree->super->sb, first + i, exc, &fault);
		if (!err && lclone_exc_phys(exc) >= READ_ONCE(tree->alloc->hwm)) {
			fault = (struct lclone_fault){ "chunk above the high-water mark",
						       lclone_exc_phys(exc), tree->alloc->hwm };
			err = -EUCLEAN;
		}
	}
	if (err) {
		lclone_report_fault(tree->super->dev, "leaf", ref.block, &fault);
		lclone_metadata_damaged(tree->super, "read the tree", err);
	}
	return err;
}

static int grow_tree(struct lclone_tree *tree)
{
	u32 level, want = lclone_tree_level(lclone_chunks(tree->super->sb.virtual_sectors,
							  tree->super->sb.chunk_sectors));
	struct lclone_index *node;
	int err;

	lockdep_assert_held(&tree->super->index_lock);
	if (!tree->super->sb.root_block) {
		tree->root_level = want;
		return 0;
	}
	/* The old root becomes the first child of a new root, once or more. */
	for (level = max(tree->root_level, tree->super->sb.root_level); level < want; level++) {
		node = index_new(0);
		if (level == tree->super->sb.root_level)
			lclone_ref_pack(sb_root(tree), &node->disk->refs[0]);
		err = index_store(tree, level + 1, node);
		if (err) {
			index_free(node);
			return err;
		}
	}
	tree->root_level = want;
	return 0;
}

int lclone_tree_grow(struct lclone_tree *tree)
{
	int err;

	mutex_lock(&tree->super->index_lock);
	err = grow_tree(tree);
	mutex_unlock(&tree->super->index_lock);
	return err;
}

void lclone_tree_each_index(struct lclone_tree *tree, void (*node)(void *arg, u64 block),
			    void *arg)
{
	struct lclone_index *index;
	unsigned long key;

	mutex_lock(&tree->super->index_lock);
	xa_for_each(&tree->index, key, index)
		if (index->block)
			node(arg, index->block);
	mutex_unlock(&tree->super->index_lock);
}

/* Life */

void lclone_tree_init(struct lclone_tree *tree)
{
	xa_init(&tree->index);
}

void lclone_tree_exit(struct lclone_tree *tree)
{
	struct lclone_index *node;
	unsigned long key;

	xa_for_each(&tree->index, key, node)
		index_free(node);
	xa_destroy(&tree->index);
}
