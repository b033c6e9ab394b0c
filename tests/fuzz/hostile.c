// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hostile deltas, tables and messages against the kernel.
 *
 *	hostile images FIRST COUNT	mutated deltas, activated, read, written, removed
 *	hostile strings FIRST COUNT	tables and messages
 *
 * Each number gives the same again.  Of the kernel is expected that it neither
 * dies nor hangs (who runs this looks at its log), and that what it reads from a
 * mutated delta is what liblclone reads from it, or an error.  If a mutated delta
 * has no damage, it must activate, everything must work, and what was written
 * must be there, and be a delta without damage, afterwards.
 *
 * For a machine of its own: uses /dev/ram0 and /dev/ram1.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "offline/check.h"
#include "format/delta.h"
#include "template.h"

#define DELTA_SECTORS	2048u		/* the image, and what it may grow into */
#define PIECE		512u		/* sectors, of one read */
#define PIECES_START	20u		/* the templates have something in these */
#define PIECES_MAX	24u
#define MODEL_SECTORS	(55 * PIECE)
#define IMAGE_SECONDS	120

static u64 number;			/* of what is being tried */

static void __attribute__((format(printf, 1, 2), noreturn)) wrong(const char *fmt, ...)
{
	va_list args;

	printf("# number %" PRIu64 ": ", number);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	exit(1);
}

/* Device-mapper */

static int control;

static union {
	struct dm_ioctl io;
	u8 bytes[32768];
} dm;

static int dm_do(unsigned long command, const char *name, u32 flags)
{
	dm.io.version[0] = DM_VERSION_MAJOR;
	dm.io.data_size = sizeof(dm);
	dm.io.data_start = sizeof(dm.io);
	dm.io.flags = flags;
	dm.io.event_nr = 0;
	dm.io.dev = 0;
	dm.io.uuid[0] = '\0';
	snprintf(dm.io.name, sizeof(dm.io.name), "%s", name);
	return ioctl(control, command, &dm) ? -errno : 0;
}

static int dm_load(const char *name, u64 sectors, const char *target, u32 flags,
		   const char *params)
{
	struct dm_target_spec *spec = (void *)(dm.bytes + sizeof(dm.io));

	memset(spec, 0, sizeof(*spec));
	spec->length = sectors;
	strcpy(spec->target_type, target);
	strcpy((char *)(spec + 1), params);
	dm.io.target_count = 1;
	return dm_do(DM_TABLE_LOAD, name, flags);
}

/* The table that was loaded last, as the kernel prints it */
static const char *dm_table(const char *name)
{
	struct dm_target_spec *spec = (void *)(dm.bytes + sizeof(dm.io));

	if (dm_do(DM_TABLE_STATUS, name, DM_STATUS_TABLE_FLAG | DM_QUERY_INACTIVE_TABLE_FLAG))
		wrong("no table");
	return (char *)(spec + 1);
}

static int dm_message(const char *name, const char *text)
{
	struct dm_target_msg *msg = (void *)(dm.bytes + sizeof(dm.io));

	msg->sector = 0;
	strcpy(msg->message, text);
	return dm_do(DM_TARGET_MSG, name, 0);
}

static int dm_resume(const char *name)
{
	return dm_do(DM_DEV_SUSPEND, name, 0);
}

static void dm_remove(const char *name)
{
	int ret = dm_do(DM_DEV_REMOVE, name, 0);

	if (ret)
		wrong("%s cannot be removed: %s", name, strerror(-ret));
}

/* Returns its number below /dev/dm-. */
static u32 dm_create(const char *name)
{
	int ret = dm_do(DM_DEV_CREATE, name, 0);

	if (ret)
		wrong("%s cannot be created: %s", name, strerror(-ret));
	return minor(dm.io.dev);
}

