// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fail.h"
#include "offline/image-header.h"

#define QCOW2_NAME_MAX	1023u
#define QCOW2_FORMAT	0xe2792acau	/* extension: the format of the backing file */
#define QCOW2_EXTENSIONS 64
#define VMDK_TEXT_MAX	((1u << 20) - 1)	/* as far as qemu reads it */
#define VMDK_NONE	0xffffffffu
#define VMDK_PARENT	"parentFileNameHint"
#define VMDK_PARENT_MAX	(20 * 512)		/* so far behind the start of the text */

static u32 be32_at(const u8 *p)
{
	u32 value;

	memcpy(&value, p, sizeof(value));
	return be32toh(value);
}

static u64 be64_at(const u8 *p)
{
	return (u64)be32_at(p) << 32 | be32_at(p + 4);
}

static u64 le64_at(const u8 *p)
{
	u64 value;

	memcpy(&value, p, sizeof(value));
	return le64toh(value);
}

static int damaged(const char *path)
{
	return lclone_fail(-EPROTONOSUPPORT, "%s: its header is damaged", path);
}

static int read_at(int fd, const char *path, void *buf, size_t size, u64 at)
{
	ssize_t n = at > INT64_MAX - size ? 0 : pread(fd, buf, size, at);

	if (n < 0)
		return lclone_fail(-errno, "%s: cannot be read: %m", path);
	return (size_t)n == size ? 0 : damaged(path);
}

bool lclone_image_beside(const char *path, const char *other)
{
	const size_t folder = strrchr(path, '/') - path;
	char real[PATH_MAX];
	struct stat st;

	return realpath(other, real) && !stat(real, &st) && S_ISREG(st.st_mode) &&
	       !strncmp(real, path, folder + 1) && !strchr(real + folder + 1, '/');
}

/* docs/interop/qcow2.txt of qemu */

static int qcow2_extensions(int fd, const char *path, u64 at, struct lclone_image_header *h)
{
	u8 head[8];
	u32 type, len;
	int err, i;

	for (i = 0; i < QCOW2_EXTENSIONS; i++) {
		err = read_at(fd, path, head, sizeof(head), at);
		if (err)
			return err;
		type = be32_at(head);
		len = be32_at(head + 4);
		if (!type)
			return 0;
		if (type == QCOW2_FORMAT) {
			if (len >= sizeof(h->backing_format))
				return damaged(path);
			return read_at(fd, path, h->backing_format, len, at + sizeof(head));
		}
		at += sizeof(head) + ((u64)len + 7) / 8 * 8;
	}
	return damaged(path);
}

static int qcow2(int fd, const char *path, struct lclone_image_header *h)
{
	u8 first[104];
	u64 name, features;
	u32 version, len;
	int err = read_at(fd, path, first, sizeof(first), 0);

	if (err)
		return err;
	version = be32_at(first + 4);
	features = version > 2 ? be64_at(first + 72) : 0;
	if (version != 2 && version != 3)
		return lclone_fail(-EPROTONOSUPPORT, "%s is of version %u of qcow2, which is not read",
				   path, version);
	h->encrypted = be32_at(first + 32);
	h->data_file = features & 1 << 2;
	if (features & 1 << 1)
		return lclone_fail(-EUCLEAN, "%s is marked as damaged (qemu-img check)", path);
	h->snapshots = be32_at(first + 60);
	name = be64_at(first + 8);
	len = be32_at(first + 16);
	h->overlay = name;
	if (!name)
		return 0;
	if (!len || len > QCOW2_NAME_MAX)
		return damaged(path);
	err = read_at(fd, path, h->backing, len, name);
	if (!err && strlen(h->backing) != len)
		err = damaged(path);
	return err ?: qcow2_extensions(fd, path, version > 2 ? be32_at(first + 100) : 72, h);
}

/* A text describes it, which is a file of its own, or inside of one. */

