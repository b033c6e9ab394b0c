/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tree on disk: its index nodes, which stay in RAM once they were read, and the way from
 * the root to a leaf.  Nothing here knows of commits.
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
 * @dirty: in a list of the checkpoint that is about to write the node; tree_lock
 * @index: of the node in its level
 * @block: where its copy on disk is; 0 if there is none
 * @disk: the node, with its references in disk format; index_lock
 */
struct lclone_index {
	struct list_head dirty;
	u64 index;
	u64 block;
	struct lclone_index_disk *disk;
};

/**
 * struct lclone_tree - the tree of a delta
 * @root_level: level of the root that the virtual size wants; may be higher than in the
 *	superblock, until a checkpoint; changed under tree_lock and index_lock
 * @index: the nodes in RAM (struct lclone_index), by level and index; index_lock
 * @super: the delta's superblock
 * @alloc: the delta's allocator, which knows the high-water mark
 */
struct lclone_tree {
	u32 root_level;
	struct xarray index;
	struct lclone_super *super;
	const struct lclone_alloc *alloc;
};

/**
 * lclone_tree_leaf_ref() - find out where a leaf is on disk
 * @tree: the tree
 * @index: of the leaf
 * @ref: gets the reference to it, with block 0 if the tree has no such leaf
 *
 * Wants no lock.  While a checkpoint is made, the reference of a leaf that is in RAM may name a
 * block that is not written yet; a caller that holds tree_lock does not see such references.
 * Return: 0 or -errno.
 */
int lclone_tree_leaf_ref(struct lclone_tree *tree, u64 index, struct lclone_ref *ref);

/**
 * lclone_tree_verify_leaf() - verify a leaf that was read, and each exception in it
 * @tree: the tree
 * @index: of the leaf
 * @ref: where it was read from
 * @disk: what was read
 *
 * Wants no lock.  Damage is reported by lclone_metadata_damaged().  Return: 0 or -errno.
 */
int lclone_tree_verify_leaf(struct lclone_tree *tree, u64 index, struct lclone_ref ref,
			    const struct lclone_leaf_disk *disk);

/**
 * lclone_tree_grow() - bring the tree to the height that the virtual size wants
 * @tree: the tree
 *
 * Under tree_lock, or before others know the delta.  Return: 0 or -errno.
 */
int lclone_tree_grow(struct lclone_tree *tree);

/**
 * lclone_index_find() - look for an index node in RAM
 * @tree: the tree
 * @level: of the node
 * @n: index of the node in its level
 *
 * Under index_lock, or under tree_lock for a node that is known to be there.  Return: the node,
 * or NULL if it is not in RAM.
 */
struct lclone_index *lclone_index_find(struct lclone_tree *tree, u32 level, u64 n);

/**
 * lclone_index_get() - get the index node above a leaf, which is read if it is not in RAM
 * @tree: the tree
 * @leaf: index of the leaf
 * @want: level of the node
 * @create: make the node where the tree has none
 *
 * Under index_lock.  Return: the node, NULL if the tree has none, or an ERR_PTR.
 */
struct lclone_index *lclone_index_get(struct lclone_tree *tree, u64 leaf, u32 want, bool create);

/**
 * lclone_tree_each_index() - call a function for the block of each index node in RAM
 * @tree: the tree
 * @node: the function, called under index_lock
 * @arg: its first argument
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
