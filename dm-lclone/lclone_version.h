/* SPDX-License-Identifier: GPL-2.0-only */
/* What module and tool say that they are; the format has a number of its own. */
#ifndef LCLONE_VERSION_H
#define LCLONE_VERSION_H

#define LCLONE_RELEASE	"1.0.0"

#endif /* LCLONE_VERSION_H */
