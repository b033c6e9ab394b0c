/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The owner note in a delta's superblock: which host has it open for writing.  It is no lock: two
 * hosts that open a delta at the same time do not see each other's.
 */
#ifndef LCLONE_NOTE_H
#define LCLONE_NOTE_H

#include "lclone.h"
#include "table.h"

/**
 * lclone_note_check() - may a table have its delta, by the note?
 * @t: the table
 * @sb: superblock of the delta
 *
 * A note of this host is what a crash has left.  A table without "owner" does not know which
 * host this is, so that it is only let to deltas that have no note, or one that was put here.
 * Sets ti->error.  Return: 0 or -EBUSY.
 */
int lclone_note_check(struct lclone *t, const struct lclone_sb *sb);

/**
 * lclone_note_put() - put the note that a table wants into a superblock, or no note
 * @t: the table, which is about to write its delta
 * @sb: superblock that will be durable before the first write
 *
 * tree_lock.
 */
void lclone_note_put(struct lclone *t, struct lclone_sb *sb);

/**
 * lclone_note_drop() - a delta is closed: clear its note
 * @d: the delta, which no table has any more
 *
 * The note stays if the delta has met an error, or was not suspended, or if somebody else has
 * written a superblock meanwhile.  Sleeps.
 */
void lclone_note_drop(struct lclone_delta *d);

#endif /* LCLONE_NOTE_H */
