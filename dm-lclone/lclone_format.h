/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * On-disk format of a dm-lclone delta, version 1.
 *
 * The only header that the kernel module and user space share.  All integers
 * on disk are little-endian; structs named *_disk are the disk layout and are
 * converted by the pack and unpack functions of format.c only.  See
 * Documentation/format.rst for the byte tables and the version rule.
 *
 * Units: "block" is a 4 KiB metadata block counted from the start of the
 * delta, "chunk" the unit of mapping, "phys" a chunk of the delta counted from
 * its start, "sector" 512 bytes.
 */
#ifndef LCLONE_FORMAT_H
#define LCLONE_FORMAT_H

#include <linux/types.h>

#ifdef __KERNEL__
#include <linux/build_bug.h>
#else
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
#endif

#define LCLONE_VERSION			1

#define LCLONE_BLOCK_SIZE		4096
#define LCLONE_BLOCK_SECTORS		(LCLONE_BLOCK_SIZE >> 9)

/* Superblock slots, in blocks. Each slot is one 512-byte sector: atomic. */
#define LCLONE_SB_SLOT_A		0
#define LCLONE_SB_SLOT_B		16
#define LCLONE_SB_SIZE			512

#define LCLONE_LOG_START		32
#define LCLONE_LOG_BLOCKS		512
#define LCLONE_LOG_BLOCKS_MIN		16
#define LCLONE_LOG_BLOCKS_MAX		65536

#define LCLONE_SUBCHUNKS		16
#define LCLONE_CHUNK_SECTORS_MIN	16u	/* 8 KiB */
#define LCLONE_CHUNK_SECTORS_MAX	4096u	/* 2 MiB */
#define LCLONE_CHUNK_SECTORS_DEFAULT	128u	/* 64 KiB */

/* Of a clone: 2 PiB at the default chunk size */
#define LCLONE_CHUNKS_MAX		0x800000000ULL

#define LCLONE_UUID_SIZE		16
#define LCLONE_LABEL_SIZE		64
#define LCLONE_OWNER_SIZE		64
#define LCLONE_SPARES			8
#define LCLONE_ROOT_SIZE		32	/* SHA-256 */

/* Checkpoints write at most this many leaves, see lclone_reserve_blocks(). */
#define LCLONE_DIRTY_LEAVES_MAX		1024u
#define LCLONE_DIRTY_LEAVES_MIN		16u

/*
 * Exception: what a clone knows of one chunk.
 *
 *   phys:30 | spare:2 | written:16 | zero:16	(phys in the low bits)
 *
 * For subchunk i: bit i of written: its data are in chunk phys of this delta;
 * bit i of zero: it reads as zeros; neither: ask the layer below.
 *
 * Invariants: written & zero == 0; written != 0 implies phys != 0; the spare
 * bits are zero on disk.  phys != 0 with written == 0 is legal: allocated,
 * nothing valid yet.  No two exceptions share a phys.
 */
#define LCLONE_PHYS_BITS		30
#define LCLONE_PHYS_MASK		((1ULL << LCLONE_PHYS_BITS) - 1)
#define LCLONE_SPARE_MASK		(3ULL << LCLONE_PHYS_BITS)
#define LCLONE_WRITTEN_SHIFT		32
#define LCLONE_ZERO_SHIFT		48
#define LCLONE_MASK_ALL			0xffffu

static inline u32 lclone_exc_phys(u64 exc)
{
	return exc & LCLONE_PHYS_MASK;
}

static inline u32 lclone_exc_written(u64 exc)
{
	return (exc >> LCLONE_WRITTEN_SHIFT) & LCLONE_MASK_ALL;
}

static inline u32 lclone_exc_zero(u64 exc)
{
	return exc >> LCLONE_ZERO_SHIFT;
}

static inline u64 lclone_exc_make(u32 phys, u32 written, u32 zero)
{
	return phys | (u64)written << LCLONE_WRITTEN_SHIFT |
	       (u64)zero << LCLONE_ZERO_SHIFT;
}

/* Superblock state flags */
#define LCLONE_STATE_SEALED		0x1u
#define LCLONE_STATE_MERGING		0x2u	/* into the base */
#define LCLONE_STATE_NEEDS_CHECK	0x4u
#define LCLONE_STATE_CLEAN		0x8u	/* freed and spares are exact */
#define LCLONE_STATE_KNOWN		0xfu

