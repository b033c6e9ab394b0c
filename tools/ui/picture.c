// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "ui/picture.h"
#include "ui/table.h"

#define OFFSET_WIDTH	12	/* of what is in front of a line of cells, with its bar */

static bool is_base(const struct lclone_picture *p, u32 source)
{
	return source == lclone_picture_base(p);
}

static bool is_zeros(const struct lclone_picture *p, u32 source)
{
	return source == lclone_picture_zeros(p);
}

/* "delta", "layer 1", which is right below it, "base", "zeros" */
static const char *kind_of(const struct lclone_picture *p, u32 source, char text[16])
{
	if (is_base(p, source))
		return "base";
	if (is_zeros(p, source))
		return "zeros";
	snprintf(text, 16, source ? "layer %u" : "delta", source);
	return text;
}

static const char *size_of(u64 bytes, char text[16])
{
	if (bytes < 1048576)
		snprintf(text, 16, "%.1f KiB", bytes / 1024.0);
	else
		lclone_size_text(bytes, text);
	return text;
}

static double percent(const struct lclone_picture *p, u64 bytes)
{
	return p->size_bytes ? 100.0 * bytes / p->size_bytes : 0;
}

/* What one sees of it by numbers */
static void print_sum(FILE *f, const struct lclone_picture *p, const char *begin, const char *end)
{
	char merge[16], zero[16], flatten[16], piece[16];

	fprintf(f, "%sA merge would copy %s", begin,
		size_of(lclone_picture_merge_bytes(p), merge));
	if (p->zeroed_bytes)
		fprintf(f, " and zero %s", size_of(p->zeroed_bytes, zero));
	fprintf(f, ", a flatten copy %s.%s", size_of(lclone_picture_flatten_bytes(p), flatten), end);
	fprintf(f, "%sRead from start to end the disk is in %llu pieces, of %s on average.%s", begin,
		(unsigned long long)p->pieces,
		size_of(p->pieces ? p->size_bytes / p->pieces : 0, piece), end);
}

/* Text */

/* Different without colours, too; layers are counted from the one right below the delta. */
static char sign_of(const struct lclone_picture *p, u32 source)
{
	static const char layers[] = "123456789abcdefghijklmnopqrstuvwxyz";

	if (!source)
		return '#';
	if (is_base(p, source))
		return '.';
	if (is_zeros(p, source))
		return '_';
	return source < sizeof(layers) ? layers[source - 1] : '+';
}

#define MIXED_SIGN	':'

/* The terminal's own colours: red for the delta, then those that are left; base and zeros pale */
static const char *colour_of(const struct lclone_picture *p, u32 source)
{
	static const char * const layers[] = {
		"\033[33m", "\033[32m", "\033[36m", "\033[34m", "\033[35m",
	};

	if (!source)
		return "\033[1;31m";
	if (source >= lclone_picture_base(p))
		return "\033[2m";
	return layers[(source - 1) % 5];
}

#define NO_COLOUR	"\033[0m"

u32 picture_line(u32 width)
{
	return width > OFFSET_WIDTH + 9 ? width - OFFSET_WIDTH - 1 : 8;
}

static void print_line(FILE *f, const struct lclone_picture *p, u32 first, u32 end, bool colours)
{
	const char *last = NULL, *colour;
	u32 i;

	for (i = first; i < end; i++) {
		const struct lclone_cell *cell = &p->cell[i];

		colour = cell->mixed ? NO_COLOUR : colour_of(p, cell->source);
		if (colours && colour != last)
			fprintf(f, "%s%s", NO_COLOUR, colour);
		last = colour;
		fputc(cell->mixed ? MIXED_SIGN : sign_of(p, cell->source), f);
	}
	if (colours)
		fputs(NO_COLOUR, f);
}

/* A line of the legend */
struct legend {
	const struct lclone_picture *p;
	u32 source;
};

static const struct lclone_part *part_of(const struct legend *l)
{
	return &l->p->part[l->source];
}

static void sign(const void *row, char *text, size_t size)
{
	const struct legend *l = row;

	snprintf(text, size, "%c", sign_of(l->p, l->source));
}

static void from(const void *row, char *text, size_t size)
{
	const struct legend *l = row;
	char kind[16];

	snprintf(text, size, "%s", kind_of(l->p, l->source, kind));
}

static double bytes_value(const void *row)
{
	return part_of(row)->bytes;
}

static void bytes(const void *row, char *text, size_t size)
{
	char number[16];

	snprintf(text, size, "%s", size_of(part_of(row)->bytes, number));
}

static double share_value(const void *row)
{
	return percent(((const struct legend *)row)->p, part_of(row)->bytes);
}

static void share(const void *row, char *text, size_t size)
{
	snprintf(text, size, "%.1f", share_value(row));
}

static double pieces_value(const void *row)
{
	return part_of(row)->pieces;
}

static void pieces(const void *row, char *text, size_t size)
{
	snprintf(text, size, "%.0f", pieces_value(row));
}