/* A file that has a part of the content: qemu opens it by what is said, in the folder of the text. */
static void vmdk_extent(const char *path, const char *name, size_t len,
			struct lclone_image_header *h)
{
	const char *slash = strrchr(path, '/');
	const size_t folder = slash ? slash - path + 1 : 0;
	char other[PATH_MAX];
	struct stat st;

	if (folder + len < sizeof(other))
		snprintf(other, sizeof(other), "%.*s%.*s", (int)folder, path, (int)len, name);
	if (slash && folder + len < sizeof(other) && !memchr(name, '/', len) && !memchr(name, ':', len) &&
	    lclone_image_beside(path, other) && !stat(other, &st))
		h->has_part |= st.st_dev == h->part_dev && st.st_ino == h->part_ino;
	else if (!h->far[0])
		snprintf(h->far, sizeof(h->far), "%.*s", len ? (int)len : 1, len ? name : "/");
}

/* name="value": the value, and how long it is */
static const char *quoted(const char *line, const char *name, size_t *len)
{
	const char *value, *end;

	if (strncasecmp(line, name, strlen(name)))
		return NULL;
	value = line + strlen(name);
	end = *value == '"' ? strchr(value + 1, '"') : NULL;
	*len = end ? end - value - 1 : 0;
	return end ? value + 1 : NULL;
}

static int vmdk_line(const char *path, const char *line, bool extents,
		     struct lclone_image_header *h)
{
	const char *value, *end, *assigned = strchr(line, '=');
	size_t len;

	value = quoted(line, VMDK_PARENT "=", &len);
	if (value) {
		if (len >= sizeof(h->backing))
			return damaged(path);
		memcpy(h->backing, value, len);
		h->backing[len] = '\0';
		h->overlay = true;
	} else if (!strncasecmp(line, "CID=", 4)) {
		h->id = strtoul(line + 4, NULL, 16);
	} else if (!strncasecmp(line, "parentCID=", 10)) {
		h->backing_id = strtoul(line + 10, NULL, 16);
	} else if (extents && line[0] != '#') {
		value = strchr(line, '"');
		end = value ? strchr(value + 1, '"') : NULL;
		if (!value || (assigned && assigned < value))
			return 0;
		if (!end)
			return damaged(path);
		vmdk_extent(path, value + 1, end - value - 1, h);
	}
	return 0;
}

/* A line ends as it does for qemu, and a zero byte ends them all. */
static int vmdk_text(const char *path, char *text, bool extents, struct lclone_image_header *h)
{
	char *line, *save;
	int err = 0;

	h->backing_id = VMDK_NONE;
	for (line = strtok_r(text, "\n\r", &save); !err && line;
	     line = strtok_r(NULL, "\n\r", &save))
		err = vmdk_line(path, line + strspn(line, " \t"), extents, h);
	if (!err && (h->overlay || h->backing_id != VMDK_NONE)) {
		h->overlay = true;
		strcpy(h->backing_format, "vmdk");
	}
	return err;
}

static int vmdk(int fd, const char *path, struct lclone_image_header *h)
{
	u8 first[512];
	u64 at = 0;
	bool extents = false;
	ssize_t len;
	char *text;
	int err;

	len = pread(fd, first, sizeof(first), 0);
	if (len < 64)
		return len < 0 ? lclone_fail(-errno, "%s: cannot be read: %m", path) :
		       damaged(path);
	if (!memcmp(first, "KDMV", 4)) {
		at = le64_at(first + 28);
		extents = !le64_at(first + 12);
		if (at > INT64_MAX >> 9)
			return damaged(path);
		at <<= 9;
	} else if (!memcmp(first, "COWD", 4)) {
		at = 512;
	} else {
		extents = true;
	}
	h->extents = extents;
	text = calloc(1, VMDK_TEXT_MAX + 1);
	if (!text)
		return lclone_fail(-ENOMEM, "out of memory");
	len = pread(fd, text, VMDK_TEXT_MAX, at);
	/* qemu looks for it anywhere, and not only where a line begins */
	h->overlay = len > 0 && memmem(text, (u64)len < VMDK_PARENT_MAX ? (size_t)len : VMDK_PARENT_MAX,
				       VMDK_PARENT, strlen(VMDK_PARENT));
	err = len < 0 ? lclone_fail(-errno, "%s: cannot be read: %m", path) :
	      vmdk_text(path, text, extents, h);
	free(text);
	return err;
}

