/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names of systemd's units, escaped as systemd-escape(1) does.
 */
#ifndef LCLONE_UNIT_NAME_H
#define LCLONE_UNIT_NAME_H

#define LCLONE_UNIT_NAME_SIZE	256

/*
 * @prefix, what @text is escaped to, and @suffix: lclone@web\x2d1.service.  Both return 0, or
 * -ENAMETOOLONG with the sentence in lclone_why(): systemd knows no such unit.
 */
int lclone_unit_name(const char *prefix, const char *text, const char *suffix,
		     char unit[LCLONE_UNIT_NAME_SIZE]);

/* The unit of an absolute path, without . and .. in it: dev-vg-web1.device. */
int lclone_unit_path(const char *path, const char *suffix, char unit[LCLONE_UNIT_NAME_SIZE]);

#endif /* LCLONE_UNIT_NAME_H */
