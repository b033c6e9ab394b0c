// SPDX-License-Identifier: GPL-2.0-only
/*
 * Export to images of qemu, which judges: qemu-img compares their content, and tells what each
 * has itself, which has to be what the layer has, exactly.
 */
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "basic/fail.h"
#include "dir.h"
#include "image.h"
#include "offline/export.h"
#include "offline/import-to.h"
#include "test.h"

#define LAYERS	4

static const struct lclone_parents none;

struct stack {
	int count;
	struct image img[LAYERS];	/* bottom to top */
	u8 *model[LAYERS];		/* the disk as of each */
	struct lclone_parents parents;
};

/* A path that is valid until the test ends */
static const char *keep(const char *name)
{
	static char kept[32][512];
	static int next;

	next = (next + 1) % 32;
	snprintf(kept[next], sizeof(kept[next]), "%s", path_of(name));
	return kept[next];
}

static void write_file(const char *name, const void *data, u64 sectors)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, sectors << 9), sectors << 9);
	close(fd);
}

/* What layer @i has below it: where one ends those that are deeper show, and the base. */
static u8 *under(const struct stack *s, int i, const struct image_size *size)
{
	u8 *disk = calloc(size[i].virtual_sectors, 512);

	memcpy(disk, s->img[0].base_data,
	       min_u64(size->base_sectors, size[i].virtual_sectors) << 9);
	for (int k = 0; k < i; k++)
		memcpy(disk, s->model[k],
		       min_u64(size[k].virtual_sectors, size[i].virtual_sectors) << 9);
	return disk;
}

/* Files: base, layer0 and up, and what each makes of the disk: disk0 and up */
static void build(struct stack *s, int count, const struct image_size *size)
{
	char name[32];
	u8 *below;

	memset(s, 0, sizeof(*s));
	s->count = count;
	for (int i = 0; i < count; i++) {
		image_init(&s->img[i], &size[i], 40 + i);
		image_populate(&s->img[i], 100);
		s->img[i].sb.base_fp = s->img[0].sb.base_fp;
		image_link(&s->img[i], i ? &s->img[i - 1] : NULL, i < count - 1);
		below = under(s, i, size);
		s->model[i] = image_cover(&s->img[i], below, size[i].virtual_sectors);
		free(below);
		snprintf(name, sizeof(name), "layer%d", i);
		write_file(name, s->img[i].data, size[i].device_sectors);
		if (i < count - 1)
			lclone_add_parent(&s->parents, keep(name));
		snprintf(name, sizeof(name), "disk%d", i);
		write_file(name, s->model[i], size[i].virtual_sectors);
	}
	if (size->base_sectors)
		write_file("base", s->img[0].base_data, size->base_sectors);
}

static void destroy(struct stack *s)
{
	for (int i = 0; i < s->count; i++) {
		image_free(&s->img[i]);
		free(s->model[i]);
	}
}

static void made(void *ctx, const char *file, const char *label, const char *backing)
{
	(void)label;
	(void)file;
	(void)backing;
	if (ctx)
		++*(int *)ctx;
}

static int go_on(void *ctx, const char *phase, u64 done, u64 total)
{
	(void)ctx;
	(void)phase;
	assert_true(done <= total);
	return 0;
}

static const struct lclone_watch watch = { .progress = go_on };

static int export(const struct lclone_export *e, const struct lclone_parents *parents,
		  const char *base, const char *delta)
{
	struct lclone_export copy = *e;

	copy.made = made;
	copy.watch = copy.watch ?: &watch;
	return lclone_export(&copy, base, delta, parents);
}

static int shell(const char *fmt, ...)
{
	char command[4096];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	return WEXITSTATUS(system(command));
}

/* As qemu has it, with all that it lies on, the image @name is the file @disk. */
static void same(const char *disk, const char *format, const char *name)
{
	assert_int_equal(shell("qemu-img compare -q -f raw -F %s '%s' '%s'", format, path_of(disk),
			       path_of(name)), 0);
	if (!strcmp(format, "qcow2"))
		assert_int_equal(shell("qemu-img check -q '%s'", path_of(name)), 0);
}

static void gone(const char *name)
{
	assert_int_equal(access(path_of(name), F_OK), -1);
}

static struct json_object *ask(const char *command, const char *name)
{
	static char text[1 << 20];
	char line[1024];
	struct json_object *o;
	size_t n;
	FILE *f;

