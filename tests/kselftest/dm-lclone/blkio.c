// SPDX-License-Identifier: GPL-2.0-only
/*
 * blkio: single, exactly known I/Os on a block device; loop devices; and
 * surgery on the metadata of a delta, which it knows by byte offsets only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define BLOCK		4096
#define BUFFER		(1 << 20)
#define PIECES		128		/* at most, of a write */

/*
 * On-disk format, as far as the tests need it (little-endian):
 *   superblock, 512 bytes at 0 and at 64 KiB: "dmlclone", crc32c at 8 of bytes 12..511
 *   node, a block in the chunk area: "lnde", crc32c at 4, level at 40
 *   log block, in the log from 128 KiB on: "llog", crc32c at 4, checkpoint at 32,
 *   commit at 40, index at 48, blocks of the commit at 50
 */
#define SB_SIZE		512
#define SB_SUM		8
#define NODE_MAGIC	0x65646e6c
#define NODE_LEVEL	40
#define LOG_MAGIC	0x676f6c6c
#define LOG_CHECKPOINT	32
#define LOG_COMMIT	40
#define LOG_INDEX	48
#define LOG_BLOCKS	50

static const char *name;
static int dev = -1;
static uint8_t *buf;

static void die(const char *what)
{
	fprintf(stderr, "blkio: %s: %s: %s\n", name, what, strerror(errno));
	exit(1);
}

static uint64_t number_of(const char *arg)
{
	char *end;
	uint64_t n = strtoull(arg, &end, 0);

	switch (*end) {
	case 'k':
		n <<= 10;
		end++;
		break;
	case 'm':
		n <<= 20;
		end++;
		break;
	case 'g':
		n <<= 30;
		end++;
		break;
	}
	if (end == arg || *end) {
		fprintf(stderr, "blkio: not a number: %s\n", arg);
		exit(2);
	}
	return n;
}

static void open_dev(int flags)
{
	dev = open(name, flags, 0600);
	if (dev < 0)
		die("open");
}

static uint64_t size_of(void)
{
	off_t size = lseek(dev, 0, SEEK_END);

	if (size < 0)
		die("size");
	return size;
}

/* What byte range [pos, pos + len) holds for a seed; seed 0 is zeros. len and pos are words. */
static void pattern(void *to, uint64_t pos, uint64_t len, uint64_t seed)
{
	uint64_t *p = to, i;

	for (i = 0; i < len / 8; i++)
		p[i] = seed ? (pos / 8 + i) * 0x9e3779b97f4a7c15ULL ^ seed << 40 ^ seed : 0;
}

/* Options of read and write, in any order behind the fixed arguments */
static struct {
	uint64_t bs;		/* bytes per call */
	uint64_t step;		/* from the start of one to the start of the next */
	uint64_t piece;		/* a write's buffer is in pieces of so many bytes; 0: whole */
	int flags;		/* RWF_* */
} opts;

static void parse_opts(char **argv, uint64_t len)
{
	opts.bs = len < BUFFER ? len : BUFFER;
	for (; *argv; argv++) {
		if (!strncmp(*argv, "bs=", 3)) {
			opts.bs = number_of(*argv + 3);
		} else if (!strncmp(*argv, "step=", 5)) {
			opts.step = number_of(*argv + 5);
		} else if (!strncmp(*argv, "piece=", 6)) {
			opts.piece = number_of(*argv + 6);
		} else if (!strcmp(*argv, "dsync")) {
			opts.flags |= RWF_DSYNC;
		} else if (!strcmp(*argv, "nowait")) {
			opts.flags |= RWF_NOWAIT;
		} else if (!strcmp(*argv, "atomic")) {
			opts.flags |= 0x40;	/* RWF_ATOMIC, newer than some headers */
		} else {
			fprintf(stderr, "blkio: unknown option: %s\n", *argv);
			exit(2);
		}
	}
	if (!opts.step)
		opts.step = opts.bs;
	if (opts.bs > BUFFER || opts.piece > BLOCK ||
	    (opts.piece && opts.bs > PIECES * opts.piece)) {
		fprintf(stderr, "blkio: at most 1m per call, in %d pieces of 4k\n", PIECES);
		exit(2);
	}
}

