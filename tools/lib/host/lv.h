/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Logical volumes that are ours, made and removed by LVM's own programs, whose messages tell the
 * user what is wrong.  Their tags, see "Names" in lclone(8), say what superblocks do, for
 * volumes that are not active; and which volume is a template, which has no superblock.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_LV_H
#define LCLONE_LV_H

#include "format/verity.h"
#include "host/dm.h"

enum lclone_lv_kind {
	LCLONE_LV_DELTA,
	LCLONE_LV_BASE,			/* a template, which is not written any more */
	LCLONE_LV_FILLING,		/* one that is not whole yet */
	LCLONE_LV_TARGET,		/* what a clone is copied to, which will be its disk, or go again */
	LCLONE_LV_VERITY,		/* the verity tree of a base, whole if it has a root hash */
	LCLONE_LV_NONE,			/* it has none of our tags that say what it is for */
};

#define LCLONE_LV_ID_SIZE	39	/* Of text: abcdef-0123-4567-89ab-cdef-0123-456789 */

struct lclone_lv {
	char vg[LCLONE_NAME_SIZE], lv[LCLONE_NAME_SIZE];
	u64 sectors;			/* rounded up by LVM to what it has */
	enum lclone_lv_kind kind;
	char name[LCLONE_NAME_SIZE];	/* of the clone, the template, or the base that a tree is of */
	char uuid[37];			/* of a delta, or "" */
	char from[LCLONE_NAME_SIZE];	/* the template of a delta, or "" */
	char layer[LCLONE_NAME_SIZE];	/* of this clone it is a layer, or "" */
	char snapshot[LCLONE_NAME_SIZE];	/* and of this name, or "" */
	char root[LCLONE_ROOT_TEXT];	/* the root hash of a tree, or "" */
	char of[LCLONE_LV_ID_SIZE];	/* the id of the volume that a tree is of, or "" */
	bool given;			/* by who made it: it is not ours to remove */
	/* As listed */
	char id[LCLONE_LV_ID_SIZE];	/* LVM's own, which no other volume of the group ever has */
	bool active, read_only;
	bool origin;			/* of snapshots that LVM has made, and would remove with it */
	bool is_new;			/* a delta that is not kept yet */
};

/* A template, or what is to be one */
bool lclone_lv_is_base(const struct lclone_lv *lv);

#define LCLONE_LV_PATH_SIZE	(2 * LCLONE_NAME_SIZE + 8)
#define LCLONE_LV_CHANGES_SIZE	2048

/* /dev/VG/LV */
void lclone_lv_path(const struct lclone_lv *lv, char path[LCLONE_LV_PATH_SIZE]);

/* -ERANGE if LVM would not take the word as the name of a volume; @what it is to be. */
int lclone_lv_check_name(const char *what, const char *name);

/* A volume group, also as /dev/VG; -ERANGE if it cannot be one. */
int lclone_lv_set_vg(struct lclone_lv *lv, const char *vg);

/* All that carry our tags, but none of a guest's: an array to be freed. Empty without lvm2. */
int lclone_lv_list(struct lclone_lv **lvs, size_t *count);
/* The same, and all others */
int lclone_lv_list_all(struct lclone_lv **lvs, size_t *count);

/* Of a list the first that has this device (0: none has), or that is of a kind and has a name; NULL */
const struct lclone_lv *lclone_lv_at(const struct lclone_lv *lvs, size_t count, dev_t rdev);
const struct lclone_lv *lclone_lv_named(const struct lclone_lv *lvs, size_t count,
					enum lclone_lv_kind kind, const char *name);

/* A new volume, active; its start is zeroed.  A delta's has a tag, new, until it is kept. */
int lclone_lv_create(const struct lclone_lv *lv);
int lclone_lv_keep(const struct lclone_lv *lv);

/* The volume at @path, which has none of ours, gets the tags of @lv. */
int lclone_lv_add_tags(const struct lclone_lv *lv, const char *path);

/*
 * The volume gets the tags that @now has and it had not, and loses those that @now has not; it is
 * read-only as that is.
 */
int lclone_lv_retag(const struct lclone_lv *was, const struct lclone_lv *now);

/* Those as text, "" if there are none: " -lclone.name=web1 +lclone.layer=web1" */
void lclone_lv_changes(const struct lclone_lv *was, const struct lclone_lv *now,
		       char text[LCLONE_LV_CHANGES_SIZE]);

/* It is nobody's delta any more. */
int lclone_lv_drop_tags(const struct lclone_lv *lv);

/* The first of all of ours of which @is is true; 0, 1 if there is none, or a negative errno. */
int lclone_lv_find(bool (*is)(const struct lclone_lv *lv, const void *ctx), const void *ctx,
		   struct lclone_lv *found);

/* The one that has this device; 0, 1 if that is none of ours, or a negative errno. */
int lclone_lv_of(dev_t rdev, struct lclone_lv *lv);

/* @first, or with a number behind it, from 2 on: what no volume of the group is called */
int lclone_lv_free_name(const char *vg, const char *first, char name[LCLONE_NAME_SIZE]);
/* The same, of a list of all that there are */
int lclone_lv_free_name_of(const struct lclone_lv *lvs, size_t count, const char *vg,
			   const char *first, char name[LCLONE_NAME_SIZE]);

/* -EBUSY if more would go with it than what is ours */
int lclone_lv_refuse_origin(const struct lclone_lv *lv);

/* The volume is gone, if that is not refused; the second: if it was there, and still new. */
int lclone_lv_remove(const struct lclone_lv *lv);
int lclone_lv_remove_new(const struct lclone_lv *lv);

/*
 * The same of many, by one process.  Of those that are made, @made is told to be true; -ECHILD if
 * not all are.
 */
int lclone_lv_create_many(const struct lclone_lv *lvs, size_t count, bool *made);
/* -ECHILD if some are still new. */
int lclone_lv_keep_many(const struct lclone_lv *lvs, size_t count);
/* -ECHILD if some are still there.  None goes that is not new. */
int lclone_lv_remove_new_many(const struct lclone_lv *lvs, size_t count);

/* What was filled is a template from here on, and read-only. */
int lclone_lv_seal(const struct lclone_lv *lv);

/*
 * Nothing is done if it is active.  In a group that hosts share others may have it, too, or (the
 * second) none may: see lv-lock.h.
 */
int lclone_lv_activate(const struct lclone_lv *lv);
int lclone_lv_activate_alone(const struct lclone_lv *lv);

#endif /* LCLONE_LV_H */
