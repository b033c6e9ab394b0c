// SPDX-License-Identifier: GPL-2.0-only
/* The owner note: this host's, and what another one has. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/active.h"
#include "clone/delta-file.h"
#include "clone/disk.h"
#include "clone/owner.h"
#include "clone/super.h"
#include "dir.h"
#include "format/layer.h"
#include "host/machine.h"
#include "test.h"

#define ID	"00112233445566778899aabbccddeeff"
#define BOOT	"fedcba98-7654-4321-8000-000000000000\n"
#define FAR	"far.example/0123456789abcdee/01234567"

/* The hash is uuid5 of Python's module uuid, in the namespace that format.rst has. */
static void this_host(void **state)
{
	static const char * const none[] = {
		"", "uninitialized\n", "00000000000000000000000000000000\n", ID "0\n",
		"0011223344556677\n", "00112233-4455-6677-8899-aabbccddeeff\n",
	};
	char owner[LCLONE_OWNER_SIZE];
	size_t i;

	(void)state;
	assert_true(lclone_owner_of("web", ID "\n", BOOT, owner));
	assert_string_equal(owner, "web/11850b167edf5618/fedcba98");
	assert_true(lclone_owner_of("", "00112233445566778899AABBCCDDEEFF", "", owner));
	assert_string_equal(owner, "localhost/11850b167edf5618/00000000");
	assert_true(lclone_owner_of("a/b \303\274\n_c", ID, BOOT, owner));
	assert_string_equal(owner, "a-b----_c/11850b167edf5618/fedcba98");
	assert_true(lclone_owner_of("a234567890123456789012345678901234567-more", ID, BOOT, owner));
	assert_string_equal(owner, "a234567890123456789012345678901234567/11850b167edf5618/fedcba98");
	assert_true(lclone_owner_valid(owner));
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_false(lclone_owner_of("web", none[i], BOOT, owner));
		assert_string_equal(owner, "");
	}
}

static void texts(void **state)
{
	char text[LCLONE_OWNER_TEXT_SIZE], name[LCLONE_HOST_NAME_MAX + 1];
	struct lclone_sb sb = { .owner = "not a note" };

	(void)state;
	assert_string_equal(lclone_owner_text(&sb, text), "");
	lclone_owner_name(&sb, name);
	assert_string_equal(name, "");
	setenv("TZ", "UTC", 1);
	lclone_owner_note(&sb, FAR, 1700000000);
	assert_string_equal(lclone_owner_text(&sb, text), "far.example since 2023-11-14 22:13:20");
	lclone_owner_name(&sb, name);
	assert_string_equal(name, "far.example");
	sb.owned_since = UINT64_MAX;		/* any number may be on a disk */
	assert_non_null(strstr(lclone_owner_text(&sb, text), "far.example"));
}

static int asked;

static int no(const char *path, const char *owner)
{
	assert_string_equal(path, "delta");
	assert_non_null(strstr(owner, "far.example since"));
	asked++;
	return lclone_fail(-ECANCELED, "no");
}

static int yes(const char *path, const char *owner)
{
	(void)path;
	(void)owner;
	asked++;
	return 0;
}

static const struct lclone_format_options options = { .virtual_sectors = 8192, .chunk_sectors = 128 };

/* A new delta that is open, with a note of its owner (NULL: none) */
static void make_delta(struct lclone_file *file, const char *owner, struct lclone_sb *sb)
{
	int fd = open(path_of("delta"), O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 16 << 20), 0);
	assert_int_equal(lclone_file_open(file, path_of("delta"), O_RDWR | O_EXCL), 0);
	assert_int_equal(lclone_format(file, NULL, &options, sb), 0);
	if (owner) {
		struct lclone_sb_disk sector;

		lclone_owner_note(sb, owner, 1700000000);
		lclone_sb_pack(sb, &sector);
		assert_int_equal(pwrite(fd, &sector, sizeof(sector), 0), sizeof(sector));
	}
	close(fd);
}

/* What another host has is not written, until the user says so; then it has no note any more. */
static void refused(void **state)
{
	struct lclone_sb sb = { .seq = 1 }, disk;
	struct lclone_file file;

	(void)state;
	assert_int_equal(lclone_refuse_owned("delta", &sb), 0);
	make_delta(&file, FAR, &sb);
	assert_true(lclone_owned_elsewhere(&sb));
	assert_int_equal(lclone_refuse_owned("delta", &sb), -LCLONE_OWNED);
	assert_non_null(strstr(lclone_why(), "delta: the host far.example since "));
	assert_int_equal(lclone_super_write(&file, &sb), -LCLONE_OWNED);
	assert_int_equal(lclone_sb_of(path_of("delta"), &disk), 0);
	assert_int_equal(disk.seq, 1);

	lclone_take_over(no);
	assert_int_equal(lclone_refuse_owned("delta", &sb), -ECANCELED);
	assert_int_equal(lclone_refuse_owned("delta", &sb), -ECANCELED);
	assert_int_equal(asked, 2);
	lclone_take_over(yes);
	assert_int_equal(lclone_refuse_owned("delta", &sb), 0);
	assert_int_equal(lclone_refuse_owned("delta", &sb), 0);
	assert_int_equal(asked, 3);		/* and not once more */
	lclone_take_over(NULL);
	assert_int_equal(lclone_super_write(&file, &sb), 0);
	assert_int_equal(lclone_sb_of(path_of("delta"), &disk), 0);
	assert_int_equal(disk.seq, 2);
	assert_false(lclone_is_owned(&disk));
	assert_string_equal(disk.owner, "");
	lclone_file_close(&file);
}

