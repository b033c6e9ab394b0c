/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All commands. Each is a file: its usage, what it prints, and which part of the library does it.
 */
#ifndef LCLONE_COMMANDS_H
#define LCLONE_COMMANDS_H

#include "ui/command.h"

extern const struct command cmd_check, cmd_close, cmd_create, cmd_diff, cmd_dump, cmd_flatten,
			    cmd_format, cmd_list, cmd_map, cmd_measure, cmd_merge, cmd_metrics,
			    cmd_open, cmd_rebase, cmd_remove, cmd_repair, cmd_resize,
			    cmd_revert, cmd_snapshot, cmd_status, cmd_table, cmd_top, cmd_tree;

/* Those that systemd calls */
extern const struct command cmd_daemon, cmd_generator, cmd_unit;

/* Streams */
extern const struct command cmd_receive, cmd_send;

/* For names */
extern const struct command cmd_scan, cmd_template;

/* For bases that rot */
extern const struct command cmd_seal_base, cmd_verify;

/* For images of others */
extern const struct command cmd_export, cmd_import;

/* That udev calls */
extern const struct command cmd_probe;

#endif /* LCLONE_COMMANDS_H */
