// SPDX-License-Identifier: GPL-2.0-only
/*
 * recorder SCENARIO SEED SOCKET LOG: the disks of the guest.
 *
 * An NBD server with three exports, `delta`, `base` and `mark`.  It writes each
 * request for the first two, and each write to the third, into the log when it
 * comes in and again when it ends: the order in which a power cut has to be
 * thought of.  (blklogwrites of QEMU knows the start of requests only,
 * dm-log-writes their end only.)  It has no mercy: it holds back replies at
 * random, so that requests overlap which a quick disk never lets overlap.
 *
 * When the guest writes MARK_CUT the state of the delta and the base is fixed
 * as a power cut may leave it; what is written after that is lost.
 * MARK_REVIVE puts that state in place.  Ends when the guest has gone, with
 * status 0 if the last mark was MARK_DONE.
 */
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "disk.h"
#include "image.h"

/* The NBD protocol, https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md */
#define NBD_INIT_MAGIC		0x4e42444d41474943ULL
#define NBD_OPT_MAGIC		0x49484156454f5054ULL
#define NBD_OPT_REPLY_MAGIC	0x0003e889045565a9ULL
#define NBD_REQUEST_MAGIC	0x25609513u
#define NBD_REPLY_MAGIC		0x67446698u
#define NBD_FLAG_FIXED_NEWSTYLE	1u
#define NBD_OPT_ABORT		2u
#define NBD_OPT_GO		7u
#define NBD_REP_ACK		1u
#define NBD_REP_INFO		3u
#define NBD_REP_ERR_UNSUP	0x80000001u
#define NBD_REP_ERR_UNKNOWN	0x80000006u
#define NBD_INFO_EXPORT		0u
#define NBD_TX_FLAGS		(1u | 1u << 2 | 1u << 5 | 1u << 6) /* flush, trim, zeroes */
enum { NBD_READ, NBD_WRITE, NBD_DISC, NBD_FLUSH, NBD_TRIM, NBD_ZEROES = 6 };

struct nbd_request {
	u32 magic;
	u16 flags;
	u16 type;
	u64 handle;
	u64 offset;
	u32 length;
} __attribute__((packed));

struct nbd_reply {
	u32 magic;
	u32 error;
	u64 handle;
} __attribute__((packed));

enum export { EXPORT_DELTA, EXPORT_BASE, EXPORT_MARK, EXPORTS };
static const char * const export_names[EXPORTS] = { "delta", "base", "mark" };

#define MARK_SECTORS		2048u
#define CONNECTIONS_MAX		8
#define HELD_MAX		64
#define HOLD_MAX_NS		20000000u
#define BLOCK			4096u		/* of metadata */
#define CUT_PATIENCE_NS		3000000000u
/* Superblocks and log lie below, with the smallest log */
#define HEAD_SECTORS		384u

struct held {
	int fd;
	u64 handle;
	u32 id;
	u64 due;
};

static struct crash_params params;
static struct crash_rng rng;
static FILE *event_log;
static struct disk disk;
static u8 *live;		/* what the guest reads */
static u8 *mark_area;
static bool dead;		/* between MARK_CUT and MARK_REVIVE */
static u64 cut_due;		/* not 0: a cut is wanted, at the latest by then */
static struct held cut_mark;	/* the mark that wants it is not answered yet */
static int status = 1;	/* unless the workload says that it is done */
static u32 next_id;
static struct held held[HELD_MAX];
static u32 nr_held;
static struct pollfd poll_fd[CONNECTIONS_MAX];
static enum export poll_export[CONNECTIONS_MAX];
static u32 nr_poll;

static u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void log_event(u32 type, u32 id, u64 sector, u32 count, const void *data, u32 bytes)
{
	struct crash_event ev = {
		.type = type, .id = id, .sector = sector, .count = count, .bytes = bytes,
	};

	if (fwrite(&ev, sizeof(ev), 1, event_log) != 1 ||
	    (bytes && fwrite(data, bytes, 1, event_log) != 1))
		err(1, "the log");
}

/* False when the peer is gone. */
static bool receive(int fd, void *buf, size_t len)
{
	ssize_t n;

	for (; len; buf = (u8 *)buf + n, len -= n) {
		n = read(fd, buf, len);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return false;
	}
	return true;
}

