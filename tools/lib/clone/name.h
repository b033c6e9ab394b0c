/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A clone by its name, active or not: what its table says, else lclonetab(5), else the tags of
 * volumes of LVM, else the labels of deltas.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_NAME_H
#define LCLONE_NAME_H

#include "clone/inventory.h"
#include "host/lv.h"
#include "host/tab.h"

struct lclone_named {
	char name[LCLONE_NAME_SIZE];
	char base[PATH_MAX];		/* "-" if it has none; "" if it is not known ... */
	struct lclone_names may;	/* ... and then what it may be */
	char delta[PATH_MAX];
	bool active;
	bool has_lv;			/* the delta is on a volume that was made for it ... */
	struct lclone_lv lv;
	struct lclone_lv *lvs;		/* all of ours, as LVM was asked once */
	size_t lv_count;
	struct lclone_tab tab;		/* all of it ... */
	const struct lclone_tab_entry *entry;	/* ... and its line there, or NULL */
};

/*
 * -ENXIO if there is no such clone; -ESTALE if there are several. Nothing is activated.  To be
 * freed by lclone_named_free() in any case.
 */
int lclone_name_find(const char *name, struct lclone_named *named);
void lclone_named_free(struct lclone_named *named);

/*
 * Activates the volumes of LVM that are ours, of its delta and its template, if need be. A base that
 * neither lclonetab nor tags name is the one that the delta has recorded; it stays "" if that is not
 * found, or may be several: lclone_no_base() says so.
 */
int lclone_named_activate(struct lclone_named *named);

/* Adds the layers that a line of lclonetab names: their paths are valid until the next call. */
int lclone_entry_parents(const struct lclone_tab_entry *entry, struct lclone_parents *parents);

#endif /* LCLONE_NAME_H */
