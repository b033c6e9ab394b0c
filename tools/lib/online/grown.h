/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A base that was enlarged since the delta was made on it, see base.h, is accepted.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_GROWN_H
#define LCLONE_GROWN_H

#include "host/dm.h"
#include "host/file.h"

/* Records it in a delta that is not active; nothing is done if the size is the same. */
int lclone_accept_base(const char *delta_path, const char *base_path);
/* ... of a clone that is; @clone is read again. @base is NULL if it is not open. */
int lclone_accept_base_online(struct lclone_clone *clone, struct lclone_file *base);

#endif /* LCLONE_GROWN_H */
