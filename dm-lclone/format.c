// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pack, unpack, verify: the on-disk format as pure functions, compiled into
 * the module and into user space.
 */
#ifdef __KERNEL__
#include <linux/crc32c.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/string.h>
#else
#include "format_user.h"
#endif

#include "lclone_format.h"

#define SB_MAGIC	"dmlclone"
#define NODE_MAGIC	0x65646e6c	/* "lnde" */
#define LOG_MAGIC	0x676f6c6c	/* "llog" */

#ifdef __KERNEL__
u32 lclone_crc32c(const void *data, u32 len)
{
	return ~crc32c(~0, data, len);
}
#endif

/* The first character in the lowest byte */
static u64 magic_number(const u8 magic[8])
{
	__le64 number;

	memcpy(&number, magic, sizeof(number));
	return le64_to_cpu(number);
}

static int fail(struct lclone_fault *fault, int err, const char *what, u64 found, u64 expected)
{
	fault->what = what;
	fault->found = found;
	fault->expected = expected;
	return err;
}

/* The checksum of a struct, or of a whole block, covers everything behind its csum field. */
static u32 csum_of(const void *d, const __le32 *csum, size_t size)
{
	const u8 *begin = (const u8 *)(csum + 1);

	return lclone_crc32c(begin, (const u8 *)d + size - begin);
}

/* Superblock */

void lclone_sb_pack(const struct lclone_sb *sb, struct lclone_sb_disk *d)
{
	int i;

	memset(d, 0, sizeof(*d));
	memcpy(d->magic, SB_MAGIC, sizeof(d->magic));
	d->version = cpu_to_le32(LCLONE_VERSION);
	d->compat = cpu_to_le64(sb->compat);
	d->ro_compat = cpu_to_le64(sb->ro_compat);
	d->incompat = cpu_to_le64(sb->incompat);
	memcpy(d->uuid, sb->uuid, sizeof(d->uuid));
	d->seq = cpu_to_le64(sb->seq);
	d->checkpoint = cpu_to_le64(sb->checkpoint);
	d->incarnation = cpu_to_le64(sb->incarnation);
	d->log_start = cpu_to_le64(sb->log_start);
	d->log_blocks = cpu_to_le32(sb->log_blocks);
	d->log_pos = cpu_to_le32(sb->log_pos);
	d->log_commit = cpu_to_le64(sb->log_commit);
	d->virtual_sectors = cpu_to_le64(sb->virtual_sectors);
	d->device_sectors = cpu_to_le64(sb->device_sectors);
	d->chunk_sectors = cpu_to_le32(sb->chunk_sectors);
	d->root_level = cpu_to_le32(sb->root_level);
	d->root_block = cpu_to_le64(sb->root_block);
	d->root_csum = cpu_to_le32(sb->root_csum);
	d->first_chunk = cpu_to_le32(sb->first_chunk);
	d->hwm = cpu_to_le32(sb->hwm);
	d->freed = cpu_to_le32(sb->freed);
	d->state = cpu_to_le32(sb->state);
	d->base_fp_alg = cpu_to_le32(sb->base_fp_alg);
	d->base_sectors = cpu_to_le64(sb->base_sectors);
	d->base_fp = cpu_to_le64(sb->base_fp);
	memcpy(d->parent_uuid, sb->parent_uuid, sizeof(d->parent_uuid));
	d->merge_cursor = cpu_to_le64(sb->merge_cursor);
	memcpy(d->label, sb->label, sizeof(d->label));
	memcpy(d->owner, sb->owner, sizeof(d->owner));
	for (i = 0; i < LCLONE_SPARES && sb->state & LCLONE_STATE_CLEAN; i++) {
		d->spare_block[i] = cpu_to_le64(sb->spare[i].block);
		d->spare_count[i] = cpu_to_le32(sb->spare[i].count);
	}
	d->generation = cpu_to_le64(sb->generation);
	d->parent_generation = cpu_to_le64(sb->parent_generation);
	d->block_size = cpu_to_le32(sb->block_size);
	d->ended = cpu_to_le32(sb->ended);
	d->sealed_at = cpu_to_le64(sb->sealed_at);
	d->owned_since = cpu_to_le64(sb->owned_since);
	memcpy(d->took_over, sb->took_over, sizeof(d->took_over));
	memcpy(d->base_root, sb->base_root, sizeof(d->base_root));
	d->csum = cpu_to_le32(csum_of(d, &d->csum, sizeof(*d)));
}

