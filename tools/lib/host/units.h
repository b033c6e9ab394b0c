/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Units of systemd for the entries of lclonetab(5), as its generators write them: a service for
 * each clone, which whatever needs /dev/mapper/NAME starts, and which lclone.target starts at
 * boot.
 */
#ifndef LCLONE_UNITS_H
#define LCLONE_UNITS_H

#include "host/tab.h"

/*
 * Writes them to the directory @dir; @program is the path of lclone.  What cannot be written of
 * an entry is told to @bad, and the others are written.  0, or a negative errno with the sentence
 * in lclone_why() if one was not.
 */
int lclone_units_write(const struct lclone_tab *tab, const char *dir, const char *program,
		       lclone_tab_bad_fn bad, void *ctx);

#endif /* LCLONE_UNITS_H */
