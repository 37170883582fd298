// SPDX-License-Identifier: GPL-2.0
// e2e: --disk 512M
/*
 * A loop device with direct I/O: its driver hands the pages of a request on to
 * the file below, as an array. They are a program's, or the page cache's.
 */
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e2e.h"

#define SIZE (8 * MIB)
#define LEN (300 * PAGE)
#define OLD 1
#define NEW 2
#define MNT_ON_LOOP "/tmp/e2e.loop"

static const struct target device = { .name = "loop", .file = LOOP_DEVICE };
static const struct target file_on_loop = {
	.name = "file on loop", .file = MNT_ON_LOOP "/file"
};

/* The device goes when the case ends, whichever way. */
static int attach(const struct target *t)
{
	fresh_pattern(t, OLD, SIZE);
	return loop_attach(target_file(t), t->block, LO_FLAGS_AUTOCLEAR);
}

static void write_and_read(const struct target *t)
{
	char *buf = map(LEN);
	int fd = open_direct(t, 0);

	fill(buf, LEN, NEW, 0);
	pins_from_here();
	io_all(io_api("pread"), fd, IO_WRITE, buf, LEN, 0);
	io_all(io_api("aio"), fd, IO_READ, buf, LEN, LEN);
	pins_until_here();
	pins_at_least(2 * LEN / PAGE);
	close(fd);
	check_pattern("memory", buf, LEN, OLD, LEN);
	check_file(t, NEW, 0, LEN);
}

static void direct(const struct e2e_case *c)
{
	attach(c->target);
	write_and_read(&device);
	check_file(c->target, NEW, 0, LEN);
	check_file(c->target, OLD, LEN, LEN);
}

static void buffered(const struct e2e_case *c)
{
	char *buf = map(LEN);
	int fd = attach(c->target);

	fill(buf, LEN, NEW, 0);
	pins_from_here();
	must(pwrite(fd, buf, LEN, 0));
	must(fsync(fd));
	pins_until_here();
	pins_at_least(LEN / PAGE);
	check_file(c->target, NEW, 0, LEN);
	check_file(&device, NEW, 0, LEN);
	check_file(&device, OLD, LEN, LEN);
}

/* Now directly, now not: it is the same data. */
static void toggled(const struct e2e_case *c)
{
	int fd = attach(c->target);

	for (unsigned long direct = 0; direct < 2; direct++) {
		must(ioctl(fd, LOOP_SET_DIRECT_IO, direct));
		write_and_read(&device);
		must(fsync(fd));
		check_file(c->target, NEW, 0, LEN);
	}
}

/* A filesystem on the device, of which only this process knows. */
static void filesystem(const struct e2e_case *c)
{
	attach(c->target);
	command("mkfs.ext4 -q -F -b 4096 -E nodiscard %s", LOOP_DEVICE);
	must(unshare(CLONE_NEWNS));
	must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	if (mkdir(MNT_ON_LOOP, 0700) && errno != EEXIST)
		fail("mkdir %s: %s", MNT_ON_LOOP, errno_name(errno));
	must(mount(LOOP_DEVICE, MNT_ON_LOOP, "ext4", 0, NULL));
	fresh_pattern(&file_on_loop, OLD, 2 * LEN);
	write_and_read(&file_on_loop);
	check_file(&file_on_loop, OLD, LEN, LEN);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {
		"ext4", "xfs", "btrfs", "f2fs", "ext2", "vfat"
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		struct e2e_case c = { .target = target(names[i]) };

		c.run = direct;
		e2e_add(&c, "%s/direct", names[i]);
		c.run = toggled;
		e2e_add(&c, "%s/toggled", names[i]);
		c.run = filesystem;
		e2e_add(&c, "%s/filesystem", names[i]);
		c.run = buffered;
		c.no_pins = target_borrows(c.target);
		e2e_add(&c, "%s/buffered", names[i]);
	}
	return e2e_main(argc, argv);
}
