/* SPDX-License-Identifier: GPL-2.0-only */
/* Time that passes, whatever somebody sets the time of day to */
#ifndef LCLONE_CLOCK_H
#define LCLONE_CLOCK_H

#include <time.h>

#include "lclone_format.h"

static inline double lclone_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static inline u64 lclone_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

#endif /* LCLONE_CLOCK_H */
