/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A flush and the commit: crash argument 8 of Documentation/design.rst.
 *
 * Two writers of two entries in one group of one leaf; each flushes when its write has
 * ended.  A round may begin by itself at any time, or because of a flush.  Claim: when a
 * flush has ended, the write before it is durable.
 *
 * Spin's memory is sequentially consistent: where the code has a barrier, the bug that
 * leaves it out has the two accesses in the other order.  What happens under commit.lock
 * is one step, but for what others look at without it.
 */
#define W 2

bool clean = true, busy;
bool flag;			/* LEAF_UNCOMMITTED */
bool listed, in_round;		/* commit.uncommitted, .round */
byte pins;
bool group;
bool dirty[W], recorded[W], durable[W];
bool waits[W], serving[W];
bool failed;			/* the delta is degraded */
byte rounds = 0;

proctype writer(byte w)
{
	bool seen;

#ifdef BUG_PIN_BARRIER
	seen = flag;
	pins++;
#else
	pins++;
	seen = flag;
#endif
	if
	:: seen
	:: else ->
		atomic {
			clean = false;
			listed = listed || !flag;
			flag = true;
		}
	fi;
#ifdef BUG_PUBLISH_AFTER_UNPIN
	group = true;
	pins--;
	dirty[w] = true;
#else
#ifdef BUG_TOUCH_AFTER_DIRTY
	dirty[w] = true;
	pins--;
	group = true;
#else
	group = true;
	dirty[w] = true;
	pins--;
#endif
#endif
	/* completed; its flush comes */
#ifdef BUG_TWO_LOADS
	seen = !listed;
	if
	:: seen -> seen = !busy
	:: else
	fi;
#else
	seen = clean;
#endif
	if
	:: seen
	:: else ->
		atomic {
			waits[w] = true;
			clean = false;
			busy = true;
		}
		!waits[w] && !serving[w]
	fi;
	assert(durable[w] || failed);
}

/* Who has set busy. A step that fails ends all. */
active proctype committer()
{
	bool g, p;
	byte i;

end:	do
	:: rounds < 3 && !busy ->
		/* the timer */
		atomic {
			if
			:: !busy -> busy = true; clean = false
			:: else
			fi
		}
	:: busy ->
		rounds = (rounds < 3 -> rounds + 1 : rounds);
		atomic {
			for (i : 0 .. W - 1) {
				serving[i] = waits[i];
				waits[i] = false
			}
			in_round = listed;
			listed = false
		}
		if
		:: in_round ->
			atomic { g = group; group = false }
#ifdef BUG_TAKE_BARRIER
			p = pins > 0;
			flag = false;
#else
			flag = false;
			p = pins > 0;
#endif
			atomic {
				in_round = false;
				group = group || (p && g);
				if
				:: p || group -> flag = true; listed = true
				:: else
				fi
			}
			for (i : 0 .. W - 1) {
				atomic {
					recorded[i] = g && dirty[i];
					dirty[i] = dirty[i] && !recorded[i]
				}
			}
			if
			:: skip
			:: failed = true
			fi;
			for (i : 0 .. W - 1) {
				durable[i] = durable[i] || (recorded[i] && !failed);
				recorded[i] = false
			}
		:: else
		fi;
		atomic {
			for (i : 0 .. W - 1) {
				serving[i] = false
			}
			if
			:: waits[0] || waits[1]
			:: else ->
				busy = false;
				clean = !listed && !failed
			fi
		}
	od
}

init {
	atomic {
		run writer(0);
		run writer(1)
	}
}
