// SPDX-License-Identifier: GPL-2.0-only
/*
 * work DELTA MARK BASE: the workload in the guest.
 *
 * Lives of a clone: made, read, written by several threads at once, ended by a
 * power cut that the recorder plays (see recorder.c).  All that happens is told
 * to the recorder by marks before and after it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash.h"

#define THREADS_MAX	16
#define MARK_SIZE	4096
#define MARK_SPACING	65536		/* apart, or the block layer merges them */
#define CLONE		"crash-clone"
#define DELTA		"crash-delta"

extern char **environ;

static struct crash_params params;
static const char *delta_path, *base_path;
static int mark_fd, clone_fd;
static u64 delta_sectors;		/* used of the device, so far */
static atomic_uint next_id = CRASH_ID_FIRST;
static atomic_uint ops_done;
static atomic_bool stop;
static bool merging;			/* the table of the clone says so */

struct worker {
	pthread_t thread;
	u32 slot;			/* of the mark device; 0 is the main thread's */
	struct crash_rng rng;
	u8 *mark, *data;
	aio_context_t aio;
};

static struct worker main_worker;

static void put_mark(struct worker *w, const struct crash_mark *mark, const void *more, u32 len)
{
	memset(w->mark, 0, MARK_SIZE);
	memcpy(w->mark, mark, sizeof(*mark));
	if (more)
		memcpy(w->mark + sizeof(*mark), more, len);
	len += sizeof(*mark);
	len = (len + SECTOR - 1) / SECTOR * SECTOR;
	if (pwrite(mark_fd, w->mark, len, (off_t)(w->slot + 1) * MARK_SPACING) != (ssize_t)len) {
		perror("work: mark");
		exit(1);
	}
}

static void simple_mark(u32 type)
{
	struct crash_mark mark = { .type = type };

	put_mark(&main_worker, &mark, NULL, 0);
}

/* Returns when it has happened. */
static void cut_by(struct worker *w, bool at_log_write)
{
	struct crash_mark mark = { .type = MARK_CUT, .count = at_log_write };

	put_mark(w, &mark, NULL, 0);
}

static void cut(bool at_log_write)
{
	cut_by(&main_worker, at_log_write);
}

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *fmt, ...)
{
	struct crash_mark mark = { .type = MARK_FAILED };
	char text[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fprintf(stderr, "work: %s\n", text);
	put_mark(&main_worker, &mark, text, strlen(text));
	exit(1);
}

static void *aligned(size_t size)
{
	void *p;

	if (posix_memalign(&p, 4096, size))
		fail("out of memory");
	memset(p, 0, size);
	return p;
}

static void init_worker(struct worker *w, u32 slot, u64 seed)
{
	*w = (struct worker){ .slot = slot, .rng = { seed } };
	w->mark = aligned(MARK_SIZE);
	w->data = aligned((size_t)params.write_max * SECTOR);
	if (syscall(SYS_io_setup, 1, &w->aio))
		fail("io_setup: %s", strerror(errno));
}

static pid_t start(char *const argv[])
{
	pid_t pid;
	int err = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);

	if (err)
		fail("%s: %s", argv[0], strerror(err));
	return pid;
}

