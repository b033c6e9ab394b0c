/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the picture of a disk is drawn: on a terminal, as SVG, as JSON.
 */
#ifndef LCLONE_UI_PICTURE_H
#define LCLONE_UI_PICTURE_H

#include <stdbool.h>
#include <stdio.h>

#include "offline/picture.h"

/* Cells in a line of it, on a terminal that is @width columns wide */
u32 picture_line(u32 width);

/* @line cells in each line; with escape sequences if @colours. 0, or a negative errno. */
int picture_text(FILE *f, const struct lclone_picture *p, u32 line, bool colours);

#define PICTURE_SVG_LINE	128	/* cells in a line */
#define PICTURE_SVG_LINES	48	/* that there are at most */

/* An image of its own */
void picture_svg(FILE *f, const struct lclone_picture *p);

struct json_object;
/* An object, see lclone-map(8) */
struct json_object *picture_json(const struct lclone_picture *p);

#endif /* LCLONE_UI_PICTURE_H */