static int dm_open(u32 nr, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/dm-%u", nr);
	fd = open(path, flags | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		wrong("%s: %s", path, strerror(errno));
	return fd;
}

/* The machine's part: a base and a delta of the sizes wanted on ram disks */

static char base_dev[32], delta_dev[32];
static int delta_fd;
static u8 *image, *buf, *expected, *model, *known;

static u32 linear(const char *name, u64 sectors, const char *disk)
{
	u32 nr = dm_create(name);
	char params[64];

	snprintf(params, sizeof(params), "%s 0", disk);
	if (dm_load(name, sectors, "linear", 0, params) || dm_resume(name))
		wrong("%s: no linear mapping of %s", name, disk);
	return nr;
}

static void *aligned(size_t size)
{
	void *p = aligned_alloc(LCLONE_BLOCK_SIZE, size);

	if (!p)
		err(1, "memory");
	memset(p, 0, size);
	return p;
}

static void write_delta(void)
{
	if (pwrite(delta_fd, image, DELTA_SECTORS * 512, 0) != DELTA_SECTORS * 512)
		wrong("the delta cannot be written: %s", strerror(errno));
}

static void machine(void)
{
	u32 base, delta;
	int fd;

	control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		err(1, "/dev/mapper/control");
	template_init();
	image = aligned(DELTA_SECTORS * 512);
	buf = aligned(PIECE * 512);
	expected = aligned(PIECE * 512);
	model = aligned(MODEL_SECTORS * 512);
	known = aligned(MODEL_SECTORS);
	base = linear("hostile-base", TEMPLATE_BASE_SECTORS, "/dev/ram0");
	delta = linear("hostile-delta", DELTA_SECTORS, "/dev/ram1");
	snprintf(base_dev, sizeof(base_dev), "%u:%u", major(dm.io.dev), base);
	snprintf(delta_dev, sizeof(delta_dev), "%u:%u", major(dm.io.dev), delta);
	delta_fd = dm_open(delta, O_RDWR);
	fd = dm_open(base, O_RDWR);
	memcpy(model, template_base, sizeof(template_base));
	if (pwrite(fd, model, sizeof(template_base), 0) != sizeof(template_base))
		err(1, "the base cannot be written");
	close(fd);
}

/* Images */

static void make_image(u64 *random)
{
	const struct template *t = template_get(template_choose(random, TEMPLATE_KINDS));
	struct template_edit edit[4];
	u32 n = 1 + template_choose(random, 4), i;

	for (i = 0; i < n; i++)
		template_random_edit(t, random, &edit[i]);
	template_edit(t, edit, n);
	memset(image, 0, DELTA_SECTORS * 512);
	memcpy(image, t->image, TEMPLATE_SECTORS * 512);
	template_restore(t);
}

static void ignore(const struct lclone_finding *finding, void *ctx)
{
	if (!((char *)ctx)[0])
		snprintf(ctx, LCLONE_WHY_SIZE, "%s", finding->text);
}

struct clone {
	struct lclone_memdev delta_dev, base_dev;
	struct lclone_delta delta;
	bool opened;		/* by liblclone */
	bool clean;		/* no damage */
	u64 sectors;		/* of the table */
	int fd;
	u32 nr;
};

/* The i-th piece of the clone that is looked at: its start, and some of the rest */
static bool piece_at(const struct clone *c, u32 i, u64 *sector, u32 *count)
{
	u64 pieces = (c->sectors + PIECE - 1) / PIECE, left;

	if (i >= PIECES_MAX || i >= pieces)
		return false;
	*sector = i * PIECE;
	if (i >= PIECES_START && pieces > PIECES_MAX)
		*sector = (pieces - 1) * (i + 1 - PIECES_START) / (PIECES_MAX - PIECES_START) *
			  PIECE;
	left = c->sectors - *sector;
	*count = left < PIECE ? left : PIECE;
	return true;
}

static void read_all(struct clone *c)
{
	u64 sector;
	u32 count, i;

	for (i = 0; piece_at(c, i, &sector, &count); i++) {
		bool got = pread(c->fd, buf, count * 512, sector * 512) == count * 512;

		if (!got && c->clean)
			wrong("sector %" PRIu64 " cannot be read: %s", sector, strerror(errno));
		if (!got || !c->opened ||
		    lclone_delta_read(&c->delta, &c->base_dev.dev, expected, sector, count))
			continue;
		if (memcmp(buf, expected, count * 512))
			wrong("sectors from %" PRIu64 " are not as liblclone reads them", sector);
	}
}

/* A clean clone, all of which fits into the model */
static bool modelled(const struct clone *c)
{
	return c->clean && c->sectors <= MODEL_SECTORS;
}

static void start_model(struct clone *c)
{
	u64 sector;
	u32 count, i;

	memset(known, 0, MODEL_SECTORS);
	for (i = 0; piece_at(c, i, &sector, &count); i++) {
		if (lclone_delta_read(&c->delta, &c->base_dev.dev, model + sector * 512, sector,
				      count))
			wrong("%s", c->delta.why);
		memset(known + sector, 1, count);
	}
}

static void compare_model(struct clone *c, int fd)
{
	u64 sector;
	u32 count, i, k;

	for (i = 0; piece_at(c, i, &sector, &count); i++) {
		if (pread(fd, buf, count * 512, sector * 512) != count * 512)
			wrong("sector %" PRIu64 " cannot be read back: %s", sector,
			      strerror(errno));
		for (k = 0; k < count; k++)
			if (known[sector + k] &&
			    memcmp(buf + k * 512, model + (sector + k) * 512, 512))
				wrong("sector %" PRIu64 " has other data", sector + k);
	}
}

/* Writes, discards, zeroes; a full delta may refuse what it likes. */
static void change_some(struct clone *c, u64 *random)
{
	u64 sector, range[2];
	u32 i, k, count;
	bool done;

	for (i = 0; i < 16; i++) {
		u32 how = template_choose(random, 8);

		count = 1 + template_choose(random, template_choose(random, 2) ? 8 : 128);
		if (count > c->sectors)
			count = c->sectors;
		sector = ((u64)template_choose(random, 1u << 31) << 20 |
			  template_choose(random, 1 << 20)) % (c->sectors - count + 1);
		if (template_choose(random, 2))		/* where something is */
			sector %= c->sectors < 300 ? c->sectors - count + 1 : 200;
		range[0] = sector * 512;
		range[1] = count * 512;
		for (k = 0; k < count * 128; k++)
			((u32 *)buf)[k] = how < 2 ? 0 : number << 16 | i << 8 | k / 128;
		if (how == 0)
			done = !ioctl(c->fd, BLKZEROOUT, range);
		else if (how == 1)
			done = !ioctl(c->fd, BLKDISCARD, range);
		else
			done = pwrite(c->fd, buf, count * 512, sector * 512) == count * 512;
		if (!done && c->clean && errno != ENOSPC && errno != EOPNOTSUPP)
			wrong("a change of sector %" PRIu64 " failed: %s", sector, strerror(errno));
		if (!modelled(c))
			continue;
		if (how != 1)
			memcpy(model + sector * 512, buf, count * 512);
		/* a discard may leave the ragged ends, an error anything */
		memset(known + sector, done && how != 1, count);
		if (template_choose(random, 8) == 0 && fsync(c->fd))
			wrong("flush: %s", strerror(errno));
	}
}

/* After all: a delta without damage that has what was written */
static void look_back(struct clone *c)
{
	char first[LCLONE_WHY_SIZE] = "";
	struct lclone_usage usage;
	char why[LCLONE_WHY_SIZE];
	struct lclone_delta delta;
	u64 sector;
	u32 count, i, k;

	if (pread(delta_fd, image, DELTA_SECTORS * 512, 0) != DELTA_SECTORS * 512)
		wrong("the delta cannot be read: %s", strerror(errno));
	if (lclone_check(&c->delta_dev.dev, &c->base_dev.dev, ignore, first, &usage, why))
		wrong("damage afterwards: %s%s", first, why);
	if (!modelled(c))
		return;
	if (lclone_delta_open(&delta, &c->delta_dev.dev))
		wrong("%s", delta.why);
	for (i = 0; piece_at(c, i, &sector, &count); i++) {
		if (lclone_delta_read(&delta, &c->base_dev.dev, expected, sector, count))
			wrong("%s", delta.why);
		for (k = 0; k < count; k++)
			if (known[sector + k] &&
			    memcmp(expected + k * 512, model + (sector + k) * 512, 512))
				wrong("sector %" PRIu64 " has other data after the end",
				      sector + k);
	}
	lclone_delta_close(&delta);
}

static bool use_image(struct clone *c, u64 *random)
{
	static const u8 no_parent[LCLONE_UUID_SIZE];
	bool read_only = !template_choose(random, 3);
	const struct lclone_sb *sb = &c->delta.sb;
	char params[128];
	int ret;

	/* no damage, but not for this table */
	if (memcmp(sb->parent_uuid, no_parent, sizeof(no_parent)) ||
	    (!read_only && (sb->ro_compat & ~LCLONE_FEATURE_RO_COMPAT ||
			    sb->state & LCLONE_STATE_SEALED)))
		c->clean = false;
	snprintf(params, sizeof(params), "%s %s 2 takeover %s", base_dev, delta_dev,
		 read_only ? "read_only" : "error_if_no_space");
	c->nr = dm_create("hostile");
	ret = dm_load("hostile", c->sectors, "lclone", 0, params);
	if (!ret)
		ret = dm_resume("hostile");
	if (ret) {
		if (c->clean)
			wrong("a delta without damage is refused: %s", strerror(-ret));
		dm_remove("hostile");
		return false;
	}
	c->fd = dm_open(c->nr, read_only ? O_RDONLY : O_RDWR);
	read_all(c);
	if (modelled(c))
		start_model(c);
	if (!read_only) {
		change_some(c, random);
		if (fsync(c->fd) && c->clean)
			wrong("flush: %s", strerror(errno));
		if (template_choose(random, 2))
			dm_message("hostile", "checkpoint");
		change_some(c, random);
		if (modelled(c))
			compare_model(c, c->fd);
		else
			read_all(&(struct clone){ .sectors = c->sectors, .fd = c->fd });
	}
	close(c->fd);
	dm_remove("hostile");
	if (c->clean)
		look_back(c);
	return true;
}

static void images(u64 first, u64 count)
{
	u64 activated = 0, clean = 0;
	char text[LCLONE_WHY_SIZE], why[LCLONE_WHY_SIZE];
	struct lclone_usage usage;
	struct clone c;

	for (number = first; number < first + count; number++) {
		u64 random = number * 0x9e3779b97f4a7c15ULL;

		alarm(IMAGE_SECONDS);
		make_image(&random);
		write_delta();
		lclone_memdev_init(&c.delta_dev, image, DELTA_SECTORS);
		lclone_memdev_init(&c.base_dev, template_base, TEMPLATE_BASE_SECTORS);
		text[0] = '\0';
		c.clean = !lclone_check(&c.delta_dev.dev, &c.base_dev.dev, ignore, text, &usage,
					why);
		c.opened = !lclone_delta_open(&c.delta, &c.delta_dev.dev);
		c.sectors = c.opened || c.delta.sb.virtual_sectors ?
			    c.delta.sb.virtual_sectors : 24000;
		/* more than the kernel takes for a table is no matter of ours */
		if (c.sectors >> 40)
			c.sectors = 24000, c.clean = false;
		clean += c.clean;
		activated += use_image(&c, &random);
		lclone_delta_close(&c.delta);
		if (number % 500 == 499) {
			printf("# %" PRIu64 " images\n", number + 1 - first);
			fflush(stdout);
		}
	}
	printf("# %" PRIu64 " images, %" PRIu64 " activated, %" PRIu64 " without damage\n", count,
	       activated, clean);
	if (count >= 100 && (activated < count / 4 || clean < count / 20))
		wrong("too few of them were of use");
}

/* Strings */

static void random_words(char *text, size_t size, u64 *random, const char *const *words,
			 u32 count)
{
	u32 n = template_choose(random, template_choose(random, 8) ? 8 : 60), i;
	size_t len = strlen(text);

	for (i = 0; i < n && len + 80 < size; i++) {
		switch (template_choose(random, 8)) {
		case 0:
			len += sprintf(text + len, " %" PRIu64, (u64)template_choose(random, 70));
			break;
		case 1:
			len += sprintf(text + len, " %" PRIu64,
				       (u64)1 << template_choose(random, 64));
			break;
		case 2:
			text[len++] = 1 + template_choose(random, 255);
			text[len] = '\0';
			break;
		default:
			len += sprintf(text + len, " %s", words[template_choose(random, count)]);
		}
	}
}

static bool one_table(u64 *random)
{
	static const char *const words[] = {
		"read_only", "error_if_no_space", "no_space_timeout", "low_water_mark",
		"commit_interval", "no_discard_passdown", "base_cache", "chunk_size", "parent", "0", "1", "2",
		"3", "4", "16", "60", "-", "-1", "+1", "0x10", "18446744073709551616", "%s%n",
		"\\", "\\ ", "/", "/dev/ram0", "read_only\\ x",
	};
	static char params[8192], printed[8192];

	switch (template_choose(random, 8)) {
	case 0:
		params[0] = '\0';
		break;
	case 1:
		snprintf(params, sizeof(params), "%s", base_dev);
		break;
	default:
		snprintf(params, sizeof(params), "%s %s %u", base_dev, delta_dev,
			 template_choose(random, 6));
	}
	random_words(params, sizeof(params), random, words, sizeof(words) / sizeof(words[0]));
	if (dm_load("hostile", 24000, "lclone", 0, params))
		return false;
	snprintf(printed, sizeof(printed), "%s", dm_table("hostile"));
	if (dm_load("hostile", 24000, "lclone", 0, printed))
		wrong("\"%s\" loads, but is printed as \"%s\", which does not", params, printed);
	if (strcmp(printed, dm_table("hostile")))
		wrong("\"%s\" is printed as \"%s\" the second time", printed, dm_table("hostile"));
	return true;
}

static bool one_message(u64 *random)
{
	static const char *const words[] = {
		"commit", "checkpoint", "grow", "resize", "resize 24000", "0", "1", "-1", "24000",
		"18446744073709551615", "18446744073709551616", "x", "@cancel_deferred_remove",
		"\"", "\\",
	};
	static char text[8192];

	text[0] = '\0';
	random_words(text, sizeof(text), random, words, sizeof(words) / sizeof(words[0]));
	return !dm_message("hostile", text);
}

static void strings(u64 first, u64 count)
{
	const struct template *t = template_get(TEMPLATE_TREE);
	u64 random, loaded = 0, sent = 0;
	char params[128];

	memcpy(image, t->image, TEMPLATE_SECTORS * 512);
	write_delta();
	for (number = first; number < first + count; number++) {
		random = number * 0x9e3779b97f4a7c15ULL;
		alarm(IMAGE_SECONDS);
		if (number == first || number % 64 == 0) {
			if (number != first)
				dm_remove("hostile");
			write_delta();
			dm_create("hostile");
			snprintf(params, sizeof(params), "%s %s", base_dev, delta_dev);
			if (dm_load("hostile", 24000, "lclone", 0, params) ||
			    dm_resume("hostile"))
				wrong("the template does not activate");
		}
		loaded += one_table(&random);
		sent += one_message(&random);
		dm_do(DM_TABLE_CLEAR, "hostile", 0);
	}
	dm_remove("hostile");
	printf("# %" PRIu64 " tables and messages, %" PRIu64 " and %" PRIu64 " were accepted\n",
	       count, loaded, sent);
	if (count >= 1000 && (!loaded || !sent))
		wrong("too few of them were of use");
}

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(2, "usage: hostile images|strings FIRST COUNT");
	machine();
	if (!strcmp(argv[1], "images"))
		images(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
	else
		strings(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
	close(delta_fd);
	dm_remove("hostile-delta");
	dm_remove("hostile-base");
	return 0;
}
