/* SPDX-License-Identifier: GPL-2.0-only */
/* A list of names for a sentence */
#ifndef LCLONE_NAMES_H
#define LCLONE_NAMES_H

#include <stddef.h>

#define LCLONE_NAMES	4	/* that are told */

struct lclone_names {
	char text[1024];
	size_t count, len;
};

/* One more; only the first LCLONE_NAMES are told, and that there are others. @n is 0 before. */
void lclone_add_name(struct lclone_names *n, const char *name);

#endif /* LCLONE_NAMES_H */
