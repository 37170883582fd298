// SPDX-License-Identifier: GPL-2.0
// e2e:
/*
 * SCSI commands sent by programs, SG_IO, whose memory block/blk-map.c maps into
 * a request if it is aligned well enough, or else copies. By the disk itself,
 * and by /dev/sgN, which maps only if it is asked to.
 */
#include <fcntl.h>
#include <scsi/sg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "e2e.h"

#define SECTOR 512UL
#define LEN (6 * PAGE)
#define AT 64			/* sectors */
#define ON_DISK 1
#define IN_MEMORY 2
#define INQUIRY_LEN 96

static struct target disk = { .name = "scsi_debug", .block = SECTOR };

/* Where the memory is that the command is given. */
struct memory {
	const char *name;
	size_t shift;		/* into its first page */
	unsigned int segments;	/* of a vector; 0: none */
	bool copied;		/* it is too odd to be mapped */
	bool bad;		/* its last page is missing */
	bool read_only;
};

static const struct memory memories[] = {
	{ "aligned", .shift = 0 },
	{ "into_page", .shift = SECTOR },
	{ "odd", .shift = 1, .copied = true },
	{ "vector", .segments = 3 },
	/* two segments of one page, which the request holds once */
	{ "vector_in_page", .segments = LEN / SECTOR },
	{ "vector_odd", .shift = 1, .segments = 3, .copied = true },
	{ "bad", .bad = true },
	{ "read_only", .read_only = true },
};

enum command { READ_10, WRITE_10 };

static void put_data(unsigned int seed)
{
	char *buf = map(LEN);
	int fd = must(open(disk.file, O_RDWR | O_SYNC));

	fill(buf, LEN, seed, 0);
	must(pwrite(fd, buf, LEN, AT * SECTOR));
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	close(fd);
}

/* Returns SG_INFO_*, or -errno. */
static int send_command(const char *path, const unsigned char *cdb,
			size_t cdb_len, bool to_device, void *memory,
			size_t len, const struct memory *m)
{
	struct sg_iovec iov[LEN / SECTOR];
	unsigned char sense[32];
	struct sg_io_hdr hdr = {
		.interface_id = 'S', .cmdp = (void *)cdb, .cmd_len = cdb_len,
		.dxfer_direction = to_device ? SG_DXFER_TO_DEV :
			SG_DXFER_FROM_DEV,
		.dxferp = memory, .dxfer_len = len, .flags = SG_FLAG_DIRECT_IO,
		.sbp = sense, .mx_sb_len = sizeof(sense), .timeout = 20000,
	};
	int fd, ret;

	if (m->segments) {
		size_t part = len / m->segments;

		for (unsigned int i = 0; i < m->segments; i++)
			iov[i] = (struct sg_iovec){
				(char *)memory + i * part, part
			};
		hdr.dxferp = iov;
		hdr.iovec_count = m->segments;
	}
	fd = must(open(path, O_RDWR));
	ret = ioctl(fd, SG_IO, &hdr) ? -errno : (int)hdr.info;
	close(fd);
	if (ret >= 0 && (hdr.info & SG_INFO_OK_MASK) != SG_INFO_OK)
		fail("the command failed: status %#x, host %#x, sense key %#x",
		     hdr.status, hdr.host_status, sense[2] & 15);
	return ret;
}

static int rw_10(const char *path, enum command command, void *memory,
		 const struct memory *m)
{
	unsigned char cdb[10] = {
		command == WRITE_10 ? 0x2a : 0x28, [5] = AT,
		[8] = LEN / SECTOR
	};

	return send_command(path, cdb, sizeof(cdb), command == WRITE_10,
			    memory, LEN, m);
}

static void run(const struct e2e_case *c, const char *path,
		enum command command)
{
	const struct memory *m = c->arg;
	const bool by_sg = path == scsi_generic();
	const bool refused = m->bad || (m->read_only && command == READ_10);
	char *memory = map(LEN + PAGE);
	int ret;

	disk.file = scsi_disk();
	put_data(ON_DISK);
	if (by_sg)
		echo("1", "/sys/module/sg/parameters/allow_dio");
	memory += m->shift;
	fill(memory, LEN, command == WRITE_10 ? IN_MEMORY : 3, 0);
	if (m->bad)
		must(munmap(memory + LEN - PAGE, 2 * PAGE));
	if (m->read_only)
		must(mprotect(memory, LEN, PROT_READ));

	pins_from_here();
	ret = rw_10(path, command, memory, m);
	pins_until_here();
	if (refused) {
		if (ret != -EFAULT)
			fail("wanted EFAULT, got %d", ret);
		command = READ_10;	/* nothing was written */
	} else {
		bool mapped = by_sg && !m->copied && !m->segments;

		if (ret < 0)
			fail("SG_IO: %s", errno_name(ret));
		if (by_sg && !(ret & SG_INFO_DIRECT_IO) == mapped)
			fail("the memory was %s", mapped ? "copied" : "mapped");
		if (!c->no_pins)
			pins_at_least(LEN / PAGE);
		if (command == READ_10)
			check_pattern("memory", memory, LEN, ON_DISK, 0);
	}
	check_pattern("disk", get_back(&disk, AT * SECTOR, LEN), LEN,
		      command == WRITE_10 ? IN_MEMORY : ON_DISK, 0);
}

static void read_by_disk(const struct e2e_case *c)
{
	run(c, scsi_disk(), READ_10);
}

static void write_by_disk(const struct e2e_case *c)
{
	run(c, scsi_disk(), WRITE_10);
}

static void read_by_sg(const struct e2e_case *c)
{
	run(c, scsi_generic(), READ_10);
}

static void write_by_sg(const struct e2e_case *c)
{
	run(c, scsi_generic(), WRITE_10);
}

static void inquiry(const struct e2e_case *c)
{
	static const struct memory plain = { .name = "plain" };
	const unsigned char cdb[6] = { 0x12, [4] = INQUIRY_LEN };
	char *answer = map(INQUIRY_LEN);
	int ret;

	(void)c;
	ret = send_command(scsi_disk(), cdb, sizeof(cdb), false, answer,
			   INQUIRY_LEN, &plain);
	if (ret < 0)
		fail("SG_IO: %s", errno_name(ret));
	if (memcmp(answer + 16, "scsi_debug", 10))
		fail("the disk says that it is a '%.16s'", answer + 16);
}

static void add(const char *by, const struct memory *m,
		void (*read)(const struct e2e_case *c),
		void (*write)(const struct e2e_case *c))
{
	struct e2e_case c = { .arg = m };

	if (m->copied)
		c.no_pins = "memory that is not aligned is copied";
	else if (m->segments && read == read_by_sg)
		c.no_pins = "sg copies what a vector describes";
	c.run = write;
	e2e_add(&c, "%s/write/%s", by, m->name);
	if (m->read_only)
		c.no_pins = "there is no page that may be pinned";
	c.run = read;
	e2e_add(&c, "%s/read/%s", by, m->name);
}

int main(int argc, char **argv)
{
	e2e_add(&(struct e2e_case){ .run = inquiry }, "disk/inquiry");
	for (unsigned int i = 0; i < ARRAY_SIZE(memories); i++)
		add("disk", &memories[i], read_by_disk, write_by_disk);
	for (unsigned int i = 0; i < ARRAY_SIZE(memories); i++)
		add("sg", &memories[i], read_by_sg, write_by_sg);
	return e2e_main(argc, argv);
}
