// SPDX-License-Identifier: GPL-2.0-only
/* The owner note in a delta's superblock: which host has it open for writing. */
#include "note.h"

int lclone_note_check(struct lclone *t, const struct lclone_sb *sb)
{
	const struct lclone_delta *d = t->delta;
	time64_t since = sb->owned_since;

	if (!lclone_is_owned(sb) || t->takeover || READ_ONCE(d->super.noted) ||
	    (t->owner[0] && lclone_owner_same(t->owner, sb->owner)))
		return 0;
	DMERR("%s: host %s has it open for writing since %ptT UTC, and has not closed it",
	      d->dev.name, sb->owner, &since);
	return lclone_refuse(t, -EBUSY, t->owner[0] ?
		"Another host has the delta open, see the log: only \"takeover\" opens it" :
		"A host has the delta open, see the log: its \"owner\" or \"takeover\" opens it");
}

void lclone_note_put(struct lclone *t, struct lclone_sb *sb)
{
	lockdep_assert_held(&t->delta->super.tree_lock);
	if (!t->owner[0])
		lclone_owner_clear(sb);
	else if (!t->delta->super.noted || strcmp(sb->owner, t->owner))
		lclone_owner_note(sb, t->owner, ktime_get_real_seconds());
}

void lclone_note_drop(struct lclone_delta *d)
{
	struct lclone_sb sb;
	int err = lclone_super_changed(&d->super);

	mutex_lock(&d->super.tree_lock);
	if (!err && (d->super.degraded || d->super.activated))
		err = -EIO;
	if (!err) {
		sb = d->super.sb;
		lclone_owner_clear(&sb);
		if (lclone_log_is_ended(&d->super.sb))
			lclone_log_set_ended(&sb);
		err = lclone_sb_write(&d->super, &sb);
	}
	WRITE_ONCE(d->super.noted, false);
	mutex_unlock(&d->super.tree_lock);
	if (err)
		DMWARN("%s: not closed cleanly, or another host's now: the note of its owner stays",
		       d->dev.name);
}
