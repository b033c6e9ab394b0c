// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>

#include "basic/signals.h"

void lclone_hold_signals(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGABRT);
	sigprocmask(SIG_BLOCK, &all, old);
}

void lclone_release_signals(const sigset_t *old)
{
	sigprocmask(SIG_SETMASK, old, NULL);
}

bool lclone_asked_to_end(void)
{
	static const int those[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	struct sigaction action;
	sigset_t pending;
	size_t i;

	sigpending(&pending);
	for (i = 0; i < sizeof(those) / sizeof(those[0]); i++)
		if (sigismember(&pending, those[i]) == 1 && !sigaction(those[i], NULL, &action) &&
		    action.sa_handler != SIG_IGN)
			return true;
	return false;
}
