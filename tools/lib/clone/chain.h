/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A chain: a delta, the sealed layers that it lies on, and their content as
 * one disk.
 *
 * A layer is named by its uuid and its generation, the number of times that it
 * was sealed: what lies on it has recorded both.
 */
#ifndef LCLONE_CHAIN_H
#define LCLONE_CHAIN_H

#include "format/delta.h"
#include "host/dm.h"
#include "host/file.h"

#define LCLONE_LAYERS_MAX	255	/* below a delta: the target's limit */
#define LCLONE_CHAIN_MAX	(LCLONE_LAYERS_MAX + 1)

struct lclone_chain {
	u32 count;
	struct lclone_delta *delta[LCLONE_CHAIN_MAX];	/* the top one first */
	struct lclone_file *file[LCLONE_CHAIN_MAX];	/* that they are on */
};

/* Devices that a user has named as layers, in any order */
struct lclone_parents {
	u32 count;
	const char *path[LCLONE_LAYERS_MAX];
};

bool lclone_has_parent(const struct lclone_sb *sb);

/* Does @sb lie on @parent?  0, or -ESTALE with a sentence in @why. */
int lclone_link_check(const struct lclone_sb *sb, const struct lclone_sb *parent,
		      char why[LCLONE_WHY_SIZE]);

/* A device with a delta, as it was found */
struct lclone_found {
	char *path;
	dev_t rdev;			/* 0: a volume of LVM that is not active, VG/LV */
	struct lclone_sb sb;
};

/* A device that may have one, or may be a clone, and could not be looked at */
struct lclone_unseen {
	char *path;
	char *why;			/* ends a sentence: "is suspended" */
	dev_t rdev;			/* 0: of a clone, or not known */
};

/*
 * All deltas of this host. A device that only passes another one on is not among
 * them.  What the table of an active clone says counts for more than what
 * superblocks do, of which there may be copies.
 */
struct lclone_inventory {
	struct lclone_found *found;
	size_t count;
	struct lclone_unseen *unseen;
	size_t unseen_count;
	struct lclone_clone *clones;	/* that are active; lclone_inventory_read_all() */
	size_t clone_count;
	bool read;
};

/* Nothing is done if it was read already. @inv is 0 before the first call. */
int lclone_inventory_read(struct lclone_inventory *inv);
int lclone_inventory_read_all(struct lclone_inventory *inv);
/* Only the active clones, and those that could not be looked at; @inv is 0 before. */
int lclone_inventory_ask_clones(struct lclone_inventory *inv);
void lclone_inventory_free(struct lclone_inventory *inv);

/* The command has the option --assume-no-other-clones: sentences may name it. */
void lclone_can_assume_no_other_clones(void);
/* The user knows that nothing depends on anything which could not be looked at. */
void lclone_assume_no_other_clones(void);
bool lclone_others_assumed_away(void);
/* -EBUSY, by name, if there is such, unless that was called. @what may be needed by it. */
int lclone_refuse_unseen(const struct lclone_inventory *inv, const char *what);

/* The active clone that writes this delta, or NULL */
const struct lclone_clone *lclone_clone_with_delta(const struct lclone_inventory *inv, dev_t rdev);

/*
 * The first active clone behind @after (NULL: of all) that has @rdev as its delta or a
 * layer, or NULL; *below is what is right below it there, 0 for a base "-".
 */
const struct lclone_clone *lclone_next_with(const struct lclone_inventory *inv, dev_t rdev,
					    const struct lclone_clone *after, dev_t *below);
bool lclone_is_active(const struct lclone_inventory *inv, dev_t rdev);

/* Does it lie on the layer @sb, on @rdev? If it is active, its tables say so. */
bool lclone_lies_on(const struct lclone_inventory *inv, const struct lclone_found *found,
		    dev_t rdev, const struct lclone_sb *sb);

/* Do two devices begin with the same sector? */
bool lclone_shows_same(dev_t a, dev_t b);

