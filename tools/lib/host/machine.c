// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "host/machine.h"

#define MACHINE_ID_DIGITS	32

/* a6c3d1f0-6d5b-4f0e-9a53-6c636c6f6e65, see format.rst */
static const uuid_t namespace = {
	0xa6, 0xc3, 0xd1, 0xf0, 0x6d, 0x5b, 0x4f, 0x0e,
	0x9a, 0x53, 0x6c, 0x63, 0x6c, 0x6f, 0x6e, 0x65,
};

/* The digits at the start of @text, small, into @digits: are there at least so many? */
static bool take_digits(const char *text, char *digits, size_t count)
{
	size_t i;

	for (i = 0; i < count && isxdigit((unsigned char)text[i]); i++)
		digits[i] = tolower((unsigned char)text[i]);
	digits[i] = '\0';
	return i == count;
}

static void put_name(char plain[LCLONE_HOST_NAME_MAX + 1], const char *name)
{
	size_t i;

	for (i = 0; i < LCLONE_HOST_NAME_MAX && name[i]; i++)
		plain[i] = isascii((unsigned char)name[i]) &&
			   (isalnum((unsigned char)name[i]) || strchr(".-_", name[i])) ?
			   name[i] : '-';
	plain[i] = '\0';
}

bool lclone_owner_of(const char *name, const char *machine, const char *boot,
		     char owner[LCLONE_OWNER_SIZE])
{
	char id[MACHINE_ID_DIGITS + 1], digits[LCLONE_BOOT_DIGITS + 1] = "", text[UUID_STR_LEN];
	char plain[LCLONE_HOST_NAME_MAX + 1], hash[LCLONE_MACHINE_DIGITS + 1];
	uuid_t uuid;
	size_t i, n = 0;

	owner[0] = '\0';
	if (!take_digits(machine, id, MACHINE_ID_DIGITS) ||
	    isxdigit((unsigned char)machine[MACHINE_ID_DIGITS]) ||
	    strspn(id, "0") == MACHINE_ID_DIGITS)
		return false;
	if (!take_digits(boot, digits, LCLONE_BOOT_DIGITS))
		strcpy(digits, "00000000");
	uuid_generate_sha1(uuid, namespace, id, MACHINE_ID_DIGITS);
	uuid_unparse_lower(uuid, text);
	for (i = 0; n < LCLONE_MACHINE_DIGITS; i++)
		if (text[i] != '-')
			hash[n++] = text[i];
	hash[n] = '\0';
	put_name(plain, name[0] ? name : "localhost");
	snprintf(owner, LCLONE_OWNER_SIZE, "%s/%s/%s", plain, hash, digits);
	return true;
}

/* "" if it cannot be read */
static void read_line(const char *path, char *line, size_t size)
{
	ssize_t len = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		len = read(fd, line, size - 1);
		close(fd);
	}
	line[len > 0 ? len : 0] = '\0';
}

bool lclone_this_host(char owner[LCLONE_OWNER_SIZE])
{
	char name[HOST_NAME_MAX + 1] = "", machine[64], boot[64];

	if (gethostname(name, sizeof(name) - 1))
		name[0] = '\0';
	read_line("/etc/machine-id", machine, sizeof(machine));
	read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	return lclone_owner_of(name, machine, boot, owner);
}
