// SPDX-License-Identifier: GPL-2.0-only
/*
 * A user address space in a test, and fork().
 *
 * A KUnit test runs in a kernel thread. Memory that is known by the address
 * that a process uses, with page faults, copy on write and all, needs an mm:
 * the thread adopts one for the time of the test.
 */
#include <linux/anon_inodes.h>
#include <linux/completion.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/pagewalk.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/uaccess.h>

#include "pin_test.h"

static int user_mm_init(struct kunit_resource *res, void *context)
{
	struct mm_struct *mm = mm_alloc();

	if (!mm)
		return -ENOMEM;
	/* what execve() does on the way to the first mmap() */
	mm->task_size = TASK_SIZE;
	arch_pick_mmap_layout(mm, &current->signal->rlim[RLIMIT_STACK]);
	kthread_use_mm(mm);
	res->data = mm;
	return 0;
}

static void user_mm_free(struct kunit_resource *res)
{
	struct mm_struct *mm = res->data;

	/* An assertion that failed has ended the thread, and mm with it. */
	if (current->mm != mm)
		return;
	kthread_unuse_mm(mm);
	mmput(mm);
}

/* Make current->mm an address space of the test's own; once is enough. */
static void user_mm(struct kunit *test)
{
	struct pin_test *pt = test->priv;

	if (pt->mm)
		return;
	pt->mm = kunit_alloc_resource(test, user_mm_init, user_mm_free,
				      GFP_KERNEL, NULL);
	KUNIT_ASSERT_NOT_NULL_MSG(test, pt->mm, "no address space");
}

static unsigned long mmap_anon(struct kunit *test, unsigned int nr, int prot,
			       unsigned long flags)
{
	unsigned long addr;

	user_mm(test);
	addr = vm_mmap(NULL, 0, nr * PAGE_SIZE, prot,
		       MAP_PRIVATE | MAP_ANONYMOUS | flags, 0);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_VALUE(addr), "mmap: %ld", (long)addr);
	return addr;
}

/* Map @nr pages of anonymous memory. None of them is there before it is used. */
unsigned long user_mmap_anon(struct kunit *test, unsigned int nr, int prot)
{
	return mmap_anon(test, nr, prot, 0);
}

/*
 * Map @nr pages of anonymous memory that are all there, as if they had been
 * written to. Each page fault is a round trip to a process on the host, if this
 * is user-mode Linux; these pages take none.
 */
unsigned long user_mmap_populated(struct kunit *test, unsigned int nr)
{
	return mmap_anon(test, nr, PROT_READ | PROT_WRITE, MAP_POPULATE);
}

static int pages_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct page *page = file->private_data;
	int err = 0;

	for (unsigned long addr = vma->vm_start; !err && addr < vma->vm_end;
	     addr += PAGE_SIZE)
		err = vm_insert_page(vma, addr, page++);
	return err;
}

static const struct file_operations pages_file_fops = {
	.mmap = pages_file_mmap,
};

/* Map pages, of a folio or not, in the way a driver maps its memory. */
unsigned long user_mmap_pages(struct kunit *test, struct page *page, unsigned int nr)
{
	struct file *file;
	unsigned long addr;

	user_mm(test);
	file = anon_inode_getfile("[pin_test]", &pages_file_fops, page, O_RDWR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	addr = vm_mmap(file, 0, nr * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_SHARED, 0);
	fput(file);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_VALUE(addr), "mmap: %ld", (long)addr);
	return addr;
}

void user_munmap(struct kunit *test, unsigned long addr, size_t len)
{
	KUNIT_ASSERT_EQ(test, vm_munmap(addr, len), 0);
}

void user_write(struct kunit *test, unsigned long addr, const void *buf, size_t len)
{
	KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)addr, buf, len), 0UL);
}

void user_read(struct kunit *test, unsigned long addr, void *buf, size_t len)
{
	KUNIT_ASSERT_EQ(test, copy_from_user(buf, (void __user *)addr, len), 0UL);
}

struct mapped {
	unsigned long addr;
	struct page **pages;
};

static int note_page(pte_t *pte, unsigned long addr, unsigned long next,
		     struct mm_walk *walk)
{
	struct mapped *m = walk->private;

	if (pte_present(*pte))
		m->pages[(addr - m->addr) / PAGE_SIZE] = pte_page(*pte);
	return 0;
}

static const struct mm_walk_ops note_page_ops = {
	.pte_entry = note_page,
};

/*
 * The @nr pages that are mapped from @addr on according to the page table, and
 * NULL where there is none.
 */
void user_pages(struct kunit *test, unsigned long addr, struct page **pages,
		unsigned int nr)
{
	struct mapped m = { .addr = addr, .pages = pages };
	int err;

	memset(pages, 0, nr * sizeof(*pages));
	/* A page on its way to the LRU has a reference that goes away soon. */
	lru_add_drain_all();
	mmap_read_lock(current->mm);
	err = walk_page_range(current->mm, addr, addr + nr * PAGE_SIZE,
			      &note_page_ops, &m);
	mmap_read_unlock(current->mm);
	KUNIT_EXPECT_EQ(test, err, 0);
}

/* The page that is mapped at @addr, or NULL. */
struct page *user_page(struct kunit *test, unsigned long addr)
{
	struct page *page;

	user_pages(test, addr, &page, 1);
	return page;
}

/* Shared with the child, which may outlive a test that was aborted. */
struct fork_child {
	struct kref kref;
	pid_t pid;
	struct completion leave;
};

static void fork_child_release(struct kref *kref)
{
	kfree(container_of(kref, struct fork_child, kref));
}

static int fork_child_main(void *arg)
{
	struct fork_child *child = arg;

	wait_for_completion(&child->leave);
	kref_put(&child->kref, fork_child_release);
	do_exit(0);
}

static int fork_child_init(struct kunit_resource *res, void *context)
{
	struct fork_child *child = kzalloc(sizeof(*child), GFP_KERNEL);
	struct kernel_clone_args args = {
		.flags = CLONE_UNTRACED,
		.exit_signal = SIGCHLD,
		.fn = fork_child_main,
		.fn_arg = child,
	};

	if (!child)
		return -ENOMEM;
	kref_init(&child->kref);
	kref_get(&child->kref);
	init_completion(&child->leave);
	child->pid = kernel_clone(&args);
	if (child->pid < 0) {
		kfree(child);
		return -ENOMEM;
	}
	res->data = child;
	return 0;
}

static void fork_child_free(struct kunit_resource *res)
{
	struct fork_child *child = res->data;

	user_fork_exit(child);
	kref_put(&child->kref, fork_child_release);
}

/*
 * fork(): the child has a copy of the address space, and does nothing with it
 * until it is told to exit, at the end of the test if not before.
 */
struct fork_child *user_fork(struct kunit *test)
{
	struct fork_child *child = kunit_alloc_resource(test, fork_child_init,
							fork_child_free,
							GFP_KERNEL, NULL);

	KUNIT_ASSERT_NOT_NULL_MSG(test, child, "fork");
	return child;
}

/* Let the child exit, and return when its address space is gone. */
void user_fork_exit(struct fork_child *child)
{
	if (!child->pid)
		return;
	complete(&child->leave);
	/* There is no status to have: a kernel thread ignores SIGCHLD. */
	kernel_wait(child->pid, NULL);
	child->pid = 0;
}
