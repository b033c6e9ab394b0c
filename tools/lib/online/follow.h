/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is written down of a clone goes with it when its table was exchanged: its line in
 * lclonetab(5), and the tags of its volumes of LVM.  Else it would not be found at the next boot.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_FOLLOW_H
#define LCLONE_FOLLOW_H

#include "host/dm.h"
#include "host/tab.h"

/*
 * The clone, which was @before, has another table: if its line named the delta of before, it
 * names what the table does now; a clone that is a linear device has none any more, and then
 * *removed is true, which may be NULL.  @device is what the user calls the new delta or base, or
 * NULL.  -ECANCELED: the clone is what it has become, but not all of that could be written
 * down, and no note is left of it; the sentence has the line that is missing.
 */
int lclone_follow(const struct lclone_clone *before, const char *device, bool *removed);

/* The delta on @delta, of a clone that is not active, has got another base: so has its line. */
int lclone_follow_base(const char *delta, const char *base);

/*
 * The layer or delta on @upper was merged into the layer on @lower, and is nobody's any more: lines
 * do not name it.  And, when it is wiped, the lower one's volume has the tags that it had; NULL:
 * it is not there any more.
 */
int lclone_follow_merged(const char *upper, const char *lower);
int lclone_follow_merged_tags(const char *upper, const char *lower);

/*
 * Is @delta, which lclonetab(5), or a tag, names as that of the clone @name, a sealed layer?  Then
 * lclone_why() says so, and which delta may have taken its place.
 */
bool lclone_names_layer(const char *name, const char *delta, bool by_tag);

/*
 * Does the line name a base, or layers, that the clone, as its label says, lies on no more?  A run
 * has ended with the machine then, after a flatten, and before it had written that down.  @now is
 * what the line has to be, and is, if it could be written: valid until the next call that says yes.
 */
bool lclone_follow_late(const struct lclone_tab_entry *entry, struct lclone_tab_entry *now);

#endif /* LCLONE_FOLLOW_H */
