// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <uuid/uuid.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/active.h"
#include "clone/delta-file.h"
#include "clone/word.h"
#include "cmd/commands.h"
#include "format/verity.h"
#include "ui/output.h"

/*
 * One list of fields, in the order of the superblock, for text and JSON.  An
 * empty text is left out of the text form.
 */
struct field {
	const char *name;
	enum { NUMBER, HEX, TEXT } kind;
	u64 number;
	char text[LCLONE_ROOT_TEXT];	/* nor is a label longer */
};

#define FIELDS	40

struct fields {
	struct field field[FIELDS];
	int count;
};

static void add_number(struct fields *f, const char *name, u64 number)
{
	f->field[f->count++] = (struct field){ .name = name, .kind = NUMBER, .number = number };
}

static void add_hex(struct fields *f, const char *name, u64 number)
{
	f->field[f->count++] = (struct field){ .name = name, .kind = HEX, .number = number };
}

static void add_text(struct fields *f, const char *name, const char *text)
{
	struct field *field = &f->field[f->count++];

	*field = (struct field){ .name = name, .kind = TEXT };
	snprintf(field->text, sizeof(field->text), "%s", text);
}

static void add_state(struct fields *f, u32 state)
{
	char text[LCLONE_LABEL_SIZE];

	snprintf(text, sizeof(text), "%s%s%s%s", state & LCLONE_STATE_SEALED ? "sealed " : "",
		 state & LCLONE_STATE_MERGING ? "merging " : "",
		 state & LCLONE_STATE_NEEDS_CHECK ? "needs-check " : "",
		 state & LCLONE_STATE_CLEAN ? "clean " : "");
	if (text[0])
		text[strlen(text) - 1] = '\0';
	add_text(f, "state", text);
}

static void superblock_fields(struct fields *f, const struct lclone_sb *sb)
{
	char uuid[UUID_STR_LEN], root[LCLONE_ROOT_TEXT];

	f->count = 0;
	uuid_unparse(sb->uuid, uuid);
	add_number(f, "version", LCLONE_VERSION);
	add_hex(f, "compat", sb->compat);
	add_hex(f, "ro_compat", sb->ro_compat);
	add_hex(f, "incompat", sb->incompat);
	add_text(f, "uuid", uuid);
	add_text(f, "label", sb->label);
	add_text(f, "owner", sb->owner);
	add_state(f, sb->state);
	add_number(f, "sequence", sb->seq);
	add_number(f, "checkpoint", sb->checkpoint);
	add_number(f, "incarnation", sb->incarnation);
	add_number(f, "virtual_sectors", sb->virtual_sectors);
	add_number(f, "device_sectors", sb->device_sectors);
	add_number(f, "chunk_sectors", sb->chunk_sectors);
	add_number(f, "log_start", sb->log_start);
	add_number(f, "log_blocks", sb->log_blocks);
	add_number(f, "log_pos", sb->log_pos);
	add_number(f, "log_commit", sb->log_commit);
	add_number(f, "root_block", sb->root_block);
	add_number(f, "root_level", sb->root_level);
	add_hex(f, "root_csum", sb->root_csum);
	add_number(f, "first_chunk", sb->first_chunk);
	add_number(f, "high_water_mark", sb->hwm);
	add_number(f, "freed", sb->freed);
	add_text(f, "base_fingerprint_algorithm",
		 sb->base_fp_alg == LCLONE_FP_NONE ? "none" : "crc32c-samples");
	add_number(f, "base_sectors", sb->base_sectors);
	add_hex(f, "base_fingerprint", sb->base_fp);
	lclone_root_text(sb->base_root, root);
	add_text(f, "base_root_hash", lclone_root_is_set(sb->base_root) ? root : "");
	uuid_unparse(sb->parent_uuid, uuid);
	add_text(f, "parent_uuid", uuid_is_null(sb->parent_uuid) ? "" : uuid);
	add_number(f, "merge_cursor", sb->merge_cursor);
	add_number(f, "block_size", sb->block_size);
	add_number(f, "ended", sb->ended);
	add_number(f, "sealed_at", sb->sealed_at);
	add_number(f, "owned_since", sb->owned_since);
	uuid_unparse(sb->took_over, uuid);
	add_text(f, "took_over", uuid_is_null(sb->took_over) ? "" : uuid);
}

/* What is not in the superblock but follows from it and from the log */
static void layout_fields(struct fields *f, const struct lclone_delta *delta)
{
	int damaged = lclone_delta_damaged_slot(delta);

	f->count = 0;
	add_text(f, "newest_superblock", delta->newest ? "B" : "A");
	add_text(f, "damaged_superblock", damaged < 0 ? "" : damaged ? "B" : "A");
	add_number(f, "virtual_chunks", delta->chunks);
	add_number(f, "device_chunks", lclone_phys_end(&delta->sb));
	add_number(f, "reserved_chunks", lclone_reserve_chunks(&delta->sb));
	add_number(f, "log_commits", delta->commits);
	add_number(f, "log_end", delta->scan.end);
	add_number(f, "log_exceptions", delta->log_count);
	add_number(f, "effective_high_water_mark", delta->hwm);
}

