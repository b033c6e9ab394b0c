/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A delta on the device or file that it is on, which is nobody else's meanwhile.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_DELTA_FILE_H
#define LCLONE_DELTA_FILE_H

#include "format/delta.h"
#include "host/file.h"

/*
 * The delta of a device or file.  -EBUSY if it is active, -EMEDIUMTYPE if it is
 * none, else as lclone_delta_open().  Close both in any case.  With O_RDONLY other readers may have
 * it, too, but with O_EXCL nobody else.  A sealed layer, which does not change, can be read while
 * it is in use, also with O_EXCL.
 */
int lclone_open_delta(const char *path, int flags, struct lclone_file *file,
		      struct lclone_delta *delta);
void lclone_close_delta(struct lclone_file *file, struct lclone_delta *delta);

/* The file of lclone_open_delta() alone */
int lclone_open_delta_file(const char *path, int flags, struct lclone_file *file);

/* The delta on @dev, which is that of @path, or what is in memory of it */
int lclone_open_delta_on(const char *path, const struct lclone_dev *dev,
			 struct lclone_delta *delta);

/* -EUCLEAN, -EPROTONOSUPPORT or -EBUSY if the delta can be read, but must not be written. */
int lclone_check_writable(const struct lclone_delta *delta, const char *path);

/* Nobody may open it any more: the clone @name has gone on without it. */
int lclone_abandon_delta(const char *path);

#endif /* LCLONE_DELTA_FILE_H */
