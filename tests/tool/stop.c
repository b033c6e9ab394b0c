// SPDX-License-Identifier: GPL-2.0-only
/*
 * A library to be preloaded into lclone, that stops it at a chosen call:
 *
 *	STOP_AT=N	right before the N-th of all calls below
 *	STOP_AT=NAME:N	right before the N-th call of that name: ioctl, or, of device-mapper,
 *			table (asked for), load, suspend, resume; pwrite, fsync, rename, link, unlink; pread
 *			and replace, a rename over what there is, which N alone does not count; uring
 *			(set up), submit
 *	STOP_FILE=PATH	not killed, as it is else, but held up: PATH.here appears then, and
 *			it goes on when PATH.go exists
 *	STOP_FAIL=1	not killed: that call of device-mapper fails, for want of memory
 *	STOP_CLOCK=N	once io_uring is set up N seconds pass whenever it looks at the clock:
 *			what it does from time to time it does often
 */
#include <dlfcn.h>
#include <errno.h>
#include <liburing.h>
#include <linux/dm-ioctl.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static void hold_up(const char *file)
{
	char name[4096];
	FILE *f;

	snprintf(name, sizeof(name), "%s.here", file);
	f = fopen(name, "w");
	if (!f)
		abort();
	fclose(f);
	snprintf(name, sizeof(name), "%s.go", file);
	while (access(name, F_OK))
		usleep(20000);
}

/* A child that looks at devices is none of what is stopped, nor is a program of LVM. */
static pid_t started;

__attribute__((constructor)) static void note_start(void)
{
	if (!strcmp(program_invocation_short_name, "lclone"))
		started = getpid();
}

static bool copying;

/* True: it is to fail. */
static bool here(const char *call)
{
	const char *at = getenv("STOP_AT"), *file = getenv("STOP_FILE"), *colon;
	static unsigned int calls;

	if (!at || getpid() != started)
		return false;
	colon = strchr(at, ':');
	/* reads are many, and what is replaced is written before: by their names only */
	if (!colon && (!strcmp(call, "pread") || !strcmp(call, "replace")))
		return false;
	if (colon && (strncmp(at, call, colon - at) || call[colon - at]))
		return false;
	if (++calls != strtoul(colon ? colon + 1 : at, NULL, 10))
		return false;
	if (getenv("STOP_FAIL"))
		return true;
	if (file)
		hold_up(file);
	else
		raise(SIGKILL);
	return false;
}

static void *next(const char *call)
{
	void *function = dlsym(RTLD_NEXT, call);

	if (!function)
		abort();
	return function;
}

static const char *name_of(unsigned long request, const void *arg)
{
	if (request == DM_TABLE_STATUS)
		return "table";
	if (request == DM_TABLE_LOAD)
		return "load";
	if (request != DM_DEV_SUSPEND)
		return "ioctl";
	return ((const struct dm_ioctl *)arg)->flags & DM_SUSPEND_FLAG ? "suspend" : "resume";
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*real)(int, unsigned long, ...) = next("ioctl");
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	/* that asks, for each loop device */
	if (request == LOOP_GET_STATUS64 || !here(name_of(request, arg)))
		return real(fd, request, arg);
	errno = ENOMEM;
	return -1;
}

ssize_t pread(int fd, void *buf, size_t count, off_t offset)
{
	ssize_t (*real)(int, void *, size_t, off_t) = next("pread");

	here("pread");
	return real(fd, buf, count, offset);
}

ssize_t pread64(int fd, void *buf, size_t count, off64_t offset)
{
	ssize_t (*real)(int, void *, size_t, off64_t) = next("pread64");

	here("pread");
	return real(fd, buf, count, offset);
}

ssize_t pwrite(int fd, const void *buf, size_t count, off_t offset)
{
	ssize_t (*real)(int, const void *, size_t, off_t) = next("pwrite");

	here("pwrite");
	return real(fd, buf, count, offset);
}

ssize_t pwrite64(int fd, const void *buf, size_t count, off64_t offset)
{
	ssize_t (*real)(int, const void *, size_t, off64_t) = next("pwrite64");

	here("pwrite");
	return real(fd, buf, count, offset);
}

int fsync(int fd)
{
	int (*real)(int) = next("fsync");

	here("fsync");
	return real(fd);
}

int fdatasync(int fd)
{
	int (*real)(int) = next("fdatasync");

	here("fsync");
	return real(fd);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned int flags)
{
	int (*real)(int, const char *, int, const char *, unsigned int) = next("renameat2");

	here("rename");
	return real(from_dir, from, to_dir, to, flags);
}

int rename(const char *from, const char *to)
{
	int (*real)(const char *, const char *) = next("rename");

	here("replace");
	return real(from, to);
}

int link(const char *from, const char *to)
{
	int (*real)(const char *, const char *) = next("link");

	here("link");
	return real(from, to);
}

int unlink(const char *path)
{
	int (*real)(const char *) = next("unlink");

	here("unlink");
	return real(path);
}

int io_uring_queue_init_params(unsigned int entries, struct io_uring *ring,
			       struct io_uring_params *params)
{
	int (*real)(unsigned int, struct io_uring *, struct io_uring_params *) =
		next("io_uring_queue_init_params");

	here("uring");
	copying = true;
	return real(entries, ring, params);
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
				     unsigned int count, struct __kernel_timespec *ts,
				     sigset_t *mask)
{
	int (*real)(struct io_uring *, struct io_uring_cqe **, unsigned int,
		    struct __kernel_timespec *, sigset_t *) =
		next("io_uring_submit_and_wait_timeout");

	here("submit");
	return real(ring, cqe, count, ts, mask);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int (*real)(clockid_t, struct timespec *) = next("clock_gettime");
	const char *passes = getenv("STOP_CLOCK");
	static time_t passed;
	int ret = real(id, ts);

	if (passes && copying)
		passed += atol(passes);
	ts->tv_sec += passed;
	return ret;
}