/* MS-VHDX: a table of regions leads to one of items, and one of those has flags. */

#define VHDX_REGIONS	(192u << 10)
#define VHDX_ENTRIES	64u
#define VHDX_HAS_PARENT	2u

static const u8 vhdx_metadata[16] = "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e";
static const u8 vhdx_parameters[16] = "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b";

struct vhdx_table {
	u8 head[32];
	u8 entry[VHDX_ENTRIES][32];
};

/* The entry of that name, behind so large a head; NULL: there is none. */
static const u8 *vhdx_entry(int fd, u64 at, size_t head, const u8 name[16], struct vhdx_table *t)
{
	u32 i;

	memset(t, 0, sizeof(*t));
	if (at > INT64_MAX - sizeof(*t) || pread(fd, t->head, head, at) < (ssize_t)head ||
	    pread(fd, t->entry, sizeof(t->entry), at + head) < 0)
		return NULL;
	for (i = 0; i < VHDX_ENTRIES; i++)
		if (!memcmp(t->entry[i], name, 16))
			return t->entry[i];
	return NULL;
}

/* qemu opens a differencing one not, and does not say why.  All else is for it to judge. */
static int vhdx(int fd, const char *path)
{
	struct vhdx_table table;
	const u8 *entry = vhdx_entry(fd, VHDX_REGIONS, 16, vhdx_metadata, &table);
	u64 at = entry ? le64_at(entry + 16) : 0;
	u8 flags = 0;

	entry = entry ? vhdx_entry(fd, at, 32, vhdx_parameters, &table) : NULL;
	if (entry)
		at += le64_at(entry + 16) & UINT32_MAX;
	if (entry && at < INT64_MAX - 4 && pread(fd, &flags, 1, at + 4) == 1 &&
	    flags & VHDX_HAS_PARENT)
		return lclone_fail(-EPROTONOSUPPORT, "%s is a differencing VHDX, which is not read: merge it with its parent before, where it comes from",
				   path);
	return 0;
}

int lclone_image_header_read(int fd, const char *path, const char *format,
			     struct lclone_image_header *header)
{
	memset(header, 0, sizeof(*header));
	if (!strcmp(format, "qcow2"))
		return qcow2(fd, path, header);
	if (!strcmp(format, "vmdk"))
		return vmdk(fd, path, header);
	if (!strcmp(format, "vhdx"))
		return vhdx(fd, path);
	return 0;
}

int lclone_image_header_refuse(const char *path, const struct lclone_image_header *h)
{
	if (h->encrypted)
		return lclone_fail(-EPROTONOSUPPORT, "%s is encrypted: decrypt it before (qemu-img convert)",
				   path);
	if (h->data_file)
		return lclone_fail(-EPROTONOSUPPORT, "%s has its data in another file, and is not read: convert it before (qemu-img convert)",
				   path);
	if (h->far[0])
		return lclone_fail(-EPROTONOSUPPORT, "%s has its data in \"%s\", which is no file in its folder",
				   path, h->far);
	return 0;
}

int lclone_image_has_part(const char *path, const char *format, dev_t dev, ino_t ino)
{
	struct lclone_image_header header = { .part_dev = dev, .part_ino = ino };
	int fd, err;

	if (strcmp(format, "vmdk"))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return lclone_fail(-errno, "%s: %m", path);
	err = vmdk(fd, path, &header);
	close(fd);
	return err ?: lclone_image_header_refuse(path, &header) ?: header.has_part;
}
