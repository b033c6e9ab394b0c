/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The deltas of this host, and who lies on whom.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_INVENTORY_H
#define LCLONE_INVENTORY_H

#include <limits.h>
#include <sys/types.h>

#include "basic/names.h"
#include "format/delta.h"
#include "host/dm.h"
#include "host/lv.h"

/* Devices that a user has named as layers, in any order */
struct lclone_parents {
	u32 count;
	const char *path[LCLONE_LAYERS_MAX];
};

/* -ERANGE if there are too many. @path must outlive it. */
int lclone_add_parent(struct lclone_parents *parents, const char *path);

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

/* Of a list the volume that the delta is on, active or not; NULL: none of these */
const struct lclone_lv *lclone_found_volume(const struct lclone_found *found,
					    const struct lclone_lv *lvs, size_t count);

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
 * @inv is read, and can be used again; NULL: for this only.
 */
int lclone_refuse_depended(const char *path, const struct lclone_sb *sb,
			   struct lclone_inventory *inv);

/*
 * The same for what is on a device that is going to be overwritten, of which
 * lclone_delta_open_sb() has returned @err; and for what a half merged base is nothing without.
 */
int lclone_refuse_loss(const char *path, const struct lclone_delta *delta, int err,
		       struct lclone_inventory *inv);

/* The same for others than @child, on the device @rdev; and -ESTALE if there is a copy of that. */
int lclone_refuse_others(struct lclone_inventory *inv, const char *path,
			 const struct lclone_sb *sb, const struct lclone_sb *child, dev_t rdev);

/* The delta that has taken over all that @sb has, and its identity; NULL if there is none. */
const struct lclone_found *lclone_left_over_by(const struct lclone_inventory *inv,
					       const struct lclone_sb *sb);

#endif /* LCLONE_INVENTORY_H */
