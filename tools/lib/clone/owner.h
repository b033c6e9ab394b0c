/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which host has a delta open for writing, by the note in its superblock: one that another host has
 * is left alone, unless the user says that it may be taken over.  A note is no lock.
 */
#ifndef LCLONE_CLONE_OWNER_H
#define LCLONE_CLONE_OWNER_H

#include <errno.h>

#include "format/layer.h"

#define LCLONE_OWNED	EREMOTE		/* the errno of that, of nothing else */

/* A host's name, and since when: "host-a since 2026-01-31 12:00:00"; "" without a note */
#define LCLONE_OWNER_TEXT_SIZE	(LCLONE_HOST_NAME_MAX + 48)
const char *lclone_owner_text(const struct lclone_sb *sb, char text[LCLONE_OWNER_TEXT_SIZE]);

/* The name alone, "" without a note */
void lclone_owner_name(const struct lclone_sb *sb, char name[LCLONE_HOST_NAME_MAX + 1]);

/* Is there a note, and is it another host's?  A host without machine-id has none itself. */
bool lclone_owned_elsewhere(const struct lclone_sb *sb);

/* Asks whether @path may be taken over from who has it: 0, or a negative errno with a sentence. */
typedef int (*lclone_takeover_fn)(const char *path, const char *owner);

/*
 * From here on what another host has is not refused by lclone_refuse_owned(); @ask is asked for
 * each of them first.  NULL: not.
 */
void lclone_take_over(lclone_takeover_fn ask);

/*
 * Nor is what this host alone has by a lock of LVM's: see lv-lock.h.
 *
 * -LCLONE_OWNED with the sentence in lclone_why() if another host has it and may keep it, or 0
 */
int lclone_refuse_owned(const char *path, const struct lclone_sb *sb);

#endif /* LCLONE_CLONE_OWNER_H */
