// SPDX-License-Identifier: GPL-2.0-only
/* The on-disk format: byte for byte, round trips, and every reason to refuse. */
#include "test.h"

static struct lclone_sb sample_sb(void)
{
	struct lclone_sb sb;
	u64 min;

	assert_int_equal(lclone_sb_init(&sb, 1 << 20, 1 << 22, 128, &min), 0);
	memset(sb.uuid, 0xab, sizeof(sb.uuid));
	sb.seq = 0x1122334455667788;
	sb.checkpoint = 7;
	sb.incarnation = 9;
	sb.log_pos = 256;
	sb.log_commit = 33;
	sb.root_level = 1;
	sb.root_block = 34 * 16 + 3;
	sb.root_csum = 0xdeadbeef;
	sb.hwm = 99;
	sb.freed = 5;
	sb.state = LCLONE_STATE_MERGING | LCLONE_STATE_CLEAN;
	sb.base_fp_alg = LCLONE_FP_CRC32C_SAMPLES;
	sb.base_sectors = 12345678;
	sb.base_fp = 0x0123456789abcdef;
	memset(sb.parent_uuid, 0xcd, sizeof(sb.parent_uuid));
	sb.merge_cursor = 11;
	sb.block_size = 4096;
	sb.ended = 0x55667788;
	sb.sealed_at = 1700000000;
	strcpy(sb.label, "label");
	strcpy(sb.owner, "owner");
	memset(sb.took_over, 0xef, sizeof(sb.took_over));
	sb.owned_since = 1700000001;
	memset(sb.base_root, 0x5a, sizeof(sb.base_root));
	sb.spare[7].block = 35 * 16;
	sb.spare[7].count = 16;
	return sb;
}

static void put(u8 *p, u32 offset, u64 value, u32 bytes)
{
	while (bytes--) {
		p[offset++] = value;
		value >>= 8;
	}
}

/* The checksum is the standard CRC32C (Castagnoli), as in RFC 3720. */
static void crc_is_crc32c(void **state)
{
	(void)state;
	assert_int_equal(lclone_crc32c("123456789", 9), 0xe3069283);
	assert_int_equal(lclone_crc32c("", 0), 0);
}

/* Golden: the superblock's bytes are where version 1 has them. */
static void superblock_bytes(void **state)
{
	struct lclone_sb sb = sample_sb();
	struct lclone_sb_disk d;
	u8 expect[512] = { 0 };

	(void)state;
	memcpy(expect, "dmlclone", 8);
	put(expect, 12, 1, 4);				/* version */
	memset(expect + 40, 0xab, 16);			/* uuid */
	put(expect, 56, 0x1122334455667788, 8);		/* seq */
	put(expect, 64, 7, 8);				/* checkpoint */
	put(expect, 72, 9, 8);				/* incarnation */
	put(expect, 80, 32, 8);				/* log_start */
	put(expect, 88, 512, 4);			/* log_blocks */
	put(expect, 92, 256, 4);			/* log_pos */
	put(expect, 96, 33, 8);				/* log_commit */
	put(expect, 104, 1 << 22, 8);			/* virtual_sectors */
	put(expect, 112, 1 << 20, 8);			/* device_sectors */
	put(expect, 120, 128, 4);			/* chunk_sectors */
	put(expect, 124, 1, 4);				/* root_level */
	put(expect, 128, 34 * 16 + 3, 8);		/* root_block */
	put(expect, 136, 0xdeadbeef, 4);		/* root_csum */
	put(expect, 140, 34, 4);			/* first_chunk */
	put(expect, 144, 99, 4);			/* hwm */
	put(expect, 148, 5, 4);				/* freed */
	put(expect, 152, 2 | 8, 4);			/* state: merging, clean */
	put(expect, 156, 1, 4);				/* base_fp_alg */
	put(expect, 160, 12345678, 8);			/* base_sectors */
	put(expect, 168, 0x0123456789abcdef, 8);	/* base_fp */
	memset(expect + 176, 0xcd, 16);			/* parent_uuid */
	put(expect, 192, 11, 8);			/* merge_cursor */
	memcpy(expect + 200, "label", 5);
	memcpy(expect + 264, "owner", 5);
	put(expect, 328 + 7 * 8, 35 * 16, 8);		/* spare_block */
	put(expect, 392 + 7 * 4, 16, 4);		/* spare_count */
	put(expect, 440, 4096, 4);			/* block_size */
	put(expect, 444, 0x55667788, 4);		/* ended */
	put(expect, 448, 1700000000, 8);		/* sealed_at */
	put(expect, 456, 1700000001, 8);		/* owned_since */
	memset(expect + 464, 0x5a, 32);			/* base_root */
	memset(expect + 496, 0xef, 16);			/* took_over */
	put(expect, 8, lclone_crc32c(expect + 12, 500), 4);

	lclone_sb_pack(&sb, &d);
	assert_memory_equal(&d, expect, sizeof(expect));
}

