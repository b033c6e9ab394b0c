// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "basic/fail.h"
#include "host/dm-events.h"

#define FIRST_SIZE	16384
#define LARGEST_SIZE	(64u << 20)

static void prepare(struct dm_ioctl *io, u32 size)
{
	memset(io, 0, sizeof(*io));
	io->version[0] = DM_VERSION_MAJOR;
	io->data_size = size;
	io->data_start = sizeof(*io);
}

int lclone_dm_events_open(void)
{
	int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return lclone_fail(-errno, "/dev/mapper/control: %m%s",
				   errno == ENOENT ? ": modprobe dm-mod" : "");
	return fd;
}

int lclone_dm_events_arm(int fd)
{
	struct dm_ioctl io;

	prepare(&io, sizeof(io));
	return ioctl(fd, DM_DEV_ARM_POLL, &io) ?
	       lclone_fail(-errno, "device-mapper: cannot wait for events: %m") : 0;
}

/* The whole list, to be freed; NULL with *err */
static struct dm_ioctl *read_list(int fd, int *err)
{
	struct dm_ioctl *io = NULL, *bigger;
	u32 size;

	*err = 0;
	for (size = FIRST_SIZE; size <= LARGEST_SIZE; size *= 2) {
		bigger = realloc(io, size);
		if (!bigger)
			break;
		io = bigger;
		prepare(io, size);
		if (ioctl(fd, DM_LIST_DEVICES, io)) {
			*err = lclone_fail(-errno, "device-mapper: cannot list its devices: %m");
			free(io);
			return NULL;
		}
		if (!(io->flags & DM_BUFFER_FULL_FLAG))
			return io;
	}
	free(io);
	*err = lclone_fail(-ENOMEM, "out of memory");
	return NULL;
}

/* Behind the name, at a multiple of 8 */
static u32 event_of(const struct dm_name_list *dev)
{
	const char *end = dev->name + strlen(dev->name) + 1;
	u32 event;

	memcpy(&event, (const char *)(((uintptr_t)end + 7) & ~(uintptr_t)7), sizeof(event));
	return event;
}

int lclone_dm_events_each(int fd, int (*visit)(const char *name, u32 event, void *ctx), void *ctx)
{
	const struct dm_name_list *dev;
	struct dm_ioctl *io;
	int ret;

	io = read_list(fd, &ret);
	if (!io)
		return ret;
	dev = (void *)((char *)io + io->data_start);
	while (io->data_size > io->data_start && dev->dev) {
		ret = visit(dev->name, event_of(dev), ctx);
		if (ret || !dev->next)
			break;
		dev = (const void *)((const char *)dev + dev->next);
	}
	free(io);
	return ret;
}
