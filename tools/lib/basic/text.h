/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text from a disk, which may be anything, for people and programs to read.
 */
#ifndef LCLONE_TEXT_H
#define LCLONE_TEXT_H

#include <stddef.h>

/*
 * UTF-8 for JSON: bytes that are none become \xNN.  json-c escapes control characters, but lets
 * everything else through.  Cut at a character's end if @size is too small; returns @to.
 */
char *lclone_text_utf8(char *to, size_t size, const char *from);

/* The same for a terminal: control characters, too. */
char *lclone_text_plain(char *to, size_t size, const char *from);

#endif /* LCLONE_TEXT_H */
