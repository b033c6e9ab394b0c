/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Superblocks of a delta on a device or file: format, update, wipe, which want it open with
 * O_RDWR and O_EXCL, so that nobody else writes it; and a look.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_SUPER_H
#define LCLONE_SUPER_H

#include "format/delta.h"
#include "host/file.h"

struct lclone_format_options {
	u64 virtual_sectors;		/* 0: the parent's, or the base's */
	u32 chunk_sectors;		/* 0: the parent's, or the default */
	const char *label;		/* or NULL */
	const u8 *uuid;			/* of the delta; NULL: a new one */
	const struct lclone_sb *parent;	/* the sealed layer that it will lie on, or NULL */
	const u8 *base_root;		/* of the base's verity tree; NULL: the parent's, or none */
	u32 block_size;			/* logical, the largest of that and the layers below it */
};

/*
 * Formats @delta over @base (NULL: over nothing) and fills in @sb with what was
 * written.  Nothing is written if anything is wrong with sizes or options.
 * A crash in between leaves a device that is blank or one whose format can be
 * started again: slot A is wiped first and written last.
 */
int lclone_format(struct lclone_file *delta, struct lclone_file *base,
		  const struct lclone_format_options *options, struct lclone_sb *sb);

/* The two steps of it, for who wants to say more in @sb: the checks, and what is written. */
int lclone_new_super(struct lclone_file *delta, struct lclone_file *base,
		     const struct lclone_format_options *options, struct lclone_sb *sb);
int lclone_super_format(struct lclone_file *delta, struct lclone_sb *sb);

/*
 * Writes @sb, which is the newest with changes, to the slot of the next
 * sequence number.  On return it is durable and @sb has the new number.  -EPROTONOSUPPORT,
 * and nothing is written, if it has features that this version must not write to; -EBUSY, if
 * @sb is not the newest any more.  A sealed one gets no owner note.
 */
int lclone_super_write(struct lclone_file *delta, struct lclone_sb *sb);

/* -ERANGE if a clone of so many sectors cannot have logical blocks of so many bytes. */
int lclone_size_fits(u64 sectors, u32 block_size);

/*
 * What lclone_delta_open_sb() has returned is no answer if the disk has given none: then that is
 * the error, else 0.
 */
int lclone_refuse_unread(const char *path, const struct lclone_delta *delta, int err);

/* The superblock of the delta on a device, which may be in use. */
int lclone_sb_of(const char *path, struct lclone_sb *sb);

/* Wipes both slots, the one that is chosen last. Afterwards this is no delta. */
int lclone_super_wipe(struct lclone_file *delta);

#endif /* LCLONE_SUPER_H */
