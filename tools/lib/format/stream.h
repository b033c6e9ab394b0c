/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The changes of a disk as a stream: "rbd diff v1" of Ceph, whose programs can read and merge it.
 *
 * A header, then records: a byte that says which, and what belongs to it, integers little-endian.
 * The names in it are those of layers: UUID@GENERATION; or of a base, by what is known of it.
 */
#ifndef LCLONE_STREAM_H
#define LCLONE_STREAM_H

#include "lclone_format.h"

#define LCLONE_STREAM_HEADER	"rbd diff v1\n"

enum lclone_record {
	LCLONE_RECORD_FROM = 'f',	/* le32 length, and the name of what it was changed since */
	LCLONE_RECORD_TO = 't',		/* the same, of what it has become */
	LCLONE_RECORD_SIZE = 's',	/* le64 bytes, of the disk */
	LCLONE_RECORD_DATA = 'w',	/* le64 first byte, le64 bytes, and these */
	LCLONE_RECORD_ZERO = 'z',	/* le64 first byte, le64 bytes */
	LCLONE_RECORD_END = 'e',
};

/* Room for the longest name, with its NUL */
#define LCLONE_STREAM_NAME	80

/* The name of the layer @sb, and of the base that it was made on. */
void lclone_stream_name(const struct lclone_sb *sb, char name[LCLONE_STREAM_NAME]);
void lclone_stream_base_name(const struct lclone_sb *sb, char name[LCLONE_STREAM_NAME]);

/*
 * Is this such a name, and no other text?  Sets uuid and generation of @sb, or what is known of the
 * base there. That of a layer which none can have (the null uuid, generation 0) is no name.
 */
bool lclone_stream_parse_name(const char *name, struct lclone_sb *sb);
bool lclone_stream_parse_base(const char *name, struct lclone_sb *sb);

#endif /* LCLONE_STREAM_H */
