// SPDX-License-Identifier: GPL-2.0
/* The table of filesystems and devices, and what is in their files. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e2e.h"

#define SOMETHING_ELSE 99	/* the seed of no test */
#define FILE_ON_MNT .file = MNT "/file"

/*
 * Blocks of 4 KiB in ext2, ext4 and xfs: parts of them can be written, and the
 * rest is the kernel's to zero. No discards and no lazy work in the background,
 * for speed's sake.
 */
const struct target targets[] = {
	{ .name = "ext4", .fstype = "ext4", .block = 512, FILE_ON_MNT,
	  .mkfs = "mkfs.ext4 -q -F -b 4096 -E nodiscard,lazy_itable_init=0" },
	{ .name = "xfs", .fstype = "xfs", .block = 512, FILE_ON_MNT,
	  .mkfs = "mkfs.xfs -q -f -K" },
	{ .name = "btrfs", .fstype = "btrfs", .block = 4096, FILE_ON_MNT,
	  .mkfs = "mkfs.btrfs -q -f -K" },
	{ .name = "f2fs", .fstype = "f2fs", .block = 4096, FILE_ON_MNT,
	  .mkfs = "mkfs.f2fs -q -f -t 0" },
	{ .name = "ext2", .fstype = "ext2", .block = 512, FILE_ON_MNT,
	  .mkfs = "mkfs.ext2 -q -F -b 4096 -E nodiscard",
	  .own_dio = true },
	{ .name = "vfat", .fstype = "vfat", .block = 512, FILE_ON_MNT,
	  .mkfs = "mkfs.vfat -F 16 -s 32", .own_dio = true, .overwrites = true },
	{ .name = "zonefs", .block = 512, .file = ZONEFS_FILE,
	  .up = zonefs_up, .down = zonefs_down, .sequential = true },
	{ .name = "raw", .block = 512 },
	{ .name = "loop", .block = 512, .file = LOOP_DEVICE,
	  .up = loop_up, .down = loop_down },
};
const unsigned int nr_targets = ARRAY_SIZE(targets);

const struct target *target(const char *name)
{
	for (unsigned int i = 0; i < nr_targets; i++)
		if (!strcmp(targets[i].name, name))
			return &targets[i];
	fail("no target is called %s", name);
}

const char *scratch_disk(unsigned int n)
{
	static char disks[256];
	const char *env = getenv("E2E_DISKS");
	char *disk, *rest = disks;

	snprintf(disks, sizeof(disks), "%s", env ? env : "/dev/ubda /dev/ubdb");
	do {
		disk = strsep(&rest, " ");
	} while (disk && n--);
	if (!disk)
		fail("E2E_DISKS names too few disks");
	return disk;
}

static bool is_device(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISBLK(st.st_mode);
}

void target_up(const struct target *t)
{
	if (t->up) {
		t->up();
		return;
	}
	if (!is_device(scratch_disk(0)))
		fail("%s is no disk", scratch_disk(0));
	if (!t->fstype)
		return;
	command("%s %s", t->mkfs, scratch_disk(0));
	if (mkdir(MNT, 0700) && errno != EEXIST)
		fail("mkdir %s: %s", MNT, errno_name(errno));
	if (mount(scratch_disk(0), MNT, t->fstype, 0, t->options))
		fail("mount %s as %s: %s", scratch_disk(0), t->fstype,
		     errno_name(errno));
}

void target_down(const struct target *t)
{
	if (t->down)
		t->down();
	else if (t->fstype)
		must(umount(MNT));
}

const char *target_borrows(const struct target *t)
{
	return t->own_dio ? NULL :
		"the bio borrows the array of pages: bio_iov_bvec_set()";
}

const char *target_file(const struct target *t)
{
	return t->file ? t->file : scratch_disk(0);
}

int open_direct(const struct target *t, int flags)
{
	int create = strncmp(target_file(t), "/dev/", 5) ? O_CREAT : 0;
	int fd = open(target_file(t), O_RDWR | O_DIRECT | create | flags, 0600);

	if (fd < 0)
		fail("open %s directly: %s", target_file(t), errno_name(errno));
	return fd;
}

void fresh_file(const struct target *t)
{
	if (is_device(target_file(t)))
		return;
	must(close(open_direct(t, 0)));
	must(truncate(target_file(t), 0));
}

void fresh_room(const struct target *t, size_t len)
{
	if (t->overwrites)
		fresh_pattern(t, SOMETHING_ELSE, len);
	else
		fresh_file(t);
}

void fresh_pattern(const struct target *t, unsigned int seed, size_t len)
{
	const size_t part = min(len, 64 * KIB);
	char *buf = map(part);
	int fd;

	fresh_file(t);
	fd = t->sequential ? open_direct(t, 0) :
		must(open(target_file(t), O_RDWR));
	for (size_t done = 0, n; done < len; done += n) {
		n = min(part, len - done);
		fill(buf, n, seed, done);
		/* a sequential file can only be written directly */
		io_all(io_api(t->sequential ? "aio" : "pread"), fd, IO_WRITE,
		       buf, n, done);
	}
	must(fsync(fd));
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	close(fd);
}

static void read_back(const struct target *t, char *buf, off_t pos, size_t len)
{
	int fd = must(open(target_file(t), O_RDONLY));
	size_t done;
	ssize_t n;

	must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	for (done = 0; done < len; done += n) {
		n = must(pread(fd, buf + done, len - done, pos + done));
		if (!n)
			fail("%s ends at %zu", target_file(t), pos + done);
	}
	close(fd);
}

void *get_back(const struct target *t, off_t pos, size_t len)
{
	char *buf = map(len);

	read_back(t, buf, pos, len);
	return buf;
}

void check_file(const struct target *t, unsigned int seed, off_t pos, size_t len)
{
	const size_t part = min(len, 64 * KIB);
	char *buf = map(part);

	for (size_t done = 0, n; done < len; done += n) {
		n = min(part, len - done);
		read_back(t, buf, pos + done, n);
		check_pattern(t->name, buf, n, seed, pos + done);
	}
}

void check_zeros(const struct target *t, off_t pos, size_t len)
{
	check_bytes(t->name, get_back(t, pos, len), len, 0);
}
