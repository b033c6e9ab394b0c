/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device-mapper devices of target lclone, through libdevmapper.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 * When the kernel refuses something, that is the kernel's own sentence.
 */
#ifndef LCLONE_DM_H
#define LCLONE_DM_H

#include "host/pending.h"

#define LCLONE_NAME_SIZE	128

struct lclone_clone {
	char name[LCLONE_NAME_SIZE];
	u64 sectors;			/* length of the table */
	bool suspended;
	bool read_only;			/* the dm device */
	int open_count;
	char params[LCLONE_PARAMS_SIZE];
	struct lclone_table table;	/* base and delta as major:minor */
};

/* Silences libdevmapper; its messages become part of our sentences. */
void lclone_dm_init(void);

/* 0, or -EINVAL for a name that device-mapper would not take as it is. */
int lclone_dm_check_name(const char *name);

int lclone_dm_create(const char *name, u64 sectors, const char *params, bool read_only);
/* What a user calls a clone: its name, or /dev/mapper/ and its name */
const char *lclone_dm_name(const char *text);

/* A merge ends with such a device: linear, on the start of another, made by none of dm's users. */
bool lclone_dm_is_disk(const char *name, int *open_count);

int lclone_dm_remove(const char *name);
int lclone_dm_message(const char *name, const char *message);

/*
 * Loads a new table for @old, suspends without flushing and resumes: the device
 * keeps its users, who had to wait for *pause_ms.  If the new table cannot be
 * resumed, @old goes on as it was.  -ECANCELED if its table is not @old's any more;
 * -EINTR if a signal came before anything was changed: later ones are held back.
 * What was begun stays noted until lclone_pending_end().
 */
int lclone_dm_switch(const struct lclone_clone *old, const char *target, u64 sectors,
		     const char *params, double *pause_ms);

/*
 * Ends what a killed command has left of a switch, or of the device's making, and
 * waits for one that is at it.  Without a note nothing was begun by us.  1: what is
 * noted in @pending has been done, and what its command would have done after it may
 * not; 2: only what is in between; 0: nothing of the kind.
 */
int lclone_dm_settle(const char *name, struct lclone_pending *pending);

/* Notes that the clone is opened with this table, or, with it, closed. */
int lclone_dm_begin(const char *name, u64 sectors, const char *params, bool opens);

/* A noted line: sectors, params and table of @clone. -EPROTO if it is none. */
int lclone_dm_line(const char *line, struct lclone_clone *clone, char target[32]);

/* -ENXIO if there is no such device, -ENOTTY if it is none of target lclone. */
int lclone_dm_get(const char *name, struct lclone_clone *clone);
int lclone_dm_status(const char *name, struct lclone_status *status);

/*
 * All clones: an array to be freed, in order of their names. Calls @unseen, as long as that
 * returns 0, for what may be one and could not be looked at; @why ends a sentence.
 */
int lclone_dm_list(struct lclone_clone **clones, size_t *count,
		   int (*unseen)(const char *name, const char *why, void *ctx), void *ctx);

#endif /* LCLONE_DM_H */