/* Spreads what is in the buffer over pieces.  Each ends with a page, and no two are neighbours. */
static int spread(struct iovec *iov, uint64_t len)
{
	static uint8_t *pages;
	int n;

	if (!opts.piece) {
		*iov = (struct iovec){ buf, len };
		return 1;
	}
	if (!pages && posix_memalign((void **)&pages, BLOCK, 2 * BLOCK * PIECES))
		die("buffer");
	for (n = 0; n * opts.piece < len; n++) {
		uint64_t left = len - n * opts.piece;

		iov[n].iov_len = left < opts.piece ? left : opts.piece;
		iov[n].iov_base = pages + 2 * BLOCK * (PIECES - n) - BLOCK - iov[n].iov_len;
		memcpy(iov[n].iov_base, buf + n * opts.piece, iov[n].iov_len);
	}
	return n;
}

/* write OFFSET LENGTH SEED [bs=N] [step=N] [piece=N] [dsync] [nowait] [atomic] */
static int cmd_write(char **argv)
{
	uint64_t pos = number_of(argv[0]), len = number_of(argv[1]), end = pos + len;
	uint64_t seed = number_of(argv[2]);

	parse_opts(argv + 3, len);
	open_dev(O_WRONLY | O_DIRECT);
	for (; pos < end; pos += opts.step) {
		uint64_t n = end - pos < opts.bs ? end - pos : opts.bs;
		struct iovec iov[PIECES];

		pattern(buf, pos, n, seed);
		if (pwritev2(dev, iov, spread(iov, n), pos, opts.flags) != (ssize_t)n)
			die("write");
	}
	return 0;
}

/* check OFFSET LENGTH SEED [bs=N] [step=N] [nowait] */
static int cmd_check(char **argv)
{
	uint64_t pos = number_of(argv[0]), len = number_of(argv[1]), end = pos + len, i;
	uint64_t seed = number_of(argv[2]);
	uint8_t *want = malloc(BUFFER);

	if (!want)
		die("buffer");
	parse_opts(argv + 3, len);
	open_dev(O_RDONLY | O_DIRECT);
	for (; pos < end; pos += opts.step) {
		struct iovec iov = { buf, end - pos < opts.bs ? end - pos : opts.bs };

		if (preadv2(dev, &iov, 1, pos, opts.flags) != (ssize_t)iov.iov_len)
			die("read");
		pattern(want, pos, iov.iov_len, seed);
		if (!memcmp(buf, want, iov.iov_len))
			continue;
		for (i = 0; buf[i] == want[i]; i++)
			;
		fprintf(stderr, "blkio: %s: byte %llu is not of seed %llu\n", name,
			(unsigned long long)(pos + i), (unsigned long long)seed);
		return 1;
	}
	return 0;
}

static int cmd_fsync(char **argv)
{
	(void)argv;
	open_dev(O_RDWR);
	if (fsync(dev))
		die("fsync");
	return 0;
}

static int range_ioctl(char **argv, unsigned long what)
{
	uint64_t range[2] = { number_of(argv[0]), number_of(argv[1]) };

	open_dev(O_RDWR | O_DIRECT);
	if (ioctl(dev, what, range))
		die("ioctl");
	return 0;
}

static int cmd_discard(char **argv)
{
	return range_ioctl(argv, BLKDISCARD);
}

static int cmd_zeroout(char **argv)
{
	return range_ioctl(argv, BLKZEROOUT);
}

/* Bytes at any place, through a block of 4 KiB: read, change, write */
static void read_block(uint64_t pos)
{
	if (pread(dev, buf, BLOCK, pos) != BLOCK)
		die("read");
}

static void write_block(uint64_t pos)
{
	if (pwrite(dev, buf, BLOCK, pos) != BLOCK)
		die("write");
}

/* flip OFFSET: inverts one byte */
static int cmd_flip(char **argv)
{
	uint64_t pos = number_of(argv[0]);

	open_dev(O_RDWR | O_DIRECT);
	read_block(pos & -BLOCK);
	buf[pos % BLOCK] ^= 0xff;
	write_block(pos & -BLOCK);
	return 0;
}