	snprintf(line, sizeof(line), "qemu-img %s --output=json '%s'", command, path_of(name));
	f = popen(line, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	assert_int_equal(pclose(f), 0);
	o = json_tokener_parse(text);
	assert_non_null(o);
	return o;
}

static u64 number(struct json_object *o, const char *field)
{
	return json_object_get_int64(json_object_object_get(o, field));
}

static const char *string(struct json_object *o, const char *field)
{
	return json_object_get_string(json_object_object_get(o, field));
}

/* What the layer, or the layers from @first on, say of a sector: data, zero, or nothing */
static char own(struct image *img, int layers, u64 sector)
{
	for (int i = layers - 1; i >= 0; i--) {
		u32 cs = img[i].sb.chunk_sectors;
		u32 bit = 1u << sector % cs / (cs / LCLONE_SUBCHUNKS);

		if (sector >= img[i].sb.virtual_sectors)
			continue;
		if (lclone_exc_zero(img[i].exc[sector / cs]) & bit)
			return 'z';
		if (lclone_exc_written(img[i].exc[sector / cs]) & bit)
			return 'd';
	}
	return '-';
}

/* The overlay has what these layers have, each sector as it is there. */
static void same_ranges(struct image *img, int layers, const char *name)
{
	struct json_object *map = ask("map", name), *o;
	size_t i, n = json_object_array_length(map);
	u64 sector = 0, end;
	bool ours;

	for (i = 0; i < n; i++) {
		o = json_object_array_get_idx(map, i);
		ours = !number(o, "depth") && number(o, "present");
		assert_int_equal(number(o, "start"), sector << 9);
		end = sector + (number(o, "length") >> 9);
		for (; sector < end; sector++)
			assert_int_equal(own(img, layers, sector),
					 !ours ? '-' : number(o, "zero") ? 'z' : 'd');
	}
	assert_int_equal(sector, img[layers - 1].sb.virtual_sectors);
	json_object_put(map);
}

static const struct image_size sizes[] = {
	{ 49152, 40960, 40960, 128 },
	{ 32768, 15000, 25001, 16 },	/* beyond the base; nothing is aligned to 4 KiB */
	{ 32768, 40960, 20480, 64 },	/* shorter than the base */
	{ 131072, 65536, 40960, 2048 },
	{ 131072, 65536, 65536, 4096 },	/* qcow2 has no clusters of 32 such subchunks */
	{ 32768, 0, 20480, 64 },
};

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void flat(void **state)
{
	static const char *const formats[] = { "raw", "qcow2", "vmdk" };
	static struct stack s;
	size_t i, f;

	(void)state;
	for (i = 0; i < SIZES; i++) {
		build(&s, 1, &sizes[i]);
		for (f = 0; f < 3; f++) {
			struct lclone_export e = { .format = formats[f], .file = keep("out") };
			const char *base = sizes[i].base_sectors ? keep("base") : "-";

			assert_int_equal(export(&e, &none, base, keep("layer0")), 0);
			same("disk0", formats[f], "out");
			gone("out.part");
			assert_int_equal(export(&e, &none, base, keep("layer0")), -EEXIST);
			unlink(e.file);
		}
		destroy(&s);
	}
}

/* Nothing but zeros takes no space, from the base, too. */
static void sparse(void **state)
{
	static const char *const formats[] = { "raw", "qcow2", "vmdk" };
	const struct image_size size = { 49152, 65536, 131072, 128 };
	static struct stack s;
	struct stat st;
	size_t f;

	(void)state;
	build(&s, 1, &size);
	memset(s.img[0].base_data, 0, size.base_sectors << 9);
	write_file("base", s.img[0].base_data, size.base_sectors);
	image_free(&s.img[0]);
	image_init(&s.img[0], &size, 40);
	memset(s.img[0].base_data, 0, size.base_sectors << 9);
	assert_int_equal(lclone_fingerprint(&s.img[0].base.dev, &s.img[0].sb.base_fp), 0);
	image_link(&s.img[0], NULL, false);
	write_file("layer0", s.img[0].data, size.device_sectors);
	for (f = 0; f < 3; f++) {
		struct lclone_export e = { .format = formats[f], .file = keep("out") };

		assert_int_equal(export(&e, &none, keep("base"), keep("layer0")), 0);
		assert_int_equal(stat(e.file, &st), 0);
		assert_true(st.st_blocks < 2048);
		unlink(e.file);
	}
	/* in pieces: half of it */
	for (u64 at = 0; at < size.base_sectors << 9; at += 128 << 10)
		memset(s.img[0].base_data + at, 'x', 64 << 10);
	write_file("base", s.img[0].base_data, size.base_sectors);
	assert_int_equal(lclone_fingerprint(&s.img[0].base.dev, &s.img[0].sb.base_fp), 0);
	image_link(&s.img[0], NULL, false);
	write_file("layer0", s.img[0].data, size.device_sectors);
	assert_int_equal(shell("truncate -s %llu '%s'",
			       (unsigned long long)size.virtual_sectors << 9, path_of("base")), 0);
	assert_int_equal(shell("mv '%s' '%s'", path_of("base"), path_of("disk0")), 0);
	write_file("base", s.img[0].base_data, size.base_sectors);
	for (f = 0; f < 3; f++) {
		struct lclone_export e = { .format = formats[f], .file = keep("out") };

		assert_int_equal(export(&e, &none, keep("base"), keep("layer0")), 0);
		assert_int_equal(stat(e.file, &st), 0);
		assert_true((u64)st.st_blocks < size.base_sectors / 2 + 2048);
		same("disk0", formats[f], "out");
		unlink(e.file);
	}
	destroy(&s);
}

static void overlay(void **state)
{
	struct lclone_export e = { .format = "qcow2" };
	static struct stack s;
	struct json_object *info;
	size_t i;

	(void)state;
	e.backing = keep("base");
	e.file = keep("out");
	for (i = 0; i < SIZES; i++) {
		build(&s, 1, &sizes[i]);
		if (!sizes[i].base_sectors) {
			assert_int_equal(export(&e, &none, NULL, keep("layer0")), -ESTALE);
			assert_non_null(strstr(lclone_why(), "/layer0 has no base"));
			destroy(&s);
			continue;
		}
		assert_int_equal(export(&e, &none, NULL, keep("layer0")), 0);
		same("disk0", "qcow2", "out");
		same_ranges(s.img, 1, "out");
		info = ask("info", "out");
		assert_string_equal(string(info, "backing-filename"), "base");
		assert_string_equal(string(info, "backing-filename-format"), "raw");
		json_object_put(info);
		unlink(e.file);
		destroy(&s);
	}
}

static const struct image_size chain_sizes[LAYERS] = {
	{ 65536, 15001, 20000, 64 },
	{ 65536, 15001, 20480, 64 },
	{ 65536, 15001, 20480, 64 },
	{ 65536, 15001, 30001, 64 },
};

static int take_name(void *ctx, const char *phase, u64 done, u64 total)
{
	(void)ctx;
	(void)phase;
	(void)done;
	(void)total;
	return shell("echo x >'%s'", path_of("out.2.qcow2"));
}

/* All layers as one overlay, those above a layer, and each as an overlay of its own */
static void chain(void **state)
{
	const struct lclone_watch taken = { .progress = take_name };
	static const char *const names[] = { "out.1.qcow2", "out.2.qcow2", "out.3.qcow2",
					     "out.qcow2" };
	struct lclone_export e = { .format = "qcow2" };
	static struct stack s;
	struct json_object *info;
	int i, count = 0;

	(void)state;
	build(&s, LAYERS, chain_sizes);
	e.backing = keep("base");
	e.file = keep("out.qcow2");
	assert_int_equal(export(&e, &s.parents, NULL, keep("layer3")), 0);
	same("disk3", "qcow2", "out.qcow2");
	same_ranges(s.img, LAYERS, "out.qcow2");
	unlink(e.file);

	e.chain = true;
	e.ctx = &count;
	assert_int_equal(export(&e, &s.parents, NULL, keep("layer3")), 0);
	assert_int_equal(count, LAYERS);
	for (i = 0; i < LAYERS; i++) {
		same((char[]){ 'd', 'i', 's', 'k', '0' + i, 0 }, "qcow2", names[i]);
		same_ranges(&s.img[i], 1, names[i]);
		info = ask("info", names[i]);
		assert_string_equal(string(info, "backing-filename"), i ? names[i - 1] : "base");
		json_object_put(info);
	}
	/* none of them is overwritten, and none is left of what could not be all */
	assert_int_equal(export(&e, &s.parents, NULL, keep("layer3")), -EEXIST);
	unlink(e.file);
	unlink(path_of("out.1.qcow2"));
	assert_int_equal(export(&e, &s.parents, NULL, keep("layer3")), -EEXIST);
	gone("out.qcow2");
	gone("out.qcow2.part");
	gone("out.1.qcow2");
	gone("out.1.qcow2.part");

	/* somebody takes one of the names in the middle of it */
	unlink(path_of("out.2.qcow2"));
	unlink(path_of("out.3.qcow2"));
	e.watch = &taken;
	assert_int_equal(export(&e, &s.parents, NULL, keep("layer3")), -EEXIST);
	assert_int_equal(shell("echo x | cmp -s - '%s'", path_of("out.2.qcow2")), 0);
	unlink(path_of("out.2.qcow2"));
	for (i = 0; i < LAYERS; i++) {
		char part[64];

		gone(names[i]);
		snprintf(part, sizeof(part), "%s.part", names[i]);
		gone(part);
	}
	e.watch = NULL;
	assert_int_equal(export(&e, &s.parents, NULL, keep("layer3")), 0);
	unlink(e.file);

	/* layer 1 is there already: what is above it */
	e.chain = false;
	write_file("snapshot", s.model[1], chain_sizes[1].virtual_sectors);
	e.backing = keep("snapshot");
	e.against = keep("layer1");
	assert_int_equal(export(&e, &s.parents, NULL, keep("layer3")), 0);
	same("disk3", "qcow2", "out.qcow2");
	same_ranges(&s.img[2], 2, "out.qcow2");
	unlink(e.file);
	e.backing = keep("disk3");
	assert_int_equal(export(&e, &s.parents, NULL, keep("layer3")), -ESTALE);
	e.backing = keep("snapshot");
	e.against = keep("base");
	assert_int_equal(export(&e, &s.parents, NULL, keep("layer3")), -EMEDIUMTYPE);
	gone("out.qcow2.part");
	/* on an overlay: what that lies on is of no matter */
	e.backing = keep("out.2.qcow2");
	e.against = keep("layer1");
	assert_int_equal(shell("qemu-img rebase -q -u -b nowhere -F raw '%s'", e.backing), 0);
	assert_int_equal(export(&e, &s.parents, NULL, keep("layer3")), 0);
	unlink(e.file);
	for (i = 0; i < LAYERS; i++)
		unlink(path_of(names[i]));
	destroy(&s);
}

/* Disks were made larger, and one smaller: behind the end of one the base, or another, shows. */
static void grown(void **state)
{
	static const struct image_size size[LAYERS] = {
		{ 65536, 30001, 20001, 64 },
		{ 65536, 30001, 15003, 64 },
		{ 65536, 30001, 25003, 64 },
		{ 65536, 30001, 40001, 64 },
	};
	static const char *const names[] = { "out.1.qcow2", "out.2.qcow2", "out.3.qcow2",
					     "out.qcow2" };
	struct lclone_export e = { .format = "qcow2" };
	static struct stack s;
	int i;

	(void)state;
	build(&s, LAYERS, size);
	e.backing = keep("base");
	e.file = keep("out.qcow2");
	assert_int_equal(export(&e, &s.parents, NULL, keep("layer3")), 0);
	same("disk3", "qcow2", "out.qcow2");
	unlink(e.file);

	e.chain = true;
	assert_int_equal(export(&e, &s.parents, NULL, keep("layer3")), -ENOENT);
	assert_non_null(strstr(lclone_why(), "name the base before the delta"));
	assert_int_equal(export(&e, &s.parents, keep("base"), keep("layer3")), 0);
	for (i = 0; i < LAYERS; i++)
		same((char[]){ 'd', 'i', 's', 'k', '0' + i, 0 }, "qcow2", names[i]);
	for (i = 0; i < LAYERS; i++)
		unlink(path_of(names[i]));

	e.chain = false;
	for (i = 0; i < LAYERS - 1; i++) {
		e.backing = keep((char[]){ 'd', 'i', 's', 'k', '0' + i, 0 });
		e.against = keep((char[]){ 'l', 'a', 'y', 'e', 'r', '0' + i, 0 });
		assert_int_equal(export(&e, &s.parents, NULL, keep("layer3")), -ENOENT);
		assert_int_equal(export(&e, &s.parents, keep("base"), keep("layer3")), 0);
		same("disk3", "qcow2", "out.qcow2");
		unlink(e.file);
	}
	destroy(&s);
}

/* The delta @name has what the layer has, each sector as it is there. */
static void same_delta(struct image *img, const char *name)
{
	struct lclone_extents x;
	struct lclone_extent e;
	struct lclone_delta delta;
	struct lclone_file file;
	u64 sector = 0;

	assert_int_equal(lclone_file_open(&file, path_of(name), O_RDONLY), 0);
	assert_int_equal(lclone_delta_open(&delta, &file.dev), 0);
	assert_int_equal(delta.sb.virtual_sectors, img->sb.virtual_sectors);
	assert_int_equal(delta.sb.chunk_sectors, img->sb.chunk_sectors);
	lclone_extents_init(&x, &delta, 0, UINT64_MAX);
	x.base_sectors = UINT64_MAX;
	while (lclone_extents_next(&x, &e) > 0)
		for (; sector < e.sector + e.sectors; sector++)
			assert_int_equal(own(img, 1, sector), e.source == LCLONE_FROM_BASE ? '-' :
					 e.source == LCLONE_FROM_ZERO ? 'z' : 'd');
	assert_int_equal(sector, img->sb.virtual_sectors);
	lclone_delta_close(&delta);
	lclone_file_close(&file);
}

static void told(void *ctx, const struct lclone_image_file *file, const char *path,
		 const struct lclone_sb *sb)
{
	(void)ctx;
	(void)file;
	(void)path;
	assert_non_null(sb);
}

/* A chain is exported, and imported again: each delta is what it was. */
static void and_back(void **state)
{
	static const char *const names[] = { "new0", "new1", "new2", "new3" };
	struct lclone_import_from from = { .file = keep("out.qcow2"), .chain = true };
	struct lclone_import_to to = { .from = &from, .base = keep("base"), .chunk_sectors = 64,
				       .told = told };
	struct lclone_export e = { .format = "qcow2" };
	struct lclone_parents parents = { .count = 0 };
	static struct stack s;
	int i, fd;

	(void)state;
	build(&s, LAYERS, chain_sizes);
	e.backing = keep("base");
	e.file = keep("out.qcow2");
	e.chain = true;
	assert_int_equal(export(&e, &s.parents, NULL, keep("layer3")), 0);
	for (i = 0; i < LAYERS; i++) {
		fd = open(path_of(names[i]), O_WRONLY | O_CREAT, 0600);
		assert_int_equal(ftruncate(fd, 40 << 20), 0);
		close(fd);
		lclone_add_parent(&to.to, keep(names[i]));
		if (i < LAYERS - 1)
			lclone_add_parent(&parents, keep(names[i]));
	}
	assert_int_equal(lclone_import_to(&to), 0);
	for (i = 0; i < LAYERS; i++)
		same_delta(&s.img[i], names[i]);
	e = (struct lclone_export){ .format = "raw", .file = keep("out") };
	assert_int_equal(export(&e, &parents, keep("base"), keep("new3")), 0);
	same("disk3", "raw", "out");
	assert_int_equal(shell("rm '%s'*", path_of("out")), 0);
	destroy(&s);
}

/* What is to lie below has to be the base, in any format, and nothing that lies on other files. */
static void backing(void **state)
{
	struct lclone_export e = { .format = "qcow2" };
	static struct stack s;
	struct json_object *info;

	(void)state;
	build(&s, 1, sizes);
	e.file = keep("out");
	e.backing = keep("base.qcow2");
	assert_int_equal(shell("qemu-img convert -f raw -O qcow2 '%s' '%s'", path_of("base"),
			       e.backing), 0);
	assert_int_equal(export(&e, &none, NULL, keep("layer0")), 0);
	same("disk0", "qcow2", "out");
	same_ranges(s.img, 1, "out");
	info = ask("info", "out");
	assert_string_equal(string(info, "backing-filename-format"), "qcow2");
	json_object_put(info);
	unlink(e.file);

	assert_int_equal(shell("qemu-io -f qcow2 -c 'write -P 1 0 1M' '%s' >/dev/null", e.backing), 0);
	assert_int_equal(export(&e, &none, NULL, keep("layer0")), -ESTALE);
	assert_int_equal(shell("qemu-img resize -q -f qcow2 '%s' +1M", e.backing), 0);
	assert_int_equal(export(&e, &none, NULL, keep("layer0")), -ESTALE);
	assert_non_null(strstr(lclone_why(), "base.qcow2 has a disk of 21 MiB, the base has 20 MiB"));
	assert_int_equal(shell("qemu-img create -q -f qcow2 -b base -F raw '%s'", e.backing), 0);
	assert_int_equal(export(&e, &none, NULL, keep("layer0")), -EPROTONOSUPPORT);
	e.backing = keep("nothing");
	assert_int_equal(export(&e, &none, NULL, keep("layer0")), -ENOENT);
	e.backing = path_of("");
	assert_int_equal(export(&e, &none, NULL, keep("layer0")), -ENOTBLK);
	gone("out");
	gone("out.part");

	e.backing = keep("base");
	e.format = "vmdk";
	assert_int_equal(export(&e, &none, NULL, keep("layer0")), -EINVAL);
	assert_non_null(strstr(lclone_why(), "--format qcow2"));
	e.format = "raw";
	assert_int_equal(export(&e, &none, NULL, keep("layer0")), -EINVAL);
	destroy(&s);
}

dev_t __real_lclone_dev_at(const char *path);
dev_t __wrap_lclone_dev_at(const char *path);
void __real_lclone_dev_name(dev_t rdev, char name[PATH_MAX]);
void __wrap_lclone_dev_name(dev_t rdev, char name[PATH_MAX]);

static const char *device, *device_name;

dev_t __wrap_lclone_dev_at(const char *path)
{
	return device && !strcmp(path, device) ? makedev(253, 7) : __real_lclone_dev_at(path);
}

void __wrap_lclone_dev_name(dev_t rdev, char name[PATH_MAX])
{
	if (device && rdev == makedev(253, 7))
		snprintf(name, PATH_MAX, "%s", device_name);
	else
		__real_lclone_dev_name(rdev, name);
}

/* A device has a name in the overlay that it still has tomorrow. */
static void on_device(void **state)
{
	static const char *const names[] = { "/dev/mapper/vg-base", "/dev/sda", "7:253" };
	struct lclone_export e = { .format = "qcow2" };
	static struct stack s;
	struct json_object *info;

	(void)state;
	build(&s, 1, sizes);
	device = keep("ata-disk-1");
	assert_int_equal(symlink("base", device), 0);
	assert_int_equal(mkdir(path_of("sub"), 0700), 0);
	e.backing = device;
	e.file = keep("sub/out");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		device_name = names[i];
		assert_int_equal(export(&e, &none, NULL, keep("layer0")), 0);
		info = ask("info -U", "sub/out");
		assert_string_equal(string(info, "backing-filename"), i ? device : names[0]);
		json_object_put(info);
		unlink(e.file);
	}
	rmdir(path_of("sub"));
	unlink(device);
	device = NULL;
	destroy(&s);
}