/* A host that has the delta open for writing is noted in owner: see lclone_owner_note(). */
#define LCLONE_RO_COMPAT_OWNED		0x1ULL

/* Feature bits that this version knows */
#define LCLONE_FEATURE_COMPAT		0ULL
#define LCLONE_FEATURE_RO_COMPAT	LCLONE_RO_COMPAT_OWNED
#define LCLONE_FEATURE_INCOMPAT		0ULL

/* Base identity: how base_fp was computed */
#define LCLONE_FP_NONE			0	/* no base ("-") */
#define LCLONE_FP_CRC32C_SAMPLES	1	/* see lclone_fp_sample() */

struct lclone_sb_disk {
	__u8	magic[8];
	__le32	csum;			/* crc32c of all that follows it */
	__le32	version;
	__le64	compat;
	__le64	ro_compat;
	__le64	incompat;
	__u8	uuid[LCLONE_UUID_SIZE];
	__le64	seq;			/* the valid slot with the higher wins */
	__le64	checkpoint;		/* number of the last checkpoint */
	__le64	incarnation;		/* number of the last rw activation */
	__le64	log_start;		/* block */
	__le32	log_blocks;
	__le32	log_pos;		/* where this checkpoint's log begins */
	__le64	log_commit;		/* number of the first commit there */
	__le64	virtual_sectors;
	__le64	device_sectors;
	__le32	chunk_sectors;
	__le32	root_level;		/* level of the root, 0 is a leaf */
	__le64	root_block;		/* 0: empty tree */
	__le32	root_csum;
	__le32	first_chunk;		/* first phys that may be allocated */
	__le32	hwm;			/* every phys >= hwm is free */
	__le32	freed;			/* free chunks below hwm */
	__le32	state;
	__le32	base_fp_alg;
	__le64	base_sectors;
	__le64	base_fp;
	__u8	parent_uuid[LCLONE_UUID_SIZE];
	__le64	merge_cursor;		/* chunks below are in the base */
	__u8	label[LCLONE_LABEL_SIZE];
	__u8	owner[LCLONE_OWNER_SIZE];
	__le64	spare_block[LCLONE_SPARES];	/* free metadata blocks in ... */
	__le32	spare_count[LCLONE_SPARES];	/* ... chunks in use; 0: none */
	__le64	generation;		/* how often it was sealed */
	__le64	parent_generation;	/* of the parent, when this layer was put on it */
	__le32	block_size;		/* logical, the least it was used with; 0: not known */
	__le32	ended;			/* seq of the superblock that ended the log; 0: none has */
	__le64	sealed_at;		/* seconds since 1970; 0: not known */
	__le64	owned_since;		/* seconds since 1970; 0: no host has it open */
	__u8	base_root[LCLONE_ROOT_SIZE];	/* of the base's verity tree; zeros: none */
	__u8	took_over[LCLONE_UUID_SIZE];	/* what owner had before the note */
};

struct lclone_node_disk {
	__le32	magic;
	__le32	csum;			/* crc32c of all that follows it */
	__u8	uuid[LCLONE_UUID_SIZE];
	__le64	checkpoint;		/* that wrote this node */
	__le64	first_chunk;		/* first chunk that it covers */
	__le32	level;			/* 0: leaf */
	__u8	reserved[20];
};

struct lclone_ref_disk {
	__le64	block;			/* 0: nothing below */
	__le32	csum;			/* the child's csum */
	__le32	flags;			/* reserved, 0 */
};

#define LCLONE_LEAF_EXCEPTIONS		504
#define LCLONE_NODE_REFS		252

struct lclone_leaf_disk {
	struct lclone_node_disk	node;
	__le64	exceptions[LCLONE_LEAF_EXCEPTIONS];
};

struct lclone_index_disk {
	struct lclone_node_disk	node;
	struct lclone_ref_disk	refs[LCLONE_NODE_REFS];
};

#define LCLONE_LOG_RECORDS		252
#define LCLONE_RECORD_EXCEPTION		1
#define LCLONE_RECORD_CHUNK_MASK	((1ULL << 56) - 1)

struct lclone_record_disk {
	__le64	key;			/* type:8 | chunk:56, type on top */
	__le64	exception;
};

