// SPDX-License-Identifier: GPL-2.0-only
/*
 * Images of qemu, by qemu-nbd: they are read and written, what each has itself is told, and a
 * qemu-nbd that ends, or was never there, is a sentence.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fail.h"
#include "dir.h"
#include "host/nbd.h"
#include "test.h"

#define MIB	(1u << 20)
#define PIECES	16

static char buf[PIECES][MIB];

struct request {
	struct lclone_nbd_io io;
	bool ended;
	int err;
};

static void shell(const char *command)
{
	int ret = system(command);

	if (ret)
		print_message("%s\n", command);
	assert_int_equal(ret, 0);
}

/* qemu-img create @options NAME SIZE */
static void create(const char *options, const char *name, const char *size)
{
	char command[2048];

	snprintf(command, sizeof(command), "qemu-img create -q %s '%s' %s", options, path_of(name),
		 size);
	shell(command);
}

static int open_image(struct lclone_nbd **nbd, const char *name, const char *format,
		      const struct lclone_nbd_image *backing, bool write)
{
	struct lclone_nbd_image image = { .path = path_of(name), .format = format, .fd = -1,
					  .backing = backing };

	return lclone_nbd_open(nbd, &image, write);
}

static void ended(struct lclone_nbd_io *io, int err)
{
	struct request *r = (struct request *)io;

	assert_false(r->ended);
	r->ended = true;
	r->err = err;
}

/* Waits for @count requests: the first error of one, or of waiting */
static int wait_for(struct lclone_nbd *nbd, struct request *r, int count)
{
	struct pollfd p;
	int i, err;

	for (i = 0; i < count; i++) {
		while (!r[i].ended) {
			lclone_nbd_poll_for(nbd, &p);
			poll(&p, 1, 10000);
			err = lclone_nbd_polled(nbd, &p);
			if (err)
				return err;
		}
		if (r[i].err)
			return r[i].err;
	}
	return 0;
}

void *__real_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags);

static bool no_library;

void *__wrap_dlopen(const char *name, int flags)
{
	return no_library ? NULL : __real_dlopen(name, flags);
}

int __real_rmdir(const char *path);
int __wrap_rmdir(const char *path);

static int sockets_removed;		/* the directories that libnbd has them in */

int __wrap_rmdir(const char *path)
{
	int ret = __real_rmdir(path);

	sockets_removed += !ret && !strncmp(path, "/tmp/libnbd", strlen("/tmp/libnbd"));
	return ret;
}

static int write_at(struct lclone_nbd *nbd, int byte, u64 at, u64 bytes)
{
	struct request r = { .io = { .ended = ended } };
	int err;

	memset(buf, byte, bytes);
	err = byte ? lclone_nbd_write(nbd, &r.io, buf, at, bytes) :
		     lclone_nbd_zero(nbd, &r.io, at, bytes);
	return err ?: wait_for(nbd, &r, 1);
}

static void is_extent(struct lclone_nbd *nbd, u64 at, u64 bytes, u32 depth, bool zero)
{
	struct lclone_nbd_extent e;

	assert_int_equal(lclone_nbd_extent_at(nbd, at, &e), 0);
	assert_int_equal(e.at, at);
	assert_int_equal(e.bytes, bytes);
	assert_int_equal(e.depth, depth);
	assert_int_equal(e.zero, zero);
}

