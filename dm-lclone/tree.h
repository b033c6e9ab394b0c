/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tree on disk: its index nodes, kept in RAM once they were read.  It knows no commit.
 *
 * All functions may sleep.
 */
#ifndef LCLONE_TREE_H
#define LCLONE_TREE_H

#include <linux/xarray.h>

#include "alloc.h"

#define LCLONE_LEVELS	8

/**
 * struct lclone_index - an index node in RAM
 * @dirty: a reference was changed since the last checkpoint; tree_lock
 * @index: of the node in its level
 * @block: of its copy on disk, 0: none
 * @disk: its references are kept as on disk; index_lock
 */
struct lclone_index {
	struct list_head dirty;
	u64 index;
	u64 block;
	struct lclone_index_disk *disk;
};

/**
 * struct lclone_tree - the tree of a delta
 * @root_level: for the virtual size, may be above that of the superblock; to change:
 *	tree_lock and index_lock
 * @index: of struct lclone_index, by level and index; index_lock
 * @super: the delta's superblock
 * @alloc: knows the high-water mark
 */
struct lclone_tree {
	u32 root_level;
	struct xarray index;
	struct lclone_super *super;
	const struct lclone_alloc *alloc;
};

/**
 * lclone_tree_leaf_ref() - find a leaf
 * @tree: the tree
 * @index: of the leaf
 * @ref: gets the reference to it; block 0: the tree has none
 *
 * No lock.  That of a leaf that is in RAM may be one that a checkpoint has not written yet;
 * with tree_lock there is none.  Return: 0 or -errno.
 */
int lclone_tree_leaf_ref(struct lclone_tree *tree, u64 index, struct lclone_ref *ref);

/**
 * lclone_tree_verify_leaf() - verify a leaf as read, and each exception in it
 * @tree: the tree
 * @index: of the leaf
 * @ref: where it was read from
 * @disk: what was read
 *
 * No lock.  Return: 0 or -errno; damage went through the failure funnel.
 */
int lclone_tree_verify_leaf(struct lclone_tree *tree, u64 index, struct lclone_ref ref,
			    const struct lclone_leaf_disk *disk);

/**
 * lclone_tree_grow() - bring the tree to the height that the virtual size wants
 * @tree: the tree
 *
 * tree_lock, or before others know the delta.  Return: 0 or -errno.
 */
int lclone_tree_grow(struct lclone_tree *tree);

/**
 * lclone_index_find() - an index node that is in RAM
 * @tree: the tree
 * @level: of the node
 * @n: index of the node in its level
 *
 * index_lock, or tree_lock for a node that is known to be there.
 */
struct lclone_index *lclone_index_find(struct lclone_tree *tree, u32 level, u64 n);

/**
 * lclone_index_get() - the index node above a leaf
 * @tree: the tree
 * @leaf: index of the leaf
 * @want: level of the node
 * @create: make it where the tree has none
 *
 * index_lock.  Return: the node, NULL (the tree has none), or an ERR_PTR.
 */
struct lclone_index *lclone_index_get(struct lclone_tree *tree, u64 leaf, u32 want, bool create);

/**
 * lclone_tree_each_index() - call back for the block of each index node in RAM
 * @tree: the tree
 * @node: is called under index_lock
 * @arg: for @node
 */
void lclone_tree_each_index(struct lclone_tree *tree, void (*node)(void *arg, u64 block),
			    void *arg);

/**
 * lclone_tree_init() - make a tree
 * @tree: zeroed, but for @tree->super and @tree->alloc
 */
void lclone_tree_init(struct lclone_tree *tree);

/**
 * lclone_tree_exit() - free the index nodes
 * @tree: the tree
 */
void lclone_tree_exit(struct lclone_tree *tree);

#endif /* LCLONE_TREE_H */
