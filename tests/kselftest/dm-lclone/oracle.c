// SPDX-License-Identifier: GPL-2.0-only
/*
 * oracle: random I/O against an independent model of what the disk must hold.
 *
 * The model is one number per 512-byte sector: which operation laid down what
 * is there (0: the base's content). It lives in a file, so that a later run,
 * on the same clone activated again, goes on where the last one ended. The
 * content of a sector follows from seed, sector and operation, so that a
 * sector of another place, time or disk never passes for the right one.
 *
 * The model knows nothing of chunks, subchunks or metadata.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define SECTOR		512
#define WORDS		(SECTOR / 8)
#define STATE_MAGIC	0x656c6361726f3031ULL
#define GEN_ZERO	0x80000000u	/* the operation laid down zeros */
#define GEN_MASK	0x7fffffffu
#define THREADS_MAX	64

/* Header of the state file; the arrays of the model follow it. */
struct state {
	uint64_t magic;
	uint64_t seed;
	uint64_t sectors;
	uint64_t base_sectors;
	uint64_t ops;			/* operations so far */
};

static struct state *state;
static uint32_t *cur;			/* what each sector must hold */
static uint32_t *flushed;		/* the oldest it may hold after a crash */
static uint32_t *zeroed;		/* last operation that zeroed it, or may have */

static int dev;
static uint64_t max_bytes = 1 << 20;
static uint32_t discard_align = 8;	/* sectors; inside this grid a discard is exact */
static bool may_fill;			/* the disk: ENOSPC is no error */
static bool may_fail;			/* now and then: nor is EIO */