static void node_bytes(void **state)
{
	static struct lclone_leaf_disk leaf;
	static struct lclone_index_disk index;
	u8 uuid[16], expect[4096] = { 0 };
	u32 csum;

	(void)state;
	memset(uuid, 0xab, 16);
	memcpy(expect, "lnde", 4);
	memset(expect + 8, 0xab, 16);
	put(expect, 24, 77, 8);				/* checkpoint */
	put(expect, 32, 504 * 3, 8);			/* first chunk */
	put(expect, 64, 5 | 0xf00full << 32 | 0x0110ull << 48, 8);
	put(expect, 64 + 503 * 8, 6 | 0xffffull << 32, 8);
	put(expect, 4, lclone_crc32c(expect + 8, 4088), 4);
	leaf.exceptions[0] = cpu_to_le64(lclone_exc_make(5, 0xf00f, 0x0110));
	leaf.exceptions[503] = cpu_to_le64(lclone_exc_make(6, 0xffff, 0));
	lclone_node_seal(&leaf.node, uuid, 77, 504 * 3, 0, &csum);
	assert_memory_equal(&leaf, expect, sizeof(expect));

	memset(expect + 64, 0, sizeof(expect) - 64);
	put(expect, 32, 0, 8);
	put(expect, 40, 2, 4);				/* level */
	put(expect, 64 + 16, 0x1234, 8);		/* second reference: block, csum, flags */
	put(expect, 64 + 24, 0xfeedface, 4);
	put(expect, 4, lclone_crc32c(expect + 8, 4088), 4);
	lclone_ref_pack((struct lclone_ref){ .block = 0x1234, .csum = 0xfeedface }, &index.refs[1]);
	lclone_node_seal(&index.node, uuid, 77, 0, 2, NULL);
	assert_memory_equal(&index, expect, sizeof(expect));
}

static void log_bytes(void **state)
{
	static struct lclone_log_disk d;
	struct lclone_log log = { .incarnation = 3, .checkpoint = 4, .commit = 5, .index = 1,
				  .blocks = 2, .count = 1 };
	u8 uuid[16], expect[4096] = { 0 };

	(void)state;
	memset(uuid, 0xab, 16);
	memcpy(expect, "llog", 4);
	memset(expect + 8, 0xab, 16);
	put(expect, 24, 3, 8);
	put(expect, 32, 4, 8);
	put(expect, 40, 5, 8);
	put(expect, 48, 1, 2);
	put(expect, 50, 2, 2);
	put(expect, 52, 1, 4);
	put(expect, 64, 0x42, 7);			/* chunk */
	put(expect, 71, 1, 1);				/* type */
	put(expect, 72, 9 | 1ull << 32, 8);
	put(expect, 4, lclone_crc32c(expect + 8, 4088), 4);
	/* what is spare in memory never reaches the disk */
	lclone_record_pack(&d.records[0], 0x42, lclone_exc_make(9, 1, 0) | LCLONE_SPARE_MASK);
	lclone_log_seal(&d, uuid, &log);
	assert_memory_equal(&d, expect, sizeof(expect));
}

static void superblock_round_trip(void **state)
{
	struct lclone_sb sb = sample_sb(), back;
	struct lclone_fault fault;
	struct lclone_sb_disk d;

	(void)state;
	memset(&back, 0, sizeof(back));
	lclone_sb_pack(&sb, &d);
	assert_int_equal(lclone_sb_unpack(&d, &back, &fault), 0);
	assert_int_equal(back.compat | back.ro_compat | back.incompat, 0);
	assert_memory_equal(&back.uuid, &sb.uuid, sizeof(sb) - offsetof(struct lclone_sb, uuid));
}