/* The exit status of a program, or 128 + the signal that ended it */
static int finish(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fail("waitpid: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define run(...)	finish(start((char *[]){ __VA_ARGS__, NULL }))

static void must(const char *what, int status)
{
	if (status)
		fail("%s: status %d", what, status);
}

/* The clone */

static void delta_table(char *buf, size_t size)
{
	snprintf(buf, size, "0 %llu linear %s 0", (unsigned long long)delta_sectors, delta_path);
}

static void clone_table(char *buf, size_t size)
{
	const char *p = params.features;
	u32 words = (*p ? 1 : 0) + merging;

	while ((p = strchr(p, ' ')) && p++)
		words++;
	snprintf(buf, size, "0 %llu lclone %s /dev/mapper/" DELTA " %u %s%s",
		 (unsigned long long)params.virtual_sectors, base_path, words, params.features,
		 !merging ? "" : params.merge == CRASH_FLATTEN ? " flatten" : " merge");
}

static void activate(void)
{
	char table[256];

	delta_table(table, sizeof(table));
	must("the delta", run("dmsetup", "create", DELTA, "--table", table));
	merging = params.merge >= CRASH_MERGE_ONLINE && crash_rand(&main_worker.rng, 2);
	clone_table(table, sizeof(table));
	must("the clone", run("dmsetup", "create", CLONE, "--table", table));
	clone_fd = open("/dev/mapper/" CLONE, O_RDWR | O_DIRECT);
	if (clone_fd < 0)
		fail("/dev/mapper/" CLONE ": %s", strerror(errno));
}

static void deactivate(void)
{
	struct crash_mark mark = { .type = MARK_ISSUE, .op = OP_CLOSE, .id = next_id++ };

	put_mark(&main_worker, &mark, NULL, 0);
	close(clone_fd);
	must("remove the clone", run("dmsetup", "remove", CLONE));
	mark.type = MARK_END;
	put_mark(&main_worker, &mark, NULL, 0);
	must("remove the delta", run("dmsetup", "remove", DELTA));
}

static void grow(void)
{
	char table[256];

	delta_sectors = params.delta_sectors;
	delta_table(table, sizeof(table));
	must("load", run("dmsetup", "load", DELTA, "--table", table));
	must("suspend", run("dmsetup", "suspend", "--noflush", DELTA));
	must("resume", run("dmsetup", "resume", DELTA));
	must("grow", run("dmsetup", "message", CLONE, "0", "grow"));
}

/* Tells the recorder what the clone holds. */
static void tell_content(void)
{
	u32 ids[(MARK_SIZE - sizeof(struct crash_mark)) / sizeof(u32)], n;
	struct crash_mark mark = { .type = MARK_CONTENT };
	const struct crash_island *is;
	u32 i, k, batch;
	u64 s;

	for (i = 0; i < params.nr_islands; i++) {
		is = &params.island[i];
		for (s = 0; s < is->count; s += batch) {
			n = sizeof(ids) / sizeof(ids[0]);
			batch = is->count - s;
			if (batch > params.write_max)
				batch = params.write_max;
			if (batch > n)
				batch = n;
			if (pread(clone_fd, main_worker.data, (size_t)batch * SECTOR,
				  (off_t)(is->start + s) * SECTOR) != (ssize_t)batch * SECTOR)
				fail("read of the clone at sector %llu: %s",
				     (unsigned long long)(is->start + s), strerror(errno));
			for (k = 0; k < batch; k++)
				ids[k] = crash_stamp_id(main_worker.data + (size_t)k * SECTOR,
							is->start + s + k);
			mark.count = batch;
			put_mark(&main_worker, &mark, ids, batch * sizeof(ids[0]));
			mark.sector += batch;
		}
	}
}

/* Operations */

static u64 round_down(u64 x, u64 to)
{
	return x / to * to;
}

/*
 * A place in some island: half of them in its first eighth, so that things are overwritten;
 * and often where somebody has just been, or still is.
 */
static void choose_range(struct crash_rng *rng, u64 *sector, u32 *count)
{
	static _Atomic u64 last;	/* sector << 16 | count */
	const struct crash_island *is = &params.island[crash_rand(rng, params.nr_islands)];
	u64 span = crash_rand(rng, 2) ? is->count : (is->count + 7) / 8;
	u32 sub = params.chunk_sectors / 16, align;
	u64 again = last;

	if (again && !crash_rand(rng, 4)) {
		*sector = again >> 16;
		*count = again & 0xffff;
		return;
	}
	*sector = crash_rand(rng, span);
	switch (crash_rand(rng, 8)) {
	case 0: case 1: case 2:
		align = sub;
		*count = sub * (1 + crash_rand(rng, 4));
		break;
	case 3: case 4:
		align = 1;
		*count = 1 + crash_rand(rng, sub);
		break;
	case 5: case 6:
		align = params.chunk_sectors;
		*count = align * (1 + crash_rand(rng, 2));
		break;
	default:
		align = 1;
		*count = 1 + crash_rand(rng, params.write_max);
	}
	*sector = round_down(*sector, align) + is->start;
	if (*count > params.write_max)
		*count = params.write_max;
	if (*sector + *count > is->start + is->count)
		*count = is->start + is->count - *sector;
	last = *sector << 16 | *count;
}

static u32 choose_op(struct crash_rng *rng)
{
	static const u8 flushes[] = {
		OP_FLUSH, OP_FLUSH, OP_FLUSH, OP_FLUSH, OP_FUA, OP_FUA, OP_FUA, OP_FUA,
		OP_COMMIT, OP_CHECKPOINT,
	};
	u32 r = crash_rand(rng, 256);

	if (r < params.flush_weight)
		return flushes[crash_rand(rng, sizeof(flushes))];
	if (r < params.flush_weight + params.discard_weight)
		return crash_rand(rng, 2) ? OP_DISCARD : OP_ZEROES;
	return OP_WRITE;
}

/* By aio: no flush follows the FUA, as pwritev2() would have it. */
static int submit_write(struct worker *w, const struct crash_mark *op, int flags)
{
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = clone_fd, .aio_rw_flags = flags,
		.aio_buf = (uintptr_t)w->data, .aio_nbytes = (u64)op->count * SECTOR,
		.aio_offset = op->sector * SECTOR,
	}, *cbs = &cb;
	struct io_event ev;

	if (syscall(SYS_io_submit, w->aio, 1, &cbs) != 1)
		return errno;
	while (syscall(SYS_io_getevents, w->aio, 1, 1, &ev, NULL) != 1)
		if (errno != EINTR)
			fail("io_getevents: %s", strerror(errno));
	return ev.res == (long long)cb.aio_nbytes ? 0 : ev.res < 0 ? -ev.res : EIO;
}

/* Every other one as io_uring has it: the worker cuts it, not device-mapper. */
static int do_write(struct worker *w, const struct crash_mark *op, int flags)
{
	int err;
	u32 i;

	for (i = 0; i < op->count; i++)
		crash_stamp(w->data + (size_t)i * SECTOR, CRASH_OWNER_CLONE, op->sector + i,
			    op->id);
	err = op->id & 1 ? submit_write(w, op, flags | RWF_NOWAIT) : EAGAIN;
	return err == EAGAIN ? submit_write(w, op, flags) : err;
}

static int do_op(struct worker *w, const struct crash_mark *op)
{
	u64 range[2] = { op->sector * SECTOR, (u64)op->count * SECTOR };

	switch (op->op) {
	case OP_WRITE:
		return do_write(w, op, 0);
	case OP_FUA:
		return do_write(w, op, RWF_DSYNC);
	case OP_ZEROES:
		return ioctl(clone_fd, BLKZEROOUT, range) ? errno : 0;
	case OP_DISCARD:
		return ioctl(clone_fd, BLKDISCARD, range) ? errno : 0;
	case OP_FLUSH:
		return fsync(clone_fd) ? errno : 0;
	case OP_COMMIT:
		return run("dmsetup", "message", CLONE, "0", "commit") ? EIO : 0;
	default:
		return run("dmsetup", "message", CLONE, "0", "checkpoint") ? EIO : 0;
	}
}

static void perform(struct worker *w, struct crash_mark *mark)
{
	mark->id = next_id++;
	mark->type = MARK_ISSUE;
	put_mark(w, mark, NULL, 0);
	mark->result = do_op(w, mark);
	mark->type = MARK_END;
	put_mark(w, mark, NULL, 0);
}

static void *worker(void *arg)
{
	struct worker *w = arg;

	while (!stop && ops_done < params.ops) {
		struct crash_mark mark = { .op = choose_op(&w->rng) };

		ops_done++;
		if (mark.op < OP_FLUSH)
			choose_range(&w->rng, &mark.sector, &mark.count);
		perform(w, &mark);
	}
	return NULL;
}

/* As many chunks each time, but not the same ones, and none that has a place already */
static void *burst(void *arg)
{
	struct worker *w = arg;
	const struct crash_island *is = params.island;
	u64 start = round_down(crash_rand(&w->rng, is->count - params.burst),
			       params.chunk_sectors), done;
	struct crash_mark mark = {
		.op = OP_ZEROES, .sector = is->start + start, .count = params.burst,
	};

	perform(w, &mark);
	for (done = 0; done < params.burst; done += mark.count) {
		mark = (struct crash_mark){ .op = OP_WRITE, .sector = is->start + start + done };
		mark.count = params.burst - done < params.write_max ? params.burst - done :
			     params.write_max;
		perform(w, &mark);
	}
	mark = (struct crash_mark){ .op = OP_COMMIT };
	perform(w, &mark);
	return NULL;
}

static void *cutter(void *arg)
{
	cut_by(arg, true);
	return NULL;
}

static void start_thread(struct worker *w, void *(*fn)(void *))
{
	if (pthread_create(&w->thread, NULL, fn, w))
		fail("pthread_create");
}

static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd < 0 || write(fd, "2", 1) != 1)
		fail("drop_caches: %s", strerror(errno));
	close(fd);
}

