// SPDX-License-Identifier: GPL-2.0-only
/* What the system refuses, or has otherwise than most: functions __wrap_... stand for it. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/users.h"
#include "host/part.h"
#include "dir.h"
#include "host/look.h"
#include "image.h"
#include "offline/merge.h"
#include "offline/remove.h"
#include "test.h"

#define SECTORS	64u

static struct {
	bool stuck;			/* io_uring takes nothing */
	bool gone;			/* it takes all, and then nothing is to be had of it */
	unsigned int left;		/* I/Os that it had when it was given up */
	unsigned int again;		/* so many of its I/Os have to be tried again */
	time_t later;			/* seconds that have passed meanwhile */
	bool no_noreplace, no_link, no_locks;
	const char *mounts;		/* instead of /proc/self/mountinfo */
	dev_t disk;			/* what /dev/disk is */
	bool small;			/* I/O is interrupted, and then a block at a time */
	unsigned int calls;
	int bad;			/* what each read fails with */
	int uring;			/* what io_uring's I/Os do; 0: EAGAIN */
} fault;

/* The errno of an I/O of @size bytes, of which less are done; 0: none */
static int io_fault(size_t *size)
{
	if (fault.small && fault.calls++ % 2)
		return EINTR;
	if (fault.small && *size > LCLONE_BLOCK_SIZE)
		*size = LCLONE_BLOCK_SIZE;
	return 0;
}

ssize_t __real_pread(int fd, void *buf, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t at)
{
	errno = fault.bad ?: io_fault(&size);
	return errno ? -1 : __real_pread(fd, buf, size, at);
}

ssize_t __real_pwrite(int fd, const void *buf, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t size, off_t at)
{
	errno = io_fault(&size);
	return errno ? -1 : __real_pwrite(fd, buf, size, at);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	size_t size = 0;

	errno = io_fault(&size);
	return errno ? -1 : __real_fsync(fd);
}

int __real_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
					    unsigned int count, struct __kernel_timespec *ts,
					    sigset_t *mask);
int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
					    unsigned int count, struct __kernel_timespec *ts,
					    sigset_t *mask);
int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
					    unsigned int count, struct __kernel_timespec *ts,
					    sigset_t *mask)
{
	struct io_uring_cqe *done;
	unsigned int head;
	int ret;

	if (fault.stuck) {
		fault.later += 7;
		return -EAGAIN;
	}
	if (fault.gone) {
		assert_true(io_uring_submit(ring) > 0);
		return -EBADR;
	}
	ret = __real_io_uring_submit_and_wait_timeout(ring, cqe, count, ts, mask);
	io_uring_for_each_cqe(ring, head, done) {
		if (!fault.again)
			break;
		fault.again--;
		done->res = fault.uring ? -fault.uring : -EAGAIN;
	}
	return ret;
}

void __real_io_uring_queue_exit(struct io_uring *ring);
void __wrap_io_uring_queue_exit(struct io_uring *ring);
void __wrap_io_uring_queue_exit(struct io_uring *ring)
{
	fault.left = *ring->sq.khead - *ring->cq.khead;
	__real_io_uring_queue_exit(ring);
}

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int ret = __real_clock_gettime(id, ts);

	ts->tv_sec += fault.later;
	return ret;
}

int __real_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned int how);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned int how);
int __wrap_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned int how)
{
	if (!fault.no_noreplace)
		return __real_renameat2(from_dir, from, to_dir, to, how);
	errno = EINVAL;
	return -1;
}

int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to)
{
	if (!fault.no_link)
		return __real_link(from, to);
	errno = EPERM;
	return -1;
}

int __real_flock(int fd, int how);
int __wrap_flock(int fd, int how);
int __wrap_flock(int fd, int how)
{
	if (!fault.no_locks)
		return __real_flock(fd, how);
	errno = ENOLCK;
	return -1;
}

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode)
{
	if (fault.mounts && !strcmp(path, "/proc/self/mountinfo"))
		return fmemopen((void *)fault.mounts, strlen(fault.mounts), "r");
	return __real_fopen(path, mode);
}

int __real_stat(const char *path, struct stat *st);
int __wrap_stat(const char *path, struct stat *st);
int __wrap_stat(const char *path, struct stat *st)
{
	if (strcmp(path, "/dev/disk"))
		return __real_stat(path, st);
	*st = (struct stat){ .st_mode = S_IFBLK, .st_rdev = fault.disk };
	return 0;
}

