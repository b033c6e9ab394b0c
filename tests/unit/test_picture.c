// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pictures of a disk: each part is where the layers have it, and what is drawn of it.
 */
#include <json-c/json.h>
#include <stdio.h>

#include "basic/fail.h"
#include "image.h"
#include "test.h"
#include "ui/command.h"
#include "ui/picture.h"

#define LAYERS		3
#define BASE_SECTORS	15001

/* Layers bottom to top; the disk grows */
static const u64 sizes[LAYERS] = { 20000, 20480, 30001 };

struct stack {
	struct image img[LAYERS];
	struct lclone_delta delta[LAYERS];
	struct lclone_file file[LAYERS];
	struct lclone_chain chain;
};

static void build(struct stack *s, u64 seed, u32 layers)
{
	memset(s, 0, sizeof(*s));
	for (u32 i = 0; i < layers; i++) {
		struct image_size size = { 65536, BASE_SECTORS, sizes[i], 64 };
		u32 level = layers - 1 - i;

		image_init(&s->img[i], &size, seed + i);
		assert_true(image_populate(&s->img[i], 40));
		image_link(&s->img[i], i ? &s->img[i - 1] : NULL, i < layers - 1);
		assert_int_equal(lclone_delta_open(&s->delta[i], &s->img[i].dev.dev), 0);
		s->chain.delta[level] = &s->delta[i];
		s->chain.file[level] = &s->file[i];
		snprintf(s->file[i].path, sizeof(s->file[i].path), "/dev/vg/<\"layer %u\">&", i);
		strcpy(s->delta[i].sb.label, i ? "\xc3\xa4\xef\xbf\xbf\033[1m\xff" : "");
	}
	s->chain.count = layers;
}

static void destroy(struct stack *s)
{
	for (u32 i = 0; i < s->chain.count; i++) {
		lclone_delta_close(&s->delta[i]);
		image_free(&s->img[i]);
	}
}

/* By the exceptions that the images were made of */
static u32 source_at(const struct stack *s, u64 sector)
{
	u32 layers = s->chain.count;

	for (u32 level = 0; level < layers; level++) {
		const struct image *img = &s->img[layers - 1 - level];
		u32 bit = 1u << (sector % 64 / 4);
		u64 exc;

		if (sector >= sizes[layers - 1 - level])
			continue;
		exc = img->exc[sector / 64];
		if (lclone_exc_zero(exc) & bit)
			return layers + 1;
		if (lclone_exc_written(exc) & bit)
			return level;
	}
	return sector < BASE_SECTORS ? layers : layers + 1;
}

static void check_cell(const struct stack *s, const struct lclone_picture *p, u32 cell, u64 *bytes)
{
	u64 sector = cell * p->cell_bytes / 512, end = sector + p->cell_bytes / 512;
	u64 sum[LAYERS + 2] = { 0 }, most = 0;
	bool written = false;

	for (; sector < end && sector < p->size_bytes / 512; sector++)
		sum[source_at(s, sector)] += 512;
	for (u32 i = 0; i < p->sources; i++) {
		most = sum[i] > most ? sum[i] : most;
		written |= i < s->chain.count && sum[i];
		bytes[i] += sum[i];
	}
	assert_int_equal(sum[p->cell[cell].source], most);
	assert_int_equal(p->cell[cell].mixed, written && p->cell[cell].source >= s->chain.count);
}

/* Nothing is left out, nothing counted twice, whatever the number of cells. */
static void cells_are_what_layers_have(void **state)
{
	static const u32 cells[] = { 1, 2, 7, 100, 3750, 100000 };
	static struct stack s;

	(void)state;
	for (u32 layers = 1; layers <= LAYERS; layers++) {
		build(&s, 10 * layers, layers);
		for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
			struct lclone_picture p = { .cells = 0 };
			u64 bytes[LAYERS + 2] = { 0 }, merge = 0, flatten = 0;

			assert_int_equal(lclone_picture_of_chain(&s.chain, cells[i], &p), 0);
			assert_true(p.cells && p.cells <= cells[i]);
			assert_int_equal(p.size_bytes, sizes[layers - 1] * 512);
			assert_true((p.cells - 1) * p.cell_bytes < p.size_bytes);
			assert_true(p.cells * p.cell_bytes >= p.size_bytes);
			for (u32 cell = 0; cell < p.cells; cell++)
				check_cell(&s, &p, cell, bytes);
			for (u32 k = 0; k < p.sources; k++) {
				assert_int_equal(p.part[k].bytes, bytes[k]);
				assert_true(!bytes[k] == !p.part[k].pieces);
				merge += k ? 0 : bytes[k];
				flatten += k && k <= layers ? bytes[k] : 0;
			}
			assert_int_equal(lclone_picture_merge_bytes(&p), merge);
			assert_int_equal(lclone_picture_flatten_bytes(&p), flatten);
			lclone_picture_free(&p);
		}
		destroy(&s);
	}
}

/* What @print writes, to be freed */
static char *drawn(const struct lclone_picture *p, u32 line, bool colours, bool svg)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	if (svg)
		picture_svg(f, p);
	else
		assert_int_equal(picture_text(f, p, line, colours), 0);
	fclose(f);
	return text;
}

