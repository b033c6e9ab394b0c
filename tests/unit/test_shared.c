// SPDX-License-Identifier: GPL-2.0-only
/* Layers that are there are shared by what is imported, and what is wrong with others is not ours. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/fail.h"
#include "dir.h"
#include "online/deploy.h"
#include "online/import-name.h"
#include "test.h"

/* Volumes are files in the directory of the tests. */
static struct lclone_lv volumes[8];
static size_t count;
static const char *broken;		/* cannot be activated */
static char done[512];
static int lock = -1;			/* of the making of clones: the other end of a pipe */
static unsigned int locked;		/* devices, while they are written */

static void note(const char *what)
{
	strcat(strcat(done, what), " ");
}

static void run(const char *script)
{
	char command[4096];

	snprintf(command, sizeof(command), "set -e; cd %s; { %s; } >log 2>&1 || { cat log; false; }",
		 path_of("."), script);
	if (system(command))
		fail_msg("%s", script);
}

static void make_file(const char *name, u64 sectors)
{
	char script[256];

	snprintf(script, sizeof(script), "truncate -s %llu %s", (unsigned long long)sectors << 9,
		 name);
	run(script);
}

int __wrap_lclone_template_find(const char *name, struct lclone_lv *lv);
int __wrap_lclone_template_find(const char *name, struct lclone_lv *lv)
{
	*lv = (struct lclone_lv){ .kind = LCLONE_LV_BASE, .vg = "vg", .sectors = 2048 };
	strcpy(lv->name, name);
	strcpy(lv->lv, "base");
	return 0;
}

void __wrap_lclone_lv_path(const struct lclone_lv *lv, char path[LCLONE_LV_PATH_SIZE]);
void __wrap_lclone_lv_path(const struct lclone_lv *lv, char path[LCLONE_LV_PATH_SIZE])
{
	snprintf(path, LCLONE_LV_PATH_SIZE, "%s", path_of(lv->lv));
}

int __wrap_lclone_lv_list(struct lclone_lv **lvs, size_t *n);
int __wrap_lclone_lv_list(struct lclone_lv **lvs, size_t *n)
{
	*lvs = calloc(8, sizeof(**lvs));
	memcpy(*lvs, volumes, sizeof(volumes));
	*n = count;
	return 0;
}

int __wrap_lclone_lv_activate(const struct lclone_lv *lv);
int __wrap_lclone_lv_activate(const struct lclone_lv *lv)
{
	return broken && !strcmp(lv->lv, broken) ? lclone_fail(-ECHILD, "lvchange failed") : 0;
}

int __wrap_lclone_lv_set_vg(struct lclone_lv *lv, const char *vg);
int __wrap_lclone_lv_set_vg(struct lclone_lv *lv, const char *vg)
{
	strcpy(lv->vg, vg);
	return 0;
}

int __wrap_lclone_lv_free_name(const char *vg, const char *first, char name[LCLONE_NAME_SIZE]);
int __wrap_lclone_lv_free_name(const char *vg, const char *first, char name[LCLONE_NAME_SIZE])
{
	(void)vg;
	strcpy(name, first);
	return 0;
}

int __wrap_lclone_lv_create(const struct lclone_lv *lv);
int __wrap_lclone_lv_create(const struct lclone_lv *lv)
{
	make_file(lv->lv, lv->sectors);
	volumes[count++] = *lv;
	note("created");
	note(lv->lv);
	return 0;
}

int __wrap_lclone_lv_keep(const struct lclone_lv *lv);
int __wrap_lclone_lv_keep(const struct lclone_lv *lv)
{
	if (lv->is_new) {
		note("kept");
		note(lv->lv);
		volumes[0].is_new = false;
	}
	return 0;
}

int __wrap_lclone_lock_creation(int kind);
int __wrap_lclone_lock_creation(int kind)
{
	int ends[2];

	(void)kind;
	close(lock);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	lock = ends[0];
	return ends[1];
}

int __wrap_lclone_check_free_name(const char *name);
int __wrap_lclone_check_free_name(const char *name)
{
	(void)name;
	return 0;
}

int __wrap_lclone_wipe_recycled(const char *path);
int __wrap_lclone_wipe_recycled(const char *path)
{
	(void)path;
	return 0;
}

int __wrap_lclone_deploy(const char *const *names, size_t n, const struct deployment *d,
			 struct lclone_names *failed);
int __wrap_lclone_deploy(const char *const *names, size_t n, const struct deployment *d,
			 struct lclone_names *failed)
{
	const struct format_arguments format = { .chunk_sectors = d->creation->format->chunk_sectors };
	struct lclone_lv lv = { .kind = LCLONE_LV_DELTA, .vg = "vg" };
	struct lclone_file file;
	u32 i;
	int err;

