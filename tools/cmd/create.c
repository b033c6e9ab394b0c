// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>

#include "basic/fail.h"
#include "cmd/commands.h"
#include "online/deploy.h"
#include "online/open.h"
#include "ui/format.h"
#include "ui/options.h"
#include "ui/output.h"
#include "ui/progress.h"

static const struct option options[] = {
	FEATURE_OPTIONS,
	VERIFY_OPTION,
	{ "size", required_argument, NULL, 's' },
	{ "chunk-size", required_argument, NULL, 'c' },
	{ "label", required_argument, NULL, 'l' },
	{ "force", no_argument, NULL, 'f' },
	ASSUME_OPTION,
	HOST_OPTION,
	PARENT_OPTION,
	{ "from", required_argument, NULL, 'F' },
	{ "keep-going", no_argument, NULL, 'k' },
	{ "vg", required_argument, NULL, 'V' },
	{ "delta-size", required_argument, NULL, 'S' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static void tell_made(void *ctx, const char *name, const struct lclone_lv *lv, const char *why)
{
	meter_hide(ctx);
	if (why)
		say_to(stderr, "%s: %s\n", name, why);
	else
		say("%s: /dev/mapper/%s, its delta is %s/%s\n", name, name, lv->vg, lv->lv);
}

static int progress(void *ctx, const char *phase, u64 done, u64 total)
{
	meter_count(ctx, phase, done, total);
	return interrupted();
}

static int run_from(struct deployment *d, char **names, int count)
{
	struct meter meter;
	struct lclone_watch watch = { .progress = progress, .ctx = &meter };
	struct creation creation = *d->creation;
	struct lclone_names failed;
	int err;

	if (!count)
		return usage_error(&cmd_create, "needs the names of new clones");
	creation.formatted = NULL;
	d->creation = &creation;
	d->watch = &watch;
	d->ctx = &meter;
	meter_init(&meter, false);
	err = lclone_deploy((const char *const *)names, count, d, &failed);
	meter_hide(&meter);
	if (!err)
		tell_not_noted(count == 1 ? names[0] : "clones");
	if (!err && failed.count)
		err = lclone_fail(-ECHILD, "%zu of %d clones could not be made: %s", failed.count,
				  count, failed.text);
	return err;
}

static int run(int argc, char **argv)
{
	struct format_arguments format = { 0 };
	struct lclone_features features = { 0 };
	struct creation creation = { .format = &format, .features = &features,
				     .formatted = print_formatted };
	struct deployment d = { .creation = &creation, .told = tell_made };
	const char *vg = NULL, *name;
	u64 delta_sectors = 0, chunk = 0;
	int option, ret = 0;

	lclone_can_assume_no_other_clones();
	while ((option = next_option(&cmd_create, argc, argv, options, &ret)) != -1) {
		switch (option) {
		case 's':
			ret = parse_size(optarg, &format.virtual_sectors);
			break;
		case 'c':
			ret = parse_size(optarg, &chunk);
			format.chunk_sectors = chunk > LCLONE_CHUNK_SECTORS_MAX ? UINT32_MAX :
					       chunk;
			break;
		case 'l':
			format.label = optarg;
			break;
		case 'f':
			format.force = true;
			break;
		case 'A':
			lclone_assume_no_other_clones();
			break;
		case 'P':
			ret = lclone_add_parent(&format.parents, optarg);
			break;
		case 'V':
			vg = optarg;
			break;
		case 'H':
			creation.host = true;
			break;
		case 'F':
			d.from = optarg;
			break;
		case 'k':
			d.keep_going = true;
			break;
		case 'S':
			ret = parse_size(optarg, &delta_sectors);
			break;
		case '?':
			return ret;
		default:
			ret = parse_feature_option(&features, option, optarg);
			break;
		}
		if (ret < 0)
			return ret;
	}
	if (d.from) {
		if (format.label || format.force || format.parents.count)
			return usage_error(&cmd_create, "--from goes not with --label, --force and --parent");
		d.vg = vg;
		d.delta_sectors = delta_sectors;
		return run_from(&d, argv + optind, argc - optind);
	}
	if (d.keep_going)
		return usage_error(&cmd_create, "--keep-going goes with --from");
	if (!vg != !delta_sectors)
		return usage_error(&cmd_create, "--vg and --delta-size go together");
	if (argc - optind != (vg ? 2 : 3))
		return usage_error(&cmd_create, vg ? "needs a name and a base (or -)" :
				   "needs a name, a base (or -) and a delta");
	name = argv[optind];
	if (vg)
		return lclone_create_with_lv(name, argv[optind + 1], vg, delta_sectors, &creation);
	if (lclone_was_opened(name, argv[optind + 1], argv[optind + 2], &features))
		return 0;
	ret = lclone_check_free_name(name) ?:
	      lclone_create_clone(name, argv[optind + 1], argv[optind + 2], &creation);
	if (!ret)
		tell_not_noted(name);
	return ret;
}

const struct command cmd_create = {
	.name = "create",
	.summary = "format a delta and activate the clone",
	.usage =
	"create [OPTION]... NAME BASE|- DELTA\n"
	"       lclone create [OPTION]... --vg VG --delta-size SIZE NAME BASE|-\n"
	"       lclone create [OPTION]... --from TEMPLATE|NAME@SNAPSHOT NAME...\n\n"
	"Makes DELTA the empty delta of BASE and activates the clone as /dev/mapper/NAME. The last\n"
	"makes clones of a template, or of what another clone was at a snapshot, with all that\n"
	"they need: the logical volumes NAME-delta, and lines in lclonetab. If one cannot be made,\n"
	"none is.\n\n"
	"  --from TEMPLATE          see lclone template, and lclone snapshot; --vg is the group that\n"
	"                           it is in, and --delta-size 1G\n"
	"  --keep-going             make the others if one cannot be made\n"
	"  --vg VG                  make the logical volume NAME-delta in VG and use that\n"
	"  --delta-size SIZE        its size\n"
	"  --size SIZE              size of the clone, also beyond the base (the base's)\n"
	"  --chunk-size SIZE        unit of allocation, a power of two from 8K to 2M (64K)\n"
	"  --parent LAYER           put DELTA on this sealed layer, as a clone of that clone;\n"
	"                           layers below it are looked for, or named before it\n"
	"  --label TEXT             a name to keep in the superblock (NAME)\n"
	"  --force                  overwrite what is on DELTA\n"
	ASSUME_USAGE
	VERIFY_USAGE
	HOST_USAGE
	FEATURE_USAGE,
	.run = run,
};