static void print_fields(const char *title, const struct fields *f)
{
	char text[4 * LCLONE_LABEL_SIZE];
	int i;

	printf("%s:\n", title);
	for (i = 0; i < f->count; i++) {
		const struct field *field = &f->field[i];

		if (field->kind == NUMBER)
			printf("  %-27s%llu\n", field->name, (unsigned long long)field->number);
		else if (field->kind == HEX)
			printf("  %-27s0x%llx\n", field->name, (unsigned long long)field->number);
		else if (field->text[0])
			printf("  %-27s%s\n", field->name,
			       lclone_text_plain(text, sizeof(text), field->text));
	}
}

/* 64-bit hex values are strings in JSON: many readers have no such integers. */
static void print_fields_json(const char *title, const struct fields *f)
{
	struct json_object *o = json_object_new_object(), *value;
	char text[4 * LCLONE_LABEL_SIZE];
	int i;

	for (i = 0; i < f->count; i++) {
		const struct field *field = &f->field[i];

		if (field->kind == NUMBER) {
			value = json_object_new_uint64(field->number);
		} else if (field->kind == HEX) {
			snprintf(text, sizeof(text), "0x%llx", (unsigned long long)field->number);
			value = json_object_new_string(text);
		} else {
			lclone_text_utf8(text, sizeof(text), field->text);
			value = json_object_new_string(text);
		}
		json_object_object_add(o, field->name, value);
	}
	printf("  \"%s\": %s,\n", title,
	       json_object_to_json_string_ext(o, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

/* One at a time: there may be many millions. */
static int print_exceptions(struct lclone_delta *delta, const char *path, bool json)
{
	struct lclone_iter it;
	u64 chunk, exc;
	bool first = true;
	int ret;

	printf(json ? "  \"exceptions\": [" : "exceptions:\n  chunk: chunk of the delta, written, zero\n");
	lclone_iter_init(&it, delta, 0);
	while ((ret = lclone_iter_next(&it, &chunk, &exc)) > 0) {
		if (json)
			printf("%s\n    { \"chunk\": %llu, \"delta_chunk\": %u, \"written\": %u, \"zero\": %u }",
			       first ? "" : ",", (unsigned long long)chunk, lclone_exc_phys(exc),
			       lclone_exc_written(exc), lclone_exc_zero(exc));
		else
			printf("  %llu: %u, %04x, %04x\n", (unsigned long long)chunk,
			       lclone_exc_phys(exc), lclone_exc_written(exc),
			       lclone_exc_zero(exc));
		first = false;
	}
	if (json)
		printf("\n  ]\n");
	return ret < 0 ? lclone_fail(ret, "%s: %s", path, delta->why) : 0;
}

static int dump(const char *path, bool json)
{
	void (*print)(const char *title, const struct fields *f) =
		json ? print_fields_json : print_fields;
	struct lclone_delta delta = { .dev = NULL };
	const struct lclone_dev *dev;
	struct lclone_moment moment;
	struct lclone_file file;
	struct fields fields;
	int err;

	err = lclone_open_delta_file_now(path, NULL, &file, &moment, &dev);
	if (!err)
		err = lclone_open_delta_on(path, dev, &delta);
	if (!err) {
		if (json)
			printf("{\n  \"version\": %d,\n", JSON_VERSION);
		superblock_fields(&fields, &delta.slot[delta.newest].sb);
		print("superblock", &fields);
		layout_fields(&fields, &delta);
		print("layout", &fields);
		err = print_exceptions(&delta, path, json);
		if (json)
			printf("}\n");
		if (!err && !lclone_delta_unchanged(&delta))
			err = lclone_fail(-EBUSY, "%s was changed while it was read: run it again", path);
	}
	lclone_close_delta(&file, &delta);
	lclone_moment_free(&moment);
	return err;
}

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	char path[PATH_MAX];
	bool json = false;
	int option, ret = 0;

	while ((option = next_option(&cmd_dump, argc, argv, options, &ret)) != -1) {
		if (option != 'j')
			return ret;
		json = true;
	}
	if (argc - optind != 1)
		return usage_error(&cmd_dump, "needs a delta, or a name");
	return lclone_delta_path(argv[optind], path) ?: dump(path, json);
}

const struct command cmd_dump = {
	.name = "dump",
	.summary = "show superblock, layout and exceptions of a delta",
	.usage =
	"dump [--json] NAME[@SNAPSHOT]|DELTA\n\n"
	"Shows the superblock of DELTA, its layout, and its exceptions, log included. If it is\n"
	"active this is what it had at one moment.\n\n"
	"  --json  as a JSON object\n",
	.run = run,
};
