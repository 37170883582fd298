// SPDX-License-Identifier: GPL-2.0
// e2e: --disk 512M --disk 64M
/*
 * Pages of a file that are being read into, and are written back before the
 * data has arrived: they are clean then, and have to be dirty again when it
 * has, or it is lost. bio_check_pages_dirty() finds that in interrupt context
 * and leaves it to a work item, which releases the pages.
 *
 * The disk takes its time; the pages are those of another one.
 */
#include <fcntl.h>
#include <libaio.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "e2e.h"

#define LEN (16 * PAGE)
#define DELAY_MS 100
#define TRIES 20		/* if the machine is busy */
#define ARRIVES 1
#define WAS_THERE 2

static struct target cached = { .name = "the pages' disk" };
static const char *disk;
static unsigned long sectors;

static struct dm_part fast(void)
{
	static char params[128];

	snprintf(params, sizeof(params), "%s 0", disk);
	return (struct dm_part){ sectors, "linear", params };
}

/* It takes its time to read, and none to write. */
static struct dm_part slow(void)
{
	static char params[128];

	snprintf(params, sizeof(params), "%s 0 %d %s 0 0", disk, DELAY_MS, disk);
	return (struct dm_part){ sectors, "delay", params };
}

static void speed_up(void)
{
	const struct dm_part whole = fast();

	dm_load(&whole, 1);
}

/* Whether the pages were written back while the data was still on its way. */
static bool read_and_write_back(int fd, char *pages)
{
	struct iocb cb, *cbs[] = { &cb };
	struct timespec now = { 0 };
	io_context_t ctx = NULL;
	struct io_event event;
	bool early;

	if (io_setup(1, &ctx))
		fail("io_setup");
	io_prep_pread(&cb, fd, pages, LEN, 0);
	if (io_submit(ctx, 1, cbs) != 1)
		fail("io_submit");
	must(msync(pages, LEN, MS_SYNC));
	early = io_getevents(ctx, 0, 1, &event, &now);
	if (!early && io_getevents(ctx, 1, 1, &event, NULL) != 1)
		fail("io_getevents");
	io_destroy(ctx);
	if ((long)event.res != (long)LEN)
		fail("the read ended with %ld", (long)event.res);
	return !early;
}

/* What is on the disk, when all that is dirty has been written. */
static char *from_disk(int fd)
{
	static char *buf;

	if (!buf)
		buf = map(LEN);
	io_all(io_api("pread"), fd, IO_READ, buf, LEN, 0);
	return buf;
}

/* The work item makes the pages dirty some time after the read has ended. */
static bool has_arrived(void *fd)
{
	static char *wanted;

	if (!wanted) {
		wanted = map(LEN);
		fill(wanted, LEN, ARRIVES, 0);
	}
	return !memcmp(from_disk(*(int *)fd), wanted, LEN);
}

static void written_back(const struct e2e_case *c)
{
	const struct dm_part delay = slow();
	unsigned int tries = 0;
	char *pages;
	int fd, cached_fd;

	cached_fd = must(open(cached.file, O_RDWR));
	pages = must(mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED,
			  cached_fd, 0));
	fresh_pattern(c->target, ARRIVES, LEN);
	fd = open_direct(c->target, 0);
	atexit(speed_up);
	dm_load(&delay, 1);
	pins_from_here();
	do {
		if (tries++ == TRIES)
			fail("the read is always over first");
		fill(pages, LEN, WAS_THERE, 0);
		must(msync(pages, LEN, MS_SYNC));
	} while (!read_and_write_back(fd, pages));
	pins_until_here();
	pins_at_least(LEN / PAGE);
	check_pattern("memory", pages, LEN, ARRIVES, 0);

	/* The device stays open: its pages are thrown away when it is closed. */
	must(munmap(pages, LEN));
	fd = open_direct(&cached, 0);
	if (!wait_until(has_arrived, &fd, 10))
		check_pattern("the pages' disk", from_disk(fd), LEN, ARRIVES, 0);
	close(cached_fd);
}

static const char *make_disk(void)
{
	struct dm_part whole;
	uint64_t size;
	int fd = must(open(disk, O_RDONLY));

	must(ioctl(fd, BLKGETSIZE64, &size));
	close(fd);
	sectors = size / 512;
	whole = fast();
	return dm_create(&whole, 1);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {
		"raw", "ext4", "xfs", "f2fs", "btrfs", "ext2", "vfat"
	};
	int status;

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		e2e_add(&(struct e2e_case){
			.run = written_back, .target = target(names[i])
		}, "%s", names[i]);
	cached.file = strdup(scratch_disk(1));
	disk = strdup(scratch_disk(0));
	must(setenv("E2E_DISKS", make_disk(), 1));
	status = e2e_main(argc, argv);
	dm_remove();
	return status;
}