static void die(const char *what)
{
	fprintf(stderr, "oracle: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static bool is_zeros(uint64_t sector, uint32_t gen)
{
	return gen & GEN_ZERO || (!gen && sector >= state->base_sectors);
}

static void fill(uint64_t *p, uint64_t sector, uint32_t gen)
{
	uint64_t step = mix(state->seed ^ sector << 32 ^ gen);
	int i;

	if (is_zeros(sector, gen)) {
		memset(p, 0, SECTOR);
		return;
	}
	p[0] = sector;
	p[1] = gen ^ state->seed;
	for (i = 2; i < WORDS; i++)
		p[i] = step + i;
}

static bool holds(const uint64_t *p, uint64_t sector, uint32_t gen)
{
	uint64_t want[WORDS];

	fill(want, sector, gen);
	return !memcmp(p, want, SECTOR);
}

/* After a crash: what the last flush covered, or anything written later. */
static bool crash_holds(const uint64_t *p, uint64_t s)
{
	uint32_t least = flushed[s] & GEN_MASK, gen = (p[1] ^ state->seed) & GEN_MASK;

	if (holds(p, s, flushed[s]))
		return true;
	if (zeroed[s] > least && holds(p, s, GEN_ZERO))
		return true;
	return gen > least && gen <= state->ops && holds(p, s, gen);
}

static void wrong(const uint64_t *p, uint64_t s, const char *when)
{
	fprintf(stderr,
		"oracle: sector %llu %s: must hold operation %u%s (flushed %u%s), holds sector %llu of operation %llu (seed %llu)\n",
		(unsigned long long)s, when, cur[s] & GEN_MASK,
		is_zeros(s, cur[s]) ? " (zeros)" : "", flushed[s] & GEN_MASK,
		is_zeros(s, flushed[s]) ? " (zeros)" : "", (unsigned long long)p[0],
		(unsigned long long)(p[1] ^ state->seed), (unsigned long long)state->seed);
	exit(1);
}

/* Model */

static void map_state(const char *path, bool create, const struct state *init)
{
	int fd = open(path, O_RDWR | (create ? O_CREAT | O_TRUNC : 0), 0600);
	uint64_t sectors = init->sectors;
	struct state head;
	size_t size;

	if (fd < 0)
		die(path);
	if (!create) {
		if (pread(fd, &head, sizeof(head), 0) != sizeof(head) ||
		    head.magic != STATE_MAGIC) {
			fprintf(stderr, "oracle: %s is not a state file\n", path);
			exit(1);
		}
		sectors = head.sectors;
	}
	size = sizeof(head) + 3 * sectors * sizeof(uint32_t);
	if (create && ftruncate(fd, size))
		die(path);
	state = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (state == MAP_FAILED)
		die(path);
	close(fd);
	if (create)
		*state = *init;
	cur = (uint32_t *)(state + 1);
	flushed = cur + sectors;
	zeroed = flushed + sectors;
}

/*
 * Changes that completed since the last flush. A flush takes the whole list
 * before it starts: what completes meanwhile is not covered by it.
 */
struct change {
	uint64_t sector, count;
	uint32_t gen;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t unlocked = PTHREAD_COND_INITIALIZER;
static struct change *pending;
static size_t pending_count, pending_room;

static void cover(const struct change *c)
{
	uint64_t s;

	/* two flushes may end in any order: never go back */
	for (s = c->sector; s < c->sector + c->count; s++)
		if ((c->gen & GEN_MASK) > (flushed[s] & GEN_MASK))
			flushed[s] = c->gen;
}

static void add_pending(const struct change *c)
{
	if (pending_count == pending_room) {
		pending_room = pending_room ? 2 * pending_room : 1024;
		pending = realloc(pending, pending_room * sizeof(*pending));
		if (!pending)
			die("realloc");
	}
	pending[pending_count++] = *c;
}

static void changed(uint64_t sector, uint64_t count, uint32_t gen, bool durable)
{
	struct change c = { sector, count, gen };
	uint64_t s;

	for (s = sector; s < sector + count; s++)
		cur[s] = gen;
	pthread_mutex_lock(&lock);
	if (durable)
		cover(&c);
	else
		add_pending(&c);
	pthread_mutex_unlock(&lock);
}

static bool is_full(int result)
{
	return may_fill && result < 0 && errno == ENOSPC;
}

static bool is_failed(int result)
{
	return may_fail && result < 0 && errno == EIO;
}

static void do_flush(void)
{
	void (*note)(const struct change *c) = cover;
	struct change *list;
	size_t n, i;
	int err;

	pthread_mutex_lock(&lock);
	list = pending;
	n = pending_count;
	pending = NULL;
	pending_count = 0;
	pending_room = 0;
	pthread_mutex_unlock(&lock);

	err = fsync(dev);
	if (is_failed(err))
		note = add_pending;	/* for the next one */
	else if (err)
		die("fsync");

	pthread_mutex_lock(&lock);
	for (i = 0; i < n; i++)
		note(&list[i]);
	pthread_mutex_unlock(&lock);
	free(list);
}

/* Ranges in use: no two threads work on one sector, but on one chunk they do. */
static struct {
	uint64_t sector, count;
} busy[THREADS_MAX];

static bool is_busy(uint64_t sector, uint64_t count)
{
	int i;

	for (i = 0; i < THREADS_MAX; i++)
		if (busy[i].count && sector < busy[i].sector + busy[i].count &&
		    busy[i].sector < sector + count)
			return true;
	return false;
}

static void lock_range(int self, uint64_t sector, uint64_t count)
{
	pthread_mutex_lock(&lock);
	while (is_busy(sector, count))
		pthread_cond_wait(&unlocked, &lock);
	busy[self].sector = sector;
	busy[self].count = count;
	pthread_mutex_unlock(&lock);
}

static void unlock_range(int self)
{
	pthread_mutex_lock(&lock);
	busy[self].count = 0;
	pthread_cond_broadcast(&unlocked);
	pthread_mutex_unlock(&lock);
}

/* Operations */

/* Every other one as io_uring has it, see do_write() */
static ssize_t read_once(void *buf, uint64_t sector, uint64_t count)
{
	struct iovec iov = { buf, count * SECTOR };
	ssize_t n = -1;

	errno = EAGAIN;
	if ((sector / 8 + count) & 1)
		n = preadv2(dev, &iov, 1, sector * SECTOR, RWF_NOWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EOPNOTSUPP))
		n = pread(dev, buf, count * SECTOR, sector * SECTOR);
	return n;
}

static void read_range(void *buf, uint64_t sector, uint64_t count)
{
	int tries = may_fail ? 1000 : 1;
	ssize_t n;

	do
		n = read_once(buf, sector, count);
	while (n < 0 && errno == EIO && --tries);
	if (n != (ssize_t)(count * SECTOR)) {
		fprintf(stderr, "oracle: read of %llu sectors at %llu: %s\n",
			(unsigned long long)count, (unsigned long long)sector,
			n < 0 ? strerror(errno) : "short");
		exit(1);
	}
}

static void do_read(uint64_t *buf, uint64_t sector, uint64_t count, const char *when)
{
	uint64_t i;

	read_range(buf, sector, count);
	for (i = 0; i < count; i++)
		if (!holds(buf + i * WORDS, sector + i, cur[sector + i]))
			wrong(buf + i * WORDS, sector + i, when);
}

/* What may have been done in part, or not at all: each sector is as before, or as of @gen. */
static void settle(uint64_t *buf, uint64_t from, uint64_t to, uint32_t gen, const char *when)
{
	uint64_t s;

	if (from >= to)
		return;
	read_range(buf, from, to - from);
	for (s = from; s < to; s++, buf += WORDS) {
		if (holds(buf, s, gen))
			changed(s, 1, gen, false);
		else if (!holds(buf, s, cur[s]))
			wrong(buf, s, when);
	}
}

static void do_write(uint64_t *buf, uint64_t sector, uint64_t count, uint32_t gen, bool fua)
{
	struct iovec iov = { buf, count * SECTOR };
	uint64_t i;
	ssize_t n;

	for (i = 0; i < count; i++)
		fill(buf + i * WORDS, sector + i, gen);
	/* Every other one as io_uring has it: the worker cuts it, not device-mapper */
	n = pwritev2(dev, &iov, 1, sector * SECTOR,
		     (fua ? RWF_DSYNC : 0) | (gen & 1 ? RWF_NOWAIT : 0));
	if (n < 0 && (errno == EAGAIN || errno == EOPNOTSUPP))
		n = pwritev2(dev, &iov, 1, sector * SECTOR, fua ? RWF_DSYNC : 0);
	if (is_full(n) || is_failed(n))
		settle(buf, sector, sector + count, gen, "after a write that failed");
	else if (n != (ssize_t)iov.iov_len)
		die("write");
	else
		changed(sector, count, gen, fua);
}

/* Zeros do not tell of which operation they are: from now on, should it never end, of this one. */
static void will_zero(uint64_t sector, uint64_t count, uint32_t gen)
{
	uint64_t s;

	for (s = sector; s < sector + count; s++)
		zeroed[s] = gen;
}

static void do_zero(uint64_t *buf, uint64_t sector, uint64_t count, uint32_t gen)
{
	uint64_t range[2] = { sector * SECTOR, count * SECTOR };
	int err;

	will_zero(sector, count, gen);
	err = ioctl(dev, BLKZEROOUT, range);
	if (is_full(err) || is_failed(err))
		settle(buf, sector, sector + count, gen | GEN_ZERO, "after zeroing that failed");
	else if (err)
		die("BLKZEROOUT");
	else
		changed(sector, count, gen | GEN_ZERO, false);
}

/* What is not whole may keep its content, and so may all where there is no space to note it. */
static void do_discard(uint64_t *buf, uint64_t sector, uint64_t count, uint32_t gen)
{
	uint64_t range[2] = { sector * SECTOR, count * SECTOR };
	uint64_t end = sector + count;
	uint64_t from = (sector + discard_align - 1) / discard_align * discard_align;
	uint64_t to = end / discard_align * discard_align;
	int err;

	will_zero(sector, count, gen);
	err = ioctl(dev, BLKDISCARD, range);
	if (err && !is_failed(err))
		die("BLKDISCARD");
	gen |= GEN_ZERO;
	if (from >= to || may_fill || may_fail) {
		settle(buf, sector, end, gen, "after a discard");
		return;
	}
	settle(buf, sector, from, gen, "after a discard of a part");
	changed(from, to - from, gen, false);
	settle(buf, to, end, gen, "after a discard of a part");
}

struct worker {
	pthread_t thread;
	uint64_t *buf;
	uint64_t rnd;
	uint64_t ops;
	int self;
};

static uint64_t next(struct worker *w)
{
	w->rnd += 0x9e3779b97f4a7c15ULL;
	return mix(w->rnd);
}

/* Small ones often, 1 MiB now and then; half at any sector, half on a 4 KiB grid. */
static void pick_range(struct worker *w, uint64_t *sector, uint64_t *count)
{
	uint64_t r = next(w), max = max_bytes / SECTOR, area = state->sectors;
	uint32_t class = r % 100, log = class < 50 ? r >> 8 & 3 : class < 93 ? 3 + (r >> 8) % 5 :
					8 + (r >> 8) % 4;

	*count = (1ULL << log) - (r >> 16 & 1 ? 0 : (r >> 20) % (1ULL << log));
	if (*count > max)
		*count = 1 + *count % max;
	/* half of all go to an eighth of the disk: overwrites, reuse, races */
	if (r >> 17 & 1)
		area = (area + 7) / 8;
	if (area < *count)
		area = state->sectors;
	*sector = next(w) % (area - *count + 1);
	if (r >> 18 & 1)
		*sector &= ~7ULL;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t sector, count;
	uint32_t gen, what;

	while (w->ops--) {
		what = next(w) % 100;
		if (what < 2) {
			__atomic_add_fetch(&state->ops, 1, __ATOMIC_SEQ_CST);
			do_flush();
			continue;
		}
		pick_range(w, &sector, &count);
		lock_range(w->self, sector, count);
		gen = __atomic_add_fetch(&state->ops, 1, __ATOMIC_SEQ_CST);
		if (what < 40)
			do_read(w->buf, sector, count, "read");
		else if (what < 88)
			do_write(w->buf, sector, count, gen, what < 42);
		else if (what < 94)
			do_zero(w->buf, sector, count, gen);
		else
			do_discard(w->buf, sector, count, gen);
		unlock_range(w->self);
	}
	return NULL;
}

static void *alloc_buf(uint64_t bytes)
{
	void *buf;

	if (posix_memalign(&buf, 4096, bytes)) {
		errno = ENOMEM;
		die("buffer");
	}
	return buf;
}

/* Commands */

static void run(uint64_t ops, int threads)
{
	static struct worker workers[THREADS_MAX];
	int i;

	for (i = 0; i < threads; i++) {
		struct worker *w = &workers[i];

		w->self = i;
		w->buf = alloc_buf(max_bytes);
		w->ops = ops / threads + (i < (int)(ops % threads));
		w->rnd = mix(state->seed ^ (state->ops << 8 | i));
		errno = pthread_create(&w->thread, NULL, work, w);
		if (errno)
			die("pthread_create");
	}
	for (i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
}

/* What a run leaves un-flushed stays so in the model: the kernel must decide. */
static void verify(bool crash)
{
	uint64_t *buf = alloc_buf(1 << 20), s, n, i;

	for (s = 0; s < state->sectors; s += n) {
		n = state->sectors - s < 2048 ? state->sectors - s : 2048;
		if (!crash) {
			do_read(buf, s, n, "in the whole disk");
			continue;
		}
		read_range(buf, s, n);
		for (i = 0; i < n; i++)
			if (!crash_holds(buf + i * WORDS, s + i))
				wrong(buf + i * WORDS, s + i, "after a crash");
	}
}

static void write_base(void)
{
	uint64_t *buf = alloc_buf(1 << 20), s, n, i;

	for (s = 0; s < state->base_sectors; s += n) {
		n = state->base_sectors - s < 2048 ? state->base_sectors - s : 2048;
		for (i = 0; i < n; i++)
			fill(buf + i * WORDS, s + i, 0);
		if (pwrite(dev, buf, n * SECTOR, s * SECTOR) != (ssize_t)(n * SECTOR))
			die("write of the base");
	}
	if (fsync(dev))
		die("fsync");
}

static const char usage[] =
"usage: oracle base   DEV  -s SEED                lay down the base's content\n"
"       oracle new    FILE -s SEED -n SECTORS -b BASE_SECTORS\n"
"                                                 a model: clone and base size\n"
"       oracle run    DEV  -m FILE -o OPS [-t THREADS] [-x MAX_BYTES] [-a DISCARD_ALIGN] [-e] [-f]\n"
"                                                 -e: it may find no space, -f: it may fail\n"
"       oracle flush  DEV  -m FILE                all that is there must survive a crash\n"
"       oracle verify DEV  -m FILE                every sector, exactly\n"
"       oracle crash  DEV  -m FILE                every sector, as a crash may leave it\n";

static uint64_t number_of(const char *arg)
{
	char *end;
	uint64_t n = strtoull(arg, &end, 0);

	if (end == arg || *end) {
		fprintf(stderr, "oracle: not a number: %s\n", arg);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	struct state init = { .magic = STATE_MAGIC };
	const char *model = NULL, *what, *target;
	uint64_t ops = 0, threads = 1, s;
	off_t size;
	int opt;

	while ((opt = getopt(argc, argv, "s:n:b:m:o:t:x:a:ef")) != -1) {
		switch (opt) {
		case 's':
			init.seed = mix(number_of(optarg));
			break;
		case 'n':
			init.sectors = number_of(optarg);
			break;
		case 'b':
			init.base_sectors = number_of(optarg);
			break;
		case 'm':
			model = optarg;
			break;
		case 'o':
			ops = number_of(optarg);
			break;
		case 't':
			threads = number_of(optarg);
			break;
		case 'x':
			max_bytes = number_of(optarg);
			break;
		case 'a':
			discard_align = number_of(optarg) / SECTOR;
			break;
		case 'e':
			may_fill = true;
			break;
		case 'f':
			may_fail = true;
			break;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (argc - optind != 2 || !threads || threads > THREADS_MAX || max_bytes < SECTOR ||
	    !discard_align) {
		fputs(usage, stderr);
		return 2;
	}
	what = argv[optind];
	target = argv[optind + 1];

	if (!strcmp(what, "new")) {
		map_state(target, true, &init);
		return 0;
	}
	dev = open(target, O_RDWR | O_DIRECT);
	if (dev < 0)
		die(target);
	size = lseek(dev, 0, SEEK_END);
	if (!strcmp(what, "base")) {
		init.sectors = size / SECTOR;
		init.base_sectors = init.sectors;
		state = &init;
		write_base();
		return 0;
	}
	if (!model) {
		fputs(usage, stderr);
		return 2;
	}
	map_state(model, false, &init);
	if (state->sectors * SECTOR != (uint64_t)size) {
		fprintf(stderr, "oracle: %s has %lld bytes, the model %llu\n", target,
			(long long)size, (unsigned long long)state->sectors * SECTOR);
		return 1;
	}
	if (!strcmp(what, "run")) {
		run(ops, threads);
	} else if (!strcmp(what, "flush")) {
		if (fsync(dev))
			die("fsync");
		for (s = 0; s < state->sectors; s++)
			flushed[s] = cur[s];
	} else if (!strcmp(what, "verify")) {
		verify(false);
	} else if (!strcmp(what, "crash")) {
		verify(true);
	} else {
		fputs(usage, stderr);
		return 2;
	}
	return 0;
}
