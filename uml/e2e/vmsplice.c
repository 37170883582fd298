// SPDX-License-Identifier: GPL-2.0
// e2e: --disk 512M
/*
 * Memory of a program, put into a pipe by vmsplice(2) and from there into a
 * file open for direct I/O; in between, tee(2) may have made two of each page.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "e2e.h"

#define LEN (12 * PAGE)		/* fits into a pipe, twice over an edge */
#define SEED 1

struct how {
	const char *name;
	unsigned int flags;
	size_t shift;		/* into its first page */
	bool tee;
	bool forget;		/* unmap the memory once it is in the pipe */
};

static const struct how hows[] = {
	{ "plain", .flags = 0 },
	{ "gift", .flags = SPLICE_F_GIFT },
	{ "unaligned", .shift = 512 },
	{ "forgotten", .forget = true },
	{ "gift_forgotten", .flags = SPLICE_F_GIFT, .forget = true },
	{ "tee", .tee = true },
	{ "gift_tee", .flags = SPLICE_F_GIFT, .tee = true },
	{ "tee_forgotten", .tee = true, .forget = true },
};

static void drain(int pipe, int file, off_t pos)
{
	for (size_t done = 0; done < LEN;) {
		ssize_t n = must(splice(pipe, NULL, file, &pos, LEN - done, 0));

		if (!n)
			fail("splice: nothing at byte %zu", done);
		done += n;
	}
}

static void vmsplice_to_file(const struct e2e_case *c)
{
	const struct how *h = c->arg;
	char *memory = map(LEN + PAGE);
	struct iovec iov = { memory + h->shift, LEN };
	int fds[2], other[2], fd;

	must(pipe(fds));
	must(pipe(other));
	fill(iov.iov_base, LEN, SEED, 0);
	fresh_room(c->target, 2 * LEN);
	fd = open_direct(c->target, 0);

	if (must(vmsplice(fds[1], &iov, 1, h->flags)) != (ssize_t)LEN)
		fail("vmsplice: not all of %lu bytes", LEN);
	if (h->tee && must(tee(fds[0], other[1], LEN, 0)) != (ssize_t)LEN)
		fail("tee: not all of %lu bytes", LEN);
	if (h->forget)
		must(munmap(memory, LEN + PAGE));

	pins_from_here();
	drain(fds[0], fd, 0);
	if (h->tee) {
		char *found;

		drain(other[0], fd, LEN);
		pins_until_here();
		found = get_back(c->target, LEN, LEN);
		check_pattern("the other end of tee", found, LEN, SEED, 0);
	} else {
		pins_until_here();
	}
	pins_at_least((h->tee ? 2 : 1) * LEN / PAGE);
	check_file(c->target, SEED, 0, LEN);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {
		"ext4", "xfs", "btrfs", "f2fs", "ext2", "vfat", "raw"
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		struct e2e_case c = {
			.run = vmsplice_to_file,
			.target = target(names[i]),
			.no_pins = target_borrows(target(names[i])),
		};

		for (unsigned int h = 0; h < ARRAY_SIZE(hows); h++) {
			c.arg = &hows[h];
			/* these would be left to the page cache */
			if (hows[h].shift % c.target->block)
				continue;
			e2e_add(&c, "%s/%s", names[i], hows[h].name);
		}
	}
	return e2e_main(argc, argv);
}
