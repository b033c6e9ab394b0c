// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/crew.h"
#include "basic/fail.h"

#define WORKERS_MAX	16
#define ROUND		8192u	/* jobs whose numbers fit in a pipe */

/* What a worker tells, in one write, which is not mixed with those of others */
struct report {
	uint32_t job;
	int32_t err;
	bool ended;		/* else it begins */
	char why[1024];
};
_Static_assert(sizeof(struct report) <= PIPE_BUF, "a report is written at once");

enum progress { WAITS, BEGUN, ENDED };

struct round {
	const struct lclone_crew *crew;
	size_t first, count;
	int jobs[2], reports[2];
	enum progress *progress;
};

static bool next_job(const struct round *r, uint32_t *job)
{
	ssize_t n;

	do
		n = read(r->jobs[0], job, sizeof(*job));
	while (n < 0 && errno == EINTR);
	return n == sizeof(*job);
}

static bool tell(int fd, const struct report *report)
{
	ssize_t n;

	do
		n = write(fd, report, sizeof(*report));
	while (n < 0 && errno == EINTR);
	return n == sizeof(*report);
}

static void work(const struct round *r, pid_t parent)
{
	struct report report = { .job = 0 };

	close(r->reports[0]);
	while (getppid() == parent && next_job(r, &report.job)) {
		report.ended = false;
		if (!tell(r->reports[1], &report))
			break;
		report.err = r->crew->work(r->first + report.job, r->crew->ctx);
		report.ended = true;
		snprintf(report.why, sizeof(report.why), "%s", report.err ? lclone_why() : "");
		fflush(NULL);
		if (!tell(r->reports[1], &report))
			break;
	}
	_exit(0);
}

static bool next_report(const struct round *r, struct report *report)
{
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(*report)) {
		n = read(r->reports[0], (char *)report + len, sizeof(*report) - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		len += n;
	}
	return true;
}

static void take_jobs_back(const struct round *r)
{
	uint32_t job;

	while (next_job(r, &job))
		;
}

/* Till all workers have ended.  True: no more jobs are wanted. */
static bool listen(struct round *r)
{
	struct report report;
	bool enough = false;
	size_t i;

	while (next_report(r, &report)) {
		r->progress[report.job] = report.ended ? ENDED : BEGUN;
		if (!report.ended)
			continue;
		if (report.err)
			lclone_fail(report.err, "%s", report.why);
		if (r->crew->ended(r->first + report.job, report.err, r->crew->ctx) && !enough) {
			enough = true;
			take_jobs_back(r);
		}
	}
	/* If all were killed nobody has begun some that are wanted. */
	for (i = 0; i < r->count; i++)
		if ((r->progress[i] == BEGUN || (r->progress[i] == WAITS && !enough)) &&
		    r->crew->ended(r->first + i, lclone_fail(-ECHILD, "the process that was at it was killed"),
				   r->crew->ctx))
			enough = true;
	return enough;
}

static long count_workers(size_t jobs)
{
	long workers = 2 * sysconf(_SC_NPROCESSORS_ONLN);

	if (workers < 1)
		workers = 1;
	if (workers > WORKERS_MAX)
		workers = WORKERS_MAX;
	return (size_t)workers > jobs ? (long)jobs : workers;
}

static int start(struct round *r, pid_t pid[WORKERS_MAX], int *started)
{
	const long wanted = count_workers(r->count);
	const pid_t parent = getpid();
	uint32_t i;

	for (i = 0; i < r->count; i++)
		if (write(r->jobs[1], &i, sizeof(i)) != sizeof(i))
			return lclone_fail(-EIO, "a pipe cannot be written: %m");
	close(r->jobs[1]);	/* behind the last there is its end */
	r->jobs[1] = -1;
	fflush(NULL);
	while (*started < wanted) {
		pid[*started] = fork();
		if (!pid[*started])
			work(r, parent);
		if (pid[*started] < 0)
			break;		/* those that there are will do */
		++*started;
	}
	return *started ? 0 : lclone_fail(-errno, "no process can be started: %m");
}

static void close_pipe(int fd[2])
{
	if (fd[0] >= 0)
		close(fd[0]);
	if (fd[1] >= 0)
		close(fd[1]);
	fd[0] = fd[1] = -1;
}

/* 1: no more jobs are wanted. */
static int work_round(struct round *r)
{
	pid_t pid[WORKERS_MAX];
	int started = 0, err;

	r->progress = calloc(r->count, sizeof(*r->progress));
	if (!r->progress)
		return lclone_fail(-ENOMEM, "out of memory");
	err = pipe2(r->jobs, O_CLOEXEC) || pipe2(r->reports, O_CLOEXEC) ?
	      lclone_fail(-errno, "no pipe: %m") : start(r, pid, &started);
	if (!err) {
		close(r->reports[1]);
		r->reports[1] = -1;
		err = listen(r);
	}
	close_pipe(r->jobs);
	close_pipe(r->reports);
	while (started)
		waitpid(pid[--started], NULL, 0);
	free(r->progress);
	return err;
}

int lclone_crew_work(const struct lclone_crew *crew, size_t count)
{
	struct round r = { .crew = crew };
	int ret = 0;

	if (count == 1) {
		crew->ended(0, crew->work(0, crew->ctx), crew->ctx);
		return 0;
	}
	for (; !ret && r.first < count; r.first += r.count) {
		r.count = count - r.first < ROUND ? count - r.first : ROUND;
		r.jobs[0] = r.jobs[1] = r.reports[0] = r.reports[1] = -1;
		ret = work_round(&r);
	}
	return ret < 0 ? ret : 0;
}
