// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: the commands that read a delta, as they are called, on a delta that is
 * edited as for fuzz_delta, and on a good one that lies on it as on a sealed layer, or below it.
 *
 * None may touch what is not its own (ASan), and each ends with 0, or with one sentence.
 * The Makefile puts functions __wrap_... in place of the look at this host's devices: there are
 * these two deltas, and no clone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "basic/fail.h"
#include "cmd/commands.h"
#include "host/dm.h"
#include "host/find.h"
#include "must.h"
#include "template.h"

#define WORDS_MAX	10

static struct file {
	int fd;
	char path[32];
} lower, upper, base, saved, disk;

/* The upper one is given by its name, and found by nobody, who would take it for another. */
static bool merging;

static int find(const struct lclone_finder *finder, const struct file *file)
{
	struct lclone_file opened;
	struct lclone_delta delta;
	int err;

	err = lclone_file_open(&opened, file->path, O_RDONLY);
	if (!err) {
		if (!lclone_delta_open_sb(&delta, &opened.dev))
			err = finder->found(file->path, 0, &delta.sb, finder->ctx);
		lclone_delta_close(&delta);
	}
	lclone_file_close(&opened);
	return err;
}

int __wrap_lclone_find_deltas(const struct lclone_finder *finder);
int __wrap_lclone_find_deltas(const struct lclone_finder *finder)
{
	return find(finder, &lower) ?: (merging ? 0 : find(finder, &upper));
}

int __wrap_lclone_each_block_device(int (*visit)(const char *, dev_t, u64, void *), void *ctx);
int __wrap_lclone_each_block_device(int (*visit)(const char *, dev_t, u64, void *), void *ctx)
{
	(void)visit;
	(void)ctx;
	return 1;
}

int __wrap_lclone_dm_list(struct lclone_clone **clones, size_t *count,
			  int (*unseen)(const char *, const char *, void *), void *ctx);
int __wrap_lclone_dm_list(struct lclone_clone **clones, size_t *count,
			  int (*unseen)(const char *, const char *, void *), void *ctx)
{
	(void)unseen;
	(void)ctx;
	*clones = NULL;
	*count = 0;
	return 0;
}

static void make_file(struct file *file, const char *name)
{
	file->fd = memfd_create(name, MFD_CLOEXEC);
	MUST(file->fd >= 0);
	snprintf(file->path, sizeof(file->path), "/proc/self/fd/%d", file->fd);
}

static void fill(const struct file *file, const void *data, u64 sectors)
{
	MUST(!ftruncate(file->fd, 0) && !ftruncate(file->fd, sectors << 9));
	MUST(pwrite(file->fd, data, sectors << 9, 0) == (ssize_t)(sectors << 9));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	template_init();
	make_file(&lower, "lower");
	make_file(&upper, "upper");
	make_file(&base, "base");
	make_file(&saved, "saved");
	make_file(&disk, "disk");
	fill(&base, template_base, TEMPLATE_BASE_SECTORS);
	MUST(freopen("/dev/null", "w", stdout));
	return 0;
}

static int run(const struct command *cmd, char *words[])
{
	int argc = 0, ret;

	while (words[argc])
		argc++;
	optind = 0;		/* getopt_long() begins anew */
	lclone_fail(0, "%s", "");
	ret = cmd->run(argc, words);
	MUST(ret >= 0 || lclone_why()[0]);
	MUST(ret < 0 || ret == EXIT_OK || ret == EXIT_DAMAGED);
	fflush(stdout);
	return ret;
}

