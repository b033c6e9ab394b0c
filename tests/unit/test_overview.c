// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clones side by side, and by their names: what is active, what lclonetab has, what is on devices.
 * Device-mapper and the devices of the host are these.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/fail.h"
#include "clone/family.h"
#include "clone/overview.h"
#include "dir.h"
#include "image.h"
#include "offline/picture.h"
#include "test.h"

#define DELTAS	4

static const char * const paths[DELTAS] = { "vg/asleep", "/dev/vg/base-layer", "/dev/vg/d1",
					    "/dev/vg/d2" };

/* What is sealed besides base-layer, and when */
static u64 sealed_at[DELTAS];

/* d1 lies on base-layer and is the active clone web1; the others are not active. */
int __wrap_lclone_family_read(struct family *t);
int __wrap_lclone_family_read(struct family *t)
{
	t->inv.found = calloc(DELTAS, sizeof(*t->inv.found));
	t->inv.clones = calloc(1, sizeof(*t->inv.clones));
	t->node = calloc(DELTAS, sizeof(*t->node));
	t->inv.count = DELTAS;
	t->inv.clone_count = 1;
	strcpy(t->inv.clones[0].name, "web1");
	strcpy(t->inv.clones[0].table.base, "/dev/vg/template");
	strcpy(t->inv.clones[0].table.delta, paths[2]);
	t->inv.clones[0].table.parents = 1;
	t->inv.clones[0].sectors = 2048;
	for (size_t i = 0; i < DELTAS; i++) {
		t->inv.found[i].path = strdup(paths[i]);
		t->inv.found[i].sb = (struct lclone_sb){ .virtual_sectors = 4096, .chunk_sectors = 128,
							 .hwm = 13, .first_chunk = 3,
							 .device_sectors = 8192 };
		snprintf(t->inv.found[i].sb.label, LCLONE_LABEL_SIZE, "label %zu", i);
		t->node[i].found = &t->inv.found[i];
		strcpy(t->node[i].base, "/dev/vg/template");
	}
	t->inv.found[1].sb.state = LCLONE_STATE_SEALED;
	t->node[2].parent = &t->node[1];
	t->node[2].clone = &t->inv.clones[0];
	t->node[3].parent = &t->node[1];
	for (size_t i = 0; i < DELTAS; i++)
		if (sealed_at[i]) {
			t->inv.found[i].sb.state = LCLONE_STATE_SEALED;
			t->inv.found[i].sb.sealed_at = sealed_at[i];
		}
	if (sealed_at[0])
		t->node[0].parent = &t->node[3];
	return 0;
}

int __wrap_lclone_dm_status(const char *name, struct lclone_status *status);
int __wrap_lclone_dm_status(const char *name, struct lclone_status *status)
{
	assert_string_equal(name, "web1");
	*status = (struct lclone_status){ .mode = "rw", .chunk_sectors = 128, .used = 5,
					  .total = 50 };
	return 0;
}

/* What map asks for: nothing is active, and d1 is no clone, but a volume */
int __wrap_lclone_dm_get(const char *name, struct lclone_clone *clone);
int __wrap_lclone_dm_get(const char *name, struct lclone_clone *clone)
{
	(void)clone;
	return strcmp(name, "vg-d1") ?
	       lclone_fail(-ENXIO, "there is no active clone %s", name) :
	       lclone_fail(-ENOTTY, "%s is not a linked clone", name);
}

static void write_tab(const char *text)
{
	const char *path = path_of("tab");
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	setenv("LCLONE_TAB", path, 1);
}

static const struct lclone_row *row_of(const struct lclone_overview *o, const char *delta)
{
	for (size_t i = 0; i < o->count; i++)
		if (!strcmp(o->row[i].delta, delta))
			return &o->row[i];
	return NULL;
}

static void names_are_those_of_the_tab(void **state)
{
	struct lclone_overview o = { .count = 0 };
	const struct lclone_row *r;

	(void)state;
	write_tab("web1 /dev/vg/other /dev/vg/d0\n"	/* not what is active by that name now */
		  "broken\n"
		  "web2 /dev/vg/template /dev/vg/d2\n"
		  "web3 - /dev/vg/asleep noauto\n"
		  "web4 /dev/vg/gone-base /dev/vg/gone\n");
	assert_int_equal(lclone_overview_read_all(&o, true), 0);
	assert_int_equal(o.count, DELTAS + 1);

	r = &o.row[0];
	assert_true(r->active && r->has_sb);
	assert_string_equal(r->name, "web1");
	assert_string_equal(r->delta, "/dev/vg/d1");
	assert_string_equal(r->sb.label, "label 2");
	assert_int_equal(r->depth, 2);
	assert_int_equal(r->size_bytes, 2048 * 512);
	assert_int_equal(r->used_bytes, 5 * 128 * 512);
	assert_int_equal(r->total_bytes, 50 * 128 * 512);
	assert_float_equal(lclone_row_percent(r), 10, 1e-9);

	r = row_of(&o, "/dev/vg/d2");
	assert_true(!r->active && r->has_sb && r->depth == 2);
	assert_string_equal(r->name, "web2");
	assert_int_equal(r->size_bytes, 4096 * 512);
	assert_int_equal(r->used_bytes, 10 * 128 * 512);
	assert_int_equal(r->total_bytes, 8192 * 512);
	assert_string_equal(row_of(&o, "vg/asleep")->name, "web3");
	assert_string_equal(row_of(&o, "/dev/vg/base-layer")->name, "");

	r = row_of(&o, "/dev/vg/gone");
	assert_true(!r->active && !r->has_sb && !r->depth && !lclone_row_percent(r));
	assert_string_equal(r->name, "web4");
	assert_string_equal(r->base, "/dev/vg/gone-base");
	lclone_overview_free(&o);
}