struct lclone_log_disk {
	__le32	magic;
	__le32	csum;			/* crc32c of all that follows it */
	__u8	uuid[LCLONE_UUID_SIZE];
	__le64	incarnation;
	__le64	checkpoint;
	__le64	commit;
	__le16	index;			/* this block is index ... */
	__le16	blocks;			/* ... of blocks in the commit */
	__le32	count;			/* records in this block */
	__u8	reserved[8];
	struct lclone_record_disk	records[LCLONE_LOG_RECORDS];
};

static_assert(sizeof(struct lclone_sb_disk) == LCLONE_SB_SIZE, "superblock");
static_assert(sizeof(struct lclone_node_disk) == 64, "node header");
static_assert(sizeof(struct lclone_ref_disk) == 16, "reference");
static_assert(sizeof(struct lclone_leaf_disk) == LCLONE_BLOCK_SIZE, "leaf");
static_assert(sizeof(struct lclone_index_disk) == LCLONE_BLOCK_SIZE, "index");
static_assert(sizeof(struct lclone_log_disk) == LCLONE_BLOCK_SIZE, "log");
static_assert(offsetof(struct lclone_sb_disk, virtual_sectors) == 104, "virtual_sectors");
static_assert(offsetof(struct lclone_sb_disk, label) == 200, "label");
static_assert(offsetof(struct lclone_sb_disk, generation) == 424, "generation");
static_assert(offsetof(struct lclone_sb_disk, block_size) == 440, "block_size");
static_assert(offsetof(struct lclone_sb_disk, owner) == 264, "owner");
static_assert(offsetof(struct lclone_sb_disk, ended) == 444, "ended");
static_assert(offsetof(struct lclone_sb_disk, sealed_at) == 448, "sealed_at");
static_assert(offsetof(struct lclone_sb_disk, owned_since) == 456, "owned_since");
static_assert(offsetof(struct lclone_sb_disk, took_over) == 496, "took_over");
static_assert(offsetof(struct lclone_sb_disk, base_root) == 464, "base_root");
static_assert(offsetof(struct lclone_log_disk, records) == 64, "records");

/* In-core forms */
struct lclone_sb {
	u64 compat, ro_compat, incompat;
	u8 uuid[LCLONE_UUID_SIZE];
	u64 seq;
	u64 checkpoint;
	u64 incarnation;
	u64 log_start;
	u32 log_blocks;
	u32 log_pos;
	u64 log_commit;
	u64 virtual_sectors;
	u64 device_sectors;
	u32 chunk_sectors;
	u32 root_level;
	u64 root_block;
	u32 root_csum;
	u32 first_chunk;
	u32 hwm;
	u32 freed;
	u32 state;
	u32 base_fp_alg;
	u64 base_sectors;
	u64 base_fp;
	u8 parent_uuid[LCLONE_UUID_SIZE];
	u64 merge_cursor;
	char label[LCLONE_LABEL_SIZE];		/* NUL-terminated */
	char owner[LCLONE_OWNER_SIZE];		/* NUL-terminated */
	struct {
		u64 block;
		u32 count;
	} spare[LCLONE_SPARES];			/* packed with STATE_CLEAN only */
	u64 generation;
	u64 parent_generation;
	u32 block_size;
	u32 ended;				/* see lclone_log_is_ended() */
	u64 sealed_at;
	u64 owned_since;
	u8 took_over[LCLONE_UUID_SIZE];
	u8 base_root[LCLONE_ROOT_SIZE];		/* zeros: none */
};

struct lclone_ref {
	u64 block;
	u32 csum;
	u32 flags;
};

/* Header of a log block */
struct lclone_log {
	u64 incarnation;
	u64 checkpoint;
	u64 commit;
	u32 index;
	u32 blocks;
	u32 count;
};

/* Why a verify function said no: a sentence's middle, and the two values. */
struct lclone_fault {
	const char *what;
	u64 found;
	u64 expected;
};

/*
 * Everything below is pure: no locks, no allocation, any context.  Functions
 * that verify return 0, or -EINVAL (not ours), -EBADMSG (checksum),
 * -EPROTONOSUPPORT (newer version or unknown feature) or -EUCLEAN (ours and
 * intact, but against a rule of the format), with *fault filled in.
 */

/**
 * lclone_crc32c() - the checksum of all metadata
 * @data: the data
 * @len: their length in bytes
 */
