/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the commands of lclone share.
 */
#ifndef LCLONE_TOOL_H
#define LCLONE_TOOL_H

#include <getopt.h>

#include "clone/chain.h"
#include "clone/dm-switch.h"
#include "clone/super.h"
#include "format/delta.h"
#include "host/dm.h"
#include "basic/fail.h"
#include "host/file.h"
#include "offline/merge.h"
#include "format/moment.h"

/* Exit codes: documented in lclone(8). */
enum {
	EXIT_OK,
	EXIT_FAILED,
	EXIT_USAGE,
	EXIT_BUSY,		/* in use, or the name is taken */
	EXIT_FOREIGN,		/* not a delta, of a newer version, or something else's data */
	EXIT_UNFIT,		/* wrong base, or a device too small */
	EXIT_DAMAGED,
};

/*
 * A command returns 0, a negative errno with its sentence in lclone_why(), or
 * a positive exit code when it has said all itself.
 */
struct command {
	const char *name;
	const char *summary;
	const char *usage;
	int (*run)(int argc, char **argv);
};

extern const struct command cmd_check, cmd_close, cmd_create, cmd_diff, cmd_dump, cmd_flatten,
			    cmd_format, cmd_list, cmd_measure, cmd_merge, cmd_open, cmd_rebase, cmd_remove,
			    cmd_repair, cmd_resize, cmd_revert, cmd_snapshot, cmd_status,
			    cmd_table, cmd_tree;

