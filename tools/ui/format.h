/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What format and create say of a new delta.
 */
#ifndef LCLONE_UI_FORMAT_H
#define LCLONE_UI_FORMAT_H

#include "clone/make.h"

/* format_delta(), which says what it has made. */
int format_and_tell(const char *base, const char *delta, const struct format_arguments *args);

#endif /* LCLONE_UI_FORMAT_H */
