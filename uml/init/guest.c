// SPDX-License-Identifier: GPL-2.0
/* PID 1 of the guest: gets everything ready, and sees to it that all ends well. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

static struct start start;
static bool started, dismissed;

void power_off(void)
{
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* Hand over what has been sent so far, and go. */
static void __attribute__((noreturn)) leave(void)
{
	while (!dismissed && pump(-1))
		;
	power_off();
}

/* The reason goes to the user; to the kernel's log as long as there is no line. */
static void __attribute__((noreturn)) fail_guest(const char *text)
{
	if (line < 0) {
		dprintf(2, "uml/init: %s\n", text);
		power_off();
	}
	send_frame(FAILED, 0, text, strlen(text));
	leave();
}

static void guest_frame(enum frame frame, const void *data, size_t len)
{
	if (frame == START && len == sizeof(start)) {
		memcpy(&start, data, len);
		started = true;
	} else if (frame == SIZE && len == sizeof(struct winsize)) {
		resize_terminal(data);
	} else if (frame == BYE) {
		dismissed = true;
	}
}

static void open_line(void)
{
	struct termios raw;
	int fd = open("/dev/tty1", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || tcgetattr(fd, &raw))
		fail("cannot open /dev/tty1: %m");
	cfmakeraw(&raw);
	tcsetattr(fd, TCSANOW, &raw);
	line = fd;
	/* what comes earlier than this would be mangled: the host waits for it */
	send_frame(HELLO, 0, NULL, 0);
	while (!started)
		if (!pump(-1))
			power_off();
}

/* The file of uml/run's own, in the guest's first root: strings, each with its 0. */
static char **strings_of(const char *file, size_t *count)
{
	size_t len = 0, room = 1 << 16, n = 0, i;
	char *text = malloc(room), **list;
	ssize_t got;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail("cannot open %s: %m", file);
	while ((got = read(fd, text + len, room - len)) > 0) {
		len += got;
		if (len == room)
			text = realloc(text, room *= 2);
	}
	if (got < 0)
		fail("cannot read %s: %m", file);
	close(fd);
	for (i = 0; i < len; i++)
		n += !text[i];
	list = calloc(n + 1, sizeof(*list));
	for (i = 0, *count = 0; *count < n; i += strlen(text + i) + 1)
		list[(*count)++] = text + i;
	return list;
}

static void set_up_network(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo))
		fail("cannot bring up lo: %m");
	close(fd);
	if (sethostname("uml", 3))
		fail("cannot set the host name: %m");
}

/* Reap all that have ended. Returns false when there is no process left. */
static bool reap(pid_t command, int *status)
{
	pid_t pid;
	int s;

	child_died = 0;
	while ((pid = waitpid(-1, &s, WNOHANG)) > 0)
		if (pid == command)
			*status = WIFSIGNALED(s) ? 128 + WTERMSIG(s) : WEXITSTATUS(s);
	return pid == 0;
}

/* Our children: what the kernel runs has another parent. */
static void name_children(struct result *r)
{
	char path[PATH_MAX], text[256], *name, *rest;
	struct dirent *d;
	DIR *proc = opendir("/proc");

	while (proc && (d = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/stat", d->d_name);
		read_text(path, text, sizeof(text));
		/* PID (NAME) STATE PARENT */
		name = strchr(text, '(');
		rest = strrchr(text, ')');
		if (!name || !rest || atoi(rest + 4) != 1)
			continue;
		*rest = 0;
		trouble(r, "process %s (%s) does not die\n", d->d_name, name + 1);
	}
	if (proc)
		closedir(proc);
}

/* Kill what the command has left behind. */
static void kill_all(struct result *r)
{
	double until = now() + 5;
	int status;

	while (kill(-1, SIGKILL), reap(0, &status)) {
		if (now() > until) {
			name_children(r);
			return;
		}
		pump(20);
	}
}

static void read_pins(struct result *r)
{
	char name[64];
	unsigned long n;
	FILE *f = fopen("/proc/vmstat", "r");

	while (f && fscanf(f, "%63s %lu", name, &n) == 2) {
		if (!strcmp(name, "nr_foll_pin_acquired"))
			r->acquired = n;
		else if (!strcmp(name, "nr_foll_pin_released"))
			r->released = n;
	}
	if (f)
		fclose(f);
}

/* An unpin may be on its way: some are done by a worker, or in an interrupt. */
static void settle_pins(struct result *r)
{
	double until = now() + 2;

	for (read_pins(r); r->acquired != r->released && now() < until; read_pins(r))
		pump(20);
}

void guest(void)
{
	static const int signals[] = { SIGCHLD, 0 };
	char **config, **env, **argv, *cwd = "/", *disks[26];
	struct result r = { .status = -1 };
	size_t n, i, n_argv = 0, n_disks = 0;
	mode_t mask = 022;
	bool rw = false;
	pid_t command;

	on_frame = guest_frame;
	on_failure = fail_guest;
	handle_signals(signals);
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < 3; i++)
		streams[i].fd = -1;
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, "mode=755") && errno != EBUSY)
		fail("cannot mount devtmpfs: %m");
	first_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	open_line();

	env = strings_of("/environ", &n);
	config = strings_of("/config", &n);
	argv = calloc(n + 1, sizeof(*argv));
	for (i = 0; i < n; i++) {
		char *value = strchr(config[i], '=') + 1;

		if (!strncmp(config[i], "arg=", 4))
			argv[n_argv++] = value;
		else if (!strncmp(config[i], "disk=", 5) && n_disks < 26)
			disks[n_disks++] = value;
		else if (!strncmp(config[i], "cwd=", 4))
			cwd = value;
		else if (!strncmp(config[i], "rw=", 3))
			rw = *value == '1';
		else if (!strncmp(config[i], "umask=", 6))
			mask = strtol(value, NULL, 8);
	}
	set_up_root(rw);
	set_up_network();
	/* where the root is the host's, so would be the mount points */
	if (rw && n_disks)
		must_mount("tmpfs", "/mnt", "tmpfs", 0, "mode=755");
	for (i = 0; i < n_disks; i++)
		set_up_disk(i, disks[i]);

	umask(mask);
	command = run_command(&start, argv, env, cwd);
	while (r.status < 0) {
		if (!pump(-1))
			power_off();	/* nobody is there any more */
		if (child_died)
			reap(command, &r.status);
	}
	kill_all(&r);
	drain(*r.trouble);
	unmount_disks(&r);
	settle_pins(&r);
	send_frame(RESULT, 0, &r, sizeof(r));
	leave();
}
