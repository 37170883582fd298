// SPDX-License-Identifier: GPL-2.0
/*
 * The line between the guest and the host: a socket on the host, /dev/tty1 in the
 * guest. All three streams share it, as frames. The end that receives a stream
 * says when it has written some of it, and the end that sends keeps to what was
 * agreed to be on its way; so neither a command nor a user who does not read
 * holds up the other streams, and whatever was sent is known to have arrived.
 *
 * And the helpers that both ends use: time, signals, small files.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "init.h"

#define CHUNK	4096	/* a pipe that is ready to be written takes it */
/*
 * Of stdin one piece is on its way at a time, and a file if it is large: the
 * consoles of user-mode Linux read byte by byte, and one that was throttled,
 * because 4 KB wait in it, does not listen to the host again.
 */
#define SHORT	1024
#define STDIN	"stdin"	/* in the guest's first root */

struct header {
	uint8_t frame, stream;
	uint16_t len;
};

struct stream streams[3];
int line = -1;
int first_root = -1;
int write_error;
size_t out_len;
void (*on_frame)(enum frame frame, const void *data, size_t len);
void (*on_failure)(const char *why);
volatile sig_atomic_t child_died, resized, told_to_stop;

static unsigned char in[2 * WINDOW], out[4 * WINDOW];
static size_t in_len;

void fail(const char *format, ...)
{
	char why[512];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	on_failure(why);
	abort();
}

void send_frame(enum frame frame, int stream, const void *data, size_t len)
{
	struct header h = { frame, stream, len };

	/* the windows see to it that there is room */
	if (out_len + sizeof(h) + len > sizeof(out))
		abort();
	memcpy(out + out_len, &h, sizeof(h));
	if (len)
		memcpy(out + out_len + sizeof(h), data, len);
	out_len += sizeof(h) + len;
}

void close_stream(struct stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->len = 0;
}

static void write_bulk(const void *data, size_t len)
{
	int fd = openat(first_root, STDIN, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len || close(fd))
		fail("cannot write a file for the standard input: %m");
}

static void read_bulk(struct stream *s, size_t len)
{
	/* it is opened anew, for what is cached of it would be the last piece */
	int fd = openat(first_root, STDIN, O_RDONLY | O_CLOEXEC);

	if (s->len || len > sizeof(s->buf) || fd < 0 || read(fd, s->buf, len) != (ssize_t)len)
		fail("cannot read the standard input: %m");
	close(fd);
	if (s->fd >= 0)
		s->len = len;
}

static void stream_frame(const struct header *h, const unsigned char *data)
{
	struct stream *s = &streams[h->stream % 3];
	uint32_t n;

	switch (h->frame) {
	case DATA:
		if (s->fd < 0)
			break;
		if (s->len + h->len > sizeof(s->buf))
			abort();
		memcpy(s->buf + s->len, data, h->len);
		s->len += h->len;
		break;
	case BULK:
		memcpy(&n, data, sizeof(n));
		read_bulk(s, n);
		break;
	case END:
		s->ended = true;
		break;
	case TAKEN:
		memcpy(&n, data, sizeof(n));
		s->window += n;
		break;
	case CLOSED:
		close_stream(s);
		break;
	default:
		on_frame(h->frame, data, h->len);
	}
}

/* Returns false at the line's end. */
static bool receive(void)
{
	ssize_t n = read(line, in + in_len, sizeof(in) - in_len);
	size_t at = 0;
	struct header h;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return false;
	if (n > 0)
		in_len += n;
	for (; in_len - at >= sizeof(h); at += sizeof(h) + h.len) {
		memcpy(&h, in + at, sizeof(h));
		if (in_len - at < sizeof(h) + h.len)
			break;
		stream_frame(&h, in + at + sizeof(h));
	}
	memmove(in, in + at, in_len - at);
	in_len -= at;
	return true;
}