/* Nobody has taken it over by then, nor made it anything else, or what that has written is lost. */
static void changed(void **state)
{
	struct lclone_sb sb, other, disk;
	struct lclone_file file;

	(void)state;
	make_delta(&file, NULL, &sb);
	other = sb;
	assert_int_equal(lclone_super_write(&file, &other), 0);
	assert_int_equal(lclone_super_write(&file, &sb), -EBUSY);
	assert_non_null(strstr(lclone_why(), "was changed meanwhile"));
	assert_int_equal(sb.seq, 1);
	assert_int_equal(lclone_super_write(&file, &other), 0);
	assert_int_equal(lclone_super_write(&file, &sb), -EBUSY);
	assert_int_equal(lclone_sb_of(path_of("delta"), &disk), 0);
	assert_int_equal(disk.seq, 3);
	assert_int_equal(lclone_super_wipe(&file), 0);
	assert_int_equal(lclone_super_write(&file, &other), -EBUSY);
	assert_int_equal(lclone_file_is_blank(&file), 0);
	lclone_file_close(&file);
}

/* What a revert leaves of a clone that has met an error, and kept its note, is no damage. */
static void abandoned(void **state)
{
	char owner[LCLONE_OWNER_SIZE];
	struct lclone_file file;
	struct lclone_sb sb;

	(void)state;
	if (!lclone_this_host(owner))
		skip();
	make_delta(&file, owner, &sb);
	lclone_file_close(&file);
	assert_int_equal(lclone_abandon_delta(path_of("delta")), 0);
	assert_int_equal(lclone_sb_of(path_of("delta"), &sb), 0);
	assert_int_equal(sb.seq, 2);
	assert_true(sb.state & LCLONE_STATE_SEALED);
	assert_false(lclone_is_owned(&sb));
}

/* A clone is active here, or nobody has it. */
static bool active;

int __wrap_lclone_open_delta_file_now(const char *path, void (*stale)(const char *why),
				      struct lclone_file *file, struct lclone_moment *moment,
				      const struct lclone_dev **dev);
int __wrap_lclone_open_delta_file_now(const char *path, void (*stale)(const char *why),
				      struct lclone_file *file, struct lclone_moment *moment,
				      const struct lclone_dev **dev)
{
	int err = lclone_file_open(file, path, O_RDONLY);

	(void)stale;
	memset(moment, 0, sizeof(*moment));
	*dev = active ? &moment->dev : &file->dev;
	return err ?: active ? lclone_moment_read(moment, &file->dev) : 0;
}

static int look(void)
{
	const struct lclone_parents none = { .count = 0 };
	struct disk disk;
	int err = lclone_open_disk_now(path_of("delta"), &none, &disk);

	lclone_close_disk(&disk);
	return err;
}

/* The host has got another machine-id since it has opened the clone. */
static void renamed_while_active(void **state)
{
	struct lclone_file file;
	struct lclone_sb sb;

	(void)state;
	make_delta(&file, FAR, &sb);
	lclone_file_close(&file);
	active = false;
	assert_int_equal(look(), -LCLONE_OWNED);
	active = true;
	assert_int_equal(look(), 0);
}

/* A note of this host is nobody else's: it is kept by who writes meanwhile. */
static void own(void **state)
{
	char owner[LCLONE_OWNER_SIZE];
	struct lclone_sb sb = { };

	(void)state;
	if (!lclone_this_host(owner))
		skip();
	assert_true(lclone_owner_valid(owner));
	lclone_owner_note(&sb, owner, 1);
	assert_false(lclone_owned_elsewhere(&sb));
}

/* A note is not the uuid that a merge of layers leaves in its place */
static void no_uuid(void **state)
{
	struct lclone_sb sb = { .state = LCLONE_STATE_SEALED | LCLONE_STATE_MERGING };
	static const u8 upper[LCLONE_UUID_SIZE] = { 1 };

	(void)state;
	assert_false(lclone_half_merged(&sb));
	lclone_owner_set(&sb, upper);
	assert_true(lclone_half_merged_with(&sb, upper));
	/* a clone in use, being merged into its base, of which a snapshot is made */
	memset(sb.owner, 0, sizeof(sb.owner));
	lclone_owner_note(&sb, FAR, 1);
	assert_false(lclone_half_merged(&sb));
	assert_false(lclone_half_written(&sb));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_host),
		cmocka_unit_test(texts),
		cmocka_unit_test(changed),
		cmocka_unit_test(abandoned),
		cmocka_unit_test(renamed_while_active),
		cmocka_unit_test(refused),
		cmocka_unit_test(own),
		cmocka_unit_test(no_uuid),
	};

	return cmocka_run_group_tests_name("owner", tests, make_dir, remove_dir);
}