static bool is_chunk_size(u32 sectors)
{
	return sectors >= LCLONE_CHUNK_SECTORS_MIN && sectors <= LCLONE_CHUNK_SECTORS_MAX &&
	       is_power_of_2(sectors);
}

static u32 first_chunk(const struct lclone_sb *sb)
{
	u64 log_end = (sb->log_start + sb->log_blocks) * LCLONE_BLOCK_SECTORS;

	return lclone_chunks(log_end, sb->chunk_sectors);
}

static int spares_check(const struct lclone_sb *sb, struct lclone_fault *fault)
{
	u32 per_chunk = sb->chunk_sectors / LCLONE_BLOCK_SECTORS;
	u64 first = (u64)sb->first_chunk * per_chunk, end = (u64)sb->hwm * per_chunk;
	int i;

	for (i = 0; i < LCLONE_SPARES; i++) {
		u64 block = sb->spare[i].block, count = sb->spare[i].count;

		if (count && !(sb->state & LCLONE_STATE_CLEAN))
			return fail(fault, -EUCLEAN, "spare blocks of a delta in use", count, 0);
		if (count && (block < first || block >= end || count > end - block))
			return fail(fault, -EUCLEAN, "spare blocks at block", block, end);
	}
	return 0;
}

static int sb_check(const struct lclone_sb *sb, struct lclone_fault *fault)
{
	static const char * const names[] = { "label", "owner" };
	u32 half = sb->log_blocks / 2;
	u64 chunks;

	if (!is_chunk_size(sb->chunk_sectors))
		return fail(fault, -EUCLEAN, "chunk size in sectors", sb->chunk_sectors,
			    LCLONE_CHUNK_SECTORS_DEFAULT);
	if (sb->block_size && (sb->block_size < 1 << 9 || sb->block_size > LCLONE_BLOCK_SIZE ||
			       !is_power_of_2(sb->block_size)))
		return fail(fault, -EUCLEAN, "logical block size", sb->block_size, 1 << 9);
	if (sb->log_start != LCLONE_LOG_START)
		return fail(fault, -EUCLEAN, "start of the log", sb->log_start, LCLONE_LOG_START);
	if (sb->log_blocks < LCLONE_LOG_BLOCKS_MIN || sb->log_blocks > LCLONE_LOG_BLOCKS_MAX ||
	    sb->log_blocks % 2)
		return fail(fault, -EUCLEAN, "size of the log", sb->log_blocks, LCLONE_LOG_BLOCKS);
	if (sb->log_pos != 0 && sb->log_pos != half)
		return fail(fault, -EUCLEAN, "log position", sb->log_pos, half);
	if (sb->first_chunk != first_chunk(sb))
		return fail(fault, -EUCLEAN, "first chunk", sb->first_chunk, first_chunk(sb));
	if (sb->device_sectors >> 46)
		return fail(fault, -EUCLEAN, "device size in sectors", sb->device_sectors,
			    1ULL << 46);
	if (sb->hwm < sb->first_chunk || sb->hwm > lclone_phys_end(sb))
		return fail(fault, -EUCLEAN, "high-water mark", sb->hwm, lclone_phys_end(sb));
	if (sb->freed > sb->hwm - sb->first_chunk)
		return fail(fault, -EUCLEAN, "count of freed chunks", sb->freed,
			    sb->hwm - sb->first_chunk);
	if (!sb->virtual_sectors || sb->virtual_sectors > LCLONE_CHUNKS_MAX * sb->chunk_sectors)
		return fail(fault, -EUCLEAN, "virtual size in sectors", sb->virtual_sectors,
			    LCLONE_CHUNKS_MAX * sb->chunk_sectors);
	chunks = lclone_chunks(sb->virtual_sectors, sb->chunk_sectors);
	if (sb->root_level > lclone_tree_level(chunks))
		return fail(fault, -EUCLEAN, "level of the root", sb->root_level,
			    lclone_tree_level(chunks));
	if (sb->state & ~LCLONE_STATE_KNOWN)
		return fail(fault, -EUCLEAN, "state flags", sb->state, LCLONE_STATE_KNOWN);
	if (sb->base_fp_alg > LCLONE_FP_CRC32C_SAMPLES ||
	    (sb->base_fp_alg == LCLONE_FP_NONE && sb->base_sectors))
		return fail(fault, -EUCLEAN, "fingerprint algorithm", sb->base_fp_alg,
			    LCLONE_FP_CRC32C_SAMPLES);
	if (sb->label[LCLONE_LABEL_SIZE - 1])
		return fail(fault, -EUCLEAN, names[0], sb->label[LCLONE_LABEL_SIZE - 1], 0);
	if (sb->owner[LCLONE_OWNER_SIZE - 1])
		return fail(fault, -EUCLEAN, names[1], sb->owner[LCLONE_OWNER_SIZE - 1], 0);
	if (lclone_is_owned(sb) && (!lclone_owner_valid(sb->owner) || !sb->owned_since))
		return fail(fault, -EUCLEAN, "form of the owner note, since", sb->owned_since, 1);
	if (lclone_is_owned(sb) && sb->state & LCLONE_STATE_SEALED)
		return fail(fault, -EUCLEAN, "owner note of a sealed delta, state", sb->state,
			    sb->state & ~LCLONE_STATE_SEALED);
	return lclone_ref_verify(sb, (struct lclone_ref){ sb->root_block, sb->root_csum }, fault) ?:
	       spares_check(sb, fault);
}

