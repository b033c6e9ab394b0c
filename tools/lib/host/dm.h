/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device-mapper devices of target lclone, through libdevmapper.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 * When the kernel refuses something, that is the kernel's own sentence.
 */
#ifndef LCLONE_DM_H
#define LCLONE_DM_H

#include <sys/types.h>

#include "host/target.h"

#define LCLONE_NAME_SIZE	128

struct lclone_clone {
	char name[LCLONE_NAME_SIZE];
	dev_t rdev;
	u64 sectors;			/* length of the table */
	bool suspended;
	bool read_only;			/* the dm device */
	int open_count;
	char params[LCLONE_PARAMS_SIZE];
	struct lclone_table table;	/* base and delta as major:minor */
};

/* 0, or -EINVAL for a name that device-mapper would not take as it is. */
int lclone_dm_check_name(const char *name);

/*
 * The uuid of a clone's device, by which udev's rules know it; @host: the host itself mounts it,
 * else it is a guest's, and the host does not look into it.
 */
#define LCLONE_DM_UUID		"LCLONE-"
#define LCLONE_DM_UUID_SIZE	64
void lclone_dm_uuid(char uuid[LCLONE_DM_UUID_SIZE], const u8 *delta_uuid, bool host);

/* How the uuid of a device begins that shows a base, verified, to the clones of this host */
#define LCLONE_VERITY_UUID	LCLONE_DM_UUID "VERITY-"

/* The device that has this uuid; -ENXIO if there is none. */
int lclone_dm_with_uuid(const char *uuid, char name[LCLONE_NAME_SIZE]);

/* A device with this table, whose node is there when it returns; @sectors is its length. */
int lclone_dm_create(const char *name, const char *uuid, u64 sectors, const char *params,
		     bool read_only);
/* The same of another target, read-only */
int lclone_dm_create_other(const char *name, const char *uuid, u64 sectors, const char *target,
			   const char *params);
/* The device goes as soon as nobody has it open any more, however that comes. */
int lclone_dm_remove_later(const char *name);
/* What a user calls a clone: its name, or /dev/mapper/ and its name */
const char *lclone_dm_name(const char *text);

/* The device goes, and its node; -EBUSY if it is open. */
int lclone_dm_remove(const char *name);
/* What the target may be told, see dm-lclone.rst; returns when it has done that. */
int lclone_dm_message(const char *name, const char *message);

/* -ENXIO if there is no such device, -ENOTTY if it is none of target lclone. */
int lclone_dm_get(const char *name, struct lclone_clone *clone);
int lclone_dm_status(const char *name, struct lclone_status *status);

/*
 * All clones: an array to be freed, in order of their names. Calls @unseen, as long as that
 * returns 0, for what may be one and could not be looked at; @why ends a sentence.
 */
int lclone_dm_list(struct lclone_clone **clones, size_t *count,
		   int (*unseen)(const char *name, const char *why, void *ctx), void *ctx);

/* 0 if @name is legal and free. */
int lclone_check_free_name(const char *name);

#endif /* LCLONE_DM_H */
