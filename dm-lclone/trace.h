/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events: what a delta does beside the I/O of its guest.  Each names the delta's device.
 *
 * There is none for bios on their way through map and end_io, which blktrace shows.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lclone

#if !defined(LCLONE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define LCLONE_TRACE_H

#include <linux/tracepoint.h>

#include "dev.h"

/* A commit was written to the log, or has failed. */
TRACE_EVENT(lclone_commit,
	    TP_PROTO(const struct lclone_dev *dev, u64 commit, u32 blocks, int error),
	    TP_ARGS(dev, commit, blocks, error),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(u64, commit)
			     __field(u32, blocks)
			     __field(int, error)),
	    TP_fast_assign(__entry->dev = dev->bdev->bd_dev;
			   __entry->commit = commit;
			   __entry->blocks = blocks;
			   __entry->error = error;),
	    TP_printk("%u:%u commit=%llu blocks=%u error=%d",
		      MAJOR(__entry->dev), MINOR(__entry->dev), __entry->commit,
		      __entry->blocks, __entry->error)
);

/* A checkpoint was made, or failed. */
TRACE_EVENT(lclone_checkpoint,
	    TP_PROTO(const struct lclone_dev *dev, u64 checkpoint, u32 nodes, int error),
	    TP_ARGS(dev, checkpoint, nodes, error),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(u64, checkpoint)
			     __field(u32, nodes)
			     __field(int, error)),
	    TP_fast_assign(__entry->dev = dev->bdev->bd_dev;
			   __entry->checkpoint = checkpoint;
			   __entry->nodes = nodes;
			   __entry->error = error;),
	    TP_printk("%u:%u checkpoint=%llu nodes=%u error=%d",
		      MAJOR(__entry->dev), MINOR(__entry->dev), __entry->checkpoint,
		      __entry->nodes, __entry->error)
);

/* A drain begins, or has ended. */
TRACE_EVENT(lclone_drain,
	    TP_PROTO(const struct lclone_dev *dev, bool begins),
	    TP_ARGS(dev, begins),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(bool, begins)),
	    TP_fast_assign(__entry->dev = dev->bdev->bd_dev;
			   __entry->begins = begins;),
	    TP_printk("%u:%u %s",
		      MAJOR(__entry->dev), MINOR(__entry->dev),
		      __entry->begins ? "begins" : "has ended")
);

/* A batch of a merge or flatten has ended. */
TRACE_EVENT(lclone_batch,
	    TP_PROTO(const struct lclone_dev *dev, u32 chunks, u64 sectors, int error),
	    TP_ARGS(dev, chunks, sectors, error),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(u32, chunks)
			     __field(u64, sectors)
			     __field(int, error)),
	    TP_fast_assign(__entry->dev = dev->bdev->bd_dev;
			   __entry->chunks = chunks;
			   __entry->sectors = sectors;
			   __entry->error = error;),
	    TP_printk("%u:%u chunks=%u sectors=%llu error=%d",
		      MAJOR(__entry->dev), MINOR(__entry->dev), __entry->chunks,
		      __entry->sectors, __entry->error)
);

/* The delta can be written from now on, or can't any more. */
TRACE_EVENT(lclone_mode,
	    TP_PROTO(const struct lclone_dev *dev, bool writable),
	    TP_ARGS(dev, writable),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(bool, writable)),
	    TP_fast_assign(__entry->dev = dev->bdev->bd_dev;
			   __entry->writable = writable;),
	    TP_printk("%u:%u %s",
		      MAJOR(__entry->dev), MINOR(__entry->dev), __entry->writable ? "rw" : "ro")
);

/* The delta is full, or has space again. */
TRACE_EVENT(lclone_space,
	    TP_PROTO(const struct lclone_dev *dev, bool full),
	    TP_ARGS(dev, full),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(bool, full)),
	    TP_fast_assign(__entry->dev = dev->bdev->bd_dev;
			   __entry->full = full;),
	    TP_printk("%u:%u %s",
		      MAJOR(__entry->dev), MINOR(__entry->dev),
		      __entry->full ? "full" : "has space")
);

#endif /* LCLONE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
