// SPDX-License-Identifier: GPL-2.0-only
#include <blkid/blkid.h>
#include <stdio.h>
#include <uuid/uuid.h>

#include "clone/super.h"
#include "cmd/commands.h"

/* As udev wants it: what could be taken for something else is \xNN in KEY_ENC, and _ in KEY. */
static void export(const char *key, const char *value)
{
	char encoded[4 * LCLONE_LABEL_SIZE + 1], safe[4 * LCLONE_LABEL_SIZE + 1];

	if (!value[0] || blkid_encode_string(value, encoded, sizeof(encoded)) ||
	    blkid_safe_string(value, safe, sizeof(safe)))
		return;
	printf("ID_FS_%s=%s\nID_FS_%s_ENC=%s\n", key, safe, key, encoded);
}

static const struct option options[] = {
	{ "export", no_argument, NULL, 'e' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static int run(int argc, char **argv)
{
	bool exports = false;
	struct lclone_sb sb;
	char uuid[37];
	int option, ret = 0;

	while ((option = next_option(&cmd_probe, argc, argv, options, &ret)) != -1) {
		if (option == '?')
			return ret;
		exports = true;
	}
	if (argc - optind != 1)
		return usage_error(&cmd_probe, "needs a device");
	ret = lclone_sb_of(argv[optind], &sb);
	if (ret)
		return ret;
	uuid_unparse_lower(sb.uuid, uuid);
	if (exports) {
		printf("ID_FS_TYPE=lclone_delta\nID_FS_USAGE=other\nID_FS_VERSION=%d\n",
		       LCLONE_VERSION);
		export("UUID", uuid);
		export("LABEL", sb.label);
	} else {
		puts(uuid);
	}
	return 0;
}

const struct command cmd_probe = {
	.name = "probe",
	.summary = "is there a delta on a device, and which?",
	.usage =
	"probe [--export] DEVICE\n\n"
	"Prints the uuid of the delta on DEVICE, which may be in use; fails if there is none.\n\n"
	"  --export  print what udev keeps of a device: ID_FS_TYPE=lclone_delta and others\n",
	.run = run,
};