static void transmit(int fd, const void *buf, size_t len)
{
	ssize_t n;

	for (; len; buf = (const u8 *)buf + n, len -= n) {
		n = send(fd, buf, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			return;		/* the guest was killed; the next read says so */
	}
}

static void reply(int fd, u64 handle, u32 error)
{
	struct nbd_reply r = {
		.magic = htobe32(NBD_REPLY_MAGIC), .error = htobe32(error), .handle = handle,
	};

	transmit(fd, &r, sizeof(r));
}

static void opt_reply(int fd, u32 option, u32 type, const void *data, u32 len)
{
	struct {
		u64 magic;
		u32 option, type, len;
	} __attribute__((packed)) r = {
		htobe64(NBD_OPT_REPLY_MAGIC), htobe32(option), htobe32(type), htobe32(len),
	};

	transmit(fd, &r, sizeof(r));
	transmit(fd, data, len);
}

static u64 export_sectors(enum export e)
{
	return e == EXPORT_DELTA ? params.delta_sectors :
	       e == EXPORT_BASE ? params.base_sectors : MARK_SECTORS;
}

/* True once the client has chosen an export. */
static bool negotiate_go(int fd, const u8 *data, u32 len, enum export *e)
{
	struct {
		u16 type;
		u64 size;
		u16 flags;
	} __attribute__((packed)) info = { htobe16(NBD_INFO_EXPORT), 0, htobe16(NBD_TX_FLAGS) };
	u32 name_len, i;

	memcpy(&name_len, data, sizeof(name_len));
	name_len = be32toh(name_len);
	for (i = 0; i < EXPORTS; i++) {
		if (len < 4 + name_len || strlen(export_names[i]) != name_len ||
		    memcmp(export_names[i], data + 4, name_len))
			continue;
		*e = i;
		info.size = htobe64(export_sectors(i) * SECTOR);
		opt_reply(fd, NBD_OPT_GO, NBD_REP_INFO, &info, sizeof(info));
		opt_reply(fd, NBD_OPT_GO, NBD_REP_ACK, NULL, 0);
		return true;
	}
	opt_reply(fd, NBD_OPT_GO, NBD_REP_ERR_UNKNOWN, NULL, 0);
	return false;
}

static bool negotiate(int fd, enum export *e)
{
	struct {
		u64 magic, opt_magic;
		u16 flags;
	} __attribute__((packed)) hello = {
		htobe64(NBD_INIT_MAGIC), htobe64(NBD_OPT_MAGIC), htobe16(NBD_FLAG_FIXED_NEWSTYLE),
	};
	struct {
		u64 magic;
		u32 option, len;
	} __attribute__((packed)) opt;
	u8 data[4096];
	u32 client_flags;

	transmit(fd, &hello, sizeof(hello));
	if (!receive(fd, &client_flags, sizeof(client_flags)))
		return false;
	while (receive(fd, &opt, sizeof(opt))) {
		opt.option = be32toh(opt.option);
		opt.len = be32toh(opt.len);
		if (opt.len > sizeof(data) || !receive(fd, data, opt.len))
			return false;
		if (opt.option == NBD_OPT_ABORT) {
			opt_reply(fd, opt.option, NBD_REP_ACK, NULL, 0);
			return false;
		}
		if (opt.option != NBD_OPT_GO || opt.len < 6)
			opt_reply(fd, opt.option, NBD_REP_ERR_UNSUP, NULL, 0);
		else if (negotiate_go(fd, data, opt.len, e))
			return true;
	}
	return false;
}

static void end_request(const struct held *h)
{
	if (!dead && disk_end(&disk, h->id))
		log_event(EV_END, h->id, 0, 0, NULL, 0);
	reply(h->fd, h->handle, 0);
}

static void release_held(u64 until)
{
	struct held h;
	u32 i;

	for (i = 0; i < nr_held; ) {
		if (held[i].due > until) {
			i++;
			continue;
		}
		h = held[i];
		held[i] = held[--nr_held];
		end_request(&h);
	}
}

/* Most replies go out at once, some late: others overtake them. */
static void hold(int fd, u64 handle, u32 id, bool all_wait_for_it)
{
	struct held h = { .fd = fd, .handle = handle, .id = id };
	u32 times = 1;

	if (nr_held == HELD_MAX || crash_rand(&rng, 4)) {
		end_request(&h);
		return;
	}
	/* some so long that much else happens meanwhile */
	if (!crash_rand(&rng, 8))
		times = all_wait_for_it ? 10 : 40;
	h.due = now() + crash_rand(&rng, times * (u64)HOLD_MAX_NS);
	held[nr_held++] = h;
}

/* Is the first block of this write lost, and the second there? */
static bool leaves_hole(const struct disk_io *io)
{
	const u8 *at = disk.image + io->sector * SECTOR;

	return memcmp(at, io->data, BLOCK) && !memcmp(at + BLOCK, io->data + BLOCK, BLOCK);
}

/* A commit of several blocks is best torn so that its end could verify again later. */
static u64 choose_seed(const struct disk_io *io)
{
	u64 seed;
	u32 i;

	for (i = 0; i < 1000; i++) {
		seed = CUT_MODES + crash_rand(&rng, 1ULL << 62);
		if (!io || io->count * SECTOR <= BLOCK)
			break;
		disk_cut_seeded(&disk, seed);
		if (leaves_hole(io))
			i = 1000;
		disk_undo(&disk);
	}
	return seed;
}

/* @io: the write that brings it about, or NULL */
static void power_cut(const struct disk_io *io)
{
	u64 seed = choose_seed(io);

	log_event(EV_CUT, 0, seed, 0, NULL, 0);
	disk_cut_seeded(&disk, seed);
	disk_keep(&disk);
	dead = true;
	cut_due = 0;
	reply(cut_mark.fd, cut_mark.handle, 0);
}

/* Some cuts come at once, the others with a write of the log or a superblock. */
static void want_cut(int fd, u64 handle, bool wait)
{
	cut_mark = (struct held){ .fd = fd, .handle = handle };
	cut_due = now() + CUT_PATIENCE_NS;
	if (!wait)
		power_cut(NULL);
}

static void power_on(void)
{
	release_held(UINT64_MAX);
	memcpy(live, disk.image, crash_space(&params) * SECTOR);
	dead = false;
	log_event(EV_REVIVE, 0, 0, 0, NULL, 0);
}

static void handle_mark(int fd, u64 handle, const u8 *data, u32 len)
{
	struct crash_mark mark;

	memcpy(&mark, data, sizeof(mark));
	switch (mark.type) {
	case MARK_CUT:
		want_cut(fd, handle, mark.count);
		return;
	case MARK_REVIVE:
		power_on();
		break;
	case MARK_FAILED:
		fprintf(stderr, "# the workload failed: %.*s\n", (int)(len - sizeof(mark)),
			(const char *)data + sizeof(mark));
		status = 1;
		break;
	case MARK_DONE:
		status = 0;
		/* fall through */
	default:
		log_event(EV_MARK, 0, 0, 0, data, len);
	}
	reply(fd, handle, 0);
}

/* Writes, trims, zeroes and flushes of the delta and the base; @data is theirs then. */
static void handle_change(int fd, enum export e, const struct nbd_request *req, u8 *data)
{
	u64 sector = req->offset / SECTOR + (e == EXPORT_BASE ? params.delta_sectors : 0);
	u32 count = req->length / SECTOR, id = next_id++, i;
	/* what a guest discards of a base that is its own now reads as zeros, as the oracle wants */
	enum crash_event_type type = req->type == NBD_WRITE ? EV_WRITE :
				     req->type == NBD_FLUSH ? EV_FLUSH :
				     req->type == NBD_TRIM && e == EXPORT_DELTA ? EV_TRIM : EV_ZERO;
	struct disk_io io = { .type = type, .id = id, .sector = sector, .count = count,
			      .data = data };

	if (type == EV_FLUSH)
		sector = e == EXPORT_BASE ? params.delta_sectors : 0;
	else
		for (i = 0; i < count; i++)
			disk_apply(live, &io, i);
	if (dead) {
		free(data);
	} else {
		log_event(type, id, sector, count, data, type == EV_WRITE ? req->length : 0);
		disk_start(&disk, type, id, sector, count, data);
		if (cut_due && type == EV_WRITE && sector < HEAD_SECTORS)
			power_cut(&io);
	}
	hold(fd, req->handle, id, type == EV_FLUSH || sector < HEAD_SECTORS);
}

static void handle_read(int fd, enum export e, const struct nbd_request *req)
{
	const u8 *from = e == EXPORT_MARK ? mark_area : live;

	if (e == EXPORT_BASE)
		from += params.delta_sectors * SECTOR;
	reply(fd, req->handle, 0);
	transmit(fd, from + req->offset, req->length);
}

/* A machine that does not start leaves without a write, and comes once more: tests/vm/run */
static bool is_used;

/* False when the connection has ended. */
static bool handle_request(int fd, enum export e)
{
	struct nbd_request req;
	u8 *data = NULL;

	if (!receive(fd, &req, sizeof(req)) || be32toh(req.magic) != NBD_REQUEST_MAGIC)
		return false;
	req.type = be16toh(req.type);
	req.offset = be64toh(req.offset);
	req.length = be32toh(req.length);
	if (req.type == NBD_DISC)
		return false;
	if (req.type == NBD_WRITE) {
		data = malloc(req.length);
		if (!data)
			err(1, "malloc");
		if (!receive(fd, data, req.length))
			return false;
		is_used = true;
	}
	if (req.offset % SECTOR || req.length % SECTOR ||
	    req.offset + req.length > export_sectors(e) * SECTOR) {
		reply(fd, req.handle, EINVAL);
	} else if (req.type == NBD_READ) {
		handle_read(fd, e, &req);
	} else if (e != EXPORT_MARK) {
		handle_change(fd, e, &req, data);
		return true;
	} else if (req.type == NBD_WRITE) {
		handle_mark(fd, req.handle, data, req.length);
	} else {
		reply(fd, req.handle, 0);
	}
	free(data);
	return true;
}

static void add_connection(int listen_fd)
{
	int fd = accept(listen_fd, NULL, NULL);
	enum export e;

	if (fd < 0)
		err(1, "accept");
	if (nr_poll == CONNECTIONS_MAX || !negotiate(fd, &e)) {
		close(fd);
		return;
	}
	poll_export[nr_poll] = e;
	poll_fd[nr_poll++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static void drop_connection(u32 i)
{
	u32 h;

	for (h = 0; h < nr_held; )
		if (held[h].fd == poll_fd[i].fd)
			held[h] = held[--nr_held];
		else
			h++;
	close(poll_fd[i].fd);
	poll_fd[i] = poll_fd[--nr_poll];
	poll_export[i] = poll_export[nr_poll];
}

/* Milliseconds until something is due, rounded up; -1: nothing is. */
static int next_due(void)
{
	u64 first = UINT64_MAX, t = now();
	u32 i;

	if (cut_due)
		first = cut_due;
	for (i = 0; i < nr_held; i++)
		if (held[i].due < first)
			first = held[i].due;
	if (first == UINT64_MAX)
		return -1;
	return first > t ? (first - t) / 1000000 + 1 : 0;
}

static void serve(int listen_fd)
{
	u32 i;

	poll_fd[nr_poll++] = (struct pollfd){ .fd = listen_fd, .events = POLLIN };
	while (!is_used || nr_poll > 1) {	/* until the guest goes away */
		if (poll(poll_fd, nr_poll, next_due()) < 0 && errno != EINTR)
			err(1, "poll");
		release_held(now());
		if (cut_due && cut_due <= now())
			power_cut(NULL);
		for (i = nr_poll; i-- > 1; )
			if (poll_fd[i].revents && !handle_request(poll_fd[i].fd, poll_export[i]))
				drop_connection(i);
		if (poll_fd[0].revents)
			add_connection(listen_fd);
	}
}

static int listen_on(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strlen(path) >= sizeof(addr.sun_path))
		errx(1, "%s: too long for a socket", path);
	strcpy(addr.sun_path, path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 4))
		err(1, "%s", path);
	return fd;
}

int main(int argc, char **argv)
{
	int listen_fd;

	if (argc != 5 || !crash_scenario(argv[1], strtoull(argv[2], NULL, 0), &params))
		errx(1, "usage: recorder SCENARIO SEED SOCKET LOG");
	rng.state = params.seed;
	event_log = fopen(argv[4], "w");
	if (!event_log || fwrite(&params, sizeof(params), 1, event_log) != 1)
		err(1, "%s", argv[4]);

	disk_init(&disk, image_create(&params), params.delta_sectors);
	live = image_create(&params);
	mark_area = calloc(MARK_SECTORS, SECTOR);
	if (!mark_area)
		err(1, "calloc");
	memcpy(mark_area, &params, sizeof(params));

	signal(SIGPIPE, SIG_IGN);
	listen_fd = listen_on(argv[3]);
	serve(listen_fd);
	if (fclose(event_log))
		err(1, "%s", argv[4]);
	return status;
}
