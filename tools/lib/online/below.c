// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/base.h"
#include "clone/super.h"
#include "host/stack.h"
#include "online/below.h"

static int name_layers(struct below *below, const struct lclone_table *table)
{
	char name[PATH_MAX];
	u32 i;

	for (i = 0; i < table->parents; i++) {
		lclone_name_of(lclone_table_parent(table, i), name);
		below->name[i] = strdup(name);
		if (!below->name[i])
			return lclone_fail(-ENOMEM, "out of memory");
		if (lclone_add_parent(&below->parents, below->name[i]))
			return -ERANGE;
	}
	return 0;
}

void lclone_names_below(const struct lclone_table *table, char *names, size_t size)
{
	char name[PATH_MAX];
	size_t len = 0;
	u32 i;

	names[0] = '\0';
	if (strcmp(table->base, "-")) {
		lclone_base_name(table->base, name);
		len = snprintf(names, size, "%s", name);
	}
	for (i = 0; i < table->parents && len < size; i++) {
		lclone_name_of(lclone_table_parent(table, i), name);
		len += snprintf(names + len, size - len, "%s%s", len ? ", " : "", name);
	}
}

/* An empty delta on base and layers, as large as the clone, in place of its own. */
static int make_top(struct below *below, const struct lclone_clone *clone, u32 chunk_sectors)
{
	struct lclone_format_options options = {
		.virtual_sectors = clone->sectors, .chunk_sectors = chunk_sectors,
	};
	struct lclone_file *file = &below->disk.file;
	struct lclone_sb sb, parent;
	char path[64];
	u64 sectors;
	int err = 0;

	lclone_sb_init(&sb, 0, clone->sectors, chunk_sectors, &sectors);
	below->fd = memfd_create("lclone", MFD_CLOEXEC);
	if (below->fd < 0 || ftruncate(below->fd, sectors * 512))
		return lclone_fail(-errno, "cannot make a file in memory: %m");
	if (below->parents.count) {
		err = lclone_sb_of(below->parents.path[below->parents.count - 1], &parent);
		options.parent = &parent;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", below->fd);
	if (!err)
		err = lclone_file_open(file, path, O_RDWR);
	file->scratch = true;
	lclone_name_of(clone->table.delta, file->path);	/* which errors are told of */
	if (!err)
		err = lclone_format(file, below->base, &options, &sb);
	if (!err && lclone_delta_open(&below->disk.delta, &file->dev))
		err = lclone_fail(-EIO, "%s: %s", file->path, below->disk.delta.why);
	return err;
}

int lclone_below_open(struct below *below, const struct lclone_clone *clone, u32 chunk_sectors)
{
	char base[PATH_MAX];
	int err;

	memset(below, 0, sizeof(*below));
	below->fd = -1;
	below->disk.file.fd = -1;
	lclone_base_name(clone->table.base, base);
	err = lclone_open_base(base, &below->base_file, &below->base);
	if (!err)
		err = name_layers(below, &clone->table);
	if (!err)
		err = make_top(below, clone, chunk_sectors);
	if (!err)
		err = lclone_chain_open(&below->disk.chain, &below->disk.delta, &below->disk.file,
					&below->parents);
	return err;
}

void lclone_below_close(struct below *below)
{
	u32 i;

	lclone_close_disk(&below->disk);
	lclone_close_base(below->base);
	for (i = 0; i < below->parents.count; i++)
		free(below->name[i]);
	if (below->fd >= 0)
		close(below->fd);
}

int lclone_below_chunks(struct below *below, bool layer, u64 *chunks)
{
	static struct lclone_chain_extents x;
	struct lclone_chain_extent e;
	u32 cs = below->disk.delta.sb.chunk_sectors;
	u64 first, end, counted = 0;
	int ret;

	*chunks = 0;
	lclone_chain_extents_init(&x, &below->disk.chain,
				  layer ? 2 : below->disk.chain.count, 0, UINT64_MAX);
	while ((ret = lclone_chain_extents_next(&x, &e)) > 0) {
		if (e.source == LCLONE_FROM_ZERO || (layer && e.source != LCLONE_FROM_DELTA))
			continue;
		first = e.sector / cs > counted ? e.sector / cs : counted;
		end = lclone_chunks(e.sector + e.sectors, cs);
		if (end <= first)
			continue;
		*chunks += end - first;
		counted = end;
	}
	return ret ? lclone_fail(ret, "%s: %s", below->disk.chain.file[x.failed]->path,
				 below->disk.chain.delta[x.failed]->why) : 0;
}
