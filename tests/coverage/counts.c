// SPDX-License-Identifier: GPL-2.0-only
/*
 * How often each line of the module ran, on a kernel without CONFIG_GCOV_KERNEL: the
 * compiler leaves what it knows of each object in a section (-fprofile-info-section), and
 *
 *	echo DIRECTORY >/sys/module/dm_lclone/parameters/counts
 *
 * writes OBJECT.gcda there for each, as gcov of GCC 12 reads them.  Linked into the module
 * as its first and last object, by make coverage only.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/string.h>

#define MAGIC			0x67636461	/* "gcda" */
#define TAG_FUNCTION		0x01000000
#define TAG_COUNTER(kind)	(0x01a10000 + ((kind) << 17))
#define KINDS			8

/* Of libgcov, gcc/gcov-io.h and libgcc/libgcov.h */
struct counters {
	u32 n;
	s64 *value;
};

struct function {
	const struct info *key;		/* of the object whose copy of it is in use */
	u32 ident;
	u32 lineno_checksum;
	u32 cfg_checksum;
	struct counters counters[];	/* of the kinds that the object has */
};

struct info {
	u32 version;
	struct info *next;
	u32 stamp;
	u32 checksum;
	const char *filename;
	void (*merge[KINDS])(s64 *values, u32 n);
	u32 functions;
	struct function **function;
};

#ifdef LAST

const struct info *counts_end[1] __section("gcov_info") = { NULL };

#else

static const struct info *begin[0] __section("gcov_info");

/* The objects refer to it; only its address matters here */
void __gcov_merge_add(s64 *values, u32 n);
void __gcov_merge_add(s64 *values, u32 n)
{
}

static int put(struct file *file, const void *data, size_t size)
{
	ssize_t ret = kernel_write(file, data, size, &file->f_pos);

	return ret < 0 ? ret : ret < size ? -EIO : 0;
}

static int put_function(struct file *file, const struct info *info, const struct function *f)
{
	const struct counters *c = f->counters;
	u32 head[] = { TAG_FUNCTION, 12, f->ident, f->lineno_checksum, f->cfg_checksum };
	u32 kind;
	int err = put(file, head, sizeof(head));

	for (kind = 0; kind < KINDS && !err; kind++) {
		if (!info->merge[kind])
			continue;
		head[0] = TAG_COUNTER(kind);
		head[1] = c->n * sizeof(*c->value);
		err = put(file, head, 8) ?: put(file, c->value, head[1]);
		c++;
	}
	return err;
}

static int put_object(const char *dir, const struct info *info)
{
	u32 head[] = { MAGIC, info->version, info->stamp, info->checksum }, i;
	char *path = kasprintf(GFP_KERNEL, "%s/%s", dir, kbasename(info->filename));
	struct file *file;
	int err;

	if (!path)
		return -ENOMEM;
	file = filp_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	kfree(path);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = put(file, head, sizeof(head));
	for (i = 0; i < info->functions && !err; i++)
		if (info->function[i] && info->function[i]->key == info)
			err = put_function(file, info, info->function[i]);
	filp_close(file, NULL);
	return err;
}

static int put_all(const char *value, const struct kernel_param *param)
{
	char *copy = kstrdup(value, GFP_KERNEL), *dir;
	const struct info **info;
	int err = 0;

	if (!copy)
		return -ENOMEM;
	dir = strim(copy);
	for (info = begin; *info && !err; info++)
		err = put_object(dir, *info);
	kfree(copy);
	return err;
}

static const struct kernel_param_ops counts_ops = { .set = put_all };
module_param_cb(counts, &counts_ops, NULL, 0200);

#endif