static void write_file(const char *name, const void *data, size_t size)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
}

static void has(const char *name, const void *data, size_t size)
{
	u8 *buf = malloc(size);
	int fd = open(path_of(name), O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, buf, size), size);
	assert_memory_equal(buf, data, size);
	close(fd);
	free(buf);
}

static int no_progress(struct lclone_merge *merge, u64 done, u64 total)
{
	(void)merge;
	(void)done;
	(void)total;
	return 0;
}

static int merge_to(void)
{
	struct lclone_merge merge = { .progress = no_progress, .target_is_zero = true };
	struct lclone_file file, out;
	struct lclone_delta delta;
	struct lclone_chain chain = { 1, { &delta }, { &file } };
	int err;

	assert_int_equal(lclone_file_open(&file, path_of("delta"), O_RDONLY), 0);
	assert_int_equal(lclone_file_open(&out, path_of("out"), O_RDWR), 0);
	assert_int_equal(lclone_delta_open(&delta, &file.dev), 0);
	merge.chain = &chain;
	merge.target = &out;
	err = lclone_merge_to(&merge);
	lclone_delta_close(&delta);
	lclone_file_close(&file);
	lclone_file_close(&out);
	return err;
}

/* One I/O at a time: one chunk has data. */
static void make_delta(struct image *img)
{
	static const struct image_size size = { 16384, 0, 2048, 128 };
	static const u8 zeros[2048 * 512];

	image_init(img, &size, 3);
	image_activate(img);
	do {
		image_change(img, 1);
	} while (!lclone_exc_written(img->exc[1]));
	image_checkpoint(img);
	write_file("delta", img->data, size.device_sectors << 9);
	write_file("out", zeros, sizeof(zeros));
}

/* What the kernel has no memory for is tried again, but not for ever. */
static void no_memory_for_io(void **state)
{
	struct image img;

	(void)state;
	make_delta(&img);
	fault.again = 5;
	assert_int_equal(merge_to(), 0);
	assert_int_equal(fault.again, 0);
	has("out", img.clone, img.sb.virtual_sectors << 9);
	fault.again = UINT32_MAX;
	assert_int_equal(merge_to(), -EIO);
	fault.again = 0;
	fault.stuck = true;
	assert_int_equal(merge_to(), -EAGAIN);
	assert_non_null(strstr(lclone_why(), "io_uring"));
	fault.stuck = false;
	/* what is in flight would be written to what others have by then */
	fault.gone = true;
	assert_int_equal(merge_to(), -EBADR);
	assert_int_equal(fault.left, 0);
	fault.gone = false;
	assert_int_equal(merge_to(), 0);
	image_free(&img);
}

/* A call that was interrupted, or has done a part, is gone on with. */
static void small_io(void **state)
{
	static u8 data[SECTORS * 512], back[sizeof(data)];
	struct lclone_file file;

	(void)state;
	memset(data, 0x5a, sizeof(data));
	write_file("disk", back, sizeof(back));
	assert_int_equal(lclone_file_open(&file, path_of("disk"), O_RDWR), 0);
	fault.small = true;
	assert_int_equal(lclone_file_write(&file, data, 0, SECTORS), 0);
	assert_int_equal(lclone_file_sync(&file), 0);
	assert_int_equal(lclone_dev_read(&file.dev, back, 0, SECTORS), 0);
	fault.small = false;
	assert_memory_equal(back, data, sizeof(data));
	lclone_file_close(&file);
	has("disk", data, sizeof(data));
	unlink(path_of("disk"));
}

/* What cannot be read is not blank, no other thing, and not too small, whatever the disk says. */
static void bad_sectors(void **state)
{
	static const int says[] = { EIO, ENODATA, EINVAL, ENXIO, ENOSPC, EBADMSG, EUCLEAN, ESTALE };
	struct lclone_place place;
	struct lclone_delta delta;
	struct lclone_file file;
	struct image img;
	size_t i;

	(void)state;
	make_delta(&img);
	for (i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		assert_int_equal(lclone_file_open(&file, path_of("delta"), O_RDONLY), 0);
		fault.bad = says[i];
		assert_int_equal(lclone_delta_open_sb(&delta, &file.dev), -EIO);
		lclone_delta_close(&delta);
		assert_int_equal(lclone_refuse_as_base(&file, "", NULL), -EIO);
		assert_non_null(strstr(lclone_why(), "cannot be read"));
		lclone_file_close(&file);
		assert_int_equal(lclone_remove_delta(path_of("delta")), -EIO);
		place = (struct lclone_place){ .sectors = img.sb.device_sectors };
		snprintf(place.path, sizeof(place.path), "%s", path_of("delta"));
		assert_int_equal(lclone_look(&place, 1), 0);
		assert_int_equal(place.seen, LCLONE_SEEN_ERROR);
		fault.bad = 0;
	}
	for (i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		fault.again = 1;	/* that is a read */
		fault.uring = says[i];
		assert_int_equal(merge_to(), -EIO);
	}
	image_free(&img);
}

