// SPDX-License-Identifier: GPL-2.0-only
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "basic/fail.h"
#include "host/library.h"

int lclone_library_load(struct lclone_library *lib, const struct lclone_symbol *symbols,
			size_t count)
{
	void *handle, *function;
	size_t i;

	if (lib->handle)
		return 0;
	handle = dlopen(lib->file, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return lclone_fail(-EPROTONOSUPPORT, "%s needs %s, which is not installed (%s)",
				   lib->what, lib->file, lib->package);
	for (i = 0; i < count; i++) {
		function = dlsym(handle, symbols[i].name);
		if (!function) {
			dlclose(handle);
			return lclone_fail(-EPROTONOSUPPORT, "%s needs a newer %s", lib->what,
					   lib->file);
		}
		memcpy(symbols[i].to, &function, sizeof(function));
	}
	lib->handle = handle;
	return 0;
}
