// SPDX-License-Identifier: GPL-2.0
/* The command in the guest, and what its streams are there: pipes, or a terminal. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "init.h"

static int master = -1, terminal = -1;	/* the two ends of the command's pty */

static void open_pty(const struct start *start)
{
	struct termios t;
	const char *name;

	master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	name = master < 0 || unlockpt(master) ? NULL : ptsname(master);
	terminal = name ? open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
	if (terminal < 0)
		fail("cannot open a terminal: %m");
	if (start->modes) {
		t = start->termios;
	} else {
		/* input comes from elsewhere, and the host's has its own ways */
		tcgetattr(terminal, &t);
		t.c_lflag &= ~ECHO;
		t.c_oflag &= ~OPOST;
	}
	tcsetattr(terminal, TCSANOW, &t);
	ioctl(terminal, TIOCSWINSZ, &start->size);
	/*
	 * The session is init's: the end of a session's leader hangs up the
	 * terminal, and what nobody has read of it yet is lost.
	 */
	setsid();
	if (ioctl(terminal, TIOCSCTTY, 0))
		fail("cannot control the terminal: %m");
}

/* Connect the streams to the command's standard ones, which go to CHILD. */
static void open_streams(const struct start *start, int child[3])
{
	uint32_t room = WINDOW;
	int i, p[2];

	if (start->tty[0] || start->tty[1] || start->tty[2])
		open_pty(start);
	for (i = 0; i < 3; i++) {
		streams[i].source = i > 0;
		streams[i].window = WINDOW;
		if (i == 2 && (start->both || (start->tty[1] && start->tty[2]))) {
			child[2] = child[1];
		} else if (start->tty[i]) {
			child[i] = terminal;
			streams[i].fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
		} else {
			if (pipe2(p, O_CLOEXEC))
				fail("cannot make a pipe: %m");
			child[i] = p[i > 0];
			streams[i].fd = p[i == 0];
			fcntl(streams[i].fd, F_SETFL, O_NONBLOCK);
		}
	}
	/* before this, the host keeps what there is to read */
	send_frame(TAKEN, 0, &room, sizeof(room));
}

pid_t run_command(const struct start *start, char **argv, char **env, const char *cwd)
{
	int child[3], i;
	pid_t pid;

	open_streams(start, child);
	pid = fork();
	if (pid < 0)
		fail("cannot fork: %m");
	if (pid == 0) {
		if (terminal >= 0) {
			setpgid(0, 0);
			/* who does this from the background is stopped */
			signal(SIGTTOU, SIG_IGN);
			tcsetpgrp(terminal, getpid());
		} else {
			setsid();
		}
		for (i = 0; i < 3; i++)
			child[i] = fcntl(child[i], F_DUPFD_CLOEXEC, 10);
		for (i = 0; i < 3; i++)
			dup2(child[i], i);
		default_signals();
		if (chdir(cwd)) {
			dprintf(2, "uml/run: cannot enter %s: %m\n", cwd);
			_exit(125);
		}
		/* uml/gdb/pinlab/stops.py looks for this name; exec gives it another */
		prctl(PR_SET_NAME, "uml/run command");
		environ = env;
		execvp(argv[0], argv);
		i = errno;
		dprintf(2, "uml/run: %s: %m\n", argv[0]);
		_exit(i == ENOENT ? 127 : 126);
	}
	for (i = 0; i < 3; i++)
		if (child[i] != terminal && (i < 2 || child[2] != child[1]))
			close(child[i]);
	return pid;
}

void resize_terminal(const struct winsize *size)
{
	if (master >= 0)
		ioctl(master, TIOCSWINSZ, size);
}

/* Pass on what is left in pipes and terminal, all of whose writers are gone. */
void drain(bool alive)
{
	if (terminal >= 0)
		close(terminal);
	terminal = -1;
	close_stream(&streams[0]);
	while (streams[1].fd >= 0 || streams[2].fd >= 0) {
		size_t before = streams[1].window + streams[2].window + out_len;

		if (!pump(alive ? 100 : -1))
			power_off();
		/* one that does not die has them open, and writes no more */
		if (alive && before == streams[1].window + streams[2].window + out_len)
			break;
	}
}
