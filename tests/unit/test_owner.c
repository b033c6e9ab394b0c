// SPDX-License-Identifier: GPL-2.0-only
/* The owner note: this host's, and what another one has. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/owner.h"
#include "clone/super.h"
#include "dir.h"
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

/* What another host has is not written, until the user says so; then it has no note any more. */
static void refused(void **state)
{
	struct lclone_sb sb = { .seq = 1 }, disk;
	struct lclone_sb_disk sector;
	struct lclone_fault fault;
	struct lclone_file file;
	u64 min;
	int fd;

	(void)state;
	fd = open(path_of("delta"), O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 16 << 20), 0);
	assert_int_equal(lclone_sb_init(&sb, 32768, 8192, 128, &min), 0);
	assert_int_equal(lclone_refuse_owned("delta", &sb), 0);
	lclone_owner_note(&sb, FAR, 1700000000);
	assert_true(lclone_owned_elsewhere(&sb));
	assert_int_equal(lclone_refuse_owned("delta", &sb), -LCLONE_OWNED);
	assert_non_null(strstr(lclone_why(), "delta: the host far.example since "));
	assert_int_equal(lclone_file_open(&file, path_of("delta"), O_RDWR | O_EXCL), 0);
	assert_int_equal(lclone_super_write(&file, &sb), -LCLONE_OWNED);
	assert_int_equal(pread(fd, &sector, sizeof(sector), 0), sizeof(sector));
	assert_int_equal(sector.seq, 0);

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
	assert_int_equal(pread(fd, &sector, sizeof(sector), 0), sizeof(sector));
	assert_int_equal(lclone_sb_unpack(&sector, &disk, &fault), 0);
	assert_false(lclone_is_owned(&disk));
	assert_string_equal(disk.owner, "");
	lclone_file_close(&file);
	close(fd);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_host),
		cmocka_unit_test(texts),
		cmocka_unit_test(refused),
		cmocka_unit_test(own),
	};

	return cmocka_run_group_tests_name("owner", tests, make_dir, remove_dir);
}
