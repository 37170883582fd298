// SPDX-License-Identifier: GPL-2.0
/* A loop device that does direct I/O to a file on ext4. */
#include <fcntl.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "e2e.h"

#define BACKING MNT "/disk"
#define BACKING_SIZE (64 * MIB)

int loop_attach(const char *file, size_t block, unsigned int flags)
{
	struct loop_config config = {
		.block_size = block,
		.info.lo_flags = LO_FLAGS_DIRECT_IO | flags,
	};
	const int number = atoi(LOOP_DEVICE + sizeof("/dev/loop") - 1);
	struct loop_info64 info;
	int fd;

	fd = must(open("/dev/loop-control", O_RDWR));
	if (ioctl(fd, LOOP_CTL_ADD, number) < 0 && errno != EEXIST)
		fail("LOOP_CTL_ADD %d: %s", number, errno_name(errno));
	close(fd);

	config.fd = must(open(file, O_RDWR));
	fd = must(open(LOOP_DEVICE, O_RDWR));
	must(ioctl(fd, LOOP_CONFIGURE, &config));
	close(config.fd);
	must(ioctl(fd, LOOP_GET_STATUS64, &info));
	if (!(info.lo_flags & LO_FLAGS_DIRECT_IO))
		fail("%s on %s does not do direct I/O", LOOP_DEVICE, file);
	return fd;
}

void loop_up(void)
{
	int fd;

	target_up(target("ext4"));
	fd = must(open(BACKING, O_RDWR | O_CREAT | O_EXCL, 0600));
	must(ftruncate(fd, BACKING_SIZE));
	close(fd);
	close(loop_attach(BACKING, 512, 0));
}

void loop_down(void)
{
	int fd = must(open(LOOP_DEVICE, O_RDWR));

	must(ioctl(fd, LOOP_CLR_FD));
	close(fd);
	target_down(target("ext4"));
}
