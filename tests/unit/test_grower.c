// SPDX-License-Identifier: GPL-2.0-only
/* What lcloned tells of a delta that is extended, also where LVM takes its time. */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "basic/fail.h"
#include "host/dm-events.h"
#include "host/dm.h"
#include "host/lock.h"
#include "online/grower.h"
#include "test.h"

static time_t now;

int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	assert_int_equal(id, CLOCK_MONOTONIC);
	*ts = (struct timespec){ .tv_sec = now };
	return 0;
}

int __wrap_lclone_lock_daemon(void);
int __wrap_lclone_lock_daemon(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int __wrap_lclone_dm_events_open(void);
int __wrap_lclone_dm_events_open(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int __wrap_lclone_dm_events_arm(int fd);
int __wrap_lclone_dm_events_arm(int fd)
{
	(void)fd;
	return 0;
}

int __wrap_lclone_dm_events_each(int fd, int (*visit)(const char *name, u32 event, void *ctx),
				 void *ctx);
int __wrap_lclone_dm_events_each(int fd, int (*visit)(const char *name, u32 event, void *ctx),
				 void *ctx)
{
	(void)fd;
	return visit("web1", 1, ctx);
}

int __wrap_lclone_dm_get(const char *name, struct lclone_clone *clone);
int __wrap_lclone_dm_get(const char *name, struct lclone_clone *clone)
{
	*clone = (struct lclone_clone){ .sectors = 1 << 20 };
	snprintf(clone->name, sizeof(clone->name), "%s", name);
	return 0;
}

int __wrap_lclone_dm_message(const char *name, const char *message);
int __wrap_lclone_dm_message(const char *name, const char *message)
{
	assert_string_equal(name, "web1");
	assert_non_null(strstr(message, "low_water_mark"));
	return 0;
}

/* The delta, in MiB, of which 12 are used; and what becomes of the next extensions */
static u64 has;
static const struct step {
	u64 late, more;		/* that it has got since the last one, and gets by this one */
	int err;
} *step;

int __wrap_lclone_dm_status(const char *name, struct lclone_status *status);
int __wrap_lclone_dm_status(const char *name, struct lclone_status *status)
{
	assert_string_equal(name, "web1");
	*status = (struct lclone_status){ .mode = "rw", .chunk_sectors = 2048, .used = 12,
					  .total = has };
	return 0;
}

int __wrap_lclone_extend(const char *name, const struct lclone_autoextend *how,
			 struct lclone_extended *x);
int __wrap_lclone_extend(const char *name, const struct lclone_autoextend *how,
			 struct lclone_extended *x)
{
	assert_int_equal(how->percent, 20);
	has += step->late;
	x->before = has;
	has += step->more;
	x->now = has;
	return step->err ? lclone_fail((step++)->err, "%s: not yet", name) : (step++, 0);
}

static char said[512];

static void tell(enum lclone_grower_event event, const char *name, const char *why,
		 const struct lclone_extended *x, void *ctx)
{
	size_t len = strlen(said);

	assert_null(ctx);
	assert_string_equal(name, "web1");
	if (event == LCLONE_NOT_EXTENDED)
		snprintf(said + len, sizeof(said) - len, "%s;", why);
	else
		snprintf(said + len, sizeof(said) - len, "%d to %d;", (int)x->before, (int)x->now);
}

static void between(void)
{
}

/* Looks once a minute until all steps are done */
static void looks(const struct step *steps, const struct step *end, const char *wanted)
{
	const struct lclone_autoextend how = { .threshold = 70, .percent = 20 };
	struct lclone_grower *g;
	int i;

	said[0] = '\0';
	has = 12;
	step = steps;
	assert_int_equal(lclone_grower_start(&g, &how, tell, NULL), 0);
	for (i = 0; i < 10 && step < end; i++, now += 60)
		assert_true(lclone_grower_look(g, between) >= 0);
	assert_ptr_equal(step, end);
	assert_string_equal(said, wanted);
	lclone_grower_free(g);
}

#define LOOKS(steps, wanted)	looks(steps, steps + sizeof(steps) / sizeof(steps[0]), wanted)

static void in_time(void **state)
{
	static const struct step steps[] = { { .more = 4 }, { .more = 4 } };

	(void)state;
	LOOKS(steps, "12 to 16;16 to 20;");
}

/* It is said that it is late, once, and then what it has done, also if the next is late, too. */
static void late(void **state)
{
	static const struct step once[] = { { .err = -ETIMEDOUT }, { .err = -ETIMEDOUT },
					    { .late = 8 } };
	static const struct step again[] = { { .err = -ETIMEDOUT }, { .late = 4, .err = -ETIMEDOUT },
					     { .late = 4, .more = 4 } };
	static const struct step failed[] = { { .err = -ETIMEDOUT }, { .err = -ENOSPC }, { .more = 8 } };

	(void)state;
	LOOKS(once, "web1: not yet;12 to 20;");
	LOOKS(again, "web1: not yet;12 to 16;16 to 20;20 to 24;");
	LOOKS(failed, "web1: not yet;12 to 20;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_time),
		cmocka_unit_test(late),
	};

	return cmocka_run_group_tests_name("grower", tests, NULL, NULL);
}