/* A flip of any bit of a superblock is seen. */
static void superblock_any_bit(void **state)
{
	struct lclone_sb sb = sample_sb(), back;
	struct lclone_fault fault;
	struct lclone_sb_disk d;
	u32 bit;

	(void)state;
	lclone_sb_pack(&sb, &d);
	for (bit = 0; bit < 512 * 8; bit++) {
		((u8 *)&d)[bit / 8] ^= 1 << bit % 8;
		assert_int_not_equal(lclone_sb_unpack(&d, &back, &fault), 0);
		((u8 *)&d)[bit / 8] ^= 1 << bit % 8;
	}
	assert_int_equal(lclone_sb_unpack(&d, &back, &fault), 0);
}

static int unpack_with(struct lclone_sb sb, const char **what)
{
	struct lclone_fault fault = { .what = "" };
	struct lclone_sb_disk d;
	struct lclone_sb back;
	int err;

	lclone_sb_pack(&sb, &d);
	err = lclone_sb_unpack(&d, &back, &fault);
	*what = fault.what;
	return err;
}

#define REFUSED(err, text, change) do {						\
	struct lclone_sb sb = sample_sb();					\
	const char *what;							\
	change;									\
	assert_int_equal(unpack_with(sb, &what), err);				\
	assert_string_equal(what, text);					\
} while (0)

/* Every rule for the fields of a superblock with a good checksum */
static void superblock_rules(void **state)
{
	(void)state;
	REFUSED(-EPROTONOSUPPORT, "incompatible features", sb.incompat = 1ull << 63);
	REFUSED(-EUCLEAN, "chunk size in sectors", sb.chunk_sectors = 8);
	REFUSED(-EUCLEAN, "chunk size in sectors", sb.chunk_sectors = 8192);
	REFUSED(-EUCLEAN, "chunk size in sectors", sb.chunk_sectors = 129);
	REFUSED(-EUCLEAN, "start of the log", sb.log_start = 31);
	REFUSED(-EUCLEAN, "size of the log", sb.log_blocks = 14);
	REFUSED(-EUCLEAN, "size of the log", sb.log_blocks = 513);
	REFUSED(-EUCLEAN, "size of the log", sb.log_blocks = 65538);
	REFUSED(-EUCLEAN, "log position", sb.log_pos = 1);
	REFUSED(-EUCLEAN, "log position", sb.log_pos = 512);
	REFUSED(-EUCLEAN, "first chunk", sb.first_chunk = 33);
	REFUSED(-EUCLEAN, "device size in sectors", sb.device_sectors = 1ull << 46);
	REFUSED(-EUCLEAN, "high-water mark", sb.hwm = 33);
	REFUSED(-EUCLEAN, "high-water mark", sb.hwm = lclone_phys_end(&sb) + 1);
	REFUSED(-EUCLEAN, "count of freed chunks", sb.freed = 99 - 34 + 1);
	REFUSED(-EUCLEAN, "virtual size in sectors", sb.virtual_sectors = 0);
	REFUSED(-EUCLEAN, "virtual size in sectors", sb.virtual_sectors = 1ull << 54);
	REFUSED(-EUCLEAN, "level of the root", sb.root_level = 2);
	REFUSED(-EUCLEAN, "level of the root", sb.root_level = UINT32_MAX);
	REFUSED(-EUCLEAN, "state flags", sb.state = 0x10);
	REFUSED(-EUCLEAN, "fingerprint algorithm", sb.base_fp_alg = 2);
	REFUSED(-EUCLEAN, "fingerprint algorithm", sb.base_fp_alg = LCLONE_FP_NONE);
	REFUSED(-EUCLEAN, "label", memset(sb.label, 'x', sizeof(sb.label)));
	REFUSED(-EUCLEAN, "owner", memset(sb.owner, 'x', sizeof(sb.owner)));
	REFUSED(-EUCLEAN, "reference to block", sb.root_block = 34 * 16 - 1);
	REFUSED(-EUCLEAN, "reference to block", sb.root_block = (u64)lclone_phys_end(&sb) * 16);
	REFUSED(-EUCLEAN, "reference to block", sb.root_block = UINT64_MAX);
	REFUSED(-EUCLEAN, "spare blocks at block", sb.spare[7].block = 34 * 16 - 1);
	REFUSED(-EUCLEAN, "spare blocks at block", sb.spare[7].block = 99 * 16 - 15);
	REFUSED(-EUCLEAN, "spare blocks at block", sb.spare[7].block = UINT64_MAX);
	REFUSED(-EUCLEAN, "spare blocks at block", sb.spare[7].count = UINT32_MAX);
}

