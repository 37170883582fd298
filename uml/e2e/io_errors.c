// SPDX-License-Identifier: GPL-2.0
// e2e: --disk 512M
/*
 * The disk fails in the middle: a device-mapper disk, a part of which is an
 * error; and scsi_debug with its bad sectors. An error or a short count is the
 * answer, and the pages of all bios are released, of those that went well, too.
 */
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "e2e.h"

#define SECTOR 512UL
#define LEN (600 * PAGE)	/* three bios */
#define BAD (8 * PAGE)		/* so much of it fails */
#define ON_DISK 1
#define IN_MEMORY 2

/* Where in a transfer of LEN bytes. */
struct place {
	const char *name;
	off_t pos;
};

static const struct place places[] = {
	{ "first_page", 0 },
	{ "first_bio", 128 * PAGE },
	{ "second_bio", 300 * PAGE },
	{ "last_page", LEN - BAD },
};

static const char *real_disk;
static unsigned long sectors;

/* Let @len sectors at @bad fail; 0: none. */
static void break_disk(unsigned long bad, unsigned long len)
{
	char before[128], behind[128];
	const struct dm_part parts[] = {
		{ bad, "linear", before },
		{ len, "error", "" },
		{ sectors - bad - len, "linear", behind },
	};

	snprintf(before, sizeof(before), "%s 0", real_disk);
	snprintf(behind, sizeof(behind), "%s %lu", real_disk, bad + len);
	if (len)
		dm_load(parts, 3);
	else
		dm_load(&parts[2], 1);
}

static const char *make_disk(void)
{
	char whole[128];
	uint64_t size;
	int fd = must(open(real_disk, O_RDONLY));

	must(ioctl(fd, BLKGETSIZE64, &size));
	close(fd);
	sectors = size / SECTOR;
	snprintf(whole, sizeof(whole), "%s 0", real_disk);
	return dm_create(&(struct dm_part){ sectors, "linear", whole }, 1);
}

/* The sector of the disk where byte @pos of the file is, and BAD from there. */
static unsigned long sector_of(const struct target *t, off_t pos)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extent;
	} f = { .map = { .fm_start = pos, .fm_length = BAD,
			 .fm_extent_count = 1, .fm_flags = FIEMAP_FLAG_SYNC } };
	int fd;

	if (!t->fstype)
		return (MIB + pos) / SECTOR;
	fd = must(open(target_file(t), O_RDONLY));
	must(ioctl(fd, FS_IOC_FIEMAP, &f));
	close(fd);
	if (!f.map.fm_mapped_extents ||
	    f.extent.fe_logical + f.extent.fe_length < (uint64_t)pos + BAD)
		fail("byte %lld of the file is not in one place with what follows",
		     (long long)pos);
	return (f.extent.fe_physical + pos - f.extent.fe_logical) / SECTOR;
}

static bool mended;

/* A filesystem must find its disk whole when it is unmounted. */
static void mend(void)
{
	if (!mended) {
		mended = true;
		break_disk(0, 0);
	}
}

static void run(const struct e2e_case *c, enum io_dir dir)
{
	const struct place *p = c->arg;
	const struct target *t = c->target;
	const off_t start = t->fstype ? 0 : MIB;
	char *buf = map_scattered(LEN);
	ssize_t ret;
	int fd;

	fresh_pattern(t, ON_DISK, start + LEN);
	atexit(mend);
	break_disk(sector_of(t, p->pos), BAD / SECTOR);
	fill(buf, LEN, IN_MEMORY, start);
	fd = open_direct(t, 0);
	pins_from_here();
	ret = io(c->api, fd, dir, buf, LEN, start);
	pins_until_here();
	close(fd);
	mend();
	if (ret == -EIO)
		ret = 0;
	else if (ret <= 0 || ret > p->pos)
		fail("wanted EIO or 1 to %lld bytes, got %zd (%s)",
		     (long long)p->pos, ret, ret < 0 ? errno_name(ret) : "");
	if (dir == IO_READ)
		check_pattern("memory", buf, ret, ON_DISK, start);
	else
		check_file(t, IN_MEMORY, start, ret);
	/* what was to fail has failed */
	if (dir == IO_WRITE)
		check_file(t, ON_DISK, start + p->pos, BAD);
}

static void read_it(const struct e2e_case *c)
{
	run(c, IO_READ);
}

static void write_it(const struct e2e_case *c)
{
	run(c, IO_WRITE);
}

/* scsi_debug.opts=2: from 0x1234 on, ten sectors cannot be read. */
static void medium_error(const struct e2e_case *c)
{
	const off_t pos = 0x1234 * SECTOR - 20 * PAGE;
	const struct target disk = { .name = "scsi_debug", .file = scsi_disk() };
	char *buf = map_scattered(LEN);
	int fd = open_direct(&disk, 0);
	ssize_t ret;

	pins_from_here();
	echo("2", "/sys/bus/pseudo/drivers/scsi_debug/opts");
	ret = io(c->api, fd, IO_READ, buf, LEN, pos);
	echo("0", "/sys/bus/pseudo/drivers/scsi_debug/opts");
	pins_until_here();
	if (ret != -ENODATA)	/* what a medium error is called */
		fail("wanted ENODATA, got %zd (%s)", ret,
		     ret < 0 ? errno_name(ret) : "");
	io_all(c->api, fd, IO_READ, buf, LEN, pos);
}

static void add(const char *target_name, const char *api_name)
{
	struct e2e_case c = {
		.target = target(target_name), .api = io_api(api_name)
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		c.arg = &places[i];
		c.run = read_it;
		e2e_add(&c, "%s/%s/read/%s", target_name, api_name,
			places[i].name);
		c.run = write_it;
		e2e_add(&c, "%s/%s/write/%s", target_name, api_name,
			places[i].name);
	}
}

int main(int argc, char **argv)
{
	static const char *const names[] = {
		"ext4", "xfs", "ext2", "f2fs", "raw"
	};
	static const char *const apis[] = { "pread", "aio" };
	int status;

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		for (unsigned int a = 0; a < ARRAY_SIZE(apis); a++)
			add(names[i], apis[a]);
	for (unsigned int a = 0; a < ARRAY_SIZE(apis); a++)
		e2e_add(&(struct e2e_case){
			.run = medium_error, .api = io_api(apis[a])
		}, "scsi_debug/%s/medium_error", apis[a]);

	real_disk = strdup(scratch_disk(0));
	must(setenv("E2E_DISKS", make_disk(), 1));
	status = e2e_main(argc, argv);
	dm_remove();
	return status;
}
