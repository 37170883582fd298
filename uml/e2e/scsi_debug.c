// SPDX-License-Identifier: GPL-2.0
/* The disk that the kernel's scsi_debug makes of memory. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "e2e.h"

#define SCSI_DEVICES "/sys/bus/scsi/devices"
#define SCSI_DEBUG "/sys/bus/pseudo/drivers/scsi_debug"

/* The first name in the folder that is not hidden. */
static bool first_entry(const char *folder, char *name, size_t size)
{
	struct dirent *d;
	DIR *dir = opendir(folder);
	bool found = false;

	while (dir && !found && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(name, size, "%s", d->d_name);
		found = true;
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool is_scsi_debug(const char *device)
{
	char path[512], model[32] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/%s/model", SCSI_DEVICES, device);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	if (read(fd, model, sizeof(model) - 1) < 0)
		model[0] = 0;
	close(fd);
	return !strncmp(model, "scsi_debug", 10);
}

/* What to look for, and where it was found. */
struct node {
	const char *kind;	/* "block" or "scsi_generic" */
	char path[300];
};

static bool find(void *arg)
{
	struct node *n = arg;
	char folder[600], name[256];
	struct dirent *d;
	DIR *dir = opendir(SCSI_DEVICES);
	bool found = false;
	int fd;

	while (dir && !found && (d = readdir(dir))) {
		if (!is_scsi_debug(d->d_name))
			continue;
		snprintf(folder, sizeof(folder), "%s/%s/%s", SCSI_DEVICES,
			 d->d_name, n->kind);
		if (!first_entry(folder, name, sizeof(name)))
			continue;
		snprintf(n->path, sizeof(n->path), "/dev/%s", name);
		/* the node is there a little earlier than the disk */
		fd = open(n->path, O_RDWR);
		found = fd >= 0;
		if (found)
			close(fd);
	}
	if (dir)
		closedir(dir);
	return found;
}

static const char *node(struct node *n)
{
	if (find(n))
		return n->path;
	echo("0", SCSI_DEBUG "/delay");
	echo("1", SCSI_DEBUG "/add_host");
	/* its disks are looked for in the background */
	if (!wait_until(find, n, 20))
		fail("scsi_debug makes no %s device", n->kind);
	return n->path;
}

const char *scsi_disk(void)
{
	static struct node disk = { .kind = "block" };

	return node(&disk);
}

const char *scsi_generic(void)
{
	static struct node generic = { .kind = "scsi_generic" };

	return node(&generic);
}