static void device(const void *row, char *text, size_t size)
{
	snprintf(text, size, "%s", part_of(row)->path);
}

static void label(const void *row, char *text, size_t size)
{
	snprintf(text, size, "%s", part_of(row)->label);
}

static const struct column columns[] = {
	{ "sign", "", "", sign, NULL },
	{ "from", "FROM", "", from, NULL },
	{ "bytes", "BYTES", "", bytes, bytes_value },
	{ "share", "%", "", share, share_value },
	{ "pieces", "PIECES", "", pieces, pieces_value },
	{ "device", "DEVICE", "", device, NULL },
	{ "label", "LABEL", "", label, NULL },
	{ }
};

static int print_legend(FILE *f, const struct lclone_picture *p)
{
	struct legend *legend = calloc(p->sources, sizeof(*legend));
	struct table t;
	char *lines;
	u32 i;

	if (!legend)
		return lclone_fail(-ENOMEM, "out of memory");
	for (i = 0; i < p->sources; i++)
		legend[i] = (struct legend){ p, i };
	table_init(&t, columns, "sign,from,bytes,share,pieces,device,label");
	lines = table_lines(&t, legend, p->sources, sizeof(*legend));
	free(legend);
	if (!lines)
		return lclone_fail(-ENOMEM, "out of memory");
	fprintf(f, "%s\n", lines);
	free(lines);
	return 0;
}

int picture_text(FILE *f, const struct lclone_picture *p, u32 line, bool colours)
{
	char name[4 * PATH_MAX], size[16];
	bool mixed = false;
	u32 i, end;
	int err;

	fprintf(f, "%s: %s", lclone_text_plain(name, sizeof(name), p->name),
		size_of(p->size_bytes, size));
	fprintf(f, ", %s for each character\n", size_of(p->cell_bytes, size));
	for (i = 0; i < p->cells; i = end) {
		end = i + line < p->cells ? i + line : p->cells;
		fprintf(f, "%*s|", OFFSET_WIDTH - 1, size_of(i * p->cell_bytes, size));
		print_line(f, p, i, end, colours);
		fprintf(f, "%*s|\n", (int)(p->cells > line ? i + line - end : 0), "");
	}
	for (i = 0; i < p->cells; i++)
		mixed |= p->cell[i].mixed;
	fputc('\n', f);
	err = print_legend(f, p);
	if (err)
		return err;
	if (mixed)
		fprintf(f, "%c  mostly base or zeros, and some that was written\n", MIXED_SIGN);
	fputc('\n', f);
	print_sum(f, p, "", "\n");
	return 0;
}

/* SVG */

#define CELL		8
#define MARGIN		16
#define LEGEND_LINE	18

/* What XML cannot have, even escaped, is a question mark. */
static void print_xml(FILE *f, const char *text)
{
	static char plain[4 * PATH_MAX];
	const char *c;

	for (c = lclone_text_plain(plain, sizeof(plain), text); *c; c++) {
		switch (*c) {
		case '&':
			fputs("&amp;", f);
			break;
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			if (!strncmp(c, "\xef\xbf\xbe", 3) || !strncmp(c, "\xef\xbf\xbf", 3)) {
				fputc('?', f);
				c += 2;
			} else {
				fputc(*c, f);
			}
		}
	}
}

/* The same colours as on a terminal */
static const char *fill_of(const struct lclone_picture *p, u32 source)
{
	static const char * const layers[] = {
		"#d4a017", "#2ca02c", "#17a2b8", "#1f77b4", "#9467bd",
	};

	if (!source)
		return "#d62728";
	if (is_base(p, source))
		return "#c8cdd2";
	if (is_zeros(p, source))
		return "#f2f4f5";
	return layers[(source - 1) % 5];
}

static bool same_look(const struct lclone_cell *a, const struct lclone_cell *b)
{
	return a->source == b->source && a->mixed == b->mixed;
}

/* Cells that look the same are one rectangle; of mixed ones the lower half is the delta's. */
static void svg_cells(FILE *f, const struct lclone_picture *p)
{
	u32 i, end, row, x, y;

	for (i = 0; i < p->cells; i = end) {
		row = i / PICTURE_SVG_LINE;
		for (end = i + 1; end < p->cells && end / PICTURE_SVG_LINE == row &&
		     same_look(&p->cell[i], &p->cell[end]); end++)
			;
		x = MARGIN + i % PICTURE_SVG_LINE * CELL;
		y = 3 * MARGIN + row * CELL;
		fprintf(f, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%d\" fill=\"%s\"/>\n", x, y,
			(end - i) * CELL, CELL, fill_of(p, p->cell[i].source));
		if (p->cell[i].mixed)
			fprintf(f, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%d\" fill=\"%s\"/>\n",
				x, y + CELL / 2, (end - i) * CELL, CELL / 2, "#f0a8a8");
	}
}

