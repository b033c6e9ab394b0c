// SPDX-License-Identifier: GPL-2.0-only
/* What a word means where there are clones, snapshots and files of that name. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/snapshot.h"
#include "clone/word.h"
#include "dir.h"
#include "test.h"

/* There are the clones web1, which is active, web2, and one called a@b; web1 has one snapshot. */

int __wrap_lclone_name_find(const char *name, struct lclone_named *named);
int __wrap_lclone_name_find(const char *name, struct lclone_named *named)
{
	memset(named, 0, sizeof(*named));
	if (!strncmp(name, "web4", 4))
		return lclone_fail(-EIO, "there is no device-mapper");
	if (strcmp(name, "web1") && strcmp(name, "web2") && strcmp(name, "a@b"))
		return lclone_fail(-ENXIO, "there is no clone %s", name);
	snprintf(named->delta, sizeof(named->delta), "/dev/vg/%s", name);
	strcpy(named->base, "/dev/vg/deb");
	named->active = !strcmp(name, "web1");
	return 0;
}

int __wrap_lclone_named_activate(struct lclone_named *named);
int __wrap_lclone_named_activate(struct lclone_named *named)
{
	(void)named;
	return 0;
}

int __wrap_lclone_snapshot_find(const char *clone, const char *snapshot,
				struct lclone_named *named, struct lclone_layers *layers, u32 *at);
int __wrap_lclone_snapshot_find(const char *clone, const char *snapshot,
				struct lclone_named *named, struct lclone_layers *layers, u32 *at)
{
	int err = __wrap_lclone_name_find(clone, named);

	layers->count = 0;
	if (err)
		return err;
	if (strcmp(snapshot, "monday"))
		return lclone_fail(-ENOENT, "%s has no snapshot %s", clone, snapshot);
	layers->count = 1;
	layers->layer[0].path = strdup("/dev/vg/web1-monday");
	*at = 0;
	return 0;
}

static struct lclone_word meant;

static void means(const char *word, const char *delta, const char *base, bool changes)
{
	char path[PATH_MAX];

	assert_int_equal(lclone_word_find(word, &meant), 0);
	assert_string_equal(meant.delta, delta);
	assert_string_equal(meant.base, base);
	assert_int_equal(meant.changes, changes);
	assert_int_equal(lclone_delta_path(word, path), 0);
	assert_string_equal(path, delta);
}

static void none_of_them_a_file(void **state)
{
	char path[PATH_MAX];

	(void)state;
	means("web1", "/dev/vg/web1", "/dev/vg/deb", true);
	means("web2", "/dev/vg/web2", "/dev/vg/deb", false);
	means("a@b", "/dev/vg/a@b", "/dev/vg/deb", false);
	means("web1@monday", "/dev/vg/web1-monday", "/dev/vg/deb", false);
	means("/dev/vg/web1", "/dev/vg/web1", "", false);
	means("./web1@monday", "./web1@monday", "", false);
	assert_int_equal(lclone_word_find("web3", &meant), -ENXIO);
	assert_int_equal(lclone_word_find("web3@monday", &meant), -ENXIO);
	assert_int_equal(lclone_word_find("web1@friday", &meant), -ENOENT);
	assert_int_equal(lclone_delta_path("web1@friday", path), -ENOENT);
	assert_int_equal(lclone_delta_path("web3", path), 0);	/* whoever opens it says so */
	assert_string_equal(path, "web3");
}

static void make_file(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* Where the output goes, the shell has made before: it is not what was meant to be read. */
static void all_of_them_files(void **state)
{
	(void)state;
	assert_int_equal(chdir(path_of("")), 0);
	make_file("web1");
	make_file("web1@monday");
	make_file("web1@friday");
	make_file("web3@monday");
	make_file("web4@monday");
	means("web1", "web1", "", false);
	means("./web1@monday", "./web1@monday", "", false);
	means("web1@monday", "/dev/vg/web1-monday", "/dev/vg/deb", false);
	means("web1@friday", "web1@friday", "", false);
	means("web3@monday", "web3@monday", "", false);
	assert_int_equal(lclone_word_find("web4@monday", &meant), -EIO);	/* nobody knows */
	assert_non_null(strstr(lclone_why(), "./web4@monday is the file"));
	assert_int_equal(chdir("/"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_of_them_a_file),
		cmocka_unit_test(all_of_them_files),
	};

	return cmocka_run_group_tests_name("words", tests, make_dir, remove_dir);
}
