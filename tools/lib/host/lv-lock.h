/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Volumes of groups that several hosts share, by lvmlockd: LVM activates one there only when it
 * gets a lock, and has that as long as the volume is active.  Alone: no other host has it active;
 * together: any number of them may, with the same kind of lock.  Who writes to a volume has it
 * alone: the delta of a clone, what is merged into, and what a command changes or removes.
 * Bases and layers are had together.
 *
 * What a run has activated, and nobody uses at its end, it deactivates, and so gives the lock
 * back; what it has had alone, and clones only read from then on, they have together.  If another
 * run uses the volume at that moment, that one does so at its end.  A volume that a user has
 * activated, and that has none of our tags, stays active.
 *
 * In groups that are not shared nothing of all that is done, and no program is asked whether one
 * is.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_LV_LOCK_H
#define LCLONE_LV_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

#include "host/dm.h"

/* Is it a group of which lvmlockd has the locks on this host? */
bool lclone_vg_is_shared(const char *vg);

/* The group of a volume, and its name there, as that of its device has both; -ENXIO: it is none. */
int lclone_lv_names(dev_t rdev, char vg[LCLONE_NAME_SIZE], char lv[LCLONE_NAME_SIZE]);

/*
 * A volume of a shared group becomes active, or stays so.  -EBUSY: another host has it.  Who has
 * not asked for it alone gets it at least together.
 */
int lclone_lv_have(const char *vg, const char *lv, bool alone);

/*
 * The same of "/dev/GROUP/VOLUME"; what is in no group that is shared only has to be there.
 * -EAGAIN: it is not, or lvmlockd does not have the group yet.
 */
int lclone_lv_have_path(const char *path, bool alone);

/* The volume on a device, which is active, is had alone; nothing is done if there is none. */
int lclone_lv_have_alone(dev_t rdev);

/* Has this run got it so?  Then no other host has it open, whatever that may have noted. */
bool lclone_lv_is_alone(dev_t rdev);

/* LVM has made it in this run, so that it is active, and had alone. */
void lclone_lv_made(const char *vg, const char *lv);

/* The device, which is about to go, does not need any more what it lies on. */
void lclone_lv_leave(dev_t rdev);

/* A clone, which goes on, does not write to it any more, or not need it at all. */
void lclone_lv_let_go(dev_t rdev);

/* At the end of a run: what it has got, and nobody needs so any more, is given back. */
int lclone_lv_give_back(void);

#endif /* LCLONE_LV_LOCK_H */
