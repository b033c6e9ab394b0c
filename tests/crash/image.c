// SPDX-License-Identifier: GPL-2.0-only
/* The devices at the start of a run, see image.h */
#include <err.h>
#include <string.h>
#include <sys/mman.h>

#include "format/dev.h"
#include "format_user.h"
#include "image.h"

static void put_sb(u8 *delta, const struct lclone_sb *sb, u32 block)
{
	struct lclone_sb_disk d;

	lclone_sb_pack(sb, &d);
	memset(delta + (u64)block * LCLONE_BLOCK_SIZE, 0, LCLONE_BLOCK_SIZE);
	memcpy(delta + (u64)block * LCLONE_BLOCK_SIZE, &d, sizeof(d));
}

/* The smallest legal log: it wraps, and makes checkpoints, all the time. */
static void format(u8 *delta, const u8 *base, const struct crash_params *p)
{
	struct lclone_memdev mem;
	struct lclone_sb sb;
	u64 min;

	if (lclone_sb_init(&sb, p->first_sectors, p->virtual_sectors, p->chunk_sectors, &min) &&
	    p->first_sectors + (LCLONE_LOG_BLOCKS - p->log_blocks) * LCLONE_BLOCK_SECTORS < min)
		errx(1, "the delta needs %llu sectors", (unsigned long long)min);
	sb.log_blocks = p->log_blocks;
	sb.first_chunk = lclone_chunks((sb.log_start + sb.log_blocks) * LCLONE_BLOCK_SECTORS,
				       sb.chunk_sectors);
	sb.hwm = sb.first_chunk;
	memset(sb.uuid, 0x5a, sizeof(sb.uuid));
	memcpy(sb.uuid, &p->seed, sizeof(p->seed));
	if (p->base_sectors) {
		lclone_memdev_init(&mem, base, p->base_sectors);
		sb.base_fp_alg = LCLONE_FP_CRC32C_SAMPLES;
		sb.base_sectors = p->base_sectors;
		if (lclone_fingerprint(&mem.dev, &sb.base_fp))
			errx(1, "fingerprint");
	}
	put_sb(delta, &sb, LCLONE_SB_SLOT_B);
	sb.seq = 1;
	put_sb(delta, &sb, LCLONE_SB_SLOT_A);
	memset(delta + sb.log_start * LCLONE_BLOCK_SIZE, 0,
	       (size_t)sb.log_blocks * LCLONE_BLOCK_SIZE);
}

u8 *image_create(const struct crash_params *p)
{
	u64 bytes = crash_space(p) * SECTOR, s;
	u8 *delta, *base;

	delta = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (delta == MAP_FAILED)
		err(1, "%llu bytes for the devices", (unsigned long long)bytes);
	base = delta + p->delta_sectors * SECTOR;

	for (s = 0; s < p->delta_sectors; s++)
		crash_stamp(delta + s * SECTOR, CRASH_OWNER_STALE, s, 0);
	for (s = 0; s < p->base_sectors; s++)
		crash_stamp(base + s * SECTOR, CRASH_OWNER_CLONE, s, CRASH_ID_BASE);
	if (p->log_blocks)
		format(delta, base, p);
	else
		memset(delta, 0, LCLONE_BLOCK_SIZE);
	return delta;
}
