// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "lclone.h"
#include "clone/super.h"

/* ".5", with at most six digits, of a @unit. False: it is no such thing */
static bool parse_fraction(const char *text, u64 unit, u64 *bytes)
{
	u64 digits = 0, scale = 1;

	for (text++; *text >= '0' && *text <= '9' && scale < 1000000; text++) {
		digits = 10 * digits + (*text - '0');
		scale *= 10;
	}
	*bytes = digits * (unit / 1024) * 1024 / scale;
	return scale > 1 && !(*text >= '0' && *text <= '9');
}

/* 0: no unit that we know */
static u64 parse_unit(const char *text)
{
	static const char suffixes[] = "KMGTP";
	const char *suffix;

	if (!strcmp(text, "s"))
		return 512;
	if (!*text)
		return 1;
	suffix = isalpha((unsigned char)*text) ? strchr(suffixes, toupper(*text)) : NULL;
	if (!suffix || (strcmp(text + 1, "") && strcmp(text + 1, "iB") && strcmp(text + 1, "B")))
		return 0;
	return 1024ull << 10 * (suffix - suffixes);
}

int parse_size(const char *text, u64 *sectors)
{
	u64 value, unit, part = 0;
	char *end, *point;

	if (*text < '0' || *text > '9')
		goto bad;
	errno = 0;
	value = strtoull(text, &end, 10);
	point = end;
	if (*point == '.')
		end += 1 + strspn(end + 1, "0123456789");
	unit = parse_unit(end);
	if (errno || !unit || value > UINT64_MAX / unit)
		goto bad;
	if (*point == '.' && (unit < 1024 || !parse_fraction(point, unit, &part)))
		goto bad;
	value = value * unit + part;
	if (value < part)
		goto bad;
	if (*point == '.')
		value &= ~4095ull;	/* no device has larger blocks */
	if (value % 512)
		return lclone_fail(-ERANGE, "size %s is not a multiple of 512", text);
	*sectors = value / 512;
	return 0;
bad:
	return lclone_fail(-ERANGE, "\"%s\" is not a size: bytes, or with K, M, G, T, P (powers of 1024; also KiB or KB, ...), or s for sectors",
			   text);
}

static int parse_number(const char *text, u64 max, u64 *value)
{
	if (lclone_parse_u64(text, max, value))
		return lclone_fail(-ERANGE, "\"%s\" is not a number from 0 to %llu", text,
				   (unsigned long long)max);
	return 0;
}

int parse_feature_option(struct lclone_features *f, int option, const char *value)
{
	u64 number = 0;
	int err = 0;

	switch (option) {
	case 'r':
		f->read_only = true;
		break;
	case 'e':
		f->error_if_no_space = true;
		break;
	case 't':
		err = parse_number(value, UINT32_MAX, &number);
		f->no_space_timeout_set = true;
		f->no_space_timeout = number;
		break;
	case 'w':
		err = parse_number(value, LCLONE_PHYS_MASK, &f->low_water_mark);
		break;
	case 'i':
		err = parse_number(value, 3600000, &number);
		if (!err && !number)
			err = lclone_fail(-ERANGE, "a commit interval of 0 is not possible");
		f->commit_interval = number;
		break;
	case 'd':
		f->no_discard_passdown = true;
		break;
	default:
		return 0;
	}
	return err ?: 1;
}

void tell_unseen(const struct lclone_inventory *inv)
{
	size_t i;

	for (i = 0; i < inv->unseen_count; i++)
		fprintf(stderr, "not looked at: %s %s\n", inv->unseen[i].path,
			inv->unseen[i].why);
}

int add_parent(struct lclone_parents *parents, const char *path)
{
	if (parents->count == LCLONE_LAYERS_MAX)
		return lclone_fail(-ERANGE, "a chain has at most %d layers", LCLONE_LAYERS_MAX);
	parents->path[parents->count++] = path;
	return 0;
}

int open_base(const char *path, struct lclone_file *file, struct lclone_file **base)
{
	int err;

	*base = NULL;
	if (!strcmp(path, "-"))
		return 0;
	*base = file;
	err = lclone_file_open_ready(file, path, O_RDONLY);
	if (!err)
		err = lclone_lock(file, LCLONE_LOCK_SHARED);
	return err ?: lclone_file_not_mounted_rw(file);
}

void close_base(struct lclone_file *base)
{
	if (base)
		lclone_file_close(base);
}

static bool is_sealed(const struct lclone_file *file)
{
	struct lclone_delta delta;
	bool sealed;

	sealed = !lclone_delta_open_sb(&delta, &file->dev) &&
		 delta.sb.state & LCLONE_STATE_SEALED;
	lclone_delta_close(&delta);
	return sealed;
}

