// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "basic/fail.h"
#include "host/lv.h"

/* Runs a program of LVM; its own messages tell the user what is wrong. */
static int run_lvm(const char *const argv[])
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return lclone_fail(-errno, "cannot start %s: %m", argv[0]);
	if (!pid) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		close_range(STDERR_FILENO + 1, ~0u, 0);	/* LVM complains of what is inherited */
		execvp(argv[0], (char *const *)argv);
		dprintf(STDERR_FILENO, "%s: %m\n", argv[0]);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return lclone_fail(-errno, "waiting for %s: %m", argv[0]);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return lclone_fail(-ECHILD, "%s failed", argv[0]);
	return 0;
}

#define NEW	"lclone_new"	/* a tag, as long as it is not known to be ours for good */

int lclone_lv_create(const char *vg, const char *lv, u64 sectors)
{
	char size[32];
	const char *const argv[] = { "lvcreate", "--quiet", "--yes", "--wipesignatures", "y",
				     "--zero", "y", "--addtag", NEW, "--name", lv, "--size", size,
				     vg, NULL };

	snprintf(size, sizeof(size), "%llus", (unsigned long long)sectors);
	return run_lvm(argv);
}

int lclone_lv_keep(const char *vg, const char *lv)
{
	char path[PATH_MAX];
	const char *const argv[] = { "lvchange", "--quiet", "--deltag", NEW, path, NULL };

	snprintf(path, sizeof(path), "%s/%s", vg, lv);
	return run_lvm(argv);
}

int lclone_lv_remove_new(const char *vg, const char *lv)
{
	char which[PATH_MAX];
	const char *const argv[] = { "lvremove", "--quiet", "--yes", "--select", which, vg, NULL };

	snprintf(which, sizeof(which), "lv_name=\"%s\" && lv_tags={\"" NEW "\"}", lv);
	return run_lvm(argv);
}

int lclone_lv_remove(const char *vg, const char *lv)
{
	char path[PATH_MAX];
	const char *const argv[] = { "lvremove", "--quiet", "--yes", path, NULL };

	snprintf(path, sizeof(path), "%s/%s", vg, lv);
	return run_lvm(argv);
}