/* A template's volume is as large as LVM makes it; its image is shorter. */
static void shorter(void **state)
{
	const struct image_size size = { 49152, 40960, 40960, 128 };
	struct lclone_export e = { .format = "qcow2" };
	static struct stack s;
	const u64 end = 40001;

	(void)state;
	build(&s, 1, &size);
	image_free(&s.img[0]);
	image_init(&s.img[0], &size, 40);
	memset(s.img[0].base_data + (end << 9), 0, (40960 - end) << 9);
	assert_int_equal(lclone_fingerprint(&s.img[0].base.dev, &s.img[0].sb.base_fp), 0);
	image_link(&s.img[0], NULL, false);
	write_file("layer0", s.img[0].data, size.device_sectors);
	write_file("base", s.img[0].base_data, 40960);
	write_file("template", s.img[0].base_data, end);
	e.backing = keep("template");
	e.file = keep("out");
	assert_int_equal(export(&e, &none, NULL, keep("layer0")), -ESTALE);
	assert_int_equal(export(&e, &none, keep("base"), keep("layer0")), 0);
	same("base", "qcow2", "out");
	unlink(e.file);
	write_file("template", s.img[0].base_data, end - 1);	/* and that was no zero */
	assert_int_equal(export(&e, &none, keep("base"), keep("layer0")), -ESTALE);
	write_file("base", s.img[0].base_data, 40000);
	e.backing = keep("disk0");
	assert_int_equal(export(&e, &none, keep("base"), keep("layer0")), -ESTALE);
	destroy(&s);
}

