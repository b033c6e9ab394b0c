/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is told of volumes that a clone does not need any more.
 */
#ifndef LCLONE_UI_VOLUMES_H
#define LCLONE_UI_VOLUMES_H

#include "online/volume.h"

/*
 * What has become of a volume: it is removed, or it stays, and @why ("": it was asked for).  @quiet:
 * a bool, or NULL.  It is what lib/online calls for each.
 */
void tell_volume(void *quiet, const char *path, const char *why);

/*
 * Frees what @clone has dropped, or (@keep) not, and says what has become of each, but not if it is
 * @quiet.
 */
void free_volumes(const struct dropped *dropped, const char *clone, bool keep, bool quiet);

/*
 * The same of the delta of a clone that was merged; "": a run that was killed has wiped it, and
 * the clone's name tells which it was.
 */
void free_merged(const char *clone, const char *delta, bool keep, bool quiet);

/* Before that: what would become of it */
void tell_free(const char *delta, bool keep);

#endif /* LCLONE_UI_VOLUMES_H */