static void svg_legend_line(FILE *f, u32 y, const char *fill)
{
	fprintf(f, "<rect x=\"%d\" y=\"%u\" width=\"12\" height=\"12\" fill=\"%s\" stroke=\"#888\" stroke-width=\"0.5\"/>\n<text x=\"%d\" y=\"%u\">",
		MARGIN, y, fill, MARGIN + 20, y + 11);
}

static u32 svg_legend(FILE *f, const struct lclone_picture *p, u32 y)
{
	char kind[16], size[16];
	u32 i;

	for (i = 0; i < p->sources; i++, y += LEGEND_LINE) {
		const struct lclone_part *part = &p->part[i];

		svg_legend_line(f, y, fill_of(p, i));
		fprintf(f, "%s: %s, %.1f %%, %llu pieces", kind_of(p, i, kind),
			size_of(part->bytes, size), percent(p, part->bytes),
			(unsigned long long)part->pieces);
		if (part->path[0]) {
			fputs(", ", f);
			print_xml(f, part->path);
		}
		if (part->label[0]) {
			fputs(" (", f);
			print_xml(f, part->label);
			fputc(')', f);
		}
		fputs("</text>\n", f);
	}
	svg_legend_line(f, y, "#f0a8a8");
	fputs("in the lower half: some of that was written</text>\n", f);
	return y + LEGEND_LINE;
}

void picture_svg(FILE *f, const struct lclone_picture *p)
{
	u32 lines = (p->cells + PICTURE_SVG_LINE - 1) / PICTURE_SVG_LINE;
	u32 width = 2 * MARGIN + PICTURE_SVG_LINE * CELL;
	u32 legend = 4 * MARGIN + lines * CELL, height;
	char size[16], line[128];

	height = legend + (p->sources + 4) * LEGEND_LINE;
	fprintf(f, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" viewBox=\"0 0 %u %u\" font-family=\"sans-serif\" font-size=\"13\">\n<title>",
		width, height, width, height);
	print_xml(f, p->name);
	fprintf(f, ": where its disk comes from</title>\n<rect width=\"%u\" height=\"%u\" fill=\"white\"/>\n<text x=\"%d\" y=\"%d\" font-size=\"16\">",
		width, height, MARGIN, 2 * MARGIN - 4);
	print_xml(f, p->name);
	fprintf(f, ": %s", size_of(p->size_bytes, size));
	fprintf(f, ", %s for each square</text>\n", size_of(p->cell_bytes, size));
	svg_cells(f, p);
	legend = svg_legend(f, p, legend);
	snprintf(line, sizeof(line), "<text x=\"%d\" y=\"%u\">", MARGIN, legend + 11);
	fputs(line, f);
	snprintf(line, sizeof(line), "</text>\n<text x=\"%d\" y=\"%u\">", MARGIN,
		 legend + 11 + LEGEND_LINE);
	print_sum(f, p, "", line);
	fputs("</text>\n</svg>\n", f);
}

/* JSON */

static void add_text(struct json_object *o, const char *key, const char *text)
{
	char utf8[4 * PATH_MAX];

	json_object_object_add(o, key, text[0] ?
			       json_object_new_string(lclone_text_utf8(utf8, sizeof(utf8), text)) :
			       NULL);
}

static void add(struct json_object *o, const char *key, u64 value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static struct json_object *part_json(const struct lclone_picture *p, u32 source)
{
	struct json_object *o = json_object_new_object();
	const struct lclone_part *part = &p->part[source];

	add_text(o, "kind", !source ? "delta" : is_base(p, source) ? "base" :
		 is_zeros(p, source) ? "zeros" : "layer");
	add_text(o, "device", part->path);
	add_text(o, "label", part->label);
	add(o, "bytes", part->bytes);
	json_object_object_add(o, "percent", json_object_new_double(percent(p, part->bytes)));
	add(o, "pieces", part->pieces);
	return o;
}

struct json_object *picture_json(const struct lclone_picture *p)
{
	struct json_object *o = json_object_new_object(), *sources = json_object_new_array(),
			   *cells = json_object_new_array(), *mixed = json_object_new_array();
	u32 i;

	for (i = 0; i < p->sources; i++)
		json_object_array_add(sources, part_json(p, i));
	for (i = 0; i < p->cells; i++) {
		json_object_array_add(cells, json_object_new_int(p->cell[i].source));
		if (p->cell[i].mixed)
			json_object_array_add(mixed, json_object_new_int64(i));
	}
	add_text(o, "name", p->name);
	add(o, "size_bytes", p->size_bytes);
	json_object_object_add(o, "sources", sources);
	add(o, "merge_bytes", lclone_picture_merge_bytes(p));
	add(o, "merge_zero_bytes", p->zeroed_bytes);
	add(o, "flatten_bytes", lclone_picture_flatten_bytes(p));
	add(o, "pieces", p->pieces);
	add(o, "cell_bytes", p->cell_bytes);
	json_object_object_add(o, "cells", cells);
	json_object_object_add(o, "mixed", mixed);
	return o;
}