static void transmit(void)
{
	ssize_t n = write(line, out, out_len);

	if (n > 0) {
		memmove(out, out + n, out_len - n);
		out_len -= n;
	}
}

static void take_from(struct stream *s)
{
	size_t most = s->whole || s->window < CHUNK ? s->window : CHUNK;
	ssize_t n = read(s->fd, s->buf, most);
	uint32_t size = n;

	if (n > 0) {
		if (s->whole && n > SHORT) {
			write_bulk(s->buf, n);
			send_frame(BULK, s - streams, &size, sizeof(size));
		} else {
			send_frame(DATA, s - streams, s->buf, n);
		}
		s->window -= n;
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		close_stream(s);	/* EIO: nobody has the pty open */
		send_frame(END, s - streams, NULL, 0);
	}
}

static void give_to(struct stream *s)
{
	ssize_t n = write(s->fd, s->buf, s->len < CHUNK ? s->len : CHUNK);
	uint32_t taken = n;

	if (n > 0) {
		memmove(s->buf, s->buf + n, s->len - n);
		s->len -= n;
		send_frame(TAKEN, s - streams, &taken, sizeof(taken));
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		if (errno != EPIPE)
			write_error = errno;
		close_stream(s);
		send_frame(CLOSED, s - streams, NULL, 0);
	}
}

/*
 * Wait up to MS milliseconds (-1: for ever) for something to happen, with signals
 * let in, and do what there is to do. Returns false at the line's end.
 */
bool pump(int ms)
{
	struct timespec wait = { ms / 1000, ms % 1000 * 1000000L };
	struct pollfd p[4];
	bool alive = true;
	sigset_t none;
	int i;

	for (i = 0; i < 3; i++) {
		struct stream *s = &streams[i];

		p[i] = (struct pollfd){ .fd = s->fd };
		if (s->source ? s->window > 0 && s->window >= s->whole : s->len > 0)
			p[i].events = s->source ? POLLIN : POLLOUT;
		else if (s->source)
			p[i].fd = -1;	/* a hangup would not let us wait */
	}
	p[3] = (struct pollfd){ .fd = line, .events = POLLIN | (out_len ? POLLOUT : 0) };

	sigemptyset(&none);
	if (ppoll(p, 4, ms < 0 ? NULL : &wait, &none) <= 0)
		return true;
	if (p[3].revents & (POLLIN | POLLHUP | POLLERR))
		alive = receive();
	for (i = 0; i < 3; i++) {
		struct stream *s = &streams[i];

		if (s->fd < 0)
			continue;
		if (p[i].revents && s->source) {
			take_from(s);
		} else if (p[i].revents && s->len) {
			give_to(s);
		} else if (p[i].revents & (POLLERR | POLLNVAL)) {
			close_stream(s);
			send_frame(CLOSED, i, NULL, 0);
		}
		if (!s->source && s->ended && !s->len)
			close_stream(s);
	}
	if (out_len)
		transmit();
	return alive;
}

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void on_signal(int sig)
{
	if (sig == SIGCHLD)
		child_died = 1;
	else if (sig == SIGWINCH)
		resized = 1;
	else
		told_to_stop = sig;
}

/* Handle the signals in LIST, which ends with 0; they come in during pump() only. */
void handle_signals(const int *list)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t block;

	sigemptyset(&block);
	for (; *list; list++) {
		sigaddset(&block, *list);
		sigaction(*list, &sa, NULL);
	}
	sigprocmask(SIG_BLOCK, &block, NULL);
}

void default_signals(void)
{
	sigset_t none;
	int sig;

	for (sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The beginning of a small file; empty if it cannot be read. */
void read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = 0;
	if (fd >= 0)
		close(fd);
}

void trouble(struct result *r, const char *format, ...)
{
	size_t len = strlen(r->trouble);
	va_list args;

	va_start(args, format);
	vsnprintf(r->trouble + len, sizeof(r->trouble) - len, format, args);
	va_end(args);
}
