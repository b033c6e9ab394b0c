// SPDX-License-Identifier: GPL-2.0-only
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"

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

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
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
	m->start = seconds();
	m->first = first;
}

void meter_rate(const struct meter *m, u64 done, u64 total, double *rate, double *left)
{
	double passed = seconds() - m->start;

	*rate = passed > 0 && done > m->first ? (done - m->first) / passed : 0;
	*left = *rate > 0 ? (total - done) / *rate : 0;
}

static void draw_bar(u64 done, u64 total, double rate, double left)
{
	struct winsize size;
	int width = 80, bar, fill;

	if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		width = size.ws_col;
	bar = width - 60 < 10 ? 10 : width - 60 > 96 ? 96 : width - 60;
	fill = total ? (double)done / total * bar : bar;
	fprintf(stderr, "\r%3.0f %% [%.*s%*s] %.0f of %.0f MiB, %.0f MiB/s, %d:%02d left \033[K",
		total ? 100.0 * done / total : 100.0, fill,
		"################################################################################################",
		bar - fill, "", done / 1048576.0, total / 1048576.0, rate / 1048576,
		(int)left / 60, (int)left % 60);
}

void meter_show(struct meter *m, const char *state, u64 done, u64 total, bool last)
{
	double now = seconds(), rate, left;

	if ((!m->tty && !m->json) || (m->json && !last && now - m->last < 1))
		return;
	m->last = now;
	meter_rate(m, done, total, &rate, &left);
	if (m->json) {
		printf("{\"state\": \"%s\", \"done_bytes\": %llu, \"total_bytes\": %llu, \"bytes_per_second\": %.0f, \"seconds_left\": %.1f}\n",
		       state, (unsigned long long)done, (unsigned long long)total, rate, left);
		fflush(stdout);
	} else {
		draw_bar(done, total, rate, left);
	}
}

void meter_end(struct meter *m)
{
	if (m->tty && !m->json && m->last)
		fputc('\n', stderr);
	m->last = 0;
}
