/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FUZZ_MUST_H
#define FUZZ_MUST_H

#include <stdio.h>
#include <stdlib.h>

/* A property that every input must have: its loss is a crash, which the fuzzer reports. */
#define MUST(cond)							\
	do {								\
		if (!(cond)) {						\
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
			abort();					\
		}							\
	} while (0)

#endif /* FUZZ_MUST_H */
