// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>

#include "basic/names.h"

void lclone_add_name(struct lclone_names *n, const char *name)
{
	const size_t room = sizeof(n->text);

	if (n->len >= room)
		return;
	if (n->count == LCLONE_NAMES)
		n->len += snprintf(n->text + n->len, room - n->len, ", ...");
	else if (n->count < LCLONE_NAMES)
		n->len += snprintf(n->text + n->len, room - n->len, "%s%s",
				   n->count ? ", " : "", name);
	n->count++;
}
