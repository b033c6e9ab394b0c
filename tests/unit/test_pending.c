// SPDX-License-Identifier: GPL-2.0-only
/* Notes of what a command has begun: whose they are, and who may take them away. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/lock.h"
#include "host/pending.h"
#include "test.h"

static char name[64];

static bool is_noted(void)
{
	char path[128];

	snprintf(path, sizeof(path), LCLONE_LOCK_DIR "/pending-%s", name);
	return !access(path, F_OK);
}

/* Another run that goes over from @before to @after, and lives until it is killed, or ends it. */
static pid_t begins(const char *before, const char *after)
{
	int pipes[2], sig;
	sigset_t usr1;
	char byte;
	pid_t pid;

	/* held back, so that it is not lost when it comes before the child waits for it */
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	assert_int_equal(pipe(pipes), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (lclone_pending_begin(name, before, after, "uuid") ||
		    write(pipes[1], "x", 1) != 1)
			_exit(1);
		sigwait(&usr1, &sig);
		lclone_pending_end();
		_exit(0);
	}
	assert_true(pid > 0);
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	return pid;
}

static void killed(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void ended(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGUSR1), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void says(const char *before, const char *between, const char *after)
{
	static struct lclone_pending p;

	assert_int_equal(lclone_pending_read(name, &p), 0);
	assert_string_equal(p.before, before);
	assert_string_equal(p.between, between);
	assert_string_equal(p.after, after);
	assert_string_equal(p.uuid, "uuid");
}

static int setup(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	snprintf(name, sizeof(name), "test-%d", getpid());
	return 0;
}

static int teardown(void **state)
{
	char path[128];

	(void)state;
	lclone_pending_forget(name);
	snprintf(path, sizeof(path), LCLONE_LOCK_DIR "/pending-%s", name);
	unlink(path);
	return 0;
}

static void of_one_that_lives(void **state)
{
	static struct lclone_pending p;
	pid_t pid = begins("a", "b");

	(void)state;
	assert_int_equal(lclone_pending_read(name, &p), -ENOENT);
	killed(pid);
	says("a", "", "b");
}

/* Between the look at a note and its adoption another run begins something. */
static void not_adopted(void **state)
{
	static struct lclone_pending p;
	pid_t pid = begins("a", "b");

	(void)state;
	killed(pid);
	assert_int_equal(lclone_pending_read(name, &p), 0);
	pid = begins("b", "c");
	assert_false(lclone_pending_adopt(name, &p));
	lclone_pending_end();
	assert_true(is_noted());
	lclone_pending_drop(name, &p);
	assert_true(is_noted());
	killed(pid);
	/* nor is it another's that says something else */
	assert_false(lclone_pending_adopt(name, &p));
	lclone_pending_drop(name, &p);
	says("b", "", "c");
}

/* Of two runs one takes it over, and the other finds that there is none. */
static void adopted_once(void **state)
{
	static struct lclone_pending p;
	int status;
	pid_t pid = begins("a", "b");

	(void)state;
	killed(pid);
	assert_int_equal(lclone_pending_read(name, &p), 0);
	assert_true(lclone_pending_adopt(name, &p));
	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(lclone_pending_adopt(name, &p));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	lclone_pending_end();
	assert_false(is_noted());
}

/* What comes in the place of ours is not taken away with it. */
static void replaced(void **state)
{
	pid_t pid = begins("a", "b");

	(void)state;
	assert_int_equal(lclone_pending_begin(name, "b", "c", "uuid"), 0);
	ended(pid);
	assert_true(is_noted());
	lclone_pending_end();
	assert_false(is_noted());
}

/* A second change that fails leaves the first noted, for the next run. */
static void undone(void **state)
{
	pid_t pid;

	(void)state;
	assert_int_equal(lclone_pending_begin(name, "a", "b", "uuid"), 0);
	lclone_pending_undo(name);
	assert_false(is_noted());
	fflush(NULL);
	pid = fork();
	if (!pid) {
		lclone_pending_begin(name, "a", "b", "uuid");
		lclone_pending_begin(name, "b", "c", "other");
		lclone_pending_undo(name);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	says("a", "", "b");
}

/* The same when the first was a killed run's. */
static void undone_adopted(void **state)
{
	static struct lclone_pending p;
	pid_t pid = begins("a", "b");

	(void)state;
	killed(pid);
	assert_int_equal(lclone_pending_read(name, &p), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		if (!lclone_pending_adopt(name, &p) ||
		    lclone_pending_begin(name, "b", "c", "other"))
			_exit(1);
		lclone_pending_undo(name);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	says("a", "", "b");
}

static void twice(void **state)
{
	pid_t pid;

	(void)state;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		lclone_pending_begin(name, "a", "b", "uuid");
		lclone_pending_begin(name, "b", "c", "other");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	says("a", "b", "c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(of_one_that_lives, setup, teardown),
		cmocka_unit_test_setup_teardown(not_adopted, setup, teardown),
		cmocka_unit_test_setup_teardown(adopted_once, setup, teardown),
		cmocka_unit_test_setup_teardown(replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(undone, setup, teardown),
		cmocka_unit_test_setup_teardown(undone_adopted, setup, teardown),
		cmocka_unit_test_setup_teardown(twice, setup, teardown),
	};

	return cmocka_run_group_tests_name("pending", tests, NULL, NULL);
}
