// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two runs at once, on plain files: locks, and the file that a copy is written to.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fail.h"
#include "dir.h"
#include "image.h"
#include "host/part.h"
#include "clone/super.h"
#include "test.h"
#include "basic/text.h"

#define SECTORS	64u
#define FOR_LONG	60000u

static void write_text(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fchmod(fileno(f), mode), 0);
	assert_int_equal(fclose(f), 0);
}

static void has_text(const char *name, const char *text)
{
	char buf[256] = "";
	FILE *f = fopen(path_of(name), "r");

	assert_non_null(f);
	assert_true(fread(buf, 1, sizeof(buf) - 1, f) < sizeof(buf) - 1);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(buf, text);
}

/* Another run that has @name with @flags, and @kind, for so long. Returns when it has it. */
static pid_t other_run(const char *name, int flags, enum lclone_lock_kind kind, u32 ms)
{
	struct lclone_file file;
	int pipes[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		if (lclone_file_open(&file, path_of(name), flags) || lclone_lock(&file, kind))
			_exit(1);
		if (write(pipes[1], "x", 1) != 1)
			_exit(1);
		usleep(ms * 1000);
		lclone_file_close(&file);
		_exit(0);
	}
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	close(pipes[0]);
	close(pipes[1]);
	return pid;
}

/* It is killed, if it has not ended. */
static void end(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || !WEXITSTATUS(status));
}

static void make_file(const char *name)
{
	write_text(name, "", 0600);
	assert_int_equal(truncate(path_of(name), SECTORS * 512), 0);
}

static void readers_share(void **state)
{
	struct lclone_file file;
	pid_t pid;

	(void)state;
	make_file("layer");
	pid = other_run("layer", O_RDONLY, LCLONE_LOCK_SHARED, FOR_LONG);
	assert_int_equal(lclone_file_open(&file, path_of("layer"), O_RDONLY), 0);
	assert_int_equal(lclone_lock(&file, LCLONE_LOCK_SHARED), 0);
	/* ... and keep out who writes, who says so after a while */
	assert_int_equal(lclone_lock(&file, LCLONE_LOCK_EXCLUSIVE), -EBUSY);
	assert_non_null(strstr(lclone_why(), "in use by another lclone"));
	lclone_file_close(&file);
	assert_int_equal(lclone_file_open(&file, path_of("layer"), O_RDWR | O_EXCL), -EBUSY);
	lclone_file_close(&file);
	end(pid);
}

static void a_writer_is_alone(void **state)
{
	struct lclone_file file;
	pid_t pid;

	(void)state;
	make_file("layer");
	pid = other_run("layer", O_RDWR | O_EXCL, LCLONE_LOCK_EXCLUSIVE, FOR_LONG);
	assert_int_equal(lclone_file_open(&file, path_of("layer"), O_RDONLY), 0);
	assert_int_equal(lclone_lock(&file, LCLONE_LOCK_SHARED), -EBUSY);
	lclone_file_close(&file);
	end(pid);
	/* one that becomes a reader lets others read */
	pid = other_run("layer", O_RDWR | O_EXCL, LCLONE_LOCK_SHARED, FOR_LONG);
	assert_int_equal(lclone_file_open(&file, path_of("layer"), O_RDONLY), 0);
	assert_int_equal(lclone_lock(&file, LCLONE_LOCK_SHARED), 0);
	lclone_file_close(&file);
	end(pid);
}

/* As a killed process that has its files until its last I/O has ended */
static void who_ends_is_waited_for(void **state)
{
	struct lclone_file file;
	pid_t pid;

	(void)state;
	make_file("layer");
	pid = other_run("layer", O_RDWR | O_EXCL, LCLONE_LOCK_EXCLUSIVE, 300);
	assert_int_equal(lclone_file_open(&file, path_of("layer"), O_RDWR | O_EXCL), 0);
	lclone_file_close(&file);
	end(pid);
}

/* What is wrong with using one device for two things is for the caller to say. */
static void not_itself(void **state)
{
	struct lclone_file a, b;

	(void)state;
	make_file("layer");
	assert_int_equal(lclone_file_open(&a, path_of("layer"), O_RDWR | O_EXCL), 0);
	assert_int_equal(lclone_file_open(&b, path_of("layer"), O_RDWR | O_EXCL), 0);
	assert_true(lclone_file_same(&a, &b));
	lclone_file_close(&b);
	lclone_file_close(&a);
}

