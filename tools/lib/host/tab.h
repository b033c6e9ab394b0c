/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lclonetab(5): which clones are activated at boot, and how.
 *
 * A line is "NAME BASE|- DELTA [OPTIONS]"; in its fields \040 and other octal numbers stand for
 * what would end them.  It is said of each broken line what is wrong with it, and the others
 * count all the same.  What is changed here is one line at a time; comments, and lines that are
 * not understood, stay as they are.  Who reads sees the file of before or of after a change.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_TAB_H
#define LCLONE_TAB_H

#include <limits.h>
#include <stddef.h>

#include "host/target.h"

#define LCLONE_TAB	"/etc/lclonetab"

struct lclone_tab_entry {
	const char *name;
	const char *base;		/* "-": none */
	const char *delta;
	const char *options;		/* words with a comma in between; "" for none */

	/* What @options say, when it has been read */
	bool nofail;			/* the boot does not wait for it */
	bool noauto;			/* not activated at boot */
	bool netdev;			/* its devices need the network */
	bool shared;			/* its volumes are in a group that other hosts use, too */
	bool host;			/* the host itself mounts it */
	struct lclone_features features;
	unsigned int line;
};

struct lclone_tab {
	struct lclone_tab_entry *entry;	/* in the file's order */
	size_t count;
	char *text;			/* that the entries point to */
};

/* Told of each line that does not count: its number from 1, and a sentence */
typedef void (*lclone_tab_bad_fn)(unsigned int line, const char *reason, void *ctx);

/* LCLONE_TAB, or what the environment's LCLONE_TAB names, for tests. */
const char *lclone_tab_path(void);

/*
 * All entries; a file that is not there has none.  @bad may be NULL.  To be freed by
 * lclone_tab_free() also if this fails.
 */
int lclone_tab_read(struct lclone_tab *tab, lclone_tab_bad_fn bad, void *ctx);
void lclone_tab_free(struct lclone_tab *tab);

/* NULL: there is none of that name. It goes with @tab. */
const struct lclone_tab_entry *lclone_tab_find(const struct lclone_tab *tab, const char *name);

/*
 * The next of its options "parent=DEVICE", which go from bottom to top or in any order.  *@at is
 * NULL at first.  False: there is none any more.
 */
bool lclone_tab_parent(const struct lclone_tab_entry *entry, const char **at,
		       char device[PATH_MAX]);

/*
 * Adds @count entries, of which name, base, delta and options are looked at, at the end of the
 * file, which is made if it is not there: all of them or none.  -EEXIST: a line has the name
 * or the delta already, be it a broken one; -EINVAL: such a line would be broken.
 */
int lclone_tab_add(const struct lclone_tab_entry *entry, size_t count);

/*
 * The options of a line, without those parents of which @stays is false, and with @above, if it is
 * not NULL, as one more; and shared if @entry->shared is set.  To be freed; NULL, with a sentence,
 * without memory.
 */
char *lclone_tab_options(const struct lclone_tab_entry *entry,
			 bool (*stays)(const char *device, void *ctx), void *ctx,
			 const char *above);

/* The line of an entry for people, with blanks, and without its end.  To be freed; or NULL. */
char *lclone_tab_line(const struct lclone_tab_entry *entry);

/* The line of that name becomes this one; -ENOENT if there is none. */
int lclone_tab_replace(const struct lclone_tab_entry *entry);

/*
 * No line has any of these names afterwards, all in one step.  -ENOENT if that was so before of
 * one of them, and nothing is changed.
 */
int lclone_tab_remove(const char *const *name, size_t count);

#endif /* LCLONE_TAB_H */