/* Many requests in flight, each with its own bytes; they are there when it is opened again. */
static void in_flight(void **state)
{
	static const char *const formats[] = { "raw", "qcow2", "vmdk" };
	struct request r[PIECES];
	struct lclone_nbd *nbd;
	char options[32];
	size_t f;
	int i, j;

	(void)state;
	for (f = 0; f < 3; f++) {
		snprintf(options, sizeof(options), "-f %s", formats[f]);
		create(options, "image", "16M");
		assert_int_equal(open_image(&nbd, "image", formats[f], NULL, true), 0);
		assert_int_equal(lclone_nbd_bytes(nbd), PIECES * MIB);
		memset(r, 0, sizeof(r));
		for (i = 0; i < PIECES; i++) {
			memset(buf[i], 'a' + i, MIB);
			r[i].io.ended = ended;
			assert_int_equal(lclone_nbd_write(nbd, &r[i].io, buf[i], i * MIB, MIB), 0);
		}
		assert_int_equal(wait_for(nbd, r, PIECES), 0);
		assert_int_equal(lclone_nbd_flush(nbd), 0);
		lclone_nbd_close(nbd);

		assert_int_equal(open_image(&nbd, "image", formats[f], NULL, false), 0);
		memset(r, 0, sizeof(r));
		memset(buf, 0, sizeof(buf));
		for (i = 0; i < PIECES; i++) {
			r[i].io.ended = ended;
			assert_int_equal(lclone_nbd_read(nbd, &r[i].io, buf[i], i * MIB, MIB), 0);
		}
		for (i = 0; i < PIECES; i++)
			while (!r[i].ended)
				assert_int_equal(lclone_nbd_wait(nbd, 10000), 0);
		for (i = 0; i < PIECES; i++)
			for (j = 0; j < (int)MIB; j++)
				assert_int_equal(buf[i][j], 'a' + i);
		assert_int_equal(lclone_dev_read(lclone_nbd_dev(nbd), buf, 2 * PIECES * MIB / 1024 - 1,
						 1), 0);
		assert_int_equal(buf[0][0], 'a' + PIECES - 1);
		assert_int_equal(lclone_dev_read(lclone_nbd_dev(nbd), buf, 2 * PIECES * MIB / 1024, 1),
				 -ENXIO);
		lclone_nbd_close(nbd);
		unlink(path_of("image"));
	}
}

/* Of a chain: what each image has itself, also zeros, exact to a subcluster */
static void depth(void **state)
{
	struct lclone_nbd_image base = { .path = strdup(path_of("base")), .format = "raw", .fd = -1 };
	struct lclone_nbd_image middle = { .path = strdup(path_of("middle")), .format = "qcow2",
					   .backing = &base };
	struct lclone_nbd *nbd;
	int fd;

	(void)state;
	fd = open(base.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 4 * MIB), 0);
	close(fd);
	create("-f qcow2 -o extended_l2=on,cluster_size=128k", "middle", "8M");
	create("-f qcow2 -o extended_l2=on,cluster_size=128k", "top", "8M");
	middle.fd = open(middle.path, O_RDWR | O_CLOEXEC);
	assert_true(middle.fd >= 0);
	assert_int_equal(lclone_nbd_open(&nbd, &middle, true), 0);
	assert_int_equal(write_at(nbd, 'm', 4096, 8192), 0);
	assert_int_equal(write_at(nbd, 0, MIB, 4096), 0);
	assert_int_equal(lclone_nbd_flush(nbd), 0);
	lclone_nbd_close(nbd);
	assert_int_equal(open_image(&nbd, "top", "qcow2", &middle, true), 0);
	assert_int_equal(write_at(nbd, 't', 8192, 4096), 0);
	assert_int_equal(write_at(nbd, 0, MIB + 4096, 4096), 0);
	assert_int_equal(lclone_nbd_flush(nbd), 0);
	lclone_nbd_close(nbd);

	assert_int_equal(open_image(&nbd, "top", "qcow2", &middle, false), 0);
	is_extent(nbd, 0, 4096, 3, true);
	is_extent(nbd, 4096, 4096, 2, false);
	is_extent(nbd, 8192, 4096, 1, false);
	is_extent(nbd, 12288, MIB - 12288, 3, true);
	is_extent(nbd, MIB, 4096, 2, true);
	is_extent(nbd, MIB + 4096, 4096, 1, true);
	is_extent(nbd, MIB + 8192, 7 * MIB - 8192, 3, true);	/* also beyond the end of the base */
	is_extent(nbd, 5000, 3192, 2, false);		/* back, and in the middle of it */
	lclone_nbd_close(nbd);

	/* What it lies on is what is said, whatever its header has */
	assert_int_equal(open_image(&nbd, "top", "qcow2", NULL, false), 0);
	is_extent(nbd, 0, 8192, 0, true);
	is_extent(nbd, 8192, 4096, 1, false);
	lclone_nbd_close(nbd);
	close(middle.fd);
	free((char *)base.path);
	free((char *)middle.path);
}

