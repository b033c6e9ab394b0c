/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is going to be overwritten, and must not be needed by anybody.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_OVERWRITE_H
#define LCLONE_OVERWRITE_H

#include "clone/inventory.h"
#include "host/file.h"

/*
 * -EADDRINUSE if something is on the device that would be lost, unless @force;
 * -EBUSY if it is a layer that others depend on.
 * @inv is read if need be, and can be used again; NULL: for this only.
 */
int lclone_may_overwrite(const struct lclone_file *file, bool force, struct lclone_inventory *inv);

/* -EADDRINUSE if something is on a device that was made anew, and on which nothing can depend. */
int lclone_must_be_blank(const struct lclone_file *file);

#endif /* LCLONE_OVERWRITE_H */
