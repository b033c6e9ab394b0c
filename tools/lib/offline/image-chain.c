// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "offline/image-chain.h"
#include "offline/image-format.h"
#include "offline/image-header.h"
#include "offline/image.h"
#include "offline/vhd-file.h"

/* Seconds that a filesystem may round the time of a file by */
#define TIME_SLACK	2

struct walk {
	struct lclone_image_chain *chain;
	const struct lclone_image_names *named;
	enum lclone_image_depth depth;
	bool used[LCLONE_IMAGES_MAX];	/* which of these have been found */
};

int lclone_add_image_name(struct lclone_image_names *names, const char *path)
{
	if (names->count == LCLONE_IMAGES_MAX)
		return lclone_fail(-ERANGE, "more than %d files are too many", LCLONE_IMAGES_MAX);
	names->path[names->count++] = path;
	return 0;
}

/* One more file at the lower end; only where it is is known. */
static int add_file(struct lclone_image_chain *chain, const char *path)
{
	struct lclone_image_file *file = &chain->file[chain->count];
	char real[PATH_MAX];
	struct stat st;
	u32 i;

	if (chain->count == LCLONE_IMAGES_MAX)
		return lclone_fail(-ESTALE, "%s lies on more than %d files", chain->file[0].path,
				   LCLONE_IMAGES_MAX - 1);
	if (!realpath(path, real) || stat(real, &st))
		return lclone_fail(-errno, "%s: %m", path);
	if (!S_ISREG(st.st_mode))
		return lclone_fail(-EPROTONOSUPPORT, "%s is no file: a device is always raw (lclone template add)",
				   path);
	for (i = 0; i < chain->count; i++)
		if (chain->file[i].dev == st.st_dev && chain->file[i].ino == st.st_ino)
			return lclone_fail(-ELOOP, "%s lies on itself", chain->file[i].path);
	*file = (struct lclone_image_file){ .dev = st.st_dev, .ino = st.st_ino,
					    .bytes = st.st_size, .changed = st.st_mtim };
	file->path = strdup(real);
	file->given = strdup(path);
	chain->count++;
	return file->path && file->given ? 0 : lclone_fail(-ENOMEM, "out of memory");
}

