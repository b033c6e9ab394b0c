/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sector.S: what a guest of `bootable` consists of, its boot sector. By the BIOS, and so by
 * whatever disk it was started from, it counts its starts in the disk's second sector,
 * writes 32 KiB to each of `chunks` stretches of 64 KiB behind that, says so on the serial port,
 * and turns its machine off.
 */
	.code16
	.globl	_start
	.set	buffer, 0x8000
	.set	pattern, 0x1000		/* a segment */

_start:	cld
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$0x7c00, %sp
	ljmp	$0, $1f
1:	mov	%dl, drive

	mov	$0x42, %ah		/* read */
	call	disk
	incw	buffer
	mov	$0x43, %ah		/* write */
	call	disk

	mov	$pattern, %ax
	mov	%ax, %es
	xor	%di, %di
	mov	$0x4000, %cx
	mov	$0x6767, %ax
	rep	stosw
	movw	$64, count
	movw	$0, offset
	movw	$pattern, segment
	movw	$0, sector
	mov	todo, %cx
2:	jcxz	3f
	addl	$128, sector
	mov	$0x43, %ah
	call	disk
	dec	%cx
	jmp	2b

3:	mov	$written, %si
	call	say
off:	mov	$0x5301, %ax		/* APM: connect, as version 1.2, and turn off */
	xor	%bx, %bx
	int	$0x15
	mov	$0x530e, %ax
	mov	$0x0102, %cx
	int	$0x15
	mov	$0x5307, %ax
	mov	$1, %bx
	mov	$3, %cx
	int	$0x15
	hlt

/* What %ah says with what `packet` says; does not come back from an error */
disk:	push	%cx
	mov	$packet, %si
	mov	drive, %dl
	xor	%al, %al
	int	$0x13
	pop	%cx
	jc	4f
	ret
4:	mov	$failed, %si
	call	say
	jmp	off

say:	lodsb
	test	%al, %al
	jz	5f
	mov	$0x3f8, %dx
	out	%al, %dx
	jmp	say
5:	ret

written: .asciz	"guest: written\n"
failed:	.asciz	"guest: the disk has failed\n"
drive:	.byte	0
	.balign	4
packet:	.byte	16, 0
count:	.word	1
offset:	.word	buffer
segment: .word	0
sector:	.long	1, 0

	.org	508
todo:	.word	chunks
	.word	0xaa55
