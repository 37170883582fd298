// SPDX-License-Identifier: GPL-2.0
/* On the host: starts the kernel, looks after it, and leaves word of how it ended. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

static const char *end = "died";	/* how it ended: the first line of the result */
static struct result result;
static bool have_result, greeted;
static pid_t kernel;
static bool under_gdb;			/* which has the terminal for itself */
static int own_terminal = -1;
static struct termios own_modes;
static bool raw;

static void restore_terminal(void)
{
	if (raw)
		tcsetattr(own_terminal, TCSADRAIN, &own_modes);
	raw = false;
}

static void send_start(void)
{
	struct start s = { 0 };
	struct stat st_out, st_err;
	int i;

	for (i = 0; i < 3 && !under_gdb; i++) {
		s.tty[i] = isatty(i);
		if (s.tty[i] && own_terminal < 0)
			own_terminal = fcntl(i, F_DUPFD_CLOEXEC, 3);
	}
	if (own_terminal >= 0)
		ioctl(own_terminal, TIOCGWINSZ, &s.size);
	s.both = !fstat(1, &st_out) && !fstat(2, &st_err) &&
		 st_out.st_dev == st_err.st_dev && st_out.st_ino == st_err.st_ino;
	if (s.tty[0] && !tcgetattr(own_terminal, &own_modes)) {
		struct termios t = own_modes;

		s.modes = true;
		s.termios = own_modes;
		cfmakeraw(&t);
		raw = !tcsetattr(own_terminal, TCSADRAIN, &t);
	}
	send_frame(START, 0, &s, sizeof(s));
	streams[0].fd = under_gdb ? open("/dev/null", O_RDONLY | O_CLOEXEC) : 0;
}

static void host_frame(enum frame frame, const void *data, size_t len)
{
	if (frame == HELLO) {
		send_start();
		greeted = true;
	} else if (frame == FAILED) {
		end = "failed";
		snprintf(result.trouble, sizeof(result.trouble), "%.*s", (int)len, (const char *)data);
		send_frame(BYE, 0, NULL, 0);
	} else if (frame == RESULT && len == sizeof(result)) {
		memcpy(&result, data, len);
		have_result = true;
	}
}

/* The kernel's descriptors: 3 is the line, 4 the log. */
static void start_kernel(char **argv, int theirs, int log)
{
	kernel = fork();
	if (kernel < 0)
		fail("cannot fork: %m");
	if (kernel)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* the kernel takes a random gap behind it for memory, beyond mem= */
	personality(ADDR_NO_RANDOMIZE);
	default_signals();
	theirs = fcntl(theirs, F_DUPFD, 10);
	log = fcntl(log, F_DUPFD, 10);
	dup2(theirs, 3);
	dup2(log, 4);
	if (!under_gdb) {
		/* it signals its process group when it dies */
		setsid();
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(4, 1);
		dup2(4, 2);
	}
	close_range(5, ~0U, 0);
	execvp(argv[0], argv);
	dprintf(4, "uml/run: cannot run %s: %m\n", argv[0]);
	_exit(127);
}

/* All processes below us, which those of a dead kernel are, too: we adopt them. */
static void kill_kernel(void)
{
	char path[64], text[4096], *at, *next;
	int pid;

	if (!under_gdb)
		kill(-kernel, SIGKILL);
	kill(kernel, SIGKILL);
	for (;;) {
		while ((pid = waitpid(-1, NULL, WNOHANG | __WALL)) > 0)
			;
		if (pid < 0 && errno == ECHILD)
			return;
		snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
		read_text(path, text, sizeof(text));
		for (at = text; (pid = strtol(at, &next, 10)) > 0; at = next)
			kill(pid, SIGKILL);
		usleep(1000);
	}
}

static void __attribute__((noreturn)) fail_host(const char *why)
{
	if (kernel > 0)
		kill_kernel();
	restore_terminal();
	fprintf(stderr, "uml/run: %s\n", why);
	exit(125);
}

/* Have the kernel say which tasks are blocked, by its management console. */
static void ask_why(const char *folder)
{
	struct { uint32_t magic, version, len; char data[512]; } ask = {
		0xcafebabe, 2, sizeof("sysrq w"), "sysrq w"
	};
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	double until = now() + 1;

	snprintf(to.sun_path, sizeof(to.sun_path), "%s/uml/run/mconsole", folder);
	if (fd >= 0 && sendto(fd, &ask, sizeof(ask), 0, (void *)&to, sizeof(to)) > 0)
		while (now() < until && pump(100))
			;
	if (fd >= 0)
		close(fd);
}