/* Says what is wrong with the arguments; returns EXIT_USAGE. */
int usage_error(const struct command *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * getopt_long() with --help added to every command.  Returns an option's value,
 * -1 at the end, or '?' when the command should return *ret.
 */
int next_option(const struct command *cmd, int argc, char **argv, const struct option *options,
		int *ret);

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
	{ "no-discard-passdown", no_argument, NULL, 'd' }

#define READ_ONLY_USAGE							\
	"  --read-only              the clone cannot be written\n"
#define FEATURE_USAGE							\
	"  --error-if-no-space      fail writes at once when the delta is full\n" \
	"  --no-space-timeout SEC   let them wait that long before (60; 0: for ever)\n" \
	"  --low-water-mark CHUNKS  an event when fewer chunks are free\n" \
	"  --commit-interval MS     make writes durable at least that often (1000)\n" \
	"  --no-discard-passdown    keep discards from the delta's device\n"

/* 1 if @option is one of them, 0 if not, else a negative errno. */
int parse_feature_option(struct lclone_features *features, int option, const char *value);

/* The layers below a delta, named by the user; what is not named is looked for. */
#define PARENT_OPTION	{ "parent", required_argument, NULL, 'P' }
#define PARENT_USAGE							\
	"  --parent DEVICE          a layer that DELTA lies on; repeat it for each. Those that\n" \
	"                           are not named are looked for on all devices\n"

int add_parent(struct lclone_parents *parents, const char *path);

/* The base: NULL in *base for "-", else @file, opened read-only. */
int open_base(const char *path, struct lclone_file *file, struct lclone_file **base);
void close_base(struct lclone_file *base);

/*
 * The delta of a device or file.  -EBUSY if it is active, -EMEDIUMTYPE if it is
 * none, else as lclone_delta_open().  Close both in any case.  A sealed layer,
 * which does not change, can be read while it is in use.
 */
int open_delta(const char *path, int flags, struct lclone_file *file, struct lclone_delta *delta);
void close_delta(struct lclone_file *file, struct lclone_delta *delta);

/* The file of open_delta() alone */
int open_delta_file(const char *path, int flags, struct lclone_file *file);

/* A delta and all that it lies on, opened and closed together. */
struct disk {
	struct lclone_file file;
	struct lclone_delta delta;
	struct lclone_chain chain;
	struct lclone_moment moment;	/* open_disk_now(): of an active delta */
};

int open_disk(const char *path, int flags, const struct lclone_parents *parents,
	      struct disk *disk);
void close_disk(struct disk *disk);

/*
 * A delta that is only looked at, and may be active: the clone commits, its metadata are read
 * as of one moment after that, and @file is not locked any more.  They are to be read from *dev.
 * If the clone cannot commit, that is an error if @all, and else said on stderr.  Close @file,
 * and free @moment, in any case.
 */
int open_delta_file_now(const char *path, bool all, struct lclone_file *file,
			struct lclone_moment *moment, const struct lclone_dev **dev);
int open_disk_now(const char *path, const struct lclone_parents *parents, struct disk *disk);

/* -EUCLEAN, -EPROTONOSUPPORT or -EBUSY if the delta can be read, but must not be written. */
int check_writable(const struct lclone_delta *delta, const char *path);

/* -ESTALE, with a sentence, if @base is not the base of the delta. */
int verify_base(const struct lclone_delta *delta, struct lclone_file *base);

/* What format does after looking at its arguments; create does it, too. */
struct format_arguments {
	u64 virtual_sectors;
	u32 chunk_sectors;
	const char *label;
	bool force;
	struct lclone_parents parents;	/* the last is the layer that it will lie on */
};

/*
 * -EADDRINUSE if something is on the device that would be lost, unless @force;
 * -EBUSY if it is a layer that others depend on.
 */
int may_overwrite(const struct lclone_file *file, bool force);

int format_delta(const char *base, const char *delta, const struct format_arguments *args);

/*
 * Has a run of open or create that was killed opened this very clone?  What one has
 * left half made is taken away.
 */
bool was_opened(const char *name, const char *base, const char *delta,
		const struct lclone_features *features);

/* Logical blocks of @path, or a size, that the active clone @name cannot have are refused. */
int blocks_fit_clone(const char *path, const char *name);
int size_fits_clone(u64 sectors, const char *name);

/* What open does after looking at its arguments. */
int open_clone(const char *name, const char *base, const char *delta,
	       const struct lclone_parents *parents, const struct lclone_features *features);

/* What a list or tree lacks, to the standard error */
void tell_unseen(const struct lclone_inventory *inv);

/* What merge, remove, format and create take where not all devices can be looked at. */
#define ASSUME_OPTION	{ "assume-no-other-clones", no_argument, NULL, 'A' }
#define ASSUME_USAGE							\
	"  --assume-no-other-clones  nothing depends on it that could not be looked at\n"

/*
 * -EBUSY, with their names, if others than the delta @ours, on the device @delta, can
 * have been made on @base, or on what has sectors in common with it; or if
 * other devices than @clone (or NULL) are built on it; or if there is
 * what could not be looked at.  @base is locked.
 */
int may_merge_into_base(const struct lclone_file *base, const struct lclone_sb *ours, dev_t delta,
			const char *clone);

/*
 * The same before that, and then the user is asked, who may take long: @base is not locked.
 * Who goes on with a merge has answered, if this can be seen to be the same base.
 */
int confirm_merge_into_base(struct lclone_file *base, const struct lclone_sb *ours, dev_t delta,
			    const char *clone);

/*
 * -EBUSY if others than those of @chain (or NULL) can have been made on a device that is going
 * to be overwritten.  What could not be looked at matters unless it is @blank.
 */
int refuse_base_of_others(const struct lclone_file *file, const struct lclone_chain *chain,
			  bool blank);

/*
 * -EADDRINUSE for a delta or layer, -EBUSY for what is, or may be, half merged; @option ends
 * the sentence about that which may be wrong.
 */
int refuse_as_base(const struct lclone_file *base, const char *option);

int refuse_common_sectors(const struct lclone_file *a, const struct lclone_file *b);

/*
 * A base that was enlarged since the delta was made on it. What it had must be
 * unchanged, and what is new zero as far as the clone reaches.
 *
 * Are they the same, but for that?  0, -ESTALE with a sentence, or an error of reading it.
 */
int same_but_larger(struct lclone_file *base, const struct lclone_sb *sb);
bool base_has_grown(const struct lclone_file *base, const struct lclone_sb *sb);
/* This is the base, as it is now. */
int set_base_of(struct lclone_sb *sb, const struct lclone_file *base);
/* Records it in a delta that is not active; nothing is done if the size is the same. */
int accept_base(const char *delta_path, const char *base_path);
/* ... of a clone that is; @clone is read again. @base is NULL if it is not open. */
int accept_base_online(struct lclone_clone *clone, struct lclone_file *base);

/* Nobody may open it any more: the clone @name has gone on without it. */
int abandon_delta(const char *path);

/*
 * The running clone goes on with the new, empty delta @to: on what it had till
 * now, which becomes a sealed layer, or (@back) on the layers below that.
 */
int switch_delta(const char *name, const char *to, bool force, bool back);

/* lclone_dm_settle(), and what was left of a revert is ended, too. */
int settle(const char *name, struct lclone_pending *pending);

/* -EUCLEAN if a check of it finds anything. */
int refuse_damaged(const struct lclone_file *delta);

/*
 * Merges the delta or layer into the layer right below, and wipes it; active
 * clones that have both go on without it. Of @merge only progress and ctx are set.
 */
int merge_into_parent(const char *path, const struct lclone_parents *named,
		      struct lclone_merge *merge, bool json);

/* What a field of JSON says changes only with this; fields are added without. */
#define JSON_VERSION	1

struct json_object;

/*
 * Prints an object, or an array of objects, in a @style of json-c, with the version
 * as the last field of each; and frees it.
 */
void put_json(struct json_object *json, int style);

/* 0 if @name is legal and free. */
int check_free_name(const char *name);

#endif /* LCLONE_TOOL_H */
