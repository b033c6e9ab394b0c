// SPDX-License-Identifier: GPL-2.0-only
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "ui/options.h"
#include "ui/output.h"
#include "ui/picture.h"
#include "ui/save.h"

#define LINES	16	/* that the picture has at most on a terminal */

static u32 terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	u64 width;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		return size.ws_col;
	return columns && !lclone_parse_u64(columns, 1000, &width) ? width : 80;
}

static int save_svg(const struct lclone_picture *p, const char *path)
{
	struct save save;
	int err;

	err = save_begin(&save, path);
	if (err)
		return err;
	picture_svg(save.f, p);
	return save_end(&save, 0);
}

static int show(const char *what, const struct lclone_parents *parents, const char *svg, bool json)
{
	u32 line = picture_line(terminal_width());
	struct lclone_picture p = { .cells = 0 };
	const char *no_colours = getenv("NO_COLOR");
	int err;

	err = lclone_picture_read(what, parents, svg ? PICTURE_SVG_LINE * PICTURE_SVG_LINES :
				  json ? 1024 : line * LINES, &p);
	if (!err && svg)
		err = save_svg(&p, svg);
	if (!err && json)
		put_json(picture_json(&p), JSON_C_TO_STRING_SPACED);
	else if (!err && !svg)
		err = picture_text(stdout, &p, line, isatty(STDOUT_FILENO) &&
				   !(no_colours && no_colours[0]));
	lclone_picture_free(&p);
	return err;
}

static const struct option options[] = {
	PARENT_OPTION,
	{ "svg", required_argument, NULL, 's' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	struct lclone_parents parents = { 0 };
	const char *svg = NULL;
	bool json = false;
	int option, ret = 0;

	while ((option = next_option(&cmd_map, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		if (option == 'j')
			json = true;
		else if (option == 's')
			svg = optarg;
		else
			ret = lclone_add_parent(&parents, optarg);
		if (ret)
			return ret;
	}
	if (argc - optind != 1)
		return usage_error(&cmd_map, "needs the name of a clone, or a delta");
	if (svg && json)
		return usage_error(&cmd_map, "--svg and --json do not go together");
	return show(argv[optind], &parents, svg, json);
}

const struct command cmd_map = {
	.name = "map",
	.summary = "show a picture of a disk: what comes from where",
	.usage =
	"map [--svg FILE | --json] [--parent LAYER]... NAME[@SNAPSHOT]|DELTA\n\n"
	"Shows the disk of a clone as a picture, from its start to its end: whether each part\n"
	"comes mostly from the delta, from which layer, from the base, or is zeros; how much of\n"
	"the disk each of them has, and in how many pieces; and what a merge or a flatten would\n"
	"copy. A clone that is active is shown as of one moment, and nothing is changed.\n\n"
	"  --svg FILE      write it as an SVG image\n"
	"  --json          as a JSON object\n"
	"  --parent LAYER  a layer that DELTA lies on; those not named are looked for\n",
	.run = run,
};