/* As on 9p and NFS: the name is given by a link, and never over another file. */
static void no_noreplace(void **state)
{
	static struct lclone_part part;
	struct stat st;

	(void)state;
	fault.no_noreplace = true;
	assert_int_equal(lclone_part_open(&part, path_of("disk"), SECTORS), 0);
	assert_int_equal(lclone_part_finish(&part), 0);
	lclone_part_close(&part);
	assert_int_equal(stat(path_of("disk"), &st), 0);
	assert_int_equal(st.st_size, SECTORS * 512);
	assert_int_equal(st.st_nlink, 1);
	unlink(path_of("disk"));

	assert_int_equal(lclone_part_open(&part, path_of("disk"), SECTORS), 0);
	write_file("disk", "precious", 8);
	assert_int_equal(lclone_part_finish(&part), -EEXIST);
	lclone_part_close(&part);
	has("disk", "precious", 8);
	unlink(path_of("disk"));
	unlink(path_of("disk.part"));
	fault.no_noreplace = false;
}

/* Where a file cannot get its name at all, that is said before the copy. */
static void no_names(void **state)
{
	static struct lclone_part part;

	(void)state;
	fault.no_noreplace = fault.no_link = true;
	assert_int_equal(lclone_part_open(&part, path_of("disk"), SECTORS), -EOPNOTSUPP);
	lclone_part_close(&part);
	unlink(path_of("disk.part"));
	fault.no_noreplace = fault.no_link = false;
}

/* A lock that cannot be had is not one that others have. */
static void no_locks(void **state)
{
	struct lclone_file file;

	(void)state;
	write_file("disk", "", 0);
	fault.no_locks = true;
	assert_int_equal(lclone_file_open(&file, path_of("disk"), O_RDWR | O_EXCL), -ENOLCK);
	assert_non_null(strstr(lclone_why(), "cannot be locked"));
	assert_null(strstr(lclone_why(), "in use"));
	lclone_file_close(&file);
	fault.no_locks = false;
	unlink(path_of("disk"));
}

/* A filesystem that may have several devices has a number of its own. */
static void mounted_btrfs(void **state)
{
	struct lclone_file file = { .block = true, .path = "/dev/disk", .rdev = makedev(7, 42) };

	(void)state;
	fault.disk = file.rdev;
	fault.mounts = "36 25 0:35 / /srv/data rw,relatime shared:1 - btrfs /dev/disk rw,ssd\n";
	assert_int_equal(lclone_file_not_mounted_rw(&file), -EBUSY);
	assert_non_null(strstr(lclone_why(), "/srv/data"));
	fault.mounts = "36 25 0:35 / /srv/data ro,relatime shared:1 - btrfs /dev/disk ro,ssd\n";
	assert_int_equal(lclone_file_not_mounted_rw(&file), 0);
	fault.mounts = "36 25 0:35 / /srv/data rw,relatime shared:1 - btrfs /dev/disk rw,ssd\n";
	fault.disk = makedev(7, 43);
	assert_int_equal(lclone_file_not_mounted_rw(&file), 0);
	fault.mounts = NULL;
}

/* Also where a test before has failed, and not come to its end */
static int no_fault(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof(fault));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(no_memory_for_io, no_fault),
		cmocka_unit_test_setup(small_io, no_fault),
		cmocka_unit_test_setup(bad_sectors, no_fault),
		cmocka_unit_test_setup(no_noreplace, no_fault),
		cmocka_unit_test_setup(no_names, no_fault),
		cmocka_unit_test_setup(no_locks, no_fault),
		cmocka_unit_test_setup(mounted_btrfs, no_fault),
	};

	return cmocka_run_group_tests_name("faults of the system", tests, make_dir, remove_dir);
}