static void superblock_of_others(void **state)
{
	struct lclone_sb sb = sample_sb(), back;
	struct lclone_fault fault;
	struct lclone_sb_disk d;

	(void)state;
	lclone_sb_pack(&sb, &d);
	d.version = cpu_to_le32(2);
	assert_int_equal(lclone_sb_unpack(&d, &back, &fault), -EBADMSG);
	d.csum = cpu_to_le32(lclone_crc32c((u8 *)&d + 12, 500));
	assert_int_equal(lclone_sb_unpack(&d, &back, &fault), -EPROTONOSUPPORT);
	assert_string_equal(fault.what, "format version");
	assert_int_equal(fault.found, 2);
	d.magic[0] ^= 1;
	assert_int_equal(lclone_sb_unpack(&d, &back, &fault), -EINVAL);
}

static void node_rules(void **state)
{
	static struct lclone_leaf_disk leaf, bad;
	struct lclone_fault fault;
	u8 uuid[16] = "0123456789abcde", other[16] = "x";
	u32 csum, i;

	(void)state;
	leaf.exceptions[9] = cpu_to_le64(lclone_exc_make(99, 1, 2));
	lclone_node_seal(&leaf.node, uuid, 5, 504, 0, &csum);
	assert_int_equal(lclone_node_verify(&leaf.node, uuid, 504, 0, csum, 5, &fault), 0);
	assert_int_equal(lclone_node_verify(&leaf.node, uuid, 504, 0, csum ^ 1, 5, &fault),
			 -EBADMSG);
	assert_int_equal(lclone_node_verify(&leaf.node, other, 504, 0, csum, 5, &fault), -EUCLEAN);
	assert_int_equal(lclone_node_verify(&leaf.node, uuid, 0, 0, csum, 5, &fault), -EUCLEAN);
	assert_int_equal(lclone_node_verify(&leaf.node, uuid, 504, 1, csum, 5, &fault), -EUCLEAN);
	assert_int_equal(lclone_node_verify(&leaf.node, uuid, 504, 0, csum, 4, &fault), -EUCLEAN);
	for (i = 0; i < 4096; i++) {
		bad = leaf;
		((u8 *)&bad)[i] ^= 0x40;
		assert_int_not_equal(lclone_node_verify(&bad.node, uuid, 504, 0, csum, 5, &fault),
				     0);
	}
}

static int exc_verify(u64 chunk, u64 exc)
{
	struct lclone_sb sb = sample_sb();
	struct lclone_fault fault;

	return lclone_exc_verify(&sb, chunk, exc, &fault);
}

static void exception_rules(void **state)
{
	struct lclone_sb sb = sample_sb();
	u64 chunks = lclone_chunks(sb.virtual_sectors, sb.chunk_sectors);
	u32 end = lclone_phys_end(&sb);

	(void)state;
	assert_int_equal(exc_verify(0, 0), 0);
	assert_int_equal(exc_verify(chunks, 0), 0);
	assert_int_equal(exc_verify(chunks - 1, lclone_exc_make(34, 1, 0)), 0);
	assert_int_equal(exc_verify(chunks, lclone_exc_make(34, 1, 0)), -EUCLEAN);
	assert_int_equal(exc_verify(0, lclone_exc_make(34, 0, 0)), 0);
	assert_int_equal(exc_verify(0, lclone_exc_make(0, 0, 0xffff)), 0);
	assert_int_equal(exc_verify(0, lclone_exc_make(0, 1, 0)), -EUCLEAN);
	assert_int_equal(exc_verify(0, lclone_exc_make(34, 1, 1)), -EUCLEAN);
	assert_int_equal(exc_verify(0, lclone_exc_make(33, 1, 0)), -EUCLEAN);
	assert_int_equal(exc_verify(0, lclone_exc_make(end - 1, 1, 0)), 0);
	assert_int_equal(exc_verify(0, lclone_exc_make(end, 1, 0)), -EUCLEAN);
	assert_int_equal(exc_verify(0, 1ull << 30), -EUCLEAN);
	assert_int_equal(exc_verify(0, 1ull << 31), -EUCLEAN);
}

static void exception_parts(void **state)
{
	u64 exc = lclone_exc_make(LCLONE_PHYS_MASK, 0x8001, 0x7ffe);

	(void)state;
	assert_int_equal(lclone_exc_phys(exc), LCLONE_PHYS_MASK);
	assert_int_equal(lclone_exc_written(exc), 0x8001);
	assert_int_equal(lclone_exc_zero(exc), 0x7ffe);
	assert_int_equal(exc & LCLONE_SPARE_MASK, 0);
}