/* A lock that others share is not one to write under. */
static void not_shared_with_itself(void **state)
{
	struct lclone_file a, b;
	pid_t pid;

	(void)state;
	make_file("layer");
	pid = other_run("layer", O_RDONLY, LCLONE_LOCK_SHARED, FOR_LONG);
	assert_int_equal(lclone_file_open(&a, path_of("layer"), O_RDONLY), 0);
	assert_int_equal(lclone_lock(&a, LCLONE_LOCK_SHARED), 0);
	assert_int_equal(lclone_file_open(&b, path_of("layer"), O_RDWR | O_EXCL), -EBUSY);
	assert_non_null(strstr(lclone_why(), "read by this very command"));
	lclone_file_close(&b);
	end(pid);
	/* the lock has become another one */
	assert_int_equal(lclone_lock(&a, LCLONE_LOCK_EXCLUSIVE), 0);
	assert_int_equal(lclone_file_open(&b, path_of("layer"), O_RDWR | O_EXCL), 0);
	lclone_file_close(&b);
	assert_int_equal(lclone_lock(&a, LCLONE_LOCK_SHARED), 0);
	assert_int_equal(lclone_file_open(&b, path_of("layer"), O_RDWR | O_EXCL), -EBUSY);
	lclone_file_close(&b);
	assert_int_equal(lclone_file_open(&b, path_of("layer"), O_RDONLY), 0);
	assert_int_equal(lclone_lock(&b, LCLONE_LOCK_SHARED), 0);
	lclone_file_close(&b);
	lclone_file_close(&a);
}

static int open_part(struct lclone_part *part)
{
	return lclone_part_open(part, path_of("disk"), SECTORS);
}

static void no_part(int err)
{
	static struct lclone_part part;

	assert_int_equal(open_part(&part), err);
	lclone_part_close(&part);
}

/* What somebody else has as FILE.part is not touched, nor what it leads to. */
static void part_of_others(void **state)
{
	(void)state;
	write_text("disk.part", "precious", 0644);
	no_part(-EEXIST);
	has_text("disk.part", "precious");
	assert_int_equal(chmod(path_of("disk.part"), 0600), 0);
	no_part(-EEXIST);
	has_text("disk.part", "precious");
	assert_int_equal(unlink(path_of("disk.part")), 0);

	write_text("victim", "precious", 0600);
	assert_int_equal(symlink(path_of("victim"), path_of("disk.part")), 0);
	no_part(-EEXIST);
	has_text("victim", "precious");
	assert_int_equal(unlink(path_of("disk.part")), 0);

	/* the name is taken by a link that leads nowhere: nothing is left of us */
	assert_int_equal(symlink("nowhere", path_of("disk")), 0);
	no_part(-EEXIST);
	assert_int_equal(access(path_of("disk.part"), F_OK), -1);
	assert_int_equal(unlink(path_of("disk")), 0);

	make_file("victim");
	assert_int_equal(link(path_of("victim"), path_of("disk.part")), 0);
	no_part(-EEXIST);
	assert_int_equal(unlink(path_of("disk.part")), 0);

	write_text("disk", "precious", 0600);
	no_part(-EEXIST);
	has_text("disk", "precious");
	assert_int_equal(unlink(path_of("disk")), 0);
	unlink(path_of("disk.part"));
}

/* What can be no name of a file is known before anything is copied. */
static void part_without_name(void **state)
{
	static const char * const names[] = { "", "/tmp/", "nowhere/" };
	static struct lclone_part part;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(lclone_part_open(&part, names[i], SECTORS), -EISDIR);
		lclone_part_close(&part);
	}
	assert_int_equal(access(".part", F_OK), -1);
	assert_int_equal(access("/tmp/.part", F_OK), -1);
}

