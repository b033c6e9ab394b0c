// SPDX-License-Identifier: GPL-2.0-only
/* Jobs that several processes share: each is done once, and what becomes of it is told. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "basic/crew.h"
#include "basic/fail.h"
#include "test.h"

#define JOBS	10000u	/* more than a pipe has room for */

static unsigned int told[JOBS], failed, enough_at;
static pid_t parent;

static int work(size_t job, void *ctx)
{
	(void)ctx;
	if (job == 117)
		return lclone_fail(-EBADMSG, "job %zu of %s", job, "many");
	if (job == 300 && getpid() != parent)
		raise(SIGKILL);
	return 0;
}

static int ended(size_t job, int err, void *ctx)
{
	static unsigned int count;

	*(unsigned int *)ctx += 1;
	told[job]++;
	if (job == 117) {
		assert_int_equal(err, -EBADMSG);
		assert_string_equal(lclone_why(), "job 117 of many");
	} else if (job == 300) {
		assert_int_equal(err, -ECHILD);
		assert_non_null(strstr(lclone_why(), "was killed"));
	} else {
		assert_int_equal(err, 0);
	}
	failed += !!err;
	return enough_at && ++count >= enough_at;
}

static void all(void **state)
{
	unsigned int count = 0;
	struct lclone_crew crew = { .work = work, .ended = ended, .ctx = &count };
	size_t i;

	(void)state;
	parent = getpid();
	assert_int_equal(lclone_crew_work(&crew, JOBS), 0);
	assert_int_equal(count, JOBS);
	for (i = 0; i < JOBS; i++)
		assert_int_equal(told[i], 1);
	assert_int_equal(failed, 2);
}

/* A few that were under way may end as well. */
static void enough(void **state)
{
	unsigned int count = 0;
	struct lclone_crew crew = { .work = work, .ended = ended, .ctx = &count };

	(void)state;
	enough_at = 10;
	assert_int_equal(lclone_crew_work(&crew, JOBS), 0);
	assert_in_range(count, 10, JOBS / 2);
	enough_at = 0;
}

static int changes(size_t job, void *ctx)
{
	*(size_t *)ctx = job + 7;
	return 0;
}

static int nothing(size_t job, int err, void *ctx)
{
	(void)job;
	(void)ctx;
	return err;
}

/* One needs no process; and each has memory of its own. */
static void alone(void **state)
{
	size_t value = 0;
	struct lclone_crew crew = { .work = changes, .ended = nothing, .ctx = &value };

	(void)state;
	assert_int_equal(lclone_crew_work(&crew, 2), 0);
	assert_int_equal(value, 0);
	assert_int_equal(lclone_crew_work(&crew, 1), 0);
	assert_int_equal(value, 7);
	assert_int_equal(lclone_crew_work(&crew, 0), 0);
}

static int is_killed(size_t job, void *ctx)
{
	(void)job;
	(void)ctx;
	return getpid() == parent ? 0 : raise(SIGKILL);
}

static int count_killed(size_t job, int err, void *ctx)
{
	(void)job;
	assert_int_equal(err, -ECHILD);
	*(unsigned int *)ctx += 1;
	return 0;
}

/* When all processes are killed those that were not begun have failed, too. */
static void nobody_left(void **state)
{
	unsigned int count = 0;
	struct lclone_crew crew = { .work = is_killed, .ended = count_killed, .ctx = &count };

	(void)state;
	parent = getpid();
	assert_int_equal(lclone_crew_work(&crew, JOBS), 0);
	assert_int_equal(count, JOBS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all),
		cmocka_unit_test(enough),
		cmocka_unit_test(alone),
		cmocka_unit_test(nobody_left),
	};

	return cmocka_run_group_tests_name("crew", tests, NULL, NULL);
}
