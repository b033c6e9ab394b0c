/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small deltas in memory, and edits of their metadata after which all
 * checksums are right again.
 */
#ifndef FUZZ_TEMPLATE_H
#define FUZZ_TEMPLATE_H

#include "lclone_format.h"

#define TEMPLATE_BLOCKS		128u
#define TEMPLATE_SECTORS	(TEMPLATE_BLOCKS * LCLONE_BLOCK_SECTORS)
#define TEMPLATE_BASE_SECTORS	4000u
#define TEMPLATE_META_MAX	32u
#define TEMPLATE_NODES_MAX	16u

struct template_node {
	u32 block;
	int parent;		/* index of a later node, -1: the superblock */
	u32 slot;		/* of the parent's references */
};

struct template {
	u8 *image;
	u32 meta[TEMPLATE_META_MAX];	/* blocks of metadata: the slots, log, nodes */
	u32 nr_meta;
	struct template_node node[TEMPLATE_NODES_MAX];	/* children before parents */
	u32 nr_nodes;
};

/* A change of one metadata block */
struct template_edit {
	u8 meta;		/* which, modulo their number */
	u8 how;			/* enum edit_how, modulo their number; EDIT_UNSEALED */
	u16 offset;
	u64 value;
} __attribute__((packed));

enum edit_how {
	EDIT_SET8,
	EDIT_SET16,
	EDIT_SET32,
	EDIT_SET64,
	EDIT_ADD64,
	EDIT_FLIP,		/* one bit */
	EDIT_COPY,		/* another metadata block over this one */
	EDIT_CLEAR,		/* the block */
	EDIT_HOWS,
};
#define EDIT_UNSEALED	0x80	/* made after the checksums */

enum template_kind {
	TEMPLATE_EMPTY,		/* just formatted */
	TEMPLATE_TREE,		/* two levels of nodes, three commits in the log */
	TEMPLATE_DEEP,		/* three levels, with holes */
	TEMPLATE_MERGING,	/* a merge into the base was interrupted */
	TEMPLATE_KINDS,
};

/* The base of all templates */
extern u8 template_base[TEMPLATE_BASE_SECTORS * 512];

/* Builds all templates; the rest works on them. */
void template_init(void);
const struct template *template_get(enum template_kind kind);

/* A random number below @below, from and for *random */
u32 template_choose(u64 *random, u32 below);
/* One edit, at a place where it matters and with a value that may */
void template_random_edit(const struct template *t, u64 *random, struct template_edit *edit);

/* Applies edits to a template's image until template_restore(). */
void template_edit(const struct template *t, const struct template_edit *edit, u32 nr);
/* Makes another delta of it, until then. */
void template_rename(const struct template *t);
void template_restore(const struct template *t);

#define TEMPLATE_EDITS_MAX	16u

/* What a fuzzer's input says of a template */
struct template_input {
	u8 kind;
	u8 cut;			/* blocks that the device lacks, if below its number */
	struct template_edit edit[];
} __attribute__((packed));

/* libFuzzer's own mutations, for custom ones to call */
size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max_size);

#endif /* FUZZ_TEMPLATE_H */
