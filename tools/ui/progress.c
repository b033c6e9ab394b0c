// SPDX-License-Identifier: GPL-2.0-only
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/text.h"
#include "ui/output.h"
#include "ui/progress.h"

static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
	(void)signal;
	stop = 1;
}

bool interrupted(void)
{
	return stop;
}

void meter_init(struct meter *m, bool json)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	*m = (struct meter){ .tty = isatty(STDERR_FILENO), .json = json };
	meter_start(m, 0);
}

void meter_start(struct meter *m, u64 first)
{
	m->start = lclone_seconds();
	m->first = first;
}

void meter_rate(const struct meter *m, u64 done, u64 total, double *rate, double *left)
{
	double passed = lclone_seconds() - m->start;

	*rate = passed > 0 && done > m->first ? (done - m->first) / passed : 0;
	*left = *rate > 0 ? (total - done) / *rate : 0;
}

/* A line that fits in the terminal: with a bar where there is room for one */
static void draw_bar(const char *name, u64 done, u64 total, double rate, double left)
{
	double part = total ? (double)done / total : 1;
	char numbers[128], is[16], of[16], speed[16];
	struct winsize size;
	int width = 80, bar;

	if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		width = size.ws_col;
	snprintf(numbers, sizeof(numbers), "%s of %s, %s/s, %d:%02d left",
		 lclone_size_text(done, is), lclone_size_text(total, of),
		 lclone_size_text(rate, speed), (int)left / 60, (int)left % 60);
	fputc('\r', stderr);
	if (name[0] && width > 28 + (int)strlen(numbers))
		width -= fprintf(stderr, "%-10s ", name);
	bar = width - 12 - (int)strlen(numbers);
	if (bar > 96)
		bar = 96;
	if (bar >= 5)
		fprintf(stderr, "%3.0f %% [%.*s%*s] %s\033[K", 100 * part, (int)(part * bar),
			"################################################################################################",
			bar - (int)(part * bar), "", numbers);
	else if (width > 7)
		fprintf(stderr, "%3.0f %% %.*s\033[K", 100 * part, width - 7, numbers);
}

static void print_line(const char *state, u64 done, u64 total, double rate, double left)
{
	struct json_object *o = json_object_new_object();
	char tenths[32];

	snprintf(tenths, sizeof(tenths), "%.1f", left);
	json_object_object_add(o, "state", json_object_new_string(state));
	json_object_object_add(o, "done_bytes", json_object_new_uint64(done));
	json_object_object_add(o, "total_bytes", json_object_new_uint64(total));
	json_object_object_add(o, "bytes_per_second", json_object_new_uint64(rate));
	json_object_object_add(o, "seconds_left", json_object_new_double_s(left, tenths));
	put_json(o, JSON_C_TO_STRING_SPACED);
	fflush(stdout);
}

void meter_show(struct meter *m, const char *state, u64 done, u64 total, bool last)
{
	double now = lclone_seconds(), rate, left;

	if ((!m->tty && !m->json) || (!last && now - m->last < (m->json ? 1 : 0.1)))
		return;
	m->last = now;
	meter_rate(m, done, total, &rate, &left);
	if (m->json) {
		print_line(state, done, total, rate, left);
	} else {
		draw_bar(m->named ? state : "", done, total, rate, left);
	}
}

void meter_count(struct meter *m, const char *state, u64 done, u64 total)
{
	static const char full[] = "########################################";
	const int bar = sizeof(full) - 1, part = total ? (int)(done * bar / total) : bar;
	double now = lclone_seconds();

	if (!m->tty || (done < total && now - m->last < 0.1))
		return;
	m->last = now;
	fprintf(stderr, "\r%s [%.*s%*s] %llu of %llu\033[K", state, part, full, bar - part, "",
		(unsigned long long)done, (unsigned long long)total);
}

void meter_hide(struct meter *m)
{
	if (m->tty && !m->json && m->last)
		fputs("\r\033[K", stderr);
	m->last = 0;
}

void meter_end(struct meter *m)
{
	if (m->tty && !m->json && m->last)
		fputc('\n', stderr);
	m->last = 0;
}
