/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What several commands print alike.
 */
#ifndef LCLONE_OUTPUT_H
#define LCLONE_OUTPUT_H

#include <stdio.h>

#include "clone/inventory.h"

/* What a field of JSON says changes only with this; fields are added without. */
#define JSON_VERSION	1

/*
 * Prints a sentence, or a part of one, with names in it as people, or disks, have them: what a
 * terminal would take as more than a letter is shown as \xNN.  A line ends where @fmt does.
 */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void say_to(FILE *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct json_object;

/*
 * Prints an object, or an array of objects, in a @style of json-c, with the version
 * as the last field of each; and frees it.
 */
void put_json(struct json_object *json, int style);

/* A clone that is open for writing now, without a note: told if that is so */
void tell_not_noted(const char *name);

/* What a list or tree lacks, to the standard error */
void tell_unseen(const struct lclone_inventory *inv);

#endif /* LCLONE_OUTPUT_H */
