/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What format and create say of a new delta.
 */
#ifndef LCLONE_UI_FORMAT_H
#define LCLONE_UI_FORMAT_H

#include "lclone_format.h"

/* Size, chunks and uuid of @delta, whose superblock is @sb */
void print_formatted(const char *delta, const struct lclone_sb *sb);

#endif /* LCLONE_UI_FORMAT_H */
