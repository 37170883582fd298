/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LIB_PIN_TEST_DISK_H
#define _LIB_PIN_TEST_DISK_H

#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/sizes.h>

#include "pin_test.h"

#define TEST_DISK_SIZE	SZ_512K

struct test_disk {
	struct gendisk *disk;
	struct block_device *bdev;
	char *data;
	bool hold;			/* bios, until test_disk_complete() */
	struct bio_list held;
	struct hrtimer interrupt;	/* in which they complete */
	struct completion interrupted;
	unsigned int nr_ended, fail_nth;	/* which bio fails; 0: none */
};

struct test_disk *test_disk(struct kunit *test);
void test_disk_transfer(struct test_disk *td, struct bio *bio);
void test_disk_complete(struct test_disk *td);
struct file *test_disk_open(struct kunit *test, struct test_disk *td);
void kunit_file(struct kunit *test, struct file *file);
void page_watch_bio(struct page_watch *w, struct bio *bio, bool held);
void page_watch_add_bio(struct page_watch *w, struct bio *bio);

/* Whether all bios pin their pages in this kernel. */
#define BIOS_PIN	IS_ENABLED(CONFIG_PIN_KUNIT_HAS_BIO_PIN)

#endif /* _LIB_PIN_TEST_DISK_H */
