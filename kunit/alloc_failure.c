// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory allocations that fail on demand.
 *
 * current->fail_nth makes the nth call into the kernel's fault injection fail
 * (see Documentation/fault-injection/). As configured at boot, that lets the
 * allocations pass that may sleep, which are the ones to test here. The way to
 * change it is debugfs.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/sched.h>

#include "pin_test.h"

#if defined(CONFIG_FAULT_INJECTION_DEBUG_FS) && defined(CONFIG_FAILSLAB) && \
	defined(CONFIG_FAIL_PAGE_ALLOC)

static const struct {
	const char *name, *value;
} settings[] = {
	{ "failslab/ignore-gfp-wait", "N" },
	{ "failslab/verbose", "0" },
	{ "fail_page_alloc/ignore-gfp-wait", "N" },
	{ "fail_page_alloc/ignore-gfp-highmem", "N" },
	{ "fail_page_alloc/min-order", "0" },
	{ "fail_page_alloc/verbose", "0" },
};

static void debugfs_write(struct kunit *test, const struct path *root,
			  const char *name, const char *value, unsigned long uaddr)
{
	struct file *file;
	loff_t pos = 0;
	ssize_t ret;

	user_write(test, uaddr, value, strlen(value));
	file = file_open_root(root, name, O_WRONLY, 0);
	KUNIT_EXPECT_FALSE_MSG(test, IS_ERR(file), "%s: %pe", name, file);
	if (IS_ERR(file))
		return;
	ret = vfs_write(file, (char __user *)uaddr, strlen(value), &pos);
	KUNIT_EXPECT_EQ_MSG(test, ret, strlen(value), "%s", name);
	__fput_sync(file);
}

void alloc_failure_enable(struct kunit *test)
{
	struct file_system_type *debugfs = get_fs_type("debugfs");
	/* its files take what they are told from user memory only */
	unsigned long uaddr = user_mmap_anon(test, 1, PROT_READ | PROT_WRITE);
	struct vfsmount *mnt;
	struct path root;

	KUNIT_ASSERT_NOT_NULL(test, debugfs);
	mnt = kern_mount(debugfs);
	put_filesystem(debugfs);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(mnt), "debugfs: %pe", mnt);
	root = (struct path) { .mnt = mnt, .dentry = mnt->mnt_root };
	for (unsigned int i = 0; i < ARRAY_SIZE(settings); i++)
		debugfs_write(test, &root, settings[i].name, settings[i].value, uaddr);
	kern_unmount(mnt);
}

/* Let the @nth allocation of this thread from now on fail; the first is 1. */
void alloc_failure_arm(unsigned int nth)
{
	current->fail_nth = nth;
}

/* Return whether one has failed since. */
bool alloc_failure_disarm(void)
{
	bool failed = !current->fail_nth;

	current->fail_nth = 0;
	return failed;
}

#else

void alloc_failure_enable(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_FAULT_INJECTION_DEBUG_FS, FAILSLAB and FAIL_PAGE_ALLOC");
}

void alloc_failure_arm(unsigned int nth) {}

bool alloc_failure_disarm(void)
{
	return false;
}

#endif
