// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "basic/fail.h"
#include "basic/text.h"
#include "clone/snapshot.h"
#include "cmd/commands.h"
#include "host/dm.h"
#include "online/by-name.h"
#include "online/switch.h"
#include "ui/confirm.h"
#include "ui/lost.h"
#include "ui/options.h"
#include "ui/output.h"
#include "ui/switching.h"
#include "ui/volumes.h"

struct arguments {
	bool yes, dry_run, keep;
};

static const struct option options[] = {
	{ "to", required_argument, NULL, 'o' },
	{ "vg", required_argument, NULL, 'V' },
	{ "delta-size", required_argument, NULL, 'S' },
	{ "keep", no_argument, NULL, 'k' },
	{ "yes", no_argument, NULL, 'y' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "force", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

/* The delta, and the layer to go back to */
struct seen {
	char delta[PATH_MAX];
	u8 layer[LCLONE_UUID_SIZE];
};

/* What is lost with it: the layers above the one that is gone back to, the first *at of them */
static int look(const struct switching *s, struct lclone_layers *layers, u32 *at, struct seen *seen)
{
	static struct lclone_named named;
	int err;

	*at = 0;
	layers->count = 0;
	if (s->snapshot)
		err = lclone_snapshot_find(s->name, s->snapshot, &named, layers, at);
	else
		err = lclone_name_find(s->name, &named) ?: lclone_named_activate(&named) ?:
		      lclone_layers_read(named.delta, layers);
	memset(seen, 0, sizeof(*seen));
	snprintf(seen->delta, sizeof(seen->delta), "%s", named.delta);
	if (!err && layers->count)
		memcpy(seen->layer, layers->layer[*at].sb.uuid, sizeof(seen->layer));
	lclone_named_free(&named);
	return err;
}

static int tell_and_ask(const struct switching *s, const struct lclone_layers *layers, u32 at,
			bool dry_run)
{
	char when[LCLONE_TIME_SIZE];
	struct lclone_names lost;

	lclone_time_text(layers->count ? layers->layer[at].sb.sealed_at : 0, when);
	tell_lost(dry_run ? stdout : stderr, layers, at, &lost);
	if (!dry_run)
		return confirm("revert %s to %s%s%s%s: what was written since is lost%s%s", s->name,
			       s->snapshot ?: "its last snapshot", when[0] ? " (" : "", when,
			       when[0] ? ")" : "", lost.count ? ", and so are the snapshots " : "",
			       lost.count ? lost.text : "");
	say("%s: would be as it was at %s%s%s%s; what was written since would be lost%s%s\n",
	    s->name, s->snapshot ?: "its last snapshot", when[0] ? " (" : "", when,
	    when[0] ? ")" : "", lost.count ? ", and the snapshots " : "",
	    lost.count ? lost.text : "");
	return 0;
}

static int ask(const struct switching *s, const struct arguments *a)
{
	static struct lclone_layers layers;
	static struct seen asked, now;
	u32 at;
	int err;

	if (a->yes && !a->dry_run)
		return 0;		/* what cannot be looked at, the switch says better */
	err = look(s, &layers, &at, &asked) ?: tell_and_ask(s, &layers, at, a->dry_run);
	lclone_layers_free(&layers);
	if (err || a->dry_run)
		return err;
	err = look(s, &layers, &at, &now);
	lclone_layers_free(&layers);
	if (!err && memcmp(&asked, &now, sizeof(now)))
		err = lclone_fail(-EAGAIN, "%s has got another snapshot since it was asked: nothing was changed",
				  s->name);
	return err;
}

static int revert(const struct switching *s, const struct arguments *a)
{
	struct switched switched;
	bool opened;
	int err;

	err = lclone_open_meanwhile(s->name, &opened);
	if (err)
		return err;
	err = lclone_switch_delta(s, &switched);
	if (err)
		return lclone_close_again(s->name, opened, err);
	if (s->snapshot)
		say("%s: as it was at its snapshot %s, with the delta %s\n", s->name,
		    s->snapshot, switched.new);
	else
		say("%s: as it was at its last snapshot, with the delta %s\n", s->name,
		    switched.new);
	/* what is told of it is so, whatever becomes of the clone now */
	free_volumes(&switched.dropped, s->name, a->keep, false);
	lclone_dropped_free(&switched.dropped);
	return lclone_close_again(s->name, opened, 0);
}

static int run(int argc, char **argv)
{
	struct switching s = { .back = true };
	struct arguments a = { .yes = false };
	int option, ret = 0;

	while ((option = next_option(&cmd_revert, argc, argv, options, &ret)) != -1) {
		switch (option) {
		case 'k':
			a.keep = true;
			break;
		case 'y':
			a.yes = true;
			break;
		case 'n':
			a.dry_run = true;
			break;
		default:
			if (!switching_option(&s, option, optarg, &ret))
				return ret;
		}
		if (ret)
			return ret;
	}
	if (argc - optind != 1 && argc - optind != 2)
		return usage_error(&cmd_revert, "needs the name of a clone, and of a snapshot");
	ret = switching_check(&s, &cmd_revert, argv[optind], argv[optind + 1]);
	ret = ret ?: ask(&s, &a);
	return ret || a.dry_run ? ret : revert(&s, &a);
}

const struct command cmd_revert = {
	.name = "revert",
	.summary = "make a clone what it was at a snapshot",
	.usage =
	"revert [--vg VG] [--delta-size SIZE] [--keep] [--yes] [--dry-run] NAME [SNAPSHOT]\n"
	"       lclone revert --to DEVICE [--force] [--keep] [--yes] [--dry-run] NAME [SNAPSHOT]\n\n"
	"Takes from the clone NAME, which nobody may have open, all that was written since\n"
	"SNAPSHOT, or since its last snapshot: it gets a new, empty delta on that. What it had\n"
	"above is not used any more, neither delta nor later snapshots: logical volumes that were\n"
	"made for it are removed, unless something else lies on them.\n\n"
	"  --vg VG            make the new delta, a logical volume, in VG (where the old one is)\n"
	"  --delta-size SIZE  its size (1G)\n"
	"  --to DEVICE        the new delta, which must be empty\n"
	"  --force            overwrite what is on DEVICE\n"
	"  --keep             remove no volumes\n"
	"  --yes              what was written since the snapshot may be lost: do not ask\n"
	"  --dry-run          only say what would be lost\n",
	.run = run,
};
