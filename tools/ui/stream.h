/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What send and receive show: how far they are, and what it was.
 */
#ifndef LCLONE_UI_STREAM_H
#define LCLONE_UI_STREAM_H

#include "lclone_format.h"

/* For struct lclone_watch; @ctx is a meter. */
int show_stream(void *ctx, const char *phase, u64 done, u64 total);

/* @what was done with the changes from one layer to another ("": from nothing), in bytes. */
void tell_stream(const char *what, const char *from, const char *to, u64 data, u64 zeros,
		 bool json);

#endif /* LCLONE_UI_STREAM_H */