/* A run that comes while another writes is refused, before it truncates anything. */
static void part_of_a_run(void **state)
{
	static struct lclone_part part;
	struct stat st;
	pid_t pid;

	(void)state;
	make_file("disk.part");
	pid = other_run("disk.part", O_RDWR | O_EXCL, LCLONE_LOCK_EXCLUSIVE, FOR_LONG);
	write_text("disk.part", "half of a disk", 0600);
	assert_int_equal(truncate(path_of("disk.part"), SECTORS * 512), 0);
	no_part(-EBUSY);
	assert_int_equal(stat(path_of("disk.part"), &st), 0);
	assert_int_equal(st.st_size, SECTORS * 512);
	assert_int_not_equal(st.st_blocks, 0);
	end(pid);
	/* it was killed: what it has left is ours */
	assert_int_equal(open_part(&part), 0);
	assert_int_equal(stat(path_of("disk.part"), &st), 0);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(lclone_part_finish(&part), 0);
	lclone_part_close(&part);
	assert_int_equal(stat(path_of("disk"), &st), 0);
	assert_int_equal(st.st_size, SECTORS * 512);
	assert_int_equal(access(path_of("disk.part"), F_OK), -1);
	assert_int_equal(unlink(path_of("disk")), 0);
}

/* The name was taken while it was written. */
static void part_too_late(void **state)
{
	static struct lclone_part part;

	(void)state;
	assert_int_equal(open_part(&part), 0);
	write_text("disk", "precious", 0600);
	assert_int_equal(lclone_part_finish(&part), -EEXIST);
	lclone_part_close(&part);
	has_text("disk", "precious");
	unlink(path_of("disk"));
	unlink(path_of("disk.part"));
}

/* Nobody writes a superblock with features that only a newer version can write to. */
static void unknown_features(void **state)
{
	struct lclone_sb sb = { .ro_compat = 1ull << 40 };
	struct lclone_file file;

	(void)state;
	make_file("layer");
	assert_int_equal(lclone_file_open(&file, path_of("layer"), O_RDWR | O_EXCL), 0);
	assert_int_equal(lclone_super_write(&file, &sb), -EPROTONOSUPPORT);
	assert_int_equal(sb.seq, 0);
	lclone_file_close(&file);
}

static void text(void **state)
{
	char out[64];

	(void)state;
	assert_string_equal(lclone_text_plain(out, sizeof(out), "a\033[31m\n\377b\303\274"),
			    "a\\x1b[31m\\x0a\\xffb\303\274");
	assert_string_equal(lclone_text_utf8(out, sizeof(out), "a\033\n\377b\303\274"),
			    "a\033\n\\xffb\303\274");
	/* overlong, a surrogate, beyond Unicode, cut, a C1 control */
	assert_string_equal(lclone_text_utf8(out, sizeof(out), "\300\200"), "\\xc0\\x80");
	assert_string_equal(lclone_text_utf8(out, sizeof(out), "\355\240\200"), "\\xed\\xa0\\x80");
	assert_string_equal(lclone_text_utf8(out, sizeof(out), "\364\220\200\200"),
			    "\\xf4\\x90\\x80\\x80");
	assert_string_equal(lclone_text_utf8(out, sizeof(out), "x\303"), "x\\xc3");
	assert_string_equal(lclone_text_plain(out, sizeof(out), "\302\233"), "\\xc2\\x9b");
	/* what turns the order of letters around, or begins a line */
	assert_string_equal(lclone_text_plain(out, sizeof(out), "a\342\200\256b\342\201\247c"),
			    "a\\xe2\\x80\\xaeb\\xe2\\x81\\xa7c");
	assert_string_equal(lclone_text_plain(out, sizeof(out), "\342\200\250"), "\\xe2\\x80\\xa8");
	assert_string_equal(lclone_text_plain(out, sizeof(out), "\342\202\254"), "\342\202\254");
	assert_string_equal(lclone_text_plain(out, 4, "ab\303\274"), "ab");
	/* sentences have names and labels in them */
	lclone_fail(-EIO, "%s", "\033]0;x\007");
	assert_string_equal(lclone_why(), "\\x1b]0;x\\x07");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_share),
		cmocka_unit_test(a_writer_is_alone),
		cmocka_unit_test(who_ends_is_waited_for),
		cmocka_unit_test(not_itself),
		cmocka_unit_test(not_shared_with_itself),
		cmocka_unit_test(part_of_others),
		cmocka_unit_test(part_without_name),
		cmocka_unit_test(part_of_a_run),
		cmocka_unit_test(part_too_late),
		cmocka_unit_test(unknown_features),
		cmocka_unit_test(text),
	};

	return cmocka_run_group_tests_name("two runs at once", tests, make_dir, remove_dir);
}