/* What an administrator, or memory pressure, does to a clone in use */
static void disturb(struct crash_rng *rng)
{
	bool online = params.merge >= CRASH_MERGE_ONLINE;
	char table[256];

	if (crash_rand(rng, online ? 2 : 3)) {
		drop_caches();
		return;
	}
	if (online) {
		merging = !merging;
		clone_table(table, sizeof(table));
		must("load", run("dmsetup", "load", CLONE, "--table", table));
	}
	must("suspend", run("dmsetup", "suspend", CLONE));
	must("resume", run("dmsetup", "resume", CLONE));
}

/* Threads at work until so many operations were done, with what else may happen */
static void work(struct worker *workers, u32 until, bool grown)
{
	struct crash_rng *rng = &main_worker.rng;
	u32 i, next = crash_rand(rng, 50);

	ops_done = 0;
	stop = false;
	for (i = 0; i < params.threads; i++)
		start_thread(&workers[i], worker);
	while (ops_done < until) {
		usleep(5000);
		if (!grown && ops_done > params.ops / 3) {
			grow();
			grown = true;
		} else if (ops_done >= next) {
			disturb(rng);
			next = ops_done + 20 + crash_rand(rng, 100);
		}
	}
}

static void join(struct worker *workers, u32 nr)
{
	u32 i;

	stop = true;
	for (i = 0; i < nr; i++)
		pthread_join(workers[i].thread, NULL);
}