int open_delta_file(const char *path, int flags, struct lclone_file *file)
{
	int err;

	if ((flags & O_ACCMODE) == O_RDONLY) {
		err = lclone_file_open_ready(file, path, flags);
		if (!err)
			err = lclone_lock(file, LCLONE_LOCK_SHARED);
		if (err || is_sealed(file))
			return err;
		lclone_file_close(file);
	}
	return lclone_file_open_ready(file, path, flags | O_EXCL);
}

static int open_on(const char *path, const struct lclone_dev *dev, struct lclone_delta *delta)
{
	int err = lclone_delta_open(delta, dev);

	return err ? lclone_fail(err == -EINVAL ? -EMEDIUMTYPE : err, "%s: %s", path, delta->why) :
		     0;
}

int open_delta(const char *path, int flags, struct lclone_file *file, struct lclone_delta *delta)
{
	int err;

	memset(delta, 0, sizeof(*delta));
	err = open_delta_file(path, flags, file);
	return err ?: open_on(path, &file->dev, delta);
}

void close_delta(struct lclone_file *file, struct lclone_delta *delta)
{
	lclone_delta_close(delta);
	lclone_file_close(file);
}

int open_disk(const char *path, int flags, const struct lclone_parents *parents,
	      struct disk *disk)
{
	int err;

	disk->chain.count = 0;
	memset(&disk->moment, 0, sizeof(disk->moment));
	err = open_delta(path, flags, &disk->file, &disk->delta);
	return err ?: lclone_chain_open(&disk->chain, &disk->delta, &disk->file, parents);
}

int open_disk_now(const char *path, const struct lclone_parents *parents, struct disk *disk)
{
	const struct lclone_dev *dev;
	int err;

	disk->chain.count = 0;
	memset(&disk->delta, 0, sizeof(disk->delta));
	err = open_delta_file_now(path, true, &disk->file, &disk->moment, &dev);
	if (!err)
		err = open_on(path, dev, &disk->delta);
	return err ?: lclone_chain_open(&disk->chain, &disk->delta, &disk->file, parents);
}

void close_disk(struct disk *disk)
{
	lclone_chain_close(&disk->chain);
	close_delta(&disk->file, &disk->delta);
	lclone_moment_free(&disk->moment);
}

int check_writable(const struct lclone_delta *delta, const char *path)
{
	int damaged = lclone_delta_damaged_slot(delta);
	u64 unknown = delta->sb.ro_compat & ~LCLONE_FEATURE_RO_COMPAT;

	if (damaged >= 0)
		return lclone_fail(-EUCLEAN, "%s: superblock %c is damaged, it can only be read",
				   path, 'A' + damaged);
	if (unknown)
		return lclone_fail(-EPROTONOSUPPORT, "%s: has features of a newer lclone (0x%llx), it can only be read",
				   path, (unsigned long long)unknown);
	if (delta->sb.state & LCLONE_STATE_SEALED)
		return lclone_refuse_depended(path, &delta->sb) ?:
		       lclone_fail(-EBUSY, "%s is a sealed layer, it can only be read", path);
	return 0;
}

int abandon_delta(const char *path)
{
	struct lclone_delta delta;
	struct lclone_file file;
	struct lclone_sb sb;
	int err;

	err = open_delta(path, O_RDWR, &file, &delta);
	if (!err && !(delta.sb.state & LCLONE_STATE_SEALED)) {
		sb = delta.slot[delta.newest].sb;
		sb.state |= LCLONE_STATE_SEALED;
		sb.generation++;
		err = lclone_super_write(&file, &sb);
	}
	close_delta(&file, &delta);
	return err;
}

int verify_base(const struct lclone_delta *delta, struct lclone_file *base)
{
	char why[LCLONE_WHY_SIZE];
	int err = lclone_base_verify(&delta->sb, base ? &base->dev : NULL, why);

	if (err == -ESTALE && base && base_has_grown(base, &delta->sb) &&
	    !same_but_larger(base, &delta->sb))
		return lclone_fail(err, "%s was enlarged since (lclone rebase --base %s DELTA)",
				   base->path, base->path);
	return err ? lclone_fail(err, "%s: %s", base ? base->path : "-", why) : 0;
}

int check_free_name(const char *name)
{
	static struct lclone_clone clone;
	int err = lclone_dm_check_name(name);

	if (err)
		return lclone_fail(-ERANGE, "%s", lclone_why());
	err = lclone_dm_get(name, &clone);
	if (!err || err == -ENOTTY || err == -EPROTO)
		return lclone_fail(-EEXIST, "there is a device-mapper device %s already", name);
	return err == -ENXIO ? 0 : err;
}

