// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/fail.h"
#include "cmd/commands.h"
#include "offline/receive.h"
#include "ui/options.h"
#include "ui/progress.h"
#include "ui/stream.h"

#define PIPE_BYTES	(1 << 20)

static const struct option options[] = {
	PARENT_OPTION,
	{ "base", required_argument, NULL, 'b' },
	{ "chunk-size", required_argument, NULL, 'c' },
	{ "label", required_argument, NULL, 'l' },
	{ "force", no_argument, NULL, 'f' },
	ASSUME_OPTION,
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct lclone_receiving r = { .in = STDIN_FILENO };
	struct meter meter;
	struct lclone_watch watch = { .progress = show_stream, .ctx = &meter };
	bool json = false;
	int option, ret = 0;
	u64 chunk;

	lclone_can_assume_no_other_clones();
	while ((option = next_option(&cmd_receive, argc, argv, options, &ret)) != -1) {
		switch (option) {
		case 'P':
			ret = lclone_add_parent(&r.parents, optarg);
			break;
		case 'b':
			r.base = optarg;
			break;
		case 'c':
			ret = parse_size(optarg, &chunk);
			r.chunk_sectors = chunk > LCLONE_CHUNK_SECTORS_MAX ? UINT32_MAX : chunk;
			break;
		case 'l':
			r.label = optarg;
			break;
		case 'f':
			r.force = true;
			break;
		case 'A':
			lclone_assume_no_other_clones();
			break;
		case 'j':
			json = true;
			break;
		default:
			return ret;
		}
		if (ret)
			return ret;
	}
	if (argc - optind != 1)
		return usage_error(&cmd_receive, "needs a device or file");
	if (isatty(STDIN_FILENO))
		return usage_error(&cmd_receive, "the stream comes from the standard input, which is a terminal");
	r.layer = argv[optind];
	r.watch = &watch;
	fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_BYTES);	/* if it is a pipe */
	meter_init(&meter, json);
	ret = lclone_receive(&r);
	meter_end(&meter);
	if (!ret)
		tell_stream("received", r.from, r.to, r.data, r.zeros, json);
	return ret;
}

const struct command cmd_receive = {
	.name = "receive",
	.summary = "make a layer of what lclone send has written",
	.usage =
	"receive [OPTION]... DEVICE <FILE\n\n"
	"Makes DEVICE, or a plain file, a sealed layer of the stream on the standard input, with the\n"
	"identity of the one that was sent. A stream of changes goes to a layer on that which they\n"
	"were made since; that is looked for, and refused if it is another. Clones of it are made as\n"
	"of any layer (lclone create --parent). Until all was received DEVICE is half written, and\n"
	"refused by every command; the same stream can then be received again.\n\n"
	"  --parent LAYER   the layer that it will lie on; layers below it are looked for, or named\n"
	"                   before it\n"
	"  --base BASE      the base of a stream of lclone send --since-base; else it is looked for\n"
	"  --chunk-size SIZE  of a whole disk: unit of allocation (64K)\n"
	"  --label TEXT     a name to keep in the superblock: NAME@SNAPSHOT for a snapshot\n"
	"  --force          overwrite what is on DEVICE\n"
	ASSUME_USAGE
	"  --json           progress, and what was received, as JSON\n",
	.run = run,
};
