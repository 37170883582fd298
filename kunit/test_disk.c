// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk of the test's own: the data is in memory, and the test says when a bio
 * completes and how.
 */
#include <linux/blkdev.h>
#include <linux/file.h>
#include <linux/mount.h>
#include <linux/sizes.h>

#include "test_disk.h"

/* Do what the device does: move the data, to or from where the bio says. */
void test_disk_transfer(struct test_disk *td, struct bio *bio)
{
	char *data = td->data + (bio->bi_iter.bi_sector << SECTOR_SHIFT);
	struct bvec_iter iter;
	struct bio_vec bv;

	bio_for_each_segment(bv, bio, iter) {
		if (op_is_write(bio_op(bio)))
			memcpy_from_bvec(data, &bv);
		else
			memcpy_to_bvec(&bv, data);
		data += bv.bv_len;
	}
}

static void end_bio(struct test_disk *td, struct bio *bio)
{
	if (++td->nr_ended == td->fail_nth)
		bio->bi_status = BLK_STS_IOERR;
	else
		test_disk_transfer(td, bio);
	bio_endio(bio);
}

static void test_disk_submit_bio(struct bio *bio)
{
	struct test_disk *td = bio->bi_bdev->bd_disk->private_data;

	if (td->hold)
		bio_list_add(&td->held, bio);
	else
		end_bio(td, bio);
}

static enum hrtimer_restart end_held(struct hrtimer *timer)
{
	struct test_disk *td = container_of(timer, struct test_disk, interrupt);
	struct bio *bio;

	while ((bio = bio_list_pop(&td->held)))
		end_bio(td, bio);
	complete(&td->interrupted);
	return HRTIMER_NORESTART;
}

/* Complete all bios that are held, in interrupt context as a device does. */
void test_disk_complete(struct test_disk *td)
{
	td->hold = false;
	hrtimer_start(&td->interrupt, 0, HRTIMER_MODE_REL_HARD);
	wait_for_completion(&td->interrupted);
}

static const struct block_device_operations test_disk_fops = {
	.owner = THIS_MODULE,
	.submit_bio = test_disk_submit_bio,
};

static int test_disk_init(struct kunit_resource *res, void *context)
{
	struct test_disk *td = context;
	int err = -ENOMEM;

	td->data = (char *)__get_free_pages(GFP_KERNEL | __GFP_ZERO,
					    get_order(TEST_DISK_SIZE));
	if (!td->data)
		return err;
	td->disk = blk_alloc_disk(NUMA_NO_NODE);
	if (!td->disk)
		goto free_data;
	td->disk->fops = &test_disk_fops;
	td->disk->flags = GENHD_FL_NO_PART;
	td->disk->private_data = td;
	snprintf(td->disk->disk_name, DISK_NAME_LEN, "pin_test");
	set_capacity(td->disk, TEST_DISK_SIZE >> SECTOR_SHIFT);
	err = add_disk(td->disk);
	if (err)
		goto put_disk;
	td->bdev = td->disk->part0;
	bio_list_init(&td->held);
	init_completion(&td->interrupted);
	hrtimer_init(&td->interrupt, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	td->interrupt.function = end_held;
	res->data = td;
	return 0;

put_disk:
	put_disk(td->disk);
free_data:
	free_pages((unsigned long)td->data, get_order(TEST_DISK_SIZE));
	return err;
}

static void test_disk_free(struct kunit_resource *res)
{
	struct test_disk *td = res->data;

	test_disk_complete(td);
	del_gendisk(td->disk);
	put_disk(td->disk);
	free_pages((unsigned long)td->data, get_order(TEST_DISK_SIZE));
}

/* A disk of TEST_DISK_SIZE bytes, zeroed, until the test is over. */
struct test_disk *test_disk(struct kunit *test)
{
	struct test_disk *td = kunit_kzalloc(test, sizeof(*td), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, td);
	KUNIT_ASSERT_NOT_NULL(test, kunit_alloc_resource(test, test_disk_init,
							 test_disk_free,
							 GFP_KERNEL, td));
	return td;
}

static void file_close(struct kunit_resource *res)
{
	fput(res->data);
	/* before the disk goes; after an assertion that failed, this is init */
	if (current->flags & PF_KTHREAD)
		flush_delayed_fput();
}

void kunit_file(struct kunit *test, struct file *file)
{
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(file), "%pe", file);
	KUNIT_ASSERT_NOT_NULL(test, kunit_alloc_resource(test, NULL, file_close,
							 GFP_KERNEL, file));
}

/* The block device, opened with O_DIRECT. */
struct file *test_disk_open(struct kunit *test, struct test_disk *td)
{
	struct file_system_type *devtmpfs = get_fs_type("devtmpfs");
	struct vfsmount *mnt;
	struct path root;
	struct file *file;

	KUNIT_ASSERT_NOT_NULL_MSG(test, devtmpfs, "needs CONFIG_DEVTMPFS");
	mnt = kern_mount(devtmpfs);
	put_filesystem(devtmpfs);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(mnt), "devtmpfs: %pe", mnt);
	root = (struct path) { .mnt = mnt, .dentry = mnt->mnt_root };
	file = file_open_root(&root, td->disk->disk_name,
			      O_RDWR | O_DIRECT | O_NOATIME, 0);
	kern_unmount(mnt);
	kunit_file(test, file);
	return file;
}

/* The pages that are in a vector, and how many they are. */
static struct page *bvec_pages(const struct bio_vec *bv, unsigned int *nr)
{
	unsigned int first = bv->bv_offset / PAGE_SIZE;

	*nr = DIV_ROUND_UP(bv->bv_offset + bv->bv_len, PAGE_SIZE) - first;
	return bv->bv_page + first;
}

/*
 * In the end all bios pin. On the way there each says how it holds its pages,
 * and before that it can only be one way.
 */
static enum hold bio_hold(struct bio *bio)
{
#ifdef CONFIG_PIN_KUNIT_HAS_BIO_PAGE_PINNED
	if (BIOS_PIN || bio_flagged(bio, BIO_PAGE_PINNED))
		return PIN;
#endif
	return REFERENCE;
}

/*
 * Say that the pages of @bio are held for it, or no longer are: once for each
 * time that a page is in one of its vectors.
 */
void page_watch_bio(struct page_watch *w, struct bio *bio, bool held)
{
	enum hold hold = bio_hold(bio);
	struct bio_vec *bv;
	unsigned int i, nr;

	bio_for_each_bvec_all(bv, bio, i) {
		struct page *page = bvec_pages(bv, &nr);

		for (; nr; nr--, page++) {
			if (held)
				page_watch_acquired(w, page, hold);
			else
				page_watch_released(w, page, hold);
		}
	}
}

/* Watch the pages of @bio: they are new, and a pipe has the only reference. */
void page_watch_add_bio(struct page_watch *w, struct bio *bio)
{
	struct bio_vec *bv;
	unsigned int i, nr;

	bio_for_each_bvec_all(bv, bio, i)
		for (struct page *page = bvec_pages(bv, &nr); nr; nr--, page++)
			page_watch_add_new(w, page, 1);
}