int lclone_sb_unpack(const struct lclone_sb_disk *d, struct lclone_sb *sb,
		     struct lclone_fault *fault)
{
	u32 csum;
	int i;

	if (memcmp(d->magic, SB_MAGIC, sizeof(d->magic)))
		return fail(fault, -EINVAL, "superblock magic", magic_number(d->magic),
			    magic_number((const u8 *)SB_MAGIC));
	csum = csum_of(d, &d->csum, sizeof(*d));
	if (le32_to_cpu(d->csum) != csum)
		return fail(fault, -EBADMSG, "superblock checksum", le32_to_cpu(d->csum), csum);
	if (le32_to_cpu(d->version) != LCLONE_VERSION)
		return fail(fault, -EPROTONOSUPPORT, "format version", le32_to_cpu(d->version),
			    LCLONE_VERSION);

	sb->compat = le64_to_cpu(d->compat);
	sb->ro_compat = le64_to_cpu(d->ro_compat);
	sb->incompat = le64_to_cpu(d->incompat);
	if (sb->incompat & ~LCLONE_FEATURE_INCOMPAT)
		return fail(fault, -EPROTONOSUPPORT, "incompatible features", sb->incompat,
			    LCLONE_FEATURE_INCOMPAT);
	memcpy(sb->uuid, d->uuid, sizeof(sb->uuid));
	sb->seq = le64_to_cpu(d->seq);
	sb->checkpoint = le64_to_cpu(d->checkpoint);
	sb->incarnation = le64_to_cpu(d->incarnation);
	sb->log_start = le64_to_cpu(d->log_start);
	sb->log_blocks = le32_to_cpu(d->log_blocks);
	sb->log_pos = le32_to_cpu(d->log_pos);
	sb->log_commit = le64_to_cpu(d->log_commit);
	sb->virtual_sectors = le64_to_cpu(d->virtual_sectors);
	sb->device_sectors = le64_to_cpu(d->device_sectors);
	sb->chunk_sectors = le32_to_cpu(d->chunk_sectors);
	sb->root_level = le32_to_cpu(d->root_level);
	sb->root_block = le64_to_cpu(d->root_block);
	sb->root_csum = le32_to_cpu(d->root_csum);
	sb->first_chunk = le32_to_cpu(d->first_chunk);
	sb->hwm = le32_to_cpu(d->hwm);
	sb->freed = le32_to_cpu(d->freed);
	sb->state = le32_to_cpu(d->state);
	sb->base_fp_alg = le32_to_cpu(d->base_fp_alg);
	sb->base_sectors = le64_to_cpu(d->base_sectors);
	sb->base_fp = le64_to_cpu(d->base_fp);
	memcpy(sb->parent_uuid, d->parent_uuid, sizeof(sb->parent_uuid));
	sb->merge_cursor = le64_to_cpu(d->merge_cursor);
	memcpy(sb->label, d->label, sizeof(sb->label));
	memcpy(sb->owner, d->owner, sizeof(sb->owner));
	for (i = 0; i < LCLONE_SPARES; i++) {
		sb->spare[i].block = le64_to_cpu(d->spare_block[i]);
		sb->spare[i].count = le32_to_cpu(d->spare_count[i]);
	}
	sb->generation = le64_to_cpu(d->generation);
	sb->parent_generation = le64_to_cpu(d->parent_generation);
	sb->block_size = le32_to_cpu(d->block_size);
	sb->ended = le32_to_cpu(d->ended);
	sb->sealed_at = le64_to_cpu(d->sealed_at);
	sb->owned_since = le64_to_cpu(d->owned_since);
	memcpy(sb->took_over, d->took_over, sizeof(sb->took_over));
	memcpy(sb->base_root, d->base_root, sizeof(sb->base_root));
	return sb_check(sb, fault);
}

