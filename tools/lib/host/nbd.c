// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "host/nbd.h"

#ifdef LCLONE_HAVE_NBD

#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <libnbd.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/text.h"
#include "format_user.h"
#include "host/file.h"
#include "host/library.h"
#include "host/program.h"

#define ALLOCATION_DEPTH "qemu:allocation-depth"
#define PIECE_BYTES	(32u << 20)	/* what qemu-nbd takes at once */
#define STATUS_BYTES	(1u << 30)	/* that are asked for at once; the answer has 32 bits */
#define CHILD_FD	10		/* libnbd gives its child others below */
#define NODES		256		/* of a chain; more are a mistake */
#define STOP_MS		300		/* between two questions whether to go on waiting */

#define CALLS(X)								\
	X(create) X(close) X(get_error) X(get_errno) X(add_meta_context)	\
	X(can_meta_context) X(aio_connect_systemd_socket_activation) X(get_size) \
	X(is_read_only) X(aio_pread) X(aio_pwrite) X(aio_zero) X(aio_flush)	\
	X(aio_block_status) X(poll) X(aio_get_fd) X(aio_get_direction)		\
	X(aio_notify_read) X(aio_notify_write) X(aio_is_dead) X(aio_is_closed)	\
	X(aio_is_connecting) X(aio_is_ready) X(aio_command_completed) X(kill_subprocess)

#define X(name)	typeof(nbd_##name) *name;
static struct {
	CALLS(X)
} lib;
#undef X

/* What one answer says of a context: where each range ends, and what it is */
struct ranges {
	struct { u64 end; u32 what; } *range;
	size_t count, room, at;
};

struct lclone_nbd {
	struct nbd_handle *h;
	struct lclone_dev dev;
	u64 bytes;
	int said;			/* what qemu-nbd has said, a file in memory */
	struct ranges depth, state;	/* ... of the answer that came last, from here on: */
	u64 known_from;
	bool no_memory;
	bool write;
	bool killed;			/* by us */
	bool (*stop)(void *ctx);
	void *ctx;
	char path[PATH_MAX];
};

/* The library */

static int load(void)
{
	static struct lclone_library library = { .file = "libnbd.so.0", .what = "this",
						 .package = "libnbd0" };
#define X(name)	{ "nbd_" #name, &lib.name },
	static const struct lclone_symbol symbols[] = { CALLS(X) };
#undef X

	return lclone_library_load(&library, symbols, sizeof(symbols) / sizeof(symbols[0]));
}

/* Sentences */

/* The last line that qemu-nbd has said, without what it says of how it was called */
static const char *last_words(const struct lclone_nbd *nbd, char text[1024])
{
	static const char name[] = "qemu-nbd: ", open[] = "Failed to blk_new_open ";
	off_t size = lseek(nbd->said, 0, SEEK_END), from = size > 1023 ? size - 1023 : 0;
	ssize_t n = pread(nbd->said, text, 1023, from);
	char *line, *reason;

	text[n > 0 ? n : 0] = '\0';
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	if (!strncmp(line, name, strlen(name)))
		line += strlen(name);
	reason = strstr(line, "}': ");
	return !strncmp(line, open, strlen(open)) && reason ? reason + 4 : line;
}

static int has_ended(const struct lclone_nbd *nbd)
{
	char text[1024];
	const char *words = last_words(nbd, text);

	if (nbd->killed)
		return lclone_fail(-EINTR, "interrupted");
	return lclone_fail(-EPIPE, "%s: qemu-nbd has ended in the middle%s%s", nbd->path,
			   words[0] ? ": " : "", words);
}

/* The reason of a call that has failed */
static int call_failed(const struct lclone_nbd *nbd, bool write)
{
	int err = lib.get_errno();

	if (lib.aio_is_dead(nbd->h) || lib.aio_is_closed(nbd->h) || err == ENOTCONN)
		return has_ended(nbd);
	return lclone_fail(lclone_io_error(err ? -err : -EIO, write), "%s: %s", nbd->path,
			   lib.get_error());
}

