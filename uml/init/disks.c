// SPDX-License-Identifier: GPL-2.0
/* The guest's scratch disks: made, mounted, unmounted. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

/* Run mkfs; if it fails, WHY has the line that tells why. */
static bool format(const char *type, const char *disk, char *why, size_t len)
{
	/* be quiet where that does not include errors; take any disk */
	const char *options = !strncmp(type, "ext", 3) ? "-qF" :
			      !strcmp(type, "f2fs") ? "-f" :
			      !strcmp(type, "vfat") ? "-I" : "-qf";
	char program[32], said[4096], *at;
	size_t got = 0;
	ssize_t n;
	int p[2], status;
	pid_t pid;

	snprintf(program, sizeof(program), "mkfs.%s", type);
	if (pipe(p))
		fail("cannot make a pipe: %m");
	pid = fork();
	if (pid == 0) {
		default_signals();
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(p[1], 1);
		dup2(p[1], 2);
		close(p[0]);
		setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
		execlp(program, program, options, disk, NULL);
		dprintf(2, "error: no %s: %m\n", program);
		_exit(127);
	}
	close(p[1]);
	while ((n = read(p[0], said + got, sizeof(said) - 1 - got)) > 0 || (n < 0 && errno == EINTR))
		got += n > 0 ? n : 0;
	close(p[0]);
	said[got] = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	*why = 0;
	for (at = strtok(said, "\n"); at; at = strtok(NULL, "\n")) {
		at += strspn(at, " \t");
		/* banners come first */
		if (!*why || !strncmp(why, "mkfs.fat ", 9))
			snprintf(why, len, "%s", at);
		if (!strncasecmp(at, "error: ", 7)) {
			snprintf(why, len, "%s", at + 7);
			break;
		}
	}
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* TYPE may be empty: a disk as it is. */
void set_up_disk(int n, const char *type)
{
	char disk[32], where[32], why[256];

	if (!*type)
		return;
	snprintf(disk, sizeof(disk), "/dev/ubd%c", 'a' + n);
	snprintf(where, sizeof(where), "/mnt/%d", n);
	if (!format(type, disk, why, sizeof(why)))
		fail("cannot make %s on disk %d: %s", type, n, why);
	if (mkdir(where, 0755) && errno != EEXIST)
		fail("cannot make %s: %m", where);
	must_mount(disk, where, type, 0, NULL);
}

/* Unmount all that is on a disk, the last one first. */
void unmount_disks(struct result *r)
{
	char *where[256];
	struct mntent *m;
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	int n = 0;

	while (mounts && n < 256 && (m = getmntent(mounts)))
		if (!strncmp(m->mnt_fsname, "/dev/", 5))
			where[n++] = strdup(m->mnt_dir);
	if (mounts)
		endmntent(mounts);
	while (n--)
		if (umount(where[n]))
			trouble(r, "%s cannot be unmounted: %s\n", where[n], strerror(errno));
	sync();
}
