// SPDX-License-Identifier: GPL-2.0
// e2e: --disk 512M
/*
 * I/O that moves less than was asked for, and I/O with flags: at the end of the
 * file, without waiting, and until it is on the disk.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "e2e.h"

#define SEED 1
#define POISON 0x5a
#define BIG (300 * PAGE)	/* more than one bio has room for */

/* Where the file or device ends. */
static off_t end_of(const struct target *t)
{
	const off_t odd_end = 2 * PAGE + 1000;
	uint64_t size;
	int fd;

	if (!t->fstype) {
		fd = open_direct(t, 0);
		must(ioctl(fd, BLKGETSIZE64, &size));
		close(fd);
		return size;
	}
	fresh_pattern(t, SEED, 3 * PAGE);
	must(truncate(target_file(t), odd_end));
	return odd_end;
}

static void read_behind_end(const struct e2e_case *c)
{
	off_t end = end_of(c->target);
	char *buf = map(PAGE);
	int fd = open_direct(c->target, 0);
	ssize_t ret;

	memset(buf, POISON, PAGE);
	ret = io(c->api, fd, IO_READ, buf, PAGE, (end | (PAGE - 1)) + 1);
	if (ret)
		fail("wanted 0, got %zd", ret);
	check_bytes("memory", buf, PAGE, POISON);
}

static void read_across_end(const struct e2e_case *c)
{
	off_t end = end_of(c->target), pos = (end - 1) & -PAGE;
	char *buf = map_scattered(BIG), *wanted;
	const ssize_t left = end - pos;
	int fd;
	ssize_t ret;

	wanted = get_back(c->target, pos, left);
	fd = open_direct(c->target, 0);
	pins_from_here();
	ret = io(c->api, fd, IO_READ, buf, BIG, pos);
	pins_until_here();
	if (ret != left)
		fail("wanted %zd bytes, got %zd", left, ret);
	if (memcmp(buf, wanted, left))
		fail("not what is at the end of the file");
}

/* Returns -EAGAIN, or what was moved, which has to be right. */
static ssize_t dont_wait(const struct target *t, enum io_dir dir, size_t len)
{
	struct iovec iov = { map_scattered(len), len };
	int fd;
	ssize_t ret;
	int err;

	fresh_pattern(t, SEED, len);
	fd = open_direct(t, 0);
	if (dir == IO_WRITE)
		fill(iov.iov_base, len, SEED + 1, 0);
	pins_from_here();
	ret = dir == IO_WRITE ? pwritev2(fd, &iov, 1, 0, RWF_NOWAIT) :
		preadv2(fd, &iov, 1, 0, RWF_NOWAIT);
	err = errno;
	pins_until_here();
	close(fd);
	if (ret < 0 && (err == EAGAIN || err == EOPNOTSUPP))
		return -err;
	if (ret <= 0)
		fail("%zu bytes: %zd (%s)", len, ret, errno_name(err));
	if (dir == IO_WRITE)
		check_file(t, SEED + 1, 0, ret);
	else
		check_pattern("memory", iov.iov_base, ret, SEED, 0);
	return ret;
}

static const enum io_dir reads = IO_READ, writes = IO_WRITE;

/* The simple ones have no notion of it. */
static bool refuses_nowait(const struct target *t)
{
	return t->own_dio;
}

static void nowait_small(const struct e2e_case *c)
{
	const enum io_dir dir = *(const enum io_dir *)c->arg;
	ssize_t ret = dont_wait(c->target, dir, PAGE);

	if (refuses_nowait(c->target)) {
		if (ret != -EOPNOTSUPP)
			fail("wanted EOPNOTSUPP, got %zd", ret);
		return;
	}
	/* where a write goes may have to be looked up, which takes waiting */
	if (ret == -EAGAIN && (dir == IO_READ || !c->target->fstype))
		fail("there was nothing to wait for");
}

/*
 * A disk refuses what takes a second bio, when it has the first one's pages
 * already. Filesystems may do it, or some of it.
 */
static void nowait_big(const struct e2e_case *c)
{
	const enum io_dir dir = *(const enum io_dir *)c->arg;
	ssize_t ret = dont_wait(c->target, dir, BIG);

	if (ret == -EOPNOTSUPP)
		fail("EOPNOTSUPP, but not if it is small");
	if (ret != -EAGAIN && !c->target->fstype)
		fail("wanted EAGAIN, got %zd", ret);
	note("%s", ret == -EAGAIN ? "EAGAIN" : "some or all of it was done");
}

struct flag {
	const char *name;
	int flag;
};

static const struct flag flags[] = {
	{ "o_sync", O_SYNC }, { "o_dsync", O_DSYNC },
};

/* Extends the file, then overwrites it. */
static void write_through(const struct e2e_case *c)
{
	const struct flag *f = c->arg;
	char *buf = map_scattered(BIG);
	int fd;

	fresh_room(c->target, BIG);
	fd = open_direct(c->target, f->flag);
	pins_from_here();
	for (unsigned int seed = SEED; seed < SEED + 2; seed++) {
		fill(buf, BIG, seed, 0);
		io_all(c->api, fd, IO_WRITE, buf, BIG, 0);
	}
	pins_until_here();
	pins_at_least(2 * BIG / PAGE);
	check_file(c->target, SEED + 1, 0, BIG);
}

static void add(const struct target *t, const struct io_api *api)
{
	struct e2e_case c = { .target = t, .api = api };

	c.run = read_across_end;
	e2e_add(&c, "%s/%s/read_across_end", t->name, api->name);
	c.run = read_behind_end;
	c.no_pins = "there is nothing to be read";
	e2e_add(&c, "%s/%s/read_behind_end", t->name, api->name);
	c.no_pins = NULL;
	c.run = write_through;
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		c.arg = &flags[i];
		e2e_add(&c, "%s/%s/%s", t->name, api->name, flags[i].name);
	}
}

static void add_nowait(const struct target *t)
{
	struct e2e_case c = { .target = t, .run = nowait_small };

	if (refuses_nowait(t))
		c.no_pins = "it is refused";
	c.arg = &reads;
	e2e_add(&c, "%s/nowait/read", t->name);
	if (t->fstype && !c.no_pins)
		c.no_pins = "it may refuse before it looks at a page";
	c.arg = &writes;
	e2e_add(&c, "%s/nowait/write", t->name);
	if (refuses_nowait(t))
		return;
	c.run = nowait_big;
	c.arg = &reads;
	e2e_add(&c, "%s/nowait/read_big", t->name);
	c.arg = &writes;
	e2e_add(&c, "%s/nowait/write_big", t->name);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {
		"ext4", "xfs", "btrfs", "f2fs", "ext2", "vfat", "raw"
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		add(target(names[i]), io_api("pread"));
		add(target(names[i]), io_api("aio"));
		add(target(names[i]), io_api("uring"));
		add_nowait(target(names[i]));
	}
	return e2e_main(argc, argv);
}
