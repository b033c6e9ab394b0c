// SPDX-License-Identifier: GPL-2.0-only
/* Stamps and scenarios, see crash.h */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "crash.h"

#define STAMP_MAGIC	0x706d617473636cULL
#define STAMP_WORDS	(SECTOR / 8)

static void stamp_fill(u64 *w, u64 owner, u64 vsector, u64 id)
{
	u64 x;
	u32 i;

	w[0] = STAMP_MAGIC;
	w[1] = owner << 32 | id;
	w[2] = vsector;
	x = crash_mix(w[1] ^ crash_mix(vsector));
	for (i = 3; i < STAMP_WORDS; i++)
		w[i] = x += 0x9e3779b97f4a7c15ULL;
}

void crash_stamp(void *sector, u32 owner, u64 vsector, u32 id)
{
	u64 w[STAMP_WORDS];

	stamp_fill(w, owner, vsector, id);
	memcpy(sector, w, SECTOR);
}

static bool is_zero(const u64 *w)
{
	u64 any = 0;
	u32 i;

	for (i = 0; i < STAMP_WORDS; i++)
		any |= w[i];
	return !any;
}

u32 crash_stamp_id(const void *sector, u64 vsector)
{
	u64 w[STAMP_WORDS], good[STAMP_WORDS];

	memcpy(w, sector, SECTOR);
	if (w[0] != STAMP_MAGIC)
		return is_zero(w) ? CRASH_ID_ZERO : CRASH_ID_BAD;
	if (w[1] >> 32 != CRASH_OWNER_CLONE || w[2] != vsector)
		return CRASH_ID_BAD;
	stamp_fill(good, CRASH_OWNER_CLONE, vsector, w[1] & 0xffffffff);
	return memcmp(w, good, SECTOR) ? CRASH_ID_BAD : w[1] & 0xffffffff;
}

const char *crash_stamp_describe(const void *sector, char *buf, size_t size)
{
	u64 w[STAMP_WORDS], good[STAMP_WORDS];

	memcpy(w, sector, SECTOR);
	stamp_fill(good, w[1] >> 32, w[2], w[1] & 0xffffffff);
	if (is_zero(w))
		snprintf(buf, size, "zeros");
	else if (w[0] != STAMP_MAGIC)
		snprintf(buf, size, "no stamp: %016" PRIx64, w[0]);
	else if (memcmp(w, good, SECTOR))
		snprintf(buf, size, "a torn stamp of sector %" PRIu64, w[2]);
	else if (w[1] >> 32 == CRASH_OWNER_STALE)
		snprintf(buf, size, "what the delta device held at sector %" PRIu64
			 " before (%" PRIu64 ")", w[2], w[1] & 0xffffffff);
	else
		snprintf(buf, size, "sector %" PRIu64 " as of operation %" PRIu64, w[2],
			 w[1] & 0xffffffff);
	return buf;
}

/* Noted as open: check holds that it is so */
#define CRASH_OWNER	"owner a/0123456789abcdef/01234567"

