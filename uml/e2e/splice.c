// SPDX-License-Identifier: GPL-2.0
// e2e: --disk 512M --disk 64M
/*
 * splice(2) and sendfile(2) from and to files that are open for direct I/O. A
 * file that is read gets its data into pages made for the pipe, which a bio
 * holds while it is being read into; the pages of a pipe are written as they
 * are.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "e2e.h"

#define LEN (72 * PAGE)		/* more than fits into a pipe at once */
#define SEED 1

struct sizes {
	const char *name;
	int pipe;		/* its capacity in bytes; 0: the default */
};

static const struct sizes pipes[] = {
	{ "one_page", PAGE }, { "default", 0 }, { "large", MIB },
};

/* Another file on the same target, or another disk. */
static struct target second(const struct target *t)
{
	struct target s = *t;

	s.file = t->sequential ? MNT "/seq/1" :
		t->fstype ? MNT "/second" : scratch_disk(1);
	return s;
}

static void make_pipe(int fds[2], int capacity)
{
	must(pipe(fds));
	if (capacity)
		must(fcntl(fds[1], F_SETPIPE_SZ, capacity));
}

static void read_all(int fd, char *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = must(read(fd, buf + done, len - done));

		if (!n)
			fail("end of data at byte %zu of %zu", done, len);
		done += n;
	}
}

static size_t splice_some(int in, off_t *in_pos, int out, off_t *out_pos,
			  size_t len)
{
	ssize_t n = must(splice(in, in_pos, out, out_pos, len, 0));

	if (!n)
		fail("splice: nothing of %zu bytes", len);
	return n;
}

static void splice_all(int in, off_t *in_pos, int out, off_t *out_pos,
		       size_t len)
{
	while (len)
		len -= splice_some(in, in_pos, out, out_pos, len);
}

static void file_to_pipe(const struct e2e_case *c)
{
	const struct sizes *s = c->arg;
	char *buf = map(LEN);
	off_t pos = 0;
	int fds[2], fd;

	fresh_pattern(c->target, SEED, LEN);
	fd = open_direct(c->target, 0);
	make_pipe(fds, s->pipe);
	pins_from_here();
	while (pos < (off_t)LEN) {
		off_t was = pos;
		size_t n = splice_some(fd, &pos, fds[1], NULL, LEN - pos);

		read_all(fds[0], buf + was, n);
	}
	pins_at_least(LEN / PAGE);
	check_pattern("what came through the pipe", buf, LEN, SEED, 0);
}

static void pipe_to_file(const struct e2e_case *c)
{
	const struct sizes *s = c->arg;
	char *buf = map(LEN);
	off_t pos = 0;
	int fds[2], fd, room;

	fill(buf, LEN, SEED, 0);
	fresh_room(c->target, LEN);
	fd = open_direct(c->target, 0);
	make_pipe(fds, s->pipe);
	room = fcntl(fds[1], F_GETPIPE_SZ);
	while (pos < (off_t)LEN) {
		size_t n = min((size_t)room, LEN - pos);

		must(write(fds[1], buf + pos, n));
		splice_all(fds[0], NULL, fd, &pos, n);
	}
	check_file(c->target, SEED, 0, LEN);
}

static void file_to_file(const struct e2e_case *c)
{
	const struct target out = second(c->target);
	const struct sizes *s = c->arg;
	off_t in_pos = 0, out_pos = 0;
	int fds[2], from, to;

	fresh_pattern(c->target, SEED, LEN);
	fresh_room(&out, LEN);
	from = open_direct(c->target, 0);
	to = open_direct(&out, 0);
	make_pipe(fds, s->pipe);
	pins_from_here();
	while (in_pos < (off_t)LEN) {
		size_t n = splice_some(from, &in_pos, fds[1], NULL,
				       LEN - in_pos);

		splice_all(fds[0], NULL, to, &out_pos, n);
	}
	pins_until_here();
	pins_at_least(LEN / PAGE);
	check_file(&out, SEED, 0, LEN);
}

/* Something is taken from the pipe before the rest is written on. */
static void partly_consumed(const struct e2e_case *c)
{
	const struct target out = second(c->target);
	const size_t taken = c->target->block, len = 4 * PAGE;
	off_t in_pos = 0, out_pos = 0;
	char *buf = map(PAGE), *found;
	int fds[2], from, to;

	fresh_pattern(c->target, SEED, len);
	fresh_room(&out, LEN);
	from = open_direct(c->target, 0);
	to = open_direct(&out, 0);
	make_pipe(fds, 0);
	splice_all(from, &in_pos, fds[1], NULL, len);
	read_all(fds[0], buf, taken);
	splice_all(fds[0], NULL, to, &out_pos, len - taken);
	pins_until_here();
	pins_at_least(len / PAGE);
	check_pattern("what was taken", buf, taken, SEED, 0);
	found = get_back(&out, 0, len - taken);
	check_pattern("what was left", found, len - taken, SEED, taken);
}

