/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * BUSY and the pins: a copy-up does not land on a write that was acknowledged ("BUSY" in
 * Documentation/design.rst).
 *
 * A first write pins the leaf, looks at the entry, writes, publishes, unpins.  A copy-up
 * sets BUSY, waits until nobody has the leaf pinned, looks again, and copies.
 */
bool busy, written;
byte pins;
bool acknowledged, overwritten;

active proctype writer()
{
	bool b;

#ifdef BUG_PIN_BARRIER
	b = busy;
	pins++;
#else
	pins++;
	b = busy;
#endif
	if
	:: b -> pins--		/* it waits for BUSY */
	:: else ->
#ifdef BUG_PUBLISH_AFTER_UNPIN
		pins--;
		written = true;
#else
		written = true;
		pins--;
#endif
		acknowledged = true
	fi
}

active proctype copyup()
{
	bool w;

	busy = true;
#ifdef BUG_ACQUIRE
	w = written;
	pins == 0;
#else
	pins == 0;
	w = written;
#endif
	if
	:: w
	:: else ->
		overwritten = true;
		assert(!acknowledged)
	fi
}
