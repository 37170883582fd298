// SPDX-License-Identifier: GPL-2.0
/* A device-mapper disk, whose parts can be exchanged at any time. */
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "e2e.h"

#define NAME "e2e"
#define MAX_PARTS 4

static struct request {
	struct dm_ioctl dm;
	struct {
		struct dm_target_spec spec;
		char params[128];
	} part[MAX_PARTS];
} request;

static struct dm_ioctl *dm(unsigned long op, const char *op_name)
{
	int fd = must(open("/dev/mapper/control", O_RDWR));

	if (ioctl(fd, op, &request))
		fail("%s: %s", op_name, errno_name(errno));
	close(fd);
	return &request.dm;
}
#define dm(op) dm(op, #op)

static void begin(unsigned int flags)
{
	memset(&request, 0, sizeof(request));
	request.dm.version[0] = DM_VERSION_MAJOR;
	request.dm.data_size = sizeof(request);
	request.dm.data_start = offsetof(struct request, part);
	request.dm.flags = flags;
	strcpy(request.dm.name, NAME);
}

void dm_load(const struct dm_part *parts, unsigned int nr)
{
	unsigned long sector = 0;

	begin(0);
	request.dm.target_count = nr;
	for (unsigned int i = 0; i < nr; i++) {
		request.part[i].spec = (struct dm_target_spec) {
			.sector_start = sector, .length = parts[i].sectors,
			.next = sizeof(request.part[i]),
		};
		strcpy(request.part[i].spec.target_type, parts[i].type);
		snprintf(request.part[i].params,
			 sizeof(request.part[i].params), "%s", parts[i].params);
		sector += parts[i].sectors;
	}
	dm(DM_TABLE_LOAD);
	/* all that is under way is waited for, but no filesystem is frozen */
	begin(DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG);
	dm(DM_DEV_SUSPEND);
	begin(0);
	dm(DM_DEV_SUSPEND);
}

const char *dm_create(const struct dm_part *parts, unsigned int nr)
{
	static char path[32];

	begin(0);
	snprintf(path, sizeof(path), "/dev/dm-%u", minor(dm(DM_DEV_CREATE)->dev));
	dm_load(parts, nr);
	return path;
}

void dm_remove(void)
{
	begin(0);
	dm(DM_DEV_REMOVE);
}