/* Only what is active, with its superblock; lclonetab does not count. */
static void active_only(void **state)
{
	struct lclone_overview o = { .count = 0 };

	(void)state;
	write_tab("web2 /dev/vg/template /dev/vg/d2\n");
	assert_int_equal(lclone_overview_read_all(&o, false), 0);
	assert_int_equal(o.count, 1);
	assert_true(o.row[0].has_sb);
	lclone_overview_free(&o);
}

/* asleep lies on d2, and that on base-layer. */
static void layers_are_in_order_of_their_chain(void **state)
{
	static const u64 times[][DELTAS] = {
		{ 500, 500, 0, 500 },	/* in one second, as received ones can be */
		{ 400, 600, 0, 500 },	/* by clocks that went wrong */
		{ 1, 1ull << 33, 0, 2 },
	};
	struct lclone_overview o;

	(void)state;
	write_tab("");
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		memcpy(sealed_at, times[i], sizeof(sealed_at));
		o = (struct lclone_overview){ .count = 0 };
		assert_int_equal(lclone_overview_read_all(&o, true), 0);
		assert_true(lclone_row_taken(row_of(&o, paths[1])) <
			    lclone_row_taken(row_of(&o, paths[3])));
		assert_true(lclone_row_taken(row_of(&o, paths[3])) <
			    lclone_row_taken(row_of(&o, paths[0])));
		lclone_overview_free(&o);
	}
	memset(sealed_at, 0, sizeof(sealed_at));
}

/* A delta in a file, which has a name below /dev, as lclonetab wants it */
static int write_image(const struct image *img, const char *name, char path[32])
{
	int fd = open(path_of(name), O_RDWR | O_CREAT | O_TRUNC, 0600);
	size_t size = 65536 * 512;

	assert_true(fd >= 0);
	assert_true(write(fd, img->data, size) == (ssize_t)size);
	snprintf(path, 32, "/dev/fd/%d", fd);
	return fd;
}

static void map_takes_a_name_of_the_tab(void **state)
{
	struct image_size size = { 65536, 15001, 20480, 64 };
	struct lclone_parents none = { 0 };
	struct lclone_picture p;
	char text[4096], path[2][32];
	struct image img[2];
	int fd[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		image_init(&img[i], &size, 3 + i);
		assert_true(image_populate(&img[i], 30));
		image_link(&img[i], i ? &img[0] : NULL, !i);
		fd[i] = write_image(&img[i], i ? "upper" : "lower", path[i]);
	}
	snprintf(text, sizeof(text), "web1 /dev/vg/template %s parent=%s,nofail\n",
		 path[1], path[0]);
	write_tab(text);

	p = (struct lclone_picture){ .cells = 0 };
	assert_int_equal(lclone_picture_read("/dev/mapper/web1", &none, 100, &p), 0);
	assert_string_equal(p.name, "web1");
	assert_int_equal(p.sources, 4);
	assert_string_equal(p.part[0].path, path[1]);
	assert_string_equal(p.part[1].path, path[0]);
	assert_string_equal(p.part[2].path, "/dev/vg/template");
	lclone_picture_free(&p);

	p = (struct lclone_picture){ .cells = 0 };
	assert_int_equal(lclone_picture_read("web2", &none, 100, &p), -ENXIO);
	assert_string_equal(lclone_why(), "there is no active clone web2");
	assert_int_equal(lclone_picture_read("vg-d1", &none, 100, &p), -ENOTTY);
	/* ... but a path of a volume is looked at */
	assert_int_not_equal(lclone_picture_read("/dev/mapper/vg-d1", &none, 100, &p), -ENOTTY);
	lclone_picture_free(&p);
	for (int i = 0; i < 2; i++) {
		image_free(&img[i]);
		close(fd[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_those_of_the_tab),
		cmocka_unit_test(active_only),
		cmocka_unit_test(layers_are_in_order_of_their_chain),
		cmocka_unit_test(map_takes_a_name_of_the_tab),
	};

	return cmocka_run_group_tests_name("clones side by side", tests, make_dir, remove_dir);
}
