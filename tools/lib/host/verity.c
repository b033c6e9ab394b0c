// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/dry.h"
#include "basic/fail.h"
#include "basic/text.h"
#include "host/verity.h"

#define POLL_MS		200

#ifdef LCLONE_HAVE_CRYPTSETUP

#include <libcryptsetup.h>

#include "host/library.h"

#define CALLS(X) X(init) X(format) X(volume_key_get) X(free) X(set_log_callback)

#define X(name)	typeof(crypt_##name) *name;
static struct {
	CALLS(X)
} lib;
#undef X

int lclone_verity_can_make(void)
{
	static struct lclone_library library = { .file = "libcryptsetup.so.12", .what = "a verity tree",
						 .package = "libcryptsetup12" };
#define X(name)	{ "crypt_" #name, &lib.name },
	static const struct lclone_symbol symbols[] = { CALLS(X) };
#undef X

	return lclone_library_load(&library, symbols, sizeof(symbols) / sizeof(symbols[0]));
}

/* What the process that makes it tells at its end, in one write */
struct report {
	int err;
	u8 root[LCLONE_ROOT_SIZE];
	char why[512];
};

static void keep_error(int level, const char *text, void *ctx)
{
	struct report *report = ctx;

	if (level != CRYPT_LOG_ERROR)
		return;
	snprintf(report->why, sizeof(report->why), "%s", text);
	report->why[strcspn(report->why, "\n")] = '\0';
}

static void make(const struct lclone_file *data, const struct lclone_file *hashes,
		 struct report *report)
{
	struct crypt_params_verity params = {
		.hash_name = LCLONE_VERITY_HASH,
		.data_device = data->path,
		.hash_type = 1,
		.data_block_size = data->logical_block,
		.hash_block_size = LCLONE_VERITY_BLOCK,
		.data_size = (data->dev.sectors << 9) / data->logical_block,
		.flags = CRYPT_VERITY_CREATE_HASH,
	};
	struct crypt_device *cd = NULL;
	size_t size = sizeof(report->root);
	int ret;

	lib.set_log_callback(NULL, keep_error, report);
	ret = lib.init(&cd, hashes->path);
	if (ret >= 0)
		ret = lib.format(cd, CRYPT_VERITY, NULL, NULL, NULL, NULL, 0, &params);
	if (ret >= 0)
		ret = lib.volume_key_get(cd, CRYPT_ANY_SLOT, (char *)report->root, &size, NULL, 0);
	report->err = ret < 0 ? ret : 0;
	lib.free(cd);
}

/* It is not asked to stop by others, and says nothing of how far it is: it is a process of its own. */
static pid_t start(const struct lclone_file *data, const struct lclone_file *hashes, int fd[2])
{
	const pid_t parent = getpid();
	struct report report = { .err = 0 };
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid < 0 ? lclone_fail(-errno, "no process can be started: %m") : pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGINT, SIG_IGN);
	make(data, hashes, &report);
	_exit(write(fd[1], &report, sizeof(report)) != sizeof(report));
}

/* Bytes that it has read; of these some are not the data's, but few. */
static u64 bytes_read(pid_t pid)
{
	unsigned long long bytes = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/io", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "rchar: %llu", &bytes) != 1)
		bytes = 0;
	fclose(f);
	return bytes;
}

static int follow(const struct lclone_file *data, pid_t pid, int fd,
		  const struct lclone_watch *watch, u8 root[LCLONE_ROOT_SIZE])
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	const u64 total = data->dev.sectors << 9;
	struct report report;
	bool stopped = false;

	while (!stopped && poll(&p, 1, POLL_MS) <= 0)
		stopped = lclone_watch_stops(watch, "hashing", bytes_read(pid), total);
	if (stopped) {
		kill(pid, SIGKILL);
		return lclone_fail(-EINTR, "interrupted");
	}
	if (read(fd, &report, sizeof(report)) != sizeof(report))
		return lclone_fail(-ECHILD, "the process that made the verity tree of %s was killed",
				   data->path);
	if (report.err)
		return lclone_fail(lclone_io_error(report.err, true), "the verity tree of %s cannot be made: %s",
				   data->path, report.why[0] ? report.why : strerror(-report.err));
	memcpy(root, report.root, LCLONE_ROOT_SIZE);
	lclone_watch_stops(watch, "hashing", total, total);
	return 0;
}

int lclone_verity_make(const struct lclone_file *data, struct lclone_file *hashes,
		       const struct lclone_watch *watch, u8 root[LCLONE_ROOT_SIZE])
{
	int fd[2], err;
	pid_t pid;

	err = lclone_verity_can_make() ?: lclone_change();
	if (err)
		return err;
	if (pipe2(fd, O_CLOEXEC))
		return lclone_fail(-errno, "no pipe: %m");
	pid = start(data, hashes, fd);
	close(fd[1]);
	err = pid < 0 ? pid : follow(data, pid, fd[0], watch, root);
	close(fd[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return err ?: lclone_file_sync(hashes);
}

#else /* LCLONE_HAVE_CRYPTSETUP */

int lclone_verity_can_make(void)
{
	return lclone_fail(-EPROTONOSUPPORT, "this lclone was built without libcryptsetup: it makes no verity trees");
}

int lclone_verity_make(const struct lclone_file *data, struct lclone_file *hashes,
		       const struct lclone_watch *watch, u8 root[LCLONE_ROOT_SIZE])
{
	(void)data;
	(void)hashes;
	(void)watch;
	(void)root;
	return lclone_verity_can_make();
}

#endif /* LCLONE_HAVE_CRYPTSETUP */

int lclone_verity_read(const struct lclone_file *data, const struct lclone_file *hashes,
		       struct lclone_verity *verity)
{
	const u64 bytes = data->dev.sectors << 9;
	u8 sb[LCLONE_VERITY_SB_SIZE];
	u64 wanted;
	int err;

	err = hashes->dev.sectors ? lclone_dev_read(&hashes->dev, sb, 0, 1) : -EIO;
	if (err)
		return lclone_fail(err, "%s: cannot be read: %s", hashes->path, strerror(-err));
	err = lclone_verity_unpack(sb, verity);
	if (err == -ENODATA)
		return lclone_fail(err, "%s holds no verity tree", hashes->path);
	if (err)
		return lclone_fail(err, "%s holds a verity tree of a kind that is not used here",
				   hashes->path);
	if (verity->blocks * verity->data_block != bytes)
		return lclone_fail(-ESTALE, "%s holds the verity tree of a base of %s, and %s has %s",
				   hashes->path,
				   LCLONE_SIZE(verity->blocks * verity->data_block >> 9),
				   data->path, LCLONE_SIZE(data->dev.sectors));
	wanted = lclone_verity_size(verity->blocks, verity->hash_block);
	if (hashes->dev.sectors << 9 < wanted)
		return lclone_fail(-ESTALE, "%s is too short for its verity tree: it has %s, and that %s",
				   hashes->path, LCLONE_SIZE(hashes->dev.sectors),
				   LCLONE_SIZE(wanted >> 9));
	return 0;
}
