/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text for people and programs to read: from a disk, where it may be anything; and sizes.
 */
#ifndef LCLONE_TEXT_H
#define LCLONE_TEXT_H

#include <stddef.h>

#include "lclone_format.h"

/*
 * UTF-8 for JSON: bytes that are none become \xNN.  json-c escapes control characters, but lets
 * everything else through.  Cut at a character's end if @size is too small; returns @to.
 */
char *lclone_text_utf8(char *to, size_t size, const char *from);

/* The same for a terminal: control characters, too. */
char *lclone_text_plain(char *to, size_t size, const char *from);

/* Bytes for people, in MiB or a larger unit: "12.5 MiB", "1.20 TiB" */
const char *lclone_size_text(u64 bytes, char text[16]);

/*
 * The same of sectors, and exact, for who has to compare two: "16 MiB", "3584 MiB", or
 * "16777728 bytes".  The text of the macro lasts as long as the block that it is in.
 */
#define LCLONE_EXACT_SIZE	32
const char *lclone_exact_size(u64 sectors, char text[LCLONE_EXACT_SIZE]);
#define LCLONE_SIZE(sectors)	lclone_exact_size(sectors, (char[LCLONE_EXACT_SIZE]){ "" })

/* A time in seconds since 1970 as people here write it; "" if it is 0, which is not known. */
#define LCLONE_TIME_SIZE	32
void lclone_time_text(u64 seconds, char text[LCLONE_TIME_SIZE]);

#endif /* LCLONE_TEXT_H */
