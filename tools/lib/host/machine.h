/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * This host, as the owner note of a delta names it: see format.rst.
 */
#ifndef LCLONE_MACHINE_H
#define LCLONE_MACHINE_H

#include <stdbool.h>

#include "lclone_format.h"

/*
 * The note of this host.  False, and "", if it has no machine-id(5): then nothing would tell it
 * from others, and it notes nothing.
 */
bool lclone_this_host(char owner[LCLONE_OWNER_SIZE]);

/* The same of a name, a machine-id and a boot-id as they are read from files */
bool lclone_owner_of(const char *name, const char *machine, const char *boot,
		     char owner[LCLONE_OWNER_SIZE]);

#endif /* LCLONE_MACHINE_H */