#define LCLONE_NAMES	4	/* that are told */

/* A list of names for a sentence. */
struct lclone_names {
	char text[1024];
	size_t count, len;
};

void lclone_add_name(struct lclone_names *n, const char *name);

/* The superblock of the delta on a device, which may be in use. */
int lclone_sb_of(const char *path, struct lclone_sb *sb);

/*
 * The layer that @sb, of @name, lies on: among @named, else on any device of
 * this host, for which @inv is read.  0, or a negative errno with the sentence in lclone_why():
 * -ESTALE if there is none, or more than one.
 */
int lclone_parent_find(const char *name, const struct lclone_sb *sb,
		       const struct lclone_parents *named, struct lclone_inventory *inv,
		       char path[PATH_MAX]);

/*
 * -EBUSY, with their names in lclone_why(), if there are deltas that lie on
 * @sb, which is on @path; or one that it is being merged into; or if there may be.
 */
int lclone_refuse_depended(const char *path, const struct lclone_sb *sb);

/*
 * The same for what is on a device that is going to be overwritten, of which
 * lclone_delta_open_sb() has returned @err; and for what a half merged base is nothing without.
 */
int lclone_refuse_loss(const char *path, const struct lclone_delta *delta, int err);

/* The same for others than @child, on the device @rdev; and -ESTALE if there is a copy of that. */
int lclone_refuse_others(struct lclone_inventory *inv, const char *path,
			 const struct lclone_sb *sb, const struct lclone_sb *child, dev_t rdev);

/* The delta that has taken over all that @sb has, and its identity; NULL if there is none. */
const struct lclone_found *lclone_left_over_by(const struct lclone_inventory *inv,
					       const struct lclone_sb *sb);

/*
 * Makes @top, which is open on @file, and all that it lies on a chain.  Every
 * device in @named must be part of it.  Close it in any case; @top is not
 * closed with it.  Returns 0, or a negative errno with the sentence in
 * lclone_why().
 */
int lclone_chain_open(struct lclone_chain *chain, struct lclone_delta *top,
		      struct lclone_file *file, const struct lclone_parents *named);
void lclone_chain_close(struct lclone_chain *chain);

/*
 * At the end of a long read: -EBUSY if any level is not what it was when it was opened.  Locks
 * prevent that between runs of lclone; nothing prevents it elsewhere.
 */
int lclone_chain_unchanged(const struct lclone_chain *chain);

/* A range of the disk that has one source */
struct lclone_chain_extent {
	u64 sector;
	u64 sectors;
	enum lclone_source source;
	u32 level;			/* of the delta that says so */
	u64 delta_sector;		/* LCLONE_FROM_DELTA: where on it */
};

/*
 * The content as extents: as those of lclone_extents_init(), of the topmost
 * @levels.  What they do not know is LCLONE_FROM_BASE up to base_sectors, which
 * may be changed after the init, and zero beyond.
 */
struct lclone_chain_extents {
	struct lclone_chain *chain;
	u32 levels;
	u64 sector, end, base_sectors;
	struct lclone_chain_extent held;
	u32 failed;			/* level that the last error is of */
	struct {
		struct lclone_extents extents;
		struct lclone_extent at;
		bool ended;
	} level[LCLONE_CHAIN_MAX];
};

void lclone_chain_extents_init(struct lclone_chain_extents *x, struct lclone_chain *chain,
			       u32 levels, u64 sector, u64 sectors);
/* 1: *extent was set. 0: no more. Else a negative errno, see x->failed. */
int lclone_chain_extents_next(struct lclone_chain_extents *x, struct lclone_chain_extent *extent);

/*
 * Reads the clone; @base: NULL if it has none.  0, or a negative errno with the sentence in
 * lclone_why().
 */
int lclone_chain_read(struct lclone_chain *chain, const struct lclone_file *base, void *buf,
		      u64 sector, u32 count);

#endif /* LCLONE_CHAIN_H */
