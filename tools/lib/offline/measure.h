/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can be done with a clone, and what it takes.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_MEASURE_H
#define LCLONE_MEASURE_H

#include "clone/inventory.h"

#define PLANS_MAX	3

/* One of the things that can be done */
struct plan {
	const char *name, *what;
	u64 copy;			/* bytes that are read and written */
	u64 zero;			/* bytes that are zeroed */
	u64 space, available;		/* bytes of which device, see what; UINT64_MAX: not known */
	double seconds;			/* at least, as fast as devices can be read now */
};

/*
 * Measures the clone of @base ("-": none) and the delta, which may be active. Returns how many
 * plans there are.
 */
int lclone_measure(const char *base, const char *delta, const struct lclone_parents *parents,
		   struct plan plan[PLANS_MAX]);

#endif /* LCLONE_MEASURE_H */
