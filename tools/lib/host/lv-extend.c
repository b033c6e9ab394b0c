// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "basic/clock.h"
#include "basic/dry.h"
#include "basic/fail.h"
#include "host/lv-extend.h"
#include "host/lvm.h"
#include "host/program.h"
#include "host/stack.h"

#define PATIENCE_MS	5000	/* that others wait for one that does not end ... */
#define QUIET_MS	60000	/* ... and what LVM has, where nobody could stop it */

/* One that is at a volume of a group: what it says comes from @out. */
struct run {
	struct run *next;
	char vg[LCLONE_VG_UUID_SIZE];
	pid_t pid;
	int out;
	u64 start;
	bool told;			/* to end */
	char text[1024];
	size_t len;
};

static struct run *late;		/* those that have not ended in time */

/* What comes till its end, or that time: the rest is not kept. False: it has not ended. */
static bool read_until(struct run *run, u64 end)
{
	const size_t most = sizeof(run->text) - 1;
	struct pollfd p = { .fd = run->out, .events = POLLIN };
	char rest[512];
	u64 now, left;
	ssize_t n;

	for (;;) {
		now = lclone_now_ms();
		left = now < end ? end - now : 0;
		if (poll(&p, 1, left) <= 0) {
			if (!left)
				return false;
			continue;
		}
		n = run->len < most ? read(run->out, run->text + run->len, most - run->len) :
				      read(run->out, rest, sizeof(rest));
		if (n <= 0)
			return true;
		if (run->len < most)
			run->len += n;
		else if (!left)
			return false;
	}
}

static void forget(struct run *run)
{
	struct run **p;

	for (p = &late; *p && *p != run; p = &(*p)->next)
		;
	if (*p)
		*p = run->next;
	if (run->out >= 0)
		close(run->out);
	free(run);
}

/* 1: it is still at it. */
static int end(struct run *run, u64 until)
{
	const char *complaint;
	int ret;

	if (!read_until(run, until)) {
		if (!run->told && lclone_now_ms() - run->start >= QUIET_MS) {
			kill(run->pid, SIGTERM);	/* where that harms nothing, or it goes on */
			run->told = true;
		}
		return 1;
	}
	run->text[run->len] = '\0';
	ret = lclone_program_wait(run->pid, "lvextend");
	complaint = ret == -ECHILD ? lclone_lvm_complaint(run->text) : NULL;
	return complaint ? lclone_fail(ret, "lvextend failed: %s", complaint) : ret;
}

static struct run *start(const char *const argv[], const char *vg)
{
	struct lclone_program program = { .argv = argv, .in = -1, .out = -1, .stays = true,
					  .plain = true };
	struct run *run = calloc(1, sizeof(*run));
	int fd[2];

	if (!run || pipe2(fd, O_CLOEXEC)) {
		lclone_fail(-errno, "cannot start %s: %m", argv[0]);
		free(run);
		return NULL;
	}
	program.err = fd[1];
	run->out = fd[0];
	run->start = lclone_now_ms();
	strcpy(run->vg, vg);
	run->pid = lclone_program_start(&program);
	close(fd[1]);
	if (run->pid > 0)
		return run;
	forget(run);
	return NULL;
}

/* The run that is still at a volume of this group, if there is one. */
static struct run *find_late(const char *vg)
{
	struct run *run, *next;

	for (run = late; run; run = next) {
		next = run->next;
		if (strcmp(run->vg, vg))
			continue;
		if (end(run, 0) == 1)
			return run;
		forget(run);
	}
	return NULL;
}

static int does_not_end(struct run *run)
{
	return lclone_fail(-ETIMEDOUT, run->told ? "lvextend does not end, though it was told to" :
			   "lvextend has not ended yet");
}

int lclone_lv_extend(dev_t rdev, const char *path, u64 sectors)
{
	char size[32], vg[LCLONE_VG_UUID_SIZE];
	const char *const argv[] = { "lvextend", lclone_is_dry() ? "--test" : "--quiet", "--yes",
				     "--config", "devices/ignore_suspended_devices=1", "--size", size, path,
				     NULL };
	struct run *run;
	int ret;

	lclone_dev_vg(rdev, vg);
	run = find_late(vg);
	if (run)
		return does_not_end(run);
	snprintf(size, sizeof(size), "%llus", (unsigned long long)sectors);
	run = start(argv, vg);
	if (!run)
		return -EIO;
	ret = end(run, run->start + PATIENCE_MS);
	if (ret == 1) {
		run->next = late;
		late = run;
		return does_not_end(run);
	}
	forget(run);
	return ret ?: lclone_change();
}