/* Waiting */

void lclone_nbd_kill(struct lclone_nbd *nbd)
{
	nbd->killed = true;
	lib.kill_subprocess(nbd->h, SIGKILL);
}

/* Until something happens; at the first error false. */
static bool wait_some(struct lclone_nbd *nbd, int ms)
{
	int ret = lib.poll(nbd->h, ms < 0 || ms > STOP_MS ? STOP_MS : ms);

	if (!ret && !nbd->killed && nbd->stop && nbd->stop(nbd->ctx))
		lclone_nbd_kill(nbd);
	return ret >= 0 || lib.get_errno() == EINTR;
}

/* For the command that was started as @cookie, if it was */
static int complete(struct lclone_nbd *nbd, int64_t cookie, bool write)
{
	int ret = cookie < 0 ? -1 : 0;

	while (!ret) {
		ret = lib.aio_command_completed(nbd->h, cookie);
		if (!ret && !wait_some(nbd, -1))
			ret = -1;
	}
	return ret < 0 ? call_failed(nbd, write) : 0;
}

/* Connection */

static bool is_direct(int fd)
{
	return fcntl(fd, F_GETFL) & O_DIRECT;
}

static int add_file(struct json_object *node, const struct lclone_nbd_image *image, int fd)
{
	struct json_object *file = json_object_new_object(), *cache;
	char path[PATH_MAX], plain[PATH_MAX];
	struct stat st;

	json_object_object_add(node, "file", file);
	if (fd >= 0)
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	else if (!realpath(image->path, path))
		return lclone_fail(-errno, "%s: %m", image->path);
	if (fd >= 0 ? fstat(fd, &st) : stat(path, &st))
		return lclone_fail(-errno, "%s: %m", image->path);
	if (strcmp(lclone_text_utf8(plain, sizeof(plain), path), path))
		return lclone_fail(-EINVAL, "%s: qemu takes no file name that is not UTF-8",
				   image->path);
	json_object_object_add(file, "driver", json_object_new_string(S_ISBLK(st.st_mode) ?
								      "host_device" : "file"));
	json_object_object_add(file, "filename", json_object_new_string(path));
	cache = json_object_new_object();
	json_object_object_add(cache, "direct", json_object_new_boolean(fd >= 0 && is_direct(fd)));
	json_object_object_add(cache, "no-flush", json_object_new_boolean(image->no_flush));
	json_object_object_add(file, "cache", cache);
	return 0;
}

/* The image as qemu has it, with all that it lies on */
static int add_node(struct json_object *node, const struct lclone_nbd_image *image,
		    const int *fds)
{
	struct json_object *below = image->backing ? json_object_new_object() : NULL;

	json_object_object_add(node, "driver", json_object_new_string(image->format));
	json_object_object_add(node, "backing", below);
	return add_file(node, image, *fds) ?:
	       (below ? add_node(below, image->backing, fds + 1) : 0);
}

/* qemu-nbd says what is wrong on its standard error, and a Ctrl-C is not for it. */
static int start_qemu_nbd(struct lclone_nbd *nbd, const char *node, bool write)
{
	char *argv[] = { "qemu-nbd", "-A", write ? NULL : "-r", NULL, NULL };
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, CHILD_FD), ret;
	sigset_t interrupt, old;

	/* It takes memory for each request, and is to keep it: new pages cost more than a copy. */
	static const char *const malloc_env[][2] = { { "MALLOC_MMAP_THRESHOLD_", "33554432" },
						     { "MALLOC_TRIM_THRESHOLD_", "134217728" } };
	bool is_set[2];
	int i;

	if (saved < 0)
		return lclone_fail(-errno, "cannot start qemu-nbd: %m");
	for (i = 0; i < 2; i++) {
		is_set[i] = getenv(malloc_env[i][0]);
		setenv(malloc_env[i][0], malloc_env[i][1], 0);
	}
	argv[write ? 2 : 3] = (char *)node;
	sigemptyset(&interrupt);
	sigaddset(&interrupt, SIGINT);
	sigprocmask(SIG_BLOCK, &interrupt, &old);
	dup2(nbd->said, STDERR_FILENO);
	ret = lib.aio_connect_systemd_socket_activation(nbd->h, argv);
	dup2(saved, STDERR_FILENO);
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(saved);
	for (i = 0; i < 2; i++)
		if (!is_set[i])
			unsetenv(malloc_env[i][0]);
	while (!ret && lib.aio_is_connecting(nbd->h))
		ret = wait_some(nbd, -1) ? 0 : -1;
	return ret || !lib.aio_is_ready(nbd->h) ? -1 : 0;
}