static void record_rules(void **state)
{
	struct lclone_sb sb = sample_sb();
	struct lclone_record_disk d;
	struct lclone_fault fault;
	u64 chunk, exc;

	(void)state;
	lclone_record_pack(&d, 17, lclone_exc_make(40, 3, 4));
	assert_int_equal(lclone_record_unpack(&sb, &d, &chunk, &exc, &fault), 0);
	assert_int_equal(chunk, 17);
	assert_int_equal(exc, lclone_exc_make(40, 3, 4));
	d.key = cpu_to_le64(2ull << 56 | 17);
	assert_int_equal(lclone_record_unpack(&sb, &d, &chunk, &exc, &fault), -EUCLEAN);
	lclone_record_pack(&d, 1 << 20, 0);
	assert_int_equal(lclone_record_unpack(&sb, &d, &chunk, &exc, &fault), -EUCLEAN);
}

/* The least size that is named for a delta is one that is accepted. */
static void smallest_delta(void **state)
{
	u32 chunk;

	(void)state;
	for (chunk = LCLONE_CHUNK_SECTORS_MIN; chunk <= LCLONE_CHUNK_SECTORS_MAX; chunk *= 2) {
		struct lclone_sb sb;
		const char *what;
		u64 min;

		assert_int_equal(lclone_sb_init(&sb, 1, 1 << 24, chunk, &min), -ENOSPC);
		assert_int_equal(lclone_sb_init(&sb, min, 1 << 24, chunk, &min), 0);
		assert_int_equal(unpack_with(sb, &what), 0);
		assert_int_equal(lclone_sb_init(&sb, min - 1, 1 << 24, chunk, &min), -ENOSPC);
	}
}

static void tree_geometry(void **state)
{
	(void)state;
	assert_int_equal(lclone_node_span(0), 504);
	assert_int_equal(lclone_node_span(1), 504 * 252);
	assert_int_equal(lclone_tree_level(504), 0);
	assert_int_equal(lclone_tree_level(505), 1);
	assert_int_equal(lclone_tree_level(504 * 252 + 1), 2);
	assert_true(lclone_tree_level(1ull << 50) < LCLONE_LEVELS);
}

/* The samples of a base's fingerprint include its first 64 KiB and its very last block. */
static void fingerprint_places(void **state)
{
	u32 i;

	(void)state;
	for (i = 0; i < 16; i++)
		assert_int_equal(lclone_fp_sample(1 << 20, i), i * 8);
	assert_int_equal(lclone_fp_sample(1 << 20, 31), (1 << 20) - 8);
	for (i = 0; i < 32; i++)
		assert_true(lclone_fp_sample(8, i) < 16 * 8);
}

static void fingerprint_sees(void **state)
{
	static u8 base[1 << 20];
	struct lclone_memdev mem;
	u64 fp, other;

	(void)state;
	lclone_memdev_init(&mem, base, sizeof(base) >> 9);
	assert_int_equal(lclone_fingerprint(&mem.dev, &fp), 0);
	base[100] = 1;
	assert_int_equal(lclone_fingerprint(&mem.dev, &other), 0);
	assert_int_not_equal(fp, other);
	base[100] = 0;
	base[sizeof(base) - 1] = 1;
	assert_int_equal(lclone_fingerprint(&mem.dev, &other), 0);
	assert_int_not_equal(fp, other);
}

#define NOTE	"host-a.example/0123456789abcdef/fedcba98"
#define UUID	"01234567-89ab-cdef-0123-456789abcdef"

