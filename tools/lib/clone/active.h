/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The delta of an active clone, to be looked at while that goes on.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_ACTIVE_H
#define LCLONE_ACTIVE_H

#include "format/moment.h"
#include "host/file.h"

/*
 * A delta that is only looked at, and may be active: the clone commits, its metadata are read
 * as of one moment after that, and @file is not locked any more.  They are to be read from *dev.
 * If the clone cannot commit, @stale is told why, and what was committed before is looked at;
 * without @stale (NULL) that is an error.  Close @file, and free @moment, in any case.
 */
int lclone_open_delta_file_now(const char *path, void (*stale)(const char *why),
			       struct lclone_file *file, struct lclone_moment *moment,
			       const struct lclone_dev **dev);

#endif /* LCLONE_ACTIVE_H */
