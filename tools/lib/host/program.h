/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs of others that do work for us, LVM's and qemu's.  They are told to end when we do: who
 * is killed leaves none that goes on, but for what LVM does not let itself be disturbed in.
 */
#ifndef LCLONE_PROGRAM_H
#define LCLONE_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

struct json_object;

struct lclone_program {
	const char *const *argv;	/* what to run, ended by NULL */
	/* Descriptors that it has as its standard ones; -1: /dev/null */
	int in, out, err;
	bool apart;			/* a Ctrl-C on the terminal is not for it */
	bool stays;			/* it goes on when we end */
	bool plain;			/* what it says is not translated: a program reads it */
};

/* Its number; or -errno, with the sentence in lclone_why(). */
pid_t lclone_program_start(const struct lclone_program *program);

/*
 * Waits for its end.  0, or a negative errno with the sentence in lclone_why(): -ENOENT if there
 * is no such program, -ECHILD if it has failed.
 */
int lclone_program_wait(pid_t pid, const char *name);

/* The same, for who knows what its exit status says: that, or a negative errno as above. */
int lclone_program_status(pid_t pid, const char *name);

/*
 * Asks a program for JSON, quietly, which is freed by json_object_put().  NULL without an error:
 * the program is not there.  -ETIMEDOUT, or -EIO, without a sentence.
 */
int lclone_ask_program(const char *const argv[], struct json_object **o);

#endif /* LCLONE_PROGRAM_H */