/* The power goes again before the clone has recovered from the last time. */
static void stillborn(struct worker *workers)
{
	start_thread(&workers[0], cutter);
	activate();
	join(workers, 1);
	deactivate();
	simple_mark(MARK_REVIVE);
}

static void live(struct worker *workers, u32 life)
{
	struct crash_rng *rng = &main_worker.rng;
	bool grown = delta_sectors == params.delta_sectors || life < params.lives / 2;

	if (params.stillborn && life % 3 == 1) {
		stillborn(workers);
		return;
	}
	activate();
	tell_content();
	if (params.burst) {
		start_thread(&workers[0], burst);
		if (life % 2)
			cut(true);
		join(workers, 1);
	}
	if (params.burst && life % 2) {
		deactivate();
	} else if (life % 3 == 2) {	/* a clean end before the power goes */
		work(workers, params.ops, grown);
		join(workers, params.threads);
		deactivate();
		cut(false);
	} else {
		work(workers, params.ops / 2 + crash_rand(rng, params.ops / 2), grown);
		cut(crash_rand(rng, 2));
		join(workers, params.threads);
		deactivate();
	}
	simple_mark(MARK_REVIVE);
}

/* Consolidates: cut at some point first, then to the end. */
static void merge(void)
{
	pid_t pid;

	for (;;) {
		pid = start((char *[]){ "lclone", "merge", "--yes", "--into-base",
					(char *)base_path, (char *)delta_path, NULL });
		if (!crash_rand(&main_worker.rng, 2))
			break;
		usleep(crash_rand(&main_worker.rng, 200000));
		cut(crash_rand(&main_worker.rng, 2));
		kill(pid, SIGKILL);
		finish(pid);
		simple_mark(MARK_REVIVE);
	}
	must("merge", finish(pid));
}

int main(int argc, char **argv)
{
	struct worker workers[THREADS_MAX];
	u32 i;

	if (argc != 4) {
		fprintf(stderr, "usage: work DELTA MARK BASE\n");
		return 1;
	}
	setenv("DM_DISABLE_UDEV", "1", 1);	/* there is none: dmsetup makes the nodes */
	delta_path = argv[1];
	mark_fd = open(argv[2], O_RDWR | O_DIRECT);
	if (mark_fd < 0) {
		perror(argv[2]);
		return 1;
	}
	main_worker.mark = aligned(MARK_SIZE);
	if (pread(mark_fd, main_worker.mark, SECTOR, 0) != SECTOR)
		fail("%s: %s", argv[2], strerror(errno));
	memcpy(&params, main_worker.mark, sizeof(params));
	if (params.magic != CRASH_MAGIC || params.threads > THREADS_MAX)
		fail("%s does not hold the parameters of a run", argv[2]);
	init_worker(&main_worker, 0, params.seed);

	base_path = params.base_sectors ? argv[3] : "-";
	delta_sectors = params.first_sectors;
	for (i = 0; i < params.threads; i++)
		init_worker(&workers[i], i + 1, crash_mix(params.seed + i));
	for (i = 0; i < params.lives; i++) {
		live(workers, i);
		if (params.merge == CRASH_MERGE_OFFLINE)
			merge();
	}
	activate();
	tell_content();
	deactivate();
	simple_mark(MARK_DONE);
	return 0;
}
