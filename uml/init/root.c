// SPDX-License-Identifier: GPL-2.0
/* What is mounted where in the guest, but for its disks. */
#define _GNU_SOURCE
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init.h"

void must_mount(const char *what, const char *where, const char *type,
		unsigned long flags, const char *options)
{
	if (mount(what, where, type, flags, options))
		fail("cannot mount %s on %s: %m", type, where);
}

/*
 * The root: the host's files, below what is written here, which is in memory.
 * With RW it is the host's files alone.
 */
void set_up_root(bool rw)
{
	/* programs take these as a sign that the daemon is there to talk to */
	static const char * const daemons[] = {
		"run/udev", "run/systemd", "run/dbus", "run/mount", NULL
	};
	int i;

	if (rw) {
		must_mount("/", "/root", "hostfs", 0, "/");
	} else {
		must_mount("/", "/lower", "hostfs", MS_RDONLY, "/");
		must_mount("tmpfs", "/upper", "tmpfs", 0, "mode=755");
		if (mkdir("/upper/data", 0755) || mkdir("/upper/work", 0755))
			fail("cannot write to a tmpfs: %m");
		must_mount("overlay", "/root", "overlay", 0,
			   "lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work,redirect_dir=on");
	}
	must_mount("/dev", "/root/dev", "devtmpfs", MS_MOVE, NULL);
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		fail("cannot enter the new root: %m");

	must_mount("proc", "/proc", "proc", 0, NULL);
	must_mount("sysfs", "/sys", "sysfs", 0, NULL);
	must_mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	must_mount("configfs", "/sys/kernel/config", "configfs", 0, NULL);
	mkdir("/dev/pts", 0755);
	must_mount("devpts", "/dev/pts", "devpts", 0, "mode=620,ptmxmode=666");
	mkdir("/dev/shm", 0755);
	must_mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777");
	mkdir("/dev/mqueue", 0755);
	must_mount("mqueue", "/dev/mqueue", "mqueue", 0, NULL);
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
	for (i = 0; daemons[i]; i++)
		if (!access(daemons[i], F_OK))
			must_mount("tmpfs", daemons[i], "tmpfs", 0, "mode=755");
}
