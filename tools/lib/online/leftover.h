/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Volumes of layers that a clone had, and nothing needs any more: a flatten was to remove them, and
 * has ended with the machine.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_LEFTOVER_H
#define LCLONE_LEFTOVER_H

#include "host/lv.h"

struct lclone_leftovers {
	struct lclone_lv *lv;		/* what lies on others before these; lv->layer had it */
	size_t count;
};

/*
 * None if it cannot be told, as some delta, or the layer of one, is not there to be looked at; and
 * none of a clone whose own delta is not.  They are for lclone_volume_free().  To be freed in any
 * case.
 */
int lclone_leftovers_read(struct lclone_leftovers *leftovers);
void lclone_leftovers_free(struct lclone_leftovers *leftovers);

#endif /* LCLONE_LEFTOVER_H */