u32 lclone_crc32c(const void *data, u32 len);

/**
 * lclone_sb_pack() - bring a superblock into the form that it has on disk
 * @sb: the superblock
 * @d: gets it, with its checksum; zeroed
 */
void lclone_sb_pack(const struct lclone_sb *sb, struct lclone_sb_disk *d);

/**
 * lclone_sb_unpack() - verify a superblock as read
 * @d: what was read
 * @sb: gets it
 * @fault: why it is none
 *
 * Return: see above.
 */
int lclone_sb_unpack(const struct lclone_sb_disk *d, struct lclone_sb *sb,
		     struct lclone_fault *fault);

/**
 * lclone_sb_init() - fill in the geometry of a new, empty delta
 * @sb: gets everything but uuid, label, owner and the base's identity
 * @device_sectors: size of the device
 * @virtual_sectors: size of the clone
 * @chunk_sectors: a legal size of a chunk
 * @min_sectors: gets the smallest legal size of the device (-ENOSPC)
 *
 * Return: 0, -EFBIG if clone or device are larger than the format allows, or -ENOSPC.
 */
int lclone_sb_init(struct lclone_sb *sb, u64 device_sectors, u64 virtual_sectors,
		   u32 chunk_sectors, u64 *min_sectors);

/*
 * The owner note: which host has the delta open for writing.  It is NAME/MACHINE/BOOT: the host's
 * name, cut to LCLONE_HOST_NAME_MAX letters, digits, dots, dashes and underscores; 16 hexadecimal
 * digits that stand for its machine-id; the first 8 of its boot-id.
 */
#define LCLONE_HOST_NAME_MAX		37
#define LCLONE_MACHINE_DIGITS		16
#define LCLONE_BOOT_DIGITS		8

static inline bool lclone_is_owned(const struct lclone_sb *sb)
{
	return sb->ro_compat & LCLONE_RO_COMPAT_OWNED;
}

/**
 * lclone_owner_valid() - does a text have the form of an owner note?
 * @text: NUL-terminated
 */
bool lclone_owner_valid(const char *text);

/**
 * lclone_owner_same() - are two owner notes of the same host, whatever its name and boot?
 * @a: a valid note
 * @b: another
 */
bool lclone_owner_same(const char *a, const char *b);

/**
 * lclone_owner_note() - note which host has a delta open
 * @sb: the superblock; not sealed
 * @text: a valid note
 * @now: seconds since 1970
 *
 * The uuid that a merge has left in owner is kept in took_over meanwhile.
 */
void lclone_owner_note(struct lclone_sb *sb, const char *text, u64 now);

/**
 * lclone_owner_clear() - no host has the delta open any more
 * @sb: the superblock; as it is if there is no note
 */
void lclone_owner_clear(struct lclone_sb *sb);

/**
 * lclone_node_seal() - complete the header and the checksum of a node
 * @n: the node, its content in place
 * @uuid: of the delta
 * @checkpoint: that writes it
 * @first_chunk: that it covers
 * @level: of the node, 0: a leaf
 * @csum_out: gets the checksum, for the reference to it; or NULL
 */
void lclone_node_seal(struct lclone_node_disk *n, const u8 *uuid, u64 checkpoint,
		      u64 first_chunk, u32 level, u32 *csum_out);

/**
 * lclone_node_verify() - verify a node as read
 * @n: what was read
 * @uuid: of the delta
 * @first_chunk: that it must cover
 * @level: that it must have
 * @csum: that the reference to it has
 * @max_checkpoint: the last one that there was
 * @fault: why it is not the one
 *
 * Return: see above.
 */
int lclone_node_verify(const struct lclone_node_disk *n, const u8 *uuid, u64 first_chunk,
		       u32 level, u32 csum, u64 max_checkpoint, struct lclone_fault *fault);

/**
 * lclone_ref_pack() - bring a reference into the form that it has on disk
 * @ref: the reference
 * @d: gets it
 */
void lclone_ref_pack(struct lclone_ref ref, struct lclone_ref_disk *d);

/**
 * lclone_ref_unpack() - a reference as it is on disk
 * @d: the reference
 */
struct lclone_ref lclone_ref_unpack(const struct lclone_ref_disk *d);

