/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Both ends of uml/run in one program: PID 1 of the kernel that it boots, and
 * the process on the host that starts this kernel, looks after it, and passes
 * the command's input and output through. This is what its files share.
 */
#ifndef INIT_H
#define INIT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <termios.h>

/* --- line.c: what passes between the two, and helpers of both */

#define WINDOW	32768	/* how much of a stream may be on its way */

enum frame {
	HELLO = 'H',	/* guest: the line is open */
	START = 'S',	/* host: struct start */
	SIZE = 'W',	/* host: struct winsize */
	DATA = 'D',
	BULK = 'K',	/* host: uint32_t: that much data is in a file */
	END = 'E',	/* of the stream */
	TAKEN = 'T',	/* uint32_t: that much of the stream was written */
	CLOSED = 'C',	/* nobody reads the stream any more */
	FAILED = 'F',	/* guest: why it never came to the command */
	RESULT = 'R',	/* guest: struct result, nothing comes after it */
	BYE = 'B',	/* host: the result was received, power off */
};

struct start {
	bool tty[3];		/* which of the streams are terminals */
	bool both;		/* stdout and stderr are the same file */
	bool modes;		/* stdin is a terminal, termios are its own */
	struct termios termios;
	struct winsize size;
};

struct result {
	int status;		/* of the command, as a shell has it */
	unsigned long acquired, released;	/* pins */
	char trouble[1024];	/* what did not go away, a line each */
};

struct stream {
	int fd;			/* -1: closed, or not there */
	bool source;		/* read here, and sent */
	bool ended;		/* no more will come to be written */
	size_t whole;		/* source: send only when that much may be sent */
	size_t window;		/* source: what may still be sent */
	size_t len;		/* written here: how much of buf waits for it */
	unsigned char buf[WINDOW];
};

extern struct stream streams[3];
extern int line;		/* -1: closed, or not yet open */
extern int first_root;		/* the guest's, by which files are passed */
extern int write_error;		/* what came was not written, and why */
extern size_t out_len;		/* what waits to be sent */
extern void (*on_frame)(enum frame frame, const void *data, size_t len);
extern void (*on_failure)(const char *why);
extern volatile sig_atomic_t child_died, resized, told_to_stop;

void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...);
void send_frame(enum frame frame, int stream, const void *data, size_t len);
void close_stream(struct stream *s);
bool pump(int ms);
double now(void);
void handle_signals(const int *list);
void default_signals(void);
void read_text(const char *path, char *text, size_t size);
void __attribute__((format(printf, 2, 3)))
trouble(struct result *r, const char *format, ...);

/* --- guest.c */

void __attribute__((noreturn)) guest(void);
void __attribute__((noreturn)) power_off(void);

/* --- root.c */

void must_mount(const char *what, const char *where, const char *type,
		unsigned long flags, const char *options);
void set_up_root(bool rw);

/* --- disks.c */

void set_up_disk(int n, const char *type);
void unmount_disks(struct result *r);

/* --- command.c */

pid_t run_command(const struct start *start, char **argv, char **env, const char *cwd);
void resize_terminal(const struct winsize *size);
void drain(bool alive);

#endif
