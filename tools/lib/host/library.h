/* SPDX-License-Identifier: GPL-2.0-only */
/* Libraries that only some commands need: these load them, and they need not be installed. */
#ifndef LCLONE_LIBRARY_H
#define LCLONE_LIBRARY_H

#include <stddef.h>

struct lclone_library {
	const char *file, *package;
	const char *what;		/* needs it, as the beginning of a sentence */
	void *handle;			/* NULL until it is loaded */
};

/* A function of it, and the pointer to be set */
struct lclone_symbol {
	const char *name;
	void *to;
};

/* Nothing is done if it is loaded.  -EPROTONOSUPPORT: it is not there, or has not all of these. */
int lclone_library_load(struct lclone_library *lib, const struct lclone_symbol *symbols,
			size_t count);

#endif /* LCLONE_LIBRARY_H */
