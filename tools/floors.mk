# SPDX-License-Identifier: GPL-2.0-only
#
# The floors of the tool, lowest first: a file includes and calls only what is named
# before it.  Headers that have no .c file of their name are named in their place, in the
# comments.  tests/house/check holds this.  README.rst says what each floor is for.

# The module's: lclone_format.h lclone_version.h, and what that has in user space:
# lib/format_user.h
# Text, sentences, time, zeros, how far a long walk is: lib/basic/clock.h lib/basic/zero.h
# lib/basic/watch.h
FLOORS	:= lib/basic/text.o lib/basic/names.o lib/basic/fail.o lib/basic/dry.o lib/basic/signals.o lib/basic/sort.o \
	   lib/basic/buffer.o lib/basic/crew.o

# What is on a delta, read from any device, also from memory
FLOORS	+= lib/format/crc32c.o lib/format/format.o lib/format/dev.o lib/format/layer.o \
	   lib/format/delta.o lib/format/stream.o lib/format/moment.o lib/format/tree.o \
	   lib/format/verity.o

# This host: devices and files, locks, device-mapper, LVM
FLOORS	+= lib/host/device.o lib/host/dm-task.o lib/host/target.o lib/host/feature.o \
	   lib/host/dm.o lib/host/lock.o \
	   lib/host/pending.o lib/host/stack.o lib/host/program.o lib/host/lvm.o \
	   lib/host/lv-lock.o lib/host/file.o lib/host/part.o lib/host/tab.o \
	   lib/host/ranges.o lib/host/queue.o lib/host/look.o \
	   lib/host/volumes.o lib/host/find.o lib/host/lv.o lib/host/library.o \
	   lib/host/verity.o
FLOORS	+= lib/host/unit-name.o lib/host/units.o
FLOORS	+= lib/host/machine.o lib/host/dm-events.o lib/host/notify.o lib/host/lv-extend.o lib/host/nbd.o

# Deltas, layers, bases and clones, and who needs whom
FLOORS	+= lib/clone/owner.o lib/clone/super.o lib/clone/protect.o lib/clone/dm-switch.o lib/clone/inventory.o \
	   lib/clone/delta-file.o lib/clone/active.o lib/clone/half-merged.o \
	   lib/clone/seal.o lib/clone/verified.o lib/clone/base.o \
	   lib/clone/blocks.o \
	   lib/clone/chain.o lib/clone/overlay.o lib/clone/disk.o lib/clone/family.o \
	   lib/clone/overview.o \
	   lib/clone/load.o lib/clone/users.o lib/clone/overwrite.o lib/clone/make.o

FLOORS	+= lib/clone/name.o lib/clone/snapshot.o lib/clone/word.o

# What is done with what nobody uses
FLOORS	+= lib/offline/check.o lib/offline/check-delta.o lib/offline/copy.o \
	   lib/offline/merge-parent.o lib/offline/merge.o lib/offline/measure.o \
	   lib/offline/picture.o \
	   lib/offline/head.o lib/offline/into-base.o lib/offline/copy-out.o \
	   lib/offline/rebase.o lib/offline/remove.o lib/offline/salvage-state.o \
	   lib/offline/salvage-leaves.o lib/offline/salvage-losses.o \
	   lib/offline/salvage-rules.o lib/offline/salvage-nodes.o \
	   lib/offline/salvage-log.o lib/offline/salvage.o lib/offline/repair-tree.o \
	   lib/offline/repair.o lib/offline/undo.o

FLOORS	+= lib/offline/vhd.o lib/offline/vhd-file.o
FLOORS	+= lib/offline/writer.o lib/offline/send.o lib/offline/receive.o

FLOORS	+= lib/offline/image-header.o lib/offline/image-format.o lib/offline/image.o \
	   lib/offline/template.o lib/offline/seal-base.o lib/offline/verify.o
FLOORS	+= lib/offline/image-chain.o lib/offline/image-reader.o \
	   lib/offline/import.o lib/offline/import-to.o

FLOORS	+= lib/offline/image-new.o lib/offline/export.o

# What is done with clones that are in use
FLOORS	+= lib/online/grown.o lib/online/follow.o lib/online/open.o lib/online/create.o \
	   lib/online/volume.o lib/online/switch.o lib/online/close.o \
	   lib/online/below.o lib/online/task.o lib/online/merge.o lib/online/flatten.o \
	   lib/online/into-parent.o lib/online/resize.o
FLOORS	+= lib/online/boot.o lib/online/extend.o lib/online/grower.o \
	   lib/online/half-made.o lib/online/deploy.o lib/online/by-name.o \
	   lib/online/drop.o lib/online/tags.o lib/online/leftover.o
FLOORS	+= lib/online/import-name.o

# What commands are given, and what they show
FLOORS	+= ui/command.o ui/output.o ui/confirm.o ui/options.o ui/progress.o ui/format.o \
	   ui/online.o ui/table.o ui/clones.o ui/picture.o ui/save.o ui/metrics.o \
	   ui/screen.o ui/lost.o ui/volumes.o ui/switching.o ui/stream.o

# The commands: cmd/commands.h
FLOORS	+= cmd/check.o cmd/close.o cmd/create.o cmd/diff.o cmd/dump.o cmd/flatten.o \
	   cmd/format.o cmd/list.o cmd/map.o cmd/measure.o cmd/merge.o cmd/metrics.o \
	   cmd/open.o cmd/rebase.o cmd/remove.o cmd/repair.o cmd/resize.o cmd/revert.o \
	   cmd/snapshot.o cmd/status.o cmd/table.o cmd/top.o cmd/tree.o
FLOORS	+= cmd/unit.o cmd/generator.o cmd/daemon.o
FLOORS	+= cmd/probe.o cmd/template.o cmd/scan.o cmd/seal-base.o cmd/verify.o
FLOORS	+= cmd/export.o cmd/import.o

FLOORS	+= cmd/send.o cmd/receive.o

FLOORS	+= main.o