/* CRC-32C: reflected, polynomial 0x1edc6f41 */
static uint32_t crc32c(const uint8_t *p, size_t len)
{
	uint32_t crc = ~0u;
	int bit;

	while (len--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* sb SLOT OFFSET BYTES VALUE: sets a number in a superblock and mends the checksum */
static int cmd_sb(char **argv)
{
	uint64_t pos = number_of(argv[0]), field = number_of(argv[1]), bytes = number_of(argv[2]);
	uint64_t value = number_of(argv[3]);
	uint32_t sum;

	open_dev(O_RDWR | O_DIRECT);
	read_block(pos);
	if (memcmp(buf, "dmlclone", 8)) {
		fprintf(stderr, "blkio: %s: no superblock at %llu\n", name,
			(unsigned long long)pos);
		return 1;
	}
	memcpy(buf + field, &value, bytes);
	sum = crc32c(buf + SB_SUM + 4, SB_SIZE - SB_SUM - 4);
	memcpy(buf + SB_SUM, &sum, 4);
	write_block(pos);
	return 0;
}

static uint64_t field(const uint8_t *block, int at, int bytes)
{
	uint64_t value = 0;

	memcpy(&value, block + at, bytes);
	return value;
}

/* nodes: offset and level of each tree node, of every age */
static int cmd_nodes(char **argv)
{
	uint64_t pos, size, i;

	(void)argv;
	open_dev(O_RDONLY | O_DIRECT);
	size = size_of() & -BUFFER;
	for (pos = 0; pos < size; pos += BUFFER) {
		if (pread(dev, buf, BUFFER, pos) != BUFFER)
			die("read");
		for (i = 0; i < BUFFER; i += BLOCK)
			if (field(buf + i, 0, 4) == NODE_MAGIC)
				printf("%llu %llu\n", (unsigned long long)(pos + i),
				       (unsigned long long)field(buf + i, NODE_LEVEL, 4));
	}
	return 0;
}

/* log: offset, checkpoint, commit, index and blocks of each log block, of every age */
static int cmd_log(char **argv)
{
	uint64_t pos;

	(void)argv;
	open_dev(O_RDONLY | O_DIRECT);
	for (pos = 128 << 10; pos < (128 << 10) + (2 << 20); pos += BLOCK) {
		read_block(pos);
		if (field(buf, 0, 4) == LOG_MAGIC)
			printf("%llu %llu %llu %llu %llu\n", (unsigned long long)pos,
			       (unsigned long long)field(buf, LOG_CHECKPOINT, 8),
			       (unsigned long long)field(buf, LOG_COMMIT, 8),
			       (unsigned long long)field(buf, LOG_INDEX, 2),
			       (unsigned long long)field(buf, LOG_BLOCKS, 2));
	}
	return 0;
}

static void pread_all(int fd, void *to, uint64_t len, uint64_t pos)
{
	if (pread(fd, to, len, pos) != (ssize_t)len)
		die("read");
}

/* copy TO: the whole device, past every cache */
static int cmd_copy(char **argv)
{
	int to = open(argv[0], O_WRONLY | O_CREAT, 0600);
	uint64_t pos, size, n;

	if (to < 0)
		die(argv[0]);
	open_dev(O_RDONLY | O_DIRECT);
	size = size_of();
	for (pos = 0; pos < size; pos += n) {
		n = size - pos < BUFFER ? size - pos : BUFFER;
		pread_all(dev, buf, n, pos);
		if (pwrite(to, buf, n, pos) != (ssize_t)n)
			die(argv[0]);
	}
	if (fsync(to))
		die(argv[0]);
	return 0;
}

/* compare FILE: prints how many 4 KiB blocks are equal, wrong, or give an I/O error */
static int cmd_compare(char **argv)
{
	int to = open(argv[0], O_RDONLY);
	uint64_t pos, size, n, i, m, equal = 0, wrong = 0, failed = 0;
	uint8_t *want = malloc(BUFFER);

	if (to < 0 || !want)
		die(argv[0]);
	open_dev(O_RDONLY | O_DIRECT);
	size = size_of();
	for (pos = 0; pos < size; pos += n) {
		bool whole;

		n = size - pos < BUFFER ? size - pos : BUFFER;
		pread_all(to, want, n, pos);
		whole = pread(dev, buf, n, pos) == (ssize_t)n;
		for (i = 0; i < n; i += m) {
			m = n - i < BLOCK ? n - i : BLOCK;
			if (!whole && pread(dev, buf + i, m, pos + i) != (ssize_t)m)
				failed++;
			else if (memcmp(buf + i, want + i, m))
				wrong++;
			else
				equal++;
		}
	}
	printf("equal=%llu wrong=%llu failed=%llu\n", (unsigned long long)equal,
	       (unsigned long long)wrong, (unsigned long long)failed);
	return 0;
}

/* size: in sectors */
static int cmd_size(char **argv)
{
	(void)argv;
	open_dev(O_RDONLY);
	printf("%llu\n", (unsigned long long)size_of() / 512);
	return 0;
}

/* hash: of the whole content */
static int cmd_hash(char **argv)
{
	uint64_t pos, size, n, i, word, hash = 0x9e3779b97f4a7c15ULL;

	(void)argv;
	open_dev(O_RDONLY | O_DIRECT);
	size = size_of();
	for (pos = 0; pos < size; pos += n) {
		n = size - pos < BUFFER ? size - pos : BUFFER;
		pread_all(dev, buf, n, pos);
		for (i = 0; i < n; i += 8) {
			memcpy(&word, buf + i, 8);
			hash = (hash ^ word) * 0xff51afd7ed558ccdULL;
			hash ^= hash >> 32;
		}
	}
	printf("%016llx\n", (unsigned long long)hash);
	return 0;
}

/* attach [SIZE [BLOCK_SIZE]]: a loop device on this file, which is made; prints its name */
static int cmd_attach(char **argv)
{
	struct loop_config config = { .block_size = 512 };
	int control = open("/dev/loop-control", O_RDWR), loop, n;
	char path[32];

	if (control < 0)
		die("/dev/loop-control");
	open_dev(O_RDWR | O_CREAT);
	if (argv[0] && ftruncate(dev, number_of(argv[0])))
		die("truncate");
	if (argv[0] && argv[1])
		config.block_size = number_of(argv[1]);
	config.fd = dev;
	do {
		/* another process may take it first */
		n = ioctl(control, LOOP_CTL_GET_FREE);
		if (n < 0)
			die("LOOP_CTL_GET_FREE");
		snprintf(path, sizeof(path), "/dev/loop%d", n);
		loop = open(path, O_RDWR);
		if (loop < 0)
			die(path);
		n = ioctl(loop, LOOP_CONFIGURE, &config);
	} while (n && errno == EBUSY);
	if (n)
		die("LOOP_CONFIGURE");
	puts(path);
	return 0;
}

static int cmd_detach(char **argv)
{
	(void)argv;
	open_dev(O_RDONLY);
	if (ioctl(dev, LOOP_CLR_FD))
		die("LOOP_CLR_FD");
	return 0;
}

/* resize FILE SIZE: the loop device follows its file */
static int cmd_resize(char **argv)
{
	if (truncate(argv[0], number_of(argv[1])))
		die(argv[0]);
	open_dev(O_RDONLY);
	if (ioctl(dev, LOOP_SET_CAPACITY))
		die("LOOP_SET_CAPACITY");
	return 0;
}

/* readonly 0|1 */
static int cmd_readonly(char **argv)
{
	int on = number_of(argv[0]);

	open_dev(O_RDONLY);
	if (ioctl(dev, BLKROSET, &on))
		die("BLKROSET");
	return 0;
}

/* claim SECONDS: holds the device as a mount does */
static int cmd_claim(char **argv)
{
	open_dev(O_RDWR | O_EXCL);
	puts("claimed");
	fflush(stdout);
	sleep(number_of(argv[0]));
	return 0;
}

static const struct command {
	const char *name;
	int args;
	int (*run)(char **argv);
	const char *usage;
} commands[] = {
	{ "write", 3, cmd_write,
	  "OFFSET LENGTH SEED [bs=N] [step=N] [piece=N] [dsync] [nowait] [atomic]" },
	{ "check", 3, cmd_check, "OFFSET LENGTH SEED [bs=N] [step=N] [nowait]" },
	{ "fsync", 0, cmd_fsync, "" },
	{ "discard", 2, cmd_discard, "OFFSET LENGTH" },
	{ "zeroout", 2, cmd_zeroout, "OFFSET LENGTH" },
	{ "flip", 1, cmd_flip, "OFFSET" },
	{ "sb", 4, cmd_sb, "SLOT_OFFSET FIELD_OFFSET BYTES VALUE" },
	{ "nodes", 0, cmd_nodes, "" },
	{ "log", 0, cmd_log, "" },
	{ "copy", 1, cmd_copy, "FILE" },
	{ "compare", 1, cmd_compare, "FILE" },
	{ "size", 0, cmd_size, "" },
	{ "hash", 0, cmd_hash, "" },
	{ "claim", 1, cmd_claim, "SECONDS" },
	{ "readonly", 1, cmd_readonly, "0|1" },
	{ "attach", 0, cmd_attach, "[SIZE [BLOCK_SIZE]]" },
	{ "detach", 0, cmd_detach, "" },
	{ "resize", 2, cmd_resize, "FILE SIZE" },
};

#define COMMANDS	(sizeof(commands) / sizeof(commands[0]))

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; argc >= 3 && i < COMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name) || argc - 3 < commands[i].args)
			continue;
		name = argv[2];
		if (posix_memalign((void **)&buf, 2 << 20, BUFFER)) {
			errno = ENOMEM;
			die("buffer");
		}
		return commands[i].run(argv + 3);
	}
	fprintf(stderr, "usage: blkio COMMAND DEVICE ...\n");
	for (i = 0; i < COMMANDS; i++)
		fprintf(stderr, "       blkio %s DEVICE %s\n", commands[i].name, commands[i].usage);
	return 2;
}
