/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A commit beside the data: Documentation/commit-beside.rst.
 *
 * One entry with two subchunks.  A and B write, discard and flush; a checkpoint may come;
 * the device keeps in its cache what it likes.  The power goes at any moment, twice: after
 * the first time the delta is activated, is used, and the power goes again.  Claims: what a
 * flush has acknowledged is there; what is there was written by the guest, in this life, or
 * is what the activation has found; no valid block is later than the end of the log.
 *
 * A content is the number of the operation that made it.
 * Memory is sequentially consistent here: where the code needs a barrier, the bug that leaves
 * it out has the two accesses in the other order.
 */
#define BLOCKS	7
#define GARBAGE	100		/* what the place held before */
#define NEXT_LIFE 50		/* written after the first cut */
#define TORN	101		/* some of its sectors are garbage */

#define BASE	0		/* states of a subchunk in the entry */
#define WRITTEN	1
#define ZERO	2

#define NONE	9
#define OPEN	1		/* of the commit beside: nothing relies on it yet */
#define VOID	2		/* its data were overwritten: a flush must not rely on it */
#define RELIED	3		/* a flush relies on it: its data must not be overwritten */

#define CACHED	1		/* of a block */
#define DURABLE	2

/* The device: what is durable, and what is in its cache */
byte disk[2], cache[2];
byte on_disk[BLOCKS];		/* blocks of the log */
bool has_record[BLOCKS];
byte record0[BLOCKS], record1[BLOCKS];
byte beside[BLOCKS];		/* the subchunk, or NONE */
byte value0[BLOCKS], value1[BLOCKS], sum[BLOCKS];
byte tree0, tree1, start;	/* the superblock, and the tree that it leads to */

/* Memory */
byte entry[2];
bool dirty;
bool busy;
byte pins;
byte tail;
byte state = NONE, last = NONE;	/* the commit beside the data */
byte last0, last1;
byte before = NONE;		/* the one before, which no durable commit has replaced yet */
bool pending;			/* a record that a flush made, and no block has */
byte pending0, pending1;
bool failed;			/* one write has */
byte overwrites[2];		/* in flight */
bool unwritten;			/* an overwrite may be in flight to what is not written any more */

/* The oracle */
bool bad;
byte next = 1;			/* numbers of operations */
byte ended[2];			/* operations that have ended: a bit for each; 0 is what was there */
byte replaced[2];		/* contents that had ended when one that has ended began */
byte writing[2];		/* writes under way */
byte raced[2];			/* those that have ended beside one that is under way still */
byte gone[2];			/* those replaced of which a flush says so */
byte zeroed[2];			/* the operation by which it reads as zeros */

inline begin_op(s, id, older)
{
	id = next;
	next++;
	older = ended[s] & ~raced[s]
}

/*
 * Of two writes of one place at the same time either may have landed last, and still be what a
 * discard in between brings back when the other one ends: nothing is said about that.
 */
inline end_write(s, id)
{
	writing[s]--;
	raced[s] = (writing[s] -> raced[s] | 1 << id : 0)
}

inline end_op(s, id, older)
{
	ended[s] = ended[s] | 1 << id;
	replaced[s] = replaced[s] | older
}

/*
 * What is in the cache becomes durable.  A write that is under way lands before or behind that:
 * there is nothing else that a flush can make of it.
 */
inline flush_device()
{
	atomic {
		disk[0] = cache[0];
		disk[1] = cache[1];
		if
		:: tail < BLOCKS && on_disk[tail] == CACHED -> on_disk[tail] = DURABLE
		:: else
		fi;
		if
		:: tail > 0 && on_disk[tail - 1] == CACHED -> on_disk[tail - 1] = DURABLE
		:: else
		fi
	}
}

inline write_block(b, r, r0, r1, s, v0, v1, c)
{
	assert(b < BLOCKS);
	has_record[b] = r;
	record0[b] = r0;
	record1[b] = r1;
	beside[b] = s;
	value0[b] = v0;
	value1[b] = v1;
	sum[b] = c
}

/* The write of a block beside the data, neither FUA nor behind a flush */
proctype log_write()
{
	byte b = tail;

	on_disk[b] = CACHED;
	atomic {
		tail++;
#ifdef BUG_REPLACED_BEFORE_DURABLE
		before = NONE;
#endif
		busy = false
	}
}

/* A round, by who has set busy: of a flush, or (@force) because an overwrite waits. */
inline round(force)
{
	atomic {
		got = dirty;
		dirty = false;
		got0 = entry[0];
		got1 = entry[1];
#ifdef BUG_RELIES_WHATEVER_IS_DIRTY
		by = !force && got && state == OPEN && entry[last] == WRITTEN;
#else
		by = !force && got && state == OPEN && got0 == last0 && got1 == last1;
#endif
		if
		:: by -> state = RELIED
		:: else
		fi
	};
#ifdef BUG_NO_FLUSH
	if
	:: by
	:: else -> flush_device()
	fi;
#else
	flush_device();
#endif
	if
	:: by ->
		atomic {
			pending = true;
			pending0 = got0;
			pending1 = got1;
			before = NONE
		}
	:: !by && (got || (force && pending)) ->
		atomic {
			if
			:: got
			:: else -> got0 = pending0; got1 = pending1
			fi;
			write_block(tail, true, got0, got1, NONE, 0, 0, 0)
		};
#ifdef BUG_OVERWRITE_BEFORE_DURABLE
		state = NONE;
		before = NONE;
#endif
		atomic {
			on_disk[tail] = DURABLE;
			tail++;
			pending = false;
			state = NONE;
			before = NONE
		}
	:: else ->
		before = NONE
	fi
}