/* It has said why, or is not there at all. */
static int not_opened(const struct lclone_nbd *nbd, const char *format)
{
	const char *const argv[] = { "qemu-nbd", "--version", NULL };
	const struct lclone_program program = { .argv = argv, .in = -1, .out = -1, .err = -1 };
	pid_t pid = lclone_program_start(&program);
	char text[1024];
	const char *words;

	if (pid < 0)
		return pid;
	if (lclone_program_status(pid, argv[0]) == -ENOENT)
		return lclone_fail(-ENOENT, "this needs the program qemu-nbd, which is not installed (qemu-utils)");
	words = last_words(nbd, text);
	return lclone_fail(-EIO, "%s: qemu-nbd cannot open this %s image: %s", nbd->path, format,
			   words[0] ? words : lib.get_error());
}

static int open_node(struct lclone_nbd *nbd, const struct lclone_nbd_image *image, const int *fds,
		     bool write)
{
	struct json_object *node = json_object_new_object();
	char *name;
	int err;

	err = add_node(node, image, fds);
	if (!err && asprintf(&name, "json:%s", json_object_to_json_string(node)) < 0)
		err = lclone_fail(-ENOMEM, "out of memory");
	json_object_put(node);
	if (err)
		return err;
	err = start_qemu_nbd(nbd, name, write);
	free(name);
	if (err && nbd->killed)
		return has_ended(nbd);
	return err ? not_opened(nbd, image->format) : 0;
}

/* Descriptors that the child inherits, each -1 if the image is opened by its path */
static int give_fds(const struct lclone_nbd_image *image, int fds[NODES])
{
	int i;

	for (i = 0; image; image = image->backing, i++) {
		if (i == NODES)
			return lclone_fail(-ELOOP, "%s lies on too many images", image->path);
		fds[i] = image->fd < 0 ? -1 : fcntl(image->fd, F_DUPFD, CHILD_FD);
		if (image->fd >= 0 && fds[i] < 0)
			return lclone_fail(-errno, "%s: %m", image->path);
	}
	return 0;
}

static int nbd_dev_read(const struct lclone_dev *dev, void *buf, u64 sector, u32 count)
{
	struct lclone_nbd *nbd = container_of(dev, struct lclone_nbd, dev);
	u64 at = sector << 9, end = at + ((u64)count << 9);
	u8 *to = buf;
	int err = 0;
	u32 n;

	for (; !err && at < end; at += n, to += n) {
		n = min_u64(end - at, PIECE_BYTES);
		err = complete(nbd, lib.aio_pread(nbd->h, to, n, at, NBD_NULL_COMPLETION, 0),
			       false);
	}
	return err;
}

/* Two large requests fit into the socket, so that both ends need not wait for each other. */
static void more_room(const struct lclone_nbd *nbd)
{
	const int fd = lib.aio_get_fd(nbd->h), size = 1 << 20;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* Both ends have it: its name, which libnbd keeps until we close, would be left if we are killed. */
static void forget_name(const struct lclone_nbd *nbd)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(name) - 1;
	char *slash;

	if (getpeername(lib.aio_get_fd(nbd->h), (struct sockaddr *)&name, &size))
		return;
	slash = strrchr(name.sun_path, '/');
	if (!slash || unlink(name.sun_path))
		return;
	*slash = '\0';
	rmdir(name.sun_path);
}