static void sendfile_to_file(const struct e2e_case *c)
{
	const struct target out = second(c->target);
	off_t pos = 0;
	int from, to;

	fresh_pattern(c->target, SEED, LEN);
	fresh_room(&out, LEN);
	from = open_direct(c->target, 0);
	to = open_direct(&out, 0);
	pins_from_here();
	while (pos < (off_t)LEN)
		if (!must(sendfile(to, from, &pos, LEN - pos)))
			fail("sendfile: nothing of %zu bytes", LEN - pos);
	pins_until_here();
	pins_at_least(LEN / PAGE);
	check_file(&out, SEED, 0, LEN);
}

static void unix_sockets(int fds[2])
{
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
}

static void tcp_sockets(int fds[2])
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	socklen_t len = sizeof(addr);
	int listener = must(socket(AF_INET, SOCK_STREAM, 0));

	must(bind(listener, (void *)&addr, len));
	must(listen(listener, 1));
	must(getsockname(listener, (void *)&addr, &len));
	fds[1] = must(socket(AF_INET, SOCK_STREAM, 0));
	must(connect(fds[1], (void *)&addr, len));
	fds[0] = must(accept(listener, NULL, NULL));
	close(listener);
}

struct way {
	const char *name;
	void (*sockets)(int fds[2]);
	bool sendfile;
};

static const struct way ways[] = {
	{ "splice_unix", unix_sockets, false },
	{ "splice_tcp", tcp_sockets, false },
	{ "sendfile_unix", unix_sockets, true },
	{ "sendfile_tcp", tcp_sockets, true },
};

static void file_to_socket(const struct e2e_case *c)
{
	const struct way *w = c->arg;
	char *buf = map(LEN);
	off_t pos = 0;
	int fds[2], sockets[2], fd;

	fresh_pattern(c->target, SEED, LEN);
	fd = open_direct(c->target, 0);
	make_pipe(fds, 0);
	w->sockets(sockets);
	pins_from_here();
	while (pos < (off_t)LEN) {
		off_t was = pos;
		/* a socket has room for so much at least */
		size_t n = min(4 * PAGE, LEN - pos);

		if (w->sendfile) {
			n = must(sendfile(sockets[1], fd, &pos, n));
		} else {
			n = splice_some(fd, &pos, fds[1], NULL, n);
			splice_all(fds[0], NULL, sockets[1], NULL, n);
		}
		if (!n)
			fail("nothing at byte %lld", (long long)was);
		read_all(sockets[0], buf + was, n);
	}
	pins_at_least(LEN / PAGE);
	check_pattern("what came through the socket", buf, LEN, SEED, 0);
}

/*
 * zonefs_file_dio_append() makes a bio with an array of its own for any
 * iterator. bio_iov_bvec_set() puts the pipe's in its place, which is freed
 * with the bio, as if it were the other one, and then by splice(): mended by
 * "zonefs: do not allocate vectors for a bio that borrows them".
 */
#define ZONEFS_ARRAY "zonefs would free an array of pages that splice() frees, too"

static void add(const struct target *t)
{
	const char *harms = t->sequential ? ZONEFS_ARRAY : NULL;
	struct e2e_case c = {
		.target = t, .bug = t->sequential ? ZONEFS_APPEND : NULL,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(pipes); i++) {
		const char *name = pipes[i].name;

		c.arg = &pipes[i];
		c.run = file_to_pipe;
		c.harms = NULL;
		e2e_add(&c, "%s/file_to_pipe/%s", t->name, name);
		c.harms = harms;
		c.run = file_to_file;
		e2e_add(&c, "%s/file_to_file/%s", t->name, name);
		c.run = pipe_to_file;
		c.no_pins = target_borrows(t);
		e2e_add(&c, "%s/pipe_to_file/%s", t->name, name);
		c.no_pins = NULL;
	}
	c.run = partly_consumed;
	e2e_add(&c, "%s/partly_consumed", t->name);
	c.run = sendfile_to_file;
	e2e_add(&c, "%s/sendfile_to_file", t->name);
	c.run = file_to_socket;
	c.harms = NULL;
	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++) {
		c.arg = &ways[i];
		e2e_add(&c, "%s/file_to_socket/%s", t->name, ways[i].name);
	}
}

int main(int argc, char **argv)
{
	static const char *const names[] = {
		"ext4", "xfs", "btrfs", "f2fs", "ext2", "vfat", "raw", "zonefs"
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		add(target(names[i]));
	return e2e_main(argc, argv);
}