static bool all_written(void)
{
	return !streams[1].len && !streams[2].len;
}

static void write_result(const char *folder)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/result", folder);
	f = fopen(path, "w");
	if (!f)
		fail("cannot write %s: %m", path);
	fprintf(f, "%s\n%d\n%lu\n%lu\n%s", end, result.status, result.acquired,
		result.released, result.trouble);
	if (fclose(f))
		fail("cannot write %s: %m", path);
}

/* Returns when the kernel is gone, or has to go. */
static void supervise(const char *folder, double deadline)
{
	bool said_bye = false;
	static const int signals[] = {
		SIGCHLD, SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT, 0
	};

	handle_signals(signals);
	if (under_gdb)
		signal(SIGINT, SIG_IGN);	/* it is gdb's */
	for (;;) {
		double left = deadline - now();
		struct winsize size;
		siginfo_t info = { 0 };

		if (told_to_stop) {
			end = told_to_stop == SIGINT ? "SIGINT" :
			      told_to_stop == SIGTERM ? "SIGTERM" :
			      told_to_stop == SIGHUP ? "SIGHUP" : "SIGQUIT";
			return;
		}
		if (deadline && left <= 0) {
			end = said_bye ? "stuck" : "timeout";
			ask_why(folder);
			return;
		}
		if (resized && greeted) {
			resized = 0;
			if (!ioctl(own_terminal, TIOCGWINSZ, &size))
				send_frame(SIZE, 0, &size, sizeof(size));
		}
		/* only look: it has to keep its number until all are killed */
		if (child_died && !waitid(P_PID, kernel, &info, WEXITED | WNOHANG | WNOWAIT) &&
		    info.si_pid == kernel)
			return;
		child_died = 0;
		if (have_result && all_written() && !said_bye) {
			said_bye = true;
			end = "done";
			send_frame(BYE, 0, NULL, 0);
			deadline = under_gdb ? 0 : now() + 20;
			continue;
		}
		if (!pump(deadline && left < 1000 ? left * 1000 + 1 : 1000000)) {
			/* the line is closed, the kernel about to end */
			close(line);
			line = -1;
		}
	}
}

/* relay FOLDER LOG SECONDS gdb|run KERNEL [ARG...] */
static int relay(int argc, char **argv)
{
	char path[PATH_MAX];
	int pair[2], log, i;
	double seconds;

	if (argc < 6)
		return 125;
	seconds = atof(argv[3]);
	under_gdb = !strcmp(argv[4], "gdb");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGPIPE, SIG_IGN);
	on_failure = fail_host;
	/* a closed one must not become the number of another file */
	while ((i = open("/dev/null", O_RDWR)) >= 0 && i < 3)
		;
	close(i);
	snprintf(path, sizeof(path), "%s/root", argv[1]);
	first_root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	log = open(argv[2], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (log < 0)
		fail("cannot write %s: %m", argv[2]);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		fail("cannot make a socket: %m");
	line = pair[0];
	fcntl(line, F_SETFL, O_NONBLOCK);
	on_frame = host_frame;
	streams[0] = (struct stream){ .fd = -1, .source = true, .whole = WINDOW };
	streams[1] = (struct stream){ .fd = 1 };
	streams[2] = (struct stream){ .fd = 2 };

	start_kernel(argv + 5, pair[1], log);
	close(pair[1]);
	supervise(argv[1], seconds ? now() + seconds : 0);
	kill_kernel();
	/* what was on its way when it died */
	close_stream(&streams[0]);
	while (line >= 0 && !told_to_stop && pump(0))
		;
	line = -1;	/* its end would not let us wait */
	while (!all_written() && !told_to_stop)
		pump(-1);
	restore_terminal();
	if (write_error)
		trouble(&result, "the output cannot be written: %s\n", strerror(write_error));
	write_result(argv[1]);
	return 0;
}

int main(int argc, char **argv)
{
	if (getpid() == 1)
		guest();
	return relay(argc, argv);
}