/* qemu would take these for protocols, options, or what lies on something else. */
static void odd_names(void **state)
{
	static const char *const names[] = { "json:{\"driver\":\"null-co\"}", "nbd:unix:x", "a,b=c",
					     "with \"quotes\" \\ and spaces", "\xff\xfe.img" };
	struct lclone_nbd_image image = { .format = "raw" };
	char cwd[PATH_MAX], dir[PATH_MAX];
	struct lclone_nbd *nbd;
	size_t i;

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	snprintf(dir, sizeof(dir), "%s", path_of(""));
	assert_int_equal(chdir(dir), 0);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		image.fd = open(names[i], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		assert_true(image.fd >= 0);
		assert_int_equal(ftruncate(image.fd, MIB), 0);
		image.path = names[i];
		assert_int_equal(lclone_nbd_open(&nbd, &image, true), 0);
		assert_int_equal(lclone_nbd_bytes(nbd), MIB);
		assert_int_equal(write_at(nbd, 'x', 0, 512), 0);
		lclone_nbd_close(nbd);
		assert_int_equal(pread(image.fd, buf, 1, 0), 1);
		assert_int_equal(buf[0][0], 'x');
		close(image.fd);
		image.fd = -1;
		if (names[i][0] == '\xff') {
			assert_int_equal(lclone_nbd_open(&nbd, &image, false), -EINVAL);
			assert_non_null(strstr(lclone_why(), "UTF-8"));
		} else {
			assert_int_equal(lclone_nbd_open(&nbd, &image, false), 0);
			assert_int_equal(lclone_nbd_bytes(nbd), MIB);
			lclone_nbd_close(nbd);
		}
	}
	assert_int_equal(chdir(cwd), 0);
}

static void refused(void **state)
{
	struct lclone_nbd *nbd;
	char *path = strdup(getenv("PATH"));

	(void)state;
	create("-f raw", "raw", "1M");
	assert_int_equal(open_image(&nbd, "nothing", "raw", NULL, false), -ENOENT);
	assert_null(nbd);
	assert_int_equal(open_image(&nbd, "raw", "qcow2", NULL, false), -EIO);
	assert_null(nbd);
	assert_non_null(strstr(lclone_why(), "/raw: qemu-nbd cannot open this qcow2 image: "));
	assert_non_null(strstr(lclone_why(), "not in qcow2 format"));
	assert_null(strchr(lclone_why(), '{'));
	setenv("PATH", "/nowhere", 1);
	assert_int_equal(open_image(&nbd, "raw", "raw", NULL, false), -ENOENT);
	assert_string_equal(lclone_why(), "this needs the program qemu-nbd, which is not installed (qemu-utils)");
	setenv("PATH", path, 1);
	free(path);
}

/* It may be installed any time. */
static void not_installed(void **state)
{
	struct lclone_nbd *nbd;

	(void)state;
	no_library = true;
	assert_int_equal(open_image(&nbd, "nothing", "raw", NULL, false), -EPROTONOSUPPORT);
	assert_string_equal(lclone_why(), "this needs libnbd.so.0, which is not installed (libnbd0)");
	no_library = false;
	assert_int_equal(open_image(&nbd, "nothing", "raw", NULL, false), -ENOENT);
}