u32 lclone_reserve_chunks(const struct lclone_sb *sb)
{
	u64 chunks = lclone_chunks(sb->virtual_sectors, sb->chunk_sectors);
	u32 dirty = lclone_dirty_max(sb), level, top = lclone_tree_level(chunks);
	u64 blocks = 0;

	for (level = 0; level <= top; level++) {
		u64 nodes = (chunks + lclone_node_span(level) - 1) / lclone_node_span(level);

		blocks += nodes < dirty ? nodes : dirty;
	}
	return lclone_chunks(blocks * LCLONE_BLOCK_SECTORS, sb->chunk_sectors) + 1;
}

int lclone_sb_init(struct lclone_sb *sb, u64 device_sectors, u64 virtual_sectors,
		   u32 chunk_sectors, u64 *min_sectors)
{
	if (virtual_sectors > LCLONE_CHUNKS_MAX * chunk_sectors || device_sectors >> 46)
		return -EFBIG;
	memset(sb, 0, sizeof(*sb));
	sb->device_sectors = device_sectors;
	sb->virtual_sectors = virtual_sectors;
	sb->chunk_sectors = chunk_sectors;
	sb->log_start = LCLONE_LOG_START;
	sb->log_blocks = LCLONE_LOG_BLOCKS;
	sb->log_commit = 1;
	sb->first_chunk = first_chunk(sb);
	sb->hwm = sb->first_chunk;
	sb->state = LCLONE_STATE_CLEAN;

	/* one data chunk, and twice the reserve: the old tree and the new */
	*min_sectors = ((u64)sb->first_chunk + 2 * lclone_reserve_chunks(sb) + 1) * chunk_sectors;
	return device_sectors < *min_sectors ? -ENOSPC : 0;
}

/* Owner note */

static const char hex_digits[] = "0123456789abcdef";

/* Returns the value of a digit, or a number past 15. */
static u32 hex_value(char c)
{
	u32 i = 0;

	while (i < 16 && hex_digits[i] != c)
		i++;
	return i;
}

static bool is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '-' || c == '_';
}

/* Returns what follows @digits hexadecimal digits, or NULL. */
static const char *skip_hex(const char *s, u32 digits)
{
	for (; digits; digits--, s++)
		if (hex_value(*s) > 15)
			return NULL;
	return s;
}

/* Returns what follows the host's name: the slash before its machine, in a valid note. */
static const char *skip_name(const char *s)
{
	while (is_host_char(*s))
		s++;
	return s;
}

bool lclone_owner_valid(const char *text)
{
	const char *s = skip_name(text);

	if (s == text || s - text > LCLONE_HOST_NAME_MAX || *s != '/')
		return false;
	s = skip_hex(s + 1, LCLONE_MACHINE_DIGITS);
	if (!s || *s != '/')
		return false;
	s = skip_hex(s + 1, LCLONE_BOOT_DIGITS);
	return s && !*s;
}

bool lclone_owner_same(const char *a, const char *b)
{
	return !memcmp(skip_name(a), skip_name(b), 1 + LCLONE_MACHINE_DIGITS);
}