/**
 * lclone_ref_verify() - does a reference lie in the chunk area of the device?
 * @sb: the superblock
 * @ref: the reference
 * @fault: why not
 *
 * Return: see above.
 */
int lclone_ref_verify(const struct lclone_sb *sb, struct lclone_ref ref,
		      struct lclone_fault *fault);

/**
 * lclone_exc_verify() - verify an exception
 * @sb: the superblock
 * @chunk: whose exception it is
 * @exc: as on disk: spare bits set are a fault
 * @fault: what is wrong with it
 *
 * Return: see above.
 */
int lclone_exc_verify(const struct lclone_sb *sb, u64 chunk, u64 exc, struct lclone_fault *fault);

/**
 * lclone_log_seal() - complete the header and the checksum of a log block
 * @d: the block, its records in place
 * @uuid: of the delta
 * @log: what the header says
 */
void lclone_log_seal(struct lclone_log_disk *d, const u8 *uuid, const struct lclone_log *log);

/**
 * lclone_log_verify() - verify a log block as read
 * @d: what was read
 * @uuid: of the delta
 * @log: gets what the header says
 * @fault: why it is none
 *
 * Return: see above.
 */
int lclone_log_verify(const struct lclone_log_disk *d, const u8 *uuid, struct lclone_log *log,
		      struct lclone_fault *fault);

/**
 * lclone_record_pack() - make the record of an exception
 * @d: gets it
 * @chunk: whose exception it is
 * @exc: the exception
 */
void lclone_record_pack(struct lclone_record_disk *d, u64 chunk, u64 exc);

/**
 * lclone_record_unpack() - verify a record of a log block that is verified
 * @sb: the superblock
 * @d: the record
 * @chunk: gets the chunk
 * @exc: gets its exception
 * @fault: what is wrong with it
 *
 * Return: 0, or -EUCLEAN for an unknown record type or a chunk or exception out of range.
 */
int lclone_record_unpack(const struct lclone_sb *sb, const struct lclone_record_disk *d,
			 u64 *chunk, u64 *exc, struct lclone_fault *fault);

/*
 * Scan of the log.  Start with lclone_scan_init(), then feed every block of
 * the log region in order of its position; *apply tells whether the block
 * starts (or goes on with) the next commit to be replayed.  A commit counts
 * only when its last block was seen: see lclone_scan.replayed.
 *
 * The log of a checkpoint begins at log_pos and is at most half of the region
 * long; the other half holds the previous checkpoint's.  The first block that
 * is not the expected one ends the log.  A valid block of this delta with a
 * later checkpoint, or of this checkpoint with a commit number past the one
 * that the log ended in, is damage and not an end (-EUCLEAN): acknowledged
 * commits would be lost.
 */
struct lclone_scan {
	const struct lclone_sb *sb;
	u64 next_commit;		/* commit expected next */
	u64 incarnation;		/* largest of the replayed commits */
	u64 max_incarnation;		/* largest in any valid block */
	u64 part_incarnation;		/* of the commit being read */
	u32 next_index, part_blocks;	/* block expected next, of how many */
	u32 end;			/* log position after the last whole commit */
	bool ended;
};

/**
 * lclone_scan_init() - begin a scan of the log
 * @scan: the scan
 * @sb: the superblock, as long as the scan lasts
 */
void lclone_scan_init(struct lclone_scan *scan, const struct lclone_sb *sb);

/**
 * lclone_scan_block() - feed the next block to a scan
 * @scan: the scan
 * @pos: of the block: log_pos .. log_pos + half - 1, then the other half
 * @d: the block
 * @whole: gets whether a commit is complete with it
 * @fault: what is wrong
 *
 * Return: see above.
 */
int lclone_scan_block(struct lclone_scan *scan, u32 pos, const struct lclone_log_disk *d,
		      bool *whole, struct lclone_fault *fault);

/*
 * The end of the log.  A writer that stops cleanly says so in its last superblock: the log is
 * empty, and nobody has written to the delta since.  That counts for this one superblock only,
 * by its number: each later one, also of a writer who does not know of it, takes it back.
 */

/**
 * lclone_log_is_ended() - does a superblock say that the log ended with it?
 * @sb: the superblock, as read
 */
static inline bool lclone_log_is_ended(const struct lclone_sb *sb)
{
	return sb->ended && sb->ended == (u32)sb->seq;
}