static int start(struct lclone_nbd *nbd, const struct lclone_nbd_image *image, bool write)
{
	int fds[NODES], err, i;
	int64_t size;

	memset(fds, -1, sizeof(fds));
	nbd->h = lib.create();
	nbd->said = memfd_create("qemu-nbd", MFD_CLOEXEC);
	if (!nbd->h || nbd->said < 0)
		return lclone_fail(-ENOMEM, "out of memory");
	if (lib.add_meta_context(nbd->h, LIBNBD_CONTEXT_BASE_ALLOCATION) ||
	    lib.add_meta_context(nbd->h, ALLOCATION_DEPTH))
		return lclone_fail(-EIO, "%s", lib.get_error());
	err = give_fds(image, fds) ?: open_node(nbd, image, fds, write);
	for (i = 0; i < NODES; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (err)
		return err;
	more_room(nbd);
	forget_name(nbd);
	size = lib.get_size(nbd->h);
	if (size < 0)
		return call_failed(nbd, false);
	if (lib.can_meta_context(nbd->h, LIBNBD_CONTEXT_BASE_ALLOCATION) != 1 ||
	    lib.can_meta_context(nbd->h, ALLOCATION_DEPTH) != 1)
		return lclone_fail(-EPROTONOSUPPORT, "this needs a newer qemu-nbd, which tells what an image has itself");
	if (write && lib.is_read_only(nbd->h))
		return lclone_fail(-EROFS, "%s: qemu-nbd has it read-only", nbd->path);
	nbd->bytes = size;
	nbd->dev.sectors = (u64)size >> 9;
	nbd->dev.read = nbd_dev_read;
	return 0;
}

int lclone_nbd_open(struct lclone_nbd **nbd, const struct lclone_nbd_image *image, bool write)
{
	int err;

	*nbd = NULL;
	err = load();
	if (err)
		return err;
	*nbd = calloc(1, sizeof(**nbd));
	if (!*nbd)
		return lclone_fail(-ENOMEM, "out of memory");
	(*nbd)->said = -1;
	(*nbd)->write = write;
	(*nbd)->stop = image->stop;
	(*nbd)->ctx = image->ctx;
	snprintf((*nbd)->path, sizeof((*nbd)->path), "%s", image->path);
	err = start(*nbd, image, write);
	if (err) {
		lclone_nbd_close(*nbd);
		*nbd = NULL;
	}
	return err;
}

void lclone_nbd_close(struct lclone_nbd *nbd)
{
	if (!nbd)
		return;
	if (nbd->h && !nbd->write)
		lclone_nbd_kill(nbd);		/* nothing is lost, and nobody waits until it has ended */
	if (nbd->h)
		lib.close(nbd->h);
	if (nbd->said >= 0)
		close(nbd->said);
	free(nbd->depth.range);
	free(nbd->state.range);
	free(nbd);
}

u64 lclone_nbd_bytes(const struct lclone_nbd *nbd)
{
	return nbd->bytes;
}

const struct lclone_dev *lclone_nbd_dev(const struct lclone_nbd *nbd)
{
	return &nbd->dev;
}

/* Requests */

/* Nothing may be asked of the handle in here. */
static int request_ended(void *ctx, int *error)
{
	struct lclone_nbd_io *io = ctx;
	int err = 0;

	if (*error == ENOTCONN)
		err = has_ended(io->nbd);
	else if (*error)
		err = lclone_fail(lclone_io_error(-*error, io->what[0] != 'r'),
				  "%s: %s error at byte %" PRIu64 ": %s", io->nbd->path, io->what,
				  io->at, strerror(*error));
	io->ended(io, err);
	return 1;
}

static nbd_completion_callback begin(struct lclone_nbd *nbd, struct lclone_nbd_io *io,
				     const char *what, u64 at)
{
	io->nbd = nbd;
	io->what = what;
	io->at = at;
	return (nbd_completion_callback){ .callback = request_ended, .user_data = io };
}

int lclone_nbd_read(struct lclone_nbd *nbd, struct lclone_nbd_io *io, void *buf, u64 at, u64 bytes)
{
	return lib.aio_pread(nbd->h, buf, bytes, at, begin(nbd, io, "read", at), 0) < 0 ?
	       call_failed(nbd, false) : 0;
}

int lclone_nbd_write(struct lclone_nbd *nbd, struct lclone_nbd_io *io, const void *buf, u64 at,
		     u64 bytes)
{
	return lib.aio_pwrite(nbd->h, buf, bytes, at, begin(nbd, io, "write", at), 0) < 0 ?
	       call_failed(nbd, true) : 0;
}

int lclone_nbd_zero(struct lclone_nbd *nbd, struct lclone_nbd_io *io, u64 at, u64 bytes)
{
	return lib.aio_zero(nbd->h, bytes, at, begin(nbd, io, "write", at), 0) < 0 ?
	       call_failed(nbd, true) : 0;
}

int lclone_nbd_wait(struct lclone_nbd *nbd, int ms)
{
	return wait_some(nbd, ms) ? 0 : call_failed(nbd, true);
}

void lclone_nbd_poll_for(struct lclone_nbd *nbd, struct pollfd *p)
{
	unsigned int direction = lib.aio_get_direction(nbd->h);

	p->fd = lib.aio_get_fd(nbd->h);
	p->events = (direction & LIBNBD_AIO_DIRECTION_READ ? POLLIN : 0) |
		    (direction & LIBNBD_AIO_DIRECTION_WRITE ? POLLOUT : 0);
	p->revents = 0;
}

int lclone_nbd_polled(struct lclone_nbd *nbd, const struct pollfd *p)
{
	unsigned int direction = lib.aio_get_direction(nbd->h);
	int ret = 0;

	if (p->revents & (POLLIN | POLLHUP | POLLERR) && direction & LIBNBD_AIO_DIRECTION_READ)
		ret = lib.aio_notify_read(nbd->h);
	else if (p->revents & (POLLOUT | POLLERR) && direction & LIBNBD_AIO_DIRECTION_WRITE)
		ret = lib.aio_notify_write(nbd->h);
	return ret || lib.aio_is_dead(nbd->h) || lib.aio_is_closed(nbd->h) ?
	       call_failed(nbd, true) : 0;
}

int lclone_nbd_flush(struct lclone_nbd *nbd)
{
	return complete(nbd, lib.aio_flush(nbd->h, NBD_NULL_COMPLETION, 0), true);
}

/* Extents */

static bool add_range(struct ranges *r, u64 end, u32 what)
{
	size_t room = r->room ? 2 * r->room : 64;
	void *p;

	if (r->count && r->range[r->count - 1].what == what) {
		r->range[r->count - 1].end = end;
		return true;
	}
	if (r->count == r->room) {
		p = realloc(r->range, room * sizeof(*r->range));
		if (!p)
			return false;
		r->range = p;
		r->room = room;
	}
	r->range[r->count].end = end;
	r->range[r->count++].what = what;
	return true;
}

static int take_status(void *ctx, const char *context, u64 at, u32 *entries, size_t count,
		       int *error)
{
	struct lclone_nbd *nbd = ctx;
	bool is_depth = !strcmp(context, ALLOCATION_DEPTH);
	struct ranges *r = is_depth ? &nbd->depth : &nbd->state;
	size_t i;

	(void)error;
	for (i = 0; i + 1 < count; i += 2) {
		at += entries[i];
		if (!add_range(r, at, entries[i + 1]))
			nbd->no_memory = true;
	}
	return 0;
}

static int ask_status(struct lclone_nbd *nbd, u64 at)
{
	nbd_extent_callback callback = { .callback = take_status, .user_data = nbd };

	nbd->depth.count = nbd->depth.at = 0;
	nbd->state.count = nbd->state.at = 0;
	int64_t cookie = lib.aio_block_status(nbd->h, min_u64(nbd->bytes - at, STATUS_BYTES), at,
					      callback, NBD_NULL_COMPLETION, 0);
	int err = complete(nbd, cookie, false);

	if (err) {
		nbd->depth.count = nbd->state.count = 0;
		return err;
	}
	return nbd->no_memory ? lclone_fail(-ENOMEM, "out of memory") : 0;
}

/* Is the range at @at known?  They are asked for in order. */
static bool seek(struct ranges *r, u64 at)
{
	while (r->at < r->count && r->range[r->at].end <= at)
		r->at++;
	return r->at < r->count;
}

int lclone_nbd_extent_at(struct lclone_nbd *nbd, u64 at, struct lclone_nbd_extent *extent)
{
	u64 end;
	int err;

	if (at >= nbd->bytes)
		return lclone_fail(-ENXIO, "%s ends before byte %" PRIu64, nbd->path, at);
	if (at < nbd->known_from || !seek(&nbd->depth, at) || !seek(&nbd->state, at)) {
		err = ask_status(nbd, at);
		if (err)
			return err;
		nbd->known_from = at;
		if (!seek(&nbd->depth, at) || !seek(&nbd->state, at))
			return lclone_fail(-EIO, "%s: qemu-nbd does not tell what is at byte %" PRIu64,
					   nbd->path, at);
	}
	nbd->known_from = at;
	end = min_u64(nbd->depth.range[nbd->depth.at].end, nbd->state.range[nbd->state.at].end);
	*extent = (struct lclone_nbd_extent){
		.at = at,
		.bytes = min_u64(end, nbd->bytes) - at,
		.depth = nbd->depth.range[nbd->depth.at].what,
		.zero = nbd->state.range[nbd->state.at].what & LIBNBD_STATE_ZERO,
	};
	return 0;
}

#else /* !LCLONE_HAVE_NBD: nothing can be opened, and so the rest is never called. */

int lclone_nbd_open(struct lclone_nbd **nbd, const struct lclone_nbd_image *image, bool write)
{
	(void)image;
	(void)write;
	*nbd = NULL;
	return lclone_fail(-EPROTONOSUPPORT, "this lclone was built without libnbd (libnbd-dev), which this needs");
}

void lclone_nbd_close(struct lclone_nbd *nbd)
{
	(void)nbd;
}

#define NEVER(type, name, ...)			\
	type name(__VA_ARGS__)			\
	{					\
		abort();			\
	}
#pragma GCC diagnostic ignored "-Wunused-parameter"

NEVER(void, lclone_nbd_kill, struct lclone_nbd *nbd)
NEVER(u64, lclone_nbd_bytes, const struct lclone_nbd *nbd)
NEVER(const struct lclone_dev *, lclone_nbd_dev, const struct lclone_nbd *nbd)
NEVER(int, lclone_nbd_read, struct lclone_nbd *nbd, struct lclone_nbd_io *io, void *buf, u64 at,
      u64 bytes)
NEVER(int, lclone_nbd_write, struct lclone_nbd *nbd, struct lclone_nbd_io *io, const void *buf,
      u64 at, u64 bytes)
NEVER(int, lclone_nbd_zero, struct lclone_nbd *nbd, struct lclone_nbd_io *io, u64 at, u64 bytes)
NEVER(int, lclone_nbd_wait, struct lclone_nbd *nbd, int ms)
NEVER(void, lclone_nbd_poll_for, struct lclone_nbd *nbd, struct pollfd *p)
NEVER(int, lclone_nbd_polled, struct lclone_nbd *nbd, const struct pollfd *p)
NEVER(int, lclone_nbd_flush, struct lclone_nbd *nbd)
NEVER(int, lclone_nbd_extent_at, struct lclone_nbd *nbd, u64 at, struct lclone_nbd_extent *extent)

#endif