/* Names that qemu would take for something else, of what is made and of what that lies on */
static void odd_names(void **state)
{
	static const char *const names[] = { "json:{\"driver\":\"null-co\"}", "nbd:unix:x", "a,b=c",
					     "with \"quotes\" \\ and spaces", "\xff\xfe.img" };
	struct lclone_export e = { .format = "qcow2" };
	char cwd[PATH_MAX], dir[PATH_MAX];
	static struct stack s;
	size_t i;

	(void)state;
	build(&s, 1, sizes);
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	snprintf(dir, sizeof(dir), "%s", path_of(""));
	assert_int_equal(chdir(dir), 0);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		e.backing = "base";
		e.file = names[i];
		assert_int_equal(export(&e, &none, NULL, "layer0"), 0);
		assert_int_equal(rename(names[i], "plain.qcow2"), 0);
		same("disk0", "qcow2", "plain.qcow2");
		unlink("plain.qcow2");

		assert_int_equal(link("base", names[i]), 0);
		e.backing = names[i];
		e.file = "plain.qcow2";
		assert_int_equal(export(&e, &none, NULL, "layer0"), 0);
		if (names[i][0] != '\xff')	/* qemu's own tools do not print that */
			same_ranges(s.img, 1, "plain.qcow2");
		same("disk0", "qcow2", "plain.qcow2");
		unlink(names[i]);
		unlink("plain.qcow2");
	}
	e.format = "vmdk";
	e.backing = NULL;
	e.file = "disk.vmdk";
	assert_int_equal(export(&e, &none, "base", "layer0"), 0);
	assert_int_equal(shell("grep -qa 'SPARSE \"disk.vmdk\"' disk.vmdk"), 0);
	e.file = "a\"b.vmdk";
	assert_int_equal(export(&e, &none, "base", "layer0"), -EINVAL);
	gone("a\"b.vmdk.part");
	assert_int_equal(chdir(cwd), 0);
	destroy(&s);
}

