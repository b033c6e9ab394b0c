/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A drain: crash argument 10 b of Documentation/design.rst.
 *
 * Two I/Os, on a processor each, that read the chunk that an entry names; who has cleared
 * the entry waits for a drain and gives the chunk to another.  Claim: nobody reads the
 * chunk then.  Each I/O may begin and end on different processors.
 */
#define N 2

bool names = true;		/* the entry has the chunk */
bool reused;
byte epoch;
int count0[2], count1[2];	/* of each processor, by epoch */
bool reading[N];		/* in a section of RCU */

inline add(cpu, e, n)
{
	if
	:: cpu == 0 -> count0[e] = count0[e] + n
	:: else -> count1[e] = count1[e] + n
	fi
}

proctype io(byte me)
{
	byte e, left = 2;
	bool mine;

	do
	:: left > 0 ->
		left--;
		reading[me] = true;
#ifdef BUG_ENTRY_BEFORE_EPOCH
		mine = names;
		e = epoch;
		add(me, e, 1);
#else
		e = epoch;
		add(me, e, 1);
		mine = names;
#endif
		reading[me] = false;
		if
		:: mine -> assert(!reused)
		:: else
		fi;
		/* it ends on the other processor */
		add(1 - me, e, -1)
	:: break
	od
}

active proctype worker()
{
	int sum;
	byte old;

	names = false;
	old = epoch;
	epoch = 1 - epoch;
#ifndef BUG_NO_GRACE_PERIOD
	/* of each section that has begun, the end */
	!reading[0];
	!reading[1];
#endif
	do
	:: true ->
		/* not at the same time */
		sum = count0[old];
		sum = sum + count1[old];
		if
		:: sum == 0 -> break
		:: else
		fi
	od;
	reused = true
}

init {
	atomic {
		run io(0);
		run io(1)
	}
}
