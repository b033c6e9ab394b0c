/* SPDX-License-Identifier: GPL-2.0-only */
/* The two devices as they are at the start of a run */
#ifndef CRASH_IMAGE_H
#define CRASH_IMAGE_H

#include "crash.h"

/*
 * Allocates the address space of a run (see crash_space()) and fills it: the
 * base with stamps, the delta with what its space was used for before and,
 * unless the kernel is to format it, an empty delta with a small log.
 */
u8 *image_create(const struct crash_params *p);

#endif /* CRASH_IMAGE_H */
