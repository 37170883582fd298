// SPDX-License-Identifier: GPL-2.0
// e2e: --disk 512M --mem 768M
/*
 * fio writes blocks of random sizes in random order, several at a time, and
 * reads them back with a checksum in each: by one engine after the other.
 */
#include "e2e.h"

static void fio(const struct e2e_case *c)
{
	const char *file = target_file(c->target);

	command("fio --direct=1 --thread --size=4m --rw=randwrite --stonewall "
		"--bsrange=%zu-96k --verify=crc32c --verify_fatal=1 "
		"--fallocate=none --filename=%s "
		"--name=psync --ioengine=psync "
		"--name=libaio --ioengine=libaio --iodepth=8 "
		"--name=io_uring --ioengine=io_uring --iodepth=8",
		c->target->block, file);
	/* three times the file is written, and read */
	pins_at_least(3 * 2 * 4 * MIB / PAGE);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {
		"ext4", "xfs", "btrfs", "f2fs", "ext2", "vfat", "raw"
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		e2e_add(&(struct e2e_case){
			.run = fio, .target = target(names[i])
		}, "%s", names[i]);
	return e2e_main(argc, argv);
}