/* The one form of an owner note; whatever else is in a superblock's field is damage. */
static void owner_forms(void **state)
{
	static const char * const bad[] = {
		"", "/0123456789abcdef/fedcba98", "a/0123456789abcde/fedcba98",
		"a/0123456789abcdef0/fedcba98", "a/0123456789abcdef/fedcba9",
		"a/0123456789abcdef/fedcba987", "a/0123456789ABCDEF/fedcba98",
		"a/0123456789abcdef/fedcba98/", "a b/0123456789abcdef/fedcba98",
		"a\n/0123456789abcdef/fedcba98", "a\033/0123456789abcdef/fedcba98",
		"\303\244/0123456789abcdef/fedcba98", "a/0123456789abcdef", "a", UUID,
		"a23456789012345678901234567890123456789/0123456789abcdef/fedcba98",
	};
	struct lclone_sb sb = sample_sb();
	const char *what;
	u32 i;

	(void)state;
	assert_true(lclone_owner_valid(NOTE));
	assert_true(lclone_owner_valid("a/0123456789abcdef/fedcba98"));
	assert_true(lclone_owner_valid("a234567890123456789012345678901234567/0123456789abcdef/fedcba98"));
	lclone_owner_note(&sb, NOTE, 0);
	assert_int_equal(sb.owned_since, 1);
	assert_int_equal(unpack_with(sb, &what), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lclone_sb other = sb;

		assert_false(lclone_owner_valid(bad[i]));
		memset(other.owner, 0, sizeof(other.owner));
		memcpy(other.owner, bad[i], strnlen(bad[i], sizeof(other.owner) - 1));
		assert_int_equal(unpack_with(other, &what), -EUCLEAN);
	}
	memset(sb.owner, 'a', sizeof(sb.owner));	/* no end */
	assert_int_equal(unpack_with(sb, &what), -EUCLEAN);
	lclone_owner_note(&sb, NOTE, 5);
	sb.owned_since = 0;
	assert_int_equal(unpack_with(sb, &what), -EUCLEAN);
	lclone_owner_note(&sb, NOTE, 5);
	sb.state = LCLONE_STATE_SEALED | LCLONE_STATE_CLEAN;
	assert_int_equal(unpack_with(sb, &what), -EUCLEAN);
}

/* A host is its machine: neither its name nor when it was booted. */
static void owner_hosts(void **state)
{
	(void)state;
	assert_true(lclone_owner_same(NOTE, "b/0123456789abcdef/00000000"));
	assert_false(lclone_owner_same(NOTE, "host-a.example/0123456789abcdee/fedcba98"));
	assert_false(lclone_owner_same(NOTE, "host-a.example/1123456789abcdef/fedcba98"));
}

/* A note goes without a trace, so that who does not know notes finds what was before. */
static void owner_goes(void **state)
{
	struct lclone_sb sb = sample_sb(), before;
	struct lclone_sb_disk disk, again;

	(void)state;
	memset(sb.took_over, 0, sizeof(sb.took_over));
	memset(sb.owner, 0, sizeof(sb.owner));
	sb.owned_since = 0;
	before = sb;
	lclone_owner_clear(&sb);
	assert_memory_equal(&sb, &before, sizeof(sb));
	lclone_owner_note(&sb, NOTE, 1700000002);
	assert_true(lclone_is_owned(&sb));
	assert_string_equal(sb.owner, NOTE);
	assert_int_equal(sb.owned_since, 1700000002);
	lclone_owner_note(&sb, "b/0123456789abcdef/00000000", 1700000003);
	assert_string_equal(sb.owner, "b/0123456789abcdef/00000000");
	lclone_owner_clear(&sb);
	assert_memory_equal(&sb, &before, sizeof(sb));

	/* what a merge of layers has left there, also when a second host takes over */
	strcpy(sb.owner, UUID);
	lclone_sb_pack(&sb, &disk);
	lclone_owner_note(&sb, NOTE, 1);
	assert_int_equal(sb.took_over[1], 0x23);
	lclone_owner_note(&sb, "b/0123456789abcdee/00000000", 2);
	lclone_owner_clear(&sb);
	lclone_sb_pack(&sb, &again);
	assert_memory_equal(&disk, &again, sizeof(disk));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_is_crc32c),
		cmocka_unit_test(superblock_bytes),
		cmocka_unit_test(node_bytes),
		cmocka_unit_test(log_bytes),
		cmocka_unit_test(superblock_round_trip),
		cmocka_unit_test(superblock_any_bit),
		cmocka_unit_test(superblock_rules),
		cmocka_unit_test(superblock_of_others),
		cmocka_unit_test(node_rules),
		cmocka_unit_test(exception_rules),
		cmocka_unit_test(exception_parts),
		cmocka_unit_test(record_rules),
		cmocka_unit_test(smallest_delta),
		cmocka_unit_test(tree_geometry),
		cmocka_unit_test(fingerprint_places),
		cmocka_unit_test(fingerprint_sees),
		cmocka_unit_test(owner_forms),
		cmocka_unit_test(owner_hosts),
		cmocka_unit_test(owner_goes),
	};

	return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