#define RUN(command, ...) \
	run(&cmd_##command, (char *[]){ #command, __VA_ARGS__, NULL })

/* Both superblocks of a file, changed */
static void change(const struct file *file, void (*how)(struct lclone_sb *sb, void *ctx), void *ctx)
{
	static const u32 slot[2] = { LCLONE_SB_SLOT_A, LCLONE_SB_SLOT_B };
	struct lclone_sb_disk disk;
	struct lclone_fault fault;
	struct lclone_sb sb;
	u32 i;

	for (i = 0; i < 2; i++) {
		off_t at = (off_t)slot[i] * LCLONE_BLOCK_SIZE;

		if (pread(file->fd, &disk, sizeof(disk), at) != sizeof(disk) ||
		    lclone_sb_unpack(&disk, &sb, &fault))
			continue;
		how(&sb, ctx);
		lclone_sb_pack(&sb, &disk);
		MUST(pwrite(file->fd, &disk, sizeof(disk), at) == sizeof(disk));
	}
}

static void seal(struct lclone_sb *sb, void *newest)
{
	sb->state |= LCLONE_STATE_SEALED;
	sb->state &= ~LCLONE_STATE_MERGING;
	sb->merge_cursor = 0;
	*(struct lclone_sb *)newest = *sb;
}

static void put_on(struct lclone_sb *sb, void *below)
{
	const struct lclone_sb *parent = below;

	memcpy(sb->parent_uuid, parent->uuid, LCLONE_UUID_SIZE);
	sb->parent_generation = parent->generation;
}

/* The upper delta lies on the lower one. */
static void link_layers(void)
{
	struct lclone_sb sb = { .seq = 0 };

	change(&lower, seal, &sb);
	change(&upper, put_on, &sb);
}

static void by_itself(void)
{
	RUN(check, "--base", base.path, lower.path);
	RUN(check, "--json", lower.path);
	RUN(dump, lower.path);
	RUN(dump, "--json", lower.path);
	RUN(diff, lower.path);
	RUN(diff, "--json", lower.path);
	RUN(measure, base.path, lower.path);
	RUN(map, lower.path);
	RUN(map, "--json", lower.path);
	RUN(repair, "--json", lower.path);
	RUN(repair, "--undo", saved.path, lower.path);
	RUN(table, base.path, lower.path);
	RUN(rebase, "--base", base.path, lower.path);
	RUN(resize, lower.path);
	fill(&disk, template_base, TEMPLATE_BASE_SECTORS);
	RUN(merge, "--json", "--force", "--to", disk.path, base.path, lower.path);
	fill(&disk, template_base, TEMPLATE_BASE_SECTORS);
	RUN(merge, "--json", "--yes", "--into-base", disk.path, lower.path);
}

static void as_layer(void)
{
	link_layers();
	RUN(diff, "--parent", lower.path, upper.path);
	RUN(diff, "--against", lower.path, "--parent", lower.path, upper.path);
	RUN(measure, "--json", "--parent", lower.path, base.path, upper.path);
	RUN(map, "--parent", lower.path, upper.path);
	RUN(map, "--svg", disk.path, "--parent", lower.path, upper.path);
	RUN(check, "--parent", lower.path, upper.path);
	RUN(tree, "--json");
	RUN(list, "--json");
	RUN(merge, "--json", "--force", "--parent", lower.path, "--to", disk.path, base.path,
	    upper.path);
	RUN(rebase, "--parent", lower.path, upper.path);
	RUN(remove, lower.path);
}

/* Both are layers, which need no space for checkpoints. @good: neither was edited. */
static void into_parent(bool good)
{
	struct lclone_sb sb;
	int ret;

	link_layers();
	change(&upper, seal, &sb);
	merging = true;
	ret = RUN(merge, "--json", "--parent", lower.path, "--into-parent", upper.path);
	MUST(!good || ret == EXIT_OK);
	merging = false;
	ret = RUN(check, lower.path);
	MUST(!good || ret == EXIT_OK);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const struct template_input *in = (const struct template_input *)data;
	static u8 other[TEMPLATE_SECTORS * 512];
	const struct template *t;
	u64 sectors;
	u32 nr;

	if (size < sizeof(*in))
		return 0;
	nr = (size - sizeof(*in)) / sizeof(in->edit[0]);
	t = template_get(in->kind % TEMPLATE_KINDS);
	template_rename(t);
	memcpy(other, t->image, sizeof(other));
	template_restore(t);
	template_edit(t, in->edit, nr < TEMPLATE_EDITS_MAX ? nr : TEMPLATE_EDITS_MAX);
	sectors = TEMPLATE_SECTORS - (in->cut < TEMPLATE_BLOCKS ? in->cut : 0) *
				     LCLONE_BLOCK_SECTORS;
	fill(&lower, t->image, sectors);
	by_itself();
	fill(&lower, t->image, sectors);
	fill(&upper, other, TEMPLATE_SECTORS);
	as_layer();
	fill(&lower, t->image, sectors);
	fill(&upper, other, TEMPLATE_SECTORS);
	into_parent(!nr && !in->cut);
	fill(&lower, other, TEMPLATE_SECTORS);
	fill(&upper, t->image, sectors);
	into_parent(!nr && !in->cut);
	template_restore(t);
	return 0;
}

/* As in fuzz_delta: edits that know where fields are */
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max_size, unsigned int seed)
{
	struct template_input *in = (struct template_input *)data;
	u64 random = seed;
	u32 nr, i;

	if (size < sizeof(*in) || !template_choose(&random, 4))
		return LLVMFuzzerMutate(data, size, max_size);
	nr = (size - sizeof(*in)) / sizeof(in->edit[0]);
	i = template_choose(&random, nr + 1);
	if (sizeof(*in) + (i + 1) * sizeof(in->edit[0]) > max_size)
		return LLVMFuzzerMutate(data, size, max_size);
	template_random_edit(template_get(in->kind % TEMPLATE_KINDS), &random, &in->edit[i]);
	if (i == nr)
		nr++;
	return sizeof(*in) + nr * sizeof(in->edit[0]);
}