	assert_int_equal(n, 1);
	(void)failed;
	note(d->filled ? "found on" : "on");
	for (i = 0; i < d->layers->count; i++)
		note(strrchr(d->layers->path[i], '/') + 1);
	if (d->filled)
		return 0;
	strcpy(lv.name, names[0]);
	strcpy(lv.from, d->from);
	snprintf(lv.lv, sizeof(lv.lv), "%s-delta", names[0]);
	volumes[count++] = lv;
	make_file(lv.lv, d->delta_sectors);
	err = lclone_file_open_ready(&file, path_of(lv.lv), O_RDWR | O_EXCL) ?:
	      d->fill(d->ctx, &file, &format);
	lclone_file_close(&file);
	return err;
}

static void told(void *ctx, const struct lclone_image_file *file, const char *path, bool made)
{
	(void)ctx;
	(void)file;
	(void)path;
	(void)made;
}

/* Who has to be alone with that need not wait till all is written, and cannot take it meanwhile. */
static int progress(void *ctx, const char *phase, u64 at, u64 total)
{
	struct pollfd end = { .fd = lock };

	(void)ctx;
	(void)at;
	(void)total;
	assert_true(lock < 0 || poll(&end, 1, 0) == 1);	/* it is closed */
	if (!strcmp(phase, "importing")) {
		run("! flock -n -x web*-1 true");
		locked++;
	}
	return 0;
}

/* A base, and an overlay on an overlay on that */
static int begin(void **state)
{
	(void)state;
	run("rm -rf *; head -c 1M /dev/urandom >base; cp base base.raw");
	run("qemu-img create -q -f qcow2 -b base.raw -F raw 1.qcow2; qemu-img create -q -f qcow2 -b 1.qcow2 -F qcow2 2.qcow2");
	run("qemu-io -f qcow2 1.qcow2 -c 'write -P 1 64k 64k'; qemu-io -f qcow2 2.qcow2 -c 'write -P 2 96k 64k'");
	memset(volumes, 0, sizeof(volumes));
	count = 0;
	broken = NULL;
	setenv("LCLONE_TAB", path_of("tab"), 1);
	return 0;
}

static int import(const char *name, u32 chunk_sectors)
{
	static const struct lclone_features features;
	const struct lclone_watch watch = { .progress = progress };
	char file[512];
	const struct lclone_import_from from = { .file = file, .chain = true };
	const struct lclone_import_name in = {
		.from = &from, .name = name, .template = "deb", .features = &features,
		.chunk_sectors = chunk_sectors, .watch = &watch, .told = told,
	};

	snprintf(file, sizeof(file), "%s", path_of("2.qcow2"));
	done[0] = '\0';
	return lclone_import_by_name(&in);
}

static void imported(const char *name, u32 chunk_sectors, const char *wanted)
{
	if (import(name, chunk_sectors))
		fail_msg("%s", lclone_why());
	assert_string_equal(done, wanted);
}

static void shared(void **state)
{
	(void)state;
	locked = 0;
	imported("web1", 0, "created web1-1 on web1-1 ");
	assert_true(locked);
	imported("web2", 0, "on web1-1 ");
	/* one with other chunks would be of no use to what lies on it */
	imported("web3", 64, "created web3-1 on web3-1 ");
	imported("web4", 64, "on web3-1 ");
}

/* A volume that cannot be activated, and one that is damaged */
static void not_ours(void **state)
{
	(void)state;
	imported("web1", 0, "created web1-1 on web1-1 ");
	broken = "web1-1";
	imported("web2", 0, "created web2-1 on web2-1 ");
	strcpy(volumes[2].from, "another");
	broken = NULL;
	run("dd if=/dev/zero of=web1-1 bs=4k seek=4 count=$(($(stat -c %s web1-1) / 4096 - 4)) conv=notrunc");
	imported("web3", 0, "created web3-1 on web3-1 ");
}

/* What a run has kept, and not entered in lclonetab, is ended if it has what the file has. */
static void kept(void **state)
{
	(void)state;
	imported("web1", 0, "created web1-1 on web1-1 ");
	imported("web1", 0, "found on web1-1 ");
	assert_int_equal(import("web1", 64), -EEXIST);
	assert_string_equal(done, "");
	/* its layer is whole, but that run has not said so */
	volumes[0].is_new = true;
	imported("web1", 0, "kept web1-1 found on web1-1 ");
	run("qemu-io -f qcow2 2.qcow2 -c 'write -P 3 128k 512'");
	assert_int_equal(import("web1", 0), -EEXIST);
	assert_string_equal(done, "");
	assert_non_null(strstr(lclone_why(), "its delta is on vg/web1-delta"));
	run("qemu-io -f qcow2 2.qcow2 -c 'write -P 2 128k 512'");
	imported("web1", 0, "found on web1-1 ");
	run("qemu-io -f qcow2 1.qcow2 -c 'write -P 3 64k 512'");
	assert_int_equal(import("web1", 0), -EEXIST);
	assert_string_equal(done, "");
}

static int remove_all(void **state)
{
	run("rm -rf *");
	return remove_dir(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(shared, begin),
		cmocka_unit_test_setup(not_ours, begin),
		cmocka_unit_test_setup(kept, begin),
	};

	return cmocka_run_group_tests_name("shared", tests, make_dir, remove_all);
}
