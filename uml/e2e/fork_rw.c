// SPDX-License-Identifier: GPL-2.0
/*
 * fork() while direct I/O is in flight, on a disk that takes its time.
 *
 * A part of a page is being read or written by the device. The process forks, and
 * then one of the two writes to the page. A page that is only referenced is
 * shared by fork(), so the first to write gets a copy. If that is the parent, the
 * device goes on with a page that the parent no longer has.
 *
 * E2E_RUNS says how often each case is repeated (default: 5). Each says how
 * often it found the data lost. "make proof" compares two kernels by it.
 *
 * e2e: --disk 320M
 */
#include <libaio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "e2e.h"

#define SLOW "/dev/mapper/slow"
#define LEN 1024		/* a block: of parts, ext4 waits for the end */
#define BESIDE (PAGE / 2)	/* in the page, not in flight */

enum who { PARENT, CHILD };

struct twin {
	enum io_dir dir;
	enum who writes;		/* to memory, after the fork */
	size_t at, len;			/* there */
};

static const char *below;		/* the disk that takes no time */
static unsigned int delay_ms = 40;

static const struct twin reading = { IO_READ, PARENT, BESIDE, 1 };
static const struct twin writing = { IO_WRITE, PARENT, BESIDE, 1 };
static const struct twin child_changes = { IO_WRITE, CHILD, 0, LEN };

static unsigned int runs(void)
{
	const char *e = getenv("E2E_RUNS");

	return e ? strtoul(e, NULL, 10) : 5;
}

static void change(const struct twin *t, char *page)
{
	memset(page + t->at, 'x', t->len);
}

/* The child does its part, tells of it, and stays until it is killed. */
static pid_t start_child(const struct twin *t, char *page)
{
	int done[2];
	pid_t pid;
	char c;

	must(pipe(done));
	pid = must(fork());
	if (!pid) {
		if (t->writes == CHILD)
			change(t, page);
		must(write(done[1], "", 1));
		for (;;)
			pause();
	}
	must(read(done[0], &c, 1));
	close(done[0]);
	close(done[1]);
	return pid;
}

static bool all_bytes(const char *buf, size_t len, char byte)
{
	while (len && buf[len - 1] == byte)
		len--;
	return !len;
}

/*
 * One I/O of LEN bytes. Returns whether the data is lost, or -1 if the I/O was
 * over too early to tell.
 */
static int once(const struct e2e_case *c, int fd, io_context_t ctx, char wanted)
{
	const struct twin *t = c->arg;
	char *page = map(PAGE), *is;
	struct iocb cb, *cbs[] = { &cb };
	struct timespec now = { 0 };
	struct io_event ev;
	bool early, lost;
	pid_t child;

	memset(page, t->dir == IO_WRITE ? wanted : 'o', PAGE);
	if (t->dir == IO_READ)
		io_prep_pread(&cb, fd, page, LEN, 0);
	else
		io_prep_pwrite(&cb, fd, page, LEN, 0);
	if (io_submit(ctx, 1, cbs) != 1)
		fail("io_submit");
	child = start_child(t, page);
	if (t->writes == PARENT)
		change(t, page);
	early = io_getevents(ctx, 0, 1, &ev, &now);
	if (!early && io_getevents(ctx, 1, 1, &ev, NULL) != 1)
		fail("io_getevents");
	if ((long)ev.res != LEN)
		fail("the I/O ended with %ld", (long)ev.res);
	must(kill(child, SIGKILL));
	must(waitpid(child, NULL, 0));

	is = t->dir == IO_READ ? page : get_back(c->target, 0, LEN);
	lost = !all_bytes(is, LEN, wanted);
	if (is != page)
		must(munmap(is, LEN));
	must(munmap(page, PAGE));
	return early ? -1 : lost;
}

static void slow_disk(const char *dmsetup)
{
	command("DM_DISABLE_UDEV=1 dmsetup %s slow --table \"0 $(blockdev --getsz %s) delay %s 0 %u\"",
		dmsetup, below, below, delay_ms);
}

/* This machine takes longer to fork than the disk does. */
static void slower_disk(void)
{
	delay_ms *= 2;
	slow_disk("reload");
	command("DM_DISABLE_UDEV=1 dmsetup resume slow");
}

static void fork_rw(const struct e2e_case *c)
{
	const struct twin *t = c->arg;
	unsigned int lost = 0, done = 0, early = 0;
	io_context_t ctx = NULL;
	char *buf = map(PAGE);
	int fd;

	fresh_file(c->target);
	fd = open_direct(c->target, 0);
	memset(buf, 'D', PAGE);
	io_all(io_api("pread"), fd, IO_WRITE, buf, PAGE, 0);
	if (io_setup(1, &ctx))
		fail("io_setup");
	while (done < runs()) {
		/* what is written is another byte each time */
		int r = once(c, fd, ctx, t->dir == IO_READ ? 'D' : 'a' + done % 20);

		if (r < 0) {
			if (++early > 6)
				fail("the I/O is always over before the fork is");
			slower_disk();
			continue;
		}
		lost += r;
		done++;
	}
	io_destroy(ctx);
	note("lost %u of %u", lost, done);
	if (lost)
		fail("data was lost in %u of %u runs", lost, done);
}

int main(int argc, char **argv)
{
	static struct target on[4];

	on[0] = *target("raw");
	on[1] = *target("ext4");
	on[1].mkfs = "mkfs.ext4 -q -F -b 1024 -E nodiscard,lazy_itable_init=0";
	on[2] = *target("xfs");
	on[3] = *target("ext2");

	below = strdup(scratch_disk(0));
	slow_disk("create");
	setenv("E2E_DISKS", SLOW, 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(on); i++) {
		struct e2e_case c = { .run = fork_rw, .target = &on[i] };

		c.arg = &reading;
		e2e_add(&c, "%s: read, parent writes beside it", on[i].name);
		c.arg = &writing;
		e2e_add(&c, "%s: write, parent writes beside it", on[i].name);
		c.arg = &child_changes;
		e2e_add(&c, "%s: write, child writes to it", on[i].name);
	}
	return e2e_main(argc, argv);
}