/* The only child that this process has */
static pid_t child(void)
{
	FILE *f;
	int pid = 0;

	f = fopen("/proc/thread-self/children", "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

/* All requests end, the sentence says who is gone, and nobody waits. */
static void killed(void **state)
{
	struct request r[PIECES];
	struct lclone_nbd *nbd;
	struct lclone_nbd_extent e;
	pid_t pid;
	int i;

	(void)state;
	create("-f qcow2", "killed", "64M");
	sockets_removed = 0;
	assert_int_equal(open_image(&nbd, "killed", "qcow2", NULL, true), 0);
	assert_int_equal(sockets_removed, 1);	/* nothing is left if it is us */
	pid = child();
	kill(pid, SIGSTOP);
	memset(r, 0, sizeof(r));
	for (i = 0; i < PIECES; i++) {
		r[i].io.ended = ended;
		assert_int_equal(lclone_nbd_write(nbd, &r[i].io, buf[i], i * MIB, MIB), 0);
	}
	kill(pid, SIGKILL);
	assert_int_equal(wait_for(nbd, r, PIECES), -EPIPE);
	assert_non_null(strstr(lclone_why(), "/killed: qemu-nbd has ended in the middle"));
	for (i = 0; i < PIECES; i++)
		assert_true(r[i].ended);
	assert_int_equal(lclone_nbd_flush(nbd), -EPIPE);
	assert_int_equal(lclone_nbd_extent_at(nbd, 0, &e), -EPIPE);
	assert_int_equal(lclone_nbd_wait(nbd, 10000), -EPIPE);
	lclone_nbd_close(nbd);
}

static bool stop_later(void *ctx)
{
	return !--*(int *)ctx;
}

/* It does not answer: who is asked whether to go on says no the second time. */
static void hangs(void **state)
{
	static const char *const calls[] = { "read", "extent", "flush", "write" };
	struct lclone_nbd_image image = { .format = "raw", .fd = -1, .stop = stop_later };
	struct lclone_nbd_extent e;
	struct lclone_nbd *nbd;
	struct request r;
	int asked, err;

	(void)state;
	create("-f raw", "hangs", "64M");
	image.path = strdup(path_of("hangs"));
	image.ctx = &asked;
	alarm(60);	/* instead of for ever */
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		print_message("# %s\n", calls[i]);
		asked = INT_MAX;
		assert_int_equal(lclone_nbd_open(&nbd, &image, calls[i][0] == 'f' ||
						 calls[i][0] == 'w'), 0);
		assert_null(getenv("MALLOC_TRIM_THRESHOLD_"));	/* it was for the child */
		kill(child(), SIGSTOP);
		asked = 2;
		r = (struct request){ .io = { .ended = ended } };
		switch (calls[i][0]) {
		case 'r':
			err = lclone_dev_read(lclone_nbd_dev(nbd), buf, 0, 1);
			break;
		case 'e':
			err = lclone_nbd_extent_at(nbd, 0, &e);
			break;
		case 'f':
			err = lclone_nbd_flush(nbd);
			break;
		default:
			assert_int_equal(lclone_nbd_write(nbd, &r.io, buf, 0, MIB), 0);
			for (err = 0; !err && !r.ended;)
				err = lclone_nbd_wait(nbd, 10000);
			err = r.err;
		}
		assert_int_equal(err, -EINTR);
		assert_int_equal(lclone_nbd_wait(nbd, 10000), -EINTR);
		lclone_nbd_close(nbd);
	}
	/* nobody is asked where nobody waits */
	image.stop = NULL;
	assert_int_equal(lclone_nbd_open(&nbd, &image, false), 0);
	kill(child(), SIGSTOP);
	lclone_nbd_close(nbd);
	alarm(0);
	free((char *)image.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_installed),
		cmocka_unit_test(in_flight),
		cmocka_unit_test(depth),
		cmocka_unit_test(odd_names),
		cmocka_unit_test(refused),
		cmocka_unit_test(killed),
		cmocka_unit_test(hangs),
	};

	return cmocka_run_group_tests_name("nbd", tests, make_dir, remove_dir);
}