/* In the middle of it */

static int stop_now(void *ctx, const char *phase, u64 done, u64 total)
{
	(void)ctx;
	(void)phase;
	(void)done;
	(void)total;
	return 1;
}

/* The only child of this process, at once */
static int kill_child(void *ctx, const char *phase, u64 done, u64 total)
{
	FILE *f = fopen("/proc/thread-self/children", "re");
	int pid;

	(void)ctx;
	(void)phase;
	(void)done;
	(void)total;
	assert_non_null(f);
	if (fscanf(f, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	fclose(f);
	return 0;
}

/* The child hangs from then on, and somebody loses patience. */
static int hang_child(void *ctx, const char *phase, u64 done, u64 total)
{
	FILE *f = fopen("/proc/thread-self/children", "re");
	int pid;

	(void)phase;
	(void)done;
	(void)total;
	assert_non_null(f);
	if (fscanf(f, "%d", &pid) == 1)
		kill(pid, SIGSTOP);
	fclose(f);
	return !--*(int *)ctx;
}

static int end_self(void *ctx, const char *phase, u64 done, u64 total)
{
	(void)ctx;
	(void)phase;
	(void)total;
	if (done)
		raise(SIGKILL);
	return 0;
}

static void ended(void **state)
{
	static const char mark[] = "user.lclone.part";
	const struct image_size size = { 49152, 131072, 131072, 128 };
	const struct lclone_watch stop = { .progress = stop_now }, child = { .progress = kill_child };
	const struct lclone_watch self = { .progress = end_self };
	int patience;
	const struct lclone_watch hang = { .progress = hang_child, .ctx = &patience };
	struct lclone_export e = { .format = "qcow2" };
	struct rlimit limit, small;
	static struct stack s;
	int status;
	pid_t pid;

	(void)state;
	build(&s, 1, &size);
	e.file = keep("out");
	e.watch = &stop;
	assert_int_equal(export(&e, &none, keep("base"), keep("layer0")), -EINTR);
	gone("out.part");

	alarm(120);	/* instead of for ever */
	patience = 3;
	e.watch = &hang;
	assert_int_equal(export(&e, &none, keep("base"), keep("layer0")), -EINTR);
	assert_non_null(strstr(lclone_why(), "interrupted: run again"));
	gone("out.part");
	alarm(0);

	e.watch = &child;
	assert_int_equal(export(&e, &none, keep("base"), keep("layer0")), -EPIPE);
	assert_non_null(strstr(lclone_why(), "/out.part: qemu-nbd has ended in the middle"));
	gone("out.part");

	/* that is what qemu-nbd is told by a filesystem that is full */
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = 8 << 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	e.watch = NULL;
	assert_int_equal(export(&e, &none, keep("base"), keep("layer0")), -ENOSPC);
	assert_non_null(strstr(lclone_why(), "/out.part: write error at byte "));
	assert_non_null(strstr(lclone_why(), "No space left on device"));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	gone("out.part");

	e.watch = &self;
	pid = fork();
	if (!pid)
		_exit(export(&e, &none, keep("base"), keep("layer0")) ? 2 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(access(path_of("out.part"), F_OK), 0);
	e.watch = NULL;
	if (getxattr(path_of("out.part"), mark, NULL, 0) < 0) {		/* not on this filesystem */
		assert_int_equal(export(&e, &none, keep("base"), keep("layer0")), -EEXIST);
		assert_non_null(strstr(lclone_why(), "/out.part exists: remove it if a run"));
		unlink(path_of("out.part"));
	}
	assert_int_equal(export(&e, &none, keep("base"), keep("layer0")), 0);
	assert_true(getxattr(e.file, mark, NULL, 0) < 0);
	unlink(e.file);
	write_file("out.part", "", 0);
	assert_int_equal(export(&e, &none, keep("base"), keep("layer0")), 0);
	same("disk0", "qcow2", "out");
	gone("out.part");
	unlink(e.file);

	/* a part of somebody else is left alone */
	write_file("out.part", s.img[0].base_data, 1);
	assert_int_equal(export(&e, &none, keep("base"), keep("layer0")), -EEXIST);
	assert_int_equal(access(path_of("out.part"), F_OK), 0);
	assert_int_equal(shell("qemu-img create -q -f qcow2 '%s' 1M && chmod 600 '%s'",
			       path_of("out.part"), path_of("out.part")), 0);
	assert_int_equal(export(&e, &none, keep("base"), keep("layer0")), -EEXIST);
	assert_int_equal(shell("qemu-img info '%s' | grep -q 'virtual size: 1 MiB'",
			       path_of("out.part")), 0);
	unlink(path_of("out.part"));
	e.file = keep("nowhere/out");
	assert_int_equal(export(&e, &none, keep("base"), keep("layer0")), -ENOENT);
	destroy(&s);
}

/* What is killed before its N-th call that changes names or makes durable */
static unsigned int kill_at;

static void call(void)
{
	if (kill_at && !--kill_at)
		raise(SIGKILL);
}

#define CALL(name, declared, given)						\
int __real_##name declared;							\
int __wrap_##name declared;							\
int __wrap_##name declared							\
{										\
	call();									\
	return __real_##name given;						\
}

CALL(fsync, (int fd), (fd))
CALL(ftruncate, (int fd, off_t size), (fd, size))
CALL(unlink, (const char *path), (path))
CALL(renameat2, (int dir, const char *from, int to_dir, const char *to, unsigned int flags),
     (dir, from, to_dir, to, flags))

static bool is_killed_at(const struct lclone_export *e, const struct lclone_parents *parents,
			 const char *base, const char *delta, unsigned int n)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		kill_at = n;
		_exit(!!export(e, parents, base, delta));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status))
		fail_msg("%s, to be killed before call %u, fails", e->format, n);
	return WIFSIGNALED(status);
}

