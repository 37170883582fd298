/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the end-to-end tests have in common.
 *
 * A test is a list of cases. Each case runs in a process of its own, so that
 * whatever it maps, opens or pins is gone when it is over, whichever way it
 * ends. Then the kernel must have released all pins that it has acquired, and
 * must have acquired some, if it is one that pins.
 *
 *	e2e.c		the cases and KTAP
 *	pins.c		what the kernel's counters have to say
 *	target.c	the table of filesystems and devices
 *	zonefs.c	one of them, which needs more to make it; loop.c another
 *	scsi_debug.c	a SCSI disk that is none
 *	dm.c		a disk made of parts, which may be errors
 *	io_api.c	the table of ways to read and write
 *	memory.c	patterns, memory whose pages are apart, comparisons
 */
#ifndef E2E_H
#define E2E_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define KIB 1024UL
#define MIB (1024 * KIB)
#define PAGE 4096UL
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define min(a, b) ((a) < (b) ? (a) : (b))

/* ---- cases (e2e.c) ---- */

/*
 * One case.
 * @run:	does it; returns when it has passed, or calls fail() or skip()
 * @target:	what to read and write; is there when @run begins. May be NULL.
 * @api:	by which way; for @run's use
 * @arg:	for @run's use
 * @no_pins:	why even a kernel that pins need not do so here. NULL: it must.
 * @bug:	why the case fails on an unpatched kernel: with E2E_PINS=no that
 *		is what is to be expected
 * @harms:	what an unpatched kernel does to itself here: with E2E_PINS=no
 *		the case is skipped, unless E2E_BUGS is set
 */
struct e2e_case {
	void (*run)(const struct e2e_case *c);
	const struct target *target;
	const struct io_api *api;
	const void *arg;
	const char *no_pins;
	const char *bug;
	const char *harms;
};

