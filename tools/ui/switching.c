// SPDX-License-Identifier: GPL-2.0-only
#include "host/dm.h"
#include "ui/switching.h"

bool switching_option(struct switching *s, int option, const char *value, int *ret)
{
	switch (option) {
	case 'o':
		s->to = value;
		return true;
	case 'V':
		s->volume.vg = value;
		return true;
	case 'S':
		*ret = parse_size(value, &s->volume.sectors);
		return true;
	case 'f':
		s->force = true;
		return true;
	default:
		return false;
	}
}

int switching_check(struct switching *s, const struct command *cmd, const char *name,
		    const char *snapshot)
{
	if (s->to && (s->volume.vg || s->volume.sectors))
		return usage_error(cmd, "--to goes not with --vg and --delta-size");
	if (s->force && !s->to)
		return usage_error(cmd, "--force goes with --to");
	s->name = lclone_dm_name(name);
	s->snapshot = snapshot;
	return 0;
}