inline flush()
{
	atomic {
		e0 = replaced[0];
		e1 = replaced[1];
		if
		:: !busy && !dirty && !pins -> clean = true
		:: else -> clean = false
		fi
	};
	if
	:: clean -> flush_device()
	:: else ->
#ifndef BUG_FLUSH_PASSES_COMMIT
		atomic { !busy -> busy = true };
		round(false);
		busy = false
#else
		atomic {
			if
			:: busy && state == OPEN -> clean = true
			:: !busy -> busy = true
			fi
		};
		if
		:: clean -> flush_device()
		:: else ->
			round(false);
			busy = false
		fi
#endif
	fi;
	atomic {
		gone[0] = gone[0] | e0;
		gone[1] = gone[1] | e1;
		e0 = 0; e1 = 0; got = false; got0 = 0; got1 = 0;
		by = false; clean = false
	}
}

#define GUARDED(s)	((state == RELIED && last == s) || before == s)

/* Looks whether the subchunk may be written over; waits, or makes the commit void. */
inline look(s)
{
	do
#ifndef BUG_OVERWRITE_PASSES
	:: atomic { GUARDED(s) && !busy -> busy = true };
		round(true);
		busy = false
	:: atomic { !GUARDED(s) ->
#else
	:: atomic { true ->
#endif
#ifndef BUG_NOT_VOID
		if
		:: state == OPEN && last == s -> state = VOID
		:: else
		fi;
#endif
		break }
	od
}

/* The device may make what is in its cache durable at any time: it matters before a change. */
inline land(s, v)
{
	atomic {
		if
		:: disk[s] = cache[s]
		:: true
		fi;
		cache[s] = v
	}
}

inline write(s)
{
#ifdef BUG_LOOK_BEFORE_PIN
	atomic { begin_op(s, id, older); writing[s]++ };
	look(s);
	first = entry[s] != WRITTEN;
	if
	:: first -> pins++
	:: else
	fi;
#else
	/* who finds it written is no first write: it has no pin */
	atomic {
		begin_op(s, id, older);
		writing[s]++;
		first = entry[s] != WRITTEN;
		if
		:: first -> pins++
		:: else -> overwrites[s]++
		fi
	};
	look(s);
#endif
	if
	:: first ->
		/* It may have a commit of its own beside it. */
		atomic {
			if
#ifdef BUG_DIRTY_ENTRY
			:: !busy && (state == NONE || state == RELIED) &&
			   tail < BLOCKS - 2 ->
#else
			:: !busy && !dirty && (state == NONE || state == RELIED) &&
			   tail < BLOCKS - 2 ->
#endif
				busy = true;
				before = (state == RELIED -> last : NONE);
				was = state;
				was_last = last;
				state = OPEN;
				last = s;
				last0 = (s == 0 -> WRITTEN : entry[0]);
				last1 = (s == 1 -> WRITTEN : entry[1]);
				mine = true
			:: else
			fi
		};
		if
		:: mine ->
			atomic {
				if
#ifdef BUG_OTHERS_IN_FLIGHT
				:: true ->
#else
				:: pins == 1 && !unwritten && entry[s] != WRITTEN && state == OPEN ->
#endif
					write_block(tail, pending, pending0, pending1, s, last0, last1, id);
#ifdef BUG_LIVE_BUFFER
					sum[tail] = TORN;
#endif
					pending = false;
					run log_write()
				:: else ->
					/* not alone: it goes without */
					state = was;
					last = was_last;
					before = NONE;
					busy = false
				fi
			}
		:: else
		fi;
		if
		:: atomic { cache[s] >= GARBAGE -> cache[s] = TORN }
		:: cache[s] < GARBAGE
		fi;
		land(s, id);
		if
		:: true ->
			atomic {
				entry[s] = WRITTEN;
				dirty = true;
				pins--;
				end_op(s, id, older);
				end_write(s, id)
			}
		:: !failed ->
			/* it has failed: nobody knows what is there */
			atomic {
				failed = true;
				pins--;
				ended[s] = ended[s] | 1 << id;
				end_write(s, id)
			}
		fi
	:: else ->
		land(s, id);
		atomic {
			overwrites[s]--;
			end_op(s, id, older);
			end_write(s, id)
		}
	fi;
	atomic { id = 0; older = 0; first = false; mine = false; was = 0; was_last = 0 }
}

/* It keeps the chunk, so that an overwrite may still be in flight. */
inline discard(s)
{
	atomic {
		begin_op(s, id, older);
		if
		:: entry[s] == WRITTEN -> 
#ifndef BUG_DISCARD_UNSEEN
			unwritten = true
#endif
		:: else
		fi;
		entry[s] = ZERO;
		zeroed[s] = id;
		dirty = true;
		end_op(s, id, older);
		id = 0; older = 0
	}
}

inline checkpoint()
{
	atomic {
		!busy -> busy = true;
		got0 = entry[0];
		got1 = entry[1];
		dirty = false
	};
	flush_device();
	atomic {
		/* the superblock is durable */
		tree0 = got0;
		tree1 = got1;
		start = tail;
		pending = false;
		state = NONE;
		before = NONE;
		busy = false;
		got0 = 0;
		got1 = 0
	}
}

#define LOCALS \
	byte id, older, e0, e1, got0, got1, was, was_last; \
	bool first, mine, got, by, clean

/* What the commit is for: a first write and its flush, then an overwrite and its flush */
proctype A()
{
	LOCALS;

	write(0);
	flush();
	write(0);
	flush()
}

/* Whatever gets in the way */
proctype B()
{
	byte left = 2;
	LOCALS;

	do
	:: left > 0 -> left--; write(0)
	:: left > 0 -> left--; write(1)
	:: left > 0 -> left--; discard(0)
	:: left > 0 -> left--; flush()
	:: left > 0 -> left--; checkpoint()
	:: left == 2 ->
		left = 0;
		discard(0);
		flush();
		write(0);
		flush()
	:: break
	od
}

/* When the overwrites have ended that may have begun before a discard: a drain */
active proctype drain()
{
end:	do
	:: atomic { unwritten && overwrites[0] == 0 && overwrites[1] == 0 -> unwritten = false }
	od
}

/*
 * The power goes, now, and once more in the next life.  This looks at all that it can leave;
 * it is C because that is a transition instead of hundreds.
 */
c_code {
#ifdef BUG_SUM_NOT_LOOKED_AT
#define MATCHES(n)	1
#else
#define MATCHES(n)	(disk[now.beside[n]] == now.sum[n])
#endif

/* Gives what each subchunk holds; returns the end of the log, or -1 for a block behind it. */
static int replay(const int *disk, const int *there, int *state, int *content)
{
	int end = now.start, n, s;

	while (end < BLOCKS && there[end])
		end++;
	for (n = end; n < BLOCKS; n++)
		if (there[n])
			return -1;
	state[0] = now.tree0;
	state[1] = now.tree1;
	for (n = now.start; n < end; n++) {
		if (now.has_record[n]) {
			state[0] = now.record0[n];
			state[1] = now.record1[n];
		}
		if (n == end - 1 && now.beside[n] != NONE && MATCHES(n)) {
			state[0] = now.value0[n];
			state[1] = now.value1[n];
		}
	}
	for (s = 0; s < 2; s++)
		content[s] = state[s] == WRITTEN ? disk[s] : state[s] == ZERO ? now.zeroed[s] : 0;
	return end;
}

/*
 * The next life records what it has found; its first write is in place, or it goes to the place
 * that is free, with the same data; and the power goes.
 */
static int next_life_is_bad(int *disk, const int *there, int end, int *state, const int *found)
{
	int s, content[2], is_bad, was;

	if (end == now.start || now.beside[end - 1] == NONE)
		return 0;
	s = now.beside[end - 1];
	was = disk[s];
	disk[s] = state[s] == WRITTEN ? NEXT_LIFE : now.sum[end - 1];
#ifdef BUG_NO_VERDICT
	replay(disk, there, state, content);
#else
	content[s] = state[s] == WRITTEN ? disk[s] : found[s];
	content[!s] = found[!s];
#endif
	is_bad = (content[s] != found[s] && content[s] != NEXT_LIFE) || content[!s] != found[!s];
	disk[s] = was;
	return is_bad;
}

static int cut_is_bad(void)
{
	int choice, n, s;

	for (choice = 0; choice < 8; choice++) {
		int disk[2], there[BLOCKS], state[2], content[2], end;

		for (s = 0; s < 2; s++)
			disk[s] = choice & 1 << s ? now.cache[s] : now.disk[s];
		for (n = 0; n < BLOCKS; n++)
			there[n] = now.on_disk[n] == DURABLE ||
				   (now.on_disk[n] == CACHED && choice & 4);
		end = replay(disk, there, state, content);
		if (end < 0)
			return 1;
		for (s = 0; s < 2; s++)
			if (content[s] >= GARBAGE || now.gone[s] >> content[s] & 1)
				return 1;
		if (next_life_is_bad(disk, there, end, state, content))
			return 1;
	}
	return 0;
}
}

init {
	atomic {
		disk[0] = GARBAGE; disk[1] = GARBAGE;
		cache[0] = GARBAGE; cache[1] = GARBAGE;
		ended[0] = 1; ended[1] = 1;
		run A();
		run B()
	};
	do
	:: d_step { c_code { now.bad = cut_is_bad(); }; assert(!bad) }
	:: break
	od
}