/* Put a copy of @c on the list, under a name that printf() makes. */
void e2e_add(const struct e2e_case *c, const char *name, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Run what is on the list, or those whose names match the glob argv[1].
 * Returns main()'s status: 0 passed, 1 failed, 77 all were skipped.
 */
int e2e_main(int argc, char **argv);

/* End the case: it has failed, and why. Also for the set-up of a target. */
void fail_at(const char *file, int line, const char *why, ...)
	__attribute__((format(printf, 3, 4), noreturn));
#define fail(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)

/* End the case: it cannot be had here; what is missing. */
void skip(const char *why, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* A line that helps to understand a result. */
void note(const char *what, ...) __attribute__((format(printf, 1, 2)));

/* The value of a system call that cannot fail unless something is wrong. */
#define must(call) ({							\
	__auto_type must_ret = (call);					\
	if (must_ret == (typeof(must_ret))-1)				\
		fail("%s: %s", #call, errno_name(errno));		\
	must_ret; })

/* "EFAULT" for EFAULT or -EFAULT; "0" for 0. */
const char *errno_name(int err);

/* ---- pins (pins.c) ---- */

/*
 * The I/O that the case is about begins, and ends: pins acquired before or
 * after do not count as its own. Without these calls it is the whole case.
 */
void pins_from_here(void);
void pins_until_here(void);

/* At least @n pins are to be acquired, instead of at least one. */
void pins_at_least(unsigned long n);

/* nr_foll_pin_acquired of /proc/vmstat. */
unsigned long pins_acquired(void);

/* For e2e_main(): around each case. */
void pins_init(void);
void pins_begin(void);
bool pins_are_right(const struct e2e_case *c, bool passed);

/* Whether the kernel is one that pins: E2E_PINS is not "no". */
bool pins_wanted(void);

/* ---- of use everywhere (e2e.c, memory.c) ---- */

/* Wait until @done(@arg) is true, for at most @seconds; whether it was. */
bool wait_until(bool (*done)(void *arg), void *arg, unsigned int seconds);

/* Run a shell command made by printf(); its output appears if it fails. */
void command(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Write one string into a file, as for sysfs. */
void echo(const char *text, const char *path);

/* ---- targets (target.c) ---- */

/*
 * Something to read and write directly.
 * @block:	positions, lengths and addresses of direct I/O are multiples of
 *		it. What is finer is refused, or done by way of the page cache.
 * @mkfs:	command that makes the filesystem; the disk's name is appended
 * @options:	of mount
 * @up, @down:	instead of @mkfs and mount
 * @file:	the test's file or device; NULL: a scratch disk
 * @own_dio:	direct I/O by fs/direct-io.c, which looks up the pages of any
 *		iterator. All others let a bio borrow the array of a bvec.
 * @sequential:	writes must append, and buffered ones are refused
 * @overwrites:	what is added to a file goes by way of the page cache
 */
struct target {
	const char *name;
	const char *mkfs;
	const char *fstype;
	const char *options;
	size_t block;
	bool own_dio;
	bool sequential;
	bool overwrites;
	void (*up)(void);
	void (*down)(void);
	const char *file;
};

extern const struct target targets[];
extern const unsigned int nr_targets;

/* The target of that name. */
const struct target *target(const char *name);

/* Make the target and take it away again. e2e_main() does it for the cases. */
void target_up(const struct target *t);
void target_down(const struct target *t);

/* Why I/O that comes as pages in an array takes no pins on @t, or NULL. */
const char *target_borrows(const struct target *t);

/* The path of the @n-th scratch disk of this machine, from 0. */
const char *scratch_disk(unsigned int n);

/* Where the target is mounted, for further files. */
#define MNT "/tmp/e2e.mnt"

/* The path of the test's own file on the target, or of the target's device. */
const char *target_file(const struct target *t);

/* Open it for direct I/O, reading and writing, with more @flags. */
int open_direct(const struct target *t, int flags);

/* Begin with an empty file, if it is a file. */
void fresh_file(const struct target *t);

/*
 * Begin with an empty file into which @len bytes can be written directly; if
 * the target only lets bytes be overwritten so, it has @len of something else.
 */
void fresh_room(const struct target *t, size_t len);

/* A fresh file with @len bytes of pattern @seed, which are on the disk only. */
void fresh_pattern(const struct target *t, unsigned int seed, size_t len);

/* Read @len bytes at @pos from the disk by way of the page cache. */
void *get_back(const struct target *t, off_t pos, size_t len);

/* Fail unless @len bytes at @pos are those of pattern @seed, from @pos on. */
void check_file(const struct target *t, unsigned int seed, off_t pos,
		size_t len);

/* Fail unless @len bytes at @pos are zero. */
void check_zeros(const struct target *t, off_t pos, size_t len);

/*
 * zonefs_file_dio_write() moves the write pointer before it writes, and
 * zonefs_file_dio_append() takes that for where the data should have gone:
 * mended by "zonefs: expect a synchronous append where it was sent".
 */
#define ZONEFS_APPEND "zonefs mistakes each synchronous append for a wrong one"

#define ZONEFS_FILE MNT "/seq/0"
void zonefs_up(void);
void zonefs_down(void);
void loop_up(void);
void loop_down(void);

/*
 * Let LOOP_DEVICE be @file, by direct I/O, in blocks of @block bytes, with more
 * @flags (LO_FLAGS_*). Returns the open device.
 */
#define LOOP_DEVICE "/dev/loop64"
int loop_attach(const char *file, size_t block, unsigned int flags);

/* ---- SCSI (scsi_debug.c) ---- */

/* The disk of the kernel's scsi_debug, /dev/sdX, which is made if need be. */
const char *scsi_disk(void);

/* The same for pass-through, /dev/sgN. */
const char *scsi_generic(void);

/* ---- device-mapper (dm.c) ---- */

/* So many @sectors of 512 bytes are of a @type, as in dmsetup's tables. */
struct dm_part {
	unsigned long sectors;
	const char *type, *params;
};

/* Make a disk of @nr parts, at most 4, in a row. Returns its path. */
const char *dm_create(const struct dm_part *parts, unsigned int nr);

/* From now on it has other parts. */
void dm_load(const struct dm_part *parts, unsigned int nr);

void dm_remove(void);

/* ---- ways to read and write (io_api.c) ---- */

enum io_dir { IO_READ, IO_WRITE };

/*
 * @rw:		moves the @nr segments of @iov from or to @pos of @fd, in one
 *		go. Returns bytes, or -errno as the kernel said it. If a way
 *		has to split a vector, it stops at the first short part.
 * @vectors:	takes more than one segment
 * @waits:	the kernel waits for the I/O before it returns from the call
 * @registers:	buffers are pinned by their registration, by any kernel, and
 *		the I/O comes as pages in an array
 */
struct io_api {
	const char *name;
	ssize_t (*rw)(int fd, enum io_dir dir, const struct iovec *iov,
		      unsigned int nr, off_t pos);
	bool vectors;
	bool waits;
	bool registers;
};

extern const struct io_api io_apis[];
extern const unsigned int nr_io_apis;

/* The way of that name. */
const struct io_api *io_api(const char *name);

/* One segment by @api, as read() and write(), but -errno for an error. */
ssize_t io(const struct io_api *api, int fd, enum io_dir dir, void *buf,
	   size_t len, off_t pos);

/* Fail unless all of it was moved. */
void io_all(const struct io_api *api, int fd, enum io_dir dir, void *buf,
	    size_t len, off_t pos);

/* ---- memory (memory.c) ---- */

/* Zeroed memory that the processes of all cases share. */
void *shared_memory(size_t len);

/* Fresh memory, page-aligned, its neighbours unmapped; ends with the case. */
void *map(size_t len);

/* The same, and no two pages next to one another are so in the machine. */
void *map_scattered(size_t len);

/* Pattern @seed (not 0), as it is from @offset on; multiples of 8. */
void fill(void *buf, size_t len, unsigned int seed, off_t offset);

/* Fail at the first byte that is not of it; @what is compared. */
void check_pattern(const char *what, const void *buf, size_t len,
		   unsigned int seed, off_t offset);

/* Fail at the first byte that is not @byte. */
void check_bytes(const char *what, const void *buf, size_t len, int byte);

#endif
