// SPDX-License-Identifier: GPL-2.0
// e2e: --disk 512M
/*
 * An anonymous page in a pipe, then fork(), then the pipe is spliced on to a
 * file open for direct I/O. The page is shared by then, quite correctly, when
 * it is pinned and when the pin is released.
 *
 * What arrives is the page that the pipe has got. After a fork who writes first
 * gets a copy and the pipe keeps the page as it was; unless the pipe holds it
 * by a pin: then it is the child that got a copy, at the fork, and what the
 * parent writes arrives, as it would without a fork.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "e2e.h"

#define BEFORE 1	/* the pattern at the time of vmsplice */
#define BY_PARENT 2
#define BY_CHILD 3

struct story {
	const char *name;
	bool no_fork;
	bool parent_writes, child_writes;
	bool child_ends;	/* before the splice; else it is alive */
	bool parent_unmaps;
};

static const struct story stories[] = {
	{ "no_fork", .no_fork = true },
	{ "no_fork_write", .no_fork = true, .parent_writes = true },
	{ "child_idle", .no_fork = false },
	{ "child_ended", .child_ends = true },
	{ "parent_writes", .parent_writes = true },
	{ "parent_writes_child_ended", .parent_writes = true,
	  .child_ends = true },
	{ "child_writes", .child_writes = true },
	{ "child_writes_and_ends", .child_writes = true, .child_ends = true },
	{ "both_write", .parent_writes = true, .child_writes = true },
	{ "parent_unmaps", .parent_unmaps = true },
	{ "parent_unmaps_child_writes", .parent_unmaps = true,
	  .child_writes = true },
};

/* The child says when it has done its part, and lives until the parent ends. */
static pid_t start_child(const struct story *s, char *page)
{
	int ready[2], stay[2];
	char byte;
	pid_t pid;

	must(pipe(ready));
	must(pipe(stay));
	pid = must(fork());
	if (!pid) {
		close(stay[1]);
		close(ready[0]);
		if (s->child_writes)
			fill(page, PAGE, BY_CHILD, 0);
		if (s->child_ends)
			_exit(0);
		if (write(ready[1], "", 1) == 1 && read(stay[0], &byte, 1) == 0)
			_exit(0);
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != !s->child_ends)
		fail("the child is not as it should be");
	if (s->child_ends)
		must(waitpid(pid, NULL, 0));
	return pid;
}

static void splice_after_fork(const struct e2e_case *c)
{
	const struct story *s = c->arg;
	char *page = map(PAGE), *found;
	struct iovec iov = { page, PAGE };
	off_t pos = 0;
	int fds[2], fd;

	must(pipe(fds));
	fresh_room(c->target, PAGE);
	fd = open_direct(c->target, 0);
	fill(page, PAGE, BEFORE, 0);
	if (must(vmsplice(fds[1], &iov, 1, 0)) != (ssize_t)PAGE)
		fail("vmsplice: not all of the page");
	if (!s->no_fork)
		start_child(s, page);
	if (s->parent_writes)
		fill(page, PAGE, BY_PARENT, 0);
	if (s->parent_unmaps)
		must(munmap(page, PAGE));

	pins_from_here();
	if (must(splice(fds[0], NULL, fd, &pos, PAGE, 0)) != (ssize_t)PAGE)
		fail("splice: not all of the page");
	pins_until_here();

	found = get_back(c->target, 0, PAGE);
	if (s->parent_writes) {
		bool shows = memcmp(found, page, PAGE) == 0;

		if (s->no_fork && !shows)
			fail("what was written to the page did not arrive");
		if (!s->no_fork)
			note("the pipe has the page of %s", shows ?
			     "the parent: a pin" : "before: a reference");
		if (shows)
			return;
	}
	check_pattern("file", found, PAGE, BEFORE, 0);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {
		"ext2", "vfat", "ext4", "xfs", "raw"
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		struct e2e_case c = {
			.run = splice_after_fork,
			.target = target(names[i]),
			.no_pins = target_borrows(target(names[i])),
		};

		for (unsigned int s = 0; s < ARRAY_SIZE(stories); s++) {
			c.arg = &stories[s];
			e2e_add(&c, "%s/%s", names[i], stories[s].name);
		}
	}
	return e2e_main(argc, argv);
}
