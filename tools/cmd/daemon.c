// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "cmd/commands.h"
#include "host/notify.h"
#include "online/grower.h"
#include "ui/options.h"

static const struct option options[] = {
	{ "autoextend-threshold", required_argument, NULL, 't' },
	{ "autoextend-percent", required_argument, NULL, 'p' },
	{ "max", required_argument, NULL, 'm' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* It ends between two looks, and not while LVM is at it. Returns what to wait with. */
static sigset_t hold_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t held, before;

	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigprocmask(SIG_BLOCK, &held, &before);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigdelset(&before, SIGTERM);
	sigdelset(&before, SIGINT);
	return before;
}

/* The journal takes the priority from what is in front of a line. */
static void say(int priority, const char *text)
{
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>%s\n", priority, text);
	else
		fprintf(stderr, "lclone daemon: %s\n", text);
}

static void tell(enum lclone_grower_event event, const char *name, const char *why,
		 const struct lclone_extended *x, void *ctx)
{
	char text[PATH_MAX + 256], before[16], now[16];

	(void)ctx;
	if (event == LCLONE_NOT_EXTENDED) {
		say(LOG_ERR, why);
		return;
	}
	snprintf(text, sizeof(text), "%s: its delta %s has %s, it had %s", name, x->delta,
		 lclone_size_text(x->now * 512, now), lclone_size_text(x->before * 512, before));
	say(LOG_NOTICE, text);
}

static void alive(void)
{
	lclone_notify("WATCHDOG=1");
}

static int watch(struct lclone_grower *grower, const sigset_t *signals)
{
	const unsigned int watchdog = lclone_watchdog_ms();
	struct pollfd p = { .fd = lclone_grower_fd(grower), .events = POLLIN };
	struct timespec wait;
	char state[64];
	bool ready = false;
	int ms;

	while (!stop) {
		alive();
		ms = lclone_grower_look(grower, alive);
		if (ms < 0)
			return ms;
		snprintf(state, sizeof(state), "%sSTATUS=%zu clones are watched",
			 ready ? "" : "READY=1\n", lclone_grower_clones(grower));
		lclone_notify(state);
		ready = true;
		if (watchdog && (unsigned int)ms > watchdog)
			ms = watchdog;
		wait = (struct timespec){ ms / 1000, ms % 1000 * 1000000 };
		if (ppoll(&p, 1, &wait, signals) < 0 && errno != EINTR)
			return lclone_fail(-errno, "cannot wait for events: %m");
	}
	lclone_notify("STOPPING=1");
	return 0;
}

static int parse_percent(const char *text, u64 least, u64 most, u32 *percent)
{
	u64 value;

	if (lclone_parse_u64(text, most, &value) || value < least)
		return lclone_fail(-ERANGE, "\"%s\" is not a number from %llu to %llu", text,
				   (unsigned long long)least, (unsigned long long)most);
	*percent = value;
	return 0;
}

static int run(int argc, char **argv)
{
	struct lclone_autoextend how = { .threshold = 70, .percent = 20 };
	struct lclone_grower *grower;
	int option, ret = 0;
	sigset_t signals;

	while ((option = next_option(&cmd_daemon, argc, argv, options, &ret)) != -1) {
		if (option == 't')
			ret = parse_percent(optarg, 1, 99, &how.threshold);
		else if (option == 'p')
			ret = parse_percent(optarg, 1, 1000, &how.percent);
		else if (option == 'm')
			ret = parse_size(optarg, &how.max);
		else
			return ret;
		if (ret)
			return ret;
	}
	if (argc != optind)
		return usage_error(&cmd_daemon, "takes no argument");
	signals = hold_signals();
	ret = lclone_grower_start(&grower, &how, tell, NULL);
	ret = ret ?: watch(grower, &signals);
	lclone_grower_free(grower);
	return ret;
}

/* It has no summary: lcloned.service runs it. */
const struct command cmd_daemon = {
	.name = "daemon",
	.usage =
	"daemon [OPTION]...\n\n"
	"Extends the deltas of active clones, if they are logical volumes, when they have little\n"
	"space left; see lcloned(8).\n\n"
	"  --autoextend-threshold PERCENT  when so much of a delta is used (70)\n"
	"  --autoextend-percent PERCENT    by so much of its size (20)\n"
	"  --max SIZE                      no delta is made larger than that\n",
	.run = run,
};
