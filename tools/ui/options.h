/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Options that several commands have, and their values.
 *
 * Functions return 0 or a negative errno with the sentence in lclone_why().
 */
#ifndef LCLONE_OPTIONS_H
#define LCLONE_OPTIONS_H

#include <getopt.h>

#include "clone/inventory.h"
#include "ui/command.h"

/*
 * A size with an optional K, M, G, T, P (powers of 1024), which may have a fraction
 * ("3.3G": whole blocks of 4 KiB), or s (sectors), in sectors.
 */
int parse_size(const char *text, u64 *sectors);

/* The features that create, open and table take; create not the first. */
#define READ_ONLY_OPTION	{ "read-only", no_argument, NULL, 'r' }
#define FEATURE_OPTIONS						\
	{ "error-if-no-space", no_argument, NULL, 'e' },	\
	{ "no-space-timeout", required_argument, NULL, 't' },	\
	{ "low-water-mark", required_argument, NULL, 'w' },	\
	{ "commit-interval", required_argument, NULL, 'i' },	\
	{ "no-discard-passdown", no_argument, NULL, 'd' },	\
	{ "base-cache", no_argument, NULL, 'M' }
/* ... and these two of those: create and open */
#define VERIFY_OPTION	{ "verify", no_argument, NULL, 'v' }

#define READ_ONLY_USAGE							\
	"  --read-only              the clone cannot be written\n"
#define FEATURE_USAGE							\
	"  --error-if-no-space      fail writes at once when the delta is full\n" \
	"  --no-space-timeout SEC   let them wait that long before (60; 0: for ever)\n" \
	"  --low-water-mark CHUNKS  an event when fewer chunks are free\n" \
	"  --commit-interval MS     make writes durable at least that often (1000)\n" \
	"  --no-discard-passdown    keep discards from the delta's device\n" \
	"  --base-cache             what one clone has read of the base all have in memory\n"

#define VERIFY_USAGE							\
	"  --verify                 verify what is read of the base: see lclone seal-base\n"

/* 1 if @option is one of them, 0 if not, else a negative errno. */
int parse_feature_option(struct lclone_features *features, int option, const char *value);

/* Whose disk it is: create and open */
#define HOST_OPTION	{ "host", no_argument, NULL, 'H' }
#define HOST_USAGE							\
	"  --host                   for a disk that this host itself mounts: it is looked into as\n" \
	"                           any other; else it is a guest's, and left alone\n"

/* The layers below a delta, named by the user; what is not named is looked for. */
#define PARENT_OPTION	{ "parent", required_argument, NULL, 'P' }
#define PARENT_USAGE							\
	"  --parent DEVICE          a layer that DELTA lies on; repeat it for each. Those that\n" \
	"                           are not named are looked for on all devices\n"

/*
 * The options of a command that activates a clone, or says how; then @host is NULL.  Returns 1 if
 * there are some, 0 if there is none, or -1 when the command should return *@ret.
 */
int parse_open_options(const struct command *cmd, int argc, char **argv,
		       struct lclone_features *features, struct lclone_parents *parents, bool *host,
		       int *ret);

/*
 * Of commands that write to a delta, which another host may have open by its note.  What was read
 * of them counts from take_over() on, behind the last option; @sure: nothing needs to be asked.
 */
#define TAKEOVER_OPTIONS						\
	{ "takeover", no_argument, NULL, 'T' },				\
	{ "yes", no_argument, NULL, 'y' }

struct takeover {
	bool given, yes;
};

/* Any other option is no matter of it. */
void parse_takeover_option(struct takeover *t, int option);
void take_over(const struct takeover *t, bool sure);

#define TAKEOVER_USAGE							\
	"  --takeover               also if another host has DELTA open by its note, and is down\n" \
	"  --yes                    do not ask before that\n"

/* What merge, remove, format and create take where not all devices can be looked at. */
#define ASSUME_OPTION	{ "assume-no-other-clones", no_argument, NULL, 'A' }
#define ASSUME_USAGE							\
	"  --assume-no-other-clones  nothing depends on it that could not be looked at\n"

#endif /* LCLONE_OPTIONS_H */