/* The form of a uuid as text: a dash comes before these bytes. */
static bool dash_before(u32 i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

/* Gives zeros in @uuid if @text is none. */
static void uuid_of_text(const char *text, u8 *uuid)
{
	const char *s = text;
	u32 i;

	for (i = 0; i < LCLONE_UUID_SIZE; i++, s += 2) {
		if (dash_before(i) && *s++ != '-')
			break;
		if (!skip_hex(s, 2))
			break;
		uuid[i] = hex_value(s[0]) << 4 | hex_value(s[1]);
	}
	if (i < LCLONE_UUID_SIZE || *s)
		memset(uuid, 0, LCLONE_UUID_SIZE);
}

static void text_of_uuid(const u8 *uuid, char *text)
{
	u32 i;

	for (i = 0; i < LCLONE_UUID_SIZE; i++) {
		if (dash_before(i))
			*text++ = '-';
		*text++ = hex_digits[uuid[i] >> 4];
		*text++ = hex_digits[uuid[i] & 15];
	}
}

void lclone_owner_note(struct lclone_sb *sb, const char *text, u64 now)
{
	if (!lclone_is_owned(sb))
		uuid_of_text(sb->owner, sb->took_over);
	sb->ro_compat |= LCLONE_RO_COMPAT_OWNED;
	sb->owned_since = now ? now : 1;
	memset(sb->owner, 0, sizeof(sb->owner));
	memcpy(sb->owner, text, strlen(text));
}

void lclone_owner_clear(struct lclone_sb *sb)
{
	static const u8 none[LCLONE_UUID_SIZE];

	if (!lclone_is_owned(sb))
		return;
	sb->ro_compat &= ~LCLONE_RO_COMPAT_OWNED;
	sb->owned_since = 0;
	memset(sb->owner, 0, sizeof(sb->owner));
	if (memcmp(sb->took_over, none, sizeof(none)))
		text_of_uuid(sb->took_over, sb->owner);
	memset(sb->took_over, 0, sizeof(sb->took_over));
}

/* Nodes */

void lclone_node_seal(struct lclone_node_disk *n, const u8 *uuid, u64 checkpoint,
		      u64 first_chunk, u32 level, u32 *csum_out)
{
	u32 csum;

	memset(n, 0, sizeof(*n));
	n->magic = cpu_to_le32(NODE_MAGIC);
	memcpy(n->uuid, uuid, sizeof(n->uuid));
	n->checkpoint = cpu_to_le64(checkpoint);
	n->first_chunk = cpu_to_le64(first_chunk);
	n->level = cpu_to_le32(level);
	csum = csum_of(n, &n->csum, LCLONE_BLOCK_SIZE);
	n->csum = cpu_to_le32(csum);
	if (csum_out)
		*csum_out = csum;
}

int lclone_node_verify(const struct lclone_node_disk *n, const u8 *uuid, u64 first_chunk,
		       u32 level, u32 csum, u64 max_checkpoint, struct lclone_fault *fault)
{
	u32 found = csum_of(n, &n->csum, LCLONE_BLOCK_SIZE);

	if (le32_to_cpu(n->magic) != NODE_MAGIC)
		return fail(fault, -EINVAL, "node magic", le32_to_cpu(n->magic), NODE_MAGIC);
	if (found != csum)
		return fail(fault, -EBADMSG, "node checksum", found, csum);
	if (le32_to_cpu(n->csum) != csum)
		return fail(fault, -EBADMSG, "checksum in the node", le32_to_cpu(n->csum), csum);
	if (memcmp(n->uuid, uuid, sizeof(n->uuid)))
		return fail(fault, -EUCLEAN, "node of another delta", n->uuid[0], uuid[0]);
	if (le32_to_cpu(n->level) != level)
		return fail(fault, -EUCLEAN, "node level", le32_to_cpu(n->level), level);
	if (le64_to_cpu(n->first_chunk) != first_chunk)
		return fail(fault, -EUCLEAN, "node's first chunk", le64_to_cpu(n->first_chunk),
			    first_chunk);
	if (le64_to_cpu(n->checkpoint) > max_checkpoint)
		return fail(fault, -EUCLEAN, "node's checkpoint", le64_to_cpu(n->checkpoint),
			    max_checkpoint);
	return 0;
}

void lclone_ref_pack(struct lclone_ref ref, struct lclone_ref_disk *d)
{
	d->block = cpu_to_le64(ref.block);
	d->csum = cpu_to_le32(ref.csum);
	d->flags = cpu_to_le32(ref.flags);
}

struct lclone_ref lclone_ref_unpack(const struct lclone_ref_disk *d)
{
	return (struct lclone_ref){ le64_to_cpu(d->block), le32_to_cpu(d->csum),
				    le32_to_cpu(d->flags) };
}

int lclone_ref_verify(const struct lclone_sb *sb, struct lclone_ref ref,
		      struct lclone_fault *fault)
{
	u64 first = (u64)sb->first_chunk * sb->chunk_sectors / LCLONE_BLOCK_SECTORS;
	u64 end = (u64)lclone_phys_end(sb) * sb->chunk_sectors / LCLONE_BLOCK_SECTORS;

	if (ref.flags)
		return fail(fault, -EUCLEAN, "flags of a reference", ref.flags, 0);
	if (ref.block && (ref.block < first || ref.block >= end))
		return fail(fault, -EUCLEAN, "reference to block", ref.block, end);
	return 0;
}

int lclone_exc_verify(const struct lclone_sb *sb, u64 chunk, u64 exc, struct lclone_fault *fault)
{
	u32 phys = lclone_exc_phys(exc);
	u32 written = lclone_exc_written(exc), zero = lclone_exc_zero(exc);

	if (exc && chunk >= lclone_chunks(sb->virtual_sectors, sb->chunk_sectors))
		return fail(fault, -EUCLEAN, "exception beyond the virtual size, chunk", chunk,
			    lclone_chunks(sb->virtual_sectors, sb->chunk_sectors));
	if (exc & LCLONE_SPARE_MASK)
		return fail(fault, -EUCLEAN, "spare bits of an exception", exc,
			    exc & ~LCLONE_SPARE_MASK);
	if (written & zero)
		return fail(fault, -EUCLEAN, "subchunks both written and zero", written & zero, 0);
	if (written && !phys)
		return fail(fault, -EUCLEAN, "written subchunks without a chunk", written, 0);
	if (phys && (phys < sb->first_chunk || phys >= lclone_phys_end(sb)))
		return fail(fault, -EUCLEAN, "exception's chunk out of range", phys,
			    lclone_phys_end(sb));
	return 0;
}

/* Log */

void lclone_log_seal(struct lclone_log_disk *d, const u8 *uuid, const struct lclone_log *log)
{
	d->magic = cpu_to_le32(LOG_MAGIC);
	memcpy(d->uuid, uuid, sizeof(d->uuid));
	d->incarnation = cpu_to_le64(log->incarnation);
	d->checkpoint = cpu_to_le64(log->checkpoint);
	d->commit = cpu_to_le64(log->commit);
	d->index = cpu_to_le16(log->index);
	d->blocks = cpu_to_le16(log->blocks);
	d->count = cpu_to_le32(log->count);
	memset(d->reserved, 0, sizeof(d->reserved));
	d->csum = cpu_to_le32(csum_of(d, &d->csum, sizeof(*d)));
}

int lclone_log_verify(const struct lclone_log_disk *d, const u8 *uuid, struct lclone_log *log,
		      struct lclone_fault *fault)
{
	u32 csum;

	if (le32_to_cpu(d->magic) != LOG_MAGIC)
		return fail(fault, -EINVAL, "log block magic", le32_to_cpu(d->magic), LOG_MAGIC);
	if (memcmp(d->uuid, uuid, sizeof(d->uuid)))
		return fail(fault, -EINVAL, "log block of another delta", d->uuid[0], uuid[0]);
	csum = csum_of(d, &d->csum, sizeof(*d));
	if (le32_to_cpu(d->csum) != csum)
		return fail(fault, -EBADMSG, "log block checksum", le32_to_cpu(d->csum), csum);

	log->incarnation = le64_to_cpu(d->incarnation);
	log->checkpoint = le64_to_cpu(d->checkpoint);
	log->commit = le64_to_cpu(d->commit);
	log->index = le16_to_cpu(d->index);
	log->blocks = le16_to_cpu(d->blocks);
	log->count = le32_to_cpu(d->count);
	if (log->index >= log->blocks)
		return fail(fault, -EUCLEAN, "log block's index", log->index, log->blocks);
	if (log->count > LCLONE_LOG_RECORDS)
		return fail(fault, -EUCLEAN, "log block's count", log->count, LCLONE_LOG_RECORDS);
	return 0;
}

void lclone_record_pack(struct lclone_record_disk *d, u64 chunk, u64 exc)
{
	d->key = cpu_to_le64((u64)LCLONE_RECORD_EXCEPTION << 56 | chunk);
	d->exception = cpu_to_le64(exc & ~LCLONE_SPARE_MASK);
}

int lclone_record_unpack(const struct lclone_sb *sb, const struct lclone_record_disk *d,
			 u64 *chunk, u64 *exc, struct lclone_fault *fault)
{
	u64 key = le64_to_cpu(d->key);

	*chunk = key & LCLONE_RECORD_CHUNK_MASK;
	*exc = le64_to_cpu(d->exception);
	if (key >> 56 != LCLONE_RECORD_EXCEPTION)
		return fail(fault, -EUCLEAN, "log record type", key >> 56,
			    LCLONE_RECORD_EXCEPTION);
	if (*chunk >= lclone_chunks(sb->virtual_sectors, sb->chunk_sectors))
		return fail(fault, -EUCLEAN, "log record's chunk", *chunk,
			    lclone_chunks(sb->virtual_sectors, sb->chunk_sectors));
	return lclone_exc_verify(sb, *chunk, *exc, fault);
}

void lclone_scan_init(struct lclone_scan *scan, const struct lclone_sb *sb)
{
	*scan = (struct lclone_scan){
		.sb = sb,
		.next_commit = sb->log_commit,
		.max_incarnation = sb->incarnation,
		.end = sb->log_pos,
	};
}

/* Is this block the next one of the commit being read, or the first of the next? */
static bool scan_expected(const struct lclone_scan *scan, const struct lclone_log *log)
{
	if (log->checkpoint != scan->sb->checkpoint || log->commit != scan->next_commit ||
	    log->index != scan->next_index)
		return false;
	if (!log->index)
		return log->incarnation >= scan->incarnation;
	return log->incarnation == scan->part_incarnation && log->blocks == scan->part_blocks;
}

int lclone_scan_block(struct lclone_scan *scan, u32 pos, const struct lclone_log_disk *d,
		      bool *whole, struct lclone_fault *fault)
{
	u32 half = scan->sb->log_blocks / 2;
	struct lclone_log log;

	*whole = false;
	if (pos == half - scan->sb->log_pos)
		scan->ended = true;	/* the other half begins */

	if (lclone_log_verify(d, scan->sb->uuid, &log, fault)) {
		scan->ended = true;
		return 0;
	}
	if (log.incarnation > scan->max_incarnation)
		scan->max_incarnation = log.incarnation;

	if (!scan->ended && scan_expected(scan, &log)) {
		scan->part_incarnation = log.incarnation;
		scan->part_blocks = log.blocks;
		scan->next_index++;
		if (scan->next_index == log.blocks) {
			*whole = true;
			scan->next_index = 0;
			scan->next_commit++;
			scan->incarnation = log.incarnation;
			scan->end = pos + 1;
		}
		return 0;
	}

	scan->ended = true;
	if (log.checkpoint > scan->sb->checkpoint)
		return fail(fault, -EUCLEAN, "log block of a later checkpoint", log.checkpoint,
			    scan->sb->checkpoint);
	if (log.checkpoint == scan->sb->checkpoint && log.commit > scan->next_commit)
		return fail(fault, -EUCLEAN, "log block of a later commit", log.commit,
			    scan->next_commit);
	return 0;
}

bool lclone_log_is_later(const struct lclone_sb *sb, const struct lclone_log_disk *d)
{
	struct lclone_fault fault;
	struct lclone_log log;

	if (lclone_log_verify(d, sb->uuid, &log, &fault))
		return false;
	return log.incarnation > sb->incarnation || log.checkpoint > sb->checkpoint ||
	       (log.checkpoint == sb->checkpoint && log.commit >= sb->log_commit);
}

/* Base identity */

u64 lclone_fp_sample(u64 base_sectors, u32 i)
{
	u64 blocks = (base_sectors + LCLONE_BLOCK_SECTORS - 1) / LCLONE_BLOCK_SECTORS, end;
	u32 half = LCLONE_FP_SAMPLES / 2;

	if (i < half)
		return (u64)i * LCLONE_BLOCK_SECTORS;
	/* the last block of each sixteenth */
	end = blocks * (i - half + 1) / half;
	return (end ? end - 1 : 0) * LCLONE_BLOCK_SECTORS;
}

u64 lclone_fp_update(u64 fp, u32 i, const void *block)
{
	u32 csum = lclone_crc32c(block, LCLONE_BLOCK_SIZE);
	u32 shift = i < LCLONE_FP_SAMPLES / 2 ? 32 : 0;
	u32 part = fp >> shift;

	/* order matters: rotate, then mix */
	part = ((part << 5 | part >> 27) ^ csum) * 0x9e3779b1;
	return (fp & ~(0xffffffffULL << shift)) | (u64)part << shift;
}
