/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * LVM is given commands, and what its reports have is read.
 */
#ifndef LCLONE_LVM_H
#define LCLONE_LVM_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;

/*
 * Runs a command of LVM, whose messages are for the user.  0, or a negative errno with the
 * sentence in lclone_why(): -ENOENT if it is not there, -ECHILD if it has failed.  A Ctrl-C does
 * not reach it: who has it run learns what has become of it.
 */
int lclone_lvm_run(const char *const argv[]);
/* The same of what only makes something visible: in a dry run, too */
int lclone_lvm_look(const char *const argv[]);

/*
 * The same, but what LVM says goes to @text, of @size bytes, for who makes one sentence of it, with
 * the first line there that is no warning; NULL: there is none.
 */
int lclone_lvm_ask(const char *const argv[], char *text, size_t size);
const char *lclone_lvm_complaint(char *text);

/*
 * Runs many commands of LVM, a line each, in one process, which goes on behind one that fails:
 * look what has become of them.  0, or a negative errno with the sentence in lclone_why().
 */
int lclone_lvm_script(const char *lines);

/* A text of a row of such a report, "" if it is not there; and a number, 0 if it is none */
const char *lclone_json_text(struct json_object *row, const char *field);
unsigned long long lclone_json_number(struct json_object *row, const char *field);

/* Row @i of a table of a volume group in a full report, NULL behind the last */
struct json_object *lclone_lvm_row(struct json_object *group, const char *table, size_t i);

/* Is the group on a clone?  Then it is a guest's, who may have called it anything. */
bool lclone_lvm_is_guests(struct json_object *group);

#endif /* LCLONE_LVM_H */
