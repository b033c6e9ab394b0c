// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fail.h"
#include "ui/save.h"

static int failed(const struct save *save, int err)
{
	return lclone_fail(err, "%s: cannot be written: %s", save->path, strerror(-err));
}

/* What a link leads to is written, not the link. */
static int resolve(struct save *save, const char *path)
{
	char real[PATH_MAX];
	struct stat st;

	if (snprintf(save->path, sizeof(save->path), "%s", path) >= (int)sizeof(save->path))
		return lclone_fail(-ENAMETOOLONG, "the name of the file is too long");
	if (stat(path, &st))
		return errno == ENOENT ? 0 : failed(save, -errno);
	if (!S_ISREG(st.st_mode))
		return lclone_fail(-EEXIST, "%s is there, and not a file", path);
	if (realpath(path, real))
		strcpy(save->path, real);
	return 0;
}

int save_begin(struct save *save, const char *path)
{
	const char *slash;
	int fd, err;

	err = resolve(save, path);
	if (err)
		return err;
	slash = strrchr(save->path, '/');
	/* a dot in front: collectors of a folder do not read it */
	if (snprintf(save->temporary, sizeof(save->temporary), "%.*s.%s.XXXXXX",
		     (int)(slash ? slash + 1 - save->path : 0), save->path,
		     slash ? slash + 1 : save->path) >= (int)sizeof(save->temporary))
		return lclone_fail(-ENAMETOOLONG, "the name of the file is too long");
	fd = mkstemp(save->temporary);
	if (fd < 0)
		return failed(save, -errno);
	save->f = fdopen(fd, "w");
	if (save->f && !fchmod(fd, 0644))
		return 0;
	err = -errno;
	if (save->f)
		fclose(save->f);
	else
		close(fd);
	unlink(save->temporary);
	return failed(save, err);
}

int save_end(struct save *save, int err)
{
	int ret = 0;

	errno = EIO;
	if (fflush(save->f) || ferror(save->f) || fsync(fileno(save->f)))
		ret = -errno;
	if (fclose(save->f) && !ret)
		ret = -errno;
	if (!err && !ret && rename(save->temporary, save->path))
		ret = -errno;
	if (err || ret)
		unlink(save->temporary);
	return err ?: ret ? failed(save, ret) : 0;
}