static const char *name_in(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int elsewhere(const char *path, const char *backing)
{
	return lclone_fail(-EPERM, "%s lies on \"%s\", which is not in its folder: an image of somebody else's could name any file of this host; if it is right, name it: --backing FILE",
			   path, backing);
}

/* By its path.  -1: it was not named. */
static int find_named(const struct walk *w, const char *real)
{
	char other[PATH_MAX];
	u32 i;

	for (i = 0; i < w->named->count; i++)
		if (realpath(w->named->path[i], other) && !strcmp(real, other))
			return i;
	return -1;
}

/* As files are moved, by its name, if one has it that is not taken.  -1: it was not named. */
static int find_moved(const struct walk *w, const char *path, const char *name)
{
	int found = -1;
	u32 i;

	for (i = 0; i < w->named->count; i++) {
		if (w->used[i] || strcmp(name_in(w->named->path[i]), name_in(name)))
			continue;
		if (found >= 0)
			return lclone_fail(-ESTALE, "%s lies on \"%s\", which is not there, and two of that name are given (--backing): which it is cannot be told",
					   path, name);
		found = i;
	}
	return found;
}

/* What @name is in the folder of @path, before and after all links; false: nothing. */
static bool resolve(const char *path, const char *name, char joined[2 * PATH_MAX],
		    char real[PATH_MAX])
{
	const int folder = name[0] == '/' ? 0 : name_in(path) - path;

	snprintf(joined, 2 * PATH_MAX, "%.*s%s", folder, path, name);
	return realpath(joined, real);
}

/* It is not where the one above says. */
static int follow_moved(struct walk *w, const char *path, const char *name)
{
	const bool other = strcspn(name, ":") < strcspn(name, "/");	/* qemu: a protocol */
	int i = find_moved(w, path, name);

	if (i >= 0) {
		w->used[i] = true;
		return add_file(w->chain, w->named->path[i]);
	}
	if (i != -1)
		return i;
	return other ? elsewhere(path, name) :
	       lclone_fail(-ENOENT, "%s lies on \"%s\", which is not there: if it is elsewhere now, name it: --backing FILE",
			   path, name);
}

/*
 * What a qcow2 or a vmdk has as the name of the file that it lies on.  Of one that was given by a
 * link in another folder qemu looks for that name beside the link.
 */
static int follow_name(struct walk *w, const struct lclone_image_file *file, const char *name)
{
	char joined[2 * PATH_MAX], real[PATH_MAX], by_link[PATH_MAX];
	const char *path = file->path;
	bool is_there, is_at_link;
	int i;

	if (!name[0])
		return lclone_fail(-EPROTONOSUPPORT, "%s lies on another image, and does not say on which",
				   path);
	is_there = resolve(path, name, joined, real);
	is_at_link = resolve(file->given, name, joined, by_link);
	if (!is_there && !is_at_link)
		return follow_moved(w, path, name);
	i = is_there ? find_named(w, real) : -1;
	if (i < 0 && is_at_link)
		i = find_named(w, by_link);
	if (i >= 0) {
		w->used[i] = true;
		return add_file(w->chain, w->named->path[i]);
	}
	if (!is_there || (is_at_link && strcmp(real, by_link)))
		return lclone_fail(-EPERM, "%s lies on \"%s\", which is another file beside that than beside the link %s: name the right one: --backing FILE",
				   path, name, file->given);
	if (!lclone_image_beside(path, real) || strcspn(name, ":") < strcspn(name, "/"))
		return elsewhere(path, name);
	return add_file(w->chain, is_at_link ? joined : real);
}

/* A VHD knows its parent by its uuid */

/* It is recorded as the time in its footer, or, by others, as that of the file. */
static bool has_time(const struct lclone_vhd_file *parent, u32 time)
{
	struct stat st;
	int64_t written;

	if (!time || time == parent->vhd.time)
		return true;
	if (fstat(parent->file.fd, &st))
		return false;
	written = st.st_mtime - (int64_t)LCLONE_VHD_EPOCH;
	return written - time <= TIME_SLACK && time - written <= TIME_SLACK;
}

/* 1: it is the parent; 0: it is another, or cannot be told to be. */
static int is_parent(const struct lclone_vhd *child, const char *path, bool named)
{
	struct lclone_vhd_file parent;
	int ret;

	ret = lclone_vhd_file_open(&parent, path);
	if (!ret)
		ret = !memcmp(parent.vhd.uuid, child->parent_uuid, LCLONE_VHD_UUID_SIZE);
	else if (named)
		goto out;
	else
		ret = 0;
	if (ret && !named && !has_time(&parent, child->parent_time))
		ret = lclone_fail(-ESTALE, "%s was changed since %s was put on it, or copied: its time is another; if it is right, name it: --backing %s",
				  path, child->path, path);
out:
	lclone_vhd_file_close(&parent);
	return ret;
}

static int no_parent(const struct lclone_vhd *vhd)
{
	char name[NAME_MAX + 1] = "", uuid[37];
	u32 i;

	uuid_unparse_lower(vhd->parent_uuid, uuid);
	for (i = 0; i < LCLONE_VHD_NAMES && lclone_vhd_parent_name(vhd, i, name) != 1; i++)
		;
	return lclone_fail(-ENOENT, "%s is a differencing VHD, and its parent%s%s (uuid %s) is not in its folder: name it: --backing FILE",
			   vhd->path, name[0] ? " " : "", name, uuid);
}

static int follow_uuid(struct walk *w, const struct lclone_vhd *vhd)
{
	const int folder = name_in(vhd->path) - vhd->path;
	char path[2 * PATH_MAX], name[NAME_MAX + 1];
	int ret = 0;
	u32 i;

	for (i = 0; i < w->named->count; i++) {
		if (w->used[i])
			continue;
		ret = is_parent(vhd, w->named->path[i], true);
		if (ret < 0)
			return ret;
		if (ret) {
			w->used[i] = true;
			return add_file(w->chain, w->named->path[i]);
		}
	}
	for (i = 0; !ret && i < LCLONE_VHD_NAMES; i++) {
		if (lclone_vhd_parent_name(vhd, i, name) != 1)
			continue;
		snprintf(path, sizeof(path), "%.*s%s", folder, vhd->path, name);
		if (lclone_image_beside(vhd->path, path))
			ret = is_parent(vhd, path, false);
	}
	return ret < 0 ? ret : ret ? add_file(w->chain, path) : no_parent(vhd);
}

/* The one at the lower end is followed, unless what it lies on is the base's matter. */
static bool goes_on(const struct walk *w)
{
	return w->depth == LCLONE_IMAGES_ALL ||
	       (w->depth == LCLONE_IMAGES_TWO && w->chain->count == 1);
}

static int look_at_vhd(struct walk *w, struct lclone_image_file *file)
{
	struct lclone_vhd_file o;
	int err = lclone_image_refuse_used(file->path, file->format);

	o = (struct lclone_vhd_file){ .file = { .fd = -1 } };
	err = err ?: lclone_vhd_file_open(&o, file->path);
	file->overlay = !err && o.vhd.type == LCLONE_VHD_DIFFERENCING;
	if (file->overlay && goes_on(w))
		err = follow_uuid(w, &o.vhd);
	lclone_vhd_file_close(&o);
	return err;
}

/* The header of the one above may say which format it has: a guest may have written any header. */
static int choose_format(struct lclone_image_file *file, int fd, const char *format)
{
	int err;

	file->format = "raw";
	if (!strcmp(format, file->format))
		return 0;
	err = lclone_image_format_only(fd, file->path, &file->format);
	if (!err && format[0] && strcmp(file->format, format))
		err = lclone_fail(-ESTALE, "%s is a %s image, and not %s as the one that lies on it has recorded",
				  file->path, file->format, format);
	return err;
}

static int refuse_changed(const struct lclone_image_file *above, const struct lclone_image_file *file,
			  u32 wanted, u32 id)
{
	if (strcmp(above->format, "vmdk") || (!strcmp(file->format, "vmdk") && wanted == id))
		return 0;
	return lclone_fail(-ESTALE, "%s was changed since %s was put on it, or is another: it has the CID %08x, and not %08x",
			   file->path, above->path, id, wanted);
}

/* Of what lies below the first nothing is read then: it matters only whether it is an overlay. */
static bool is_enough(const struct walk *w, const char *format, int err)
{
	return w->depth == LCLONE_IMAGES_TWO && w->chain->count == 1 &&
	       (err == -ENOENT || (err == -EPERM && !strcmp(format, "raw")));
}

/* The file at the lower end, and those that it lies on */
static int look(struct walk *w)
{
	struct lclone_image_header above = { .overlay = false }, header;
	struct lclone_image_file *file;
	bool is_read;
	u32 i = 0;
	int fd, err = 0;

	while (!err && i < w->chain->count) {
		file = &w->chain->file[i];
		fd = open(file->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return lclone_fail(-errno, "%s: %m", file->path);
		memset(&header, 0, sizeof(header));
		err = choose_format(file, fd, above.backing_format);
		if (!err)
			err = lclone_image_header_read(fd, file->path, file->format, &header) ?:
			      lclone_image_header_refuse(file->path, &header);
		close(fd);
		is_read = !i || w->depth == LCLONE_IMAGES_ALL;
		if (!err && is_read && strcmp(file->format, "raw") && strcmp(file->format, "vpc"))
			err = lclone_image_refuse_damaged(file->path, file->format);
		if (!err && is_read && i)
			err = refuse_changed(file - 1, file, above.backing_id, header.id);
		if (!err && !strcmp(file->format, "vpc"))
			err = look_at_vhd(w, file);
		file->overlay |= header.overlay;
		file->snapshots = header.snapshots;
		if (!err && header.overlay && goes_on(w))
			err = follow_name(w, file, header.backing);
		if (is_enough(w, header.backing_format, err))
			err = 0;
		above = header;
		i++;
	}
	return err;
}

int lclone_image_chain_open(struct lclone_image_chain *chain, const char *path,
			    const struct lclone_image_names *named,
			    enum lclone_image_depth depth)
{
	struct walk w = { .chain = chain, .named = named, .depth = depth };
	int err;
	u32 i;

	chain->count = 0;
	err = add_file(chain, path) ?: look(&w);
	for (i = 0; !err && i < named->count; i++)
		if (!w.used[i])
			err = lclone_fail(-ESTALE, "%s does not lie on %s", path, named->path[i]);
	return err;
}

int lclone_image_refuse_changed(const struct lclone_image_file *file)
{
	struct stat st;

	if (stat(file->path, &st))
		return lclone_fail(-errno, "%s: %m", file->path);
	if (st.st_dev == file->dev && st.st_ino == file->ino && st.st_size == file->bytes &&
	    st.st_mtim.tv_sec == file->changed.tv_sec &&
	    st.st_mtim.tv_nsec == file->changed.tv_nsec)
		return 0;
	return lclone_fail(-EBUSY, "%s was changed while it was read: run this again when nobody writes to it",
			   file->path);
}

void lclone_image_chain_close(struct lclone_image_chain *chain)
{
	u32 i;

	for (i = 0; i < chain->count; i++) {
		free(chain->file[i].path);
		free(chain->file[i].given);
	}
	chain->count = 0;
}