static const struct {
	const char *name;
	struct crash_params p;
} scenarios[] = {
	/* One leaf, default chunks, part-written subchunks, a log that wraps often */
	{ "mixed", {
		.delta_sectors = 12288, .first_sectors = 12288, .base_sectors = 6000,
		.virtual_sectors = 8192, .chunk_sectors = 128, .log_blocks = 16,
		.ops = 160, .lives = 6, .threads = 4, .discard_weight = 50,
		.flush_weight = 54, .write_max = 256,
		.nr_islands = 1, .island = { { 0, 8192 } },
		.features = "commit_interval 40",
	} },
	/* Many leaves and index nodes of two levels, the far part beyond the base's end */
	{ "wide", {
		.delta_sectors = 10240, .first_sectors = 10240, .base_sectors = 32768,
		.virtual_sectors = 2400000, .chunk_sectors = 16, .log_blocks = 16,
		.ops = 160, .lives = 6, .threads = 4, .discard_weight = 30,
		.flush_weight = 54, .write_max = 256,
		.nr_islands = 8, .island = {
			{ 0, 512 }, { 8064 - 256, 512 }, { 16128 - 128, 256 }, { 24192 - 128, 256 },
			{ 32768 - 512, 1024 }, { 100000, 256 }, { 2032128 - 512, 1024 },
			{ 2400000 - 256, 256 },
		},
		.features = "commit_interval 20",
	} },
	/* Everything at once on the same few chunks */
	{ "hot", {
		.delta_sectors = 2816, .first_sectors = 2816, .base_sectors = 200,
		.virtual_sectors = 512, .chunk_sectors = 128, .log_blocks = 16,
		.ops = 300, .lives = 5, .threads = 8, .discard_weight = 60,
		.flush_weight = 40, .write_max = 128,
		.nr_islands = 1, .island = { { 0, 512 } },
		.features = "commit_interval 30 " CRASH_OWNER,
	} },
	/* No room: every chunk is freed and used again, and the delta grows in the middle */
	{ "full", {
		.delta_sectors = 8192, .first_sectors = 2304, .base_sectors = 4096,
		.virtual_sectors = 4096, .chunk_sectors = 64, .log_blocks = 16,
		.ops = 160, .lives = 6, .threads = 4, .discard_weight = 90,
		.flush_weight = 54, .write_max = 256,
		.nr_islands = 1, .island = { { 0, 4096 } },
		.features = "error_if_no_space commit_interval 40",
	} },
	/*
	 * Half as much room as data: what is freed is used again at once.  Many leaves, so
	 * that a write in one keeps nobody waiting in the others
	 */
	{ "tight", {
		.delta_sectors = 1152, .first_sectors = 1152, .base_sectors = 512,
		.virtual_sectors = 64512, .chunk_sectors = 16, .log_blocks = 16,
		.ops = 300, .lives = 5, .threads = 4, .discard_weight = 90,
		.flush_weight = 70, .write_max = 32,
		.nr_islands = 8, .island = {
			{ 0, 128 }, { 8064, 128 }, { 16128, 128 }, { 24192, 128 },
			{ 32256, 128 }, { 40320, 128 }, { 48384, 128 }, { 56448, 128 },
		},
		.features = "error_if_no_space commit_interval 20",
	} },
	/*
	 * Small chunks, large writes and few flushes: commits of many log blocks.  Each
	 * life begins with one of two blocks, so that torn ones meet their like.
	 */
	{ "large", {
		.delta_sectors = 24576, .first_sectors = 24576, .base_sectors = 8192,
		.virtual_sectors = 16384, .chunk_sectors = 16, .log_blocks = 16,
		.ops = 150, .lives = 8, .threads = 4, .discard_weight = 60,
		.flush_weight = 16, .write_max = 4096, .burst = 4800,
		.nr_islands = 1, .island = { { 0, 16384 } },
		.features = "commit_interval 1000",
	} },
	/* As a user has it: formatted by the kernel, a whole log, no base */
	{ "plain", {
		.delta_sectors = 32768, .first_sectors = 32768,
		.virtual_sectors = 8192, .chunk_sectors = 128,
		.ops = 160, .lives = 2, .threads = 4, .discard_weight = 30,
		.flush_weight = 54, .write_max = 256,
		.nr_islands = 1, .island = { { 0, 8192 } },
		.features = "commit_interval 1000 " CRASH_OWNER,
	} },
	/* Disks without a volatile cache: see record.  The kernel sends them no flush */
	{ "through", {
		.delta_sectors = 6144, .first_sectors = 6144, .base_sectors = 3000,
		.virtual_sectors = 4096, .chunk_sectors = 64, .log_blocks = 16,
		.ops = 120, .lives = 3, .threads = 4, .discard_weight = 50,
		.flush_weight = 54, .write_max = 256,
		.nr_islands = 1, .island = { { 0, 4096 } },
		.features = "commit_interval 40",
	} },
	/* Many short lives: the kernel wakes up in many states, and dies in recovery */
	{ "short", {
		.delta_sectors = 4096, .first_sectors = 4096, .base_sectors = 1000,
		.virtual_sectors = 2048, .chunk_sectors = 32, .log_blocks = 16,
		.ops = 40, .lives = 36, .threads = 4, .discard_weight = 50,
		.flush_weight = 54, .write_max = 256, .stillborn = 1,
		.nr_islands = 1, .island = { { 0, 2048 } },
		.features = "commit_interval 40 " CRASH_OWNER,
	} },
	/* Merged into the base between lives, the merge itself is cut too */
	{ "merge", {
		.delta_sectors = 8192, .first_sectors = 8192, .base_sectors = 4096,
		.virtual_sectors = 4096, .chunk_sectors = 32, .log_blocks = 16,
		.ops = 100, .lives = 6, .threads = 4, .discard_weight = 40,
		.flush_weight = 54, .write_max = 256, .merge = CRASH_MERGE_OFFLINE,
		.nr_islands = 1, .island = { { 0, 4096 } },
		.features = "commit_interval 40",
	} },
	/* Merged into the base in use, in one batch or two, and FUA meanwhile to the same chunks */
	{ "online", {
		.delta_sectors = 4096, .first_sectors = 4096, .base_sectors = 1024,
		.virtual_sectors = 1024, .chunk_sectors = 16, .log_blocks = 16,
		.ops = 400, .lives = 6, .threads = 12, .discard_weight = 20,
		.flush_weight = 120, .write_max = 64, .merge = CRASH_MERGE_ONLINE,
		.nr_islands = 1, .island = { { 0, 1024 } },
		.features = "commit_interval 40",
	} },
	/* The base, which ends in a chunk, is copied into the delta in use */
	{ "flatten", {
		.delta_sectors = 4096, .first_sectors = 4096, .base_sectors = 1001,
		.virtual_sectors = 1024, .chunk_sectors = 32, .log_blocks = 16,
		.ops = 400, .lives = 8, .threads = 8, .discard_weight = 60,
		.flush_weight = 60, .write_max = 32, .merge = CRASH_FLATTEN,
		.nr_islands = 1, .island = { { 0, 1024 } },
		.features = "commit_interval 40",
	} },
};

const char *crash_scenario_name(u32 i)
{
	return i < sizeof(scenarios) / sizeof(scenarios[0]) ? scenarios[i].name : NULL;
}

bool crash_scenario(const char *name, u64 seed, struct crash_params *p)
{
	u32 i;

	for (i = 0; crash_scenario_name(i); i++) {
		if (strcmp(name, scenarios[i].name))
			continue;
		*p = scenarios[i].p;
		p->magic = CRASH_MAGIC;
		p->seed = seed;
		return true;
	}
	return false;
}