/* Run again, it is all there; or what has got its name by then says so, is whole, and lies on such. */
static void killed(void **state)
{
	static const char *const formats[] = { "qcow2", "vmdk", "raw" };
	static struct stack s;
	const char *base, *delta;
	struct lclone_export e;
	unsigned int n, i;
	struct stat st;
	char dir[64];
	bool again;
	int err;

	(void)state;
	build(&s, 2, chain_sizes);
	base = keep("base");
	delta = keep("layer1");
	for (i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		e = (struct lclone_export){ .format = formats[i], .file = keep("out") };
		e.chain = !i;
		e.backing = i ? NULL : base;
		for (n = 1, again = true; again; n++) {
			again = is_killed_at(&e, &s.parents, i ? base : NULL, delta, n);
			if (!access(path_of("out"), F_OK))
				same("disk1", formats[i], "out");
			if (!access(path_of("out.1"), F_OK))
				same("disk0", formats[i], "out.1");
			if (!again)
				break;
			err = export(&e, &s.parents, i ? base : NULL, delta);
			if (err == -EEXIST) {
				assert_non_null(strstr(lclone_why(), " exists"));
				unlink(path_of("out"));
				unlink(path_of("out.1"));
				err = export(&e, &s.parents, i ? base : NULL, delta);
			}
			if (err)
				fail_msg("%s, killed before call %u: %s", formats[i], n, lclone_why());
			same("disk1", formats[i], "out");
			gone("out.part");
			gone("out.1.part");
			assert_int_equal(stat(path_of("out"), &st), 0);
			snprintf(dir, sizeof(dir), "/tmp/lclone-export-%jx-%jx",
				 (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
			assert_int_equal(access(dir, F_OK), -1);
			unlink(path_of("out"));
			unlink(path_of("out.1"));
		}
		unlink(path_of("out"));
		unlink(path_of("out.1"));
		assert_true(n > 3);
	}
	destroy(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flat),
		cmocka_unit_test(sparse),
		cmocka_unit_test(overlay),
		cmocka_unit_test(chain),
		cmocka_unit_test(grown),
		cmocka_unit_test(and_back),
		cmocka_unit_test(backing),
		cmocka_unit_test(on_device),
		cmocka_unit_test(shorter),
		cmocka_unit_test(odd_names),
		cmocka_unit_test(ended),
		cmocka_unit_test(killed),
	};

	return cmocka_run_group_tests_name("export", tests, make_dir, remove_dir);
}
