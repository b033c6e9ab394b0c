// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/word.h"
#include "cmd/commands.h"
#include "offline/send.h"
#include "ui/options.h"
#include "ui/output.h"
#include "ui/progress.h"
#include "ui/stream.h"

#define PIPE_BYTES	(1 << 20)

/* From now on what is printed goes to the standard error: nothing but the stream may get into it. */
static int take_output(int *fd)
{
	*fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (*fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return lclone_fail(-errno, "the standard output cannot be used: %m");
	fcntl(*fd, F_SETPIPE_SZ, PIPE_BYTES);	/* if it is a pipe */
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static const struct option options[] = {
	{ "since", required_argument, NULL, 's' },
	{ "since-base", no_argument, NULL, 'b' },
	PARENT_OPTION,
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	static struct lclone_word layer, since;
	struct lclone_sending s = { .base = NULL };
	struct meter meter;
	struct lclone_watch watch = { .progress = show_stream, .ctx = &meter };
	const char *word = NULL;
	bool json = false;
	int option, ret = 0;

	while ((option = next_option(&cmd_send, argc, argv, options, &ret)) != -1) {
		switch (option) {
		case 's':
			word = optarg;
			break;
		case 'b':
			s.since_base = true;
			break;
		case 'j':
			json = true;
			break;
		case 'P':
			ret = lclone_add_parent(&s.parents, optarg);
			if (ret)
				return ret;
			break;
		default:
			return ret;
		}
	}
	argc -= optind;
	argv += optind;
	if (word && s.since_base)
		return usage_error(&cmd_send, "--since and --since-base exclude each other");
	if (argc != 1 && (argc != 2 || s.since_base))
		return usage_error(&cmd_send, "needs a snapshot or a layer, and before it the base, if that is sent, too");
	if (isatty(STDOUT_FILENO))
		return usage_error(&cmd_send, "a stream is not for a terminal: redirect it to a file, or to lclone receive");
	ret = lclone_word_find(argv[argc - 1], &layer);
	if (!ret && layer.changes)
		ret = lclone_fail(-EBUSY, "%s is active, and changes: make a snapshot, and send that (lclone snapshot %s NAME; lclone send %s@NAME)",
				  argv[argc - 1], argv[argc - 1], argv[argc - 1]);
	if (!ret && word)
		ret = lclone_word_find(word, &since);
	if (!ret)
		ret = take_output(&s.out);
	if (ret)
		return ret;
	s.layer = layer.delta;
	s.base = argc == 2 ? argv[0] : layer.base[0] ? layer.base : NULL;
	s.since = word ? since.delta : NULL;
	s.watch = &watch;
	meter_init(&meter, json);
	ret = lclone_send(&s);
	meter_end(&meter);
	if (!ret && close(s.out))
		ret = lclone_fail(-errno, "the stream cannot be written: %m");
	if (!ret)
		tell_stream("sent", s.from, s.to, s.data, s.zeros, json);
	return ret;
}

const struct command cmd_send = {
	.name = "send",
	.summary = "write a snapshot, or its changes, as a stream",
	.usage =
	"send [--since NAME@SNAPSHOT|--since-base] [--json] NAME@SNAPSHOT >FILE\n"
	"       lclone send [--parent LAYER]... [BASE|-] LAYER >FILE\n"
	"       lclone send --since LAYER [--parent LAYER]... [BASE|-] LAYER >FILE\n"
	"       lclone send --since-base [--parent LAYER]... LAYER >FILE\n\n"
	"Writes what a snapshot, or another sealed layer, has, in the format \"rbd diff v1\", to the\n"
	"standard output: to a file, or to lclone receive on another host. Without an option that is\n"
	"the whole disk, of which what is zero is left out; it needs nothing where it is received.\n"
	"The clone may be in use. Progress is shown on the standard error.\n\n"
	"  --since SNAPSHOT  only what was changed since that, which must be below; what is\n"
	"                    received lies on it\n"
	"  --since-base      only what is not in the base, which must be there where it is received\n"
	"  --parent LAYER    a layer that LAYER lies on; those not named are looked for\n"
	"  --json            progress, and what was sent, as JSON on the standard error\n",
	.run = run,
};