static void small(struct lclone_picture *p)
{
	static struct lclone_cell cell[] = { { 0 }, { 1 }, { 2, true }, { 2 }, { 3 } };
	static struct lclone_part part[] = {
		{ "/dev/vg/a", "", 8192, 2 }, { "/dev/vg/b", "what a label", 4096, 1 },
		{ "/dev/vg/base", "", 4096, 1 }, { "", "", 4096, 1 },
	};

	*p = (struct lclone_picture){ "web1", 20480, 4096, 5, 4, cell, part, 4096, 5 };
}

static void text_is_that(void **state)
{
	struct lclone_picture p;
	char *text;

	(void)state;
	small(&p);
	text = drawn(&p, 4, false, false);
	assert_string_equal(text,
			    "web1: 20.0 KiB, 4.0 KiB for each character\n"
			    "    0.0 KiB|#1:.|\n"
			    "   16.0 KiB|_   |\n\n"
			    "  FROM      BYTES    % PIECES DEVICE       LABEL\n"
			    "# delta   8.0 KiB 40.0      2 /dev/vg/a    -\n"
			    "1 layer 1 4.0 KiB 20.0      1 /dev/vg/b    what a label\n"
			    ". base    4.0 KiB 20.0      1 /dev/vg/base -\n"
			    "_ zeros   4.0 KiB 20.0      1 -            -\n"
			    ":  mostly base or zeros, and some that was written\n\n"
			    "A merge would copy 8.0 KiB and zero 4.0 KiB, a flatten copy 8.0 KiB.\n"
			    "Read from start to end the disk is in 5 pieces, of 4.0 KiB on average.\n");
	free(text);
	text = drawn(&p, 4, true, false);
	assert_non_null(strstr(text, "\033[1;31m#"));
	assert_non_null(strstr(text, "\033[0m|\n"));
	free(text);
}

/* Names of any bytes: no escape sequence comes through, and XML stays well-formed. */
static void names_do_no_harm(void **state)
{
	static struct stack s;
	struct lclone_picture p = { .cells = 0 };
	char *text;

	(void)state;
	build(&s, 5, 2);
	assert_int_equal(lclone_picture_of_chain(&s.chain, 64, &p), 0);
	strcpy(p.name, "<name>");
	text = drawn(&p, 16, false, false);
	assert_null(strchr(text, '\033'));
	free(text);
	text = drawn(&p, 0, false, true);
	assert_null(strchr(text, '\033'));
	assert_null(strstr(text, "<name>"));
	assert_null(strstr(text, "\xef\xbf\xbf"));
	assert_non_null(strstr(text, "<title>&lt;name&gt;: where its disk comes from</title>"));
	assert_non_null(strstr(text, "/dev/vg/&lt;&quot;layer 1&quot;&gt;&amp; (\xc3\xa4?\\x1b[1m\\xff)"));
	assert_string_equal(text + strlen(text) - 7, "</svg>\n");
	free(text);
	lclone_picture_free(&p);
	destroy(&s);
}

static u64 number(struct json_object *o, const char *key)
{
	return json_object_get_uint64(json_object_object_get(o, key));
}

static void json_has_all(void **state)
{
	struct json_object *o, *sources;
	struct lclone_picture p;

	(void)state;
	small(&p);
	o = picture_json(&p);
	sources = json_object_object_get(o, "sources");
	assert_int_equal(json_object_array_length(sources), 4);
	assert_string_equal(json_object_get_string(json_object_object_get(json_object_array_get_idx(sources, 1), "kind")),
			    "layer");
	assert_int_equal(number(json_object_array_get_idx(sources, 0), "bytes"), 8192);
	assert_int_equal(number(o, "merge_bytes"), 8192);
	assert_int_equal(number(o, "merge_zero_bytes"), 4096);
	assert_int_equal(number(o, "flatten_bytes"), 8192);
	assert_int_equal(number(o, "cell_bytes"), 4096);
	assert_string_equal(json_object_to_json_string_ext(json_object_object_get(o, "cells"), 0),
			    "[0,1,2,2,3]");
	assert_string_equal(json_object_to_json_string_ext(json_object_object_get(o, "mixed"), 0),
			    "[2]");
	json_object_put(o);
}

static void fits_the_terminal(void **state)
{
	(void)state;
	for (u32 width = 22; width < 300; width++)
		assert_int_equal(picture_line(width) + 13, width);
	assert_int_equal(picture_line(0), 8);
}

/* The tables' own complaints: there are none */
int usage_error(const struct command *cmd, const char *fmt, ...)
{
	(void)cmd;
	(void)fmt;
	return EXIT_USAGE;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells_are_what_layers_have),
		cmocka_unit_test(text_is_that),
		cmocka_unit_test(names_do_no_harm),
		cmocka_unit_test(json_has_all),
		cmocka_unit_test(fits_the_terminal),
	};

	setenv("LC_ALL", "C.UTF-8", 1);
	return cmocka_run_group_tests_name("pictures of a disk", tests, NULL, NULL);
}