/**
 * lclone_log_set_ended() - say in a superblock that the log ends with it
 * @sb: the superblock, before its seq is raised for the write; its log is empty, and whoever
 *	writes to the log again writes another superblock first
 */
static inline void lclone_log_set_ended(struct lclone_sb *sb)
{
	sb->ended = (u32)(sb->seq + 1);
}

/*
 * A reader who believes it looks at samples of the log all the same: at the first blocks of each
 * half, and at less and less of those behind.
 */
#define LCLONE_PROBES_MAX		25	/* in half of the largest log */

/**
 * lclone_probe_next() - where the next sample of a half of the log lies
 * @pos: the sample before it, from the start of the half; the first is 0
 */
static inline u32 lclone_probe_next(u32 pos)
{
	return pos + 1 + pos / 2;
}

/**
 * lclone_log_is_later() - was a block of the log written after its end?
 * @sb: the superblock that says that the log ended with it
 * @d: the block
 */
bool lclone_log_is_later(const struct lclone_sb *sb, const struct lclone_log_disk *d);

/*
 * The base's identity: a mix of the crc32c of each of the first 16 blocks in the
 * upper 32 bits of the fingerprint, of 16 blocks spread over the whole (the
 * last one is among them) in the lower.  A caller reads sample 0 ..
 * LCLONE_FP_SAMPLES - 1 (a block at the given sector; what lies beyond the base
 * is zero) and feeds them in order.
 */
#define LCLONE_FP_SAMPLES		32

/**
 * lclone_fp_sample() - where a sample lies
 * @base_sectors: size of the base
 * @i: number of the sample
 *
 * Return: its first sector.
 */
u64 lclone_fp_sample(u64 base_sectors, u32 i);

/**
 * lclone_fp_update() - feed a sample
 * @fp: the fingerprint so far, 0 to begin with
 * @i: number of the sample
 * @block: the sample
 *
 * Return: the fingerprint.
 */
u64 lclone_fp_update(u64 fp, u32 i, const void *block);

/* Geometry */

/* Chunks needed for @sectors, the last may be partial. */
static inline u64 lclone_chunks(u64 sectors, u32 chunk_sectors)
{
	return (sectors + chunk_sectors - 1) / chunk_sectors;
}

/* Chunks that a node of @level covers */
static inline u64 lclone_node_span(u32 level)
{
	u64 span = LCLONE_LEAF_EXCEPTIONS;

	while (level--)
		span *= LCLONE_NODE_REFS;
	return span;
}

/* Lowest root level that covers @chunks. At most 4 for what phys can address. */
static inline u32 lclone_tree_level(u64 chunks)
{
	u32 level = 0;

	while (lclone_node_span(level) < chunks)
		level++;
	return level;
}

/* Leaves that may be dirty at a time: bounds RAM, replay and the reserve. */
static inline u32 lclone_dirty_max(const struct lclone_sb *sb)
{
	u64 blocks = sb->device_sectors / LCLONE_BLOCK_SECTORS;
	u64 leaves = (lclone_chunks(sb->virtual_sectors, sb->chunk_sectors) +
		      LCLONE_LEAF_EXCEPTIONS - 1) / LCLONE_LEAF_EXCEPTIONS;
	u64 max = blocks / 256;

	if (max > LCLONE_DIRTY_LEAVES_MAX)
		max = LCLONE_DIRTY_LEAVES_MAX;
	if (max < LCLONE_DIRTY_LEAVES_MIN)
		max = LCLONE_DIRTY_LEAVES_MIN;
	return max < leaves ? max : leaves;
}

/**
 * lclone_reserve_chunks() - chunks kept for metadata
 * @sb: the superblock
 *
 * A checkpoint of lclone_dirty_max() leaves, worst spread, with its index nodes.  Data never
 * take the last of these.
 */
u32 lclone_reserve_chunks(const struct lclone_sb *sb);

static inline u64 lclone_phys_sector(const struct lclone_sb *sb, u32 phys)
{
	return (u64)phys * sb->chunk_sectors;
}

/* First phys beyond the device */
static inline u32 lclone_phys_end(const struct lclone_sb *sb)
{
	u64 end = sb->device_sectors / sb->chunk_sectors;

	return end > LCLONE_PHYS_MASK ? LCLONE_PHYS_MASK : end;
}

#endif /* LCLONE_FORMAT_H */
