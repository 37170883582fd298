// SPDX-License-Identifier: GPL-2.0
/* A zoned disk in memory, by null_blk, with zonefs on it. */
#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e2e.h"

#define CONFIGFS "/sys/kernel/config"
#define DISK_NAME "e2e_zoned"
#define DISK_CONFIG CONFIGFS "/nullb/" DISK_NAME
#define DISK "/dev/" DISK_NAME
#define SUPER_SIZE 4096

/* What is at the start of the first zone. */
struct super {
	uint32_t magic;
	uint32_t crc;
	char label[64];
	uint8_t uuid[16];
	uint64_t features;
	uint32_t uid, gid, perm;
} __attribute__((packed));

/* CRC-32 as the kernel's crc32(~0, ...), without a final complement. */
static uint32_t crc32(const unsigned char *p, size_t len)
{
	uint32_t crc = ~0;

	while (len--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return crc;
}

static void write_super(void)
{
	struct super *super = map(SUPER_SIZE);
	int fd = must(open(DISK, O_RDWR | O_DIRECT));

	super->magic = htole32(0x5a4f4653);	/* "ZOFS" */
	super->crc = htole32(crc32((void *)super, SUPER_SIZE));
	if (must(pwrite(fd, super, SUPER_SIZE, 0)) != SUPER_SIZE)
		fail("a short write of zonefs' super block");
	close(fd);
}

void zonefs_up(void)
{
	if (access(CONFIGFS "/nullb", F_OK) &&
	    mount("none", CONFIGFS, "configfs", 0, NULL))
		fail("mount configfs: %s", errno_name(errno));
	if (!access(DISK_CONFIG, F_OK))
		must(rmdir(DISK_CONFIG));
	must(mkdir(DISK_CONFIG, 0700));
	echo("32", DISK_CONFIG "/size");	/* MiB, as those below */
	echo("1", DISK_CONFIG "/zoned");
	echo("8", DISK_CONFIG "/zone_size");
	echo("512", DISK_CONFIG "/blocksize");
	echo("16384", DISK_CONFIG "/max_sectors");	/* no less than a zone */
	echo("1", DISK_CONFIG "/memory_backed");
	echo("1", DISK_CONFIG "/power");
	write_super();
	if (mkdir(MNT, 0700) && errno != EEXIST)
		fail("mkdir %s: %s", MNT, errno_name(errno));
	/* One test's error is not to make the disk read-only for all others. */
	must(mount(DISK, MNT, "zonefs", 0, "errors=repair"));
}

void zonefs_down(void)
{
	must(umount(MNT));
	must(rmdir(DISK_CONFIG));
}
